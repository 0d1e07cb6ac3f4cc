"""Verdicts made up on the concept world: good masks, and masks wrong in every usual way.

The verifier that ships learned from these (the foundation of SAM 3's recipe, where it is
two hundred million pairs of photographs); a project's own verdicts come on top. They also
measure verifiers, because their truth is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from samnb.masks.ops import bounds
from samnb.models.base import BoolMask, Image
from samnb.models.concepts import Instance
from samnb.models.verifier_examples import EvExample, MvExample
from samnb.synthetic.concepts import ConceptScene, hard_negatives, make_concept_scene
from samnb.types import EvAnswer, MvAnswer

ACCEPT_IOU: Final = 0.75
"""A mask with a lower IoU with every instance is to be rejected."""
FAULTS: Final = ("eroded", "dilated", "merged", "shifted", "part")
"""Ways in which a mask of the right thing is wrong."""
_MARGIN: Final = 30


@dataclass(frozen=True, slots=True, eq=False)
class WorldVerdict:
    """A question on the concept world.

    Attributes:
        example: with the true answer.
        kind: "good", one of :data:`FAULTS`, "other" thing, "ground", "negative" phrase, or
            for a pair "all", "left out", "none found" and "absent".
    """

    example: MvExample | EvExample
    kind: str


def mask_verdicts(
    scene: ConceptScene, *, n: int, seed: int = 0, phrases_per_mask: int = 1
) -> Iterator[WorldVerdict]:
    """Yield verdicts on masks: about half to be accepted.

    Args:
        scene: the picture and its truth.
        n: masks.
        seed: of everything random, together with the scene's own.
        phrases_per_mask: questions about each mask, which cost little once it is described.
    """
    rng = np.random.default_rng([seed, scene.seed, 3])
    image, key = scene.image, f"{scene.split}{scene.seed}"
    for _ in range(n if scene.things else 0):
        thing = scene.things[int(rng.integers(len(scene.things)))]
        clean = np.asarray(scene.labels == thing.number)
        kind = "good" if rng.random() < 0.7 else FAULTS[int(rng.integers(len(FAULTS)))]
        if rng.random() < 0.05:
            mask, kind = _ground(scene, rng), "ground"
        elif kind == "good":
            mask = clean if rng.random() < 0.3 else roughen(clean, rng)
        else:
            mask = spoil(clean, kind, rng, _another(scene, thing.number, rng))
        if not mask.any():
            continue
        for _ in range(phrases_per_mask):
            phrase, why = _phrase(scene, thing.phrases, rng)
            best = max((_iou(mask, truth) for truth in scene.truth(phrase)), default=0.0)
            answer = MvAnswer.ACCEPT if best >= ACCEPT_IOU else MvAnswer.REJECT
            example = MvExample(key, _Loaded(image), phrase, mask, answer)
            yield WorldVerdict(example, why if kind == "good" else kind)


def pair_verdicts(scene: ConceptScene, *, n: int, seed: int = 0) -> Iterator[WorldVerdict]:
    """Yield verdicts on pairs: half about hard negatives, half about phrases that are true.

    Of the true ones, half have all of their instances, the others leave some or all out.
    """
    rng = np.random.default_rng([seed, scene.seed, 4])
    for _ in range(n if scene.things else 0):
        phrase = scene.phrases[int(rng.integers(len(scene.phrases)))]
        wrong = hard_negatives(scene, phrase)
        if rng.random() < 0.5 and wrong:
            phrase = wrong[int(rng.integers(min(len(wrong), 12)))]
        truths = [roughen(mask, rng) for mask in scene.truth(phrase)]
        n_kept = len(truths) if rng.random() < 0.5 else int(rng.integers(len(truths) + 1))
        masks = tuple(mask for mask in truths[:n_kept] if mask.any())
        is_all = n_kept == len(truths)
        kind = (
            "absent" if not truths else "all" if is_all else "left out" if masks else "none found"
        )
        answer = EvAnswer.ACCEPT if is_all else EvAnswer.REJECT
        key = f"{scene.split}{scene.seed}"
        yield WorldVerdict(EvExample(key, _Loaded(scene.image), phrase, masks, answer), kind)


def world_scenes(
    seeds: Sequence[int], *, split: Literal["train", "test"] = "train", difficulty: float = 0.5
) -> list[ConceptScene]:
    """Make the scenes with these seeds."""
    return [make_concept_scene(s, split=split, difficulty=difficulty) for s in seeds]


def world_candidates(
    scene: ConceptScene, *, seed: int = 0, missed: float = 0.05
) -> tuple[Instance, ...]:
    """What a search for everything might find: rough masks, some missed, some ground.

    Scores are zero: nobody has asked for a phrase.
    """
    rng = np.random.default_rng([seed, scene.seed, 5])
    found = [
        Instance(roughen(np.asarray(scene.labels == thing.number), rng), 0.0)
        for thing in scene.things
        if rng.random() >= missed
    ]
    return (*found, Instance(_ground(scene, rng), 0.0))


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


@dataclass(frozen=True, slots=True, eq=False)
class _Loaded:
    """A loader of a picture that is in memory."""

    image: Image

    def __call__(self) -> Image:
        return self.image


def _phrase(scene: ConceptScene, own: Sequence[str], rng: np.random.Generator) -> tuple[str, str]:
    """A phrase to ask about a thing: true of it, a hard negative, or another thing's."""
    phrase = own[int(rng.integers(len(own)))]
    draw = rng.random()
    if draw < 0.6:
        return phrase, "good"
    if draw < 0.85:
        wrong = hard_negatives(scene, phrase)
        if wrong:
            return wrong[int(rng.integers(min(len(wrong), 12)))], "negative"
    return scene.phrases[int(rng.integers(len(scene.phrases)))], "other"


def _another(scene: ConceptScene, number: int, rng: np.random.Generator) -> BoolMask:
    others = [t.number for t in scene.things if t.number != number]
    if not others:
        return _ground(scene, rng)
    return np.asarray(scene.labels == others[int(rng.integers(len(others)))])


def _ground(scene: ConceptScene, rng: np.random.Generator) -> BoolMask:
    """A round patch somewhere, of the size of a thing."""
    height, width = scene.labels.shape
    y, x = rng.integers(height), rng.integers(width)
    rows: npt.NDArray[np.int64] = np.arange(height)[:, None] - y
    columns: npt.NDArray[np.int64] = np.arange(width)[None] - x
    radius = 0.1 * min(height, width)
    return roughen(np.asarray(rows**2 + columns**2 < radius**2), rng)


def _iou(a: BoolMask, b: BoolMask) -> float:
    return int(np.count_nonzero(a & b)) / max(int(np.count_nonzero(a | b)), 1)
