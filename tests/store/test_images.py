from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from samnb.store.cache import FrameCache
from samnb.store.images import list_frames, natural_key, to_rgb
from samnb.store.media import open_media
from samnb.types import InputError, MediaError, MediaKind, MediaMissingError

RAMP = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (32, 1))
"""(32, 64) uint8, dark on the left."""


def _save(path: Path, array: np.ndarray, **options: object) -> Path:
    PilImage.fromarray(array).save(path, **options)  # type: ignore[arg-type]
    return path


def _frame(path: Path) -> np.ndarray:
    with open_media(path, cache=FrameCache(0)) as reader:
        return reader.frame(0)


def test_image_is_a_medium_of_one_frame(tmp_path: Path) -> None:
    with open_media(_save(tmp_path / "a.png", RAMP)) as reader:
        media = reader.media
        assert (media.kind, media.n_frames, media.size_hw) == (MediaKind.IMAGE, 1, (32, 64))
        assert (media.fps, media.duration_s, reader.time_s(0)) == (0.0, 0.0, 0.0)
        assert np.array_equal(reader.frame(0), np.repeat(RAMP[:, :, None], 3, 2))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    upright = np.zeros((32, 64, 3), np.uint8)
    upright[:16, :32] = (255, 0, 0)  # red marks the upper left corner as shown
    upright[:16, 32:] = (0, 255, 0)
    undo = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    exif = PilImage.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(undo(upright))
    shown = _frame(_save(tmp_path / "a.png", stored, exif=exif.tobytes()))
    assert np.array_equal(shown, upright)


def test_folder_of_rotated_frames_has_the_size_shown(tmp_path: Path) -> None:
    exif = PilImage.Exif()
    exif[0x0112] = 6
    _save(tmp_path / "1.jpg", RAMP, exif=exif.tobytes())
    with open_media(tmp_path) as reader:
        assert reader.size_hw == reader.frame(0).shape[:2] == (64, 32)


def test_sixteen_bit_gray_fills_the_range(tmp_path: Path) -> None:
    deep = (RAMP.astype(np.uint16) * 257)[:, ::1]
    frame = _frame(_save(tmp_path / "a.png", deep))
    assert frame.dtype == np.uint8
    assert np.array_equal(frame[:, :, 0], RAMP)


def test_twelve_bits_in_sixteen_are_not_black(tmp_path: Path) -> None:
    deep = np.linspace(0, 4095, 64).astype(np.uint16)[None].repeat(32, 0)
    assert _frame(_save(tmp_path / "a.tif", deep)).max() == 255


def test_deep_frames_of_a_folder_share_one_scale(tmp_path: Path) -> None:
    for i, top in enumerate([4000, 900]):
        _save(tmp_path / f"{i}.png", np.full((8, 8), top, np.uint16))
    with open_media(tmp_path, cache=FrameCache(0)) as reader:
        bright, dark = reader.frame(0)[0, 0, 0], reader.frame(1)[0, 0, 0]
    assert bright / dark == pytest.approx(4000 / 900, rel=0.02)


def test_float_image_in_unit_range(tmp_path: Path) -> None:
    frame = _frame(_save(tmp_path / "a.tif", (RAMP / 255).astype(np.float32)))
    assert np.array_equal(frame[:, :, 0], RAMP)


def test_transparency_is_laid_over_white(tmp_path: Path) -> None:
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[:, :4] = (255, 0, 0, 255)
    frame = _frame(_save(tmp_path / "a.png", rgba))
    assert (frame[0, 0].tolist(), frame[0, 7].tolist()) == ([255, 0, 0], [255, 255, 255])


@pytest.mark.parametrize("mode", ["P", "1", "LA", "CMYK", "YCbCr", "I", "RGBA"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    image = PilImage.fromarray(np.full((8, 8, 3), 255, np.uint8)).convert(mode)
    frame = to_rgb(image)
    assert (frame.shape, frame.dtype) == ((8, 8, 3), np.uint8)
    assert frame.min() >= 254


def test_cmyk_jpeg_keeps_its_colours(tmp_path: Path) -> None:
    red = PilImage.new("RGB", (16, 16), (250, 10, 10)).convert("CMYK")
    red.save(tmp_path / "a.jpg", quality=95)
    assert _frame(tmp_path / "a.jpg")[8, 8] == pytest.approx([250, 10, 10], abs=8)


def test_only_the_first_picture_of_a_stack_is_used_and_that_is_said(tmp_path: Path) -> None:
    pages = [PilImage.fromarray(np.full((8, 8), i, np.uint8)) for i in (10, 20)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    with open_media(tmp_path / "a.tif") as reader:
        assert reader.frame(0)[0, 0, 0] == 10
        assert reader.warnings == ("a.tif: only the first of 2 pictures is used",)


def test_natural_order() -> None:
    names = ["f10.png", "f2.png", "F1.png", "a.png", "10.png", "9.png"]
    assert sorted(names, key=natural_key) == [
        "9.png", "10.png", "a.png", "F1.png", "f2.png", "f10.png",
    ]  # fmt: skip


def test_folder_is_read_in_natural_order(tmp_path: Path) -> None:
    for i, suffix in [(1, "jpg"), (2, "png"), (10, "webp"), (11, "bmp")]:
        _save(tmp_path / f"f{i}.{suffix}", np.full((8, 8, 3), 10 * i, np.uint8))
    (tmp_path / "notes.txt").write_text("no frame")
    (tmp_path / ".hidden.png").write_bytes(b"no frame either")
    with open_media(tmp_path, cache=FrameCache(0)) as reader:
        assert reader.media.kind is MediaKind.FRAMES
        assert [int(reader.frame(i)[0, 0, 0]) // 9 for i in range(4)] == [1, 2, 11, 12]
        assert (reader.media.fps, reader.media.duration_s) == (24.0, 4 / 24)


def test_folder_rate_is_an_argument(tmp_path: Path) -> None:
    _save(tmp_path / "0.png", RAMP)
    _save(tmp_path / "1.png", RAMP)
    with open_media(tmp_path, folder_fps=5) as reader:
        assert reader.time_s(1) == 0.2
    with pytest.raises(InputError, match="folder_fps"):
        open_media(tmp_path, folder_fps=0)


def test_frames_of_different_sizes_are_refused_by_name(tmp_path: Path) -> None:
    _save(tmp_path / "1.png", RAMP)
    _save(tmp_path / "2.png", RAMP[:, :50])
    with pytest.raises(MediaError, match=r"2\.png: the frame is 50 x 32 .* 1\.png, is 64 x 32"):
        open_media(tmp_path)


def test_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="holds no images; give a folder of JPEG"):
        open_media(tmp_path)


def test_missing_folder_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MediaMissingError):
        list_frames(tmp_path / "gone")


@pytest.mark.parametrize(
    ("size_hw", "said"),
    [
        ((8, 30_000), "30000 x 8 pixels is too large"),
        ((9_500, 9_400), "9400 x 9500 pixels is too large"),
        ((9_800, 9_800), "96 million pixels is too large|9800 x 9800"),
        ((30_000, 30_000), "900 million pixels is too large"),
    ],
)
def test_giant_image_is_refused_without_decoding(
    tmp_path: Path, size_hw: tuple[int, int], said: str
) -> None:
    """The file only claims its size: a bare PNG head, with no pixels behind it."""
    small = _save(tmp_path / "a.png", RAMP).read_bytes()
    head = small[:16] + size_hw[1].to_bytes(4, "big") + size_hw[0].to_bytes(4, "big")
    body = bytearray(head + small[24:])
    body[29:33] = zlib.crc32(body[12:29]).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(body)
    with pytest.raises(MediaError, match=said) as caught:
        open_media(tmp_path / "a.png")
    assert "limit 16384 a side and 80 million in all" in str(caught.value)


def test_image_cut_short_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = _save(tmp_path / "a.jpg", rng.integers(0, 255, (64, 64, 3), np.uint8))
    path.write_bytes(path.read_bytes()[:-800])
    with pytest.raises(MediaError, match=r"a\.jpg: the image is damaged or cut short"):
        open_media(path)


def test_damaged_frame_of_a_folder_is_named_when_it_is_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(3):
        _save(tmp_path / f"{i}.jpg", rng.integers(0, 255, (64, 64, 3), np.uint8))
    bad = tmp_path / "1.jpg"
    bad.write_bytes(bad.read_bytes()[:-800])
    with open_media(tmp_path) as reader:
        reader.frame(2)
        with pytest.raises(MediaError, match=r"1\.jpg: the image is damaged"):
            reader.frame(1)


def test_frame_that_vanishes_is_missing(tmp_path: Path) -> None:
    for i in range(2):
        _save(tmp_path / f"{i}.png", RAMP)
    with open_media(tmp_path, cache=FrameCache(0)) as reader:
        (tmp_path / "1.png").unlink()
        with pytest.raises(MediaMissingError, match=r"1\.png"):
            reader.frame(1)


def test_picture_that_changed_its_size_is_not_passed_off(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.png", RAMP)
    with open_media(path, cache=FrameCache(0)) as reader:
        _save(path, RAMP[:16])
        with pytest.raises(MediaError, match="now 64 x 16 pixels, it was 64 x 32"):
            reader.frame(0)
