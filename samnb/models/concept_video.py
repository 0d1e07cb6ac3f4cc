"""A concept in a video: find it on some frames, follow it on all.

Any segmenter and any tracker will do. Frames are read in order and never all at once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

import numpy as np

from samnb.models.base import (
    BoolMask,
    FramePrompts,
    FrameSource,
    Image,
    Prediction,
    Tracker,
    TrackSession,
)
from samnb.models.concepts import ConceptPrediction
from samnb.types import InputError

FoundObjects: TypeAlias = dict[int, Prediction]
Finder: TypeAlias = Callable[[Image], ConceptPrediction]

EVERY: Final = 8
"""Frames from one search to the next."""
NEW_COVER: Final = 0.5
"""An instance of which masklets cover less than this share starts a masklet of its own. That
is about the IoU from which SA-Co's evaluation takes two masks for the same instance; covering
is asked for instead of IoU, so that a part of something tracked does not count as new."""
SAME_IOU: Final = 0.8
"""Of two masklets that overlap more than this on a searched frame, the younger one ends."""


@dataclass(slots=True)
class _Masklets:
    """Who is being followed, and how sure the concept is."""

    probability: dict[int, float] = field(default_factory=dict)
    count: int = 0

    def add(self, probability: float) -> int:
        self.count += 1
        self.probability[self.count] = probability
        return self.count


def follow(
    find: Finder,
    tracker: Tracker,
    frames: FrameSource,
    *,
    threshold: float = 0.5,
    every: int = EVERY,
) -> Generator[tuple[int, FoundObjects], None, None]:
    """Yield ``(position, {obj_id: Prediction})`` for every frame, objects numbered from 1.

    The concept is searched on the first frame and on every ``every``-th. What is found and not
    yet covered starts a masklet there and is followed forward; what was there before is not
    looked for backward. A prediction's confidence is the tracker's times the probability that
    its masklet is the concept.

    Args:
        find: answers for one picture.
        tracker: follows masks.
        frames: the video.
        threshold: instances need at least this score times presence.
        every: frames from one search to the next.

    Raises:
        InputError: ``every`` is not positive.
    """
    if every < 1:
        raise InputError(f"every: expected 1 or more, got {every}")
    session = tracker.open(frames)
    try:
        held = _Masklets()
        for start in range(0, len(frames), every):
            stop = min(start + every, len(frames)) - 1
            on_first = _tracked(session, start, held)
            _end_repeated(session, on_first, held)
            image = frames.frame(start)
            for instance, probability in _kept(find(image), threshold):
                if _covered(instance, on_first) < NEW_COVER:
                    obj_id = held.add(probability)
                    on_first[obj_id] = session.set_prompts(
                        obj_id, start, FramePrompts(mask=instance)
                    )
            if not held.probability:
                for position in range(start, stop + 1):
                    yield position, {}
                continue
            for position, found in session.propagate(start=start, stop=stop):
                yield position, _weighted(found, held)
    finally:
        session.close()


def _kept(prediction: ConceptPrediction, threshold: float) -> list[tuple[BoolMask, float]]:
    kept = prediction.kept(threshold)
    return [(i.mask, i.score * prediction.presence) for i in kept if i.mask.any()]


def _tracked(session: TrackSession, position: int, held: _Masklets) -> FoundObjects:
    """What the masklets so far are on a frame."""
    if not held.probability:
        return {}
    return dict(next(session.propagate(start=position, stop=position))[1])


def _covered(mask: BoolMask, found: FoundObjects) -> float:
    """Share of a mask that lies in some masklet."""
    union = np.zeros_like(mask)
    for prediction in found.values():
        union |= prediction.mask
    return float((mask & union).sum() / max(1, int(mask.sum())))


def _end_repeated(session: TrackSession, found: FoundObjects, held: _Masklets) -> None:
    ids = sorted(found)
    for at, old in enumerate(ids):
        for young in ids[at + 1 :]:
            if old in found and young in found and _iou(found[old], found[young]) > SAME_IOU:
                session.remove_object(young)
                del found[young], held.probability[young]


def _iou(one: Prediction, two: Prediction) -> float:
    union = int((one.mask | two.mask).sum())
    return float((one.mask & two.mask).sum() / union) if union else 0.0


def _weighted(found: FoundObjects, held: _Masklets) -> FoundObjects:
    return {
        obj_id: replace(p, confidence=p.confidence * held.probability[obj_id])
        for obj_id, p in found.items()
        if obj_id in held.probability
    }
