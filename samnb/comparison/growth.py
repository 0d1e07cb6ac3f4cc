"""How people's work grows with the media: a line fitted, with its interval.

People's seconds per item of the k-th medium are fitted by ``a + b log2(k)``: ``b`` is what
every doubling of the media changes about the cost. An engine that only repeats itself has
b = 0: its cost grows in step with its media. One that learns has b < 0. The cost is per item,
since media differ in how much is in them. Single media are fitted and not their running sum,
whose errors add up and whose interval would be too narrow; the logarithm is of the number
and not of the cost, which may be 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats

from samnb.engine.bounds import Floats

LEVEL: Final = 0.95
"""Of the intervals (ordinary least squares, Student's t)."""
MIN_MEDIA: Final = 4
"""Fewer media than this are no ground for a slope."""


@dataclass(frozen=True, slots=True)
class Growth:
    """A fitted line; NaN where there was too little to fit.

    Attributes:
        n_media: points fitted.
        mean_s: people's seconds per item, mean over media.
        slope_s: change of seconds per item with every doubling of the media.
        low_s: lower end of the slope's interval.
        high_s: upper end.
    """

    n_media: int
    mean_s: float
    slope_s: float
    low_s: float
    high_s: float

    @property
    def share(self) -> tuple[float, float, float]:
        """Slope and interval as shares of the mean cost."""
        whole = self.mean_s or math.nan
        return self.slope_s / whole, self.low_s / whole, self.high_s / whole


def fit_growth(runs: Sequence[Sequence[float]], level: float = LEVEL) -> Growth:
    """Fit the cost of media in the order in which they were done.

    Args:
        runs: people's seconds per item by medium, one sequence per run; runs are fitted together,
            each with a mean of its own.
        level: of the interval.
    """
    costs = [np.asarray(run, np.float64) for run in runs if len(run)]
    n = sum(len(c) for c in costs)
    if n == 0:
        return Growth(0, math.nan, math.nan, math.nan, math.nan)
    mean_s = float(np.concatenate(costs).mean())
    x = np.concatenate([_centred(np.log2(np.arange(1, len(c) + 1))) for c in costs])
    y = np.concatenate([_centred(c) for c in costs])
    spread, free = float(x @ x), n - len(costs) - 1
    if n < MIN_MEDIA or free < 1 or spread == 0:
        return Growth(n, mean_s, math.nan, math.nan, math.nan)
    slope = float(x @ y) / spread
    error = math.sqrt(float(((y - slope * x) ** 2).sum()) / free / spread)
    reach = float(stats.t.ppf(0.5 + level / 2, free)) * error
    return Growth(n, mean_s, slope, slope - reach, slope + reach)


def _centred(values: Floats) -> Floats:
    return np.asarray(values - values.mean(), np.float64)
