import json
import shutil

import numpy as np
import pytest
from PIL import Image

from samnb.engine.groundtruth import GroundTruth, from_masks, make_truth, read_truth
from samnb.masks import rle as rle_ops
from samnb.store.media import open_media
from samnb.types import FormatError, InputError

H, W = 8, 10


def square(x):
    mask = np.zeros((H, W), bool)
    mask[2:5, x : x + 3] = True
    return mask


def save(array, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def pictures(folder, names):
    for name in names:
        save(np.zeros((H, W, 3), np.uint8), folder / f"{name}.jpg")


def test_davis(tmp_path):
    pictures(tmp_path / "JPEGImages/480p/goat", ("00000", "00001"))
    for n in (0, 1):
        index = square(n) * np.uint8(1) + square(5) * np.uint8(2)
        save(index, tmp_path / f"Annotations/480p/goat/{n:05d}.png")
    (video,) = read_truth(tmp_path)
    assert video.name == "goat" and video.path == tmp_path / "JPEGImages/480p/goat"
    assert [o.target_id for o in video.objects] == ["goat/1", "goat/2"]
    np.testing.assert_array_equal(video.objects[0].mask(1), square(1))


def test_sav_validation_with_overlapping_objects(tmp_path):
    pictures(tmp_path / "JPEGImages_24fps/sav_1", (f"{n:05d}" for n in range(5)))
    for obj, x in (("000", 1), ("001", 2)):
        for n in (0, 4):
            save(square(x), tmp_path / f"Annotations_6fps/sav_1/{obj}/{n:05d}.png")
    (video,) = read_truth(tmp_path)
    assert [sorted(o.masks) for o in video.objects] == [[0, 4], [0, 4]]
    np.testing.assert_array_equal(video.objects[1].mask(4), square(2))


def test_sav_training_json(tmp_path):
    (tmp_path / "sav_7.mp4").write_bytes(b"")
    masklet = [[rle_ops.to_coco(rle_ops.encode(square(x)))] for x in (0, 3)]
    for row in masklet:
        row[0]["counts"] = row[0]["counts"].decode()
    data = {"video_id": "sav_7", "masklet_id": [4], "masklet": masklet}
    (tmp_path / "sav_7_manual.json").write_text(json.dumps(data))
    (video,) = read_truth(tmp_path)
    assert video.objects[0].target_id == "sav_7/4"
    np.testing.assert_array_equal(video.objects[0].mask(4), square(3))
    (tmp_path / "sav_7_manual.json").write_text('{"masklet": []}')
    (video,) = read_truth(tmp_path)
    with pytest.raises(FormatError, match="expected an SA-V annotation file"):
        assert video.objects


def test_other_folders_and_unknown_videos_are_refused(tmp_path):
    with pytest.raises(FormatError, match="expected JPEGImages and Annotations"):
        read_truth(tmp_path)
    pictures(tmp_path / "JPEGImages/goat", ("00000",))
    save(square(0) * np.uint8(1), tmp_path / "Annotations/goat/00000.png")
    assert len(read_truth(tmp_path, ["goat"])) == 1
    with pytest.raises(FormatError, match=r"expected videos \['cow'\]"):
        read_truth(tmp_path, ["cow"])
    save(square(0) * np.uint8(1), tmp_path / "Annotations/goat/last.png")
    with pytest.raises(FormatError, match="expected a frame number"):
        assert read_truth(tmp_path).videos[0].objects


def test_the_first_frame_that_shows_the_object(tmp_path):
    empty = np.zeros((H, W), bool)
    video = from_masks("v", tmp_path, {"a": {0: empty, 4: empty, 8: square(1)}, "b": [empty]})
    late, never = video.objects
    assert late.first_frame((0, 4, 8)) == 8 and late.first_frame((0, 1, 4)) is None
    assert never.first_frame((0,)) is None


def test_names_must_differ(tmp_path):
    video = from_masks("v", tmp_path, {})
    with pytest.raises(InputError, match="different names"):
        GroundTruth([video, video])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    kw = {"n_objects": 2, "n_frames": 3, "size_hw": (64, 96), "difficulty": 0.2}
    return folder, make_truth(folder, 2, seed=3, **kw), kw


def test_synthetic_clips_become_videos_at_the_annotation_rate(made):
    _, truth, _ = made
    assert len(truth) == 2
    with open_media(truth.videos[0].path) as reader:
        assert (reader.media.n_frames, reader.media.fps) == (3, 6.0)
        assert reader.size_hw == (64, 96)
    for video in truth:
        assert [o.target_id for o in video.objects] == [f"{video.name}/{n}" for n in (1, 2)]
        assert all(o.first_frame(range(3)) == 0 for o in video.objects)


def test_all_clips_can_be_set_in_one_place(tmp_path):
    kw = {"n_objects": 1, "n_frames": 2, "size_hw": (64, 96)}
    truth = make_truth(tmp_path, 3, theme="sea", **kw)
    assert all(v.name.endswith("-sea") for v in truth)
    things = {o.name.split()[-1] for v in truth for o in v.objects}
    assert things <= {"fish", "turtle", "starfish"}


def test_the_same_seed_makes_the_same_bytes_and_keeps_what_is_there(made, tmp_path):
    folder, truth, kw = made
    again = make_truth(tmp_path, 1, seed=3, **kw)
    first = truth.videos[0].path
    assert again.videos[0].path.read_bytes() == first.read_bytes()
    assert again.videos[0].objects == truth.videos[0].objects
    stamp = first.stat().st_mtime_ns
    make_truth(folder, 1, seed=3, **kw)
    assert first.stat().st_mtime_ns == stamp
    shutil.rmtree(tmp_path)


def test_specks_of_made_up_objects_count_as_absent(tmp_path):
    def areas(speck_px):
        truth = make_truth(
            tmp_path, 1, n_objects=1, n_frames=3, size_hw=(96, 128), speck_px=speck_px
        )
        (thing,) = truth.videos[0].objects
        return [rle_ops.area(rle) for _, rle in sorted(thing.masks.items())]

    every = areas(0)
    limit = sorted(every)[1]
    assert areas(limit) == [area if area >= limit else 0 for area in every]
    assert min(areas(limit)) == 0 < min(every)
