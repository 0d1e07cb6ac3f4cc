import numpy as np
import pytest

from samnb.metrics.cgf1 import count_pair, total
from samnb.metrics.paired import gains, interval
from samnb.types import InputError

HIT = count_pair(np.ones((1, 1)))
MISS = count_pair(np.zeros((0, 1)))
CLEAN = count_pair(np.zeros((0, 0)))
FALSE = count_pair(np.zeros((1, 0)))
BEFORE = [[HIT, FALSE], [MISS, CLEAN], [HIT, CLEAN]]
AFTER = [[HIT, CLEAN], [HIT, CLEAN], [MISS, FALSE]]


@pytest.mark.parametrize("what", ["cgf1", "il_mcc", "pmf1"])
def test_a_draw_counts_each_picture_as_often_as_it_has_it(what):
    drawn = [0, 0, 2]
    before, after = (
        getattr(total(one for at in drawn for one in way[at]), what) for way in (BEFORE, AFTER)
    )
    found = gains(BEFORE, AFTER, np.array([[2, 0, 1]]), what)
    assert found.tolist() == pytest.approx([after - before])


def test_equal_answers_gain_nothing():
    assert interval(BEFORE, BEFORE) == (0.0, 0.0)


def test_the_interval_holds_a_sure_gain():
    low, high = interval([[HIT, MISS, CLEAN]] * 9, [[HIT, HIT, CLEAN]] * 9)
    assert 0 < low <= high


@pytest.mark.parametrize("other", [[], BEFORE[:2]])
def test_other_pictures_are_refused(other):
    with pytest.raises(InputError, match="as many twice"):
        interval(BEFORE if other else [], other)
