"""Figures of the statistics, as matplotlib objects; nothing is shown or saved here."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from matplotlib.figure import Figure

from samnb.engine.phasestats import PAPER, SIZES, PhaseRow, PhaseTable

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MEASURED: Final = "#0072b2"
PAPERS: Final = "#b0b0b0"
ARM_COLOURS: Final[Mapping[str, str]] = {
    "refine": "#0072b2",
    "redraw": "#d55e00",
    "reproduce": "#009e73",
}
"""Okabe and Ito's palette, which readers with any colour vision can tell apart."""


class NotebookFigure(Figure):
    """A figure that a notebook shows by itself, without any set-up of a plotting mode."""

    def _repr_png_(self) -> bytes:
        picture = io.BytesIO()
        self.savefig(picture, format="png")
        return picture.getvalue()


def plot_phases(table: PhaseTable) -> Figure:
    """Draw measured against published figures: time, edits, clicks and alignment."""
    rows = [r for r in table.rows if r.phase in PAPER]
    figure, axes = _subplots(2, 2, 9.0, 5.4)
    labels = [r.group.replace("phase ", "P").replace(", ", "\n") for r in rows]
    _pairs(
        axes[0], labels, [r.speed_up for r in rows], [PAPER[r.phase].speed_up for r in rows],
        "speed-up over Phase 1",
    )  # fmt: skip
    _pairs(
        axes[1], labels, [100 * r.edited_share for r in rows],
        [100 * PAPER[r.phase].edited_share for r in rows], "edited frames, %",
    )  # fmt: skip
    _pairs(
        axes[2], labels, [r.clicks_per_clicked_frame for r in rows],
        [PAPER[r.phase].clicks_per_clicked_frame for r in rows], "clicks per clicked frame",
    )  # fmt: skip
    _alignment(axes[3], [r for r in rows if r.phase != 1])
    axes[0].legend(fontsize=8, frameon=False)
    return figure


def _pairs(
    axes: Axes, labels: list[str], measured: list[float], published: list[float], title: str
) -> None:
    places = range(len(labels))
    axes.bar([p - 0.2 for p in places], measured, 0.4, color=MEASURED, label="measured")
    axes.bar([p + 0.2 for p in places], published, 0.4, color=PAPERS, label="SAM 2 paper")
    axes.set_xticks(list(places), labels, fontsize=8)
    axes.set_title(title, fontsize=10)
    for place, value in zip(places, measured, strict=True):
        if not math.isnan(value):
            axes.annotate(
                f"{value:.3g}", (place - 0.2, value), ha="center", va="bottom", fontsize=8
            )


def _alignment(axes: Axes, rows: list[PhaseRow]) -> None:
    keys = ("all", *SIZES)
    wide = 0.8 / max(1, 2 * len(rows))
    for at, row in enumerate(rows):
        ours = [100 * row.aligned.get(k, math.nan) for k in keys]
        theirs = [100 * PAPER[row.phase].aligned.get(k, math.nan) for k in keys]
        shift = (2 * at - len(rows)) * wide + wide / 2
        alpha = 1.0 if at == len(rows) - 1 else 0.6
        axes.bar([p + shift for p in range(4)], ours, wide, color=MEASURED, alpha=alpha)
        axes.bar([p + shift + wide for p in range(4)], theirs, wide, color=PAPERS, alpha=alpha)
    axes.set_xticks(range(4), keys, fontsize=8)
    axes.set_ylim(0, 105)
    axes.set_title("aligned with Phase 1, %  (" + ", ".join(f"P{r.phase}" for r in rows) + ")",
                   fontsize=10)  # fmt: skip


def plot_curves(curves: pd.DataFrame) -> Figure:
    """Draw J&F against prompted frames and against time, one row of panels per mode.

    Args:
        curves: what :func:`samnb.engine.curves.summarise` returns.
    """
    modes = list(dict.fromkeys(curves["mode"]))
    figure, axes = _subplots(max(1, len(modes)), 2, 9.0, 3.2 * max(1, len(modes)))
    for at, mode in enumerate(modes):
        part = curves[curves["mode"] == mode]
        for arm, line in part.groupby("arm", sort=False):
            style: dict[str, Any] = {
                "marker": "o",
                "ms": 4,
                "color": ARM_COLOURS.get(str(arm)),
                "label": str(arm),
            }
            axes[2 * at].plot(line.n_prompted, 100 * line.jf, **style)
            axes[2 * at + 1].plot(line.time_s, 100 * line.jf, **style)
        axes[2 * at].set(xlabel="prompted frames", ylabel="J&F", title=mode)
        axes[2 * at + 1].set(xlabel="annotation time, s", ylabel="J&F", title=mode)
        axes[2 * at].legend(fontsize=8, frameon=False)
    return figure


def plot_acceptance(table: pd.DataFrame) -> Figure:
    """Draw the verdicts' shares per group.

    Args:
        table: what :func:`samnb.engine.stats.acceptance` returns.
    """
    figure, (axes,) = _subplots(1, 1, 6.0, 0.6 + 0.5 * max(1, len(table)))
    left = [0.0] * len(table)
    parts = (("satisfactory", "#009e73"), ("unsatisfactory", "#e69f00"), ("reject", "#d55e00"))
    for name, colour in parts:
        share = (100 * table[f"{name}_rate"].fillna(0.0)).tolist()
        axes.barh(table.group, share, left=left, color=colour, label=name)
        left = [a + b for a, b in zip(left, share, strict=True)]
    axes.set(xlim=(0, 100), xlabel="verdicts, %")
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def plot_throughput(table: pd.DataFrame) -> Figure:
    """Draw masks and accepted masklets over time.

    Args:
        table: what :func:`samnb.engine.stats.throughput` returns.
    """
    figure, axes = _subplots(1, 2, 9.0, 3.0)
    minutes = [s / 60 for s in table.start_s]
    wide = min((b - a for a, b in pairwise(minutes)), default=1.0)
    axes[0].bar(minutes, table.masks, wide, align="edge", color=MEASURED)
    axes[0].set(xlabel="minutes", title="masks")
    axes[1].step(minutes, table.accepted.cumsum(), where="post", color=MEASURED)
    axes[1].set(xlabel="minutes", title="accepted masklets in all")
    return figure


def plot_effort(table: pd.DataFrame) -> Figure:
    """Draw clicks, edited frames and seconds per masklet over model versions.

    Args:
        table: what :func:`samnb.engine.stats.effort` returns.
    """
    figure, axes = _subplots(1, 3, 11.0, 3.0)
    titles = (("clicks", "clicks"), ("edited_frames", "edited frames"), ("active_s", "seconds"))
    for panel, (column, title) in zip(axes, titles, strict=True):
        panel.plot(range(len(table)), table[column], marker="o", color=MEASURED)
        panel.set_xticks(range(len(table)), table.model, rotation=20, ha="right", fontsize=8)
        panel.set_title(f"{title} per masklet", fontsize=10)
        panel.set_ylim(bottom=0)
    return figure


def _subplots(rows: int, columns: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    # Not through pyplot: figures made there pile up until somebody closes them.
    figure = NotebookFigure(figsize=(width, height), layout="constrained")
    axes = [figure.add_subplot(rows, columns, n + 1) for n in range(rows * columns)]
    for panel in axes:
        panel.spines[["top", "right"]].set_visible(False)
    return figure, axes
