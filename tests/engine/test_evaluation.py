import threading

import numpy as np
import pytest

from samnb.engine.evaluation import EvalSettings, evaluate
from samnb.engine.simulation import TimeModel
from samnb.masks import rle as rle_ops
from samnb.models.trainable import LabelledClip
from samnb.types import InputError
from tests.engine.scene import ColourTracker
from tests.engine.verified import add_verified, open_session, truth_clip


@pytest.fixture
def clip(tmp_path):
    session = open_session(tmp_path / "p.samnb")
    (medium,) = add_verified(session, tmp_path, 1)
    yield truth_clip(session, medium)
    session.close()


def test_a_perfect_tracker_needs_one_click_an_object(clip):
    found = evaluate(ColourTracker(rough=0, drift=0.0), [clip])
    seconds = TimeModel().offline_s(len(clip.objects[0]), n_prompted=1, n_clicks=1)
    assert found.pop("time_s") == pytest.approx(seconds)
    assert found == {"jf": 1.0, "j": 1.0, "f": 1.0, "clicks": 1.0, "reached": 1.0, "objects": 2.0}


def test_a_drifting_tracker_scores_lower_and_costs_more_clicks(clip):
    good = evaluate(ColourTracker(rough=0, drift=0.0), [clip])
    bad = evaluate(ColourTracker(rough=0, drift=1.5), [clip])
    assert bad["jf"] < good["jf"] - 0.2
    assert bad["clicks"] > good["clicks"]


def test_j_is_the_mean_over_frames_then_objects(clip):
    still = LabelledClip("s", clip.frames, ({p: clip.objects[1][p] for p in (0, 1, 2)},))
    found = evaluate(ColourTracker(rough=0, drift=1.0), [still], EvalSettings(max_rounds=1))
    ious = []
    for shift in (0, 1, 2):
        gt = rle_ops.decode(clip.objects[1][shift])
        pred = np.roll(gt, shift, 1)
        ious.append((gt & pred).sum() / (gt | pred).sum())
    assert found["j"] == pytest.approx(np.mean(ious))


def test_it_stops_at_the_target_or_at_the_last_round(clip):
    lazy = evaluate(ColourTracker(rough=0, drift=1.5), [clip], EvalSettings(target_j=0.01))
    assert lazy["clicks"] == 1.0 and lazy["reached"] == 1.0
    strict = EvalSettings(target_j=1.0, max_rounds=3)
    hard = evaluate(ColourTracker(rough=0, drift=1.5), [clip], strict)
    assert hard["reached"] == 0.0
    # One click makes the colour exact, so a round costs one each.
    assert hard["clicks"] == pytest.approx(3.0)


def test_no_more_clicks_than_allowed_go_on_a_frame(clip):
    rough = ColourTracker(rough=40, drift=0.0)
    settings = EvalSettings(clicks=2, target_j=1.0, max_rounds=1)
    assert evaluate(rough, [clip], settings)["clicks"] == 2.0


def test_an_object_starts_where_it_is_first_seen(clip):
    empty = rle_ops.empty(clip.frames.size_hw)
    late = {p: (empty if p < 3 else r) for p, r in clip.objects[1].items()}
    one = LabelledClip("late", clip.frames, (late,))
    assert evaluate(ColourTracker(rough=0, drift=0.0), [one])["jf"] == 1.0


def test_progress_counts_clips_and_cancelling_keeps_the_finished(clip):
    told, cancel = [], threading.Event()

    def tell(done, total):
        told.append((done, total))
        if done == 1:
            cancel.set()

    clips = [LabelledClip(str(n), clip.frames, clip.objects) for n in range(3)]
    found = evaluate(ColourTracker(), clips, on_progress=tell, cancel=cancel)
    assert told == [(0, 3), (1, 3), (3, 3)] and found["objects"] == 4.0


def test_nothing_visible_cannot_be_measured(clip):
    empty = rle_ops.empty(clip.frames.size_hw)
    with pytest.raises(InputError, match="at least one visible object"):
        evaluate(ColourTracker(), [LabelledClip("n", clip.frames, ({0: empty},))])
    with pytest.raises(InputError, match="at least 1 click"):
        EvalSettings(clicks=0)
