"""The statistics page as widgets."""

from __future__ import annotations

import pytest

from samnb.widgets.dashboards import statistics as page_module
from samnb.widgets.dashboards.statistics import NO_MATCH, NOTHING
from samnb.widgets.dashboards.tables import Drawer
from samnb.widgets.jobs import inline
from tests.widgets.conftest import is_shown
from tests.widgets.dashboards.work import decide_pairs, hand_in


@pytest.fixture(autouse=True)
def no_drawing(monkeypatch):
    """Drawing takes seconds and is tested with the tables."""
    monkeypatch.setattr(Drawer, "svg", lambda _self, label, _table, _make: f"<svg>{label}</svg>")


def shown(page):
    """Titles of the blocks on show."""
    return [p.title.value for p in page._blocks[: len(page.parts.children)]]


def test_an_empty_project_says_what_to_do(statistics):
    page = statistics()
    for tab, (title, _) in NOTHING.items():
        page.tabs[tab].click()
        assert title in page.parts.children[0].value
        assert "samnb-on" in page.tabs[tab]._dom_classes
    assert "events · last" in page.status.value


def test_looking_joins_nobody(open_project, media, later):
    log = open_project("ana").log
    before = [e.seq for e in log.read()]
    page_module.Statistics(log, runners=inline, later=later).close()
    assert [e.seq for e in log.read()] == before


def test_it_follows_the_log_of_others(statistics, open_project, media, later):
    page = statistics()
    assert "No objects yet" in page.parts.children[0].value
    hand_in(open_project("bo"), media.id)
    later.run()
    assert "1</b><span>objects" in page._blocks[0].inside.value
    assert ("bo", "bo") in page.filters["worker"].options


def test_what_did_not_change_is_not_read_again(statistics, open_project, media, later, monkeypatch):
    statistics()
    monkeypatch.setattr(page_module, "read_log", pytest.fail)
    later.run()


def test_a_filter_holds_until_it_is_taken_away(statistics, open_project, media, later):
    hand_in(open_project("bo"), media.id)
    page = statistics()
    page.filters["worker"].value = "viewer"
    assert NO_MATCH[0] in page.parts.children[0].value
    hand_in(open_project("cy"), media.id, (20, 10))
    later.run()
    assert page.filters["worker"].value == "viewer", "news do not change it"
    page.reset.click()
    assert "2</b><span>objects" in page._blocks[0].inside.value


def test_what_is_of_another_selection_is_dimmed(statistics, open_project, media, monkeypatch):
    hand_in(open_project("bo"), media.id)
    page = statistics()
    assert not any("samnb-stale" in p.widget._dom_classes for p in page._blocks)
    waiting = []
    monkeypatch.setattr(page.work, "post_latest", lambda _key, work: waiting.append(work))
    page.filters["worker"].value = "bo"
    assert all("samnb-stale" in p.widget._dom_classes for p in page._blocks)
    waiting[-1]()
    assert not any("samnb-stale" in p.widget._dom_classes for p in page._blocks)


def test_a_table_is_saved_whole(statistics, open_project, media, monkeypatch):
    hand_in(open_project("bo"), media.id, name="a, b")
    page, sent = statistics(), []
    monkeypatch.setattr(page.sheet, "send", lambda *message: sent.append(message))
    page._blocks[len(page.parts.children) - 1].csv.click()
    ((content, (data,)),) = sent
    assert content == {"kind": "save", "name": "masklets.csv", "type": "text/csv"}
    assert data.decode().startswith("media,object,name") and '"a, b"' in data.decode()


def test_pairs_have_a_tab(statistics, picture):
    decide_pairs(*picture)
    page = statistics()
    page.tabs["concepts"].click()
    assert any("AI verifiers" in title for title in shown(page))
    page.tabs["masklets"].click()
    assert "No objects yet" in page.parts.children[0].value


def test_routing_is_tried_on_what_people_checked(statistics, picture, monkeypatch):
    monkeypatch.setattr(page_module, "figure_svg", lambda _make, label: f"<svg>{label}</svg>")
    decide_pairs(*picture)
    page = statistics()
    assert not is_shown(page.routing)
    page.tabs["routing"].click()
    assert is_shown(page.routing)
    assert page.verifier.options == ("judge@1, MV", "judge@1, EV without masks")
    assert "1 answers" in page.reliability.value
    page.verifier.value = "judge@1, EV without masks"
    assert page.slider.table.n_auto.max() == 1
    assert page.simulator.children == (page.slider.widget,)


def test_without_a_random_slice_there_is_nothing_to_try(statistics, picture):
    from tests.engine.concepts.world import Verifier
    from tests.widgets.concept_bench import propose

    loop, media_id = picture
    propose(loop, media_id, "cup", [0])
    loop.verify(Verifier())
    page = statistics()
    page.tabs["routing"].click()
    assert "Nobody was asked yet" in page.reliability.value and not page.simulator.children


def test_an_error_is_on_the_page(statistics, later, monkeypatch):
    page = statistics()
    monkeypatch.setattr(page._log, "read", lambda _seq: 1 / 0)
    later.run()
    assert "ZeroDivisionError" in page.banner.words.value and is_shown(page.banner.widget)
