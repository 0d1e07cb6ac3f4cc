"""Learning to choose among candidates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from samnb.models.candidates import FEATURES
from samnb.models.chooser import sum_up
from samnb.models.mobile import build_mobile
from samnb.models.training.chooser import fit_chooser, play
from samnb.models.training.evaluate import evaluate_tracking
from samnb.models.training.lessons import Lessons, join_lessons
from samnb.models.training.synthetics import synthetic_clip

_COUNT = len(FEATURES)


def told(numbers: torch.Tensor, ious: torch.Tensor, group: int = 4) -> Lessons:
    """Frames of equally many candidates; the object is out of sight where none is any good."""
    counts = torch.full((len(ious) // group,), group)
    return Lessons(numbers, ious, counts, ious.reshape(-1, group).amax(1) <= 0)


def test_the_fit_predicts_iou_from_the_number_that_tells_it():
    generator = torch.Generator().manual_seed(0)
    numbers = torch.rand(3000, _COUNT, generator=generator)
    chooser = fit_chooser(told(numbers, numbers[:, 3] ** 2))
    fresh = torch.rand(500, _COUNT, generator=generator)
    error = (chooser.quality(fresh).sigmoid() - fresh[:, 3] ** 2).abs().mean()
    assert float(error) < 0.08


def test_absence_is_learned_from_frames_without_the_object():
    """A column that all candidates of a frame share tells whether it is there."""
    generator = torch.Generator().manual_seed(2)
    numbers = torch.rand(4000, _COUNT, generator=generator)
    gone = torch.rand(1000, generator=generator) < 0.4
    numbers[:, 5] = gone.repeat_interleave(4).float()
    ious = numbers[:, 3] * ~gone.repeat_interleave(4)
    chooser = fit_chooser(Lessons(numbers, ious, torch.full((1000,), 4), gone))
    expected = chooser.quality(numbers).sigmoid()
    rows = zip(numbers.split(4), expected.split(4), strict=True)
    said = torch.stack([chooser.absence(sum_up(x, e)) for x, e in rows]) > 0
    assert float((said == gone).float().mean()) > 0.97


def test_equal_seeds_give_equal_choosers():
    numbers = torch.rand(100, _COUNT, generator=torch.Generator().manual_seed(1))
    one, other = (fit_chooser(told(numbers, numbers[:, 0]), seed=4) for _ in range(2))
    assert torch.equal(one.quality(numbers), other.quality(numbers))


def test_lessons_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=f"expected \\(N, {_COUNT}\\)"):
        fit_chooser(told(torch.rand(8, 3), torch.rand(8)))


@pytest.fixture(scope="module")
def model():
    return build_mobile(64, predictor="base", choose=False)


def lessons(model, seed: int, chooser=None) -> Lessons:
    rng = np.random.default_rng(seed)
    return play(model, [synthetic_clip(4, 64, rng)], rng, chooser)


def test_a_played_clip_gives_described_candidates(model):
    told = lessons(model, 5)
    assert told.numbers.shape == (len(told.ious), _COUNT)
    assert bool(told.numbers.isfinite().all())
    assert bool(((told.ious >= 0) & (told.ious <= 1)).all())
    assert int(told.counts.sum()) == len(told.ious)
    assert len(told.counts) == len(told.absent)


def test_a_chooser_decides_what_a_track_follows(model):
    plain = lessons(model, 6)
    refuses_all = fit_chooser(replace(plain, absent=torch.ones_like(plain.absent)))
    assert len(join_lessons([plain, lessons(model, 6, refuses_all)]).ious) > len(plain.ious)


def test_tracking_is_measured_as_in_use(model):
    clip = synthetic_clip(4, 64, np.random.default_rng(8))
    scores = evaluate_tracking(model, [clip], modes=("mask", "click3"))
    assert scores["objects"] == clip.masks.shape[1]
    assert 0 <= scores["jf_mask"] <= 1
    assert 0 < scores["prompt_click3"] <= 1


def test_unknown_modes_are_named(model):
    with pytest.raises(ValueError, match="expected some of"):
        evaluate_tracking(model, [], modes=("scribble",))
