import math

import numpy as np
import pytest

from samnb.comparison.growth import fit_growth


def test_a_known_slope_comes_back_with_an_interval_around_it():
    rng = np.random.default_rng(0)
    runs = [
        [100 * n - 7 * math.log2(k) + rng.normal(0, 2) for k in range(1, 40)] for n in (1, 2)
    ]  # fmt: skip
    growth = fit_growth(runs)
    assert growth.slope_s == pytest.approx(-7, abs=0.6)
    assert growth.low_s < -7 < growth.high_s < 0
    assert growth.n_media == 78 and growth.share[0] == growth.slope_s / growth.mean_s


def test_runs_of_different_cost_do_not_make_a_slope():
    growth = fit_growth([[10.0] * 8, [90.0] * 8])
    assert growth.slope_s == pytest.approx(0) and growth.mean_s == 50


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_the_interval_holds_as_often_as_it_says(level):
    rng = np.random.default_rng(1)
    held = [
        g.low_s <= 0 <= g.high_s
        for g in (fit_growth([rng.normal(50, 9, 12).tolist()], level) for _ in range(400))
    ]
    assert np.mean(held) == pytest.approx(level, abs=0.06)


def test_too_few_media_have_a_mean_and_no_slope():
    growth = fit_growth([[3.0, 5.0]])
    assert growth.mean_s == 4 and math.isnan(growth.slope_s)
    assert fit_growth([]).n_media == 0
