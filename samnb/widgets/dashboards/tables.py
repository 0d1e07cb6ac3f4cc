"""Tables, figures and key numbers as HTML: pure functions.

Figures are SVG in the page's own text colour, so that they read on light and dark pages.
"""

from __future__ import annotations

import html
import io
import math
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

MAX_ROWS: Final = 100
"""Rows that a table on a page has at most; the CSV has them all."""
_INK: Final = "#010203"
"""Stands for the page's text colour until the SVG is on the page."""


def table_html(table: pd.DataFrame, caption: str = "") -> str:
    """A DataFrame as a table that scrolls sideways by itself.

    Args:
        table: any; NaN and None are drawn as a dash.
        caption: above the table, plain text.
    """
    columns = [str(name) for name in table.columns]
    is_number = [table[name].dtype.kind in "iuf" for name in table.columns]
    head = "".join(
        f'<th scope="col"{" class=n" if number else ""}>{html.escape(heading(name))}</th>'
        for name, number in zip(columns, is_number, strict=True)
    )
    rows = []
    for row in table.head(MAX_ROWS).itertuples(index=False):
        cells = "".join(
            f"<td{' class=n' if number else ''}>{html.escape(cell_text(value))}</td>"
            for value, number in zip(row, is_number, strict=True)
        )
        rows.append(f"<tr>{cells}</tr>")
    more = len(table) - MAX_ROWS
    foot = f'<p class="samnb-faint">… and {more} more rows in the CSV.</p>' if more > 0 else ""
    title = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="samnb-table" tabindex="0"><table>{title}<thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>{foot}"
    )


def heading(column: str) -> str:
    """A column's name as people read it: ``"seconds_s"`` becomes ``"seconds (s)"``."""
    words, unit = (column[:-2], " (s)") if column.endswith("_s") else (column, "")
    return words.replace("_", " ").strip() + unit


def cell_text(value: Any) -> str:
    """A value as people read it: four digits, a dash where there is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value)


def tiles_html(tiles: Sequence[tuple[str, str, str]]) -> str:
    """Key numbers in a row.

    Args:
        tiles: number, what it counts, and what it means; all plain text.
    """
    cells = "".join(
        f'<div class="samnb-tile" title="{html.escape(meaning)}"><b>{html.escape(number)}</b>'
        f"<span>{html.escape(words)}</span></div>"
        for number, words, meaning in tiles
    )
    return f'<div class="samnb-tiles">{cells}</div>'


def steps_html(steps: Sequence[tuple[str, int]], *, label: str) -> str:
    """How many stand at each step of a loop, in the order of the loop.

    Args:
        steps: words and number of each.
        label: what is counted, for screen readers.
    """
    most = max((n for _, n in steps), default=0) or 1
    cells = "".join(
        f'<li><span class="samnb-step-n">{n}</span><span class="samnb-step-bar">'
        f'<i style="height:{max(100 * n / most, 3 * (n > 0)):.0f}%"></i></span>'
        f"<span>{html.escape(words)}</span></li>"
        for words, n in steps
    )
    return f'<ol class="samnb-steps" aria-label="{html.escape(label)}">{cells}</ol>'


def figure_svg(make: Callable[[], Figure], label: str) -> str:
    """Draw a figure in the page's text colour on no ground.

    Args:
        make: draws it.
        label: what it shows, for screen readers.
    """
    import matplotlib as mpl

    style = {
        **dict.fromkeys(
            (
                "text.color", "axes.labelcolor", "axes.edgecolor", "axes.titlecolor",
                "xtick.color", "ytick.color", "xtick.labelcolor", "ytick.labelcolor",
            ),
            _INK,
        ),
        **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "none"),
        "svg.fonttype": "none",
        "svg.hashsalt": "samnb",
        "font.family": "sans-serif",
    }  # fmt: skip
    with mpl.rc_context(style):
        out = io.StringIO()
        make().savefig(out, format="svg", metadata={"Date": None})
    svg = out.getvalue()[out.getvalue().index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = svg.replace(_INK, "currentColor")
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(
        r'(<svg[^>]*?) width="([^"]*)"', r'\1 style="width:100%;max-width:\2"', svg, count=1
    )
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{html.escape(label)}"', 1)
    return f'<figure class="samnb-figure">{svg}</figure>'


class Drawer:
    """Draws figures and keeps them while what they show stays the same.

    Args:
        n_kept: figures to keep at most.
    """

    def __init__(self, n_kept: int = 64) -> None:
        self._n_kept = n_kept
        self._drawn: OrderedDict[tuple[str, str], str] = OrderedDict()

    def svg(self, label: str, table: pd.DataFrame, make: Callable[[], Figure]) -> str:
        """Return the SVG of a figure.

        Args:
            label: what it shows.
            table: what it is drawn from; an equal one has an equal figure.
            make: draws it.
        """
        key = (label, table.to_csv(index=False))
        if key not in self._drawn:
            self._drawn[key] = figure_svg(make, label)
            while len(self._drawn) > self._n_kept:
                self._drawn.popitem(last=False)
        self._drawn.move_to_end(key)
        return self._drawn[key]


def share_text(value: float) -> str:
    """A share in [0, 1] as per cent; a dash for NaN."""
    return "-" if math.isnan(value) else f"{100 * value:.0f} %"


def number_text(value: float, unit: str = "") -> str:
    """A number with its unit; a dash for NaN."""
    return "-" if math.isnan(value) else f"{value:.3g}{unit}"


def minutes_text(seconds: float) -> str:
    """Seconds as minutes or hours."""
    minutes = seconds / 60
    return f"{minutes:.1f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
