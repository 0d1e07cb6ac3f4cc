"""Decisions with a known true error, to see whether promises are kept."""

from __future__ import annotations

import numpy as np

from samnb.engine.routing import Checked, Outcome, RoutingPolicy

OTHER = {Outcome.ACCEPT: Outcome.REJECT, Outcome.REJECT: Outcome.ACCEPT}


def draw_decisions(rng, n, *, is_calibrated=True, worse=0.0):
    """Decisions whose confidence is right, or much too high; ``worse`` adds errors."""
    outcomes = rng.random(n) < 0.5
    right = 0.5 + 0.5 * rng.beta(2.5, 1.0, n)
    told = right if is_calibrated else 1 - (1 - right) ** 2
    is_right = rng.random(n) < right * (1 - worse)
    seconds = rng.gamma(4.0, 2.0, n)
    found = []
    for is_accept, confidence, good, s in zip(outcomes, told, is_right, seconds, strict=True):
        advice = Outcome.ACCEPT if is_accept else Outcome.REJECT
        truth = advice if good else OTHER[advice]
        found.append(Checked(advice, float(confidence), truth, float(s)))
    return found


def split_pool(decisions, n_checked, rng):
    """All confidences by group and outcome, and a random slice with people's answers."""
    pool = {
        (group, outcome): np.array(
            [d.confidence for d in decisions if d.outcome is outcome and d.group is group]
        )
        for group in {d.group for d in decisions}
        for outcome in OTHER
    }
    drawn = rng.choice(len(decisions), n_checked, replace=False)
    return pool, [decisions[i] for i in drawn]


def held_error(policy: RoutingPolicy, decisions) -> float:
    """Share of wrong answers among all that stand; 0 when nothing does."""
    stands = [d for d in decisions if d.confidence >= policy.threshold(d.outcome, d.group)]
    return float(np.mean([d.is_wrong for d in stands])) if stands else 0.0
