import numpy as np

from samnb.models.training import synthetics
from samnb.models.training.clips import MIN_VISIBLE


def test_every_object_is_seen_at_the_start():
    for seed in range(3):
        clip = synthetics.synthetic_clip(3, 96, np.random.default_rng(seed))
        assert clip.frames.shape == (3, 96, 96, 3)
        assert 1 <= clip.masks.shape[1] <= 3
        assert (clip.masks[0].mean((1, 2)) > MIN_VISIBLE / 2).all()
        assert not (clip.masks.sum(1) > 1).any()


def test_test_clips_repeat_and_differ_from_each_other():
    first, second = synthetics.test_clips(2, 2, 64)
    again = next(iter(synthetics.test_clips(1, 2, 64)))
    assert np.array_equal(first.frames, again.frames)
    assert not np.array_equal(first.frames, second.frames)


def test_training_never_draws_a_test_seed(monkeypatch):
    seeds = []
    made = synthetics.make_clip
    monkeypatch.setattr(
        synthetics, "make_clip", lambda seed, **kw: (seeds.append(seed), made(seed, **kw))[1]
    )
    rng = np.random.default_rng(0)
    for _ in range(5):
        synthetics.synthetic_clip(1, 64, rng)
    list(synthetics.test_clips(2, 1, 64))
    assert all(s < synthetics.TEST_SEEDS for s in seeds[:5])
    assert all(s >= synthetics.TEST_SEEDS for s in seeds[-2:])
