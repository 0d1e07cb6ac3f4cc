"""Who works on what: leases in the log, so that two workers never meet on an item."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from samnb.engine.flow import STEP_OF_ROLE, label
from samnb.engine.state import ItemState, ProjectState
from samnb.events import Body, Claimed, Released
from samnb.types import FlowError, InputError, Role, VerdictKind

if TYPE_CHECKING:
    from samnb.engine.core import Core


def is_claimed_by_other(state: ItemState, worker_id: str, now_s: float) -> bool:
    """Whether somebody else holds a lease that has not run out."""
    claim = state.claim
    return claim is not None and claim.worker_id != worker_id and claim.until_s > now_s


def require_claim(state: ItemState, worker_id: str, now_s: float) -> None:
    """Refuse to answer for an item that somebody else is working on.

    Raises:
        FlowError: another worker holds the lease.
    """
    if is_claimed_by_other(state, worker_id, now_s) and state.claim is not None:
        raise FlowError(f"{label(state.item)} is being worked on by {state.claim.worker_id}")


def waiting(
    project: ProjectState, role: Role, worker_id: str, now_s: float, media_id: str | None = None
) -> list[ItemState]:
    """Return the items this worker could take in this role, the most urgent first.

    What a verifier sent back comes before new items; after that, first in, first out.
    A verifier is never offered what he or she had a hand in.

    Raises:
        InputError: a role that has no queue.
    """
    if role not in STEP_OF_ROLE:
        raise InputError(f"role: expected one with a queue, got {role.value!r}")
    rows = [
        s
        for s in project.items.values()
        if s.step is STEP_OF_ROLE[role]
        and not s.is_deleted
        and (media_id is None or s.item.media_id == media_id)
        and not is_claimed_by_other(s, worker_id, now_s)
        and not (role is Role.VERIFIER and worker_id in s.makers)
    ]
    return sorted(rows, key=_urgency)


def _urgency(state: ItemState) -> tuple[bool, int]:
    verdicts = state.verdicts
    is_returned = bool(verdicts) and verdicts[-1].kind is VerdictKind.UNSATISFACTORY
    return (not is_returned, state.history[-1].seq if state.history else 0)


def take_next(
    core: Core, role: Role, media_id: str | None, lease_s: float, but: Collection[str] = ()
) -> ItemState | None:
    """Claim and return the most urgent item, or None; see ``Session.next``."""
    taken: list[str] = []

    def make(project: ProjectState) -> list[Body]:
        taken.clear()
        now_s = core.clock()
        rows = waiting(project, role, core.worker.id, now_s, media_id)
        rows = [row for row in rows if row.item.id not in but]
        if not rows:
            return []
        taken.append(rows[0].item.id)
        return [Claimed(rows[0].item.id, role, now_s + lease_s)]

    core.commit(make)
    return core.item(taken[0]) if taken else None


def renew(core: Core, item_id: str, role: Role, lease_s: float) -> None:
    """Lengthen a claim whose worker is still at it; see ``Session.renew``."""

    def make(project: ProjectState) -> list[Body]:
        state, now_s = project.items[item_id], core.clock()
        claim = state.claim
        is_own = claim is not None and claim.worker_id == core.worker.id
        if claim is None or not is_own or claim.until_s - now_s > lease_s / 2:
            return []
        is_at_hand = not state.is_deleted and state.step is STEP_OF_ROLE[role]
        return [Claimed(item_id, role, now_s + lease_s)] if is_at_hand else []

    core.item(item_id)
    core.commit(make)


def release(core: Core, item_id: str) -> None:
    """Give a claimed item back; see ``Session.release``."""

    def make(project: ProjectState) -> list[Body]:
        claim = project.items[item_id].claim
        return [Released(item_id)] if claim and claim.worker_id == core.worker.id else []

    core.item(item_id)
    core.commit(make)
