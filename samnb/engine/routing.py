"""Which answers of a verifier stand, and which a person must give: with a bound on the error.

A verifier's answer stands when its confidence reaches a threshold. Thresholds come from a
random slice of decisions that people checked, so that with probability ``1 - delta`` the
share of wrong answers among those that stand is at most ``target``:

* for one threshold, the number of errors among the checked decisions above it is binomial,
  and the threshold is safe when so few errors would be unlikely at an error rate of
  ``target``; the same as an upper bound of Clopper and Pearson (Biometrika 26, 1934) at or
  below the target;
* thresholds are tried from the strictest on, in an order fixed before any check was seen,
  until one fails: fixed-sequence testing, which needs no correction for trying many (Learn
  then Test, Angelopoulos, Bates, Candes, Jordan and Lei, arXiv 2110.01052, section on
  fixed-sequence testing and the one on selective classification);
* accepting and rejecting are bounded each by itself, with ``delta`` shared among them, so
  both shares hold together, and with them their mixture.

Nothing is asked of the confidence: a badly calibrated one costs people's time, not errors.
What is asked is that the checked slice is random among all decisions, and that the future
is like the past. The second is watched by :mod:`samnb.engine.drift`. *Wrong* means other
than what a person answered: where people err, so does the measure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from samnb.engine.bounds import N_STEPS, error_bound, level_of, n_needed, thresholds_to_try
from samnb.types import EvAnswer, InputError, MvAnswer

Floats: TypeAlias = npt.NDArray[np.float64]
Answer: TypeAlias = MvAnswer | EvAnswer

TARGET: Final = 0.05
"""Wanted share of wrong answers among those that stand."""
DELTA: Final = 0.05
"""Chance that the bound does not hold."""
AUDIT_RATE: Final = 0.05
"""Share of all decisions that a person checks whatever the confidence."""
NEVER: Final = 2.0
"""A threshold that no confidence reaches."""


class Check(str, Enum):
    """Which question a decision answers."""

    MV = "mv"
    EV = "ev"


class Outcome(str, Enum):
    """What an answer means for the flow.

    ACCEPT keeps a mask, or calls a pair exhaustive. REJECT drops a mask, or sends a pair
    to correction. DROP gives up the pair: whole image, flagged or ungroundable labels.
    """

    ACCEPT = "accept"
    REJECT = "reject"
    DROP = "drop"


OUTCOMES: Final[Mapping[Answer, Outcome]] = {
    MvAnswer.ACCEPT: Outcome.ACCEPT,
    MvAnswer.ACCEPT_AS_TEXT: Outcome.ACCEPT,
    MvAnswer.REJECT: Outcome.REJECT,
    MvAnswer.WHOLE_IMAGE: Outcome.DROP,
    MvAnswer.FLAG_LABEL: Outcome.DROP,
    EvAnswer.ACCEPT: Outcome.ACCEPT,
    EvAnswer.REJECT: Outcome.REJECT,
    EvAnswer.REJECT_UNSEPARATED: Outcome.REJECT,
    EvAnswer.WHOLE_IMAGE: Outcome.DROP,
    EvAnswer.FLAG_LABEL: Outcome.DROP,
    EvAnswer.UNGROUNDABLE: Outcome.DROP,
}
"""Outcome of every option. The keys of the two checks never meet: they are enum members."""
ROUTED: Final = (Outcome.ACCEPT, Outcome.REJECT)
"""What a verifier may decide alone; giving up a pair stays with people."""


class Action(str, Enum):
    """What to do with a decision."""

    ACCEPT = "accept"
    REJECT = "reject"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class Advice:
    """A verifier's reading of one question.

    Attributes:
        outcome: the likeliest outcome, its options' probabilities added up.
        answer: the likeliest option of that outcome, by its value.
        confidence: probability of the outcome, in [0, 1].
    """

    outcome: Outcome
    answer: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Checked:
    """A decision of the past with what a person said.

    Attributes:
        outcome: what the verifier advised.
        confidence: how sure it was.
        truth: what the person answered.
        seconds_s: how long the person took.
    """

    outcome: Outcome
    confidence: float
    truth: Outcome
    seconds_s: float = 0.0

    @property
    def is_wrong(self) -> bool:
        """Whether verifier and person differ."""
        return self.outcome is not self.truth


@dataclass(frozen=True, slots=True)
class Threshold:
    """From which confidence on an outcome stands.

    Attributes:
        outcome: which.
        confidence: the threshold; :data:`NEVER` where nothing may stand.
        n_checked: checked decisions at or above it.
        n_wrong: wrong ones among them.
        bound: upper bound of the error above it at the policy's level (Clopper-Pearson).
    """

    outcome: Outcome
    confidence: float
    n_checked: int = 0
    n_wrong: int = 0
    bound: float = 1.0


@dataclass(frozen=True, slots=True)
class RoutingPolicy:
    """How decisions of one check are routed.

    Attributes:
        check: which question.
        verifier: name and version of the verifier it was made for.
        target: bound on the share of wrong answers among those that stand.
        delta: chance that the bound does not hold.
        thresholds: one for each outcome that may stand; empty for advice only.
        audit_rate: share of decisions that a person checks whatever the confidence.
        seed: of the audit's choice.
        n_checked: checked decisions behind it.
        reason: why it is as it is, in words.
    """

    check: Check
    verifier: str
    target: float = TARGET
    delta: float = DELTA
    thresholds: tuple[Threshold, ...] = ()
    audit_rate: float = AUDIT_RATE
    seed: int = 0
    n_checked: int = 0
    reason: str = "advice only: nothing has been checked yet"

    @property
    def is_on(self) -> bool:
        """Whether anything can stand without a person."""
        return any(t.confidence <= 1 for t in self.thresholds)

    def threshold(self, outcome: Outcome) -> float:
        """The confidence from which an outcome stands; above 1 for never."""
        return next((t.confidence for t in self.thresholds if t.outcome is outcome), NEVER)


@dataclass(frozen=True, slots=True)
class Decision:
    """What was done with one question, ready for the log.

    Attributes:
        check: which question.
        key: the mask or pair that it is about.
        verifier: whose advice.
        action: what happens now.
        advice: outcome advised.
        answer: option advised, by its value.
        confidence: of the advice.
        threshold: confidence from which it would have stood; above 1 for never.
        is_audit: drawn for the random slice. A person sees it like any other question.
        reason: "confident", "audit", "not confident enough" or "advice only".
    """

    check: Check
    key: str
    verifier: str
    action: Action
    advice: Outcome
    answer: str
    confidence: float
    threshold: float
    is_audit: bool
    reason: str = field(default="", compare=False)


def read_advice(probabilities: npt.ArrayLike, check: Check) -> Advice:
    """Read a verifier's probabilities, in the order of the check's options.

    Args:
        probabilities: (5,) for MV, (6,) for EV, adding up to 1.
        check: which question.
    """
    options: tuple[Answer, ...] = tuple(MvAnswer) if check is Check.MV else tuple(EvAnswer)
    values = np.asarray(probabilities, np.float64)
    if values.shape != (len(options),) or not abs(float(values.sum()) - 1) < 1e-3:
        raise InputError(
            f"probabilities: expected ({len(options)},) adding up to 1, got {values.shape} "
            f"adding up to {float(values.sum()):.3f}"
        )
    shares = dict.fromkeys(Outcome, 0.0)
    for option, value in zip(options, values.tolist(), strict=True):
        shares[OUTCOMES[option]] += value
    outcome = max(shares, key=lambda one: shares[one])
    own = [at for at, option in enumerate(options) if OUTCOMES[option] is outcome]
    best = max(own, key=lambda at: float(values[at]))
    return Advice(outcome, options[best].value, min(1.0, shares[outcome]))


def is_audited(key: str, seed: int, rate: float) -> bool:
    """Whether a decision belongs to the random slice.

    The draw is a hash of seed and key (SHA-256): it replays, does not depend on the order
    of work, and nobody can tell it from the confidence.
    """
    digest = hashlib.sha256(f"{seed}:{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < rate


def route(policy: RoutingPolicy, key: str, advice: Advice) -> Decision:
    """Decide whether an advice stands or a person is asked."""
    threshold = policy.threshold(advice.outcome)
    # Drawn for every decision, also for those that a person sees anyway: only so is the
    # slice random among all, and of use for the next thresholds.
    is_audit = is_audited(key, policy.seed, policy.audit_rate)
    stands = advice.confidence >= threshold
    if not policy.is_on:
        action, reason = Action.ASK, "advice only"
    elif is_audit:
        action, reason = Action.ASK, "audit"
    elif not stands:
        action, reason = Action.ASK, "not confident enough"
    else:
        action, reason = Action(advice.outcome.value), "confident"
    return Decision(
        policy.check, key, policy.verifier, action, advice.outcome, advice.answer,
        advice.confidence, threshold, is_audit, reason,
    )  # fmt: skip


def choose_policy(
    checked: Sequence[Checked],
    pool: Mapping[Outcome, npt.ArrayLike],
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
) -> RoutingPolicy:
    """Set thresholds so that at most ``target`` of what stands is wrong.

    Args:
        checked: a random slice of all decisions, with people's answers.
        pool: confidences of all decisions by advised outcome, checked or not. They fix
            the order of thresholds; people's answers must not have any part in them.
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
            in where the tests begin, none in what they promise.

    Raises:
        InputError: target, delta or audit rate outside of (0, 1), or look below 1.
    """
    for name, value in (("target", target), ("delta", delta), ("audit_rate", audit_rate)):
        if not 0 < value < 1:
            raise InputError(f"{name}: expected a number between 0 and 1, got {value}")
    if look < 1:
        raise InputError(f"look: expected at least 1, got {look}")
    level = level_of(delta, look, len(outcomes))
    n_pool = sum(np.size(values) for values in pool.values())
    thresholds = tuple(
        _safe_threshold(
            outcome,
            [c for c in checked if c.outcome is outcome],
            np.asarray(pool.get(outcome, ()), np.float64),
            len(checked) / max(n_pool, 1),
            target,
            level,
            n_steps,
            people_error,
        )
        for outcome in outcomes
    )
    policy = RoutingPolicy(
        check, verifier, target, delta, thresholds, audit_rate, seed, len(checked)
    )
    return replace(policy, reason=_explain(policy, level))


def advise_only(policy: RoutingPolicy, reason: str) -> RoutingPolicy:
    """The same policy with nothing standing, and why."""
    return replace(policy, thresholds=(), reason=f"advice only: {reason}")


def _safe_threshold(
    outcome: Outcome,
    checked: Sequence[Checked],
    pool: Floats,
    rate: float,
    target: float,
    level: float,
    n_steps: int,
    people_error: float,
) -> Threshold:
    """Go down until the bound exceeds the target; the last threshold before that is safe."""
    confidences = np.array([c.confidence for c in checked], np.float64)
    wrong = np.array([c.is_wrong for c in checked], np.bool_)
    safe = Threshold(outcome, NEVER, len(checked), int(wrong.sum()))
    for value in thresholds_to_try(pool, rate, target, level, n_steps, people_error).tolist():
        above = confidences >= value
        n, n_wrong = int(above.sum()), int(wrong[above].sum())
        bound = error_bound(n_wrong, n, level)
        if bound > target:
            break
        safe = Threshold(outcome, value, n, n_wrong, bound)
    return safe


def _explain(policy: RoutingPolicy, level: float) -> str:
    needed = n_needed(policy.target, level)
    words = []
    for one in policy.thresholds:
        if one.confidence <= 1:
            words.append(
                f"{one.outcome.value} stands from {one.confidence:.3f} on "
                f"({one.n_wrong} of {one.n_checked} checked were wrong, bound {one.bound:.3f})"
            )
        else:
            words.append(
                f"{one.outcome.value} never stands ({one.n_wrong} of {one.n_checked} checked "
                f"were wrong; {needed} without an error are the least that could do)"
            )
    return ("" if policy.is_on else "advice only: ") + "; ".join(words)
