"""Figures of the concept loop, as matplotlib objects; nothing is shown or saved here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from samnb.engine.concepts.timing import PAPER
from samnb.engine.figures import MEASURED, PAPERS, NotebookFigure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from samnb.engine.concepts.arms import ArmTable

_SHORT = {
    "human from phrase": "from\nphrase",
    "human from masks": "from\nmasks",
    "engine, all human": "engine,\nall human",
    "engine, AI verifiers": "engine,\nAI verifiers",
}


def plot_arms(table: ArmTable) -> Figure:
    """Draw modelled seconds per pair, ours beside the paper's, touches, and the data's cgF1."""
    rows = table.rows
    labels = [_SHORT[r.arm] for r in rows]
    figure = NotebookFigure(figsize=(9.0, 5.4), layout="constrained")
    axes = figure.subplots(2, 2).ravel()
    for ax, title, ours, paper in (
        (axes[0], "s per positive", [r.times.positive_s for r in rows],
         [PAPER[r.arm].positive_s for r in rows]),
        (axes[1], "s per negative", [r.times.negative_s for r in rows],
         [PAPER[r.arm].negative_s for r in rows]),
    ):  # fmt: skip
        _beside(ax, labels, ours, paper, title)
    axes[0].legend(fontsize=8, frameon=False)
    places = range(len(rows))
    axes[2].bar([p - 0.2 for p in places], [r.positive_touches for r in rows], 0.4,
                color=MEASURED, label="positive")  # fmt: skip
    axes[2].bar([p + 0.2 for p in places], [r.negative_touches for r in rows], 0.4,
                color="#56b4e9", label="negative")  # fmt: skip
    axes[2].set_title("answers of people per pair", fontsize=10)
    axes[2].legend(fontsize=8, frameon=False)
    axes[3].bar(list(places), [r.scores["cgf1"] for r in rows], 0.6, color=MEASURED)
    axes[3].set_title("cgF1 of the data set", fontsize=10)
    for ax in axes:
        ax.set_xticks(list(places), labels, fontsize=8)
        ax.spines[["top", "right"]].set_visible(False)
    return figure


def _beside(
    ax: Axes, labels: Sequence[str], ours: Sequence[float], paper: Sequence[float], title: str
) -> None:
    places = range(len(labels))
    ax.bar([p - 0.2 for p in places], ours, 0.4, color=MEASURED, label="here")
    ax.bar([p + 0.2 for p in places], paper, 0.4, color=PAPERS, label="paper")
    ax.set_title(title, fontsize=10)
