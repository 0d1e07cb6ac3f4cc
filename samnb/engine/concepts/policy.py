"""Routing in the log: past decisions as evidence, policies as switches, drift as a switch back.

The bound on the error is :mod:`samnb.engine.routing`'s, the watch over it
:mod:`samnb.engine.drift`'s. Here both are fed from the log, and what they say is written
into it: a policy in force is the newest :class:`RoutingSwitched` of its task, so a copy of
the project decides as the project did.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from samnb.engine import drift, routing, routing_choice
from samnb.engine.bounds import level_of, n_needed
from samnb.engine.concepts.state import ConceptState, PairState
from samnb.engine.drift import DriftReport
from samnb.engine.routing import (
    Action,
    Check,
    Checked,
    Decision,
    Group,
    Outcome,
    RoutingPolicy,
    Threshold,
)
from samnb.events.concepts import (
    ConceptProposed,
    ConceptTask,
    EvAnswered,
    MvAnswered,
    PairRefused,
    PairRouted,
    Route,
    RoutingMode,
    RoutingSwitched,
)
from samnb.types import FlowError

if TYPE_CHECKING:
    from samnb.engine.concepts.session import ConceptSession

METHOD: Final = (
    "exact binomial bound on a random slice checked by people, thresholds by fixed-sequence "
    "testing (Learn then Test), each group of questions by itself"
)
CHECKS: Final = {ConceptTask.MV: Check.MV, ConceptTask.EV: Check.EV}


@dataclass(slots=True)
class PastDecision:
    """What a verifier advised about one mask or pair, and what people said.

    Attributes:
        seq: the event of the advice.
        key: the mask's key, or the pair's id.
        route: what became of it; None where nothing was routed.
        truth: the first person's answer; None while nobody was asked.
        truth_seq: its event; 0 while nobody was asked.
        seconds_s: time the person took, shared among the masks of a pair.
        is_held_out: about a medium that is held out, where people answer everything.
        group: which kind of question.
    """

    seq: int
    pair_id: str
    key: str
    advice: routing.Advice
    route: Route | None = None
    truth: Outcome | None = None
    truth_seq: int = 0
    seconds_s: float = 0.0
    is_held_out: bool = False
    group: Group = Group.ALL

    def checked(self) -> Checked | None:
        """As evidence for a policy; None while nobody was asked."""
        if self.truth is None:
            return None
        advice = self.advice
        return Checked(advice.outcome, advice.confidence, self.truth, self.seconds_s, self.group)


def past_decisions(state: ConceptState, task: ConceptTask, verifier: str) -> list[PastDecision]:
    """Return everything a verifier advised in a task, in the order of its advice."""
    found: list[PastDecision] = []
    for pair in state.pairs.values():
        found += _of_pair(pair, task, verifier)
    return sorted(found, key=lambda d: d.seq)


def _of_pair(pair: PairState, task: ConceptTask, verifier: str) -> list[PastDecision]:
    done: list[PastDecision] = []
    current: dict[str, PastDecision] = {}
    said: dict[str, tuple[Outcome, int, float]] = {}
    seconds = {a.seq: a.seconds_s or 0.0 for a in (*pair.past, *pair.answers)}
    for entry in pair.entries:
        body, seq = entry.event.body, entry.event.seq
        if isinstance(body, ConceptProposed):
            done += current.values()
            current, said = {}, {}
        elif isinstance(body, MvAnswered | EvAnswered) and body.model == verifier:
            current |= {d.key: d for d in _advised(pair, task, seq, body)}
        elif isinstance(body, PairRouted) and (body.task, body.verifier) == (task, verifier):
            for choice in body.choices:
                if (choice.key or pair.id) in current:
                    current[choice.key or pair.id].route = choice.route
        elif entry.is_person:
            now = _said(pair, task, body)
            for key, outcome in now.items():
                said.setdefault(key, (outcome, seq, seconds.get(seq, 0.0) / len(now)))
        # A person may have answered before the verifier was asked, or after.
        for key, one in current.items():
            if one.truth is None and key in said:
                one.truth, one.truth_seq, one.seconds_s = said[key]
    return [*done, *current.values()]


def _advised(
    pair: PairState, task: ConceptTask, seq: int, body: MvAnswered | EvAnswered
) -> Iterable[PastDecision]:
    if isinstance(body, MvAnswered) and task is ConceptTask.MV:
        for one in body.answers:
            advice = routing.read_advice(one.probabilities, Check.MV)
            yield PastDecision(seq, pair.id, one.key, advice, is_held_out=pair.is_held_out)
    elif isinstance(body, EvAnswered) and task is ConceptTask.EV:
        advice = routing.read_advice(body.probabilities, Check.EV)
        group = ev_group(body.shown)
        yield PastDecision(seq, pair.id, pair.id, advice, is_held_out=pair.is_held_out, group=group)


def ev_group(shown: Sequence[str]) -> Group:
    """The group of an EV question, by the keys of the masks that were shown."""
    return Group.COVERED if shown else Group.ABSENT


def _said(pair: PairState, task: ConceptTask, body: object) -> dict[str, Outcome]:
    """What a person's answer says, by mask or about the pair."""
    if isinstance(body, MvAnswered) and task is ConceptTask.MV:
        return {a.key: routing.OUTCOMES[a.answer] for a in body.answers}
    if isinstance(body, EvAnswered) and task is ConceptTask.EV:
        return {pair.id: routing.OUTCOMES[body.answer]}
    if isinstance(body, PairRefused) and body.task is task:
        masks = pair.proposal.masks if pair.proposal and task is ConceptTask.MV else ()
        return dict.fromkeys([m.key for m in masks] or [pair.id], Outcome.DROP)
    return {}


def random_slice(decisions: Sequence[PastDecision]) -> list[PastDecision]:
    """Return those that people checked and that were chosen without looking at confidence:
    all, when people were asked about all; else those of held-out media, which their content
    chose, and those drawn for the audit.

    The queue asks about the least certain first, so whatever people happened to answer
    would not do.
    """
    if all(d.truth is not None for d in decisions):
        return list(decisions)
    drawn = [d for d in decisions if d.is_held_out or d.route is Route.AUDIT]
    return [d for d in drawn if d.truth is not None]


def choose_routing(
    loop: ConceptSession,
    task: ConceptTask,
    verifier: str,
    target: float,
    delta: float,
    audit_rate: float,
    seed: int,
    people_error: float = 0.0,
    absent_target: float | None = None,
    reject_target: float | None = None,
) -> RoutingPolicy:
    """See ``ConceptSession.choose_routing``."""
    state = loop.refresh()
    decisions = past_decisions(state, task, verifier)
    if not decisions:
        raise FlowError(f"{verifier} has answered no {task.value} yet; let it verify first")
    checked = [c for d in random_slice(decisions) if (c := d.checked())]
    pool: dict[tuple[Group, Outcome], list[float]] = {}
    for one in decisions:
        pool.setdefault((one.group, one.advice.outcome), []).append(one.advice.confidence)
    # What never came up needs no part of delta; people's answers have no say in that.
    groups = [g for g in routing.GROUPS[CHECKS[task]] if any(of is g for of, _ in pool)]
    targets: dict[tuple[Group, Outcome], float] = {}
    if task is ConceptTask.EV and absent_target is not None:
        targets |= {(Group.ABSENT, outcome): absent_target for outcome in routing.ROUTED}
    if task is ConceptTask.EV and reject_target is not None:
        targets |= {(group, Outcome.REJECT): reject_target for group in groups}
    before = state.routing.get(task)
    # Another verifier in between does not give back what was spent on this one.
    look = 1 + state.looks.get((task, verifier), 0)
    level = level_of(delta, look, len(routing.ROUTED) * len(groups))
    needed = n_needed(max([target, *targets.values()]), level)
    policy = routing_choice.choose_policy(
        checked,
        pool,
        check=CHECKS[task],
        verifier=verifier,
        target=target,
        delta=delta,
        audit_rate=audit_rate,
        seed=seed,
        look=look,
        people_error=people_error,
        groups=groups,
        targets=targets,
    )
    if len(checked) < needed:
        # Not even without an error would a test be passed. So none is made, and nothing of delta
        # is spent: a project may ask as often as it likes while it is small. What was earned
        # before stands.
        if look > 1 and before and _holds(before, verifier, target):
            return policy_of(before)
        few = f"{len(checked)} checked, and a test needs {needed}"
        policy, look = routing.advise_only(policy, few), look - 1
    mode = RoutingMode.ON if policy.is_on else RoutingMode.ADVICE
    loop.switch_routing(switch_of(policy, mode, policy.reason, look))
    return policy


def _holds(switch: RoutingSwitched, verifier: str, target: float) -> bool:
    """Whether it lets this verifier decide, as strictly as is asked for now."""
    is_on = switch.verifier == verifier and switch.mode is RoutingMode.ON
    return is_on and switch.target_error <= target


def switch_of(
    policy: RoutingPolicy, mode: RoutingMode, reason: str, look: int = 0
) -> RoutingSwitched:
    """Write a policy down as the log keeps it."""
    task = next(t for t, check in CHECKS.items() if check is policy.check)
    details = [("delta", repr(policy.delta)), ("n_checked", str(policy.n_checked))]
    details.append(("look", str(look)))
    for one in policy.thresholds:
        details.append((f"{_name(one)}.n_checked", str(one.n_checked)))
        details.append((f"{_name(one)}.n_wrong", str(one.n_wrong)))
    details += [(f"{g.value}.{o.value}.target", repr(value)) for g, o, value in policy.targets]
    return RoutingSwitched(
        task,
        mode,
        policy.verifier,
        policy.target,
        policy.audit_rate,
        tuple((_name(t), t.confidence) for t in policy.thresholds),
        tuple((_name(t), t.bound) for t in policy.thresholds),
        METHOD,
        policy.seed,
        reason,
        tuple(details),
    )


def _name(one: Threshold) -> str:
    """As the log names a threshold: the outcome, after the group where it is not all."""
    return one.outcome.value if one.group is Group.ALL else f"{one.group.value}.{one.outcome.value}"


def _parts(name: str) -> tuple[Group, Outcome]:
    group, _, outcome = name.rpartition(".")
    return Group(group or Group.ALL), Outcome(outcome)


def policy_of(switch: RoutingSwitched) -> RoutingPolicy:
    """Read a policy back from the log."""
    details, bounds = dict(switch.details), dict(switch.bounds)
    thresholds = tuple(
        Threshold(
            _parts(name)[1],
            confidence,
            int(details.get(f"{name}.n_checked", "0")),
            int(details.get(f"{name}.n_wrong", "0")),
            bounds.get(name, 1.0),
            _parts(name)[0],
        )
        for name, confidence in switch.thresholds
    )
    return RoutingPolicy(
        CHECKS[switch.task],
        switch.verifier,
        switch.target_error,
        float(details.get("delta", str(routing.DELTA))),
        thresholds if switch.mode is RoutingMode.ON else (),
        switch.audit_rate,
        switch.seed,
        int(details.get("n_checked", "0")),
        switch.reason,
        tuple(
            (g, o, float(details[name]))
            for g in Group for o in Outcome
            if (name := f"{g.value}.{o.value}.target") in details
        ),
    )  # fmt: skip


class PolicyRouter:
    """Routes by the policies that the log has in force.

    Args:
        switches: by task, as :class:`ConceptState` holds them.
    """

    def __init__(self, switches: Mapping[ConceptTask, RoutingSwitched]) -> None:
        self._policies = {task: policy_of(switch) for task, switch in switches.items()}

    def target_error(self, task: ConceptTask, group: Group = Group.ALL) -> float:
        """See :class:`~samnb.engine.concepts.verifying.Router`."""
        policy = self._policies.get(task)
        targets = [policy.target_of(group, o) for o in routing.ROUTED] if policy else []
        return max(targets, default=0.0)

    def bound(self, task: ConceptTask, group: Group = Group.ALL) -> float:
        """The greatest bound among the outcomes that may stand; 1.0 where none may."""
        policy = self._policies.get(task)
        standing = [t for t in policy.thresholds if t.confidence <= 1] if policy else []
        return max((t.bound for t in standing if t.group in (group, Group.ALL)), default=1.0)

    def route(
        self,
        task: ConceptTask,
        key: str,
        probabilities: Sequence[float],
        group: Group = Group.ALL,
    ) -> tuple[Route, float]:
        """See :class:`~samnb.engine.concepts.verifying.Router`."""
        advice = routing.read_advice(probabilities, CHECKS[task])
        if task not in self._policies:
            return Route.ASK, advice.confidence
        decision = routing.route(self._policies[task], key, advice, group)
        if decision.is_audit:
            return Route.AUDIT, advice.confidence
        return Route.ASK if decision.action is Action.ASK else Route.AUTO, advice.confidence


def guard_routing(loop: ConceptSession, task: ConceptTask) -> DriftReport | None:
    """See ``ConceptSession.guard_routing``."""
    state = loop.state
    switch = state.routing.get(task)
    if switch is None or switch.mode is not RoutingMode.ON:
        return None
    policy = policy_of(switch)
    since = state.routing_since.get(task, 0)
    rows = [
        d
        for d in past_decisions(state, task, switch.verifier)
        if d.seq > since and d.route is Route.AUDIT and d.truth is not None
    ]
    rows.sort(key=lambda d: d.truth_seq)
    audited = [(_as_decision(policy, d), d.truth) for d in rows if d.truth is not None]
    kept, report = drift.guard(policy, audited)
    if kept == policy:
        return report
    look = int(dict(switch.details).get("look", "0"))
    mode = RoutingMode.ON if kept.is_on else RoutingMode.ADVICE
    back = switch_of(kept if kept.is_on else policy, mode, kept.reason, look)
    loop.as_model(switch.verifier).switch_routing(back)
    loop.refresh()
    return report


def _as_decision(policy: RoutingPolicy, past: PastDecision) -> Decision:
    return Decision(
        policy.check,
        past.key,
        policy.verifier,
        Action.ASK,
        past.advice.outcome,
        past.advice.answer,
        past.advice.confidence,
        policy.threshold(past.advice.outcome, past.group),
        True,
        "audit",
        past.group,
    )
