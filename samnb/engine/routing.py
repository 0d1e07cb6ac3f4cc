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
* accepting and rejecting are bounded each by itself, and so are unlike questions of one check
  (:class:`Group`), with ``delta`` shared among them all, so every share holds together with the
  others, and with them their mixture. A promise for each group is what Mondrian predictors give
  (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005, chapter 4).

Nothing is asked of the confidence: a badly calibrated one costs people's time, not errors.
What is asked is that the checked slice is random among all decisions, and that the future
is like the past. The second is watched by :mod:`samnb.engine.drift`. *Wrong* means other
than what a person answered: where people err, so does the measure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

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


class Group(str, Enum):
    """Questions of a check that are routed apart, each with thresholds, a target and an audit
    of its own.

    ALL is everything: MV, and what was decided before there were groups. ABSENT is EV about a
    pair without any mask: is the phrase absent? COVERED is EV about a pair with masks: are
    these all? The first is mostly easy and common, the second is neither; one threshold over
    both would let the second take the leave of the first.
    """

    ALL = "all"
    ABSENT = "absent"
    COVERED = "covered"


GROUPS: Final[Mapping[Check, tuple[Group, ...]]] = {
    Check.MV: (Group.ALL,),
    Check.EV: (Group.ABSENT, Group.COVERED),
}
"""The groups of each check."""


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
        group: which kind of question.
    """

    outcome: Outcome
    confidence: float
    truth: Outcome
    seconds_s: float = 0.0
    group: Group = Group.ALL

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
        group: of which questions; ALL where no other threshold is given.
    """

    outcome: Outcome
    confidence: float
    n_checked: int = 0
    n_wrong: int = 0
    bound: float = 1.0
    group: Group = Group.ALL

    @property
    def words(self) -> str:
        """Outcome and group, for people."""
        extra = {Group.ALL: "", Group.ABSENT: " without masks", Group.COVERED: " with masks"}
        return self.outcome.value + extra[self.group]


@dataclass(frozen=True, slots=True)
class RoutingPolicy:
    """How decisions of one check are routed.

    Attributes:
        check: which question.
        verifier: name and version of the verifier it was made for.
        target: bound on the share of wrong answers among those that stand.
        delta: chance that the bound does not hold.
        thresholds: one for each group and outcome that may stand; empty for advice only.
        audit_rate: share of decisions that a person checks whatever the confidence.
        seed: of the audit's choice.
        n_checked: checked decisions behind it.
        reason: why it is as it is, in words.
        targets: of outcomes in groups whose bound is another than ``target``.
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
    targets: tuple[tuple[Group, Outcome, float], ...] = ()

    @property
    def is_on(self) -> bool:
        """Whether anything can stand without a person."""
        return any(t.confidence <= 1 for t in self.thresholds)

    def threshold(self, outcome: Outcome, group: Group = Group.ALL) -> float:
        """The confidence from which an outcome stands in a group; above 1 for never."""
        found = {t.group: t.confidence for t in self.thresholds if t.outcome is outcome}
        return found.get(group, found.get(Group.ALL, NEVER))

    def target_of(self, group: Group, outcome: Outcome) -> float:
        """The bound on the share of wrong answers with an outcome in a group."""
        own = {(of, what): value for of, what, value in self.targets}
        return own.get((group, outcome), self.target)


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
        group: which kind of question.
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
    group: Group = Group.ALL


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


def route(policy: RoutingPolicy, key: str, advice: Advice, group: Group = Group.ALL) -> Decision:
    """Decide whether an advice stands or a person is asked."""
    threshold = policy.threshold(advice.outcome, group)
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
        advice.confidence, threshold, is_audit, reason, group,
    )  # fmt: skip


def advise_only(policy: RoutingPolicy, reason: str) -> RoutingPolicy:
    """The same policy with nothing standing, and why."""
    return replace(policy, thresholds=(), reason=f"advice only: {reason}")


def strike(policy: RoutingPolicy, group: Group, reason: str) -> RoutingPolicy:
    """The same policy with nothing standing in one group, and why."""
    kept = tuple(replace(t, confidence=NEVER) if t.group is group else t for t in policy.thresholds)
    left = replace(policy, thresholds=kept, reason=f"{group.value} back to people: {reason}")
    return left if left.is_on else advise_only(policy, reason)
