import pandas as pd
import pytest

from samnb.engine.curves import (
    curve_points,
    interactions_at_equal_jf,
    run_curves,
    summarise,
)
from samnb.engine.simulation import TimeModel
from samnb.store.db import Log
from samnb.types import InputError
from tests.engine.scene import N_FRAMES, ColourTracker, make_truth


@pytest.fixture
def truth(tmp_path):
    return make_truth(tmp_path)


def run(path, truth, **kw):
    tracker = ColourTracker(rough=6, drift=1.0)
    return run_curves(path, truth, tracker=tracker, annotation_fps=24.0, **kw)


def test_points_come_from_the_log(tmp_path, truth):
    path = tmp_path / "c.samnb"
    points = run(path, truth, arms=("refine", "reproduce"), n_prompted=3)
    offline = points[(points["mode"] == "offline") & (points.arm == "refine")]
    assert offline[offline.target == "clip0/2"].n_prompted.tolist() == [1, 2, 3]
    first = offline.iloc[0]
    assert first.time_s == pytest.approx(TimeModel().offline_s(N_FRAMES, 1, first.clicks))
    last = offline.iloc[2]
    assert last.time_s == pytest.approx(0.1 * N_FRAMES * 3 + 3 + 1.5 * last.clicks)
    assert last.jf > first.jf
    log = Log(path)
    again = curve_points(log, truth)
    with pytest.raises(InputError, match="pass the session"):
        curve_points(log.read(), truth)
    log.close()
    pd.testing.assert_frame_equal(points, again)


def test_online_is_watched_once(tmp_path, truth):
    points = run(tmp_path / "c.samnb", truth, arms=("refine",), modes=("online",), n_prompted=2)
    row = points[points.n_prompted == 2].iloc[0]
    assert row.time_s == pytest.approx(0.1 * N_FRAMES + 2 + 1.5 * row.clicks)


def test_a_finished_run_is_not_done_again(tmp_path, truth):
    path = tmp_path / "c.samnb"
    kw = {"arms": ("redraw",), "modes": ("online",), "n_prompted": 2}
    first = run(path, truth, **kw)
    log = Log(path)
    n_events = len(log.read())
    again = run(path, truth, **kw)
    assert len(log.read()) == n_events
    log.close()
    pd.testing.assert_frame_equal(first, again)


def test_the_mean_curve_keeps_what_was_finished_early():
    points = pd.DataFrame(
        [
            ("online", "refine", "a", 1, 3, 10.0, 0.8, 0, 0),
            ("online", "refine", "b", 1, 3, 10.0, 0.4, 0, 0),
            ("online", "refine", "b", 2, 6, 15.0, 0.6, 0, 0),
        ],
        columns=["mode", "arm", "target", "n_prompted", "clicks", "time_s", "jf", "j", "f"],
    )
    curve = summarise(points, 2)
    assert curve.jf.tolist() == pytest.approx([0.6, 0.7])
    assert curve.clicks.tolist() == [3.0, 4.5] and curve.objects.tolist() == [2, 2]


def test_interactions_are_compared_at_equal_accuracy():
    rows = [("offline", "refine", n, jf, 3.0 * n) for n, jf in enumerate((0.5, 0.8, 0.9), 1)]
    rows += [("offline", "redraw", n, jf, 3.0 * n) for n, jf in enumerate((0.4, 0.65, 0.95), 1)]
    curves = pd.DataFrame(rows, columns=["mode", "arm", "n_prompted", "jf", "clicks"])
    table = interactions_at_equal_jf(curves)
    assert table.refine_clicks.tolist()[:2] == pytest.approx([3.0, 4.5])
    assert table.ratio.tolist()[:2] == pytest.approx([1.0, 6 / 4.5])
    assert table.ratio.isna().tolist() == [False, False, True]


def test_unknown_arms_and_modes_are_refused(tmp_path, truth):
    with pytest.raises(InputError, match="arms: expected"):
        run(tmp_path / "c.samnb", truth, arms=("magic",))
    with pytest.raises(InputError, match="modes: expected"):
        run(tmp_path / "c.samnb", truth, modes=("sideways",))
