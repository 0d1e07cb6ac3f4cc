"""Readers for a single image and for a folder of frames.

Whatever the file holds becomes 8-bit RGB as a viewer would show it: the EXIF
orientation is applied, transparency is laid over white, palettes and CMYK are
resolved, and deep grayscale (10, 12, 14 or 16 bits, judged by its brightest pixel)
is scaled to the full range. Colour profiles are not applied.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image as PilImage
from PIL import ImageOps, UnidentifiedImageError

from samnb.store.cache import FrameCache, Image
from samnb.store.fingerprint import fingerprint_file, fingerprint_files
from samnb.store.reader import MAX_PIXELS, MAX_SIDE_PX, MediaReader, check_size
from samnb.types import InputError, Media, MediaError, MediaKind, MediaMissingError

IMAGE_FORMATS = (
    "JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF", "TGA",
)  # fmt: skip
"""Formats that are read as images; Pillow would also take the head of some videos."""
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"}
    | {".ppm", ".pgm", ".pnm", ".jp2", ".avif", ".tga"}
)
"""File name endings that make a file a frame of a folder."""
DEFAULT_FOLDER_FPS = 24.0
"""Rate given to a folder of frames, which has none: that of SA-V and of DAVIS."""

_EXIF_ORIENTATION = 0x0112
_DEEP_LEVELS = (255, 1023, 4095, 16383, 65535)


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key under which ``f2.png`` comes before ``f10.png``."""
    parts = re.split(r"(\d+)", name.casefold())
    return tuple((0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts)


def list_frames(folder: str | Path) -> list[Path]:
    """Return the image files of a folder in natural order of their names.

    Hidden files and sub-folders are left out.

    Raises:
        MediaMissingError: there is no such folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise MediaMissingError(
            str(folder), "there is no such folder", "check the path or relink the medium"
        )
    files = [
        p
        for p in root.iterdir()
        if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".") and p.is_file()
    ]
    return sorted(files, key=lambda p: (natural_key(p.name), p.name))


def is_image(path: Path) -> bool:
    """Tell whether the head of a file is that of a still image.

    An animated GIF is no still image: it is read as a video.
    """
    try:
        with _opened(path) as image:
            return not (image.format == "GIF" and getattr(image, "n_frames", 1) > 1)
    except MediaError as error:
        return not isinstance(error.__cause__, UnidentifiedImageError)


def to_rgb(image: PilImage.Image, white: int | None = None) -> Image:
    """Convert any Pillow image to (H, W, 3) uint8 RGB as it would be shown.

    Args:
        image: of any mode.
        white: for deep grayscale the value that becomes 255; None finds it with
            :func:`deep_white`.
    """
    image = ImageOps.exif_transpose(image)
    mode = image.mode
    if mode.startswith("I") or mode == "F":
        gray = np.asarray(image, dtype=np.float64)
        gray = np.nan_to_num(gray, nan=0.0, posinf=0.0, neginf=0.0)
        top = deep_white(image) if white is None else white
        gray8 = np.clip(np.rint(gray * (255.0 / top)), 0, 255).astype(np.uint8)
        return np.repeat(gray8[:, :, None], 3, axis=2)
    if mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layer = image.convert("RGBA")
        page = PilImage.new("RGBA", layer.size, (255, 255, 255, 255))
        page.alpha_composite(layer)
        image = page
    return np.array(image.convert("RGB"), dtype=np.uint8)


def deep_white(image: PilImage.Image) -> int:
    """Return the full-scale value of a deep grayscale image.

    It is 1 for a float image in [0, 1], else the smallest of 8, 10, 12, 14 and 16 bits
    that holds the maximum, else the maximum itself.
    """
    top = float(np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0.0).max(initial=0.0))
    if image.mode == "F" and top <= 1.0:
        return 1
    return next((level for level in _DEEP_LEVELS if top <= level), max(1, int(top)))


class ImageReader(MediaReader):
    """A still image as a medium of one frame. Use :func:`samnb.store.media.open_media`."""

    def __init__(self, path: Path, cache: FrameCache | None = None) -> None:
        with _opened(path) as image:
            extra = getattr(image, "n_frames", 1) - 1 if image.format != "MPO" else 0
            frame = to_rgb(image)
        media = Media(
            id=fingerprint_file(path),
            kind=MediaKind.IMAGE,
            name=path.name,
            path=str(path),
            size_hw=(frame.shape[0], frame.shape[1]),
            n_frames=1,
            fps=0.0,
            duration_s=0.0,
        )
        found = (f"{path.name}: only the first of {extra + 1} pictures is used",) if extra else ()
        super().__init__(media, np.zeros(1), cache, found)
        self._path = path
        self.cache.put_frame(media.id, 0, frame)

    def _read(self, frame_idx: int) -> Image:
        with _opened(self._path) as image:
            frame = to_rgb(image)
        _check_same(self._path, (frame.shape[0], frame.shape[1]), self.media)
        return frame


class FolderReader(MediaReader):
    """A folder of equally large images. Use :func:`samnb.store.media.open_media`.

    Only the heads of the files are read when it is opened.
    """

    def __init__(
        self, path: Path, cache: FrameCache | None = None, fps: float = DEFAULT_FOLDER_FPS
    ) -> None:
        if not (np.isfinite(fps) and fps > 0):
            raise InputError(f"folder_fps: expected a rate above 0, got {fps}")
        self._files = list_frames(path)
        if not self._files:
            raise MediaError(
                str(path),
                "the folder holds no images",
                "give a folder of JPEG, PNG or WebP frames, or a video file",
            )
        sizes = [_shown_size(file) for file in self._files]
        for file, size_hw in zip(self._files, sizes, strict=True):
            if size_hw != sizes[0]:
                raise MediaError(
                    str(file),
                    f"the frame is {size_hw[1]} x {size_hw[0]} pixels but the first one, "
                    f"{self._files[0].name}, is {sizes[0][1]} x {sizes[0][0]}",
                    "give every video its own folder, with frames of one size",
                )
        n_frames = len(self._files)
        media = Media(
            id=fingerprint_files(self._files),
            kind=MediaKind.FRAMES,
            name=path.resolve().name,
            path=str(path),
            size_hw=sizes[0],
            n_frames=n_frames,
            fps=float(fps),
            duration_s=n_frames / fps,
        )
        super().__init__(media, np.arange(n_frames) / fps, cache)
        self._white: int | None = None

    def file(self, frame_idx: int) -> Path:
        """Return the file that holds a frame.

        Raises:
            InputError: there is no frame of that number.
        """
        return self._files[self._check(frame_idx)]

    def _read(self, frame_idx: int) -> Image:
        path = self._files[frame_idx]
        with _opened(path) as image:
            if self._white is None and (image.mode.startswith("I") or image.mode == "F"):
                # One scale for the whole folder, or deep grayscale frames would flicker.
                with _opened(self._files[0]) as first:
                    self._white = deep_white(first)
            frame = to_rgb(image, self._white)
        _check_same(path, (frame.shape[0], frame.shape[1]), self.media)
        return frame


@contextmanager
def _opened(path: Path) -> Iterator[PilImage.Image]:
    """Open an image; every way in which it or its decoding fails is a MediaError."""
    PilImage.init()  # idempotent; before it Pillow does not know all formats
    formats = [name for name in IMAGE_FORMATS if name in PilImage.OPEN]
    try:
        with PilImage.open(path, formats=formats) as image:
            check_size(str(path), (image.height, image.width))
            yield image
    except FileNotFoundError as error:
        raise MediaMissingError(
            str(path), "there is no such file", "check the path or relink the medium"
        ) from error
    except (PilImage.DecompressionBombError, PilImage.DecompressionBombWarning) as error:
        # Pillow has a limit of its own, above ours, and tells only the area.
        match = re.search(r"\((\d+) pixels\)", str(error))
        area = f"{int(match.group(1)) // 10**6} million" if match else "so many"
        raise MediaError(
            str(path),
            f"an image of {area} pixels is too large "
            f"(limit {MAX_SIDE_PX} a side and {MAX_PIXELS // 10**6} million in all)",
            "scale it down or cut it into tiles first",
        ) from error
    except UnidentifiedImageError as error:
        raise MediaError(
            str(path), "this is no image that can be read", "save it as JPEG, PNG or WebP"
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        if isinstance(error, InputError):
            raise
        problem = str(error).split("\n")[0] or type(error).__name__
        raise MediaError(
            str(path),
            f"the image is damaged or cut short ({problem})",
            "copy or export it again",
        ) from error


def _shown_size(path: Path) -> tuple[int, int]:
    with _opened(path) as image:
        turned = image.getexif().get(_EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
        return (image.width, image.height) if turned else (image.height, image.width)


def _check_same(path: Path, size_hw: tuple[int, int], media: Media) -> None:
    if size_hw != media.size_hw:
        raise MediaError(
            str(path),
            f"the picture is now {size_hw[1]} x {size_hw[0]} pixels, "
            f"it was {media.size_hw[1]} x {media.size_hw[0]} when opened",
            "put the original file back",
        )
