import math

import pytest

from samnb.comparison.account import account_of
from samnb.comparison.people import people_seconds
from samnb.engine.concepts import stats
from samnb.store.db import Log
from samnb.types import InputError
from tests.comparison.flat import NAMED


@pytest.fixture
def logs(helped, alone):
    opened = Log(helped), Log(alone)
    yield opened
    for log in opened:
        log.close()


def test_people_s_seconds_of_pairs_are_those_of_the_loop_s_own_statistics(logs):
    for log in logs:
        total_s = stats.pairs(log).seconds_s.sum()
        assert sum(people_seconds(log.read()).values()) == pytest.approx(total_s)
        assert account_of(log).people_s == pytest.approx(total_s)


def test_where_people_answer_everything_models_decide_nothing(logs, flat):
    account = account_of(logs[1], world=flat)
    assert account.n_ai_items == 0 and account.audits == (0, 0)
    assert math.isnan(account.promised) and math.isnan(account.s_all[1])
    assert account.n_items == 3 * 2 * len(NAMED) and account.n_phrases == len(NAMED)
    assert account.started_share == 0 and set(account.roles) == {"mv", "ev", "correct"}


def test_what_models_decide_is_counted_and_held_against_truth(logs, flat):
    account = account_of(logs[0], world=flat)
    assert 0 < account.n_ai_items < account.n_items
    assert (account.quality.n_ai, account.quality.ai_wrong) == (account.n_ai_items, 0)
    assert account.promised == 0.2 and account.audits[1] > 0
    assert account.touches < account_of(logs[1]).touches


def test_what_models_save_is_people_s_time_before_against_after(logs):
    account = account_of(logs[0], before=logs[1])
    assert account.s_negative[0] > account.s_negative[1]
    assert account.s_all[0] == pytest.approx(account_of(logs[1]).s_all[0])


def test_one_thing_under_two_phrases_is_one_thing(logs):
    account = account_of(logs[1])
    assert account.n_distinct < account.n_masks


def test_the_machine_s_seconds_come_from_the_log(logs):
    assert account_of(logs[0]).compute_s > 0


def test_without_truth_there_are_no_scores_and_without_masks_no_account(logs):
    assert math.isnan(account_of(logs[0]).quality.cgf1)
    with pytest.raises(InputError, match="masks"):
        account_of(logs[0].read())
