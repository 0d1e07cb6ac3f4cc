"""What the chooser learns from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from samnb.models.mobile import FAST_SIZE, QUALITY_SIZE
from samnb.models.training.cutouts import TaughtPicture
from samnb.models.training.lessons import Lessons, Material, join_lessons
from samnb.models.training.realclips import RealWindow
from samnb.models.training.stock import Stock

LENGTH = 8


def lessons(seed: int) -> Lessons:
    generator = torch.Generator().manual_seed(seed)
    ious = torch.rand(6, generator=generator)
    return Lessons(
        torch.rand(6, 4, generator=generator),
        ious,
        torch.tensor([2, 4]),
        torch.tensor([True, False]),
    )


def test_a_file_gives_back_what_was_seen(tmp_path):
    lessons(1).save(tmp_path / "a.safetensors")
    again = Lessons.load(tmp_path / "a.safetensors")
    for name in ("numbers", "ious", "counts", "absent"):
        assert torch.equal(getattr(again, name), getattr(lessons(1), name))
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


def test_several_are_joined_in_order():
    both = join_lessons([lessons(1), lessons(2)])
    assert torch.equal(both.numbers[6:], lessons(2).numbers)
    assert both.counts.tolist() == [2, 4, 2, 4]


def test_equal_chance_gives_equal_clips():
    one, other = (Material().clip(0, LENGTH, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(one.frames, other.frames)


@pytest.mark.parametrize("number", [2, 3, 6])
def test_half_of_the_clips_are_about_absence(number):
    clip = Material().clip(number, 16, np.random.default_rng(number))
    away = (~clip.masks.any((2, 3))).sum(0)
    assert ((away >= 3) & (away <= 12)).all()


@pytest.mark.parametrize(("number", "size"), [(0, FAST_SIZE), (4, QUALITY_SIZE)])
def test_some_clips_are_of_the_quality_build(number, size):
    clip = Material().clip(number, LENGTH, np.random.default_rng(5))
    assert clip.frames.shape == (LENGTH, size, size, 3)


def test_every_other_clip_is_composed_where_there_are_pictures():
    image = np.zeros((64, 64, 3), np.uint8)
    image[..., 0] = 200
    cutout = np.full((40, 40, 4), 255, np.uint8)
    cutout[..., 1:3] = 0
    objects = np.zeros((0, 64, 64), bool)
    clicks = np.zeros((0, 3, 256, 256), bool)
    xy, ious = np.zeros((0, 2), np.float32), np.zeros((0, 3), np.float32)
    taught = TaughtPicture("red", image, xy, clicks, ious, objects)
    material = Material(Stock([taught], [cutout]))
    assert _redness(material.clip(0, LENGTH, np.random.default_rng(1)).frames) > 60
    assert _redness(material.clip(1, LENGTH, np.random.default_rng(1)).frames) < 60


def test_some_clips_are_cut_from_real_video():
    frames = np.full((LENGTH, 32, 32, 3), 77, np.uint8)
    masks = np.zeros((LENGTH, 1, 32, 32), bool)
    masks[:, 0, 8:20, 8:20] = True
    window = RealWindow.pack("a@w0", frames, masks, np.ones((LENGTH, 1), bool))
    clip = Material(windows=[window]).clip(6, LENGTH, np.random.default_rng(2))
    assert (clip.frames == 77).all()


def _redness(frames: np.ndarray) -> float:
    red, green = frames[..., 0].astype(float), frames[..., 1].astype(float)
    return float((red - green).mean())


def test_all_clips_can_be_of_one_size():
    clip = Material().clip(0, LENGTH, np.random.default_rng(5), QUALITY_SIZE)
    assert clip.frames.shape == (LENGTH, QUALITY_SIZE, QUALITY_SIZE, 3)
