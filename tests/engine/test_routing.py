from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from samnb.engine.bounds import (
    error_bound,
    level_of,
    n_needed,
    people_wrong,
    safe_thresholds,
    thresholds_to_try,
)
from samnb.engine.routing import (
    NEVER,
    OUTCOMES,
    Action,
    Advice,
    Check,
    Checked,
    Group,
    Outcome,
    RoutingPolicy,
    Threshold,
    advise_only,
    is_audited,
    read_advice,
    route,
)
from samnb.engine.routing_choice import choose_policy
from samnb.types import EvAnswer, InputError, MvAnswer
from tests.engine.routing_world import draw_decisions, held_error, split_pool

ON = RoutingPolicy(
    Check.MV,
    "v@1",
    thresholds=(Threshold(Outcome.ACCEPT, 0.9), Threshold(Outcome.REJECT, NEVER)),
    audit_rate=1e-9,
)


def test_every_option_has_an_outcome():
    assert set(OUTCOMES) == {*MvAnswer, *EvAnswer}


def test_options_of_one_outcome_add_up():
    advice = read_advice([0.3, 0.3, 0.35, 0.05, 0.0], Check.MV)
    assert advice == Advice(Outcome.ACCEPT, "accept", 0.6)
    advice = read_advice([0.4, 0.25, 0.3, 0.05, 0.0, 0.0], Check.EV)
    assert advice.outcome is Outcome.REJECT
    assert advice.answer == "reject_unseparated"
    assert advice.confidence == pytest.approx(0.55)


def test_probabilities_of_the_other_check_are_refused():
    with pytest.raises(InputError, match=r"expected \(5,\)"):
        read_advice([1.0, 0, 0, 0, 0, 0], Check.MV)
    with pytest.raises(InputError, match="adding up to 1"):
        read_advice([1.0, 1.0, 0, 0, 0], Check.MV)


@pytest.mark.parametrize(
    ("outcome", "confidence", "action", "reason"),
    [
        (Outcome.ACCEPT, 0.9, Action.ACCEPT, "confident"),
        (Outcome.ACCEPT, 0.89, Action.ASK, "not confident enough"),
        (Outcome.REJECT, 0.999, Action.ASK, "not confident enough"),
        (Outcome.DROP, 1.0, Action.ASK, "not confident enough"),
    ],
)
def test_an_advice_stands_from_its_threshold_on(outcome, confidence, action, reason):
    decision = route(ON, "m1", Advice(outcome, "x", confidence))
    assert (decision.action, decision.reason) == (action, reason)


def test_without_thresholds_people_are_asked_and_the_advice_is_kept():
    decision = route(RoutingPolicy(Check.EV, "v@1"), "p1", Advice(Outcome.ACCEPT, "accept", 1.0))
    assert decision.action is Action.ASK and decision.reason == "advice only"
    assert decision.advice is Outcome.ACCEPT


def test_an_audited_decision_goes_to_a_person_though_it_would_stand():
    decision = route(replace(ON, audit_rate=1.0), "m1", Advice(Outcome.ACCEPT, "accept", 1.0))
    assert decision.action is Action.ASK and decision.is_audit and decision.reason == "audit"


def test_the_audit_is_random_among_all_and_replays():
    drawn = [is_audited(f"mask{i}", 3, 0.1) for i in range(5000)]
    assert stats.binomtest(sum(drawn), 5000, 0.1).pvalue > 1e-3
    assert drawn == [is_audited(f"mask{i}", 3, 0.1) for i in range(5000)]
    assert drawn != [is_audited(f"mask{i}", 4, 0.1) for i in range(5000)]


def test_the_bound_is_clopper_and_pearsons():
    found = stats.binomtest(3, 100, alternative="less").proportion_ci(0.95, method="exact")
    assert error_bound(3, 100, 0.05) == pytest.approx(found.high)
    assert error_bound(5, 5, 0.05) == 1.0


def test_so_many_checks_without_error_are_the_least():
    n = n_needed(0.05, 0.05)
    assert n == 59
    assert error_bound(0, n, 0.05) <= 0.05 < error_bound(0, n - 1, 0.05)


def test_all_looks_and_outcomes_together_spend_delta():
    spent = sum(2 * level_of(0.05, look) for look in range(1, 4000))
    assert 0.0499 < spent <= 0.05


def test_thresholds_come_from_the_pool_and_begin_where_the_test_can_pass():
    pool = np.linspace(0.5, 1.0, 1001)
    tried = thresholds_to_try(pool, 0.4, 0.05, 0.02)
    assert (np.diff(tried) < 0).all() and tried[-1] == 0.5
    expected = 0.4 * (pool >= tried[0]).sum()
    assert error_bound(1, round(expected), 0.02) <= 0.05
    assert error_bound(1, round(0.8 * expected), 0.02) > 0.05


def test_a_good_verifier_is_switched_on_and_a_bad_one_is_not():
    rng = np.random.default_rng(0)
    pool, checked = split_pool(draw_decisions(rng, 6000), 800, rng)
    policy = choose_policy(checked, pool, check=Check.MV, verifier="v@1", target=0.1)
    assert policy.is_on and "stands from" in policy.reason
    noise = [replace(c, truth=Outcome.REJECT if i % 2 else Outcome.ACCEPT)
             for i, c in enumerate(checked)]  # fmt: skip
    refused = choose_policy(noise, pool, check=Check.MV, verifier="v@1", target=0.1)
    assert not refused.is_on and refused.reason.startswith("advice only")


def test_a_lower_target_lets_less_stand():
    rng = np.random.default_rng(1)
    pool, checked = split_pool(draw_decisions(rng, 8000), 1500, rng)
    found = [
        choose_policy(checked, pool, check=Check.MV, verifier="v", target=t).threshold(
            Outcome.ACCEPT
        )
        for t in (0.03, 0.08, 0.2)
    ]
    assert found[0] > found[1] > found[2]


def test_too_few_checks_switch_nothing_on():
    rng = np.random.default_rng(2)
    pool, checked = split_pool(draw_decisions(rng, 1000), 40, rng)
    policy = choose_policy(checked, pool, check=Check.MV, verifier="v")
    assert not policy.is_on and "are the least that could do" in policy.reason


@pytest.mark.parametrize("is_calibrated", [True, False])
def test_the_bound_holds_in_at_least_19_of_20_runs(is_calibrated):
    """The script tests/benchmarks/bench_routing.py does the same a hundred times and more."""
    held = 0
    for seed in range(20):
        rng = np.random.default_rng([seed, 11])
        decisions = draw_decisions(rng, 5000, is_calibrated=is_calibrated)
        pool, checked = split_pool(decisions, 500, rng)
        policy = choose_policy(checked, pool, check=Check.MV, verifier="v", target=0.08)
        held += held_error(policy, decisions) <= 0.08
    assert held >= 19


def test_a_naive_threshold_breaks_the_promise_where_the_policy_keeps_it():
    """The simulation can fail: picking the best-looking threshold does fail in it."""
    broken = 0
    for seed in range(20):
        rng = np.random.default_rng([seed, 12])
        decisions = draw_decisions(rng, 5000)
        _, checked = split_pool(decisions, 500, rng)
        own = [c for c in checked if c.outcome is Outcome.ACCEPT]
        tries = [
            (t, np.mean([c.is_wrong for c in own if c.confidence >= t]))
            for t in np.quantile([c.confidence for c in own], np.linspace(0, 0.97, 40))
        ]
        lowest = min((t for t, error in tries if error <= 0.08), default=NEVER)
        naive = replace(ON, thresholds=(Threshold(Outcome.ACCEPT, float(lowest)),))
        broken += held_error(naive, decisions) > 0.08
    assert broken >= 5


def test_back_to_advice_names_the_reason():
    off = advise_only(ON, "drifted")
    assert not off.is_on and off.reason == "advice only: drifted"
    assert ON.is_on


@pytest.mark.parametrize(
    ("change", "message"),
    [({"target": 0.0}, "target"), ({"delta": 1.0}, "delta"), ({"audit_rate": 0.0}, "audit_rate"),
     ({"look": 0}, "look")],
)  # fmt: skip
def test_knobs_out_of_range_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        choose_policy([Checked(Outcome.ACCEPT, 0.9, Outcome.ACCEPT)], {}, check=Check.MV,
                      verifier="v", **change)  # fmt: skip


def test_where_people_err_the_tests_begin_where_they_can_be_passed_and_still_hold():
    target, people_error = 0.298, 0.182
    kept, is_on = [], {0.0: [], people_error: []}
    for seed in range(20):
        rng = np.random.default_rng([seed, 5])
        right = [d for d in draw_decisions(rng, 3000) if d.confidence > 0.8]
        decisions = [
            replace(d, truth=_opposite(d.truth)) if rng.random() < people_error else d
            for d in right
        ]
        pool, checked = split_pool(decisions, 400, rng)
        for known, found in is_on.items():
            policy = choose_policy(
                checked, pool, check=Check.EV, verifier="v", target=target, delta=0.1,
                people_error=known,
            )  # fmt: skip
            found.append(policy.is_on)
        kept.append(held_error(policy, decisions) <= target)
    assert np.mean(kept) >= 0.9
    assert np.mean(is_on[people_error]) > np.mean(is_on[0.0]) + 0.2


def test_with_many_checks_bad_luck_at_the_first_test_is_rare():
    level, passed = level_of(0.1), []
    for seed in range(60):
        rng = np.random.default_rng([seed, 6])
        confidence, differs = rng.uniform(0.5, 1.0, 700), rng.random(700) < 0.2
        tried = thresholds_to_try(confidence, 1.0, 0.3, level, people_error=0.18)
        passed.append(bool(safe_thresholds(confidence, differs, tried, 0.3, level)))
    assert np.mean(passed) > 0.85


def _two_kinds(rng, n=4000):
    """Three in four are absent and nearly always right, of the others one in five is wrong."""
    found = []
    for absent, confidence, u in zip(
        rng.random(n) < 0.75, rng.uniform(0.8, 1.0, n), rng.random(n), strict=True
    ):
        truth = Outcome.ACCEPT if u < (0.998 if absent else 0.8) else Outcome.REJECT
        group = Group.ABSENT if absent else Group.COVERED
        found.append(Checked(Outcome.ACCEPT, float(confidence), truth, group=group))
    return found


def test_a_hard_group_does_not_take_the_leave_of_an_easy_one():
    rng = np.random.default_rng(6)
    decisions = _two_kinds(rng)
    pool, checked = split_pool(decisions, 600, rng)
    groups = (Group.ABSENT, Group.COVERED)
    apart = choose_policy(checked, pool, check=Check.EV, verifier="v", groups=groups)
    assert apart.threshold(Outcome.ACCEPT, Group.ABSENT) < 0.85
    assert apart.threshold(Outcome.ACCEPT, Group.COVERED) == NEVER
    assert "accept without masks stands from" in apart.reason
    one = [replace(c, group=Group.ALL) for c in checked]
    mixed = {(Group.ALL, Outcome.ACCEPT): np.concatenate([*pool.values()])}
    assert not choose_policy(one, mixed, check=Check.EV, verifier="v").is_on


def test_a_group_may_have_a_target_of_its_own():
    rng = np.random.default_rng(7)
    pool, checked = split_pool(_two_kinds(rng), 1200, rng)
    policy = choose_policy(
        checked, pool, check=Check.EV, verifier="v", target=0.001,
        groups=(Group.ABSENT, Group.COVERED), targets={(Group.COVERED, Outcome.ACCEPT): 0.8},
    )  # fmt: skip
    assert policy.target_of(Group.ABSENT, Outcome.ACCEPT) == 0.001
    assert policy.target_of(Group.COVERED, Outcome.ACCEPT) == 0.8
    assert policy.threshold(Outcome.ACCEPT, Group.ABSENT) == NEVER
    assert policy.threshold(Outcome.ACCEPT, Group.COVERED) < 1


def test_one_threshold_given_by_hand_goes_for_every_group():
    assert ON.threshold(Outcome.ACCEPT, Group.ABSENT) == 0.9
    decision = route(ON, "p", Advice(Outcome.ACCEPT, "accept", 0.95), Group.COVERED)
    assert decision.action is Action.ACCEPT and decision.group is Group.COVERED


def test_people_are_often_wrong_with_an_answer_that_is_rarely_right():
    assert people_wrong(0.5, 0.2) == pytest.approx(0.2)
    # 9 in 10 are so: of 100, people say yes to 90 * 0.8 and to 10 * 0.2
    assert people_wrong(0.74, 0.2) == pytest.approx(2 / 74)
    assert people_wrong(0.26, 0.2) == pytest.approx(18 / 26)
    assert people_wrong(0.0, 0.2) == 1.0


def test_an_answer_stands_no_further_than_where_it_is_as_right_as_peoples():
    rng = np.random.default_rng(8)
    confidences = rng.uniform(0.5, 1.0, 4000)
    truth = [Outcome.ACCEPT if u < c else Outcome.REJECT
             for c, u in zip(confidences, rng.random(4000), strict=True)]  # fmt: skip
    decisions = [Checked(Outcome.ACCEPT, float(c), t)
                 for c, t in zip(confidences, truth, strict=True)]  # fmt: skip
    pool, checked = split_pool(decisions, 2000, rng)
    given = {"check": Check.EV, "verifier": "v", "target": 0.6}
    free = choose_policy(checked, pool, **given).threshold(Outcome.ACCEPT)
    held = choose_policy(checked, pool, people_error=0.182, **given).threshold(Outcome.ACCEPT)
    assert free == pytest.approx(0.5, abs=0.01)
    said = np.mean([c.truth is Outcome.ACCEPT for c in checked])
    least = 1 - people_wrong(float(said), 0.182)
    assert least <= confidences[confidences >= held].mean() < least + 0.02


def _opposite(truth):
    return Outcome.REJECT if truth is Outcome.ACCEPT else Outcome.ACCEPT
