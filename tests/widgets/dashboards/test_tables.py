"""Tables, figures and key numbers as HTML."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from matplotlib.figure import Figure

from samnb.widgets.dashboards import tables


def test_a_table_escapes_words_and_draws_a_dash_for_nothing():
    html = tables.table_html(pd.DataFrame({"name": ["<b>"], "active_s": [math.nan]}))
    assert "&lt;b&gt;" in html and "<td>&lt;b&gt;" in html
    assert '<th scope="col" class=n>active (s)</th>' in html and "<td class=n>-</td>" in html


def test_a_long_table_is_cut_and_says_so():
    html = tables.table_html(pd.DataFrame({"n": range(tables.MAX_ROWS + 3)}))
    assert html.count("<tr>") == tables.MAX_ROWS + 1 and "3 more rows in the CSV" in html


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (True, "yes"), (0.123456, "0.1235"), (12345.6, "12346"), (7, "7"), ("a", "a")],
)
def test_a_cell_is_short(value, text):
    assert tables.cell_text(value) == text


def figure():
    made = Figure(figsize=(2, 1))
    made.add_subplot().set_title("A & B")
    return made


def test_a_figure_takes_the_colour_of_the_page():
    svg = tables.figure_svg(figure, "a figure")
    assert "currentColor" in svg and "#010203" not in svg and "A &amp; B" in svg
    assert 'aria-label="a figure"' in svg and "<metadata" not in svg
    assert "max-width:144pt" in svg and ' height="' not in svg.partition(">")[0]


def test_a_drawer_draws_again_only_what_changed():
    drawer, drawn = tables.Drawer(n_kept=1), []

    def make():
        drawn.append(1)
        return figure()

    one, two = pd.DataFrame({"n": [1]}), pd.DataFrame({"n": [2]})
    first = drawer.svg("f", one, make)
    assert drawer.svg("f", one, make) == first and len(drawn) == 1
    drawer.svg("f", two, make)
    drawer.svg("f", one, make)
    assert len(drawn) == 3, "only one is kept"


def test_steps_show_a_bar_only_where_there_is_something():
    html = tables.steps_html([("to do", 0), ("done", 1)], label="steps")
    assert "height:0%" in html and "height:100%" in html and 'aria-label="steps"' in html


def test_numbers_in_words():
    assert tables.share_text(0.256) == "26 %" and tables.share_text(math.nan) == "-"
    assert tables.number_text(2.716, " s") == "2.72 s" and tables.number_text(math.nan) == "-"
    assert tables.minutes_text(90) == "1.5 min" and tables.minutes_text(7200) == "2.0 h"
