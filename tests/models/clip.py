"""A short clip of two moving rectangles that remembers which frames were read."""

from __future__ import annotations

import numpy as np

from samnb.models.base import FramePrompts

SIZE_HW = (48, 80)


class Clip:
    """A red rectangle moving right and a green one moving left, on grey."""

    def __init__(self, n_frames: int = 24, size_hw: tuple[int, int] = SIZE_HW) -> None:
        self.n_frames = n_frames
        self.size_hw = size_hw
        self.read: list[int] = []

    def __len__(self) -> int:
        return self.n_frames

    def frame(self, index: int) -> np.ndarray:
        self.read.append(index)
        image = np.full((*self.size_hw, 3), 60, np.uint8)
        shift = 40 * index // self.n_frames
        image[10:30, shift : shift + 18] = (220, 40, 40)
        image[30:44, 60 - shift : 72 - shift] = (30, 200, 90)
        return image


def clicks(*points: tuple[float, float, int]) -> FramePrompts:
    """Prompts of clicks ``(x, y, label)``."""
    return FramePrompts(
        points_xy=np.array([p[:2] for p in points], np.float32).reshape(-1, 2),
        point_labels=np.array([p[2] for p in points], np.int32),
    )


def box(x0: float, y0: float, x1: float, y1: float) -> FramePrompts:
    """Prompts of one box."""
    return FramePrompts(box_xyxy=np.array([x0, y0, x1, y1], np.float32))


def drawn(x0: int, y0: int, x1: int, y1: int, size_hw: tuple[int, int] = SIZE_HW) -> FramePrompts:
    """A rectangle given as a mask prompt."""
    mask = np.zeros(size_hw, bool)
    mask[y0:y1, x0:x1] = True
    return FramePrompts(mask=mask)
