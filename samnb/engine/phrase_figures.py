"""Figures of phrases: how they spread over the concepts, and where the pipeline drops them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from samnb.engine.figures import MEASURED, NotebookFigure
from samnb.types import InputError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

LATER: Final = "#d55e00"
"""Colour of the second table in a comparison."""


def plot_distribution(
    table: pd.DataFrame,
    other: pd.DataFrame | None = None,
    *,
    under: str = "",
    n: int = 20,
    labels: tuple[str, str] = ("before", "after"),
) -> Figure:
    """Draw how phrases spread over the concepts one level down, most frequent on top.

    Args:
        table: what :func:`samnb.language.distribution.concept_distribution` returns.
        other: a second one to compare with, such as that after balancing.
        under: show the concepts directly below this one; empty for the top of the tree.
        n: concepts at most.
        labels: names of the two tables in a comparison.

    Raises:
        InputError: a concept is asked for that is not in the table, or ``n`` is below 1.
    """
    if n < 1:
        raise InputError(f"n: expected 1 or more, got {n}")
    if under and under not in set(table.concept):
        raise InputError(f"under: expected a concept of the table, got {under!r}")
    tables = [table] if other is None else [table, other]
    shares = [_shares(t, under) for t in tables]
    names = sorted({k for s in shares for k in s}, key=lambda k: -max(s.get(k, 0) for s in shares))
    names = names[:n]
    figure = NotebookFigure(figsize=(6.5, 0.8 + 0.28 * max(1, len(names))), layout="constrained")
    axes = figure.add_subplot()
    wide = 0.8 / len(tables)
    for i, (values, colour) in enumerate(zip(shares, (MEASURED, LATER), strict=False)):
        places = [at + (i - (len(tables) - 1) / 2) * wide for at in range(len(names))]
        bars = [100 * values.get(name, 0.0) for name in names]
        axes.barh(places, bars, wide, color=colour, label=labels[i])
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("phrases, %")
    if under:
        axes.set_title(under, fontsize=10)
    if other is not None:
        axes.legend(fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _shares(table: pd.DataFrame, under: str) -> dict[str, float]:
    rows = table[(table.parent == under) & (table.concept != "")]
    return dict(zip(rows.concept, rows.share, strict=True))


def plot_stages(counts: pd.DataFrame) -> Figure:
    """Draw how many phrases each stage of the pipeline dropped.

    Args:
        counts: what :func:`samnb.language.records.stage_counts` returns.
    """
    figure = NotebookFigure(figsize=(6.5, 0.8 + 0.28 * max(1, len(counts))), layout="constrained")
    axes = figure.add_subplot()
    axes.barh(counts.stage, counts.dropped, color=MEASURED)
    axes.invert_yaxis()
    axes.set_xlabel("phrases dropped")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
