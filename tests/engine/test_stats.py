import math

import pytest

from samnb.engine import stats
from samnb.engine.stats import disappears_and_returns
from samnb.types import Point, Stroke


@pytest.fixture
def worked(session, media, dog, clock, open_project):
    """Ana clicks twice with a coffee break, paints once, propagates; Bo accepts."""
    session.set_prompts(dog.id, 0, (Point(10, 10),))
    clock.now_s += 4
    session.set_prompts(dog.id, 0, (Point(10, 10), Point(12, 10)))
    clock.now_s += 400
    session.propagate(media.id)
    clock.now_s += 5
    session.paint(dog.id, 3, Stroke(((3.0, 3.0),), 1.0))
    clock.now_s += 1
    session.undo(dog.id, 3)
    session.redo(dog.id, 3)
    session.submit(dog.id)
    bo = open_project("bo")
    bo.next("verifier")
    clock.now_s += 7
    bo.judge(dog.id, "satisfactory")
    return session.log.read()


def test_a_masklet_s_cost_is_counted_from_its_events(worked):
    (row,) = stats.masklets(worked).to_dict("records")
    assert (row["step"], row["frames"], row["edited_frames"]) == ("accepted", 6, 2)
    assert row["edited_share"] == pytest.approx(2 / 6)
    assert (row["clicks"], row["clicks_per_clicked_frame"], row["strokes"]) == (2, 2.0, 1)
    assert (row["rounds"], row["verdicts"], row["undos"]) == (1, "satisfactory", 1)
    assert row["annotators"] == "ana" and row["verifiers"] == "bo"


def test_breaks_do_not_count_as_work(worked):
    assert stats.active_time(worked) == {
        ("ana", worked[3].body.item.id): 10.0,
        ("bo", worked[3].body.item.id): 7.0,
    }
    (row,) = stats.masklets(worked, idle_cutoff_s=1000).to_dict("records")
    assert row["active_s"] == pytest.approx(417.0)


def test_workers_get_a_row_each(worked):
    table = stats.workers(worked).set_index("worker")
    assert table.loc["bo", "accepted"] == 1 and table.loc["ana", "verdicts"] == 0
    assert table.loc["ana", "active_s"] == 10.0


def test_an_empty_log_gives_empty_tables(session):
    events = session.log.read()
    assert stats.masklets(events).empty
    assert math.isnan(stats.disappearance_rate(session.state, {}))


@pytest.mark.parametrize(
    ("areas", "expected"),
    [
        ([], False),
        ([0, 0], False),
        ([0, 5, 5], False),
        ([5, 5, 0], False),
        ([5, 0, 5], True),
        ([0, 5, 0, 0, 2], True),
    ],
)
def test_disappearing_means_to_come_back(areas, expected):
    assert disappears_and_returns(areas) is expected


def test_the_open_definitions_are_printed():
    assert "30 s" in stats.definitions()["active time"]
