import math

import pytest

from samnb.engine import stats
from samnb.engine.stats import disappears_and_returns
from samnb.events import Event, Looked
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


def timed(*times_s, who="ana"):
    """Ana looks at one object at these times, in the order in which the log got them."""
    return [
        Event(seq, at_s, who, Looked("m1", "i1", 0)) for seq, at_s in enumerate(times_s, start=1)
    ]


@pytest.mark.parametrize(
    ("times_s", "active_s"),
    [
        ((100, 104, 110), 10),
        # The other machine's clock is 8 s behind, or ahead: nobody works backward.
        ((100, 93, 102, 95, 104), 4),
        ((100, 109, 102, 111, 104), 11),
        # An hour off, either way: a stretch on each clock counts, the way between does not.
        ((100, 102, 3702, 3705, 106, 109), 8),
        ((5000, 5003, 12, 15, 5006), 6),
        # A clock that was never set.
        ((1.7e9, 1.7e9 + 2, 0, 1, 1.7e9 + 4), 3),
    ],
    ids=["one clock", "behind", "ahead", "hour ahead", "hour behind", "1970"],
)
def test_clocks_of_several_machines_give_no_negative_and_no_doubled_time(times_s, active_s):
    events = timed(*times_s)
    assert stats.active_time(events) == {("ana", "i1"): pytest.approx(active_s)}
    assert stats.throughput(events).active_s.sum() == pytest.approx(active_s)


def test_workers_clocks_do_not_mix():
    ana, bo = timed(100, 103, 106), timed(3600, 3604, who="bo")
    events = [ana[0], bo[0], ana[1], bo[1], ana[2]]
    assert stats.active_time(events) == {("ana", "i1"): 6.0, ("bo", "i1"): 4.0}


def test_throughput_has_only_stretches_with_work_and_none_before_the_log_began():
    table = stats.throughput(timed(7200, 7203, 0, 2, 7210, 7212), bin_s=60.0)
    assert list(table.start_s) == [0.0]
    assert table.active_s.sum() == 7.0
