import numpy as np
import pytest

from samnb.engine.bounds import error_bound, level_of
from samnb.engine.routing import Check, Checked, Group, Outcome
from samnb.engine.routing_choice import choose_policy
from samnb.engine.routing_simulator import (
    COLUMNS,
    chosen_row,
    plot_reliability,
    plot_simulation,
    simulate_routing,
)
from samnb.metrics.calibration import reliability
from samnb.types import InputError
from tests.engine.routing_world import draw_decisions

YES, NO = Outcome.ACCEPT, Outcome.REJECT


def past():
    """Four decisions of 60 s; the two least sure are one right, one wrong."""
    return [Checked(YES, 0.9, YES, 60), Checked(NO, 0.8, NO, 60), Checked(YES, 0.7, NO, 60),
            Checked(NO, 0.6, NO, 60)]  # fmt: skip


def test_minutes_and_errors_of_each_threshold():
    table = simulate_routing(past(), audit_rate=0.1, thresholds=[0.85, 0.65, 0.5])
    assert tuple(table.columns) == COLUMNS
    assert table["n_auto"].tolist() == [0, 1, 3, 4]
    assert table["human_min"].tolist() == pytest.approx([4.0, 3.1, 1.3, 0.4])
    assert table["saved_min"].tolist() == pytest.approx([0.0, 0.9, 2.7, 3.6])
    assert table["n_wrong"].tolist() == [0, 0, 1, 1]
    assert table["error"].tolist()[1:] == pytest.approx([0.0, 1 / 3, 1 / 4])
    assert table["bound"][2] == pytest.approx(error_bound(1, 3, level_of(0.05)))


def test_one_outcome_by_itself():
    table = simulate_routing(past(), outcome=YES, thresholds=[0.5])
    assert table["n_auto"].tolist() == [0, 2] and table["n_wrong"].tolist() == [0, 1]


def test_with_nothing_standing_people_do_all():
    table = simulate_routing(past())
    assert (table["n_auto"][0], table["human_min"][0]) == (0, 4.0)
    assert bool(table["is_safe"][0])


def test_safe_thresholds_are_those_that_the_policy_would_choose():
    rng = np.random.default_rng(0)
    decisions = [c for c in draw_decisions(rng, 1500) if c.outcome is YES]
    pool = {(Group.ALL, YES): [c.confidence for c in decisions]}
    policy = choose_policy(decisions, pool, check=Check.MV, verifier="v", target=0.1)
    table = simulate_routing(decisions, outcome=YES, target=0.1)
    row = chosen_row(table, None)
    assert policy.threshold(YES) <= row["threshold"]
    lower = table[table["threshold"] < policy.threshold(YES)]
    assert len(lower) and not lower["is_safe"].any()


def test_minutes_fall_and_errors_rise_with_lower_thresholds():
    table = simulate_routing(draw_decisions(np.random.default_rng(1), 2000))
    assert (table["threshold"].diff().dropna() < 0).all()
    assert (table["human_min"].diff().dropna() <= 1e-9).all()
    assert table["error"].iloc[-1] > table["error"].iloc[20]


def test_a_chosen_threshold_is_its_row():
    table = simulate_routing(past(), thresholds=[0.85, 0.65, 0.5])
    assert chosen_row(table, 0.65)["n_auto"] == 3
    assert chosen_row(table, 0.99) is None


def test_figures_show_target_curve_and_choice():
    table = simulate_routing(draw_decisions(np.random.default_rng(2), 500), target=0.1)
    axes = plot_simulation(table, target=0.1, threshold=0.8).axes[0]
    curve, _, point = axes.lines
    assert len(curve.get_xdata()) == (table["n_auto"] > 0).sum()
    assert point.get_xdata()[0] == chosen_row(table, 0.8)["human_min"]
    assert plot_simulation(simulate_routing([])).axes


def test_a_reliability_diagram_has_a_point_for_each_bin():
    confidences = np.linspace(0.5, 1.0, 200)
    table = reliability(confidences, np.arange(200) % 5 > 0, n_bins=10)
    figure = plot_reliability(table, ece=0.1234)
    assert figure.axes[0].get_title() == "calibration error 0.123"
    assert len(figure.axes[1].patches) == len(table)


def test_an_audit_of_everything_is_refused():
    with pytest.raises(InputError, match="audit_rate"):
        simulate_routing(past(), audit_rate=1.0)
