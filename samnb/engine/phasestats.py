"""SAM 2's table of its three phases, computed from the log, beside the paper's own rows.

Source of the columns and of the published figures: SAM 2 paper (arXiv 2408.00714),
table 1 and its appendix on the comparison of annotation phases. Whatever the paper
leaves open is a named constant of this module and printed under every table.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from samnb.engine.effort import (
    IDLE_CUTOFF_S,
    Effort,
    Masks,
    Source,
    edited_frame_count,
    is_annotated,
)
from samnb.engine.history import read_history
from samnb.engine.phases import BRUSH_IN_PHASE_3, TOUCH_UP_IN_PHASE_2
from samnb.engine.state import ItemState
from samnb.masks import rle as rle_ops

if TYPE_CHECKING:
    import pandas as pd

By: TypeAlias = Literal["phase", "annotator", "model"]
SIZES: Final = ("small", "medium", "large")

ALIGNED_IOU: Final = 0.75
"""A mask is aligned when its IoU with the Phase 1 mask of the frame is above this."""
SMALL_BELOW_PX: Final = 32**2
"""Objects whose first Phase 1 mask has fewer pixels are small (COCO's limit)."""
LARGE_FROM_PX: Final = 96**2
"""Objects whose first Phase 1 mask has at least so many pixels are large."""
COUNTS_COMMON_ABSENCE: Final = False
"""Whether a frame on which neither masklet shows the object counts as aligned. The paper
does not say; such frames are left out here. Where one of the two shows it, it is not
aligned."""
IS_TIME_POOLED: Final = True
"""Time per frame is all time by all annotated frames, not the mean over masklets."""
HAS_VERIFIERS_TIME: Final = False
"""Time per frame is that of the people who made the masklet."""


@dataclass(frozen=True, slots=True)
class PhaseRow:
    """One row of the table; figures that do not exist are NaN.

    Attributes:
        group: the phase's name, with the annotator or the model where asked for.
        n_masklets: masklets in the row.
        n_frames: annotated frames in the row.
        s_per_frame: seconds per annotated frame.
        edited_share: mean over masklets of edited frames by annotated frames, 0 to 1.
        clicks_per_clicked_frame: clicks by frames that got clicks.
        aligned: share of masks aligned with Phase 1, under "all" and each size, 0 to 1.
        n_aligned: how many masks that is of.
        speed_up: Phase 1's seconds per frame by this row's.
    """

    group: str
    phase: int
    n_masklets: int
    n_frames: int
    s_per_frame: float
    edited_share: float
    clicks_per_clicked_frame: float
    aligned: Mapping[str, float]
    n_aligned: Mapping[str, int]
    speed_up: float


@dataclass(frozen=True, slots=True)
class PaperRow:
    """A published row: SAM 2 paper, table 1."""

    model: str
    s_per_frame: float
    edited_share: float
    clicks_per_clicked_frame: float
    aligned: Mapping[str, float]

    @property
    def speed_up(self) -> float:
        """Phase 1's seconds per frame by this row's."""
        return PAPER[1].s_per_frame / self.s_per_frame


PAPER: Final[Mapping[int, PaperRow]] = {
    1: PaperRow("SAM only", 37.8, 1.0, 4.80, {}),
    2: PaperRow(
        "SAM + SAM 2 Mask", 7.4, 0.2325, 3.61,
        {"all": 0.864, "small": 0.713, "medium": 0.804, "large": 0.979},
    ),
    3: PaperRow(
        "SAM 2", 4.5, 0.1904, 2.68,
        {"all": 0.891, "small": 0.728, "medium": 0.818, "large": 1.0},
    ),
}  # fmt: skip

_COLUMNS: Final = (
    "phase", "row", "model in loop", "s/frame", "speed-up", "edited frames %",
    "clicks/clicked frame", "aligned %", "small %", "medium %", "large %", "masklets", "frames",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PhaseTable:
    """Measured rows; prints with the paper's row beside each and the definitions below."""

    rows: tuple[PhaseRow, ...]
    notes: Mapping[str, str] = field(default_factory=dict)

    def row(self, phase: int) -> PhaseRow:
        """Return the first row of a phase.

        Raises:
            KeyError: nothing was annotated in that phase.
        """
        for row in self.rows:
            if row.phase == phase:
                return row
        raise KeyError(phase)

    def to_frame(self, *, with_paper: bool = True) -> pd.DataFrame:
        """One line per row, the paper's beside it; shares in per cent."""
        import pandas as pd

        lines: list[tuple[Any, ...]] = []
        for row in self.rows:
            lines.append(_measured(row))
            if with_paper and row.phase in PAPER:
                lines.append(_published(row.phase))
        return pd.DataFrame(lines, columns=list(_COLUMNS))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: ``rows`` (None where there is no figure) and ``definitions``."""
        rows = []
        for row in self.rows:
            paper = PAPER.get(row.phase)
            rows.append(
                {
                    "group": row.group,
                    "phase": row.phase,
                    "masklets": row.n_masklets,
                    "frames": row.n_frames,
                    "s_per_frame": _plain(row.s_per_frame),
                    "speed_up": _plain(row.speed_up),
                    "edited_share": _plain(row.edited_share),
                    "clicks_per_clicked_frame": _plain(row.clicks_per_clicked_frame),
                    "aligned": {k: _plain(v) for k, v in row.aligned.items()},
                    "aligned_of": dict(row.n_aligned),
                    "paper": None if paper is None else {
                        "s_per_frame": paper.s_per_frame,
                        "speed_up": paper.speed_up,
                        "edited_share": paper.edited_share,
                        "clicks_per_clicked_frame": paper.clicks_per_clicked_frame,
                        "aligned": dict(paper.aligned),
                    },
                }
            )  # fmt: skip
        return {"rows": rows, "definitions": dict(self.notes)}

    def __str__(self) -> str:
        text = self.to_frame().to_string(index=False, float_format=_number, na_rep="-")
        return "\n".join([text, "", *(f"{word}: {what}" for word, what in self.notes.items())])

    def _repr_html_(self) -> str:
        rows = self.to_frame()
        names = zip(rows["phase"], rows["model in loop"], strict=True)
        rows["phase"] = [f"{phase}: {model}" if model else phase for phase, model in names]
        rows = rows.drop(columns="model in loop")  # fits the page of a notebook so
        table = rows.to_html(index=False, float_format=_number, na_rep="-")
        notes = "".join(f"<dt>{w}</dt><dd>{what}</dd>" for w, what in self.notes.items())
        return f"{table}<details><summary>Definitions</summary><dl>{notes}</dl></details>"


def phases(
    source: Source,
    masks: Masks | None = None,
    *,
    by: By = "phase",
    idle_cutoff_s: float = IDLE_CUTOFF_S,
) -> PhaseTable:
    """Return the paper's table 1 for a project.

    Only masklets that somebody edited and handed in count. Alignment needs items that
    share a ``target_id`` with a Phase 1 item.

    Args:
        source: a session, a log, or events (then give ``masks`` as well, for alignment).
        masks: returns masks by id.
        by: "phase" for one row each; "annotator" and "model" split the rows further.
        idle_cutoff_s: longer pauses are breaks.
    """
    history, masks_of = read_history(source, masks)
    costs = history.costs(idle_cutoff_s)
    counted = [s for s in history.project.items.values() if is_annotated(s, costs[s.item.id])]
    groups: dict[tuple[int, str], list[ItemState]] = defaultdict(list)
    for item in counted:
        groups[item.item.phase, _label(item, costs[item.item.id], by)].append(item)
    references = _references(counted)
    base = _s_per_frame([s for s in counted if s.item.phase == 1], costs)
    rows = tuple(
        _row(phase, label, items, costs, base, _align(items, references, masks_of))
        for (phase, label), items in sorted(groups.items())
    )
    return PhaseTable(rows, definitions(idle_cutoff_s))


def definitions(idle_cutoff_s: float = IDLE_CUTOFF_S) -> dict[str, str]:
    """Return what the paper leaves open and how it is read here, for printing."""
    edges = "counts as aligned" if COUNTS_COMMON_ABSENCE else "is left out"
    mean = "pooled over masklets" if IS_TIME_POOLED else "mean over masklets"
    verifier = "with" if HAS_VERIFIERS_TIME else "without"
    return {
        "s/frame": "active time of the makers / frames with an answer at the annotation rate, "
        f"{mean}, {verifier} verification; pauses up to {idle_cutoff_s:g} s are work",
        "edited frames": "mean over masklets of frames made or changed by hand / frames with an "
        "answer; a stroke or 'absent' is an edit",
        "clicks/clicked frame": "points and boxes set or removed / frames that got any; strokes "
        "and 'absent' are no clicks",
        "aligned": f"masks with IoU > {ALIGNED_IOU:g} with the Phase 1 mask of the same object and "
        f"frame; a frame empty in both {edges}, empty in one is not aligned",
        "sizes": f"area of the first Phase 1 mask: small < {SMALL_BELOW_PX} px <= medium < "
        f"{LARGE_FROM_PX} px <= large",
        "Phase 2": "an edit starts " + ("from the mask" if TOUCH_UP_IN_PHASE_2 else "from scratch"),
        "Phase 3": "the brush is " + ("offered" if BRUSH_IN_PHASE_3 else "not offered")
        + " to people, and clicks on a tracked frame that was cleared work on the frame alone",
    }  # fmt: skip


def _label(item: ItemState, cost: Effort, by: By) -> str:
    name = f"phase {item.item.phase}"
    if by == "annotator":
        return f"{name}, {', '.join(sorted(item.makers))}"
    if by == "model":
        return f"{name}, {cost.model or 'no model'}"
    return name


def _s_per_frame(items: Sequence[ItemState], costs: Mapping[str, Effort]) -> float:
    frames = sum(len(_answered(s)) for s in items)
    seconds = sum(
        costs[s.item.id].active_s if HAS_VERIFIERS_TIME else costs[s.item.id].made_s for s in items
    )
    return seconds / frames if frames else math.nan


def _answered(item: ItemState) -> dict[int, str]:
    return {i: f.mask_id for i, f in item.frames.items() if f.mask_id is not None}


def _row(
    phase: int,
    label: str,
    items: Sequence[ItemState],
    costs: Mapping[str, Effort],
    base_s: float,
    hits: Mapping[str, list[bool]],
) -> PhaseRow:
    n_frames = [len(_answered(s)) for s in items]
    edited = [edited_frame_count(s) / n for s, n in zip(items, n_frames, strict=True) if n]
    clicks = sum(costs[s.item.id].clicks for s in items)
    clicked = sum(len(costs[s.item.id].clicked_frames) for s in items)
    seconds = _s_per_frame(items, costs)
    return PhaseRow(
        group=label,
        phase=phase,
        n_masklets=len(items),
        n_frames=sum(n_frames),
        s_per_frame=seconds,
        edited_share=sum(edited) / len(edited) if edited else math.nan,
        clicks_per_clicked_frame=clicks / clicked if clicked else math.nan,
        aligned={k: sum(v) / len(v) if v else math.nan for k, v in hits.items()},
        n_aligned={k: len(v) for k, v in hits.items()},
        speed_up=base_s / seconds if seconds > 0 else math.nan,
    )


def _references(items: Sequence[ItemState]) -> dict[str, ItemState]:
    """The first Phase 1 masklet of each target."""
    found: dict[str, ItemState] = {}
    for item in items:
        if item.item.phase == 1 and item.item.target_id:
            found.setdefault(item.item.target_id, item)
    return found


def _align(
    items: Sequence[ItemState], references: Mapping[str, ItemState], masks_of: Masks | None
) -> dict[str, list[bool]]:
    hits: dict[str, list[bool]] = {key: [] for key in ("all", *SIZES)}
    for item in items:
        reference = references.get(item.item.target_id)
        if masks_of is None or reference is None or item.item.phase == 1:
            continue
        ours, theirs = _answered(item), _answered(reference)
        masks = masks_of({*ours.values(), *theirs.values()})
        areas = {i: rle_ops.area(masks[theirs[i]]) for i in sorted(theirs)}
        size = size_of(next((a for a in areas.values() if a > 0), 0))
        for i in sorted(ours.keys() & theirs.keys()):
            is_absent = areas[i] == 0 and rle_ops.area(masks[ours[i]]) == 0
            if is_absent and not COUNTS_COMMON_ABSENCE:
                continue
            is_aligned = rle_ops.iou(masks[ours[i]], masks[theirs[i]]) > ALIGNED_IOU
            hits["all"].append(is_aligned)
            hits[size].append(is_aligned)
    return hits


def size_of(area_px: int) -> str:
    """Return the size bucket of an object by its mask's area."""
    if area_px < SMALL_BELOW_PX:
        return "small"
    return "medium" if area_px < LARGE_FROM_PX else "large"


def _measured(row: PhaseRow) -> tuple[Any, ...]:
    model = PAPER[row.phase].model if row.phase in PAPER else ""
    return (
        row.group, "measured", model, row.s_per_frame, row.speed_up, 100 * row.edited_share,
        row.clicks_per_clicked_frame,
        *(100 * row.aligned.get(k, math.nan) for k in ("all", *SIZES)),
        str(row.n_masklets), str(row.n_frames),
    )  # fmt: skip


def _published(phase: int) -> tuple[Any, ...]:
    row = PAPER[phase]
    return (
        "", "paper", "", row.s_per_frame, row.speed_up, 100 * row.edited_share,
        row.clicks_per_clicked_frame,
        *(100 * row.aligned.get(k, math.nan) for k in ("all", *SIZES)), "", "",
    )  # fmt: skip


def _number(value: float) -> str:
    return f"{value:.2f}"


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value
