"""Labelling real video by following things both ways in time."""

from __future__ import annotations

import dataclasses
import json

import av
import numpy as np
import pytest

from samnb.models.base import Prediction
from samnb.models.colour import ColourTracker
from samnb.models.training import cli, pseudo
from samnb.models.training.pseudo import PseudoSettings, judge_cycle
from samnb.models.training.realclips import RealWindow, read_manifest
from samnb.models.training.tracking import ClipFrames

SIDE = 48
SETTINGS = PseudoSettings(length=8, hop=4, size=SIDE, grid=6)


def square(x: int, y: int = 10, side: int = 12) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[y : y + side, x : x + side] = True
    return mask


def test_an_object_found_again_where_it_began_is_kept():
    forward = np.stack([square(4 + 2 * t) for t in range(8)])
    found = judge_cycle(forward, forward.copy(), 7, SETTINGS)
    assert found.is_kept
    assert (found.first_iou, found.mean_iou) == (1, 1)
    assert found.agreed.all()


def test_an_object_found_elsewhere_is_dropped():
    forward = np.stack([square(4 + 2 * t) for t in range(8)])
    backward = forward.copy()
    backward[0] = square(30, 30)
    found = judge_cycle(forward, backward, 7, SETTINGS)
    assert found.first_iou == 0
    assert not found.is_kept
    assert not found.agreed.any()


def test_frames_without_agreement_do_not_count():
    forward = np.stack([square(4 + 2 * t) for t in range(8)])
    backward = forward.copy()
    backward[3] = square(32)
    found = judge_cycle(forward, backward, 7, SETTINGS)
    assert found.is_kept
    assert found.mean_iou == pytest.approx(6 / 7)
    assert found.agreed.tolist() == [True] * 3 + [False] + [True] * 4


def test_what_both_ways_call_absent_counts_and_what_only_one_saw_go_does_not():
    forward = np.stack([square(4 + 2 * t) for t in range(8)])
    forward[2] = forward[6:] = False  # behind something, then gone for good
    found = judge_cycle(forward, forward.copy(), 5, SETTINGS)
    assert found.agreed.tolist() == [True] * 6 + [False] * 2


def test_an_object_lost_in_the_first_half_is_dropped():
    forward = np.stack([square(4 + 2 * t) for t in range(8)])
    forward[3:] = False
    assert not judge_cycle(forward, forward.copy(), 2, SETTINGS).is_kept


class _Things:
    """A tracker that knows where things are, and takes up another one in forward time.

    Args:
        places: (T, K, S, S) bool, the things.
        jumps: thing by thing, which one it takes up from the middle of the clip on.
    """

    name = "things@1"

    def __init__(self, places, jumps):
        self.places, self.jumps = places, jumps
        self.prompted: dict[int, tuple[int, int]] = {}

    def open(self, frames):
        return _Things(self.places, self.jumps)

    def close(self):
        pass

    def set_prompts(self, obj_id, position, prompts):
        overlap = (self.places[position] & prompts.mask).sum((1, 2))
        self.prompted[obj_id] = position, int(overlap.argmax())

    def propagate(self, *, start, stop, obj_ids=None):
        step = -1 if stop < start else 1
        for t in range(start, stop + step, step):
            found = {}
            for obj_id in obj_ids if obj_ids is not None else self.prompted:
                thing = self.prompted[obj_id][1]
                if step > 0 and t >= len(self.places) // 2:
                    thing = self.jumps.get(thing, thing)
                found[obj_id] = Prediction(self.places[t, thing], 1.0, 1.0, 1.0)
            yield t, found


def test_a_track_that_takes_up_another_thing_does_not_find_the_way_back():
    places = np.stack(
        [[square(2 + 2 * t), square(2 + 2 * t, 28), square(30, 30)] for t in range(8)]
    )
    tracker = _Things(places, jumps={1: 2})
    frames = ClipFrames(np.zeros((8, SIDE, SIDE, 3), np.uint8), "clip")
    steady, jumping = pseudo.follow_both_ways(tracker, frames, places[0, :2], SETTINGS)
    assert steady.is_kept
    assert np.array_equal(steady.forward, places[:, 0])
    assert not jumping.is_kept
    assert np.array_equal(jumping.backward[0], places[0, 2])


def test_the_way_back_begins_where_the_object_was_last_seen():
    places = np.stack([[square(2 + 3 * t), square(2 + 2 * t, 28)] for t in range(8)])
    places[6:, 0] = False
    frames = ClipFrames(np.zeros((8, SIDE, SIDE, 3), np.uint8), "clip")
    gone, stays = pseudo.follow_both_ways(_Things(places, {}), frames, places[0], SETTINGS)
    assert (gone.end, stays.end) == (5, 7)
    assert np.array_equal(gone.backward[:6], places[:6, 0])
    assert not gone.backward[6:].any()
    assert gone.is_kept


def film(length: int = 12) -> np.ndarray:
    """A red square that moves, a blue one that does not, on grey: (T, S, S, 3) uint8."""
    frames = np.full((length, SIDE, SIDE, 3), 128, np.uint8)
    for t in range(length):
        frames[t][square(2 + 2 * t, 6)] = (200, 20, 20)
        frames[t][square(30, 30)] = (20, 20, 200)
    return frames


def test_what_moves_is_proposed():
    proposed = pseudo.propose_objects(ColourTracker(), film(), SETTINGS)
    assert len(proposed) == 1
    assert np.array_equal(proposed[0], square(2, 6))


@pytest.fixture
def videos(tmp_path, monkeypatch):
    """Two videos of 12 frames, read without decoding."""
    paths = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    for path in paths:
        path.touch()
    monkeypatch.setattr(pseudo, "read_footage", lambda path, fps, side: film())
    return paths


def test_videos_become_windows_and_a_manifest(videos, tmp_path):
    folder = tmp_path / "out"
    made = pseudo.label_videos(ColourTracker(), videos, folder, SETTINGS)
    assert (made["windows"], made["windows_kept"]) == (4, 4)
    assert (made["objects"], made["objects_kept"], made["agreed"]) == (4, 4, 1)
    manifest = read_manifest(folder)
    assert manifest["model"] == "colour@1"
    assert manifest["settings"] == dataclasses.asdict(SETTINGS)
    assert str(tmp_path) not in json.dumps(manifest)
    assert {entry["source"] for entry in manifest["windows"].values()} == {"a", "b"}
    for name in manifest["windows"]:
        window = RealWindow.load(folder / f"{name}.npz")
        clip = window.clip(range(8), [0], SIDE)
        start = int(name[-4:])
        assert np.array_equal(clip.masks[3, 0], square(2 + 2 * (start + 3), 6))


def test_an_interrupted_run_goes_on_where_it_was(videos, tmp_path, monkeypatch):
    labelled = []

    def label(tracker, name, frames, settings):
        labelled.append(name)
        return []

    monkeypatch.setattr(pseudo, "label_window", label)

    def clock() -> float:
        return 60.0 * len(labelled)

    folder = tmp_path / "out"
    early = pseudo.label_videos(ColourTracker(), videos, folder, SETTINGS, minutes=1.5, clock=clock)
    assert (early["windows"], early["left"]) == (2, 1)
    late = pseudo.label_videos(ColourTracker(), videos, folder, SETTINGS, clock=clock)
    assert (late["windows"], late["left"]) == (4, 0)
    assert len(labelled) == len(set(labelled)) == 4


def test_a_folder_keeps_to_its_settings(videos, tmp_path):
    folder = tmp_path / "out"
    pseudo.label_videos(ColourTracker(), videos[:1], folder, SETTINGS)
    other = dataclasses.replace(SETTINGS, frame_iou=0.5)
    with pytest.raises(ValueError, match=r"frame_iou.*0\.5.*got.*0\.7"):
        pseudo.label_videos(ColourTracker(), videos[:1], folder, other)


def test_videos_are_told_apart_by_name(videos, tmp_path):
    (tmp_path / "more").mkdir()
    twin = tmp_path / "more" / "a.mp4"
    twin.touch()
    with pytest.raises(ValueError, match="different names"):
        pseudo.label_videos(ColourTracker(), [videos[0], twin], tmp_path / "out", SETTINGS)
    with pytest.raises(FileNotFoundError):
        pseudo.label_videos(ColourTracker(), [tmp_path / "c.mp4"], tmp_path / "out", SETTINGS)


def test_the_command_labels_a_video(tmp_path, capsys):
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=6)
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 2_000_000
        for frame in film(8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    words = ["--threads", "1", "pseudo", str(path), "--out", str(tmp_path / "out")]
    assert cli.main([*words, "--model", "colour", "--grid", "5", "--length", "6"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["windows"] == 1
    assert read_manifest(tmp_path / "out")["settings"]["length"] == 6
