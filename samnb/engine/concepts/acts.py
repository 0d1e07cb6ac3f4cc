"""What the methods of :class:`~samnb.engine.concepts.session.ConceptSession` do for people."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from samnb.engine.concepts import queue
from samnb.engine.concepts.answers import open_keys, task_at
from samnb.engine.concepts.flow import ORDER
from samnb.engine.concepts.queue import Work, work_of
from samnb.engine.concepts.state import ConceptState, PairState
from samnb.events import Body
from samnb.events.concepts import (
    AnswerUndone,
    Apart,
    ConceptMask,
    ConceptRulesSet,
    ConceptStep,
    ConceptTask,
    Corrected,
    EvAnswered,
    MaskAnswer,
    MvAnswered,
    PairAdded,
    PairClaimed,
    PairOrigin,
    PairRefused,
    PairReopened,
    Route,
)
from samnb.masks import rle as rle_ops
from samnb.models.base import BoolMask
from samnb.types import EvAnswer, FlowError, FrameMask, InputError, Item, MvAnswer, Rle

if TYPE_CHECKING:
    from samnb.engine.concepts.session import ConceptSession


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A mask that somebody brings.

    Attributes:
        masks: (H, W) bool for a picture; by frame number for a video.
        is_group: covers several instances that cannot be told apart.
        parent: key of the mask that this is an edit of; empty for a new one.
        score: probability in [0, 1] that this is an instance.
        model: the model that helped; empty when none did.
    """

    masks: BoolMask | Mapping[int, BoolMask]
    is_group: bool = False
    parent: str = ""
    score: float = 1.0
    model: str = ""


def stored(
    loop: ConceptSession, media_id: str, key: str, one: Drawn
) -> tuple[ConceptMask, list[Rle]]:
    """Turn a drawn mask into a record and the runs that it names.

    Raises:
        InputError: another size than the medium's, no frame, or no pixel.
    """
    size_hw = loop.session.media(media_id).size_hw
    by_frame = one.masks if isinstance(one.masks, Mapping) else {0: one.masks}
    rles = {idx: rle_ops.encode(mask) for idx, mask in sorted(by_frame.items())}
    if not rles or not any(rle_ops.area(rle) for rle in rles.values()):
        raise InputError("drawn: expected a mask with at least one pixel, got an empty one")
    for rle in rles.values():
        if rle.size_hw != size_hw:
            raise InputError(f"drawn: expected masks of size {size_hw}, got {rle.size_hw}")
    is_edited = not one.model or bool(one.parent)
    frames = tuple(FrameMask(idx, rle.id, is_edited, one.score) for idx, rle in rles.items())
    return (
        ConceptMask(key, frames, one.score, one.is_group, one.parent, one.model),
        list(rles.values()),
    )


def set_rules(
    loop: ConceptSession,
    n_reviewers: int | None,
    n_negative: int | None,
    apart: Apart | str | None,
    has_confirmation: bool | None,
) -> ConceptRulesSet:
    """See ``ConceptSession.set_rules``."""
    given = {
        "n_reviewers": n_reviewers,
        "n_negative": n_negative,
        "apart": None if apart is None else Apart(apart),
        "has_confirmation": has_confirmation,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    for name in ("n_reviewers", "n_negative"):
        value = changes.get(name, 1)
        if not isinstance(value, int) or value < 1:
            raise InputError(f"{name}: expected at least 1, got {value}")

    def make(state: ConceptState) -> list[Body]:
        wanted = replace(state.rules, **changes)  # type: ignore[arg-type]  # checked above
        return [] if wanted == state.rules else [wanted]

    loop.commit(make)
    return loop.state.rules


def add_pairs(
    loop: ConceptSession,
    media_id: str,
    phrases: Sequence[str],
    origin: PairOrigin,
    parent_phrase: str,
    source: str,
    is_held_out: bool,
) -> tuple[PairState, ...]:
    """See ``ConceptSession.add_pairs``."""
    if isinstance(phrases, str):
        raise InputError(f"phrases: expected a list of phrases, got the text {phrases!r}")
    loop.session.media(media_id)
    wanted = list(dict.fromkeys(" ".join(p.split()) for p in phrases))
    if not all(wanted):
        raise InputError("phrases: expected noun phrases, got an empty one")
    ids = {phrase: loop.session.new_id() for phrase in wanted}

    loop.commit(
        lambda state: pair_bodies(state, media_id, ids, origin, parent_phrase, source, is_held_out)
    )
    found = {p.phrase: p for p in loop.state.pairs_of(media_id)}
    return tuple(found[phrase] for phrase in wanted)


def pair_bodies(
    state: ConceptState,
    media_id: str,
    ids: Mapping[str, str],
    origin: PairOrigin,
    parent_phrase: str,
    source: str,
    is_held_out: bool,
) -> list[Body]:
    """The events that add pairs, given as ids by phrase; phrases that are asked already
    are left out, and new ones of a medium with held-out pairs are held out too."""
    known = {p.phrase: p for p in state.pairs_of(media_id)}
    is_held_out = is_held_out or any(p.is_held_out for p in known.values())
    first = 1 + max((p.item.obj_id for p in known.values()), default=0)
    fresh = [phrase for phrase in ids if phrase not in known]
    return [
        PairAdded(
            Item(ids[phrase], media_id, first + n, phrase=phrase, source=origin.value),
            origin,
            parent_phrase,
            source,
            is_held_out,
        )
        for n, phrase in enumerate(fresh)
    ]


# -- taking work and answering -----------------------------------------------------


def take_next(
    loop: ConceptSession,
    task: ConceptTask,
    media_id: str | None,
    but: Collection[str],
    lease_s: float,
) -> Work | None:
    """See ``ConceptSession.next``."""
    taken: list[tuple[str, float]] = []

    def make(state: ConceptState) -> list[Body]:
        taken.clear()
        now_s, who = loop.session.clock(), loop.session.worker.id
        rows = queue.waiting(state, task, who, now_s, media_id, but)
        if not rows:
            return []
        taken.append((rows[0].id, now_s + lease_s))
        return [PairClaimed(rows[0].id, task, now_s + lease_s)]

    loop.commit(make)
    return work_of(loop.pair(taken[0][0]), task, taken[0][1]) if taken else None


def require_turn(
    loop: ConceptSession, state: ConceptState, pair_id: str, task: ConceptTask
) -> PairState:
    """Refuse an answer that is not this worker's to give.

    Raises:
        FlowError: the pair is elsewhere, decided, taken, or the worker may not.
    """
    pair, who = state.pairs[pair_id], loop.session.worker.id
    if pair.step.value != task.value:
        raise FlowError(
            f"{pair.phrase!r} is at step {pair.step.value!r}, expected {task.value!r}; "
            "reopen it to answer again"
        )
    refusal = queue.why_not(state, pair, task, who)
    if refusal:
        raise FlowError(f"{pair.phrase!r}: {refusal}")
    if queue.free_slots(state, pair, who, loop.session.clock()) < 1:
        names = ", ".join(sorted(set(pair.claims) - {who}))
        raise FlowError(f"{pair.phrase!r} is being worked on by {names or 'nobody else needed'}")
    return pair


def answer_mv(
    loop: ConceptSession, pair_id: str, answers: Mapping[str, MvAnswer | str] | MvAnswer | str
) -> PairState:
    """See ``ConceptSession.answer_mv``."""
    loop.pair(pair_id)

    def make(state: ConceptState) -> list[Body]:
        pair = require_turn(loop, state, pair_id, ConceptTask.MV)
        keys = open_keys(pair)
        if isinstance(answers, str):
            given = dict.fromkeys(keys, MvAnswer(answers))
        else:
            given = {key: MvAnswer(answer) for key, answer in answers.items()}
        if set(given) != set(keys):
            raise InputError(f"answers: expected one for each of {keys}, got {sorted(given)}")
        proposal_id = pair.proposal.proposal_id if pair.proposal else ""
        return [
            MvAnswered(pair_id, proposal_id, tuple(MaskAnswer(key, given[key]) for key in keys))
        ]

    loop.commit(make)
    _watch(loop, pair_id, ConceptTask.MV)
    return loop.pair(pair_id)


def answer_ev(loop: ConceptSession, pair_id: str, answer: EvAnswer) -> PairState:
    """See ``ConceptSession.answer_ev``."""
    loop.pair(pair_id)

    def make(state: ConceptState) -> list[Body]:
        pair = require_turn(loop, state, pair_id, ConceptTask.EV)
        proposal_id = pair.proposal.proposal_id if pair.proposal else ""
        return [EvAnswered(pair_id, proposal_id, answer, tuple(m.key for m in pair.accepted))]

    loop.commit(make)
    _watch(loop, pair_id, ConceptTask.EV)
    return loop.pair(pair_id)


def _watch(loop: ConceptSession, pair_id: str, task: ConceptTask) -> None:
    """Look whether a verifier has drifted, after an answer that audits it."""
    routed = [r for r in loop.pair(pair_id).routes if r.task is task]
    if routed and any(c.route is Route.AUDIT for c in routed[-1].choices):
        loop.guard_routing(task)


def reject(loop: ConceptSession, pair_id: str, reason: str) -> PairState:
    """See ``ConceptSession.reject``."""
    loop.pair(pair_id)

    def make(state: ConceptState) -> list[Body]:
        task = task_at(state.pairs[pair_id].step)
        if task is None:
            pair = state.pairs[pair_id]
            raise FlowError(f"{pair.phrase!r} is at step {pair.step.value!r}: nothing to reject")
        require_turn(loop, state, pair_id, task)
        return [PairRefused(pair_id, task, reason)]

    loop.commit(make)
    return loop.pair(pair_id)


def correct(
    loop: ConceptSession,
    pair_id: str,
    drawn: Sequence[Drawn],
    removed: Collection[str],
    is_instance_exhaustive: bool | None,
    is_pixel_exhaustive: bool,
    clicks: int,
) -> PairState:
    """See ``ConceptSession.correct``."""
    media_id = loop.pair(pair_id).item.media_id
    prefix = loop.session.new_id()
    made: list[ConceptMask] = []
    rles: list[Rle] = []
    for n, one in enumerate(drawn):
        mask, runs = stored(loop, media_id, f"{prefix}.{n}", one)
        made.append(mask)
        rles += runs

    def make(state: ConceptState) -> list[Body]:
        step = state.pairs[pair_id].step
        is_last = step is ConceptStep.CONFIRM
        task = ConceptTask.CONFIRM if is_last else ConceptTask.CORRECT
        pair = require_turn(loop, state, pair_id, task)
        base = pair.masks if is_last else pair.accepted
        keys = {m.key for m in base}
        parents = {m.parent for m in made if m.parent}
        unknown = (set(removed) | parents) - keys
        if unknown:
            raise InputError(f"masks: expected some of {sorted(keys)}, got {sorted(unknown)}")
        kept = tuple(m for m in base if m.key not in parents and m.key not in removed)
        has_group = any(m.is_group for m in (*kept, *made))
        exhaustive = not has_group if is_instance_exhaustive is None else is_instance_exhaustive
        return [
            Corrected(
                pair_id,
                task,
                tuple(m.key for m in kept),
                tuple(m.key for m in base if m.key in removed),
                tuple(m for m in made if not m.parent),
                tuple(m for m in made if m.parent),
                exhaustive,
                is_pixel_exhaustive,
                clicks,
            )
        ]

    loop.commit(make, masks=rles)
    return loop.pair(pair_id)


# -- going back --------------------------------------------------------------------


def undo(loop: ConceptSession) -> PairState | None:
    """See ``ConceptSession.undo``."""
    who = loop.session.worker.id
    undone: list[str] = []

    def make(state: ConceptState) -> list[Body]:
        undone.clear()
        mine = [
            (answer.seq, pair)
            for pair in state.pairs.values()
            for answer in pair.answers
            if answer.worker_id == who and answer.is_person
        ]
        if not mine:
            return []
        seq, pair = max(mine, key=lambda row: row[0])
        later = [a.worker_id for a in pair.answers if a.is_person and a.seq > seq]
        if later:
            raise FlowError(
                f"{pair.phrase!r}: {later[-1]} has answered since; reopen the pair instead"
            )
        undone.append(pair.id)
        return [AnswerUndone(pair.id, seq)]

    loop.commit(make)
    return loop.pair(undone[0]) if undone else None


def reopen(loop: ConceptSession, pair_id: str, step: ConceptStep, reason: str) -> PairState:
    """See ``ConceptSession.reopen``."""
    if task_at(step) is None:
        raise InputError(f"step: expected one with a task, got {step.value!r}")
    loop.pair(pair_id)

    def make(state: ConceptState) -> list[Body]:
        pair = state.pairs[pair_id]
        if pair.proposal is None or ORDER.index(pair.step) <= ORDER.index(step):
            raise FlowError(
                f"{pair.phrase!r} is at step {pair.step.value!r}; only a pair beyond "
                f"{step.value!r} can go back to it"
            )
        if step is ConceptStep.MV and not pair.proposal.masks:
            raise FlowError(f"{pair.phrase!r} has no mask to verify; reopen it at 'ev'")
        if step is ConceptStep.CONFIRM and not pair.versions:
            raise FlowError(f"{pair.phrase!r} was never corrected; reopen it at 'ev'")
        return [PairReopened(pair_id, step, reason)]

    loop.commit(make)
    return loop.pair(pair_id)


def send_to_correction(loop: ConceptSession, pair_id: str, reason: str) -> PairState:
    """See ``ConceptSession.send_to_correction``."""
    loop.pair(pair_id)

    def make(state: ConceptState) -> list[Body]:
        pair = state.pairs[pair_id]
        if pair.step not in (ConceptStep.MV, ConceptStep.EV):
            raise FlowError(
                f"{pair.phrase!r} is at step {pair.step.value!r}; only from MV or EV can it go "
                "to correction"
            )
        return [PairReopened(pair_id, ConceptStep.CORRECT, reason)]

    loop.commit(make)
    return loop.pair(pair_id)
