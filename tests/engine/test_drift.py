from dataclasses import replace

import numpy as np
import pytest

from samnb.engine.drift import betting_capital, guard, watch, would_stand
from samnb.engine.routing import (
    Action,
    Advice,
    Check,
    Checked,
    Group,
    Outcome,
    RoutingPolicy,
    Threshold,
    route,
)
from samnb.types import InputError

TARGET = 0.05


def answers(is_wrong):
    return [
        Checked(Outcome.ACCEPT, 0.95, Outcome.REJECT if wrong else Outcome.ACCEPT)
        for wrong in is_wrong
    ]


def test_capital_is_a_fair_bet_at_the_target():
    """Expectation one at every time, exactly: summed over all outcomes of eight checks."""
    n = 8
    outcomes = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    chance = np.prod(np.where(outcomes, TARGET, 1 - TARGET), axis=1)
    capital = np.array([betting_capital(row, TARGET, every=3) for row in outcomes])
    assert chance @ capital == pytest.approx(np.ones(n))


def test_capital_is_expected_to_fall_below_the_target():
    n = 8
    outcomes = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    chance = np.prod(np.where(outcomes, 0.02, 0.98), axis=1)
    capital = np.array([betting_capital(row, TARGET, every=3) for row in outcomes])
    assert (np.diff(chance @ capital, prepend=1.0) < 0).all()


def test_a_verifier_that_keeps_its_promise_is_stopped_no_more_often_than_stated():
    rng = np.random.default_rng(0)
    alarms = [watch(answers(rng.random(400) < TARGET), TARGET, false_alarm=0.1).has_drifted
              for _ in range(100)]  # fmt: skip
    assert np.mean(alarms) <= 0.1


def test_a_drift_is_found_soon_also_after_a_long_good_time():
    rng = np.random.default_rng(1)
    found = []
    for _ in range(20):
        good, bad = rng.random(1000) < 0.03, rng.random(150) < 0.25
        report = watch(answers(np.concatenate([good, bad])), TARGET)
        assert report.has_drifted
        found.append(report.at - 1000)
    assert min(found) > 0
    assert np.median(found) < 80


def test_one_bettor_from_the_start_sees_a_late_drift_later():
    """Why the stake is shared: the same errors, judged by a single bet."""
    rng = np.random.default_rng(2)
    wrong = np.concatenate([rng.random(1000) < 0.02, rng.random(150) < 0.2])
    shared, single = (betting_capital(wrong, TARGET, every=e) for e in (20, 10**9))
    first = [int(np.argmax(c >= 100)) if (c >= 100).any() else 10**9 for c in (shared, single)]
    assert first[0] < first[1]


def test_the_report_says_when_and_how_many():
    report = watch(answers([False] * 5 + [True] * 20), TARGET)
    assert report.has_drifted and 5 < report.at <= 15
    assert "20 of 25 audited were wrong where at most 5.0% were promised" in report.reason
    assert "false-alarm rate 1.0%" in report.reason
    assert watch([], TARGET).reason == "nothing audited yet"


POLICY = RoutingPolicy(
    Check.MV, "v@1", thresholds=(Threshold(Outcome.ACCEPT, 0.9),), audit_rate=1.0
)


def audited(is_wrong, confidence=0.95):
    decision = route(POLICY, "m", Advice(Outcome.ACCEPT, "accept", confidence))
    return [(decision, Outcome.REJECT if wrong else Outcome.ACCEPT) for wrong in is_wrong]


def test_routing_returns_to_advice_with_the_reason():
    policy, report = guard(POLICY, audited([True] * 15))
    assert report.has_drifted and not policy.is_on
    assert policy.reason.startswith("advice only: the verifier has drifted: 15 of 15")
    assert route(policy, "m2", Advice(Outcome.ACCEPT, "accept", 1.0)).action is Action.ASK


def test_a_good_slice_leaves_the_policy_as_it_is():
    policy, report = guard(POLICY, audited([False] * 200))
    assert policy == POLICY and not report.has_drifted and report.n_checked == 200


def test_only_what_would_have_stood_is_watched():
    unsure = audited([True] * 30, confidence=0.5)
    assert not would_stand(unsure[0][0])
    policy, report = guard(POLICY, unsure)
    assert policy == POLICY and report.n_checked == 0


def test_errors_of_one_outcome_are_not_hidden_by_the_other():
    both = replace(POLICY, thresholds=(*POLICY.thresholds, Threshold(Outcome.REJECT, 0.9)))
    reject = route(both, "m", Advice(Outcome.REJECT, "reject", 0.95))
    slice_ = audited([False] * 300) + [(reject, Outcome.ACCEPT)] * 8
    policy, _ = guard(both, slice_)
    assert not policy.is_on


def test_a_group_that_drifted_goes_back_to_people_and_the_other_goes_on():
    ours, theirs = (Threshold(Outcome.ACCEPT, 0.9, group=g) for g in (Group.ABSENT, Group.COVERED))
    both = replace(
        POLICY, thresholds=(ours, theirs), targets=((Group.ABSENT, Outcome.ACCEPT, 0.3),)
    )
    sure = Advice(Outcome.ACCEPT, "accept", 0.95)
    covered = route(both, "m", sure, Group.COVERED)
    bad = [(covered, Outcome.REJECT)] * 15
    fine = [(route(both, "m", sure, Group.ABSENT), t) for t in (Outcome.ACCEPT,) * 8]
    policy, report = guard(both, fine + bad)
    assert report.has_drifted and policy.reason.startswith("covered back to people")
    assert policy.threshold(Outcome.ACCEPT, Group.ABSENT) == 0.9
    assert policy.threshold(Outcome.ACCEPT, Group.COVERED) > 1
    assert not guard(policy, fine + bad)[1].has_drifted


def test_each_group_is_watched_against_its_own_target():
    one = Threshold(Outcome.ACCEPT, 0.9, group=Group.ABSENT)
    strict = replace(POLICY, thresholds=(one,))
    lenient = replace(strict, targets=((Group.ABSENT, Outcome.ACCEPT, 0.5),))
    sure = Advice(Outcome.ACCEPT, "accept", 0.95)
    answers_ = [Outcome.REJECT if at % 4 == 0 else Outcome.ACCEPT for at in range(60)]
    slice_ = [(route(strict, "m", sure, Group.ABSENT), answer) for answer in answers_]
    assert guard(strict, slice_)[1].has_drifted
    assert not guard(lenient, slice_)[1].has_drifted


def test_an_advice_only_policy_has_nothing_to_watch():
    off = RoutingPolicy(Check.MV, "v@1")
    assert guard(off, [])[0] == off


@pytest.mark.parametrize("call", [
    lambda: betting_capital([True], 0.0), lambda: betting_capital([True], 0.1, every=0),
    lambda: watch([], 0.1, false_alarm=1.0),
])  # fmt: skip
def test_numbers_out_of_range_are_refused(call):
    with pytest.raises(InputError):
        call()
