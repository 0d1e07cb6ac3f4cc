"""What would have happened: thresholds tried on past decisions, before switching them on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from samnb.engine.bounds import error_bound, level_of, safe_thresholds, thresholds_to_try
from samnb.engine.figures import MEASURED, PAPERS, NotebookFigure
from samnb.engine.routing import AUDIT_RATE, DELTA, GROUPS, ROUTED, TARGET, Checked, Group, Outcome
from samnb.types import InputError

if TYPE_CHECKING:
    import pandas as pd

COLUMNS: Final = (
    "threshold", "n_auto", "share_auto", "n_wrong", "error", "bound", "human_min", "saved_min",
    "is_safe",
)  # fmt: skip
_WARNING: Final = "#d55e00"
N_ROWS: Final = 60


def simulate_routing(
    past: Sequence[Checked],
    *,
    outcome: Outcome | None = None,
    target: float = TARGET,
    delta: float = DELTA,
    audit_rate: float = AUDIT_RATE,
    thresholds: npt.ArrayLike | None = None,
    people_error: float = 0.0,
) -> pd.DataFrame:
    """Try thresholds on past decisions that people answered.

    Args:
        past: decisions with people's answers and seconds; all of a random slice, or all
            that were made while the verifier only advised. Those of one group alone are
            tried as that group's; see :class:`~samnb.engine.routing.Group`.
        outcome: only decisions with this advice; None for all, under one threshold.
        target: error to be bounded.
        delta: chance that the bound does not hold, shared as in
            :func:`~samnb.engine.routing_choice.choose_policy` at its first look.
        audit_rate: share of decisions that people would go on checking.
        thresholds: confidences to try; None for about 60 that follow the decisions.
        people_error: share of people's answers that are wrong, as for
            :func:`~samnb.engine.routing_choice.choose_policy`.

    Returns:
        one row for each threshold, falling; the first lets nothing stand. ``n_auto`` and
        ``share_auto`` stand without a person, ``n_wrong`` and ``error`` are wrong among
        them (nan for none), ``bound`` is the exact upper bound of that error, ``human_min``
        are people's minutes on the rest and on the audited slice, ``saved_min`` what is
        left of the whole. ``is_safe`` says that the test of
        :func:`~samnb.engine.routing_choice.choose_policy` goes down so far. The order of its
        thresholds comes from these very decisions here, so the promise is about decisions
        with the same confidences.
    """
    import pandas as pd

    if not 0 <= audit_rate < 1:
        raise InputError(f"audit_rate: expected a share from 0 to below 1, got {audit_rate}")
    used = [one for one in past if outcome is None or one.outcome is outcome]
    confidences = np.array([one.confidence for one in used], np.float64)
    wrong = np.array([one.is_wrong for one in used], np.bool_)
    minutes = np.array([one.seconds_s for one in used], np.float64) / 60
    level = level_of(delta, n_outcomes=len(ROUTED) * _n_groups(past))
    tested = thresholds_to_try(confidences, 1.0, target, level, people_error=people_error)
    if thresholds is None:
        wanted = _spread(confidences)
    else:
        wanted = np.unique(np.asarray(thresholds, np.float64))[::-1]
    safe = safe_thresholds(confidences, wrong, tested, target, level)
    lowest = safe[-1].confidence if safe else np.inf
    rows = [(1.0 + 1e-9, 0, 0.0, 0, np.nan, np.nan, float(minutes.sum()), 0.0, True)]
    for value in wanted.tolist():
        above = confidences >= value
        n, n_wrong = int(above.sum()), int(wrong[above].sum())
        human = float(minutes[~above].sum() + audit_rate * minutes[above].sum())
        rows.append(
            (
                value, n, n / max(len(used), 1), n_wrong, n_wrong / n if n else np.nan,
                error_bound(n_wrong, n, level) if n else np.nan, human,
                float(minutes.sum()) - human, value >= lowest,
            )
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def plot_simulation(
    table: pd.DataFrame, *, target: float = TARGET, threshold: float | None = None
) -> Figure:
    """Draw people's minutes against the error of what stands.

    Args:
        table: what :func:`simulate_routing` returns.
        target: drawn as a line.
        threshold: drawn as a point; None marks the lowest safe one.
    """
    figure = NotebookFigure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    shown = table[table["n_auto"] > 0]
    axes.plot(
        shown["human_min"], 100 * shown["error"], color=MEASURED, label="error of what stands"
    )
    axes.fill_between(
        shown["human_min"], 100 * shown["error"], 100 * shown["bound"], color=MEASURED, alpha=0.15,
        linewidth=0, label="up to its bound",
    )  # fmt: skip
    axes.axhline(100 * target, color=PAPERS, linewidth=1, linestyle="--")
    axes.annotate(f"target {target:.1%}", (0.99, 100 * target), ha="right", va="bottom",
                  xycoords=("axes fraction", "data"), fontsize=8, color="#555555")  # fmt: skip
    row = chosen_row(table, threshold)
    if row is not None:
        colour = MEASURED if bool(row["is_safe"]) else _WARNING
        axes.plot([row["human_min"]], [100 * row["error"]], "o", color=colour, markersize=8)
    axes.set_xlabel("people's minutes")
    axes.set_ylabel("wrong, %")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    if len(shown):
        axes.legend(fontsize=8, frameon=False)
    return figure


def plot_reliability(table: pd.DataFrame, *, ece: float | None = None) -> Figure:
    """Draw a reliability diagram: accuracy against confidence, with 95 % intervals.

    Args:
        table: what :func:`samnb.metrics.calibration.reliability` returns.
        ece: calibration error to write beside it.
    """
    figure = NotebookFigure(figsize=(4.2, 4.4), layout="constrained")
    axes, below = figure.subplots(2, 1, height_ratios=[4, 1], sharex=True)
    axes.plot([0, 1], [0, 1], color=PAPERS, linestyle="--", linewidth=1)
    low = table["accuracy"] - table["ci_low"]
    high = table["ci_high"] - table["accuracy"]
    axes.errorbar(
        table["confidence"], table["accuracy"], yerr=[low.clip(lower=0), high.clip(lower=0)],
        fmt="o-", color=MEASURED, markersize=4, linewidth=1.2, capsize=2,
    )  # fmt: skip
    axes.set_ylabel("accuracy")
    axes.set_ylim(0, 1.02)
    if ece is not None:
        axes.set_title(f"calibration error {ece:.3f}", fontsize=10)
    below.bar(table["low"], table["n"], table["high"] - table["low"], align="edge",
              color=MEASURED, edgecolor="white", linewidth=0.5)  # fmt: skip
    below.set_xlabel("confidence")
    below.set_ylabel("answers")
    below.set_xlim(0, 1)
    for one in (axes, below):
        one.spines[["top", "right"]].set_visible(False)
    return figure


def chosen_row(table: pd.DataFrame, threshold: float | None) -> pd.Series | None:
    """The row of a threshold, or of the lowest safe one; None where nothing stands."""
    rows = table[table["n_auto"] > 0]
    rows = rows[rows["is_safe"]] if threshold is None else rows[rows["threshold"] >= threshold]
    return None if rows.empty else rows.iloc[-1]


def _spread(confidences: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """About :data:`N_ROWS` of the confidences, evenly by rank, falling."""
    if not len(confidences):
        return np.zeros(0)
    values = np.sort(confidences)[::-1]
    places = np.unique(np.round(np.linspace(0, len(values) - 1, N_ROWS)).astype(np.int64))
    return np.asarray(np.unique(values[places])[::-1], np.float64)


def _n_groups(past: Sequence[Checked]) -> int:
    """Groups among which the chance of a broken bound is shared."""
    found = {one.group for one in past}
    return max((len(g) for g in GROUPS.values() if found & {*g} - {Group.ALL}), default=1)
