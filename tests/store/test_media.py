from __future__ import annotations

import io
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from samnb.models.base import FrameSource, KeyedFrames
from samnb.store.cache import FrameCache
from samnb.store.media import (
    AnnotationFrames,
    annotation_frames,
    encode_jpeg,
    open_media,
    relink,
)
from samnb.types import InputError, Media, MediaError, MediaKind, MediaMissingError
from tests.store.clips import numbered, read_number, write_clip, write_sound

MS = Fraction(1, 1000)


def _video(fps: float, n_frames: int) -> Media:
    kind = MediaKind.VIDEO
    return Media("id", kind, "a.mp4", "a.mp4", (9, 16), n_frames, fps, n_frames / fps)


def _refusal(path: Path) -> str:
    with pytest.raises(MediaError) as caught:
        open_media(path)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(str(path))
    return text.removeprefix(f"{path}: ")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MediaMissingError, match="no such file or folder; check the path"):
        open_media(tmp_path / "gone.mp4")


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.touch()
    assert _refusal(path) == "the file is empty (0 bytes); copy or download it again"


def test_file_without_its_index(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[:-3000])
    assert "cut short: its index (moov) is missing; copy or download" in _refusal(path)


@pytest.mark.parametrize("name", ["notes.txt", "notes.mp4", "notes.jpg"])
def test_text_under_any_name_is_no_media_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("these are notes and no film\n" * 50)
    assert "this is not a media file" in _refusal(path)


def test_noise_is_no_media_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    assert "this is not a media file" in _refusal(path)


def test_sound_alone(tmp_path: Path) -> None:
    assert "it holds sound but no picture" in _refusal(write_sound(tmp_path / "a.m4a"))


def test_codec_that_nobody_knows(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4")
    data = path.read_bytes().replace(b"avc1", b"zzz9").replace(b"avcC", b"zzzC")
    path.write_bytes(data)
    assert "cannot be decoded (of an unknown codec); convert it to H.264 MP4" in _refusal(path)


def test_video_without_decodable_frames(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", container={"movflags": "faststart"})
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    data[start:] = bytes(len(data) - start)  # every packet is blank
    path.write_bytes(data)
    assert "it has no frame that can be decoded" in _refusal(path)


def test_raw_stream_without_times(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.h264")
    assert "does not say when frames are shown; put it into an MP4" in _refusal(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 3)
    path.chmod(0)
    assert "may not be read" in _refusal(path)


def test_content_and_not_the_name_says_what_a_file_is(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", 6).rename(tmp_path / "a.jpg")
    PilImage.new("RGB", (8, 8)).save(tmp_path / "b.mp4", "PNG")
    with open_media(tmp_path / "a.jpg") as video, open_media(tmp_path / "b.mp4") as image:
        assert (video.media.kind, image.media.kind) == (MediaKind.VIDEO, MediaKind.IMAGE)


def test_readers_of_equal_content_share_frames(tmp_path: Path) -> None:
    cache = FrameCache()
    one = write_clip(tmp_path / "a.mp4", 6)
    two = tmp_path / "b.mp4"
    two.write_bytes(one.read_bytes())
    with open_media(one, cache=cache) as first, open_media(two, cache=cache) as second:
        assert first.media.id == second.media.id
        assert first.frame(3) is second.frame(3)


def test_jpeg_is_encoded_once(tmp_path: Path) -> None:
    with open_media(write_clip(tmp_path / "a.mp4", 6), cache=FrameCache()) as reader:
        data = reader.jpeg(5, 90)
        assert reader.jpeg(5, 90) is data
        assert reader.jpeg(5, 50) != data
        assert read_number(np.array(PilImage.open(io.BytesIO(data)))) == 5


def test_encode_jpeg_refuses_what_is_no_frame() -> None:
    with pytest.raises(InputError, match=r"expected \(H, W, 3\) uint8, got \(4, 4\) float64"):
        encode_jpeg(np.zeros((4, 4)))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"quality: expected 1\.\.95, got 0"):
        encode_jpeg(numbered(0), 0)


@pytest.mark.parametrize(
    ("fps", "rate_fps", "first"),
    [
        (24.0, 6.0, (0, 4, 8, 12)),
        (30.0, 6.0, (0, 5, 10, 15)),
        (30_000 / 1001, 6.0, (0, 5, 10, 15)),
        (24_000 / 1001, 6.0, (0, 4, 8, 12)),
        (25.0, 6.0, (0, 4, 8, 12, 17)),
        (6.0, 6.0, (0, 1, 2, 3)),
        (5.0, 6.0, (0, 1, 2, 3)),
        (24.0, 1.0, (0, 24, 48)),
    ],
)
def test_annotation_frames(fps: float, rate_fps: float, first: tuple[int, ...]) -> None:
    chosen = annotation_frames(_video(fps, 72), rate_fps)
    assert chosen[: len(first)] == first
    assert chosen[-1] < 72


def test_whole_multiples_stay_regular_for_an_hour() -> None:
    chosen = annotation_frames(_video(30_000 / 1001, 108_000))
    assert set(np.diff(chosen)) == {5}


def test_other_rates_follow_the_clock() -> None:
    times = np.array(annotation_frames(_video(25.0, 2500))) / 25
    assert np.abs(times - np.arange(len(times)) / 6).max() <= 0.5 / 25 + 1e-9


def test_annotation_frames_of_a_variable_rate_are_nearest_in_time(tmp_path: Path) -> None:
    pts = [*range(0, 1000, 25), 1600, 1700, 2000]
    clip = write_clip(tmp_path / "a.mp4", len(pts), pts=pts, tick=MS)
    with open_media(clip) as reader:
        chosen = annotation_frames(reader, 6.0)
        times = reader.times_s
    wanted = np.arange(0, times[-1] + 1e-9, 1 / 6)
    assert set(chosen) == {int(np.abs(times - t).argmin()) for t in wanted}
    assert list(chosen) == sorted(chosen)


def test_annotation_frames_of_an_image() -> None:
    image = Media("id", MediaKind.IMAGE, "a.png", "a.png", (8, 8), 1, 0.0, 0.0)
    assert annotation_frames(image) == (0,)


def test_annotation_rate_must_be_a_rate() -> None:
    with pytest.raises(InputError, match="rate_fps"):
        annotation_frames(_video(24, 10), 0.0)


def test_annotation_frames_are_a_frame_source(tmp_path: Path) -> None:
    with open_media(write_clip(tmp_path / "a.mp4")) as reader:
        source = AnnotationFrames(reader, annotation_frames(reader))
        assert isinstance(source, FrameSource) and isinstance(source, KeyedFrames)
        assert source.frame_key(3) == f"{reader.media.id}:12"
        assert (len(source), source.size_hw) == (15, (96, 160))
        assert [read_number(source.frame(i)) for i in (0, 3, 14)] == [0, 12, 56]
        assert (source.position(12), source.frame_idxs[3]) == (3, 12)
        with pytest.raises(InputError, match="13 is not an annotated frame"):
            source.position(13)
        with pytest.raises(InputError, match=r"position: expected 0\.\.14, got 15"):
            source.frame(15)


@pytest.mark.parametrize("idxs", [(), (3, 3), (4, 2), (-1, 2), (0, 6)])
def test_wrong_annotation_frames_are_refused(tmp_path: Path, idxs: tuple[int, ...]) -> None:
    with (
        open_media(write_clip(tmp_path / "a.mp4", 6)) as reader,
        pytest.raises(InputError, match="frame_idxs"),
    ):
        AnnotationFrames(reader, idxs)


def test_moved_file_is_found_by_its_content(tmp_path: Path) -> None:
    old = write_clip(tmp_path / "a.mp4", 12)
    media = open_media(old).media
    new = tmp_path / "deep" / "er" / "renamed.mov"
    new.parent.mkdir(parents=True)
    old.rename(new)
    write_clip(tmp_path / "deep" / "a.mp4", 13)  # same name, other content
    assert relink(media, tmp_path) == new
    assert relink(media, [tmp_path / "deep" / "a.mp4", new]) == new
    assert relink(media, tmp_path / "deep" / "a.mp4") is None


def test_moved_folder_is_found_by_its_content(tmp_path: Path) -> None:
    old = tmp_path / "frames"
    old.mkdir()
    for i in range(3):
        PilImage.new("L", (8, 8), i).save(old / f"{i}.png")
    media = open_media(old).media
    (tmp_path / "x").mkdir()
    new = old.rename(tmp_path / "x" / "other")
    assert relink(media, tmp_path) == new
    (new / "3.png").write_bytes((new / "0.png").read_bytes())
    assert relink(media, tmp_path) is None
