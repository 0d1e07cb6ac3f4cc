"""Thresholds from what people checked: how far a verifier's answers may stand.

The promise, and where it comes from, is told in :mod:`samnb.engine.routing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from samnb.engine.bounds import (
    N_STEPS,
    Floats,
    Safe,
    level_of,
    n_needed,
    people_wrong,
    safe_thresholds,
    thresholds_to_try,
)
from samnb.engine.routing import (
    AUDIT_RATE,
    DELTA,
    NEVER,
    ROUTED,
    TARGET,
    Check,
    Checked,
    Group,
    Outcome,
    RoutingPolicy,
    Threshold,
)
from samnb.types import InputError


def choose_policy(
    checked: Sequence[Checked],
    pool: Mapping[tuple[Group, Outcome], npt.ArrayLike],
    *,
    check: Check,
    verifier: str,
    target: float = TARGET,
    delta: float = DELTA,
    audit_rate: float = AUDIT_RATE,
    seed: int = 0,
    look: int = 1,
    outcomes: Sequence[Outcome] = ROUTED,
    n_steps: int = N_STEPS,
    people_error: float = 0.0,
    groups: Sequence[Group] = (Group.ALL,),
    targets: Mapping[tuple[Group, Outcome], float] | None = None,
) -> RoutingPolicy:
    """Set thresholds so that at most ``target`` of what stands is wrong.

    Where people's own error is known, an outcome stands no further than to where it is expected
    to be wrong as often as the same answer of people is: the mean confidence of all that stands
    is at least people's chance to be right with it (:func:`samnb.engine.bounds.people_wrong`).
    That is an estimate which trusts the confidence; the bound holds with or without it.

    Args:
        checked: a random slice of all decisions, with people's answers.
        pool: confidences of all decisions by group and advised outcome, checked or not. They
            fix the order of thresholds; people's answers must not have any part in them.
        check: which question.
        verifier: name and version.
        target: the user's knob.
        delta: chance, over the draw of the slice, that the bound does not hold.
        audit_rate: share of decisions that people go on checking.
        seed: of that draw.
        look: 1 for the first policy of a project, 2 when thresholds are set anew, and so
            on. Each look may spend ``delta * 6 / (pi * look)**2``, which adds up to
            ``delta`` over all: setting them anew as often as one likes keeps the promise.
        outcomes: what may stand.
        n_steps: thresholds tried for each outcome.
        people_error: share of people's answers that are wrong themselves, as far as that is
            known beforehand; see :func:`samnb.engine.bounds.thresholds_to_try`. It has a part
            in where the tests begin and in which safe threshold is taken, none in what is
            promised.
        groups: which have thresholds of their own; see :data:`GROUPS`.
        targets: of outcomes in groups for which ``target`` is not the one.

    Raises:
        InputError: a target, delta or audit rate outside of (0, 1), or look below 1.
    """
    own = {(g, o): (targets or {}).get((g, o), target) for g in groups for o in outcomes}
    knobs = [("target", t) for t in (target, *own.values())]
    for name, value in (*knobs, ("delta", delta), ("audit_rate", audit_rate)):
        if not 0 < value < 1:
            raise InputError(f"{name}: expected a number between 0 and 1, got {value}")
    if look < 1:
        raise InputError(f"look: expected at least 1, got {look}")
    level = level_of(delta, look, len(outcomes) * len(groups))
    thresholds: list[Threshold] = []
    for group in groups:
        here = [c for c in checked if c.group is group]
        n_pool = sum(np.size(values) for (of, _), values in pool.items() if of is group)
        for outcome in outcomes:
            found = [c for c in here if c.outcome is outcome]
            confidences = np.array([c.confidence for c in found], np.float64)
            wrong = np.array([c.is_wrong for c in found], np.bool_)
            limit, every = own[group, outcome], np.asarray(pool.get((group, outcome), ()))
            tried = thresholds_to_try(
                every, len(here) / max(n_pool, 1), limit, level, n_steps, people_error
            )
            passed = safe_thresholds(confidences, wrong, tried, limit, level)
            said = float(np.mean([c.truth is outcome for c in here])) if here else 0.0
            safe = _as_right_as_people(passed, every, said, people_error)
            thresholds.append(
                Threshold(outcome, NEVER, len(found), int(wrong.sum()), group=group)
                if safe is None
                else Threshold(
                    outcome, safe.confidence, safe.n_checked, safe.n_wrong, safe.bound, group
                )
            )
    policy = RoutingPolicy(
        check, verifier, target, delta, tuple(thresholds), audit_rate, seed, len(checked),
        targets=tuple((group, o, t) for (group, o), t in own.items() if t != target),
    )  # fmt: skip
    return replace(policy, reason=_explain(policy, level))


def _as_right_as_people(
    passed: Sequence[Safe], pool: Floats, share: float, people_error: float
) -> Safe | None:
    """The lowest safe threshold from which the answer is as right as people's; None for none."""
    if people_error <= 0:
        return passed[-1] if passed else None
    least = 1 - people_wrong(share, people_error)
    fit = [one for one in passed if float(pool[pool >= one.confidence].mean()) >= least]
    return fit[-1] if fit else None


def _explain(policy: RoutingPolicy, level: float) -> str:
    words = []
    for one in policy.thresholds:
        if one.confidence <= 1:
            words.append(
                f"{one.words} stands from {one.confidence:.3f} on "
                f"({one.n_wrong} of {one.n_checked} checked were wrong, bound {one.bound:.3f})"
            )
        else:
            needed = n_needed(policy.target_of(one.group, one.outcome), level)
            words.append(
                f"{one.words} never stands ({one.n_wrong} of {one.n_checked} checked "
                f"were wrong; {needed} without an error are the least that could do)"
            )
    return ("" if policy.is_on else "advice only: ") + "; ".join(words)
