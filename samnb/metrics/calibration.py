"""Does a confidence of 0.9 mean right nine times in ten? Calibration error and its repair.

Sources: expected calibration error after Naeini, Cooper and Hauskrecht, AAAI 2015, in the
form of Guo et al., ICML 2017, equation 3; reliability diagrams after DeGroot and Fienberg,
1983; temperature scaling after Guo et al., section 4.2; equal-mass bins after Nguyen and
O'Connor, EMNLP 2015; intervals of Wilson, 1927.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize, stats

from samnb.types import InputError

Binning: TypeAlias = Literal["width", "mass"]
Floats: TypeAlias = npt.NDArray[np.float64]

N_BINS: Final = 15
"""Bins of the paper by Guo et al."""
RELIABILITY_COLUMNS: Final = ("low", "high", "n", "confidence", "accuracy", "ci_low", "ci_high")

_Z: Final = 1.959964  # two-sided 95 % of the normal distribution
_SMALLEST: Final = 1e-12
_LOG_TEMPERATURES: Final = (math.log(0.05), math.log(20.0))


def top_label(
    probabilities: npt.ArrayLike, answers: Sequence[int] | npt.ArrayLike
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Confidence of the likeliest option and whether it was the answer.

    Args:
        probabilities: (N, K), rows sum to 1.
        answers: (N,) int, the column that was right.

    Returns:
        confidences (N,) float64 in [0, 1] and correctness (N,) bool.
    """
    table, right = _check_table(probabilities, answers)
    chosen = table.argmax(axis=1)
    return table[np.arange(len(table)), chosen], chosen == right


def expected_calibration_error(
    confidences: npt.ArrayLike,
    is_correct: npt.ArrayLike,
    *,
    n_bins: int = N_BINS,
    binning: Binning = "width",
) -> float:
    """Mean distance between confidence and accuracy, bins weighted by their counts.

    ECE = sum over bins of n_b / N * |accuracy_b - confidence_b|, where both are means over
    the bin (Guo et al. 2017, equation 3). With few samples the estimate is too high, as
    each bin's accuracy has noise: B bins of equal counts at accuracy p show about
    ``0.8 sqrt(B p (1 - p) / N)`` under perfect calibration, 0.04 for 15, 0.8 and 1000.

    Args:
        confidences: (N,) in [0, 1].
        is_correct: (N,) bool.
        n_bins: number of bins.
        binning: ``"width"`` for bins of equal width, as in the paper; ``"mass"`` for bins
            with equally many samples, which no crowded bin dominates.

    Returns:
        a number from 0 (calibrated) to 1.
    """
    table = reliability(confidences, is_correct, n_bins=n_bins, binning=binning)
    gaps = (table["accuracy"] - table["confidence"]).abs()
    return float((table["n"] * gaps).sum() / table["n"].sum())


def reliability(
    confidences: npt.ArrayLike,
    is_correct: npt.ArrayLike,
    *,
    n_bins: int = N_BINS,
    binning: Binning = "width",
) -> pd.DataFrame:
    """The table behind a reliability diagram.

    Args:
        confidences: (N,) in [0, 1], at least one.
        is_correct: (N,) bool.
        n_bins: number of bins.
        binning: see :func:`expected_calibration_error`.

    Returns:
        one row for each bin that is not empty: its edges ``low`` and ``high`` (the upper
        one belongs to it), ``n``, mean ``confidence``, ``accuracy`` and the accuracy's 95 %
        Wilson interval ``ci_low``, ``ci_high``.
    """
    values, right = _check_pairs(confidences, is_correct)
    if n_bins < 1:
        raise InputError(f"n_bins: expected at least 1, got {n_bins}")
    if binning not in ("width", "mass"):
        raise InputError(f"binning: expected 'width' or 'mass', got {binning!r}")
    if binning == "width":
        edges = np.linspace(0.0, 1.0, n_bins + 1)
    else:
        inner = np.quantile(values, np.linspace(0.0, 1.0, n_bins + 1)[1:-1])
        edges = np.concatenate([[0.0], inner, [1.0]])
    # A value on an edge belongs to the bin below it; zero belongs to the first.
    places = np.clip(np.searchsorted(edges, values, side="left") - 1, 0, n_bins - 1)
    rows = []
    for at in np.unique(places).tolist():
        inside = places == at
        n, accuracy = int(inside.sum()), float(right[inside].mean())
        low, high = wilson(round(accuracy * n), n)
        mean = float(values[inside].mean())
        rows.append((float(edges[at]), float(edges[at + 1]), n, mean, accuracy, low, high))
    return pd.DataFrame(rows, columns=list(RELIABILITY_COLUMNS))


def wilson(n_right: int, n: int) -> tuple[float, float]:
    """95 % Wilson score interval of a share (Wilson, 1927)."""
    if n < 1 or not 0 <= n_right <= n:
        raise InputError(f"n_right, n: expected 0 <= n_right <= n, n >= 1, got {n_right}, {n}")
    share, z2 = n_right / n, _Z * _Z
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    low = 0.0 if n_right == 0 else max(0.0, centre - half)  # exactly, without rounding
    return low, 1.0 if n_right == n else min(1.0, centre + half)


def brier_score(probabilities: npt.ArrayLike, answers: Sequence[int] | npt.ArrayLike) -> float:
    """Mean squared distance between the probabilities and the answer as a 0-1 vector.

    Source: Brier, 1950. From 0 (sure and right) to 2 (sure and wrong).
    """
    table, right = _check_table(probabilities, answers)
    truth = np.zeros_like(table)
    truth[np.arange(len(table)), right] = 1.0
    return float(((table - truth) ** 2).sum(axis=1).mean())


def area_under_curve(scores: npt.NDArray[np.float64], is_so: npt.NDArray[np.bool_]) -> float:
    """Chance that what is so has the higher score (ties count half); nan without both kinds.

    The statistic of Mann and Whitney (Ann. Math. Stat. 18, 1947), from ranks.
    """
    n, m = int(is_so.sum()), int((~is_so).sum())
    if not n or not m:
        return float("nan")
    ranks = stats.rankdata(scores)
    return round(float((ranks[is_so].sum() - n * (n + 1) / 2) / (n * m)), 3)


def fit_temperature(probabilities: npt.ArrayLike, answers: Sequence[int] | npt.ArrayLike) -> float:
    """The temperature under which held-out answers are likeliest (Guo et al. 2017, 4.2).

    Args:
        probabilities: (N, K), of samples that the model was not trained on.
        answers: (N,) int, the column that was right.

    Returns:
        a number between 0.05 and 20; above 1 the model was too sure of itself.
    """
    table, right = _check_table(probabilities, answers)
    logs = np.log(np.maximum(table, _SMALLEST))
    rows = np.arange(len(table))

    def loss(log_temperature: float) -> float:
        scaled = logs / math.exp(log_temperature)
        scaled -= scaled.max(axis=1, keepdims=True)
        return float((np.log(np.exp(scaled).sum(axis=1)) - scaled[rows, right]).mean())

    found = optimize.minimize_scalar(loss, bounds=_LOG_TEMPERATURES, method="bounded")
    return math.exp(float(found.x))


def apply_temperature(probabilities: npt.ArrayLike, temperature: float) -> Floats:
    """Soften (above 1) or sharpen probabilities, (..., K); the order of options stays."""
    if not temperature > 0:
        raise InputError(f"temperature: expected a number above 0, got {temperature}")
    table = np.asarray(probabilities, np.float64)
    logs = np.log(np.maximum(table, _SMALLEST)) / temperature
    powers = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float64)


def _check_pairs(
    confidences: npt.ArrayLike, is_correct: npt.ArrayLike
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    values, right = np.asarray(confidences, np.float64), np.asarray(is_correct, np.bool_)
    if values.ndim != 1 or values.shape != right.shape or not len(values):
        raise InputError(
            f"confidences, is_correct: expected (N,) and (N,) with N >= 1, got {values.shape} "
            f"and {right.shape}"
        )
    if not ((values >= 0) & (values <= 1)).all():
        raise InputError("confidences: expected numbers from 0 to 1")
    return values, right


def _check_table(
    probabilities: npt.ArrayLike, answers: Sequence[int] | npt.ArrayLike
) -> tuple[Floats, npt.NDArray[np.int64]]:
    table, right = np.asarray(probabilities, np.float64), np.asarray(answers, np.int64)
    if table.ndim != 2 or right.shape != table.shape[:1] or not len(table):
        raise InputError(
            f"probabilities, answers: expected (N, K) and (N,) with N >= 1, got {table.shape} "
            f"and {right.shape}"
        )
    if right.min() < 0 or right.max() >= table.shape[1]:
        raise InputError(f"answers: expected columns 0 to {table.shape[1] - 1}, got {right.max()}")
    return table, right
