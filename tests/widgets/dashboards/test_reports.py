"""What the statistics page says, as blocks."""

from __future__ import annotations

import pytest

from samnb.widgets.dashboards import reports
from samnb.widgets.dashboards.selection import Selection, read_log
from tests.widgets.dashboards.work import decide_pairs, hand_in


class NoDrawer:
    """Says what it was asked to draw; drawing itself is tested with the tables."""

    def svg(self, label, table, make):
        assert len(table) and callable(make)
        return f"<svg>{label}</svg>"


ALL = Selection()


@pytest.fixture
def log(open_project, media, picture):
    session = open_project("ana")
    item_id = hand_in(session, media.id)
    open_project("bo").judge(item_id, "satisfactory")
    decide_pairs(*picture)
    return read_log(session.log.read())


def titles(blocks):
    return [block.title for block in blocks]


def test_the_masklet_loop_in_blocks(log):
    blocks = list(reports.masklet_blocks(log, ALL, None, NoDrawer()))
    assert titles(blocks)[1:] == [
        "SAM 2's table, measured and published", "What became of the masklets",
        "The pace of work", "Effort by model version", "People and models", "Objects",
    ]  # fmt: skip
    tiles = blocks[0].html
    assert "<b>1</b><span>objects</span>" in tiles and "<b>1</b><span>verified</span>" in tiles
    assert "aligned" in blocks[1].html and "<dt>s/frame</dt>" in blocks[1].html
    assert blocks[-1].file == "masklets" and len(blocks[-1].table) == 1


def test_people_of_a_part_are_those_chosen(log):
    blocks = list(reports.masklet_blocks(log, Selection(worker="bo"), None, NoDrawer()))
    (people,) = [b.table for b in blocks if b.file == "workers"]
    assert list(people.worker) == ["bo"]


def test_the_concept_loop_in_blocks(log):
    blocks = list(reports.concept_blocks(log, ALL, NoDrawer()))
    assert titles(blocks)[1:] == [
        "Pairs decided", "What decided pairs cost", "Segmenters", "AI verifiers", "People", "Pairs",
    ]  # fmt: skip
    assert "<b>1</b><span>verified negatives</span>" in blocks[0].html
    assert set(blocks[-1].table.media) == {"picture.png"}
    decided = blocks[1].table
    assert decided.iloc[-1][["positive", "negative", "dropped"]].tolist() == [1, 1, 0]


def test_decided_pairs_can_be_drawn(log):
    table = reports.decided_over_time(list(log.pairs.pairs.values()))
    (axes,) = reports.plot_decided(table).axes
    assert len(axes.lines) == 3


def test_proposals_name_the_version_that_made_them(log):
    (made,) = reports.model_blocks(log, ALL)
    assert made.file == "lineage" and len(made.table) == 1


def test_where_there_is_nothing_there_are_no_blocks():
    log = read_log([])
    assert not list(reports.masklet_blocks(log, ALL, None, NoDrawer()))
    assert not list(reports.concept_blocks(log, ALL, NoDrawer()))
    assert not list(reports.model_blocks(log, ALL))
