import math

import numpy as np
import pytest

from samnb.engine import stats
from samnb.engine.phasestats import PAPER, size_of
from samnb.masks import rle as rle_ops
from samnb.types import Point

H, W = 20, 30


def block(x0, x1, y1=10):
    mask = np.zeros((H, W), bool)
    mask[:y1, x0:x1] = True
    return rle_ops.encode(mask)


@pytest.fixture
def compared(session, media, clock, open_project):
    """One target in Phases 1 and 3 by two people; Phase 3 is off on one frame of six and
    both say absent on the last one."""
    one = session.add_item(media.id, phase=1, target_id="t")
    for frame in range(5):
        clock.now_s += 8
        session.set_mask(one.id, frame, block(0, 8))
    clock.now_s += 2
    session.mark_absent(one.id, 5)
    session.submit(one.id)
    bo = open_project("bo")
    three = bo.add_item(media.id, phase=3, target_id="t")
    clock.now_s += 3
    bo.set_prompts(three.id, 0, (Point(4, 4), Point(6, 6)))
    bo.propagate(media.id, [three.id])
    for frame, rle in ((0, block(0, 8)), (1, block(0, 7)), (2, block(0, 6)), (3, block(0, 8))):
        bo.set_mask(three.id, frame, rle)
    clock.now_s += 1.5
    bo.set_mask(three.id, 4, block(0, 8, 9))
    bo.mark_absent(three.id, 5)
    bo.submit(three.id)
    return session


def test_the_table_is_computed_from_the_log(compared):
    table = stats.phases(compared)
    one, three = table.row(1), table.row(3)
    assert (one.n_masklets, one.n_frames, one.edited_share) == (1, 6, 1.0)
    assert one.s_per_frame == pytest.approx((5 * 8 + 2) / 6)
    assert math.isnan(one.clicks_per_clicked_frame)
    assert three.s_per_frame == pytest.approx(4.5 / 6)
    assert three.clicks_per_clicked_frame == 2.0
    assert three.speed_up == pytest.approx(42 / 4.5)


def test_alignment_needs_more_than_three_quarters_and_leaves_common_absence_out(compared):
    three = stats.phases(compared).row(3)
    # IoU 1, 7/8, 6/8 (not above 0.75), 1, 9/10; the sixth frame is empty in both
    assert three.n_aligned["all"] == 5
    assert three.aligned["all"] == pytest.approx(4 / 5)
    assert three.n_aligned["small"] == 5 and math.isnan(three.aligned["large"])


def test_the_paper_s_row_stands_beside_each_and_the_choices_below(compared):
    table = stats.phases(compared)
    frame = table.to_frame()
    assert frame["row"].tolist() == ["measured", "paper"] * 2
    assert frame["speed-up"].tolist()[-1] == pytest.approx(37.8 / 4.5)
    text = str(table)
    assert "23.25" not in text and "19.04" in text and "IoU > 0.75" in text
    assert "<dt>aligned</dt>" in table._repr_html_()
    rows = table.to_dict()["rows"]
    assert rows[0]["clicks_per_clicked_frame"] is None and rows[1]["paper"]["s_per_frame"] == 4.5


def test_events_alone_do_but_give_no_alignment(compared):
    row = stats.phases(compared.log.read()).row(3)
    assert row.clicks_per_clicked_frame == 2.0 and math.isnan(row.aligned["all"])


def test_rows_split_by_annotator_and_by_model(compared):
    groups = [r.group for r in stats.phases(compared, by="annotator").rows]
    assert groups == ["phase 1, ana", "phase 3, bo"]
    groups = [r.group for r in stats.phases(compared, by="model").rows]
    assert groups == ["phase 1, no model", "phase 3, square@1"]


def test_what_was_not_handed_in_or_not_touched_does_not_count(session, media, dog):
    session.set_prompts(dog.id, 0, (Point(4, 4),))
    assert stats.phases(session).rows == ()
    with pytest.raises(KeyError):
        stats.phases(session).row(3)


def test_published_speed_ups():
    assert [round(PAPER[n].speed_up, 1) for n in (1, 2, 3)] == [1.0, 5.1, 8.4]


@pytest.mark.parametrize(
    ("area", "size"), [(1023, "small"), (1024, "medium"), (9215, "medium"), (9216, "large")]
)
def test_size_buckets(area, size):
    assert size_of(area) == size


@pytest.fixture
def judged(session, media, clock, open_project):
    """Three masklets by Ana: accepted at once, accepted after a round, dropped."""
    bo = open_project("bo")
    items = [session.add_item(media.id, n) for n in ("a", "b", "c")]
    for item in items:
        clock.now_s += 10
        session.set_prompts(item.id, 0, (Point(4, 4),))
        clock.now_s += 10
        session.mark_absent(item.id, 2)
        session.set_mask(item.id, 5, block(0, 8))
        session.propagate(media.id, [item.id])
        session.submit(item.id)
    for item, verdict in zip(items, ("satisfactory", "unsatisfactory", "reject"), strict=True):
        bo.refresh()
        bo.judge(item.id, verdict)
    session.refresh()
    session.submit(items[1].id)
    bo.refresh()
    bo.judge(items[1].id, "satisfactory")
    return session


def test_acceptance_rounds_and_disappearance(judged):
    (row,) = stats.acceptance(judged).to_dict("records")
    assert (row["masklets"], row["accepted"], row["rejected"], row["open"]) == (3, 2, 1, 0)
    assert row["satisfactory_rate"] == 0.5 and row["reject_rate"] == 0.25
    assert row["rounds_until_accepted"] == 1.5
    assert row["disappearance_rate"] == 1.0
    assert row["accepted_per_hour"] == pytest.approx(3600 * 2 / 60)
    assert math.isnan(stats.acceptance(judged.log.read())["disappearance_rate"][0])


def test_acceptance_by_source_annotator_and_model(judged):
    assert stats.acceptance(judged, by="source")["group"].tolist() == ["manual"]
    assert stats.acceptance(judged, by="annotator")["group"].tolist() == ["ana"]
    assert stats.acceptance(judged, by="model")["group"].tolist() == ["square@1"]


def test_throughput_is_binned_from_the_log_s_beginning(judged):
    table = stats.throughput(judged, bin_s=30.0)
    assert table["start_s"].tolist() == [0.0, 30.0, 60.0]
    assert table["clicks"].tolist() == [1, 2, 0]
    assert table["accepted"].tolist() == [0, 0, 2]
    assert table["active_s"].sum() == pytest.approx(60.0)
    assert table["masks"].sum() == 3 * 3 + 3 * 3
    assert stats.throughput([]).empty


def test_effort_by_model_version(judged):
    (row,) = stats.effort(judged).to_dict("records")
    assert (row["model"], row["masklets"], row["clicks"]) == ("square@1", 3, 1.0)
    assert row["edited_frames"] == 3.0 and row["active_s"] == pytest.approx(20)
    assert row["rounds"] == pytest.approx(4 / 3)
