"""A part of a log is a log again."""

from __future__ import annotations

import pytest

from samnb.engine import stats
from samnb.engine.concepts import stats as concept_stats
from samnb.widgets.dashboards.selection import Selection, choices, read_log, select
from tests.widgets.dashboards.work import decide_pairs, hand_in


@pytest.fixture
def log(open_project, media, picture, clock):
    """Ana's object in phase 3, which Bo verified, and Bo's in phase 2; two pairs."""
    ana, bo = open_project("ana"), open_project("bo")
    first = hand_in(ana, media.id, name="first")
    clock.now_s += 10
    bo.refresh()
    bo.judge(first, "satisfactory")
    clock.now_s += 5
    hand_in(bo, media.id, (20, 10), name="second", phase=2)
    decide_pairs(*picture)
    return read_log(bo.log.read())


def names(log, **wanted):
    return set(stats.masklets(select(log, Selection(**wanted))).name)


def phrases(log, **wanted):
    return set(concept_stats.pairs(select(log, Selection(**wanted))).phrase)


def test_everything_is_the_log_itself(log):
    assert select(log, Selection()) is log.events


def test_objects_are_chosen_by_worker_phase_model_and_medium(log, media):
    assert names(log) == {"first", "second"}
    assert names(log, worker="ana") == {"first"}
    assert names(log, worker="bo") == {"first", "second"}, "Bo verified the first"
    assert names(log, phase="2") == {"second"}
    assert names(log, media=media.id) == {"first", "second"}
    assert names(log, model="none") == names(log, worker="nobody") == set()


def test_pairs_are_chosen_too_and_have_no_phase(log, picture):
    assert phrases(log) == phrases(log, phase="2") == {"cup", "dog"}
    assert phrases(log, worker="mia") == {"cup"}
    assert phrases(log, model="judge@1") == {"cup", "dog"}
    assert phrases(log, media=picture[1]) == {"cup", "dog"}
    assert phrases(log, worker="ana") == set()


def test_what_is_left_out_takes_no_time_from_what_stays(log):
    whole = stats.masklets(log.events).set_index("name").active_s
    part = stats.masklets(select(log, Selection(phase="2"))).set_index("name").active_s
    assert part["second"] == whole["second"]


def test_choices_are_what_the_log_has(log):
    found = choices(log)
    assert ("mia", "mia") in found["worker"]
    assert found["phase"] == (("Phase 2", "2"), ("Phase 3", "3"))
    assert ("judge@1", "judge@1") in found["model"]
    assert {words for words, _ in found["media"]} == {"frames", "picture.png"}


def test_an_empty_log_offers_nothing():
    log = read_log([])
    assert not len(select(log, Selection(worker="ana"))) and not any(choices(log).values())
