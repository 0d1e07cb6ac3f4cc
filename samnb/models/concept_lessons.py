"""What ``concept`` learns from: pictures as its frozen part sees them, and what is true there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from samnb.masks.rle import encode_many
from samnb.metrics.cgf1 import PairCount, count_pair, mask_ious
from samnb.models.base import BoolMask, Image
from samnb.models.concept import LearnedSegmenter, check_image
from samnb.models.concept_calibration import Calibration
from samnb.models.concept_crops import view_labels
from samnb.models.concept_look import Look, frame, tidy, views_around
from samnb.models.concept_net import ConceptNet, phrase_log_probability
from samnb.models.concept_proposals import MAP_SIDE, propose
from samnb.models.concept_sight import sight_name
from samnb.models.verifier_foundation.world import asked_phrases
from samnb.synthetic.concepts import make_concept_scene
from samnb.synthetic.things import WORLD
from samnb.types import InputError, Rle

SAME: Final = 0.5
"""A proposal that overlaps a decided mask at least so much shows that instance."""
OTHER: Final = 0.3
"""One that overlaps all of them less than this does not; in between nothing is learned."""
REHEARSAL_SEED: Final = 640_000
"""Made-up pictures of the default world have seeds from here on; others are for measuring."""
TRAINED: Final = ("trunk", "to_embedding", "to_quality")
"""Parts of the net that fine-tuning moves, beside the words."""


@dataclass(frozen=True, slots=True, eq=False)
class DecidedPair:
    """A picture and a phrase that were decided.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        phrase: the noun phrase.
        masks: all instances, (H, W) bool each; none for a verified negative, hard or not.
    """

    image: Image
    phrase: str
    masks: tuple[BoolMask, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """One picture: its views, and for each phrase which of them it names.

    Attributes:
        pooled: (N, D) float32, what the frozen part sees of each view.
        phrases: P of them.
        target: (N, P) int64: 1, 0, or -1 where nothing is known.
        whole: (N,) int64: 1 for a view of a decided instance, 0 for a part of one, -1 for
            others.
        look: where the first views are, which are the proposals, and their masks; None where
            nobody will ask about the picture.
        masks: of each phrase, all decided instances.
        picture: see :func:`digest`.
        mirrored: of the views that the look has, the same of their mirror images; None without it.
    """

    pooled: Tensor
    phrases: tuple[str, ...]
    target: Tensor
    whole: Tensor
    look: Look | None = None
    masks: tuple[tuple[Rle, ...], ...] = ()
    picture: str = ""
    mirrored: Tensor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What is told about a lesson, probabilities all.

    Attributes:
        named: (N, P), of each phrase naming each view.
        counts: (N, P), 0 where nothing is told.
        words: (N, W), of each word that the base knows; None where these are left alone.
    """

    named: Tensor
    counts: Tensor
    words: Tensor | None


def by_picture(pairs: Sequence[DecidedPair]) -> list[list[DecidedPair]]:
    """Group pairs by their picture.

    Raises:
        InputError: no pairs, or masks that are not of their picture.
    """
    if not pairs:
        raise InputError("pairs: expected at least one decided pair, got none")
    groups: dict[str, list[DecidedPair]] = {}
    for pair in pairs:
        check_image(pair.image)
        for mask in pair.masks:
            if mask.shape != pair.image.shape[:2] or mask.dtype != np.bool_:
                raise InputError(
                    f"masks of {pair.phrase!r}: expected {pair.image.shape[:2]} bool, "
                    f"got {mask.shape} {mask.dtype}"
                )
        groups.setdefault(digest(pair.image), []).append(pair)
    return list(groups.values())


def digest(image: Image) -> str:
    """Name a picture by its content."""
    seen = repr(image.shape).encode() + np.ascontiguousarray(image).tobytes()
    return hashlib.blake2b(seen, digest_size=8).hexdigest()


@torch.no_grad()
def look_at_pairs(segmenter: LearnedSegmenter, pairs: Sequence[DecidedPair]) -> Lesson:
    """Compute what the frozen part sees of a picture's proposals and of the decided masks.

    Args:
        segmenter: whose eyes to use.
        pairs: decided pairs of one picture.
    """
    image, net = pairs[0].image, segmenter.net
    size_hw = image.shape[0], image.shape[1]
    features, found = propose(segmenter.tracker, segmenter.proposer, image, grid=segmenter.grid)
    squares, views = frame(net, image, found)
    n = len(squares)
    masks = [m for p in pairs for m in p.masks if m.any()]
    if masks:
        own = torch.from_numpy(np.stack(masks)).float()[:, None]
        small = F.interpolate(own, size=(MAP_SIDE, MAP_SIDE), mode="area")[:, 0]
        small = small / small.amax((1, 2), keepdim=True)  # even a speck reaches 0.5
        around, shown_there = views_around(image, small)
        squares, views = np.concatenate([squares, around]), torch.cat([views, shown_there])
    pooled, fine = net.pool(views.to(net.vectors.device))
    mirrored, back = net.pool(views[:n].flip(-1).to(net.vectors.device))
    fine = (fine[:n] + back.flip(-1)) / 2
    shown = (views[:, 3] > 0.5).numpy()
    scale = (shown.shape[-1] / squares[:, 2]) ** 2
    overlap: dict[int, np.ndarray] = {}
    for pair in pairs:
        for mask in pair.masks:
            seen = view_labels(mask.astype(np.uint8), squares) > 0
            inter = (seen & shown).sum((1, 2))
            union = shown.sum((1, 2)) + mask.sum() * scale - inter
            overlap[id(mask)] = inter / np.maximum(union, 1)
    none = np.zeros(len(squares))
    target = np.full((len(squares), len(pairs)), -1, np.int64)
    for column, pair in enumerate(pairs):
        best = np.max([none, *(overlap[id(m)] for m in pair.masks)], axis=0)
        target[best < OTHER, column] = 0
        target[best >= SAME, column] = 1
    best = np.max([none, *overlap.values()], axis=0)
    whole = np.where(best >= SAME, 1, np.where((best > 0.1) & (best < OTHER), 0, -1))
    look = Look(
        size_hw, squares[:n], fine.cpu().numpy(), np.zeros(n, np.float32), pooled[:n, :1],
        features,
    )  # fmt: skip
    return Lesson(
        pooled,
        tuple(p.phrase for p in pairs),
        torch.from_numpy(target),
        torch.from_numpy(whole),
        look,
        tuple(tuple(encode_many(list(p.masks))) for p in pairs),
        digest(image),
        mirrored,
    )


@torch.no_grad()
def answers(segmenter: LearnedSegmenter, lesson: Lesson) -> list[PairCount]:
    """Count what a version finds in a picture that was looked at, one count per phrase.

    Args:
        segmenter: the version; its frozen part is the one that looked.
        lesson: with its look.

    Raises:
        InputError: the look was not kept.
    """
    if lesson.look is None or lesson.mirrored is None:
        raise InputError("lesson: expected one with its look, got one without")
    own = lesson.pooled[: len(lesson.look)]
    embedding, whole = segmenter.net.read_both(own, lesson.mirrored)
    lesson.look.compared()  # kept, for every version asked
    quality = whole.sigmoid().cpu().numpy()
    seen = tidy(replace(lesson.look, quality=quality, embedding=embedding.cpu()))
    counts = []
    for phrase, truth in zip(lesson.phrases, lesson.masks, strict=True):
        found = [one.mask for one in segmenter.answer(seen, phrase).kept()]
        counts.append(count_pair(mask_ious(encode_many(found), truth)))
    return counts


_seen: dict[str, list[Lesson]] = {}


def rehearsals(
    segmenter: LearnedSegmenter, n: int, on_look: Callable[[], bool] | None = None
) -> list[Lesson]:
    """Look at made-up pictures of the world that the default segmenter was taught on.

    They are the same for every version, whose frozen part is the same: what was computed once
    is kept while the process lives.

    Args:
        segmenter: one that knows all words of that world; for another there are no rehearsals.
        n: pictures.
        on_look: called after each picture; true stops.
    """
    if not {*WORLD.nouns, *WORLD.colours, *WORLD.textures} <= set(segmenter.words):
        return []
    held = _seen.setdefault(_fingerprint(segmenter), [])
    while len(held) < n:
        scene = make_concept_scene(REHEARSAL_SEED + len(held), split="train")
        asked = asked_phrases(scene, np.random.default_rng([scene.seed, 17]))
        pairs = [DecidedPair(scene.image, p, scene.truth(p)) for p in asked]
        seen = look_at_pairs(segmenter, pairs)
        held.append(replace(seen, look=None, masks=(), mirrored=None))
        if on_look is not None and on_look():
            break
    return held[:n]


def _fingerprint(segmenter: LearnedSegmenter) -> str:
    """What the pooled features depend on: the eyes, the proposer, the net's frozen part."""
    sight = f"{sight_name(segmenter.tracker)} {segmenter.grid}"
    seen = hashlib.blake2b(sight.encode(), digest_size=16)
    moved = (*TRAINED, "vectors", "bias", "rules", "exemplars")
    for part in (segmenter.proposer, segmenter.net):
        for name, value in part.state_dict().items():
            if not name.startswith(moved):
                seen.update(value.cpu().numpy().tobytes())
    return seen.hexdigest()


@torch.no_grad()
def tell(base: ConceptNet, calibration: Calibration, lesson: Lesson, belief: float | None) -> Told:
    """Mix what was decided with what the base believes, where it believes anything.

    Args:
        base: the version to start from.
        calibration: its calibration.
        lesson: the picture.
        belief: weight of the base's belief, in [0, 1]; None where what was decided is the
            truth, and the base's other words need no keeping.
    """
    decided = lesson.target.to(base.vectors.device).float()
    counts = (decided >= 0).float()
    if belief is None:
        return Told(decided.clamp(min=0), counts, None)
    embedding, whole = base.read(lesson.pooled)
    logits = base.word_logits(embedding)
    incidence = base.incidence(lesson.phrases)
    log_p = phrase_log_probability(logits, incidence)
    believed = calibration.instance_logits(whole.sigmoid(), log_p).sigmoid()
    is_known = (incidence[:, -1] == 0).expand_as(believed)
    mixed = torch.where(is_known, (1 - belief) * decided + belief * believed, decided)
    return Told(mixed * counts, counts, logits.sigmoid())
