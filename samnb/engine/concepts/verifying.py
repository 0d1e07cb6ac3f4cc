"""Models answer MV and EV: workers in the same queue, whose answers decide only by leave."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from samnb.engine.concepts.policy import PolicyRouter, ev_group
from samnb.engine.concepts.state import ConceptState, PairState
from samnb.engine.routing import Check, Group, read_advice
from samnb.events import Body
from samnb.events.concepts import (
    ConceptMask,
    ConceptTask,
    EvAnswered,
    MaskAnswer,
    MvAnswered,
    PairRouted,
    Route,
    RouteChoice,
    RoutingMode,
)
from samnb.models.base import BoolMask
from samnb.models.concepts import ConceptVerifier, Probabilities
from samnb.types import EvAnswer, InputError, MvAnswer

if TYPE_CHECKING:
    from samnb.engine.concepts.session import ConceptSession


class Router(Protocol):
    """Decides who decides: a pure function of an answer and what it is about."""

    def target_error(self, task: ConceptTask, group: Group = Group.ALL) -> float:
        """The error allowed among what is decided automatically, in [0, 1]."""

    def bound(self, task: ConceptTask, group: Group = Group.ALL) -> float:
        """Upper bound on that error for a task, in [0, 1]."""

    def route(
        self,
        task: ConceptTask,
        key: str,
        probabilities: Sequence[float],
        group: Group = Group.ALL,
    ) -> tuple[Route, float]:
        """Return the way of one answer and its calibrated confidence in [0, 1].

        Args:
            task: MV or EV.
            key: the mask's key or the pair's id; chance in the audit depends on it alone.
            probabilities: in the order of the task's options.
            group: which kind of question, for what is routed apart.
        """


@dataclass(frozen=True, slots=True)
class Verified:
    """What a round of model answers came to.

    Attributes:
        status: "done" or "cancelled".
        n_mv: pairs whose masks were verified.
        n_ev: pairs whose exhaustivity was verified.
        n_auto: tasks decided without a person.
        n_asked: tasks left to people, audits included.
    """

    status: str
    n_mv: int
    n_ev: int
    n_auto: int
    n_asked: int

    def __str__(self) -> str:
        return (
            f"{self.n_mv} MV and {self.n_ev} EV answers, {self.n_auto} decided, "
            f"{self.n_asked} left to people ({self.status})"
        )


@dataclass(slots=True)
class _Tally:
    mv: int = 0
    ev: int = 0
    auto: int = 0
    asked: int = 0


SHIPPED: Final = "small-verifier"
"""Name of the verifier that ships, see :mod:`samnb.models.verifier_shipped`."""


def load(verifier: ConceptVerifier | str) -> ConceptVerifier:
    """Return a verifier, loading it when it is a name.

    Args:
        verifier: the model; :data:`SHIPPED`, which looks twice at a pair
            (:mod:`samnb.models.verifier_mirror`), or the file of a version that was trained from it
            (both ask the default segmenter); or the folder or hub name of a vision-language
            model, see :func:`samnb.models.verifier_vlm.load_vlm_verifier`.

    Raises:
        ModelError: it cannot be loaded.
    """
    if not isinstance(verifier, str):
        return verifier
    if verifier != SHIPPED and not verifier.endswith(".safetensors"):
        from samnb.models.verifier_vlm import load_vlm_verifier

        return load_vlm_verifier(verifier)
    from samnb.models.concept_registry import load_concept_segmenter
    from samnb.models.verifier_shipped import load_foundation, load_looking_twice

    if verifier == SHIPPED:
        return load_looking_twice(load_concept_segmenter())
    # As it was when it earned its leave.
    return load_foundation(load_concept_segmenter(), Path(verifier).expanduser())


def verify(
    loop: ConceptSession,
    verifier: ConceptVerifier | str,
    tasks: Collection[ConceptTask],
    pair_ids: Collection[str] | None,
    router: Router | None,
    is_past: bool,
    on_progress: Callable[[int, int], None] | None,
    cancel: threading.Event | None,
) -> Verified:
    """See ``ConceptSession.verify``."""
    strange = set(tasks) - {ConceptTask.MV, ConceptTask.EV}
    if strange:
        raise InputError(
            f"tasks: expected mv and ev, got {sorted(t.value for t in strange)}; "
            "a model does not correct"
        )
    state = loop.refresh()
    steps = {task.value for task in tasks}
    if pair_ids is None:
        todo = [p for p in state.pairs.values() if is_past or p.step.value in steps]
    else:
        todo = [loop.pair(pair_id) for pair_id in pair_ids]
    todo.sort(key=lambda p: p.item.media_id)
    router = router or PolicyRouter(state.routing)
    model = load(verifier)
    job = _Job(loop, loop.as_model(model.name), model, router, is_past, _Tally())
    done = 0
    for media_id, group in groupby(todo, key=lambda p: p.item.media_id):
        if cancel is not None and cancel.is_set():
            break
        ids = [p.id for p in group]
        for task in (t for t in (ConceptTask.MV, ConceptTask.EV) if t in tasks):
            job.answer(media_id, ids, task)
        loop.refresh()
        done += len(ids)
        if on_progress is not None:
            on_progress(done, len(todo))
    tally = job.tally
    status = "done" if done == len(todo) else "cancelled"
    return Verified(status, tally.mv, tally.ev, tally.auto, tally.asked)


@dataclass(slots=True)
class _Job:
    loop: ConceptSession
    hands: ConceptSession
    verifier: ConceptVerifier
    router: Router
    is_past: bool
    tally: _Tally

    def answer(self, media_id: str, ids: Sequence[str], task: ConceptTask) -> None:
        """Answer one task for the pairs of one medium, in one transaction."""
        state = self.hands.refresh()
        pairs = [p for p in (state.pairs[i] for i in ids) if self._is_due(p, task)]
        if not pairs:
            return
        answers = {p.id: self._ask(media_id, p, task) for p in pairs}

        def make(state: ConceptState) -> list[Body]:
            bodies: list[Body] = []
            for pair_id, body in answers.items():
                pair = state.pairs[pair_id]
                if self._is_due(pair, task):  # somebody may have moved it on meanwhile
                    bodies.append(body)
                    routed = self._routed(state, pair, task, body)
                    bodies += [routed] if routed else []
            return bodies

        for event in self.hands.commit(make):
            body = event.body
            if isinstance(body, PairRouted):
                is_asked = any(c.route is not Route.AUTO for c in body.choices)
                self.tally.auto += not is_asked
                self.tally.asked += is_asked
            elif isinstance(body, MvAnswered):
                self.tally.mv += 1
            elif isinstance(body, EvAnswered):
                self.tally.ev += 1

    def _is_due(self, pair: PairState, task: ConceptTask) -> bool:
        name = self.verifier.name
        is_open = pair.step.value == task.value
        if self.is_past:
            is_open = bool(pair.of(task, by_person=True))
        return is_open and not any(
            isinstance(a.body, MvAnswered | EvAnswered) and a.body.model == name
            for a in pair.of(task, by_person=False)
        )

    def _ask(self, media_id: str, pair: PairState, task: ConceptTask) -> MvAnswered | EvAnswered:
        name = self.verifier.name
        proposal_id = pair.proposal.proposal_id if pair.proposal else ""
        if task is ConceptTask.MV:
            shown = pair.proposal.masks if pair.proposal else ()
            answers = tuple(
                MaskAnswer(key, MvAnswer(read_advice(row, Check.MV).answer), _plain(row))
                for key, row in self._mv_rows(media_id, pair.phrase, shown)
            )
            return MvAnswered(pair.id, proposal_id, answers, name)
        frame_idx = shown_frame(pair)
        masks = [self._mask(m, frame_idx) for m in pair.accepted if _is_on(m, frame_idx)]
        image = self.hands.image(media_id, frame_idx)
        row = self.verifier.verify_exhaustive(image, pair.phrase, masks)
        keys = tuple(m.key for m in pair.accepted)
        answer = EvAnswer(read_advice(row, Check.EV).answer)
        return EvAnswered(pair.id, proposal_id, answer, keys, _plain(row), name)

    def _mv_rows(
        self, media_id: str, phrase: str, masks: Sequence[ConceptMask]
    ) -> list[tuple[str, Probabilities]]:
        """Probabilities by mask key; each mask is looked at in the middle of its frames."""
        middle = {m.key: m.frames[len(m.frames) // 2].frame_idx for m in masks}
        rows: dict[str, Probabilities] = {}
        for frame_idx in dict.fromkeys(middle.values()):
            here = [m for m in masks if middle[m.key] == frame_idx]
            image = self.hands.image(media_id, frame_idx)
            pixels = [self._mask(m, frame_idx) for m in here]
            table = self.verifier.verify_masks(image, phrase, pixels)
            rows |= {m.key: row for m, row in zip(here, table, strict=True)}
        return [(m.key, rows[m.key]) for m in masks]

    def _mask(self, mask: ConceptMask, frame_idx: int) -> BoolMask:
        return self.hands.mask(next(f.mask_id for f in mask.frames if f.frame_idx == frame_idx))

    def _routed(
        self, state: ConceptState, pair: PairState, task: ConceptTask, body: Body
    ) -> PairRouted | None:
        name = self.verifier.name
        mode = state.mode(task, name)
        if mode is RoutingMode.OFF:
            return None
        if pair.is_held_out or pair.of(task, by_person=True):
            return None  # held out, or people have begun to answer: they decide
        group = Group.ALL
        if isinstance(body, MvAnswered):
            rows = [(a.key, a.key, a.probabilities) for a in body.answers]
        elif isinstance(body, EvAnswered):
            rows, group = [("", pair.id, body.probabilities)], ev_group(body.shown)
        else:
            return None
        choices = []
        for key, about, row in rows:
            way, confidence = self.router.route(task, about, row, group)
            if mode is RoutingMode.ADVICE and way is Route.AUTO:
                way = Route.ASK
            choices.append(RouteChoice(key, way, confidence))
        return PairRouted(
            pair.id,
            task,
            pair.proposal.proposal_id if pair.proposal else "",
            name,
            tuple(choices),
            self.router.target_error(task, group),
            self.router.bound(task, group),
        )


def _is_on(mask: ConceptMask, frame_idx: int) -> bool:
    return any(f.frame_idx == frame_idx for f in mask.frames)


def shown_frame(pair: PairState) -> int:
    """The frame on which a pair is looked at: the one where most masks are, the first of
    several; 0 for a picture."""
    counts: dict[int, int] = {}
    for mask in pair.masks:
        for frame in mask.frames:
            counts[frame.frame_idx] = counts.get(frame.frame_idx, 0) + 1
    return max(sorted(counts), key=lambda idx: counts[idx]) if counts else 0


def _plain(row: Probabilities) -> tuple[float, ...]:
    """Probabilities as the log keeps them, to six digits."""
    return tuple(round(float(p), 6) for p in row)
