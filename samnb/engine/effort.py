"""What the log says about effort: active time, clicks, edits, the model that helped."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from samnb.engine.core import Core
from samnb.engine.state import ItemState
from samnb.events import Event, FrameEdited, FrameTracked, PropagationStarted, Undone, item_ids_of
from samnb.store.db import Log
from samnb.types import MaskId, Rle

IDLE_CUTOFF_S: Final = 30.0
"""A pause longer than this between two of a worker's events counts as a break: active
time is the sum of the shorter pauses. The paper does not say how it measured time."""

Masks: TypeAlias = Callable[[Iterable[MaskId]], Mapping[MaskId, Rle]]
Source: TypeAlias = Core | Log | Iterable[Event]
"""Where events come from: a session, a log, or the events themselves."""


@dataclass(slots=True)
class Effort:
    """What one item cost.

    Attributes:
        active_s: active time of everybody who touched it, in seconds.
        made_s: the part spent by those who made it; verifiers' time is not in it.
        n_edits: gestures on frames, undone ones included.
        model: the model that answered last; empty when none was asked.
    """

    active_s: float = 0.0
    made_s: float = 0.0
    clicks: int = 0
    strokes: int = 0
    undos: int = 0
    n_edits: int = 0
    clicked_frames: set[int] = field(default_factory=set)
    model: str = ""


def active_time(
    events: Iterable[Event], idle_cutoff_s: float = IDLE_CUTOFF_S
) -> dict[tuple[str, str], float]:
    """Return active seconds by (worker id, item id).

    The pause before an event is credited to the item that the event is about; an event
    about no item (or several) is credited to the item the worker touched last.
    """
    last_item: dict[str, str] = {}
    seconds: dict[tuple[str, str], float] = defaultdict(float)
    for event, pause_s in work_pauses(events, idle_cutoff_s):
        who, ids = event.worker_id, item_ids_of(event.body)
        item_id = ids[0] if len(ids) == 1 else last_item.get(who)
        if item_id is None:
            continue
        last_item[who] = item_id
        if pause_s > 0:
            seconds[who, item_id] += pause_s
    return dict(seconds)


def work_pauses(
    events: Iterable[Event], idle_cutoff_s: float = IDLE_CUTOFF_S
) -> Iterator[tuple[Event, float]]:
    """Yield every event by which a worker shows activity, with the seconds of work before it.

    The log's order is the order in which events arrived; their times are those of the
    machines they came from, and two machines' clocks differ. So a time is only measured
    against the latest one that the worker's log shows: an event a little earlier than
    that adds nothing and takes nothing away, and one earlier by more than the cut-off
    says that the clock is another, from which counting begins anew. A worker's seconds
    are never negative, and never more than the time between the first event and the last
    on any one clock.

    Args:
        events: in the order of the log.
        idle_cutoff_s: longer pauses are breaks and count 0.
    """
    latest: dict[str, float] = {}
    for event in events:
        if isinstance(event.body, FrameTracked):
            continue  # the model at work; the person waits, looks on or goes elsewhere
        pause = event.at_s - latest.get(event.worker_id, event.at_s)
        if not -idle_cutoff_s <= pause <= 0:
            latest[event.worker_id] = event.at_s
        latest.setdefault(event.worker_id, event.at_s)
        yield event, pause if 0 < pause <= idle_cutoff_s else 0.0


def effort_of(
    events: Sequence[Event],
    items: Mapping[str, ItemState],
    idle_cutoff_s: float = IDLE_CUTOFF_S,
    *,
    seconds: Mapping[tuple[str, str], float] | None = None,
) -> dict[str, Effort]:
    """Return the effort by item id, zero where nothing was done.

    Args:
        events: in the order of the log.
        items: by id, after these events.
        idle_cutoff_s: longer pauses are breaks.
        seconds: what :func:`active_time` returned for the events, where that is known.
    """
    effort: dict[str, Effort] = defaultdict(Effort)
    for event in events:
        body = event.body
        if isinstance(body, FrameEdited):
            one = effort[body.item_id]
            one.clicks += body.clicks
            one.strokes += body.stroke is not None
            one.n_edits += 1
            one.model = body.model or one.model
            if body.clicks:
                one.clicked_frames.add(body.frame_idx)
        elif isinstance(body, PropagationStarted):
            for item_id in body.item_ids:
                effort[item_id].model = body.model or effort[item_id].model
        elif isinstance(body, Undone):
            effort[body.item_id].undos += 1
    known = active_time(events, idle_cutoff_s) if seconds is None else seconds
    for (who, item_id), active_s in known.items():
        effort[item_id].active_s += active_s
        if item_id in items and who in items[item_id].makers:
            effort[item_id].made_s += active_s
    return {item_id: effort[item_id] for item_id in items}


def edited_frame_count(item: ItemState) -> int:
    """Return the number of frames edited by hand, or what an imported file declared."""
    if item.edited_frame_count is not None:
        return item.edited_frame_count
    return sum(f.is_edited for f in item.frames.values() if f.mask_id is not None)


def is_annotated(item: ItemState, effort: Effort) -> bool:
    """Whether somebody worked on the item and handed it in: such items enter the tables."""
    return bool(item.proposals) and not item.is_deleted and effort.n_edits > 0
