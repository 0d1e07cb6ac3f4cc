import numpy as np
import pytest

from samnb.metrics.cgf1 import PairCount, count_pair
from samnb.models.concept_check import Check, checked

HIT = count_pair(np.ones((1, 1)))
MISS = count_pair(np.zeros((0, 1)))
CLEAN = count_pair(np.zeros((0, 0)))
FALSE = count_pair(np.zeros((1, 0)))


def test_a_version_that_is_better_everywhere_is_surely_better():
    before = [[HIT, MISS, CLEAN, CLEAN]] * 10
    after = [[HIT, HIT, CLEAN, CLEAN]] * 10
    found = checked(before, after, np.random.default_rng(0))
    assert found.is_better and found.pairs == 40 and found.error == pytest.approx(0.0)
    assert found.base < found.new == pytest.approx(100.0, abs=0.5)


def test_a_gain_within_chance_is_none():
    """Eleven pictures get better, ten get worse."""
    one, two = [HIT, CLEAN, FALSE], [HIT, CLEAN, CLEAN]
    before, after = [one] * 11 + [two] * 10, [two] * 11 + [one] * 10
    found = checked(before, after, np.random.default_rng(0))
    assert found.base < found.new < found.base + found.error and not found.is_better
    assert "standard error" in str(found) and str(found).endswith("nothing else was learned")


def test_the_standard_error_has_to_be_passed():
    assert Check(40.0, 42.0, 9, 1.5).is_better and not Check(40.0, 41.0, 9, 1.5).is_better
    assert isinstance(HIT, PairCount)
