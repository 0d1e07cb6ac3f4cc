"""Statistics from the log alone.

Every number here is computed from events, so it can be computed again from a copy
of the project file years later. What the SAM 2 paper leaves open is decided by the
named constants below, which :func:`definitions` prints.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from samnb.engine.flow import fold
from samnb.engine.state import ItemState, ProjectState
from samnb.events import (
    Event,
    FrameEdited,
    FrameTracked,
    Undone,
    item_ids_of,
)
from samnb.types import Rle, VerdictKind

if TYPE_CHECKING:
    import pandas as pd

IDLE_CUTOFF_S: Final = 30.0
"""A pause longer than this between two of a worker's events counts as a break: active
time is the sum of the shorter pauses. The paper does not say how it measured time."""

TIME_PER_FRAME_DIVISOR: Final = "annotation frames with an answer"
"""Time per frame divides by every frame of the masklet at the annotation rate."""


@dataclass(slots=True)
class _Effort:
    active_s: float = 0.0
    clicks: int = 0
    strokes: int = 0
    undos: int = 0
    clicked_frames: set[int] = field(default_factory=set)


def definitions() -> dict[str, str]:
    """Return the choices behind the figures, for printing under a table."""
    return {
        "active time": f"pauses up to {IDLE_CUTOFF_S:g} s between a worker's events",
        "time per frame": f"active time / {TIME_PER_FRAME_DIVISOR}",
        "edited frames": "frames whose mask was made or changed by hand / frames with an answer",
        "clicks": "points and boxes set or removed; brush strokes are edits, not clicks",
    }


def active_time(
    events: Iterable[Event], idle_cutoff_s: float = IDLE_CUTOFF_S
) -> dict[tuple[str, str], float]:
    """Return active seconds by (worker id, item id).

    The pause before an event is credited to the item that the event is about; an event
    about no item (or several) is credited to the item the worker touched last.
    """
    last_at: dict[str, float] = {}
    last_item: dict[str, str] = {}
    seconds: dict[tuple[str, str], float] = defaultdict(float)
    for event in events:
        if isinstance(event.body, FrameTracked):
            continue  # the model at work; the person waits, looks on or goes elsewhere
        who, ids = event.worker_id, item_ids_of(event.body)
        item_id = ids[0] if len(ids) == 1 else last_item.get(who)
        pause = event.at_s - last_at.get(who, event.at_s)
        if item_id is not None and 0 < pause <= idle_cutoff_s:
            seconds[who, item_id] += pause
        last_at[who] = event.at_s
        if item_id is not None:
            last_item[who] = item_id
    return dict(seconds)


def masklets(events: Iterable[Event], *, idle_cutoff_s: float = IDLE_CUTOFF_S) -> pd.DataFrame:
    """Return one row per object: where it stands and what it cost.

    Columns: media, object, name, source, step, frames (with an answer), edited_frames,
    edited_share, clicks, clicks_per_clicked_frame, strokes, undos, active_s,
    s_per_frame, rounds, verdicts, annotators, verifiers.
    """
    import pandas as pd

    events = list(events)
    state = fold(ProjectState(), events)
    effort = _effort(events)
    for (_, item_id), active_s in active_time(events, idle_cutoff_s).items():
        effort[item_id].active_s += active_s
    rows = [
        _row(state, item, effort[item.item.id])
        for item in state.items.values()
        if not item.is_deleted
    ]
    columns = list(_row_types())
    return pd.DataFrame(rows, columns=columns)


def _effort(events: Iterable[Event]) -> dict[str, _Effort]:
    effort: dict[str, _Effort] = defaultdict(_Effort)
    for event in events:
        body = event.body
        if isinstance(body, FrameEdited):
            one = effort[body.item_id]
            one.clicks += body.clicks
            one.strokes += body.stroke is not None
            if body.clicks:
                one.clicked_frames.add(body.frame_idx)
        elif isinstance(body, Undone):
            effort[body.item_id].undos += 1
    return effort


def _row_types() -> tuple[str, ...]:
    return (
        "media", "object", "name", "source", "step", "frames", "edited_frames", "edited_share",
        "clicks", "clicks_per_clicked_frame", "strokes", "undos", "active_s", "s_per_frame",
        "rounds", "verdicts", "annotators", "verifiers",
    )  # fmt: skip


def _row(state: ProjectState, item: ItemState, effort: _Effort) -> dict[str, Any]:
    answered = [f for f in item.frames.values() if f.mask_id is not None]
    edited = edited_frame_count(item)
    frames = len(answered)
    clicked = len(effort.clicked_frames)
    return {
        "media": state.media[item.item.media_id].name,
        "object": item.item.obj_id,
        "name": item.item.name,
        "source": item.item.source,
        "step": item.step.value,
        "frames": frames,
        "edited_frames": edited,
        "edited_share": edited / frames if frames else float("nan"),
        "clicks": effort.clicks,
        "clicks_per_clicked_frame": effort.clicks / clicked if clicked else float("nan"),
        "strokes": effort.strokes,
        "undos": effort.undos,
        "active_s": effort.active_s,
        "s_per_frame": effort.active_s / frames if frames else float("nan"),
        "rounds": len(item.proposals),
        "verdicts": ", ".join(v.kind.value for v in item.verdicts),
        "annotators": ", ".join(sorted(item.makers)),
        "verifiers": ", ".join(dict.fromkeys(v.worker_id for v in item.verdicts)),
    }


def edited_frame_count(item: ItemState) -> int:
    """Return the number of frames edited by hand, or what an imported file declared."""
    if item.edited_frame_count is not None:
        return item.edited_frame_count
    return sum(f.is_edited for f in item.frames.values() if f.mask_id is not None)


def workers(events: Iterable[Event], *, idle_cutoff_s: float = IDLE_CUTOFF_S) -> pd.DataFrame:
    """Return one row per worker: events, active seconds, objects, verdicts given."""
    import pandas as pd

    events = list(events)
    state = fold(ProjectState(), events)
    seconds = active_time(events, idle_cutoff_s)
    rows = []
    for worker in state.workers.values():
        verdicts = [v for s in state.items.values() for v in s.verdicts if v.worker_id == worker.id]
        rows.append(
            {
                "worker": worker.id,
                "kind": worker.kind.value,
                "events": sum(e.worker_id == worker.id for e in events),
                "active_s": sum(s for (who, _), s in seconds.items() if who == worker.id),
                "masklets": sum(worker.id in s.makers for s in state.items.values()),
                "verdicts": len(verdicts),
                "accepted": sum(v.kind is VerdictKind.SATISFACTORY for v in verdicts),
            }
        )
    columns = ["worker", "kind", "events", "active_s", "masklets", "verdicts", "accepted"]
    return pd.DataFrame(rows, columns=columns)


def disappears_and_returns(areas: Iterable[int]) -> bool:
    """Whether an object goes away for at least one frame and then comes back.

    Args:
        areas: mask areas in pixels over the annotated frames, in time order.

    The share of masklets for which this holds is the disappearance rate of the SAM 2
    paper (section 5.2).
    """
    visible = [area > 0 for area in areas]
    if True not in visible:
        return False
    seen = visible[visible.index(True) :]
    last = len(seen) - seen[::-1].index(True)
    return False in seen[:last]


def disappearance_rate(state: ProjectState, masks: Mapping[str, Rle]) -> float:
    """Return the share of masklets that vanish and come back; NaN without masklets.

    Args:
        state: the project.
        masks: the stored masks by id, at least those that the state's frames name.
    """
    from samnb.masks import rle as rle_ops

    found = []
    for item in state.items.values():
        frames = [f for _, f in sorted(item.frames.items()) if f.mask_id is not None]
        if frames and not item.is_deleted:
            areas = [rle_ops.area(masks[str(f.mask_id)]) for f in frames]
            found.append(disappears_and_returns(areas))
    return sum(found) / len(found) if found else float("nan")
