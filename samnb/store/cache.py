"""A bounded cache for decoded frames and their encoded bytes.

The budget counts bytes, not entries, because one 4K frame weighs as much as ninety
small ones. One cache is meant to be shared by all readers of a process: what a
propagation decoded is there when the user scrubs over it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from samnb.types import InputError

Image: TypeAlias = npt.NDArray[np.uint8]
"""(H, W, 3) uint8, RGB."""

DEFAULT_FRAME_BYTES = 256 * 2**20
"""Budget for decoded frames: about 40 frames of 1080p, 370 of 480p."""
DEFAULT_ENCODED_BYTES = 64 * 2**20
"""Budget for encoded frames: several hundred JPEGs of 1080p."""

K = TypeVar("K")
V = TypeVar("V")


class ByteLru(Generic[K, V]):
    """Least-recently-used map whose values weigh at most ``budget_bytes`` together.

    A value heavier than the whole budget is not kept. All methods may be called from
    any thread.

    Args:
        budget_bytes: the limit; 0 keeps nothing.

    Raises:
        InputError: the budget is negative.
    """

    def __init__(self, budget_bytes: int) -> None:
        if budget_bytes < 0:
            raise InputError(f"budget_bytes: expected 0 or more, got {budget_bytes}")
        self.budget_bytes = budget_bytes
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._used = 0
        self._lock = threading.Lock()

    @property
    def used_bytes(self) -> int:
        """Weight of what is held now."""
        return self._used

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """Return the value and mark it as just used, or None."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def put(self, key: K, value: V, n_bytes: int) -> None:
        """Keep ``value``, dropping the longest unused ones until all fit."""
        with self._lock:
            old = self._entries.pop(key, None)
            if old is not None:
                self._used -= old[1]
            if n_bytes > self.budget_bytes:
                return
            self._entries[key] = (value, n_bytes)
            self._used += n_bytes
            while self._used > self.budget_bytes:
                _, (_, dropped) = self._entries.popitem(last=False)
                self._used -= dropped

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._entries.clear()
            self._used = 0


class FrameCache:
    """Decoded frames and encoded frames, each under its own byte budget.

    Frames are keyed by media id and frame number, so that two readers of the same
    content share them. Cached arrays are read-only: a copy is needed to write.

    Args:
        frame_bytes: budget for decoded frames.
        encoded_bytes: budget for encoded frames.
    """

    def __init__(
        self,
        frame_bytes: int = DEFAULT_FRAME_BYTES,
        encoded_bytes: int = DEFAULT_ENCODED_BYTES,
    ) -> None:
        self._frames: ByteLru[tuple[str, int], Image] = ByteLru(frame_bytes)
        self._encoded: ByteLru[tuple[str, int, int], bytes] = ByteLru(encoded_bytes)

    @property
    def frame_bytes(self) -> int:
        """Budget for decoded frames, in bytes."""
        return self._frames.budget_bytes

    @property
    def used_bytes(self) -> int:
        """Bytes held now, decoded and encoded together."""
        return self._frames.used_bytes + self._encoded.used_bytes

    def frame(self, media_id: str, frame_idx: int) -> Image | None:
        """Return a decoded frame, or None where it is not held."""
        return self._frames.get((media_id, frame_idx))

    def put_frame(self, media_id: str, frame_idx: int, frame: Image) -> None:
        """Keep a decoded frame; the array becomes read-only."""
        frame.flags.writeable = False
        self._frames.put((media_id, frame_idx), frame, frame.nbytes)

    def encoded(self, media_id: str, frame_idx: int, quality: int) -> bytes | None:
        """Return the encoded bytes of a frame, or None where they are not held."""
        return self._encoded.get((media_id, frame_idx, quality))

    def put_encoded(self, media_id: str, frame_idx: int, quality: int, data: bytes) -> None:
        """Keep the encoded bytes of a frame."""
        self._encoded.put((media_id, frame_idx, quality), data, len(data))

    def clear(self) -> None:
        """Give all memory back."""
        self._frames.clear()
        self._encoded.clear()


_shared: FrameCache | None = None
_shared_lock = threading.Lock()


def shared_cache() -> FrameCache:
    """Return the process-wide cache that readers use when they are given none."""
    global _shared
    with _shared_lock:
        if _shared is None:
            _shared = FrameCache()
        return _shared
