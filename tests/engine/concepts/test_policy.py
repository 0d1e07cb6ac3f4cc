import numpy as np
import pytest

from samnb.engine.concepts import policy
from samnb.engine.routing import Group, Outcome, is_audited
from samnb.events.concepts import ConceptTask, Route, RoutingMode
from samnb.types import EvAnswer, FlowError
from tests.engine.concepts.world import Segmenter, spread

N = 160


class Unsure:
    """Sure and right about most phrases, unsure and wrong about every tenth."""

    name = "judge@1"

    def verify_exhaustive(self, image, phrase, masks):
        number = int(phrase.split()[1])
        options = list(EvAnswer)
        return spread(len(options), 0, 0.55 if number % 10 == 0 else 0.95 + number / 1e5)


def truth_of(pair):
    return "reject" if int(pair.phrase.split()[1]) % 10 == 0 else "accept"


@pytest.fixture
def answered(desk):
    """Everything was advised on and checked by a person."""
    door = desk()
    door.add_pairs(desk.media_id, [f"thing {n}" for n in range(N)])
    door.propose(Segmenter({}))
    door.verify(Unsure(), ["ev"])
    for pair in door.state.pairs.values():
        desk("eva").answer_ev(pair.id, truth_of(pair))
    return door


def test_checked_decisions_switch_routing_on_within_the_bound(desk, answered):
    chosen = answered.choose_routing("ev", "judge@1", target=0.05, audit_rate=0.2)
    (accept, *others) = chosen.thresholds
    assert accept.group is Group.ABSENT and not any(t.confidence <= 1 for t in others)
    assert chosen.is_on and 0.55 < accept.confidence <= 0.97 and accept.bound <= 0.05
    state = desk().state
    assert state.mode(ConceptTask.EV, "judge@1") is RoutingMode.ON
    assert policy.policy_of(state.routing[ConceptTask.EV]) == chosen


def test_then_the_model_decides_and_people_see_the_unsure_and_the_audit(desk, answered):
    answered.choose_routing("ev", "judge@1", target=0.05, audit_rate=0.2, seed=4)
    fresh = answered.add_pairs(desk.media_id, [f"thing {n}" for n in range(1000, 1050)])
    answered.propose(Segmenter({}))
    verified = answered.verify(Unsure(), ["ev"])
    audited = {p.id for p in fresh if is_audited(p.id, 4, 0.2)}
    unsure = {p.id for p in fresh if truth_of(p) == "reject"}
    assert {p.id for p in fresh if not desk().pair(p.id).is_done} == audited | unsure
    assert verified.n_asked == len(audited | unsure)
    (routed,) = desk().pair(fresh[1].id).routes
    assert (routed.target_error, routed.verifier) == (0.05, "judge@1") and routed.bound <= 0.05


def test_audits_that_go_wrong_return_the_verifier_to_advice(desk, answered):
    answered.choose_routing("ev", "judge@1", target=0.05, audit_rate=0.5)
    answered.add_pairs(desk.media_id, [f"thing {n}" for n in range(1001, 1060)])
    answered.propose(Segmenter({}))
    answered.verify(Unsure(), ["ev"])
    for _ in range(30):
        work = desk("eva").next("ev")
        if work is None or desk().state.routing[ConceptTask.EV].mode is RoutingMode.ADVICE:
            break
        desk("eva").answer_ev(work.pair_id, "reject")  # the world has changed
    switch = desk().state.routing[ConceptTask.EV]
    assert switch.mode is RoutingMode.ADVICE and "drifted" in switch.reason
    answered.add_pairs(desk.media_id, ["thing 2001"])
    answered.propose(Segmenter({}))
    assert answered.verify(Unsure(), ["ev"]).n_auto == 0


def test_too_few_checks_leave_the_verifier_at_advice(desk):
    door = desk()
    (pair, _) = door.add_pairs(desk.media_id, ["thing 1", "thing 2"])
    with pytest.raises(FlowError, match="has answered no ev yet"):
        door.choose_routing("ev", "judge@1")
    door.propose(Segmenter({}))
    door.verify(Unsure(), ["ev"])
    desk("eva").answer_ev(pair.id, "accept")
    assert not door.choose_routing("ev", "judge@1").is_on
    assert door.state.routing[ConceptTask.EV].mode is RoutingMode.ADVICE


def test_asking_too_early_costs_nothing_of_delta(desk):
    """Thresholds are as good after asking thrice in vain as after asking once."""
    door = desk()
    for first in (0, 10, 20, 30):
        end = 160 if first == 30 else first + 10
        door.add_pairs(desk.media_id, [f"thing {n}" for n in range(first, end)])
        door.propose(Segmenter({}))
        door.verify(Unsure(), ["ev"])
        for pair in door.state.pairs.values():
            if pair.step.value == "ev":
                desk("eva").answer_ev(pair.id, truth_of(pair))
        chosen = door.choose_routing("ev", "judge@1", target=0.05)
        look = dict(door.state.routing[ConceptTask.EV].details)["look"]
        assert (look, chosen.is_on) == (("1", True) if first == 30 else ("0", False))


def test_what_was_spent_on_a_verifier_is_not_given_back_by_another(desk, answered):
    class Second(Unsure):
        name = "second@1"

    answered.choose_routing("ev", "judge@1", target=0.05)
    held = [p.id for p in answered.state.pairs.values()]
    answered.verify(Second(), ["ev"], pair_ids=held, is_past=True)
    answered.choose_routing("ev", "second@1", target=0.05)
    answered.choose_routing("ev", "judge@1", target=0.05)
    looks = desk().state.looks
    assert looks == {(ConceptTask.EV, "judge@1"): 2, (ConceptTask.EV, "second@1"): 1}


def test_only_a_random_slice_is_evidence():
    from samnb.engine.routing import Advice

    def past(route, truth):
        advice = Advice(Outcome.ACCEPT, "accept", 0.9)
        return policy.PastDecision(1, "p", "p", advice, route, truth)

    asked = past(Route.ASK, Outcome.ACCEPT)
    audited = past(Route.AUDIT, Outcome.REJECT)
    auto = past(Route.AUTO, None)
    assert policy.random_slice([asked, audited]) == [asked, audited]
    assert policy.random_slice([asked, audited, auto]) == [audited]


def test_pairs_with_masks_are_apart_from_pairs_without(desk, answered):
    answered.choose_routing("ev", "judge@1", target=0.05, absent_target=0.2, reject_target=0.4)
    switch = desk().state.routing[ConceptTask.EV]
    (absent, *_) = switch.thresholds
    details = dict(switch.details)
    assert absent[0] == "absent.accept" and details["absent.accept.target"] == "0.2"
    assert details["absent.reject.target"] == "0.4"
    (cup,) = answered.add_pairs(desk.media_id, ["cup 1"])
    answered.propose(Segmenter({"cup 1": [(0, 0.9)]}))
    (mask,) = answered.pair(cup.id).proposal.masks
    desk("max").answer_mv(cup.id, {mask.key: "accept"})
    answered.refresh()
    answered.verify(Unsure(), ["ev"], [cup.id])
    (covered,) = [d for d in policy.past_decisions(desk().state, ConceptTask.EV, "judge@1")
                  if d.pair_id == cup.id]  # fmt: skip
    assert (covered.group, covered.route) == (Group.COVERED, Route.ASK)


def test_mv_decisions_are_counted_by_mask(desk):
    class ByOrder:
        name = "judge@1"

        def verify_masks(self, image, phrase, masks):
            return np.stack([spread(5, at * 2, 0.9) for at in range(len(masks))])

    door = desk()
    (pair,) = door.add_pairs(desk.media_id, ["cup"])
    door.propose(Segmenter({"cup": [(0, 0.9), (1, 0.8)]}))
    door.verify(ByOrder(), ["mv"])
    desk("max").answer_mv(pair.id, "accept")
    found = policy.past_decisions(door.refresh(), ConceptTask.MV, "judge@1")
    assert [d.advice.outcome for d in found] == [Outcome.ACCEPT, Outcome.REJECT]
    assert [d.checked().is_wrong for d in found] == [False, True]
