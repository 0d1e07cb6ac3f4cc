"""What the dashboards have in common."""

from __future__ import annotations

from samnb.types import LogError
from samnb.widgets.dashboards.page import Dashboard, Refusal, growth_text
from samnb.widgets.jobs import inline
from samnb.widgets.surface import ROOT_CLASS
from tests.widgets.conftest import Later, is_shown


class Counting(Dashboard):
    """Counts its looks."""

    n_looks = 0

    def look(self):
        self.n_looks += 1


def test_it_is_one_widget_with_a_heading_in_plain_text():
    page = Counting("Title", "<b>.samnb", note="made up & honest", runners=inline, later=Later())
    assert {ROOT_CLASS, "samnb-dashboard"} <= set(page.widget._dom_classes)
    assert "&lt;b&gt;.samnb" in page.heading.value and "up &amp; honest" in page.note.value
    assert "application/vnd.jupyter.widget-view+json" in page._repr_mimebundle_()


def test_it_looks_now_and_then_until_it_is_closed():
    later = Later()
    page = Counting("Title", "", runners=inline, later=later)
    page.start()
    assert page.n_looks == 1
    later.run()
    later.run()
    assert page.n_looks == 3
    page.close()
    later.run()
    assert page.n_looks == 3 and not later.waiting


def test_the_style_of_the_studio_comes_along():
    page = Counting("Title", "", runners=inline, later=Later())
    assert ".samnb-button" in page.sheet._css and ".samnb-tile" in page.sheet._css


def test_a_refusal_tells_why_and_what_to_do():
    page = Refusal("Statistics", "x.samnb", LogError("x.samnb: no such project file"), "Make <one>")
    assert is_shown(page.banner.widget) and "no such project file" in page.banner.words.value
    assert "Make &lt;one&gt;" in page.body.children[0].value


def test_growth_in_words():
    assert growth_text(0, None) == "no events yet"
    assert growth_text(12, 0.0).startswith("12 events · last ")
