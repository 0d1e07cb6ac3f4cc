"""Bounds on an error rate, and the order in which thresholds are tried for one.

Sources: Clopper and Pearson (Biometrika 26, 1934) for the bound; Learn then Test (Angelopoulos,
Bates, Candes, Jordan and Lei, arXiv 2110.01052, section on fixed-sequence testing) for the order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import stats

from samnb.types import InputError

Floats: TypeAlias = npt.NDArray[np.float64]

N_STEPS: Final = 40
"""Thresholds tried for each outcome."""
POWER: Final = 0.99
"""Chance that the first test is passed by a verifier that is never wrong, where people are."""
LEAST_POWER: Final = 0.9
"""The same where more than half of all checked decisions would be needed for that."""


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
    error among them; a stricter one would stop the sequence for want of data, however good the
    verifier. Where people err themselves, one error is too little to expect: a verifier that is
    never wrong differs from them as often as they are. There it is where that verifier passes
    with a chance of :data:`POWER`, or of :data:`LEAST_POWER` where that leaves half of the checked
    decisions for the other tests: a sequence that ends at its first test by bad luck lets nothing
    stand.

    Args:
        confidences: (N,) of all decisions with one outcome.
        rate: share of decisions that are checked.
        target: error to be bounded.
        level: of the test.
        n_steps: at most so many.
        people_error: share of people's answers that are wrong; 0 for unknown.

    Returns:
        (M,) float64, strictly falling.
    """
    values = np.sort(np.asarray(confidences, np.float64))[::-1]
    if not len(values) or rate <= 0:
        return np.zeros(0)
    # A tenth more: the checked slice may have fewer above it than expected.
    n = _n_to_begin(target, level, people_error, len(values) * rate)
    first = min(len(values), int(np.ceil(1.1 * n / rate)))
    places = np.unique(np.round(np.linspace(first, len(values), n_steps)).astype(np.int64))
    return np.asarray(np.unique(values[places - 1])[::-1], np.float64)


def _n_to_begin(target: float, level: float, people_error: float, n_most: float) -> int:
    """Checked decisions of the first test; at about ``n_most`` the search ends."""
    n = n_needed(target, level)
    if not 0 < people_error < target:
        while stats.binom.cdf(1, n, target) > level:
            n += 1
        return n
    while n < n_most:
        allowed = int(stats.binom.ppf(level, n, target))
        if stats.binom.cdf(allowed, n, target) > level:
            allowed -= 1
        power = stats.binom.cdf(allowed, n, people_error)
        if power >= POWER or (power >= LEAST_POWER and n >= n_most / 2):
            break
        n += max(1, n // 50)
    return n


@dataclass(frozen=True, slots=True)
class Safe:
    """A threshold that passed.

    Attributes:
        confidence: the threshold.
        n_checked: checked decisions at or above it.
        n_wrong: wrong ones among them.
        bound: upper bound of the error above it.
    """

    confidence: float
    n_checked: int
    n_wrong: int
    bound: float


def people_wrong(share: float, people_error: float) -> float:
    """How often people are wrong where they give an answer.

    By Bayes' rule, where people err alike on what is so and on what is not: an answer that is
    rarely right is often wrong when it is given.

    Args:
        share: of people's answers, how many are this one.
        people_error: share of all their answers that are wrong, below a half.
    """
    if share <= 0:
        return 1.0
    is_so = min(1.0, max(0.0, (share - people_error) / (1 - 2 * people_error)))
    return min(1.0, (1 - is_so) * people_error / share)


def safe_thresholds(
    confidences: Floats,
    is_wrong: npt.NDArray[np.bool_],
    tried: Floats,
    target: float,
    level: float,
) -> list[Safe]:
    """Go down thresholds until the bound exceeds the target; none where the first does.

    With the chance that the level promises, all of them are safe together: any may be taken.

    Args:
        confidences: (N,) of the checked decisions.
        is_wrong: (N,) whether people said otherwise.
        tried: (M,) falling thresholds, see :func:`thresholds_to_try`.
        target: error to be bounded.
        level: of each test.
    """
    safe: list[Safe] = []
    for value in tried.tolist():
        above = confidences >= value
        n, n_wrong = int(above.sum()), int(is_wrong[above].sum())
        bound = error_bound(n_wrong, n, level)
        if bound > target:
            break
        safe.append(Safe(value, n, n_wrong, bound))
    return safe
