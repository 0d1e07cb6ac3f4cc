import pytest

from samnb.comparison.pace import Pace, definitions, stretched
from samnb.engine.phasestats import PAPER
from samnb.engine.simulation import TimeModel


def seconds_a_frame(phase):
    """By the formula, with the paper's own edits and clicks."""
    times, row = Pace().masklet, PAPER[phase]
    view_s = 0 if phase == 1 else times.view_s
    clicks_s = times.click_s * row.clicks_per_clicked_frame
    return row.edited_share * (times.locate_s + clicks_s) + view_s


@pytest.mark.parametrize(("phase", "tolerance"), [(1, 0.001), (2, 0.02), (3, 0.09)])
def test_the_stretched_formula_gives_what_people_in_the_paper_took(phase, tolerance):
    assert seconds_a_frame(phase) == pytest.approx(PAPER[phase].s_per_frame, rel=tolerance)


def test_every_duration_is_stretched_alike():
    assert stretched(TimeModel(), 2) == TimeModel(2.0, 3.0, 0.2, 3.0, 3.0, 3.0)


def test_the_choice_is_told():
    assert "4.6 times" in definitions()["people's time, masklets"]
