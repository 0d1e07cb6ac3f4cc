"""Pixels on their way to the browser: encoded once, remembered within a budget."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final

from PIL import Image as PilImage

from samnb.models.base import Image

MAX_SIDE: Final = 1600
"""Longest side of a frame as sent; closer views get a sharp cut-out on top."""
JPEG_QUALITY: Final = 85


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded image; ``key`` names its content, so equal keys are never sent twice."""

    key: str
    data: bytes = field(compare=False, repr=False)
    mime: str = "image/jpeg"


@dataclass(frozen=True, slots=True)
class Tile:
    """A picture and the media pixels it covers, as (x0, y0, x1, y1)."""

    picture: Picture
    xyxy: tuple[int, int, int, int]


def encode_frame(
    image: Image,
    *,
    xyxy: tuple[int, int, int, int] | None = None,
    max_side: int = MAX_SIDE,
    quality: int = JPEG_QUALITY,
) -> bytes:
    """Encode a frame, or a cut-out of it, as JPEG no longer than ``max_side``.

    Args:
        image: (H, W, 3) uint8, RGB.
        xyxy: cut-out in media pixels, x1 and y1 exclusive; None for all.
        max_side: longest side of the result in pixels; never enlarged.
        quality: JPEG quality, 1 to 95.
    """
    x0, y0, x1, y1 = xyxy or (0, 0, image.shape[1], image.shape[0])
    picture = PilImage.fromarray(image[y0:y1, x0:x1])
    shrink = max_side / max(picture.size)
    if shrink < 1:
        size = (max(round(picture.width * shrink), 1), max(round(picture.height * shrink), 1))
        picture = picture.resize(size, PilImage.Resampling.BILINEAR, reducing_gap=2.0)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


class PictureCache:
    """The most recently used pictures, up to ``budget`` bytes. Safe across threads."""

    def __init__(self, budget: int = 48 * 1024 * 1024) -> None:
        self._budget, self._used = budget, 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Picture] = OrderedDict()

    def get(self, key: str, make: Callable[[], bytes], mime: str = "image/jpeg") -> Picture:
        """Return the picture of ``key``, encoding it when it is not there."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        picture = Picture(key, make(), mime)  # slow work stays outside the lock
        with self._lock:
            if key not in self._kept:
                self._kept[key] = picture
                self._used += len(picture.data)
            while self._used > self._budget and len(self._kept) > 1:
                self._used -= len(self._kept.popitem(last=False)[1].data)
        return picture
