"""Which pair a person sees next: the least certain first, audits mixed in unmarked.

Whether a pair is asked about because a model was unsure or to audit a decision that the
model would have made shows neither in its :class:`Work` nor in its place in the queue.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from samnb.engine.concepts.answers import open_keys, people_missing, task_at
from samnb.engine.concepts.state import ConceptState, PairState
from samnb.events.concepts import (
    Apart,
    ConceptMask,
    ConceptTask,
    EvAnswered,
    MvAnswered,
    Route,
)

LEASE_S: Final = 900.0
"""How long a shown pair is kept for its worker without an answer."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker is handed; it says nothing about models' answers.

    Attributes:
        masks: for MV those to be judged, each by itself; for the other tasks all that
            count so far, none for a suspected negative.
        until_s: the slot is kept until then, by the session's clock.
    """

    pair_id: str
    media_id: str
    phrase: str
    task: ConceptTask
    masks: tuple[ConceptMask, ...]
    until_s: float = 0.0


def work_of(pair: PairState, task: ConceptTask, until_s: float = 0.0) -> Work:
    """Describe what a task on a pair shows."""
    masks = pair.masks
    if task is ConceptTask.MV:
        keys = set(open_keys(pair))
        masks = tuple(m for m in pair.accepted if m.key in keys)
    return Work(pair.id, pair.item.media_id, pair.phrase, task, masks, until_s)


def why_not(state: ConceptState, pair: PairState, task: ConceptTask, worker_id: str) -> str:
    """Say why a person may not do a task on a pair; empty when he or she may."""
    if any(a.worker_id == worker_id for a in pair.of(task, by_person=True)):
        return f"{worker_id} has answered already; somebody else has to"
    apart = state.rules.apart
    cure = 'somebody else has to, or set_rules(apart="off") when you work alone'
    if apart is Apart.OFF:
        return ""
    others = {a.task for a in (*pair.past, *pair.answers) if a.worker_id == worker_id} - {task}
    if others:
        done = ", ".join(sorted(t.value for t in others))
        return f"{worker_id} did {done} on this pair and cannot do {task.value} on it; {cure}"
    elsewhere = set(state.tasks_of.get(worker_id, {})) - {task}
    if apart is Apart.TASK and elsewhere:
        done = ", ".join(sorted(t.value for t in elsewhere))
        return (
            f"{worker_id} does {done} in this project, and each worker has one type of task; {cure}"
        )
    return ""


def free_slots(state: ConceptState, pair: PairState, worker_id: str, now_s: float) -> int:
    """How many more people could begin on a pair now."""
    held = sum(
        c.until_s > now_s and c.worker_id != worker_id and c.task is task_at(pair.step)
        for c in pair.claims.values()
    )
    return people_missing(pair, state.rules) - held


def waiting(
    state: ConceptState,
    task: ConceptTask,
    worker_id: str,
    now_s: float,
    media_id: str | None = None,
    but: Collection[str] = (),
) -> list[PairState]:
    """Return the pairs that this worker could be handed for a task, the next one first."""
    rows = [
        pair
        for pair in state.pairs.values()
        if pair.step.value == task.value
        and pair.id not in but
        and (media_id is None or pair.item.media_id == media_id)
        and free_slots(state, pair, worker_id, now_s) > 0
        and not why_not(state, pair, task, worker_id)
    ]
    return in_order(rows, task, state.rules.audit_seed)


def in_order(pairs: Collection[PairState], task: ConceptTask, seed: int = 0) -> list[PairState]:
    """Sort pairs by uncertainty, the highest first, and scatter audits among them.

    An audited pair is one about which the model was sure: in the order of uncertainty it
    would come last and be known by its place. It gets a place drawn at random instead,
    the same one every time.
    """
    asked = [p for p in pairs if not is_audit(p, task)]
    asked.sort(key=lambda p: -uncertainty(p, task))
    places = {p.id: (at + 0.5) / len(asked) for at, p in enumerate(asked)}
    for pair in pairs:
        places.setdefault(pair.id, zlib.crc32(f"{seed}:{task.value}:{pair.id}".encode()) / 2**32)
    return sorted(pairs, key=lambda p: places[p.id])


def is_audit(pair: PairState, task: ConceptTask) -> bool:
    """Whether people are asked about a pair for the sake of the audit alone."""
    routed = [r for r in pair.routes if r.task is task]
    routes = {c.route for c in routed[-1].choices} if routed else set()
    return Route.AUDIT in routes and Route.ASK not in routes


def uncertainty(pair: PairState, task: ConceptTask) -> float:
    """How unsure the newest model answer is, in [0, 1]: one minus its highest probability,
    for MV the greatest over the open masks. Without such an answer, how near the proposal's
    presence score is to one half."""
    keys = set(open_keys(pair))
    for answer in reversed(pair.of(task, by_person=False)):
        body = answer.body
        if isinstance(body, EvAnswered) and body.probabilities:
            return 1.0 - max(body.probabilities)
        if isinstance(body, MvAnswered):
            rows = [a.probabilities for a in body.answers if a.probabilities and a.key in keys]
            if rows:
                return max(1.0 - max(row) for row in rows)
    presence = pair.proposal.presence if pair.proposal else 0.5
    return 1.0 - abs(2.0 * presence - 1.0)
