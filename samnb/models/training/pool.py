"""Clips that a training keeps encoded for a while, because encoding costs more than a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from samnb.models.training.clips import MIN_VISIBLE, compose_clip
from samnb.models.training.realclips import RealWindow, cut_clip
from samnb.models.training.stock import Stock
from samnb.models.training.synthetics import synthetic_clip
from samnb.models.training.things import JOINED
from samnb.models.training.tracking import EncodedClip, encode_clip


class ClipPool:
    """A rolling set of encoded clips for one image size."""

    def __init__(
        self,
        model: Any,
        stock: Stock,
        capacity: int,
        length: int,
        synthetic_share: float,
        windows: Sequence[RealWindow] = (),
        pseudo_share: float = 0.0,
        is_open: bool = False,
    ) -> None:
        self.model = model
        self.stock = stock
        self.capacity = capacity
        self.length = length
        self.synthetic_share = synthetic_share
        self.windows = windows
        self.pseudo_share = pseudo_share if windows else 0.0
        self.is_open = is_open
        self.clips: list[EncodedClip] = []
        self._next = 0

    def add(self, rng: np.random.Generator) -> None:
        """Make and encode one clip; the oldest makes room."""
        size = self.model.image_size
        if self.pseudo_share and rng.random() < self.pseudo_share:
            clip = cut_clip(self.windows, self.length, size, rng)
        elif rng.random() < self.synthetic_share:
            clip = synthetic_clip(self.length, size, rng)
        else:
            clip = compose_clip(self.stock, self.length, size, rng, joined=JOINED)
        encoded = encode_clip(self.model, clip, is_open=self.is_open)
        if len(self.clips) < self.capacity:
            self.clips.append(encoded)
        else:
            self.clips[self._next] = encoded
        self._next = (self._next + 1) % self.capacity

    def draw(
        self, objects: int, length: int, rng: np.random.Generator
    ) -> list[tuple[EncodedClip, list[int], list[int]]]:
        """About `objects` objects: windows of `length` frames, in either direction of time.

        Every object is visible in the first frame of its window.
        """
        drawn: list[tuple[EncodedClip, list[int], list[int]]] = []
        while sum(len(o) for _, _, o in drawn) < objects:
            clip = self.clips[int(rng.integers(len(self.clips)))]
            total = len(clip.masks)
            start = int(rng.integers(0, total - length + 1))
            frames = list(range(start, start + length))
            if rng.random() < 0.5:
                frames.reverse()
            share = clip.masks[frames[0]].float().mean((1, 2))
            seen = [int(i) for i in torch.nonzero(share > MIN_VISIBLE).flatten()]
            if seen:
                drawn.append((clip, frames, seen))
        return drawn
