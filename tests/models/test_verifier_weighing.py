import numpy as np
import pytest

from samnb.models.verifier_weighing import WeighedPair, Weighing, fit_weighing
from samnb.types import InputError


def pictures(n, *, knows, seed=0):
    """Pairs of one candidate; the segmenter guesses, and MV knows or guesses too."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(n):
        pairs = []
        for is_right in (True, False, False):
            found = np.array([rng.uniform(0.3, 0.7)])
            told = 0.9 if is_right else 0.1
            accepted = np.array([told if knows else rng.uniform(0.1, 0.9)])
            ious = np.array([[0.9]]) if is_right else np.zeros((1, 0))
            pairs.append(WeighedPair(found, accepted, ious))
        made.append(pairs)
    return made


def test_who_knows_gets_the_weight():
    fitted = fit_weighing(pictures(24, knows=True))
    assert fitted.weighing is not None
    assert fitted.weighing.accepted > abs(fitted.weighing.found)
    assert fitted.crossed.cgf1 > 80 > fitted.alone.cgf1
    high, low = fitted.weighing.chances([0.5, 0.5], [0.9, 0.1])
    assert high > 0.5 > low


def sure_pictures(n):
    """The segmenter is right about everything, and MV says the same about everything."""
    return [
        [
            WeighedPair(np.array([0.9]), np.array([0.5]), np.array([[0.9]])),
            WeighedPair(np.array([0.1]), np.array([0.5]), np.zeros((1, 0))),
        ]
        for _ in range(n)
    ]


def test_where_nothing_is_gained_the_segmenter_is_left_alone():
    fitted = fit_weighing(sure_pictures(12))
    assert fitted.weighing is None
    assert fitted.crossed.cgf1 <= fitted.alone.cgf1


def test_the_least_chance_becomes_a_half():
    by = Weighing(0.0, 1.0, 0.0, least=0.3)
    assert by.chances([0.3], [0.9]) == pytest.approx(0.5)
    assert by.chances([0.8], [0.1])[0] > 0.8


def test_nothing_found_is_nothing_to_weigh():
    none = WeighedPair(np.zeros(0), np.zeros(0), np.zeros((0, 1)))
    fitted = fit_weighing([[none], [none]])
    assert fitted.weighing is None
    assert Weighing(0, 1, 1).chances(np.zeros(0), np.zeros(0)).shape == (0,)


def test_one_picture_cannot_be_cross_validated():
    with pytest.raises(InputError, match="at least 2"):
        fit_weighing(sure_pictures(1))
