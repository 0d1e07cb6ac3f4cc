"""What every reader of media can do, whatever the frames come from."""

from __future__ import annotations

import io
import operator
import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image as PilImage

from samnb.store.cache import FrameCache, Image, shared_cache
from samnb.types import InputError, Media, MediaError

if TYPE_CHECKING:
    from typing_extensions import Self

MAX_SIDE_PX = 16_384
"""Longest side of a frame: browsers do not draw a larger canvas."""
MAX_PIXELS = 80_000_000
"""Largest area of a frame: 240 MB as RGB, and masks and models need more beside it."""
EVEN_TOLERANCE = 0.1
"""A rate counts as constant when no frame is farther than this many frame durations
from where the mean rate puts it (containers round times to their own ticks)."""


def encode_jpeg(frame: Image, quality: int = 85) -> bytes:
    """Encode a frame for the browser.

    Args:
        frame: (H, W, 3) uint8 RGB.
        quality: 1 (small) to 95 (good).

    Raises:
        InputError: the array is no RGB frame, or the quality is out of range.
    """
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        raise InputError(f"frame: expected (H, W, 3) uint8, got {frame.shape} {frame.dtype}")
    if not 1 <= quality <= 95:
        raise InputError(f"quality: expected 1..95, got {quality}")
    out = io.BytesIO()
    PilImage.fromarray(np.ascontiguousarray(frame)).save(out, "JPEG", quality=quality)
    return out.getvalue()


def check_size(path: str, size_hw: tuple[int, int]) -> None:
    """Refuse pictures that no browser shows and that fill the memory.

    Raises:
        MediaError: a side is over ``MAX_SIDE_PX`` or the area over ``MAX_PIXELS``.
    """
    height, width = size_hw
    if max(size_hw) > MAX_SIDE_PX or height * width > MAX_PIXELS:
        raise MediaError(
            path,
            f"{width} x {height} pixels is too large "
            f"(limit {MAX_SIDE_PX} a side and {MAX_PIXELS // 10**6} million in all)",
            "scale it down or cut it into tiles first",
        )


class MediaReader(ABC):
    """Lazy random access to the frames of one medium; safe to share between threads.

    Frames come from the cache where it holds them. They are read-only arrays, because
    everybody who asks for the same frame gets the same one.

    Args:
        media: the record this reader reads.
        times_s: (N,) float64, time of each frame from the first one, in seconds.
        cache: where decoded frames are kept; None for the one shared by the process.
        warnings: what was found wrong when it was opened and could be worked around.
    """

    def __init__(
        self,
        media: Media,
        times_s: npt.NDArray[np.float64],
        cache: FrameCache | None,
        warnings: tuple[str, ...] = (),
    ) -> None:
        self.media = media
        self.cache = shared_cache() if cache is None else cache
        self.times_s = times_s
        self.times_s.flags.writeable = False
        self._warnings = list(dict.fromkeys(warnings))
        self._warnings_lock = threading.Lock()
        self._is_closed = False

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels as shown, after any rotation."""
        return self.media.size_hw

    @property
    def warnings(self) -> tuple[str, ...]:
        """Defects found so far that did not stop the reading, one sentence each."""
        return tuple(self._warnings)

    @property
    def has_constant_rate(self) -> bool:
        """Whether the mean rate says when every frame is shown."""
        if len(self) < 2:
            return True
        steps = self.times_s * self.media.fps
        return bool(np.abs(steps - np.arange(len(self))).max() <= EVEN_TOLERANCE)

    def __len__(self) -> int:
        return self.media.n_frames

    def frame(self, frame_idx: int) -> Image:
        """Return a frame as (H, W, 3) uint8 RGB, read-only.

        Raises:
            InputError: there is no frame of that number, or the reader is closed.
            MediaError: the frame cannot be decoded.
        """
        idx = self._check(frame_idx)
        frame = self.cache.frame(self.media.id, idx)
        if frame is None:
            frame = self._read(idx)
            self.cache.put_frame(self.media.id, idx, frame)
        return frame

    def jpeg(self, frame_idx: int, quality: int = 85) -> bytes:
        """Return a frame as JPEG for the browser; encoded once, then cached.

        Raises:
            InputError: no such frame, or a quality outside 1..95.
            MediaError: the frame cannot be decoded.
        """
        idx = self._check(frame_idx)
        data = self.cache.encoded(self.media.id, idx, quality)
        if data is None:
            data = encode_jpeg(self.frame(idx), quality)
            self.cache.put_encoded(self.media.id, idx, quality, data)
        return data

    def time_s(self, frame_idx: int) -> float:
        """Return when a frame is shown, in seconds after the first frame.

        Raises:
            InputError: there is no frame of that number.
        """
        return float(self.times_s[self._check(frame_idx)])

    def close(self) -> None:
        """Give decoders and files back; may be called twice."""
        self._is_closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def _read(self, frame_idx: int) -> Image:
        """Decode a frame that the cache does not hold."""

    def _warn(self, text: str) -> None:
        with self._warnings_lock:
            if text not in self._warnings:
                self._warnings.append(text)

    def _check(self, frame_idx: int) -> int:
        if self._is_closed:
            raise InputError(f"{self.media.name}: the reader is closed; open the medium again")
        idx = operator.index(frame_idx)
        if not 0 <= idx < len(self):
            raise InputError(
                f"frame_idx: expected 0..{len(self) - 1} in {self.media.name}, got {idx}"
            )
        return idx
