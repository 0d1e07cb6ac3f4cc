import numpy as np
import pytest

from samnb.metrics.cgf1 import PairCount
from samnb.metrics.human import count_agreement, score_human
from samnb.types import InputError
from tests.metrics.concept_reference import f1, rle_span

ONE, FAR = rle_span(0, 10), rle_span(50, 60)


def score(*pairs, seed=0, n_repeats=200):
    found = [count_agreement(masks) for masks in pairs]
    return score_human(found, np.random.default_rng(seed), n_repeats=n_repeats)


def test_everybody_is_judged_by_everybody():
    got = count_agreement([[ONE], [ONE, FAR], []])
    assert len(got) == 6
    assert got[0, 1] == PairCount(1, 2, (1,) * 10) and got[1, 0] == PairCount(2, 1, (1,) * 10)
    assert got[0, 2] == PairCount(1, 0) and got[2, 1] == PairCount(0, 2)


def test_people_of_one_mind_are_perfect_both_ways():
    got = score([[ONE], [ONE], [ONE]], [[], [], []])
    assert got.oracle.cgf1 == pytest.approx(100, abs=0.02)
    assert got.random_cgf1 == pytest.approx(got.oracle.cgf1)


def test_the_oracle_takes_the_two_who_agree():
    got = score([[FAR], [ONE], [ONE]], [[ONE], [], []])
    assert (got.oracle.il_tp, got.oracle.il_tn) == (1, 1)
    assert got.oracle.tp == (1,) * 10


def test_among_equals_the_oracle_takes_the_fewest_errors():
    # Nobody agrees; the first two err by two masks, every other two by more.
    got = score([[ONE], [FAR], [rle_span(20, 30), rle_span(80, 90)]])
    assert got.oracle.fp == (1,) * 10 and got.oracle.fn == (1,) * 10


def test_the_random_pair_is_the_median_draw():
    # Two of six draws find the instance, so more than half of the repeats do not.
    got = score([[ONE], [ONE], [FAR]], n_repeats=301)
    assert got.random_pmf1 == 0 and got.oracle.pmf1 == pytest.approx(f1(1, 0, 0))
    # Over many pairs a third of the masks is found in nearly every draw.
    many = score(*[[[ONE], [ONE], [FAR]]] * 90, n_repeats=101)
    assert many.random_pmf1 == pytest.approx(1 / 3, abs=0.04)


def test_the_same_seed_gives_the_same_score():
    pairs = [[[ONE], [ONE, FAR], [FAR]], [[], [ONE], []]]
    assert score(*pairs, seed=3) == score(*pairs, seed=3)


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(InputError, match="at least two raters, got 1"):
        count_agreement([[ONE]])
    with pytest.raises(InputError, match="at least one pair"):
        score()
    with pytest.raises(InputError, match="at least 1, got 0"):
        score([[ONE], [ONE]], n_repeats=0)


def test_a_score_prints_and_tells_both_estimates():
    got = score([[ONE], [ONE], [ONE]], [[], [], []], n_repeats=5)
    assert str(got).count("cgF1 99.98") == 2 and "median of 5" in str(got)
    assert got.to_dict()["random_pair"]["n_repeats"] == 5
    assert got.to_dict()["oracle"]["cgf1"] == got.oracle.cgf1
