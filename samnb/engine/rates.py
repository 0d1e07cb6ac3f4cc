"""Acceptance, throughput and effort by model version, from the log alone."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from samnb.engine.effort import (
    IDLE_CUTOFF_S,
    Effort,
    Masks,
    Source,
    edited_frame_count,
    is_annotated,
    work_pauses,
)
from samnb.engine.history import read_history
from samnb.engine.state import ItemState, ProjectState
from samnb.events import Event, FrameEdited, FrameTracked, Judged
from samnb.masks import rle as rle_ops
from samnb.types import Rle, Step, VerdictKind

if TYPE_CHECKING:
    import pandas as pd

By: TypeAlias = Literal["phase", "annotator", "model", "source"]
_HOUR_S: Final = 3600.0


def acceptance(
    source: Source,
    masks: Masks | None = None,
    *,
    by: By = "phase",
    idle_cutoff_s: float = IDLE_CUTOFF_S,
) -> pd.DataFrame:
    """Return what became of the masklets, one row per group.

    Columns: group, masklets (handed in), accepted, rejected, open, verdicts,
    satisfactory_rate, unsatisfactory_rate, reject_rate (of all verdicts),
    rounds_until_accepted (mean), disappearance_rate (NaN without masks),
    accepted_per_hour (of the makers' active time).

    Args:
        source: a session, a log, or events.
        masks: for events alone: returns masks by id.
        by: how to group: "phase", "annotator", "model" or "source".
        idle_cutoff_s: longer pauses are breaks.
    """
    import pandas as pd

    history, masks_of = read_history(source, masks)
    state, costs = history.project, history.costs(idle_cutoff_s)
    groups: dict[str, list[ItemState]] = defaultdict(list)
    for item in state.items.values():
        if item.proposals and not item.is_deleted:
            groups[_group(item, costs[item.item.id], by)].append(item)
    rows = []
    for group, items in sorted(groups.items()):
        verdicts = [v.kind for s in items for v in s.verdicts]
        accepted = [s for s in items if s.step is Step.ACCEPTED]
        rounds = [len(s.verdicts) for s in accepted if s.verdicts]
        made_s = sum(costs[s.item.id].made_s for s in items)
        rows.append(
            {
                "group": group,
                "masklets": len(items),
                "accepted": len(accepted),
                "rejected": sum(s.step is Step.REJECTED for s in items),
                "open": sum(s.step in (Step.TRACK, Step.VERIFY) for s in items),
                "verdicts": len(verdicts),
                "satisfactory_rate": _share(verdicts, VerdictKind.SATISFACTORY),
                "unsatisfactory_rate": _share(verdicts, VerdictKind.UNSATISFACTORY),
                "reject_rate": _share(verdicts, VerdictKind.REJECT),
                "rounds_until_accepted": _mean(rounds),
                "disappearance_rate": _rate_of_return(items, masks_of) if masks_of else math.nan,
                "accepted_per_hour": _HOUR_S * len(accepted) / made_s if made_s else math.nan,
            }
        )
    columns = [
        "group", "masklets", "accepted", "rejected", "open", "verdicts", "satisfactory_rate",
        "unsatisfactory_rate", "reject_rate", "rounds_until_accepted", "disappearance_rate",
        "accepted_per_hour",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def throughput(source: Source, *, bin_s: float = _HOUR_S) -> pd.DataFrame:
    """Return what was done per stretch of time; stretches of rest are left out.

    Columns: start_s (since the log began), clicks, edits, masks (edited or tracked),
    accepted, active_s (of all workers, pauses credited to where they end).

    Args:
        source: a session, a log, or events.
        bin_s: length of a stretch in seconds.
    """
    import pandas as pd

    events, _ = read_history(source)
    columns = ["start_s", "clicks", "edits", "masks", "accepted", "active_s"]
    if not events:
        return pd.DataFrame(columns=columns)
    zero = events[0].at_s
    table: dict[int, dict[str, float]] = {}

    def stretch(event: Event) -> dict[str, float]:
        # A clock behind the first event's cannot say when before the log began it was.
        number = max(0, int((event.at_s - zero) // bin_s))
        empty = dict.fromkeys(columns, 0.0) | {"start_s": number * bin_s}
        return table.setdefault(number, empty)

    for event in events:
        body = event.body
        if isinstance(body, FrameTracked):
            stretch(event)["masks"] += len(body.masks)
        elif isinstance(body, FrameEdited):
            row = stretch(event)
            row["clicks"] += body.clicks
            row["edits"] += 1
            row["masks"] += body.mask_id is not None
        elif isinstance(body, Judged):
            stretch(event)["accepted"] += body.verdict.kind is VerdictKind.SATISFACTORY
    for event, pause_s in work_pauses(events):
        stretch(event)["active_s"] += pause_s
    found = pd.DataFrame([table[n] for n in sorted(table)], columns=columns)
    is_busy = found[columns[1:]].any(axis="columns")
    return found.loc[is_busy].reset_index(drop=True)


def effort(source: Source, *, idle_cutoff_s: float = IDLE_CUTOFF_S) -> pd.DataFrame:
    """Return what a masklet cost with each version of the model, in the order of first use.

    Columns: model, masklets, clicks, edited_frames, strokes, active_s (means per
    masklet; the makers' time), s_per_frame, edited_share, rounds.
    """
    import pandas as pd

    history, _ = read_history(source)
    state, costs = history.project, history.costs(idle_cutoff_s)
    groups: dict[str, list[ItemState]] = defaultdict(list)
    for item in state.items.values():
        if is_annotated(item, costs[item.item.id]):
            groups[costs[item.item.id].model or "no model"].append(item)
    rows = []
    for model, items in groups.items():
        cost = [costs[s.item.id] for s in items]
        frames = [sum(f.mask_id is not None for f in s.frames.values()) for s in items]
        edited = [edited_frame_count(s) for s in items]
        rows.append(
            {
                "model": model,
                "masklets": len(items),
                "clicks": _mean([c.clicks for c in cost]),
                "edited_frames": _mean(edited),
                "strokes": _mean([c.strokes for c in cost]),
                "active_s": _mean([c.made_s for c in cost]),
                "s_per_frame": sum(c.made_s for c in cost) / max(1, sum(frames)),
                "edited_share": _mean([e / n for e, n in zip(edited, frames, strict=True) if n]),
                "rounds": _mean([len(s.proposals) for s in items]),
            }
        )
    columns = [
        "model", "masklets", "clicks", "edited_frames", "strokes", "active_s", "s_per_frame",
        "edited_share", "rounds",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _group(item: ItemState, cost: Effort, by: By) -> str:
    if by == "annotator":
        return ", ".join(sorted(item.makers))
    if by == "model":
        return cost.model or "no model"
    return item.item.source if by == "source" else f"phase {item.item.phase}"


def _share(verdicts: list[VerdictKind], kind: VerdictKind) -> float:
    return verdicts.count(kind) / len(verdicts) if verdicts else math.nan


def _mean(values: list[int] | list[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _rate_of_return(items: Iterable[ItemState], masks_of: Masks) -> float:
    found = []
    for item in items:
        ids = [str(f.mask_id) for _, f in sorted(item.frames.items()) if f.mask_id is not None]
        if ids:
            masks = masks_of(ids)
            found.append(disappears_and_returns(rle_ops.area(masks[i]) for i in ids))
    return sum(found) / len(found) if found else math.nan


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
    items = [s for s in state.items.values() if not s.is_deleted]
    return _rate_of_return(items, lambda ids: {i: masks[i] for i in ids})
