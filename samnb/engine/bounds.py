"""Bounds on an error rate, and the order in which thresholds are tried for one.

Sources: Clopper and Pearson (Biometrika 26, 1934) for the bound; Learn then Test (Angelopoulos,
Bates, Candes, Jordan and Lei, arXiv 2110.01052, section on fixed-sequence testing) for the order.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import stats

from samnb.types import InputError

Floats: TypeAlias = npt.NDArray[np.float64]

N_STEPS: Final = 40
"""Thresholds tried for each outcome."""


def error_bound(n_wrong: int, n: int, delta: float) -> float:
    """Exact upper bound of an error rate at level ``1 - delta`` (Clopper, Pearson 1934)."""
    if not 0 <= n_wrong <= n:
        raise InputError(f"n_wrong, n: expected 0 <= n_wrong <= n, got {n_wrong}, {n}")
    if n_wrong == n:
        return 1.0
    return float(stats.beta.ppf(1 - delta, n_wrong + 1, n - n_wrong))


def n_needed(target: float, delta: float) -> int:
    """Checked decisions without any error that a threshold needs at least."""
    return int(np.ceil(np.log(delta) / np.log1p(-target)))


def level_of(delta: float, look: int = 1, n_outcomes: int = 2) -> float:
    """What each outcome's test may spend at a look (Bonferroni over outcomes and looks)."""
    return delta * 6 / (np.pi * look) ** 2 / n_outcomes


def thresholds_to_try(
    confidences: npt.ArrayLike,
    rate: float,
    target: float,
    level: float,
    n_steps: int = N_STEPS,
    people_error: float = 0.0,
) -> Floats:
    """Thresholds from the strictest on, fixed by the pool's confidences alone.

    The strictest is where enough checked decisions are expected to pass the test with one
    error among them; a stricter one would stop the sequence for want of data. Where people err
    themselves, one error is too little to expect: there it is where the test is passed at
    their error and a third of what is left between it and the target.

    Args:
        confidences: (N,) of all decisions with one outcome.
        rate: share of decisions that are checked.
        target: error to be bounded.
        level: of the test.
        n_steps: at most so many.
        people_error: share of people's answers that are wrong; a verifier that never errs
            differs from them so often.

    Returns:
        (M,) float64, strictly falling.
    """
    values = np.sort(np.asarray(confidences, np.float64))[::-1]
    if not len(values) or rate <= 0:
        return np.zeros(0)
    n = n_needed(target, level)
    likely = (2 * people_error + target) / 3 if 0 < people_error < target else 0.0
    while stats.binom.cdf(max(1, np.ceil(n * likely)), n, target) > level:
        n += 1
    # A tenth more: the checked slice may have fewer above it than expected.
    first = min(len(values), int(np.ceil(1.1 * n / rate)))
    places = np.unique(np.round(np.linspace(first, len(values), n_steps)).astype(np.int64))
    return np.asarray(np.unique(values[places - 1])[::-1], np.float64)
