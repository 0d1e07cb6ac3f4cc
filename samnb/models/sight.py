"""The frames of a video as one model sees them, encoded when they are needed."""

from __future__ import annotations

import numpy as np

from samnb.models.backend import Backend, Features
from samnb.models.base import FrameSource, KeyedFrames
from samnb.models.memory import FeatureCache
from samnb.store.cache import ByteLru
from samnb.types import InputError


class Sight:
    """Encodes frames, and keeps those used last.

    Args:
        backend: who looks.
        frames: the video.
        limit: how many encoded frames are kept at most.
        shared: encoded frames of all sessions on one model, for sources that name their frames.
        name: tells its frames from those of other models among the shared ones.
    """

    def __init__(
        self,
        backend: Backend,
        frames: FrameSource,
        limit: int,
        shared: ByteLru[str, Features],
        name: str = "",
    ) -> None:
        self.backend = backend
        self._frames = frames
        self._held = FeatureCache(limit)
        self._shared = shared
        self._name = name

    def __len__(self) -> int:
        return len(self._held)

    def encode(self, position: int) -> Features:
        """One frame.

        Raises:
            InputError: the source gave a frame of another size or type than it said.
        """
        features = self._held.get(position)
        if features is not None:
            return features
        frames = self._frames
        key = self._name + frames.frame_key(position) if isinstance(frames, KeyedFrames) else None
        features = None if key is None else self._shared.get(key)
        if features is None:
            image = frames.frame(position)
            if image.shape != (*frames.size_hw, 3) or image.dtype != np.uint8:
                raise InputError(
                    f"frame {position}: expected {(*frames.size_hw, 3)} uint8, "
                    f"got {image.shape} {image.dtype}"
                )
            features = self.backend.encode(image)
            if key is not None:
                self._shared.put(key, features, features.nbytes)
        self._held.put(position, features)
        return features

    def clear(self) -> None:
        """Forget everything but what is shared."""
        self._held.clear()
