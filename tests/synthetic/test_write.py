from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from samnb.store.media import annotation_frames, open_media
from samnb.synthetic import demo_clip, make_clip, write_davis, write_video
from samnb.synthetic.demo import make_demo
from samnb.synthetic.write import davis_palette
from samnb.types import InputError, MediaError


@pytest.mark.parametrize("size_hw", [(96, 128), (97, 129)])
def test_video_reads_back(tmp_path: Path, size_hw: tuple[int, int]) -> None:
    clip = make_clip(1, size_hw=size_hw, n_frames=7, fps=24, difficulty=0.2)
    with open_media(write_video(clip, tmp_path / "a.mp4")) as reader:
        assert (reader.media.n_frames, reader.media.fps) == (7, pytest.approx(24))
        assert reader.size_hw == size_hw
        assert annotation_frames(reader) == (0, 4)
        errors = [np.abs(reader.frame(i).astype(int) - clip.frame(i)).mean() for i in range(7)]
    assert max(errors) < 9


def test_large_video_keeps_its_colours(tmp_path: Path) -> None:
    """From 720 lines on other colour coefficients are used, on both sides."""
    clip = make_clip(2, size_hw=(720, 96), n_frames=1, difficulty=0.0, theme="lawn")
    with open_media(write_video(clip, tmp_path / "a.mp4")) as reader:
        off = reader.frame(0).astype(float).mean((0, 1)) - clip.frame(0).mean((0, 1))
    assert np.abs(off).max() < 1.5


def test_davis_folder_reads_back(tmp_path: Path) -> None:
    clip = make_clip(4, size_hw=(96, 128), n_frames=3, n_objects=3, difficulty=1.0)
    images = write_davis(clip, tmp_path, name="a")
    assert images == tmp_path / "JPEGImages" / "480p" / "a"
    with open_media(images) as reader:
        assert len(reader) == 3
        assert np.abs(reader.frame(1).astype(int) - clip.frame(1)).mean() < 4
    for i in range(3):
        with PilImage.open(tmp_path / "Annotations" / "480p" / "a" / f"{i:05d}.png") as image:
            assert image.mode == "P"
            index = np.asarray(image)
        for thing in clip.objects:
            assert np.array_equal(index == thing.obj_id, clip.mask(thing.obj_id, i))
        assert index.max() <= 3  # look-alikes are not in it


def test_palette_is_that_of_davis() -> None:
    palette = davis_palette()
    assert palette[:5].tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 0, 128]]
    assert palette[8].tolist() == [64, 0, 0]
    assert len(np.unique(palette, axis=0)) == 256


def test_bad_places_are_refused(tmp_path: Path) -> None:
    clip = make_clip(1, size_hw=(64, 64), n_frames=1)
    with pytest.raises(MediaError, match="cannot be written"):
        write_video(clip, tmp_path / "no" / "such" / "folder.mp4")
    with pytest.raises(InputError, match="plain folder name"):
        write_davis(clip, tmp_path, name="../up")


def test_demo_objects_stay_whole_apart_and_in_the_picture() -> None:
    clip = make_demo()
    assert (len(clip), clip.size_hw, clip.fps) == (192, (360, 640), 24.0)
    for i in range(0, 192, 24):
        labels = np.pad(clip.labels(i), 1)
        for thing in clip.objects:
            mask = labels == thing.obj_id
            rows, columns = np.nonzero(mask)
            assert mask.sum() > 1000
            assert rows.min() > 1 and columns.min() > 1
            assert rows.max() < 360 and columns.max() < 640
            around = labels[rows.min() - 1 : rows.max() + 2, columns.min() - 1 : columns.max() + 2]
            assert set(np.unique(around)) == {0, thing.obj_id}


def test_demo_clip_writes_what_it_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samnb.synthetic.demo.DEMO_S", 0.25)
    clip = demo_clip(tmp_path / "demo.mp4")
    with open_media(tmp_path / "demo.mp4") as reader:
        assert len(reader) == len(clip) == 6
        assert np.abs(reader.frame(5).astype(int) - clip.frame(5)).mean() < 4
