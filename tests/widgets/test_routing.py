import xml.etree.ElementTree as ET

import numpy as np
import pytest

from samnb.engine.routing import Outcome
from samnb.engine.routing_simulator import chosen_row, simulate_routing
from samnb.widgets.routing import RoutingSlider, chart_svg
from tests.engine.routing_world import draw_decisions


@pytest.fixture
def past():
    return draw_decisions(np.random.default_rng(0), 1500)


def circle(svg):
    return next(e for e in ET.fromstring(svg).iter() if e.tag == "circle")


def test_it_opens_at_the_lowest_safe_threshold(past):
    slider = RoutingSlider(past, target=0.1)
    assert slider.threshold == chosen_row(slider.table, None)["threshold"]
    assert "Safe: at most 10.0% wrong" in slider.words.value


def test_dragging_moves_the_point_and_says_what_it_costs(past):
    told = []
    slider = RoutingSlider(past, target=0.1, on_change=lambda *a: told.append(a))
    before = float(circle(slider.chart.value).get("cx"))
    slider.row.value = slider.row.max
    assert float(circle(slider.chart.value).get("cx")) < before
    assert "Not safe" in slider.words.value and "100% of the answers stand" in slider.words.value
    assert told == [(None, slider.threshold)]
    slider.to_safe.click()
    assert float(circle(slider.chart.value).get("cx")) == before


def test_at_the_first_row_people_answer_everything(past):
    slider = RoutingSlider(past)
    slider.row.value = 0
    assert slider.threshold > 1
    assert "Nothing stands" in slider.words.value


def test_a_stricter_target_lets_less_stand(past):
    slider = RoutingSlider(past, target=0.12)
    loose = slider.threshold
    slider.target.value = 6.0
    assert slider.threshold > loose


def test_one_kind_of_answer_at_a_time(past):
    slider = RoutingSlider(past)
    slider.outcome.value = Outcome.ACCEPT
    n = sum(one.outcome is Outcome.ACCEPT for one in past)
    assert slider.table["n_auto"].max() == n


def test_the_chart_takes_the_pages_colour_and_is_sound_svg(past):
    table = simulate_routing(past)
    root = ET.fromstring(chart_svg(table, 5, 0.05))
    assert root.get("fill") == "currentColor"
    line = next(e for e in root.iter() if e.tag == "polyline")
    assert len(line.get("points").split()) == (table["n_auto"] > 0).sum()


def test_without_a_past_it_says_so_and_cannot_be_dragged():
    slider = RoutingSlider([])
    assert slider.row.disabled and "Nothing stands" in slider.words.value
    assert ET.fromstring(slider.chart.value).tag == "svg"
