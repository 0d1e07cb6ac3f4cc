"""Verdicts on drawn pictures: about what a segmenter proposes there, and about spoilt masks.

SAM 3's verifiers begin from a foundation of two hundred million verdicts (SAM 3 paper, arXiv
2511.16719, appendix on the AI verifiers). Here the pictures are drawn, so the truth is known
and no person is asked. The questions are those that a verifier meets in the loop: what the
segmenter really proposes, and the pairs as they stand when the bad masks are gone. Others teach
what the loop rarely shows: masks that are wrong in every usual way, things that the phrase does
not name, pairs of which something was left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from samnb.masks.ops import bounds
from samnb.metrics.cgf1 import Matrix, match_scores
from samnb.models.base import BoolMask, Image
from samnb.models.concepts import ConceptSegmenter
from samnb.models.verifier_aids import SeesEverything
from samnb.models.verifier_examples import EvExample, Example, MvExample
from samnb.synthetic.concepts import ConceptScene, hard_negatives
from samnb.types import EvAnswer, MvAnswer

GOOD_IOU: Final = 0.7
"""A mask is good from this IoU with a true instance on: the rule of simulated reviewers."""
FOUND_IOU: Final = 0.5
"""An instance is covered from this IoU on: the same rule."""
N_POSITIVES: Final = 3
N_NEGATIVES: Final = 9
"""Phrases asked of a picture, as ``samnb run concept --arms`` asks by default."""
FAULTS: Final = ("eroded", "dilated", "merged", "shifted", "part")
"""Ways in which a mask of the right thing is wrong."""
MET: Final = ("proposal", "pair")
"""Kinds of verdict that the loop asks for; all others are there to learn from."""
_MARGIN: Final = 30


@dataclass(frozen=True, slots=True, eq=False)
class WorldVerdict:
    """A question about a drawn picture.

    Attributes:
        example: with the true answer.
        kind: one of :data:`MET`; for a mask also "other thing", "drawn" or one of
            :data:`FAULTS`; for a pair also "no masks", "unverified" and "left out".
        segmenter: what the segmenter alone would say: the mask's score times presence, or the
            phrase's presence.
    """

    example: Example
    kind: str
    segmenter: float = float("nan")


def asked_phrases(
    scene: ConceptScene, rng: np.random.Generator, n_negatives: int = N_NEGATIVES
) -> tuple[str, ...]:
    """Phrases that name something here, and so many hard negatives of them in turn."""
    every = scene.phrases
    there = [every[i] for i in rng.permutation(len(every))[:N_POSITIVES]]
    near = [list(hard_negatives(scene, phrase)) for phrase in there]
    away: dict[str, None] = {}
    while len(away) < n_negatives and any(near):
        for left in near:
            if left and len(away) < n_negatives:
                away.setdefault(left.pop(0))
    return (*there, *away)


def verdicts(
    scene: ConceptScene, segmenter: ConceptSegmenter, *, seed: int = 0, with_spoilt: bool = True
) -> Iterator[WorldVerdict]:
    """Yield verdicts on one picture.

    Args:
        scene: the picture and its truth.
        segmenter: proposes; it must know the world's words.
        seed: of everything random, together with the scene's own.
        with_spoilt: also what the loop rarely shows.
    """
    if not scene.things:
        return
    rng = np.random.default_rng([seed, scene.seed, 3])
    phrases = asked_phrases(scene, rng)
    for phrase, answer in zip(phrases, segmenter.segment(scene.image, phrases), strict=True):
        kept = [one for one in answer.kept() if one.mask.any()]
        masks = [one.mask for one in kept]
        right = right_masks(scene, phrase, masks)
        for one, is_right in zip(kept, right, strict=True):
            told = one.score * answer.presence
            yield WorldVerdict(_mv(scene, phrase, one.mask, is_right), "proposal", told)
        accepted = tuple(m for m, is_right in zip(masks, right, strict=True) if is_right)
        yield WorldVerdict(_ev(scene, phrase, accepted), "pair", answer.presence)
        if not with_spoilt:
            continue
        if accepted:
            yield WorldVerdict(_ev(scene, phrase, ()), "no masks", answer.presence)
        if len(masks) > len(accepted):
            yield WorldVerdict(_ev(scene, phrase, tuple(masks)), "unverified")
        yield from _others(scene, phrase, segmenter, masks)
    if with_spoilt:
        yield from _spoilt_verdicts(scene, rng)


def _others(
    scene: ConceptScene, phrase: str, segmenter: ConceptSegmenter, kept: Sequence[BoolMask]
) -> Iterator[WorldVerdict]:
    """Whatever else the segmenter sees: verifiers are asked what is missing, too."""
    if not isinstance(segmenter, SeesEverything):
        return
    every = [i.mask for i in segmenter.everything(scene.image, phrase).instances]
    rest = [mask for mask in every if not any(np.array_equal(mask, m) for m in kept)]
    for mask, is_right in zip(rest, right_masks(scene, phrase, rest), strict=True):
        yield WorldVerdict(_mv(scene, phrase, mask, is_right), "other thing")


def _spoilt_verdicts(scene: ConceptScene, rng: np.random.Generator) -> Iterator[WorldVerdict]:
    rough: dict[int, BoolMask] = {}
    for thing in scene.things:
        clean = np.asarray(scene.labels == thing.number)
        drawn = roughen(clean, rng)
        rough[thing.number] = drawn if drawn.any() else clean
    for thing in scene.things:
        kind, mask = "drawn", rough[thing.number]
        if rng.random() < 0.6:
            kind = FAULTS[int(rng.integers(len(FAULTS)))]
            clean = np.asarray(scene.labels == thing.number)
            mask = spoil(clean, kind, rng, _another(scene, thing.number, rng))
        own = thing.phrases[int(rng.integers(len(thing.phrases)))]
        wrong = hard_negatives(scene, own)[:12]
        asked = [own, *([wrong[int(rng.integers(len(wrong)))]] if wrong else [])]
        for phrase in asked if mask.any() else ():
            (is_right,) = right_masks(scene, phrase, [mask])
            yield WorldVerdict(_mv(scene, phrase, mask, is_right), kind)
    for at in rng.permutation(len(scene.phrases))[:4]:
        phrase = scene.phrases[int(at)]
        every = [rough[t.number] for t in scene.named(phrase)]
        masks = tuple(every[: int(rng.integers(len(every) + 1))])
        yield WorldVerdict(_ev(scene, phrase, masks), "left out")


# -- the rules of reviewers ------------------------------------------------------


def right_masks(scene: ConceptScene, phrase: str, masks: Sequence[BoolMask]) -> list[bool]:
    """Whether each mask, by itself, is a good mask of an instance."""
    return [bool(row.size and row.max() >= GOOD_IOU) for row in _ious(scene, phrase, masks)]


def is_exhaustive(scene: ConceptScene, phrase: str, masks: Sequence[BoolMask]) -> bool:
    """Whether every true instance is covered by a mask of its own."""
    table = _ious(scene, phrase, masks)
    return int((match_scores(table) >= FOUND_IOU).sum()) == table.shape[1]


def _ious(scene: ConceptScene, phrase: str, masks: Sequence[BoolMask]) -> Matrix:
    """IoU of each mask with each thing that the phrase names, (N, M)."""
    named = [t.number for t in scene.named(phrase)]
    area = np.bincount(scene.labels.ravel(), minlength=256)[named].astype(np.float64)
    table = np.zeros((len(masks), len(named)))
    for row, mask in enumerate(masks):
        shared = np.bincount(scene.labels[mask], minlength=256)[named]
        table[row] = shared / np.maximum(area + np.count_nonzero(mask) - shared, 1)
    return table


def _mv(scene: ConceptScene, phrase: str, mask: BoolMask, is_right: bool) -> MvExample:
    answer = MvAnswer.ACCEPT if is_right else MvAnswer.REJECT
    return MvExample(_key(scene), partial(_image, scene), phrase, mask, answer)


def _ev(scene: ConceptScene, phrase: str, masks: tuple[BoolMask, ...]) -> EvExample:
    answer = EvAnswer.ACCEPT if is_exhaustive(scene, phrase, masks) else EvAnswer.REJECT
    return EvExample(_key(scene), partial(_image, scene), phrase, masks, answer)


def _key(scene: ConceptScene) -> str:
    return f"{scene.split}{scene.seed}"


def _image(scene: ConceptScene) -> Image:
    return scene.image


# -- spoiling masks --------------------------------------------------------------


def roughen(mask: BoolMask, rng: np.random.Generator, *, px: float = 1.0) -> BoolMask:
    """The mask with an edge that wobbles by about ``px`` pixels, as a model draws it."""
    box = bounds(mask, 6)
    if box is None:
        return mask.copy()
    part = mask[box]
    field = ndimage.gaussian_filter(rng.standard_normal(part.shape), 3.0)
    field *= px / max(float(field.std()), 1e-6)
    depth = ndimage.distance_transform_edt(np.pad(part, 1))[1:-1, 1:-1]
    depth = depth - ndimage.distance_transform_edt(~part)
    out = np.zeros_like(mask)
    out[box] = depth > field
    return out


def spoil(mask: BoolMask, fault: str, rng: np.random.Generator, other: BoolMask) -> BoolMask:
    """The mask wrong in one of :data:`FAULTS`; ``other`` is what it may be merged with."""
    size = max(2, round(0.16 * float(np.sqrt(np.count_nonzero(mask)))))
    box = bounds(mask, _MARGIN)
    if box is None:
        return mask.copy()
    part, out = mask[box], np.zeros_like(mask)
    if fault == "merged":
        return np.asarray(mask | other)
    if fault == "eroded":
        out[box] = ndimage.binary_erosion(part, iterations=size)
    elif fault == "dilated":
        out[box] = ndimage.binary_dilation(part, iterations=size + 1)
    elif fault == "shifted":
        angle = rng.uniform(0, 2 * np.pi)
        by = [round(2.4 * size * float(f(angle))) for f in (np.sin, np.cos)]
        out[box] = ndimage.shift(part.astype(np.uint8), by, order=0) > 0
    else:
        rows, columns = np.nonzero(mask)
        out = mask.copy()
        share = float(rng.uniform(0.35, 0.5))
        if rng.random() < 0.5:
            out[: round(float(np.quantile(rows, share)))] = False
        else:
            out[:, : round(float(np.quantile(columns, share)))] = False
    return out


def _another(scene: ConceptScene, number: int, rng: np.random.Generator) -> BoolMask:
    """Another thing, or a round patch of ground where there is none."""
    others = [t.number for t in scene.things if t.number != number]
    if others:
        return np.asarray(scene.labels == others[int(rng.integers(len(others)))])
    height, width = scene.labels.shape
    y, x = rng.integers(height), rng.integers(width)
    rows: npt.NDArray[np.int64] = np.arange(height)[:, None] - y
    columns: npt.NDArray[np.int64] = np.arange(width)[None] - x
    return np.asarray(rows**2 + columns**2 < (0.1 * min(height, width)) ** 2)
