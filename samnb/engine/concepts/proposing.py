"""Masks for phrases: a segmenter looks at each medium once and answers for all its phrases."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

import numpy as np

from samnb.engine.concepts.acts import Drawn, stored
from samnb.engine.concepts.state import ConceptState, PairState
from samnb.events import Body
from samnb.events.concepts import ConceptMask, ConceptProposed, ConceptStep
from samnb.models.base import BoolMask
from samnb.models.concepts import ConceptPrediction, ConceptSegmenter
from samnb.store.media import AnnotationFrames
from samnb.types import FlowError, Rle

if TYPE_CHECKING:
    from samnb.engine.concepts.session import ConceptSession

THRESHOLD: Final = 0.5
"""What score times presence has to exceed (SAM 3 paper, section on metrics)."""
SAME_IOU: Final = 0.7
"""Candidates of one phrase that overlap more than this are the same instance; the paper
removes doubles by IoU and gives no value."""
WHOLE_SCENE: Final = 0.95
"""A masklet that covers more than this share of every frame is the scene itself and is
dropped, as the paper does in videos ("trivial" phrases); it gives no value."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """What a round of proposals came to.

    Attributes:
        status: "done" or "cancelled".
        n_pairs: pairs that got a proposal.
        n_masks: masks in them.
        n_empty: proposals without any mask: suspected negatives.
    """

    status: str
    n_pairs: int
    n_masks: int
    n_empty: int

    def __str__(self) -> str:
        return (
            f"{self.n_masks} masks for {self.n_pairs} pairs, {self.n_empty} of them without any "
            f"({self.status})"
        )


@dataclass(slots=True)
class _Tally:
    pairs: int = 0
    masks: int = 0
    empty: int = 0


def load(segmenter: ConceptSegmenter | str) -> ConceptSegmenter:
    """Return a segmenter, loading it when it is a name.

    Raises:
        InputError: an unknown name.
        ModelError: it cannot be loaded.
    """
    if not isinstance(segmenter, str):
        return segmenter
    from samnb.models.concept_registry import load_concept_segmenter

    return load_concept_segmenter(segmenter)


def propose(
    loop: ConceptSession,
    segmenter: ConceptSegmenter | str,
    pair_ids: Collection[str] | None,
    threshold: float,
    on_progress: Callable[[int, int], None] | None,
    cancel: threading.Event | None,
) -> Proposed:
    """See ``ConceptSession.propose``."""
    model = load(segmenter)
    state = loop.refresh()
    if pair_ids is None:
        todo = [p for p in state.pairs.values() if p.step is ConceptStep.PROPOSE]
    else:
        todo = [loop.pair(pair_id) for pair_id in pair_ids]
    todo.sort(key=lambda p: p.item.media_id)
    hands = loop.as_model(model.name)
    tally = _Tally()
    for media_id, group in groupby(todo, key=lambda p: p.item.media_id):
        if cancel is not None and cancel.is_set():
            return Proposed("cancelled", tally.pairs, tally.masks, tally.empty)
        pairs = list(group)
        _one_medium(hands, model, media_id, pairs, threshold, tally)
        loop.refresh()
        if on_progress is not None:
            on_progress(tally.pairs, len(todo))
    return Proposed("done", tally.pairs, tally.masks, tally.empty)


def _one_medium(
    hands: ConceptSession,
    model: ConceptSegmenter,
    media_id: str,
    pairs: Sequence[PairState],
    threshold: float,
    tally: _Tally,
) -> None:
    if hands.session.media(media_id).n_frames > 1:
        found = [_in_video(hands, model, media_id, p.phrase, threshold) for p in pairs]
    else:
        answers = model.segment(hands.image(media_id), [p.phrase for p in pairs])
        found = [_in_picture(answer, threshold) for answer in answers]
    bodies: list[Body] = []
    rles: list[Rle] = []
    for pair, (drawn, presence, left_out) in zip(pairs, found, strict=True):
        proposal_id = hands.session.new_id()
        masks: list[ConceptMask] = []
        for n, one in enumerate(drawn):
            mask, runs = stored(hands, media_id, f"{proposal_id}.{n}", one.by(model.name))
            masks.append(mask)
            rles += runs
        bodies.append(
            ConceptProposed(
                pair.id, proposal_id, tuple(masks), presence, model.name, threshold, left_out
            )
        )
        tally.pairs += 1
        tally.masks += len(masks)
        tally.empty += not masks
    hands.commit(lambda _state: bodies, masks=rles)


_Found = tuple[list["_Candidate"], float, int]


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    masks: dict[int, BoolMask]
    score: float

    def by(self, model: str) -> Drawn:
        return Drawn(self.masks, score=self.score, model=model)


def _in_picture(answer: ConceptPrediction, threshold: float) -> _Found:
    kept = [_Candidate({0: i.mask}, float(i.score)) for i in answer.kept(threshold) if i.mask.any()]
    best = without_doubles(kept)
    return best, float(answer.presence), len(kept) - len(best)


def _in_video(
    hands: ConceptSession, model: ConceptSegmenter, media_id: str, phrase: str, threshold: float
) -> _Found:
    reader = hands.session.reader(media_id)
    frames = AnnotationFrames(reader, hands.session.annotation_frames(media_id))
    masks: dict[int, dict[int, BoolMask]] = {}
    scores: dict[int, list[float]] = {}
    presence = 0.0
    for position, objects in model.segment_video(frames, phrase):
        for obj_id, seen in objects.items():
            if seen.mask.any():
                masks.setdefault(obj_id, {})[frames.frame_idxs[position]] = seen.mask
                scores.setdefault(obj_id, []).append(seen.confidence)
            presence = max(presence, seen.presence)
    every = [
        _Candidate(by_frame, float(np.mean(scores[obj_id]))) for obj_id, by_frame in masks.items()
    ]
    kept = [c for c in every if c.score * presence > threshold and not is_whole_scene(c)]
    best = without_doubles(kept)
    return best, presence, len(every) - len(best)


def is_whole_scene(candidate: _Candidate) -> bool:
    """Whether a masklet covers nearly all of every frame that it is on."""
    return all(mask.mean() > WHOLE_SCENE for mask in candidate.masks.values())


def without_doubles(candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """Return the candidates, best first, without those that an earlier one covers: volume
    IoU above :data:`SAME_IOU`, intersections and unions summed over frames."""
    kept: list[_Candidate] = []
    for one in sorted(candidates, key=lambda c: -c.score):
        if all(_volume_iou(one, other) <= SAME_IOU for other in kept):
            kept.append(one)
    return kept


def _volume_iou(a: _Candidate, b: _Candidate) -> float:
    both = sum(
        int(np.count_nonzero(mask & b.masks[idx]))
        for idx, mask in a.masks.items()
        if idx in b.masks
    )
    pixels = sum(int(np.count_nonzero(m)) for c in (a, b) for m in c.masks.values())
    return both / (pixels - both) if pixels > both else 1.0


def propose_masks(
    loop: ConceptSession, pair_id: str, drawn: Sequence[Drawn], presence: float, model: str
) -> PairState:
    """See ``ConceptSession.propose_masks``."""
    media_id = loop.pair(pair_id).item.media_id
    proposal_id = loop.session.new_id()
    masks: list[ConceptMask] = []
    rles: list[Rle] = []
    for n, one in enumerate(drawn):
        mask, runs = stored(loop, media_id, f"{proposal_id}.{n}", one)
        masks.append(mask)
        rles += runs

    def make(state: ConceptState) -> list[Body]:
        if any(a.is_person for a in state.pairs[pair_id].answers):
            raise FlowError("people have answered about the masks there are; reopen the pair first")
        return [ConceptProposed(pair_id, proposal_id, tuple(masks), presence, model)]

    loop.commit(make, masks=rles)
    return loop.pair(pair_id)
