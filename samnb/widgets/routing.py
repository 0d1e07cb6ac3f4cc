"""Drag the threshold: people's minutes against errors, over decisions of the past.

The chart is drawn as SVG in the page's own text colour, so that it reads on dark and light
pages alike.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import ipywidgets

from samnb.engine.routing import AUDIT_RATE, DELTA, TARGET, Checked, Outcome
from samnb.engine.routing_simulator import chosen_row, simulate_routing

if TYPE_CHECKING:
    import pandas as pd

WIDTH: Final = 640
HEIGHT: Final = 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 16, 14, 40
_LINE: Final = "#2f8fd0"  # at least 3:1 on white and on JupyterLab's dark grey
_SAFE: Final = "#2a9d62"
_UNSAFE: Final = "#e0672a"
_ALL: Final = "accept and reject"


class RoutingSlider:
    """A slider over past decisions with the chart of what it would have cost.

    Args:
        past: decisions with people's answers and seconds.
        target: wanted share of wrong answers among those that stand.
        delta: chance that the bound does not hold.
        audit_rate: share of decisions that people go on checking.
        on_change: called with (outcome or None for both, threshold) when the slider moves.

    Attributes:
        widget: what a notebook shows.
        table: the simulation on show, see
            :func:`~samnb.engine.routing_simulator.simulate_routing`.
    """

    def __init__(
        self,
        past: Sequence[Checked],
        *,
        target: float = TARGET,
        delta: float = DELTA,
        audit_rate: float = AUDIT_RATE,
        on_change: Callable[[Outcome | None, float], None] | None = None,
    ) -> None:
        self._past, self._delta, self._audit_rate = tuple(past), delta, audit_rate
        self._on_change: Callable[[Outcome | None, float], None] | None = None
        wide = ipywidgets.Layout(width="100%", max_width=f"{WIDTH}px")
        style = {"description_width": "130px"}
        self.outcome = ipywidgets.Dropdown(
            # No entry may stand for None: the page takes that for "nothing chosen".
            options=[(_ALL, _ALL), *((o.value, o) for o in (Outcome.ACCEPT, Outcome.REJECT))],
            description="Answers", style=style, layout=wide,
        )  # fmt: skip
        self.target = ipywidgets.FloatSlider(
            value=100 * target, min=0.5, max=25.0, step=0.5, description="Target error, %",
            readout_format=".1f", style=style, layout=wide, continuous_update=False,
        )  # fmt: skip
        self.row = ipywidgets.IntSlider(
            value=0, min=0, max=1, description="Let stand", readout=False, style=style, layout=wide
        )
        self.to_safe = ipywidgets.Button(
            description="Go to the lowest safe threshold",
            tooltip="The most that may stand with the target error kept",
            layout=ipywidgets.Layout(width="auto", align_self="flex-start"),
        )
        self.chart, self.words = ipywidgets.HTML(layout=wide), ipywidgets.HTML(layout=wide)
        self.outcome.observe(lambda _c: self._simulate(), "value")
        self.target.observe(lambda _c: self._simulate(), "value")
        self.row.observe(lambda _c: self._moved(), "value")
        self.to_safe.on_click(lambda _b: self._go_to_safe())
        self.widget = ipywidgets.VBox(
            [self.outcome, self.target, self.row, self.to_safe, self.chart, self.words]
        ).add_class("samnb-routing")
        self.table: pd.DataFrame
        self._simulate()
        self._on_change = on_change  # not told of the way to where it opens

    @property
    def threshold(self) -> float:
        """The confidence from which answers stand; above 1 for none."""
        return float(self.table["threshold"].iloc[self.row.value])

    @property
    def _chosen(self) -> Outcome | None:
        value = self.outcome.value
        return value if isinstance(value, Outcome) else None

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.widget)

    def _simulate(self) -> None:
        self.table = simulate_routing(
            self._past, outcome=self._chosen, target=self.target.value / 100,
            delta=self._delta, audit_rate=self._audit_rate,
        )  # fmt: skip
        self.row.max = max(1, len(self.table) - 1)
        self.row.disabled = len(self.table) < 2
        self._go_to_safe()
        self._draw()

    def _go_to_safe(self) -> None:
        safe = chosen_row(self.table, None)
        self.row.value = 0 if safe is None else int(str(safe.name))

    def _moved(self) -> None:
        self._draw()
        if self._on_change is not None:
            self._on_change(self._chosen, self.threshold)

    def _draw(self) -> None:
        at = min(self.row.value, len(self.table) - 1)
        self.chart.value = chart_svg(self.table, at, self.target.value / 100)
        self.words.value = _sentence(self.table.iloc[at], self.target.value / 100, self._delta)


def chart_svg(table: pd.DataFrame, at: int, target: float) -> str:
    """Error (and its bound) of what stands over people's minutes, with the chosen point.

    Args:
        table: what :func:`~samnb.engine.routing_simulator.simulate_routing` returns.
        at: row of the chosen threshold.
        target: wanted error, in [0, 1].
    """
    shown = table[table["n_auto"] > 0]
    top_x = max(float(table["human_min"].max()), 1e-9)
    errors = [target, *shown["error"], *shown["bound"].clip(upper=2 * shown["error"].max() + 0.1)]
    top_y = max(0.01, min(1.0, 1.15 * max(errors)))

    def x(minutes: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * minutes / top_x

    def y(error: float) -> float:
        return HEIGHT - _BOTTOM - (HEIGHT - _BOTTOM - _TOP) * min(error, top_y) / top_y

    def path(column: str, rows: Any) -> list[str]:
        return [f"{x(r.human_min):.1f},{y(getattr(r, column)):.1f}" for r in rows]

    rows = list(shown.itertuples())
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" role="img" '
        'aria-label="error against people&#39;s minutes" '
        'style="color:inherit;font:12px sans-serif" fill="currentColor" stroke="none">'
    ]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        line, across = y(share * top_y), x(share * top_x)
        parts.append(
            f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{line:.1f}" y2="{line:.1f}" '
            'stroke="currentColor" stroke-opacity="0.18"/>'
            f'<text x="{_LEFT - 6}" y="{line + 4:.1f}" text-anchor="end">'
            f"{100 * share * top_y:.1f}</text>"
            f'<text x="{across:.1f}" y="{HEIGHT - _BOTTOM + 16}" text-anchor="middle">'
            f"{_short(share * top_x)}</text>"
        )
    parts.append(
        f'<text x="{(WIDTH + _LEFT) / 2:.0f}" y="{HEIGHT - 6}" text-anchor="middle">'
        "people&#39;s minutes</text>"
        f'<text transform="translate(12 {HEIGHT / 2 - 10:.0f}) rotate(-90)" '
        'text-anchor="middle">wrong, %</text>'
    )
    if rows:
        area = [*path("error", rows), *reversed(path("bound", rows))]
        parts.append(f'<polygon points="{" ".join(area)}" fill="{_LINE}" fill-opacity="0.18"/>')
        parts.append(
            f'<polyline points="{" ".join(path("error", rows))}" fill="none" stroke="{_LINE}" '
            'stroke-width="2"/>'
        )
    parts.append(
        f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y(target):.1f}" y2="{y(target):.1f}" '
        'stroke="currentColor" stroke-dasharray="5 4"/>'
        f'<text x="{WIDTH - _RIGHT}" y="{y(target) - 5:.1f}" text-anchor="end">target</text>'
    )
    row = table.iloc[at]
    error = 0.0 if math.isnan(row["error"]) else float(row["error"])
    fill = _SAFE if bool(row["is_safe"]) else _UNSAFE
    parts.append(
        f'<circle cx="{x(float(row["human_min"])):.1f}" cy="{y(error):.1f}" r="7" fill="{fill}" '
        'stroke="currentColor" stroke-width="1.5"/></svg>'
    )
    return "".join(parts)


def _sentence(row: pd.Series, target: float, delta: float) -> str:
    if row["n_auto"] == 0:
        words = f"Nothing stands: people answer everything, {_minutes(row['human_min'])}."
        return f"<div>{html.escape(words)}</div>"
    total = row["human_min"] + row["saved_min"]
    share = row["saved_min"] / total if total else 0.0
    verdict = (
        f"Safe: at most {target:.1%} wrong, with a chance of {1 - delta:.0%} at least."
        if bool(row["is_safe"])
        else f"Not safe: a target of {target:.1%} cannot be promised from these decisions."
    )
    words = (
        f"From a confidence of {row['threshold']:.3f} on, {row['share_auto']:.0%} of the answers "
        f"stand; {row['n_wrong']:.0f} of {row['n_auto']:.0f} were wrong ({row['error']:.1%}, "
        f"bound {row['bound']:.1%}). People: {_minutes(row['human_min'])} instead of "
        f"{_minutes(total)} ({share:.0%} saved)."
    )
    return f"<div>{html.escape(words)}</div><div><b>{html.escape(verdict)}</b></div>"


def _minutes(minutes: float) -> str:
    return f"{minutes:.1f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"
