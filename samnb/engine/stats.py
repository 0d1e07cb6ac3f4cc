"""Statistics from the log alone.

Every number here is computed from events, so it can be computed again from a copy
of the project file years later. What the SAM 2 paper leaves open is decided by the
named constants below, which :func:`definitions` prints.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from samnb.engine.effort import (
    IDLE_CUTOFF_S,
    Effort,
    active_time,
    edited_frame_count,
)
from samnb.engine.history import read_history
from samnb.engine.phasestats import phases
from samnb.engine.rates import (
    acceptance,
    disappearance_rate,
    disappears_and_returns,
    effort,
    throughput,
)
from samnb.engine.state import ItemState, ProjectState
from samnb.events import Event
from samnb.types import VerdictKind

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "IDLE_CUTOFF_S",
    "TIME_PER_FRAME_DIVISOR",
    "acceptance",
    "active_time",
    "definitions",
    "disappearance_rate",
    "disappears_and_returns",
    "edited_frame_count",
    "effort",
    "masklets",
    "phases",
    "throughput",
    "workers",
]

TIME_PER_FRAME_DIVISOR: Final = "annotation frames with an answer"
"""Time per frame divides by every frame of the masklet at the annotation rate."""


def definitions() -> dict[str, str]:
    """Return the choices behind the figures, for printing under a table."""
    return {
        "active time": f"pauses up to {IDLE_CUTOFF_S:g} s between a worker's events",
        "time per frame": f"active time / {TIME_PER_FRAME_DIVISOR}",
        "edited frames": "frames whose mask was made or changed by hand / frames with an answer",
        "clicks": "points and boxes set or removed; brush strokes are edits, not clicks",
    }


def masklets(events: Iterable[Event], *, idle_cutoff_s: float = IDLE_CUTOFF_S) -> pd.DataFrame:
    """Return one row per object: where it stands and what it cost.

    Columns: media, object, name, source, step, frames (with an answer), edited_frames,
    edited_share, clicks, clicks_per_clicked_frame, strokes, undos, active_s,
    s_per_frame, rounds, verdicts, annotators, verifiers.
    """
    import pandas as pd

    history, _ = read_history(events)
    state, costs = history.project, history.costs(idle_cutoff_s)
    rows = [
        _row(state, item, costs[item.item.id])
        for item in state.items.values()
        if not item.is_deleted
    ]
    columns = list(_row_types())
    return pd.DataFrame(rows, columns=columns)


def _row_types() -> tuple[str, ...]:
    return (
        "media", "object", "name", "source", "step", "frames", "edited_frames", "edited_share",
        "clicks", "clicks_per_clicked_frame", "strokes", "undos", "active_s", "s_per_frame",
        "rounds", "verdicts", "annotators", "verifiers",
    )  # fmt: skip


def _row(state: ProjectState, item: ItemState, cost: Effort) -> dict[str, Any]:
    answered = [f for f in item.frames.values() if f.mask_id is not None]
    edited = edited_frame_count(item)
    frames = len(answered)
    clicked = len(cost.clicked_frames)
    return {
        "media": state.media[item.item.media_id].name,
        "object": item.item.obj_id,
        "name": item.item.name,
        "source": item.item.source,
        "step": item.step.value,
        "frames": frames,
        "edited_frames": edited,
        "edited_share": edited / frames if frames else float("nan"),
        "clicks": cost.clicks,
        "clicks_per_clicked_frame": cost.clicks / clicked if clicked else float("nan"),
        "strokes": cost.strokes,
        "undos": cost.undos,
        "active_s": cost.active_s,
        "s_per_frame": cost.active_s / frames if frames else float("nan"),
        "rounds": len(item.proposals),
        "verdicts": ", ".join(v.kind.value for v in item.verdicts),
        "annotators": ", ".join(sorted(item.makers)),
        "verifiers": ", ".join(dict.fromkeys(v.worker_id for v in item.verdicts)),
    }


def workers(events: Iterable[Event], *, idle_cutoff_s: float = IDLE_CUTOFF_S) -> pd.DataFrame:
    """Return one row per worker: events, active seconds, objects, verdicts given."""
    import pandas as pd

    history, _ = read_history(events)
    state, seconds = history.project, history.seconds(idle_cutoff_s)
    rows = []
    for worker in state.workers.values():
        verdicts = [v for s in state.items.values() for v in s.verdicts if v.worker_id == worker.id]
        rows.append(
            {
                "worker": worker.id,
                "kind": worker.kind.value,
                "events": sum(e.worker_id == worker.id for e in history),
                "active_s": sum(s for (who, _), s in seconds.items() if who == worker.id),
                "masklets": sum(worker.id in s.makers for s in state.items.values()),
                "verdicts": len(verdicts),
                "accepted": sum(v.kind is VerdictKind.SATISFACTORY for v in verdicts),
            }
        )
    columns = ["worker", "kind", "events", "active_s", "masklets", "verdicts", "accepted"]
    return pd.DataFrame(rows, columns=columns)
