"""People's seconds in a log, whichever engine wrote it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from samnb.engine.concepts.stats import person_answers
from samnb.engine.effort import IDLE_CUTOFF_S
from samnb.engine.history import read_history
from samnb.engine.state import ItemState
from samnb.events import Event
from samnb.types import WorkerKind

SELECT, TRACK, VERIFY = "select", "track", "verify"
"""Roles in the masklet engine; in the concept engine a role is a task: mv, ev, correct, confirm."""


def people_seconds(
    events: Sequence[Event], idle_cutoff_s: float = IDLE_CUTOFF_S
) -> dict[tuple[str, str], float]:
    """Return people's seconds by (item id, role); simulated people count, models do not.

    For a masklet they are the active time of everybody who touched it, see
    :func:`samnb.engine.effort.active_time`. For a pair they run from being shown it to the
    answer.

    Args:
        events: in the order of the log.
        idle_cutoff_s: in the masklet engine longer pauses are breaks.
    """
    history, _ = read_history(events)
    state, pairs = history.project, history.pairs
    models = {w.id for w in state.workers.values() if w.kind is WorkerKind.MODEL}
    seconds: dict[tuple[str, str], float] = defaultdict(float)
    for (who, item_id), active_s in history.seconds(idle_cutoff_s).items():
        if who not in models and item_id in state.items:
            seconds[item_id, role_of(state.items[item_id], who)] += active_s
    for pair in pairs.pairs.values():
        for answer in person_answers(pair):
            seconds[pair.id, answer.task.value] += answer.seconds_s or 0.0
    return dict(seconds)


def role_of(item: ItemState, worker_id: str) -> str:
    """What somebody did to a masklet: made it, judged it, or picked the object."""
    if worker_id in item.makers:
        return TRACK
    return VERIFY if any(v.worker_id == worker_id for v in item.verdicts) else SELECT


def by_role(seconds: Mapping[tuple[str, str], float]) -> dict[str, float]:
    """Sum people's seconds over items."""
    found: dict[str, float] = defaultdict(float)
    for (_, role), value in seconds.items():
        found[role] += value
    return dict(found)
