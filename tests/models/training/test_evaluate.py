"""Measuring tracking, with rounds of correction."""

from __future__ import annotations

import numpy as np
import pytest

from samnb.models.base import Prediction
from samnb.models.mobile import build_mobile
from samnb.models.training import evaluate
from samnb.models.training.clips import Clip
from samnb.models.training.evaluate import evaluate_tracking

SIDE, LENGTH = 64, 5


def truth() -> np.ndarray:
    """Two squares that move: (T, 2, S, S)."""
    masks = np.zeros((LENGTH, 2, SIDE, SIDE), bool)
    for t in range(LENGTH):
        masks[t, 0, 8:24, 4 + 4 * t : 20 + 4 * t] = True
        masks[t, 1, 40:56, 4 + 4 * t : 20 + 4 * t] = True
    return masks


class _Session:
    """Right on prompted frames; elsewhere the first mask, which is worse the later it is.

    Remembers what it was asked for; `deaf` objects stay as they are.
    """

    def __init__(self, masks, deaf=()):
        self.masks, self.deaf = masks, deaf
        self.prompted = {}
        self.clicks = []
        self.propagated = []

    def set_prompts(self, obj_id, position, prompts):
        right = self.masks[position, obj_id]
        found = np.zeros_like(right) if obj_id in self.deaf else right
        self.prompted[obj_id, position] = prompts.mask if prompts.mask is not None else found
        self.clicks.append((obj_id, position, len(prompts.points_xy)))
        return Prediction(self.prompted[obj_id, position], 1.0, 1.0, 1.0)

    def propagate(self, *, start, stop, obj_ids):
        self.propagated.append(list(obj_ids))
        for t in range(start, stop + 1):
            found = {i: self.prompted.get((i, t), self.prompted[i, 0]) for i in obj_ids}
            yield t, {i: Prediction(mask, 1.0, 1.0, 1.0) for i, mask in found.items()}

    def close(self):
        pass


@pytest.fixture
def play(monkeypatch):
    """Evaluate a clip with a fake session; returns the scores and the session."""

    def run(*, deaf=(), **how):
        masks = truth()
        session = _Session(masks, deaf)
        monkeypatch.setattr(evaluate, "MemorySession", lambda *args: session)
        monkeypatch.setattr(evaluate, "Sam2Backend", lambda *args, **kw: None)
        model = type("Model", (), {"eval": lambda self: self})()
        frames = np.zeros((LENGTH, SIDE, SIDE, 3), np.uint8)
        return evaluate_tracking(model, [Clip(frames, masks)], modes=("mask",), **how), session

    return run


def test_each_round_mends_the_worst_frame_that_is_left(play):
    scores, session = play(rounds=(1, 2, 4))
    corrected = [position for obj_id, position, n in session.clicks if obj_id == 0 and n]
    assert corrected == [4, 3, 2, 1]
    curve = [scores[f"jf_mask{part}"] for part in ("", "_round1", "_round2", "_round4")]
    assert curve == sorted(curve)
    assert curve[-1] == 1
    assert "jf_mask_round3" not in scores


def test_a_corrected_frame_is_left_alone_even_if_it_stays_wrong(play):
    _, session = play(rounds=(3,), deaf=(1,))
    corrected = [position for obj_id, position, n in session.clicks if obj_id == 1 and n == 1]
    assert corrected == [4, 3, 2]
    assert max(n for _, _, n in session.clicks) == evaluate.ROUND_CLICKS


@pytest.mark.parametrize(("side", "label"), [(24, 0), (8, 1)])
def test_the_first_click_of_a_correction_is_on_the_larger_error(side, label):
    right = np.zeros((1, SIDE, SIDE), bool)
    right[0, 8:24, 4:20] = True
    found = np.zeros_like(right)
    found[0, 4 : 4 + side, 36 : 36 + side] = True
    asked = []

    class Session:
        def set_prompts(self, obj_id, position, prompts):
            asked.append(int(prompts.point_labels[0]))
            return Prediction(right[0], 1.0, 1.0, 1.0)

    track = evaluate._Track(0, "mask", right, found, set())
    assert track.correct(Session(), 1)
    assert asked == [label]


def test_what_is_right_is_not_tracked_again(play):
    scores, session = play(rounds=(8,))
    assert len(session.propagated) == 1 + (LENGTH - 1)  # after that nothing is left
    assert scores["jf_mask_round8"] == 1


def test_a_round_clicks_until_the_frame_is_right(play):
    _, session = play(rounds=(1,), round_clicks=3, deaf=(1,))
    assert [n for obj_id, _, n in session.clicks if obj_id == 0] == [0, 1]
    assert [n for obj_id, _, n in session.clicks if obj_id == 1] == [0, 1, 2, 3]


def test_rounds_are_measured_as_in_use():
    model = build_mobile(SIDE, predictor="base", choose=False)
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 60, (LENGTH, SIDE, SIDE, 3)).astype(np.uint8)
    masks = truth()
    frames[masks.any(1)] = 220
    clips = [Clip(frames, masks)]
    scores = evaluate_tracking(model, clips, modes=("click1",), rounds=(2,), round_clicks=2)
    plain = evaluate_tracking(model, clips, modes=("click1",))
    assert {k: v for k, v in scores.items() if "round" not in k} == plain
    assert scores["j_click1_round2"] != scores["j_click1"]


def test_impossible_rounds_and_no_clips_are_refused():
    model = build_mobile(SIDE, predictor="base", choose=False)
    with pytest.raises(ValueError, match="1 or more"):
        evaluate_tracking(model, [], rounds=(0, 2))
    with pytest.raises(ValueError, match="at least one object"):
        evaluate_tracking(model, [])
