"""Is the verifier still as good as when it was switched on? A test that may look any time.

People go on checking a random slice of what would stand. Each check is a bet against the
claim that at most ``target`` of it is wrong: capital multiplies by the likelihood ratio of
a higher error rate to the target's, averaged over many such rates (Robbins, Ann. Math.
Stat. 41, 1970). While the claim is true, capital that begins at one reaches ``1 /
false_alarm`` with a probability of at most ``false_alarm``, however long one looks and
whenever one stops (Ville, 1939; see Ramdas, Gruenwald, Vovk and Shafer, Statistical
Science 38, 2023). An alarm therefore means: the error is above the target.

A long good time would use up all capital and make a late drift slow to see. So the stake is
shared among bettors who begin at different checks, the later with smaller shares that add up
to at most one; the whole stays a fair bet, and a late bettor has lost nothing before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from samnb.engine.routing import Checked, Decision, Group, Outcome, RoutingPolicy, strike
from samnb.types import InputError

FALSE_ALARM: Final = 0.01
"""Chance of ever stopping a verifier that still keeps its promise."""
EVERY: Final = 20
"""Checks between two bettors' beginnings."""

_N_RATES: Final = 24
_MOST: Final = 6.0  # error rates bet on reach up to this many times the target


@dataclass(frozen=True, slots=True)
class DriftReport:
    """What the audited slice says.

    Attributes:
        has_drifted: the error is above the target, at the stated false-alarm rate.
        capital: highest capital reached; the alarm is at ``1 / false_alarm``.
        n_checked: audited decisions that would have stood.
        n_wrong: wrong ones among them.
        at: number of checks at the alarm, from 1; 0 without.
        reason: the same in words.
    """

    has_drifted: bool
    capital: float
    n_checked: int
    n_wrong: int
    at: int
    reason: str


def betting_capital(
    is_wrong: Sequence[bool] | npt.NDArray[np.bool_], target: float, *, every: int = EVERY
) -> npt.NDArray[np.float64]:
    """Capital after each check of a better against "at most ``target`` is wrong".

    Args:
        is_wrong: (N,) in the order of the checks.
        target: the claim, between 0 and 1.
        every: checks between two bettors' beginnings.

    Returns:
        (N,) float64; of expectation at most one while the claim is true.
    """
    if not 0 < target < 1:
        raise InputError(f"target: expected a number between 0 and 1, got {target}")
    if every < 1:
        raise InputError(f"every: expected at least 1, got {every}")
    wrong = np.asarray(is_wrong, np.bool_)
    most = min(1 - (1 - target) / 10, _MOST * target)
    rates = np.linspace(target, most, _N_RATES + 1)[1:]
    # A rate above the target: expectation of each factor is at most one for every error
    # rate up to the target, and exactly one at it.
    up, down = np.log(rates / target), np.log((1 - rates) / (1 - target))
    n_errors = np.concatenate([[0], np.cumsum(wrong)])
    count = np.arange(len(wrong) + 1)
    capital = np.zeros(len(wrong))
    for order, start in enumerate(range(0, len(wrong), every), 1):
        share = 6 / (np.pi * order) ** 2
        bad = n_errors[start + 1 :] - n_errors[start]
        good = count[start + 1 :] - start - bad
        logs = bad[:, None] * up + good[:, None] * down
        with np.errstate(over="ignore"):
            capital[start:] += share * np.exp(logs).mean(axis=1)
        # Who has not begun yet still holds the stake; it counts, and nothing is lost.
        if start:
            capital[:start] += share
    n_begun = -(-len(wrong) // every)
    rest = 1 - sum(6 / (np.pi * order) ** 2 for order in range(1, n_begun + 1))
    return capital + max(rest, 0.0)


def watch(
    audited: Sequence[Checked],
    target: float,
    *,
    false_alarm: float = FALSE_ALARM,
    every: int = EVERY,
) -> DriftReport:
    """Read the audited slice.

    Args:
        audited: audited decisions that would have stood, in the order in which people
            answered them; see :func:`would_stand`.
        target: the policy's.
        false_alarm: chance of ever giving an alarm while the error is at most ``target``.
        every: see :func:`betting_capital`.
    """
    if not 0 < false_alarm < 1:
        raise InputError(f"false_alarm: expected between 0 and 1, got {false_alarm}")
    wrong = np.array([c.is_wrong for c in audited], np.bool_)
    n, n_wrong = len(wrong), int(wrong.sum())
    if n == 0:
        return DriftReport(False, 1.0, 0, 0, 0, "nothing audited yet")
    capital = betting_capital(wrong, target, every=every)
    highest, limit = float(capital.max()), 1 / false_alarm
    words = f"{n_wrong} of {n} audited were wrong where at most {target:.1%} were promised"
    if highest < limit:
        return DriftReport(False, highest, n, n_wrong, 0, f"{words}: within what chance does")
    at = int(np.argmax(capital >= limit)) + 1
    reason = f"the verifier has drifted: {words} (false-alarm rate {false_alarm:.1%})"
    return DriftReport(True, highest, n, n_wrong, at, reason)


def would_stand(decision: Decision) -> bool:
    """Whether an audited decision would have stood: only these say whether the promise
    is kept."""
    return decision.is_audit and decision.confidence >= decision.threshold


def guard(
    policy: RoutingPolicy,
    audited: Sequence[tuple[Decision, Outcome]],
    *,
    false_alarm: float = FALSE_ALARM,
) -> tuple[RoutingPolicy, DriftReport]:
    """Return the policy, less what its audited slice says has drifted.

    Each outcome that stands in a group has a promise of its own, so each is watched by itself,
    with an equal part of the false-alarm rate. A group in which one has drifted goes back to
    people; what stands in others goes on.

    Args:
        policy: in force.
        audited: decisions made under it and drawn for the slice, with what people
            answered, in that order; those that would not have stood are passed over.
        false_alarm: chance of ever returning a verifier that keeps its promises.

    Returns:
        the policy to go on with, and the report of the outcome that looks worst.
    """
    standing = [t for t in policy.thresholds if t.confidence <= 1]
    worst = DriftReport(False, 1.0, 0, 0, 0, "nothing stands: nothing to watch")
    kept = policy
    for place, one in enumerate(standing):
        report = watch(
            [
                Checked(d.advice, d.confidence, truth)
                for d, truth in audited
                if would_stand(d) and d.advice is one.outcome and one.group in (d.group, Group.ALL)
            ],
            policy.target_of(one.group, one.outcome),
            false_alarm=false_alarm / len(standing),
        )
        if report.has_drifted:
            kept = strike(kept, one.group, report.reason)
        if not place or report.capital > worst.capital:
            worst = report
    return kept, worst
