"""The concept loop as a table, and ``fold``: events in, pairs out.

The loop is ``propose -> mv -> ev -> final | correct | rejected`` and ``correct -> final``
(for videos by way of ``confirm``), see the SAM 3 paper (arXiv 2511.16719), section 4.
A pair without masks skips MV: there is nothing to verify but that nothing is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from samnb.engine.concepts import answers as rule
from samnb.engine.concepts.state import (
    Answer,
    AnswerBody,
    ConceptState,
    Entry,
    PairClaim,
    PairState,
    Version,
)
from samnb.events import Body, Event, MediaAdded, WorkerJoined
from samnb.events.concepts import (
    AnswerUndone,
    ConceptProposed,
    ConceptRulesSet,
    ConceptStep,
    ConceptTask,
    Corrected,
    EvAnswered,
    MvAnswered,
    PairAdded,
    PairClaimed,
    PairDropped,
    PairImported,
    PairRefused,
    PairReleased,
    PairReopened,
    PairRouted,
    RoutingSwitched,
)
from samnb.types import Worker, WorkerKind

MAX_TASK_S: Final = 1800.0
"""The longest time that counts as work on one task; what is above it was a break."""

ORDER: Final = tuple(ConceptStep)
"""Steps from the first to the last; reopening goes backward in it."""


@dataclass(slots=True)
class _Draft:
    """A state under construction; containers are copied once per fold."""

    seq: int
    rules: ConceptRulesSet
    workers: dict[str, Worker]
    pairs: dict[str, PairState]
    routing: dict[ConceptTask, RoutingSwitched]
    routing_since: dict[ConceptTask, int]
    tasks_of: dict[str, Mapping[ConceptTask, int]]
    videos: frozenset[str]
    looks: dict[tuple[ConceptTask, str], int]

    def is_person(self, worker_id: str) -> bool:
        worker = self.workers.get(worker_id)
        return worker is None or worker.kind is not WorkerKind.MODEL

    def count(self, worker_id: str, task: ConceptTask, by: int) -> None:
        have = dict(self.tasks_of.get(worker_id, {}))
        have[task] = have.get(task, 0) + by
        self.tasks_of[worker_id] = {t: n for t, n in have.items() if n > 0}


def fold(state: ConceptState, events: Iterable[Event]) -> ConceptState:
    """Return the state after ``events``; ``state`` itself stays as it was.

    Events of the masklet loop and of training pass without effect.
    """
    draft = _Draft(
        state.seq,
        state.rules,
        dict(state.workers),
        dict(state.pairs),
        dict(state.routing),
        dict(state.routing_since),
        dict(state.tasks_of),
        state.videos,
        dict(state.looks),
    )
    for event in events:
        body: Any = event.body
        kind = type(body)
        if kind in _PAIR_EVENTS and body.item_id in draft.pairs:
            _about_a_pair(draft, event)
        elif kind in _PROJECT_EVENTS:
            _PROJECT_EVENTS[kind](draft, event, body)
        draft.seq = event.seq
    return ConceptState(
        draft.seq,
        draft.rules,
        draft.workers,
        draft.pairs,
        draft.routing,
        draft.routing_since,
        draft.tasks_of,
        draft.videos,
        draft.looks,
    )


# -- the project as a whole ------------------------------------------------------


def _rules_set(draft: _Draft, _event: Event, body: ConceptRulesSet) -> None:
    draft.rules = body


def _worker_joined(draft: _Draft, _event: Event, body: WorkerJoined) -> None:
    draft.workers[body.worker.id] = body.worker


def _media_added(draft: _Draft, _event: Event, body: MediaAdded) -> None:
    if body.media.n_frames > 1:
        draft.videos |= {body.media.id}


def _routing_switched(draft: _Draft, event: Event, body: RoutingSwitched) -> None:
    draft.routing[body.task] = body
    draft.routing_since[body.task] = event.seq
    about = body.task, body.verifier
    look = int(dict(body.details).get("look", "0"))
    draft.looks[about] = max(look, draft.looks.get(about, 0))


def _pair_added(draft: _Draft, _event: Event, body: PairAdded) -> None:
    is_video = body.item.media_id in draft.videos
    draft.pairs[body.item.id] = PairState(
        body.item, body.origin, body.parent_phrase, body.source, body.is_held_out, is_video
    )


_PROJECT_EVENTS: Final[Mapping[type[Body], Callable[[_Draft, Event, Any], None]]] = {
    ConceptRulesSet: _rules_set,
    WorkerJoined: _worker_joined,
    MediaAdded: _media_added,
    RoutingSwitched: _routing_switched,
    PairAdded: _pair_added,
}


# -- one pair --------------------------------------------------------------------


def _about_a_pair(draft: _Draft, event: Event) -> None:
    body: Any = event.body
    pair = draft.pairs[body.item_id]
    entry = Entry(event, draft.rules, draft.is_person(event.worker_id))
    if isinstance(body, AnswerUndone):
        draft.pairs[body.item_id] = _undo(draft, pair, body.answer_seq)
        return
    draft.pairs[body.item_id] = _apply(pair, entry)
    if type(body) in _ANSWERS and entry.is_person:
        draft.count(event.worker_id, _task_of(body), 1)


def _undo(draft: _Draft, pair: PairState, answer_seq: int) -> PairState:
    """Build a pair again without an answer and what models made of it since."""
    kept: list[Entry] = []
    for entry in pair.entries:
        body = entry.event.body
        if entry.event.seq == answer_seq:
            draft.count(entry.event.worker_id, _task_of(body), -1)
        elif entry.event.seq > answer_seq and _is_of_models(entry):
            continue
        else:
            kept.append(entry)
    return rebuilt(pair, kept)


def _is_of_models(entry: Entry) -> bool:
    """Whether an event about a pair is an answer of a model, or lets one decide."""
    body = entry.event.body
    return isinstance(body, PairRouted) or (type(body) in _ANSWERS and not entry.is_person)


def rebuilt(pair: PairState, entries: Iterable[Entry]) -> PairState:
    """Return the pair as ``entries`` alone make it."""
    fresh = PairState(
        pair.item,
        pair.origin,
        pair.parent_phrase,
        pair.source,
        pair.is_held_out,
        pair.is_video,
    )
    for entry in entries:
        fresh = _apply(fresh, entry)
    return fresh


def _apply(pair: PairState, entry: Entry) -> PairState:
    event, body = entry.event, entry.event.body
    pair = replace(pair, entries=(*pair.entries, entry))
    if isinstance(body, MvAnswered | EvAnswered | Corrected | PairRefused):
        return settled(_answered(pair, entry, body), entry.rules)
    if isinstance(body, ConceptProposed):
        return _proposed(pair, body)
    if isinstance(body, PairRouted):
        return settled(replace(pair, routes=(*pair.routes, body)), entry.rules)
    if isinstance(body, PairClaimed):
        held = pair.claims.get(event.worker_id)
        is_renewed = held is not None and held.task is body.task and held.until_s > event.at_s
        began_s = held.at_s if held is not None and is_renewed else event.at_s
        claim = PairClaim(event.worker_id, body.task, began_s, body.until_s)
        return replace(pair, claims={**pair.claims, event.worker_id: claim})
    if isinstance(body, PairReleased):
        return _without_claim(pair, event.worker_id)
    if isinstance(body, PairReopened):
        return _reopened(pair, body)
    if isinstance(body, PairImported):
        return _imported(pair, body)
    if isinstance(body, PairDropped):
        return replace(_rejected(pair, body.reason), dropped_by=body.filter)
    return pair


def _task_of(body: Any) -> ConceptTask:
    if isinstance(body, MvAnswered):
        return ConceptTask.MV
    if isinstance(body, EvAnswered):
        return ConceptTask.EV
    task: ConceptTask = body.task
    return task


def _without_claim(pair: PairState, worker_id: str) -> PairState:
    return replace(pair, claims={w: c for w, c in pair.claims.items() if w != worker_id})


def _answered(pair: PairState, entry: Entry, body: AnswerBody) -> PairState:
    event, task = entry.event, _task_of(body)
    claim = pair.claims.get(event.worker_id)
    seconds_s = None
    if claim is not None and claim.task is task:
        seconds_s = min(event.at_s - claim.at_s, MAX_TASK_S)
    answer = Answer(event.seq, event.at_s, event.worker_id, entry.is_person, task, body, seconds_s)
    return replace(_without_claim(pair, event.worker_id), answers=(*pair.answers, answer))


def _proposed(pair: PairState, body: ConceptProposed) -> PairState:
    return replace(
        pair,
        step=ConceptStep.MV if body.masks else ConceptStep.EV,
        proposal=body,
        past=(*pair.past, *pair.answers),
        answers=(),
        routes=(),
        accepted=body.masks,
        versions=(),
        claims={},
        reason="",
        n_rounds=pair.n_rounds + 1,
        dropped_by="",
    )


def _reopened(pair: PairState, body: PairReopened) -> PairState:
    after = set(ORDER[ORDER.index(body.step) :])
    gone = tuple(a for a in pair.answers if ConceptStep(a.task.value) in after)
    proposed = pair.proposal.masks if pair.proposal else ()
    return replace(
        pair,
        step=body.step,
        past=(*pair.past, *gone),
        answers=tuple(a for a in pair.answers if a not in gone),
        routes=tuple(r for r in pair.routes if ConceptStep(r.task.value) not in after),
        accepted=proposed if ConceptStep.MV in after else pair.accepted,
        versions=pair.versions if body.step is ConceptStep.CONFIRM else (),
        claims={},
        reason=body.reason,
        dropped_by="",
    )


def _imported(pair: PairState, body: PairImported) -> PairState:
    flags = zip(body.versions, body.instance_exhaustive, body.pixel_exhaustive, strict=True)
    versions = tuple(Version(body.source, masks, inst, pix) for masks, inst, pix in flags)
    return replace(pair, step=ConceptStep.FINAL, versions=versions, accepted=versions[0].masks)


# -- where a pair goes when answers are in -----------------------------------------


def settled(pair: PairState, rules: ConceptRulesSet) -> PairState:
    """Move a pair on as far as its answers carry it."""
    while True:
        move = _MOVES.get(pair.step)
        moved = pair if move is None else move(pair, rules)
        if moved is pair:
            return pair
        pair = moved


def _rejected(pair: PairState, reason: str) -> PairState:
    return replace(pair, step=ConceptStep.REJECTED, reason=reason, claims={})


def _after_mv(pair: PairState, rules: ConceptRulesSet) -> PairState:
    found = rule.kept_masks(pair, rules)
    if found is None:
        return pair
    if isinstance(found, str):
        return _rejected(pair, found)
    return replace(pair, step=ConceptStep.EV, accepted=found, claims={})


def _after_ev(pair: PairState, rules: ConceptRulesSet) -> PairState:
    found = rule.step_after_ev(pair, rules)
    if found is None:
        return pair
    step, reason = found
    if step is ConceptStep.REJECTED:
        return _rejected(pair, reason)
    if step is ConceptStep.FINAL:
        version = rule.verified_version(pair.accepted)
        return replace(pair, step=step, versions=(version,), claims={})
    return replace(pair, step=step, claims={})


def _after_correction(pair: PairState, rules: ConceptRulesSet) -> PairState:
    found = rule.after_correction(pair, rules)
    if found is None:
        return pair
    versions, reason = found
    if not versions:
        return _rejected(pair, reason)
    step = ConceptStep.CONFIRM if pair.is_video and rules.has_confirmation else ConceptStep.FINAL
    return replace(pair, step=step, versions=versions, claims={})


def _after_confirmation(pair: PairState, _rules: ConceptRulesSet) -> PairState:
    done = pair.of(ConceptTask.CONFIRM, by_person=True)
    if not done:
        return pair
    body = done[-1].body
    if isinstance(body, PairRefused):
        return _rejected(pair, body.reason or "refused")
    version = rule.corrected_version(pair, done[-1])
    return replace(pair, step=ConceptStep.FINAL, versions=(version,), claims={})


_MOVES: Final[Mapping[ConceptStep, Callable[[PairState, ConceptRulesSet], PairState]]] = {
    ConceptStep.MV: _after_mv,
    ConceptStep.EV: _after_ev,
    ConceptStep.CORRECT: _after_correction,
    ConceptStep.CONFIRM: _after_confirmation,
}
_ANSWERS: Final = frozenset({MvAnswered, EvAnswered, Corrected, PairRefused})
_PAIR_EVENTS: Final = _ANSWERS | {
    AnswerUndone,
    ConceptProposed,
    PairClaimed,
    PairDropped,
    PairImported,
    PairReleased,
    PairReopened,
    PairRouted,
}
