"""Masks for phrases: a segmenter looks at each medium once and answers for all its phrases."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Final

import numpy as np

from samnb.engine.concepts.acts import Drawn, stored
from samnb.engine.concepts.state import ConceptState, PairState
from samnb.events import Body
from samnb.events.concepts import (
    ConceptMask,
    ConceptProposed,
    ConceptStep,
    PairDropped,
    PairOrigin,
)
from samnb.language.ontology import Ontology, wider_phrases
from samnb.language.video import drop_whole_scene
from samnb.models.base import BoolMask, Image
from samnb.models.concepts import ConceptPrediction, ConceptSegmenter, ConceptVerifier
from samnb.models.verifier_use import with_verifier
from samnb.models.verifier_weighing import Weighing
from samnb.store.media import AnnotationFrames
from samnb.types import FlowError, Rle

if TYPE_CHECKING:
    from samnb.engine.concepts.session import ConceptSession

THRESHOLD: Final = 0.5
"""What score times presence has to exceed (SAM 3 paper, section on metrics)."""
N_WIDER: Final = 4
"""Wider phrases that are tried at most."""
SAME_IOU: Final = 0.7
"""Candidates of one phrase that overlap more than this are the same instance; the paper
removes doubles by IoU and gives no value."""
FAINT: Final = "below the threshold"
DOUBLE: Final = "a double of a better one"
STRUCK: Final = "struck out by mask verification"
WHOLE: Final = "whole scene"
"""Filter that drops a phrase of a video of which a masklet holds the whole scene."""


@dataclass(frozen=True, slots=True)
class Aids:
    """What helps a segmenter on pictures before anybody is asked. On videos verifiers are
    asked afterwards, like people (SAM 3 paper, section on AI verifiers).

    Attributes:
        ev: says whether anything is there; None leaves that to the segmenter.
        mv: strikes out masks; None leaves them.
        ontology: knows wider phrases, asked where a phrase of a caption finds nothing; None
            leaves it at that.
        weighing: of the segmenter's opinion and MV's; None lets MV strike out alone.
    """

    ev: ConceptVerifier | None = None
    mv: ConceptVerifier | None = None
    ontology: Ontology | None = None
    weighing: Weighing | None = None

    def applied(
        self, answer: ConceptPrediction, image: Image, phrase: str, threshold: float
    ) -> ConceptPrediction:
        """What the answer is with their help."""
        if self.ev is None and self.mv is None:
            return answer
        return with_verifier(
            answer, image, phrase, ev=self.ev, mv=self.mv, threshold=threshold,
            weighing=self.weighing,
        )  # fmt: skip


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
    aids: Aids,
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
    hands.refresh()  # media may have come since this door was opened
    tally = _Tally()
    for media_id, group in groupby(todo, key=lambda p: p.item.media_id):
        if cancel is not None and cancel.is_set():
            return Proposed("cancelled", tally.pairs, tally.masks, tally.empty)
        pairs = list(group)
        _one_medium(hands, model, media_id, pairs, threshold, aids, tally)
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
    aids: Aids,
    tally: _Tally,
) -> None:
    if hands.session.media(media_id).n_frames > 1:
        found = [_in_video(hands, model, media_id, p.phrase, threshold) for p in pairs]
    else:
        image = hands.image(media_id)
        found = _in_picture(model, image, [p.phrase for p in pairs], threshold, aids)
        if aids.ontology is not None:
            found = [
                one if one.kept or p.origin is not PairOrigin.MINED
                else _wider(model, image, p.phrase, threshold, aids, aids.ontology) or one
                for p, one in zip(pairs, found, strict=True)
            ]  # fmt: skip
    bodies: list[Body] = []
    rles: list[Rle] = []
    for pair, one in zip(pairs, found, strict=True):
        proposal_id = hands.session.new_id()
        masks: list[ConceptMask] = []
        for n, candidate in enumerate(one.kept):
            mask, runs = stored(hands, media_id, f"{proposal_id}.{n}", candidate.by(model.name))
            masks.append(mask)
            rles += runs
        doubles = dict(one.left_out).get(DOUBLE, 0)
        bodies.append(
            ConceptProposed(
                pair.id, proposal_id, tuple(masks), one.presence, model.name, threshold, doubles,
                one.left_out, one.asked,
            )
        )  # fmt: skip
        if one.trivial:
            bodies.append(PairDropped(pair.id, WHOLE, one.trivial))
        tally.pairs += 1
        tally.masks += len(masks)
        tally.empty += not masks
    hands.commit(lambda _state: bodies, masks=rles)


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    masks: dict[int, BoolMask]
    score: float

    def by(self, model: str) -> Drawn:
        return Drawn(self.masks, score=self.score, model=model)

    @property
    def shares(self) -> list[float]:
        """Share of the frame that it covers, on every frame where it is seen."""
        return [float(mask.mean()) for mask in self.masks.values()]


@dataclass(frozen=True, slots=True)
class _Found:
    """What a model found of one phrase.

    Attributes:
        left_out: candidates that were dropped, by reason.
        trivial: why the phrase as a whole is dropped; else empty.
        asked: the wider phrase that the model was asked for; empty for the phrase itself.
    """

    kept: list[_Candidate]
    presence: float
    left_out: tuple[tuple[str, int], ...] = ()
    trivial: str = ""
    asked: str = ""


def _found(
    every: Sequence[_Candidate],
    likely: Sequence[_Candidate],
    presence: float,
    *,
    n_struck: int = 0,
    trivial: str = "",
) -> _Found:
    best = without_doubles(likely)
    counts = {
        FAINT: len(every) - len(likely),
        DOUBLE: len(likely) - len(best),
        STRUCK: n_struck,
    }
    left_out = tuple((reason, n) for reason, n in counts.items() if n)
    return _Found(best, presence, left_out, trivial)


def _in_picture(
    model: ConceptSegmenter, image: Image, phrases: Sequence[str], threshold: float, aids: Aids
) -> list[_Found]:
    found = []
    for phrase, answer in zip(phrases, model.segment(image, phrases), strict=True):
        aided = aids.applied(answer, image, phrase, threshold)
        every, likely = (
            [_Candidate({0: i.mask}, float(i.score)) for i in rows if i.mask.any()]
            for rows in (aided.instances, aided.kept(threshold))
        )
        n_struck = len(answer.instances) - len(aided.instances)
        found.append(_found(every, likely, float(aided.presence), n_struck=n_struck))
    return found


def _wider(
    model: ConceptSegmenter,
    image: Image,
    phrase: str,
    threshold: float,
    aids: Aids,
    ontology: Ontology,
) -> _Found | None:
    """What the nearest wider phrase that finds something finds; None when none does. The
    masks keep the narrow label, which MV then judges (SAM 3 paper, appendix on the proposal
    of noun phrases)."""
    wider = wider_phrases(phrase, ontology)[:N_WIDER]
    if not wider:
        return None
    # Aids would judge by the wider phrase what is to wear the narrow one: they are not asked.
    for name, one in zip(wider, _in_picture(model, image, wider, threshold, Aids()), strict=True):
        if one.kept:
            return replace(one, asked=name)
    return None


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
    likely = [c for c in every if c.score * presence > threshold]
    (scene,) = drop_whole_scene(media_id, {phrase: [c.shares for c in likely]})
    return _found(every, likely, presence, trivial=scene.reason)


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
