"""Clips cut out of labelled video."""

from __future__ import annotations

import json

import numpy as np
import pytest

from samnb.models.mobile import build_architecture
from samnb.models.training import cli, memory, realclips
from samnb.models.training import pool as pool_room
from samnb.models.training.clips import Clip
from samnb.models.training.realclips import RealWindow, cut_clip, load_windows, whole_clips
from samnb.models.training.stock import Stock

SIDE, LENGTH = 40, 10


def window(name: str = "a@w0000", disagreed: tuple[int, ...] = ()) -> RealWindow:
    """Object 0 counts but on `disagreed` frames, object 1 is away on the last two frames; the
    brightness of a frame tells its number."""
    frames = np.zeros((LENGTH, SIDE, SIDE, 3), np.uint8)
    frames += (20 * np.arange(LENGTH, dtype=np.uint8))[:, None, None, None]
    masks = np.zeros((LENGTH, 2, SIDE, SIDE), bool)
    for t in range(LENGTH):
        masks[t, 0, 4:14, 2 * t : 2 * t + 10] = True
    masks[: LENGTH - 2, 1, 22:34, 5:17] = True
    agreed = np.ones((LENGTH, 2), bool)
    agreed[list(disagreed), 0] = False
    return RealWindow.pack(name, frames, masks, agreed)


def numbers(clip: Clip) -> list[int]:
    """Which frames of the window a clip shows."""
    return np.round(clip.frames.mean((1, 2, 3)) / 20).astype(int).tolist()


def test_a_window_survives_the_file(tmp_path):
    before = window()
    before.save(tmp_path / "a@w0000.npz")
    after = RealWindow.load(tmp_path / "a@w0000.npz")
    assert (after.name, after.source, after.size, len(after)) == ("a@w0000", "a", SIDE, LENGTH)
    assert after.pictures == before.pictures
    assert np.array_equal(after.agreed, before.agreed)
    assert np.array_equal(after.share, before.share)
    assert np.array_equal(after.bits, before.bits)
    assert [p.name for p in tmp_path.iterdir()] == ["a@w0000.npz"]


def test_clips_come_at_any_size():
    clip = window().clip([0, 5], [0], 20)
    assert clip.frames.shape == (2, 20, 20, 3)
    assert numbers(clip) == [0, 5]
    truth = np.zeros((20, 20), bool)
    truth[2:7, 5:10] = True
    assert np.array_equal(clip.masks[1, 0], truth)
    mirrored = window().clip([0, 5], [0], 20, mirrored=True)
    assert np.array_equal(mirrored.masks, clip.masks[..., ::-1])


def test_clips_depend_on_the_seed_alone():
    one, two = (cut_clip([window()], 4, SIDE, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(one.frames, two.frames)
    assert np.array_equal(one.masks, two.masks)


def test_clips_are_cut_around_frames_that_do_not_count():
    source = window(disagreed=(4,))
    made = [cut_clip([source], 4, SIDE, np.random.default_rng(seed)) for seed in range(60)]
    both = [clip for clip in made if clip.masks.shape[1] == 2]
    assert both
    assert all(4 not in numbers(clip) for clip in both)
    assert all(clip.masks[0].any((1, 2)).all() for clip in made)


def test_time_runs_either_way_and_at_two_speeds():
    made = [cut_clip([window()], 4, SIDE, np.random.default_rng(seed)) for seed in range(40)]
    steps = {int(step) for clip in made for step in np.diff(numbers(clip))}
    assert steps == {-2, -1, 1, 2}


def test_no_clip_is_longer_than_what_counts():
    with pytest.raises(ValueError, match="12 frames"):
        cut_clip([window()], 12, SIDE, np.random.default_rng(0))
    with pytest.raises(ValueError, match="got none in 0"):
        cut_clip([], 4, SIDE, np.random.default_rng(0))


def test_training_takes_real_clips(tmp_path, monkeypatch):
    def refuse(*args, **how):
        raise AssertionError("expected real clips only")

    monkeypatch.setattr(pool_room, "synthetic_clip", refuse)
    monkeypatch.setattr(pool_room, "compose_clip", refuse)
    settings = memory.MemorySettings(
        minutes=0, lengths=(4,), until=(1.0,), pseudo_share=1.0, warm_clips=0
    )
    model = build_architecture(64)
    stock = Stock([], [])
    memory.run_memory(model, stock, stock, settings, tmp_path, windows=[window()])
    assert (tmp_path / "memory.safetensors").is_file()
    with pytest.raises(AssertionError, match="real clips only"):
        memory.run_memory(model, stock, stock, settings, tmp_path / "without")


@pytest.fixture
def folder(tmp_path):
    """Windows of videos a and b, and one in which nothing was kept."""
    for name in ("a@w0000", "a@w0004", "b@w0000"):
        window(name).save(tmp_path / f"{name}.npz")
    entries = {f"{name}": {"kept": 2} for name in ("a@w0000", "a@w0004", "b@w0000")}
    realclips.write_manifest(tmp_path, {"windows": {**entries, "c@w0000": {"kept": 0}}})
    return tmp_path


def test_held_out_videos_are_kept_apart(folder):
    train, held = load_windows(folder, ["a"])
    assert [w.name for w in train] == ["b@w0000"]
    assert [w.name for w in held] == ["a@w0000", "a@w0004"]
    with pytest.raises(FileNotFoundError, match="pseudo step"):
        load_windows(folder / "none")


def test_clips_are_cut_from_what_a_folder_holds(folder):
    windows, _ = load_windows(folder, ["a"])
    rng = np.random.default_rng(0)
    assert realclips.cut_clip(windows, 4, 20, rng).frames.shape == (4, 20, 20, 3)


def test_measuring_takes_objects_that_count_from_the_start():
    clips = list(whole_clips([window(disagreed=(2,)), window(disagreed=(9,))], 8, SIDE))
    assert [clip.masks.shape[:2] for clip in clips] == [(8, 1), (8, 2)]
    assert numbers(clips[0]) == list(range(8))


@pytest.mark.parametrize(("windows", "share", "low", "high"), [
    ([window()], 0.25, 60, 140),
    ([window()], 0.0, 0, 0),
    ([], 0.25, 0, 0),
])  # fmt: skip
def test_real_clips_take_their_share_of_the_pool(monkeypatch, windows, share, low, high):
    drawn = {"real": 0, "drawn": 0, "composed": 0}

    def count(kind):
        def make(*args, **how):
            drawn[kind] += 1

        return make

    monkeypatch.setattr(pool_room, "cut_clip", count("real"))
    monkeypatch.setattr(pool_room, "synthetic_clip", count("drawn"))
    monkeypatch.setattr(pool_room, "compose_clip", count("composed"))
    monkeypatch.setattr(pool_room, "encode_clip", lambda model, clip, **_: clip)
    model = type("Model", (), {"image_size": 64})()
    pool = pool_room.ClipPool(model, None, 8, 4, 0.5, windows, share)
    rng = np.random.default_rng(0)
    for _ in range(400):
        pool.add(rng)
    assert low <= drawn["real"] <= high
    rest = 400 - drawn["real"]
    assert 0.4 * rest < drawn["drawn"] < 0.6 * rest
    assert sum(drawn.values()) == 400


def test_real_clips_are_encoded_at_the_models_size(monkeypatch):
    monkeypatch.setattr(pool_room, "encode_clip", lambda model, clip, **_: clip)
    model = type("Model", (), {"image_size": 32})()
    pool = pool_room.ClipPool(model, None, 2, 4, 0.5, [window()], 1.0)
    pool.add(np.random.default_rng(0))
    assert pool.clips[0].frames.shape == (4, 32, 32, 3)


def test_measuring_on_real_clips_needs_a_held_out_video(folder):
    with pytest.raises(ValueError, match="held-out: expected a video"):
        cli.main(["--threads", "1", "eval", "--pseudo", str(folder), "--size", "64"])


def test_real_clips_are_measured_beside_drawn_ones(folder, capsys):
    words = ["--threads", "1", "eval", "--pseudo", str(folder), "--held-out", "a", "--size", "64"]
    words += ["--clips", "1", "--length", "3", "--modes", "mask", "--rounds", "1"]
    assert cli.main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["real_objects"] == 4
    assert 0 <= told["real_jf_mask_round1"] <= 1
    assert {"synthetic_jf_mask", "real_jf_copy", "real_jf_flow"} <= told.keys()
    assert not [name for name in told if "click" in name]
