"""The comparison as one picture."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from matplotlib.ticker import MaxNLocator

from samnb.comparison.account import Account
from samnb.comparison.metrics import METRICS
from samnb.engine.figures import NotebookFigure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from samnb.comparison.table import Comparison

COLOURS: Final = ("#0072b2", "#d55e00")
"""One per engine, of Okabe and Ito's palette."""
ROLE_COLOURS: Final = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#f0e442", "#bbbbbb")
_BARS: Final = (
    ("verified masks per human hour", "verified masks\nper human hour"),
    ("items per human hour", "items decided\nper human hour"),
    ("human touches per item", "human touches\nper item"),
    ("J&F", "J&F, %"),
)


def plot_comparison(comparison: Comparison) -> Figure:
    """Draw both engines side by side: four figures, people's time by role, and the cost of
    each further medium with its fitted line. Dots are single runs."""
    figure = NotebookFigure(figsize=(12.0, 6.4), layout="constrained")
    axes = [figure.add_subplot(2, 3, n + 1) for n in range(6)]
    for panel in axes:
        panel.spines[["top", "right"]].set_visible(False)
    for panel, (name, title) in zip(axes, _BARS, strict=False):
        _bars(panel, comparison, name, title)
    _roles(axes[4], comparison)
    _growth(axes[5], comparison)
    return figure


def _bars(axes: Axes, comparison: Comparison, name: str, title: str) -> None:
    metric = next(m for m in METRICS if m.name == name)
    for at, column in enumerate(comparison.columns):
        values = [v for a in comparison.accounts(column) if not math.isnan(v := metric.of(a))]
        if not values:
            axes.annotate("no figure", (at, 0), ha="center", va="bottom", fontsize=8)
            continue
        mean = statistics.fmean(values)
        axes.bar(at, mean, 0.6, color=COLOURS[at])
        if len(values) > 1:
            axes.scatter([at] * len(values), values, s=14, color="black", zorder=3)
        top = max(mean, *values)
        axes.annotate(f"{mean:.3g}", (at, top), ha="center", va="bottom", fontsize=9)
    axes.set_xticks(range(len(comparison.columns)), comparison.columns, fontsize=9)
    axes.set_title(title, fontsize=10)
    axes.margins(y=0.15)
    axes.set(xlim=(-0.5, len(comparison.columns) - 0.5), ylim=(0, None))


def _roles(axes: Axes, comparison: Comparison) -> None:
    roles = list(dict.fromkeys(r for c in comparison.columns for a in comparison.accounts(c)
                               for r in a.roles))  # fmt: skip
    for at, column in enumerate(comparison.columns):
        accounts, left = comparison.accounts(column), 0.0
        whole = sum(a.people_s for a in accounts)
        for role in roles:
            share = 100 * _of_role(accounts, role) / whole if whole else 0.0
            if share:
                colour = ROLE_COLOURS[roles.index(role) % len(ROLE_COLOURS)]
                axes.barh(at, share, 0.6, left=left, color=colour, label=role)
                if share > 8:
                    axes.annotate(role, (left + share / 2, at), ha="center", va="center",
                                  fontsize=9)  # fmt: skip
                left += share
    axes.set_yticks(range(len(comparison.columns)), comparison.columns, fontsize=9)
    axes.set_xlim(0, 100)
    axes.invert_yaxis()
    axes.set_title("people's time by role, %", fontsize=10)
    names = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    axes.legend(names.values(), names, ncols=3, fontsize=8, frameon=False, loc="upper center",
                bbox_to_anchor=(0.5, -0.1))  # fmt: skip


def _of_role(accounts: Sequence[Account], role: str) -> float:
    return sum(a.roles.get(role, 0.0) for a in accounts)


def _growth(axes: Axes, comparison: Comparison) -> None:
    for at, column in enumerate(comparison.columns):
        runs = [a.costs for a in comparison.accounts(column)]
        for run in runs:
            axes.scatter(range(1, len(run) + 1), run, s=12, color=COLOURS[at],
                         alpha=0.6)  # fmt: skip
        growth, longest = comparison.growth(column), max((len(r) for r in runs), default=0)
        if math.isnan(growth.slope_s) or longest < 2:
            continue
        logs = [math.log2(k) for run in runs for k in range(1, len(run) + 1)]
        middle = statistics.fmean(logs)
        places = range(1, longest + 1)
        line = [growth.mean_s + growth.slope_s * (math.log2(k) - middle) for k in places]
        axes.plot(places, line, color=COLOURS[at], label=column)
    axes.set_title("people's seconds per item of the k-th medium", fontsize=10)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("k")
    axes.set_ylim(bottom=0)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, frameon=False)
