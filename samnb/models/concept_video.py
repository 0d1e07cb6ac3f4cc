"""A concept in a video: find it on some frames, follow it on all.

Any segmenter and any tracker will do. Frames are read in order and never all at once; those
before a thing was first found are read once more, from there to the beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

import numpy as np

from samnb.masks.rle import decode, encode
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
from samnb.types import InputError, Rle

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
_NONE: Final = np.zeros((0, 0), np.bool_)


@dataclass(slots=True)
class _Masklets:
    """Who is being followed, from where, and how sure the concept is; and what was found.

    Masks wait as runs: a long video's would not fit into memory as they are.
    """

    probability: dict[int, float] = field(default_factory=dict)
    start: dict[int, int] = field(default_factory=dict)
    seen: dict[int, dict[int, tuple[Prediction, Rle]]] = field(default_factory=dict)

    def add(self, position: int, probability: float) -> int:
        number = len(self.start) + 1
        self.start[number], self.probability[number] = position, probability
        return number

    def keep(self, position: int, found: FoundObjects) -> None:
        """Write down what was found on a frame, of those who are still followed."""
        held = self.seen.setdefault(position, {})
        for obj_id, one in found.items():
            if obj_id in self.probability:
                sure = one.confidence * self.probability[obj_id]
                held[obj_id] = replace(one, mask=_NONE, confidence=sure), encode(one.mask)

    def at(self, position: int) -> FoundObjects:
        """Return what was found on a frame."""
        held = self.seen.get(position, {})
        return {k: replace(one, mask=decode(runs)) for k, (one, runs) in sorted(held.items())}


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
    yet covered starts a masklet there and is followed forward. When the end is reached, what
    started later is followed backward to where it came into the picture: until it is absent for
    ``every`` frames, or covered by others. Where one other masklet is what it turns out to be,
    they become one. So nothing is yielded before all was seen. A prediction's confidence is the
    tracker's times the probability that its masklet is the concept.

    Args:
        find: answers for one picture.
        tracker: follows masks; one that cannot go backward leaves out what was before.
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
            _go_on(find, session, frames, held, threshold, start, every)
        if tracker.capabilities.backward:
            for obj_id, start in held.start.items():
                if start and obj_id in held.probability:
                    _go_back(session, held, obj_id, every)
        for position in range(len(frames)):
            yield position, held.at(position)
    finally:
        session.close()


def _go_on(
    find: Finder,
    session: TrackSession,
    frames: FrameSource,
    held: _Masklets,
    threshold: float,
    start: int,
    every: int,
) -> None:
    """Search one frame, and follow everybody to the next search."""
    stop = min(start + every, len(frames)) - 1
    on_first = _tracked(session, start, held)
    _end_repeated(session, on_first, held)
    for instance, probability in _kept(find(frames.frame(start)), threshold):
        if _covered(instance, on_first) < NEW_COVER:
            obj_id = held.add(start, probability)
            on_first[obj_id] = session.set_prompts(obj_id, start, FramePrompts(mask=instance))
    if held.probability:
        for position, found in session.propagate(start=start, stop=stop):
            held.keep(position, found)


def _go_back(session: TrackSession, held: _Masklets, obj_id: int, every: int) -> None:
    """Follow one masklet from where it was found to where it came from."""
    start, absent = held.start[obj_id], 0
    for position, found in session.propagate(start=start, stop=0, obj_ids=[obj_id]):
        if position == start:
            continue
        one = found[obj_id]
        absent = 0 if one.mask.any() else absent + 1
        if absent == every:
            return
        others = held.at(position)
        if one.mask.any() and _covered(one.mask, others) >= NEW_COVER:
            twin = max(others, key=lambda k: _iou(others[k], one))
            if _iou(others[twin], one) >= NEW_COVER:
                _become_one(held, twin, obj_id, position)
            return
        held.keep(position, {obj_id: one})


def _become_one(held: _Masklets, old: int, young: int, meeting: int) -> None:
    """Go on under the older number with the younger's masks: after they were on the same thing,
    the older one had lost it, or nothing would have been found anew."""
    for position, found in held.seen.items():
        if position > meeting:
            found.pop(old, None)
            if young in found:
                found[old] = found.pop(young)
    held.probability.pop(young)


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
