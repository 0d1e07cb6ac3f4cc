import math

import numpy as np
import pytest
from scipy import stats

from samnb.metrics.calibration import (
    RELIABILITY_COLUMNS,
    apply_temperature,
    area_under_curve,
    brier_score,
    expected_calibration_error,
    fit_temperature,
    reliability,
    top_label,
    wilson,
)
from samnb.types import InputError


def test_the_error_is_the_weighted_gap_between_confidence_and_accuracy():
    # Ten at 0.95 of which six are right, thirty at 0.55 of which eighteen are.
    confidences = [0.95] * 10 + [0.55] * 30
    is_correct = [True] * 6 + [False] * 4 + [True] * 18 + [False] * 12
    expected = 0.25 * abs(0.6 - 0.95) + 0.75 * abs(0.6 - 0.55)
    assert expected_calibration_error(confidences, is_correct, n_bins=10) == pytest.approx(expected)


def test_gaps_of_opposite_sign_do_not_cancel_between_bins_but_do_within_one():
    confidences, is_correct = [0.9, 0.1], [False, True]
    assert expected_calibration_error(confidences, is_correct, n_bins=2) == pytest.approx(0.9)
    assert expected_calibration_error(confidences, is_correct, n_bins=1) == pytest.approx(0.0)


def test_perfectly_calibrated_draws_show_only_the_noise_the_docstring_states():
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(40):
        confidences = rng.uniform(0.6, 1.0, 1000)
        errors.append(expected_calibration_error(confidences, rng.random(1000) < confidences))
    assert 0.01 < np.mean(errors) < 0.04


def test_an_upper_edge_belongs_to_its_bin_and_zero_to_the_first():
    table = reliability([0.0, 0.5, 0.5001, 1.0], [True] * 4, n_bins=2)
    assert table["n"].tolist() == [2, 2]
    assert tuple(table.columns) == RELIABILITY_COLUMNS


def test_bins_of_equal_mass_hold_equally_many():
    values = np.linspace(0.9, 0.999, 60)
    assert reliability(values, values > 0, n_bins=6, binning="mass")["n"].tolist() == [10] * 6
    assert len(reliability(values, values > 0, n_bins=6)) == 1


def test_the_interval_is_wilsons():
    low, high = wilson(7, 10)
    other = stats.binomtest(7, 10).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((other.low, other.high), abs=1e-5)
    assert wilson(0, 5)[0] == 0.0 and wilson(5, 5)[1] == 1.0


def test_the_top_label_is_right_when_it_is_the_answer():
    confidences, is_correct = top_label([[0.7, 0.3], [0.4, 0.6]], [0, 0])
    assert confidences.tolist() == [0.7, 0.6] and is_correct.tolist() == [True, False]


def test_a_temperature_undoes_sharpening():
    rng = np.random.default_rng(1)
    honest = rng.dirichlet([1.0, 1.0, 1.0], 4000)
    answers = np.array([rng.choice(3, p=p) for p in honest])
    sharp = apply_temperature(honest, 1 / 3)
    found = fit_temperature(sharp, answers)
    assert found == pytest.approx(3.0, rel=0.08)
    before = expected_calibration_error(*top_label(sharp, answers))
    after = expected_calibration_error(*top_label(apply_temperature(sharp, found), answers))
    assert before > 0.1 and after < 0.03


def test_a_temperature_keeps_the_order_and_the_sum():
    table = apply_temperature([[0.7, 0.2, 0.1], [0.0, 0.5, 0.5]], 2.5)
    assert table.sum(axis=1) == pytest.approx([1, 1])
    assert table[0].argsort().tolist() == [2, 1, 0]
    assert apply_temperature([0.25, 0.75], 1.0) == pytest.approx([0.25, 0.75])


def test_the_brier_score_runs_from_zero_to_two():
    assert brier_score([[1.0, 0.0]], [0]) == 0.0
    assert brier_score([[1.0, 0.0]], [1]) == 2.0
    assert brier_score([[0.5, 0.5]], [1]) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: expected_calibration_error([], []), "N >= 1"),
        (lambda: expected_calibration_error([1.2], [True]), "from 0 to 1"),
        (lambda: expected_calibration_error([math.nan], [True]), "from 0 to 1"),
        (lambda: reliability([0.5], [True], n_bins=0), "n_bins"),
        (lambda: reliability([0.5], [True], binning="depth"), "binning"),
        (lambda: top_label([[0.5, 0.5]], [2]), "columns 0 to 1"),
        (lambda: apply_temperature([0.5, 0.5], 0.0), "above 0"),
        (lambda: wilson(3, 2), "n_right"),
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_the_area_is_the_chance_of_the_right_order():
    is_so = np.array([True, True, False, False])
    assert area_under_curve(np.array([0.9, 0.4, 0.5, 0.4]), is_so) == (1 + 1 + 0 + 0.5) / 4
    assert np.isnan(area_under_curve(np.array([0.5]), np.array([True])))
