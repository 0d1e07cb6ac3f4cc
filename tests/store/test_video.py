from __future__ import annotations

import random
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from samnb.store.cache import FrameCache
from samnb.store.media import open_media
from samnb.store.video import MAX_DECODERS, VideoReader
from samnb.types import InputError, MediaError, MediaKind, MediaMissingError
from tests.store.clips import HEIGHT, WIDTH, numbered, read_number, write_clip

FRAME_BYTES = HEIGHT * WIDTH * 3
UNEVEN = np.cumsum(np.random.default_rng(0).integers(10, 90, 60)).tolist()
MS = Fraction(1, 1000)
Maker = Callable[[Path], Path]


def _open(path: Path, n_cached: int = 0) -> VideoReader:
    reader = open_media(path, cache=FrameCache(n_cached * FRAME_BYTES))
    assert isinstance(reader, VideoReader)
    return reader


CLIPS: dict[str, tuple[Maker, int, int]] = {
    # name: (how to make it, frames shown, number on the first of them)
    "constant rate": (lambda d: write_clip(d / "a.mp4"), 60, 0),
    "variable rate": (lambda d: write_clip(d / "a.mp4", pts=UNEVEN, tick=MS), 60, 0),
    "variable rate in Matroska": (lambda d: write_clip(d / "a.mkv", pts=UNEVEN, tick=MS), 60, 0),
    "late first frame": (lambda d: write_clip(d / "a.mp4", pts=range(100, 160)), 60, 0),
    "edit list drops ten": (lambda d: write_clip(d / "a.mp4", pts=range(-10, 50)), 50, 10),
    "open groups": (
        lambda d: write_clip(
            d / "a.mp4", options={"x264-params": "open-gop=1:keyint=12:bframes=3:scenecut=0"}
        ),
        60,
        0,
    ),
    "one long group": (
        lambda d: write_clip(
            d / "a.mp4", options={"x264-params": "keyint=250:bframes=3:b-pyramid=2:scenecut=0"}
        ),
        60,
        0,
    ),
    "index at the front": (
        lambda d: write_clip(d / "a.mp4", container={"movflags": "faststart"}),
        60,
        0,
    ),
    "fragments": (
        lambda d: write_clip(d / "a.mp4", container={"movflags": "frag_keyframe+empty_moov"}),
        60,
        0,
    ),
    "MPEG-TS": (lambda d: write_clip(d / "a.ts"), 60, 0),
    "AVI with B-frames": (lambda d: write_clip(d / "a.avi", codec="mpeg4"), 60, 0),
    "AVI without": (lambda d: write_clip(d / "a.avi", codec="mpeg4", b_frames=0), 60, 0),
    "GIF": (
        lambda d: write_clip(d / "a.gif", 20, codec="gif", pix_fmt="rgb8", b_frames=0),
        20,
        0,
    ),
}


@pytest.fixture(params=CLIPS, scope="module")
def clip(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[int]]:
    make, n_frames, first = CLIPS[request.param]
    return make(tmp_path_factory.mktemp("clip")), list(range(first, first + n_frames))


def test_frames_in_order_are_right(clip: tuple[Path, list[int]]) -> None:
    path, numbers = clip
    with _open(path) as reader:
        assert [read_number(reader.frame(i)) for i in range(len(reader))] == numbers
        assert reader.n_seeks <= 2  # to the first frame, twice where a container misses it


def test_frames_anywhere_are_right(clip: tuple[Path, list[int]]) -> None:
    path, numbers = clip
    with _open(path) as reader:
        places = random.Random(1).choices(range(len(reader)), k=40)
        assert [read_number(reader.frame(i)) for i in places] == [numbers[i] for i in places]


def test_frames_backward_are_right(clip: tuple[Path, list[int]]) -> None:
    path, numbers = clip
    with _open(path, n_cached=10) as reader:
        got = [read_number(reader.frame(i)) for i in reversed(range(len(reader)))]
    assert got == numbers[::-1]


def test_times_are_those_of_the_decoded_frames(clip: tuple[Path, list[int]]) -> None:
    path, _ = clip
    with av.open(str(path)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    with _open(path) as reader:
        assert reader.times_s == pytest.approx(np.array(times) - times[0], abs=1e-9)
        assert reader.time_s(3) == reader.times_s[3]


def test_record_says_what_the_file_is(tmp_path: Path) -> None:
    with _open(write_clip(tmp_path / "a.mp4", 48)) as reader:
        media = reader.media
    assert (media.kind, media.name, media.size_hw) == (MediaKind.VIDEO, "a.mp4", (HEIGHT, WIDTH))
    assert (media.n_frames, media.fps, media.duration_s) == (48, pytest.approx(24), 2.0)


def test_reading_at_the_annotation_rate_does_not_seek(tmp_path: Path) -> None:
    with _open(write_clip(tmp_path / "a.mp4")) as reader:
        for i in range(0, 60, 4):
            reader.frame(i)
        assert reader.n_seeks == 1


def test_cached_frame_is_the_same_array(tmp_path: Path) -> None:
    with _open(write_clip(tmp_path / "a.mp4"), n_cached=4) as reader:
        assert reader.frame(7) is reader.frame(7)


def test_cache_stays_within_its_budget(tmp_path: Path) -> None:
    with _open(write_clip(tmp_path / "a.mp4"), n_cached=5) as reader:
        for i in range(60):
            reader.frame(i)
        assert reader.cache.used_bytes == 5 * FRAME_BYTES


def test_scrubbing_does_not_disturb_a_long_pass(tmp_path: Path) -> None:
    """Jumps beside a pass cost seeks of their own and none of the pass."""
    with _open(write_clip(tmp_path / "a.mp4", 120, gop=120)) as reader:
        for i in range(20):
            reader.frame(i)
        before = reader.n_seeks
        jumps = [100, 60, 110, 50, 90]
        for i, jump in zip(range(20, 25), jumps, strict=True):
            assert read_number(reader.frame(jump)) == jump
            assert read_number(reader.frame(i)) == i
        assert reader.n_seeks - before <= len(jumps)
        assert reader.n_decoders == 2


def test_stepping_backward_decodes_a_group_once(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", 120, gop=120, options={"sc_threshold": "0"})
    with _open(clip, n_cached=80) as reader:
        for i in range(115, 0, -5):
            assert read_number(reader.frame(i)) == i
        assert reader.n_seeks <= 4  # 23 frames, of which each seek leaves many in the cache


def test_threads_get_the_frames_they_asked_for(tmp_path: Path) -> None:
    wrong: list[tuple[int, int]] = []
    with _open(write_clip(tmp_path / "a.mp4"), n_cached=3) as reader:

        def work(seed: int) -> None:
            for i in random.Random(seed).choices(range(60), k=30):
                number = read_number(reader.frame(i))
                if number != i:
                    wrong.append((i, number))

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert 1 <= reader.n_decoders <= MAX_DECODERS


WRITES_ROTATION = pytest.mark.skipif(
    not hasattr(av.VideoStream, "set_display_rotation"), reason="this PyAV cannot write rotation"
)


@WRITES_ROTATION
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_phone_rotation_is_applied(tmp_path: Path, degrees: int, suffix: str) -> None:
    """The matrix turns counter-clockwise, as numpy's rot90 does."""
    path = write_clip(tmp_path / f"a.{suffix}", 6, rotation=degrees)
    upright = np.rot90(numbered(5), degrees // 90)
    with _open(path) as reader:
        assert reader.media.size_hw == upright.shape[:2]
        assert np.abs(reader.frame(5).astype(int) - upright).mean() < 8


@WRITES_ROTATION
def test_mirrored_video_is_mirrored(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.set_display_rotation(90, hflip=True)
        for _ in range(3):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(5), format="rgb24")))
        out.mux(stream.encode())
    turned = np.rot90(numbered(5), 1)
    with _open(path) as reader:
        shown = reader.frame(2).astype(int)
    errors = {
        name: np.abs(shown - other).mean()
        for name, other in {"plain": turned, "x": turned[:, ::-1], "y": turned[::-1]}.items()
    }
    assert min(errors, key=lambda name: errors[name]) != "plain"
    assert min(errors.values()) < 8


def test_pixel_aspect_is_told_and_not_applied(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        out.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(1), format="rgb24")))
        out.mux(stream.encode())
    with _open(path) as reader:
        assert reader.pixel_aspect == pytest.approx(4 / 3)
        assert reader.size_hw == (HEIGHT, WIDTH)


def test_colours_survive(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        red = np.full((64, 64, 3), (200, 30, 40), np.uint8)
        out.mux(stream.encode(av.VideoFrame.from_ndarray(red, format="rgb24")))
        out.mux(stream.encode())
    with _open(path) as reader:
        assert reader.frame(0)[32, 32] == pytest.approx([200, 30, 40], abs=4)


def _cut(source: Path, target: Path, share: float) -> Path:
    data = source.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])
    return target


def test_file_cut_short_is_usable_up_to_its_last_frame(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "a.mp4", container={"movflags": "faststart"})
    with _open(_cut(whole, tmp_path / "cut.mp4", 0.7)) as reader:
        assert 20 < len(reader) < 60
        assert [read_number(reader.frame(i)) for i in range(len(reader))] == [*range(len(reader))]
        assert reader.warnings == (
            f"cut.mp4: the file is cut short; {len(reader)} of 60 frames are there",
        )


def test_matroska_cut_short_is_usable_too(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "a.mkv", 120)
    with _open(_cut(whole, tmp_path / "cut.mkv", 0.4)) as reader:
        assert 20 < len(reader) < 100
        numbers = [read_number(reader.frame(i)) for i in range(len(reader))]
        assert numbers[:-3] == [*range(len(reader) - 3)]  # of the last a B-frame may be lost
        assert "cut short" in reader.warnings[0]


def test_damage_inside_is_bridged_with_the_last_good_frame(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", container={"movflags": "faststart"})
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) * 6 // 10] = bytes(len(data) * 6 // 10 - len(data) // 2)
    path.write_bytes(data)
    with _open(path) as reader:
        numbers = [read_number(reader.frame(i)) for i in range(60)]
        assert numbers[:13] == [*range(13)]
        assert numbers[40:] == [*range(40, 60)]
        held = [i for i, number in enumerate(numbers) if number == 13]
        assert f"{len(held) - 1} damaged frames (14, 15, " in reader.warnings[0]


def test_damaged_end_is_an_error_that_names_the_last_good_frame(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", container={"movflags": "faststart"})
    data = bytearray(path.read_bytes())
    data[len(data) * 7 // 10 :] = bytes(len(data) - len(data) * 7 // 10)
    path.write_bytes(data)
    with _open(path) as reader:
        with pytest.raises(MediaError, match=r"frame 59 of 60 cannot be decoded") as caught:
            reader.frame(59)
        last = int(caught.value.problem.rsplit(" ", 1)[1])
        assert read_number(reader.frame(last)) == last
        assert len(reader.warnings) == 1


def test_file_that_vanishes_is_missed_by_name(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", 120, gop=120)
    with _open(path) as reader:
        for i in range(5):
            reader.frame(i)
        path.unlink()
        with pytest.raises(MediaMissingError, match=r"a\.mp4"):
            reader.frame(100)  # needs a second decoder, and so the file


@pytest.mark.parametrize("frame_idx", [-1, 60])
def test_frame_outside_is_refused(tmp_path: Path, frame_idx: int) -> None:
    with (
        _open(write_clip(tmp_path / "a.mp4")) as reader,
        pytest.raises(InputError, match=r"expected 0\.\.59 in a\.mp4, got"),
    ):
        reader.frame(frame_idx)


def test_closed_reader_says_so(tmp_path: Path) -> None:
    reader = _open(write_clip(tmp_path / "a.mp4", 6))
    reader.close()
    reader.close()
    assert reader.n_decoders == 0
    with pytest.raises(InputError, match="closed"):
        reader.frame(0)
