"""Media: images, folders of frames and video files behind one lazy reader."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from samnb.store.cache import FrameCache, Image
from samnb.store.fingerprint import fingerprint_file, fingerprint_files
from samnb.store.images import (
    DEFAULT_FOLDER_FPS,
    FolderReader,
    ImageReader,
    is_image,
    list_frames,
)
from samnb.store.reader import MediaReader, encode_jpeg
from samnb.store.video import VideoReader
from samnb.types import InputError, Media, MediaError, MediaKind, MediaMissingError

__all__ = [
    "AnnotationFrames",
    "FrameCache",
    "MediaReader",
    "annotation_frames",
    "encode_jpeg",
    "open_media",
    "relink",
]

DEFAULT_RATE_FPS = 6.0
"""Frames annotated per second, as in SA-V (SAM 2 paper, section 5.1)."""
RATIO_TOLERANCE = 0.005
"""A rate that is a whole multiple of the annotation rate up to this relative error is
taken as one, so that 29.97 and 23.976 count as 30 and 24."""


def open_media(
    path: str | Path,
    *,
    cache: FrameCache | None = None,
    folder_fps: float = DEFAULT_FOLDER_FPS,
) -> MediaReader:
    """Open an image, a folder of frames or a video file.

    What a file is, is told by its content and not by its name. Nothing is decoded but
    the first frame.

    Args:
        path: the file or folder.
        cache: where decoded frames are kept; None for the cache shared by the process.
        folder_fps: rate of a folder of frames, which has none of its own.

    Raises:
        MediaMissingError: there is nothing at ``path``.
        MediaError: it cannot be used; the message says why and what to do.
        InputError: ``folder_fps`` is not a rate.
    """
    place = Path(path).expanduser()
    try:
        if place.is_dir():
            return FolderReader(place, cache, folder_fps)
        size = place.stat().st_size
        if size == 0:
            raise MediaError(str(place), "the file is empty (0 bytes)", "copy or download it again")
        return ImageReader(place, cache) if is_image(place) else VideoReader(place, cache)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MediaMissingError(
            str(place), "there is no such file or folder", "check the path or relink the medium"
        ) from error
    except PermissionError as error:
        raise MediaError(str(place), "it may not be read", "check its permissions") from error


def annotation_frames(
    source: Media | MediaReader, rate_fps: float = DEFAULT_RATE_FPS
) -> tuple[int, ...]:
    """Choose the frames to annotate, apart from the medium's own rate.

    At a constant rate that is a whole multiple of ``rate_fps`` it is every k-th frame:
    0, 4, 8, ... for 24 at 6, as in SA-V. Otherwise it is the frame nearest in time to
    each multiple of ``1 / rate_fps``, each frame once. A medium slower than
    ``rate_fps`` gives all its frames, an image gives ``(0,)``.

    Args:
        source: the reader, or the record alone; the record knows only the mean rate,
            so a video of variable rate needs the reader.
        rate_fps: frames to annotate per second.

    Returns:
        Rising frame numbers, never empty, beginning with 0.

    Raises:
        InputError: ``rate_fps`` is not above 0.
    """
    if not (math.isfinite(rate_fps) and rate_fps > 0):
        raise InputError(f"rate_fps: expected a rate above 0, got {rate_fps}")
    media = source.media if isinstance(source, MediaReader) else source
    if media.kind is MediaKind.IMAGE or media.fps <= 0:
        return tuple(range(media.n_frames))
    ratio = media.fps / rate_fps
    if ratio <= 1 + RATIO_TOLERANCE:
        return tuple(range(media.n_frames))
    step = round(ratio)
    is_even = source.has_constant_rate if isinstance(source, MediaReader) else True
    if is_even and abs(ratio / step - 1) <= RATIO_TOLERANCE:
        return tuple(range(0, media.n_frames, step))
    if isinstance(source, MediaReader):
        times_s = source.times_s
    else:
        times_s = np.arange(media.n_frames) / media.fps
    wanted_s = np.arange(0.0, times_s[-1] + 1e-9, 1.0 / rate_fps)
    middles_s = (times_s[1:] + times_s[:-1]) / 2
    nearest = np.unique(np.searchsorted(middles_s, wanted_s))
    return tuple(int(i) for i in nearest)


class AnnotationFrames:
    """The annotated frames of a medium as a frame source for models.

    Positions ``0 .. len-1`` at the model's side stand for the frame numbers in
    ``frame_idxs`` at the medium's side.

    Args:
        reader: an open medium.
        frame_idxs: rising frame numbers, for example from :func:`annotation_frames`.

    Raises:
        InputError: the numbers are empty, do not rise, or lie outside the medium.
    """

    def __init__(self, reader: MediaReader, frame_idxs: Sequence[int]) -> None:
        idxs = tuple(int(i) for i in frame_idxs)
        if not idxs or any(b <= a for a, b in pairwise(idxs)):
            raise InputError(f"frame_idxs: expected rising numbers, got {idxs[:8]}")
        if idxs[0] < 0 or idxs[-1] >= len(reader):
            raise InputError(
                f"frame_idxs: expected 0..{len(reader) - 1}, got {idxs[0]}..{idxs[-1]}"
            )
        self.reader, self.frame_idxs = reader, idxs
        self._positions = {idx: position for position, idx in enumerate(idxs)}

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.reader.size_hw

    def __len__(self) -> int:
        return len(self.frame_idxs)

    def frame(self, index: int) -> Image:
        """Return the frame at a position as (H, W, 3) uint8 RGB, read-only.

        Raises:
            InputError: there is no such position.
            MediaError: the frame cannot be decoded.
        """
        if not 0 <= index < len(self):
            raise InputError(f"position: expected 0..{len(self) - 1}, got {index}")
        return self.reader.frame(self.frame_idxs[index])

    def frame_key(self, index: int) -> str:
        """Name the frame at a position by the medium's content and the frame's number."""
        return f"{self.reader.media.id}:{self.frame_idxs[index]}"

    def position(self, frame_idx: int) -> int:
        """Return the position of a frame number.

        Raises:
            InputError: the frame is not among the annotated ones.
        """
        position = self._positions.get(frame_idx)
        if position is None:
            raise InputError(f"frame_idx: {frame_idx} is not an annotated frame")
        return position


def relink(media: Media, candidates: str | Path | Sequence[str | Path]) -> Path | None:
    """Find a moved or renamed medium again by its content.

    Args:
        media: the record of what is missed.
        candidates: a file, a folder to search with all its sub-folders, or several.
            Things of the same name are tried first, hidden ones never.

    Returns:
        Where the same content lies now, or None.
    """
    roots = [candidates] if isinstance(candidates, (str, Path)) else list(candidates)
    places = [p for root in roots for p in _places(Path(root).expanduser(), media.kind)]
    suffix = Path(media.name).suffix.lower()
    places.sort(key=lambda p: (p.name != media.name, p.suffix.lower() != suffix))
    return next((place for place in places if _fingerprint(place, media.kind) == media.id), None)


def _places(root: Path, kind: MediaKind) -> Iterator[Path]:
    wants_folder = kind is MediaKind.FRAMES
    if root.is_dir():
        if wants_folder:
            yield root
        for path in sorted(root.rglob("*")):
            is_hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
            if not is_hidden and (path.is_dir() if wants_folder else path.is_file()):
                yield path
    elif root.is_file() and not wants_folder:
        yield root


def _fingerprint(place: Path, kind: MediaKind) -> str | None:
    try:
        if kind is MediaKind.FRAMES:
            return fingerprint_files(list_frames(place))
        return fingerprint_file(place)
    except MediaError:
        return None
