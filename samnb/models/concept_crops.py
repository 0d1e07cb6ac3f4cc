"""Square views of a picture around masks, all of one size, and the way back."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image as PilImage
from torch import Tensor
from torch.nn import functional as F

from samnb.models.base import BoolMask, Image

CROP: Final = 64
"""Side of a view in pixels."""
MARGIN: Final = 1.45
"""A view is so many times as large as the longer side of what it shows."""
MAX_SIDE: Final = 1024
"""Larger pictures are made smaller before views are cut out of them."""

Squares: TypeAlias = npt.NDArray[np.float32]
"""(N, 3) float32: left, top and side in media pixels; may reach beyond the picture."""


class Pyramid:
    """A picture in several sizes, so that views of large things are not aliased.

    Args:
        image: (H, W, 3) uint8 RGB.
    """

    def __init__(self, image: Image) -> None:
        pixels = torch.from_numpy(np.array(image, np.float32)).permute(2, 0, 1)[None]
        self.size_hw = image.shape[0], image.shape[1]
        level = pixels / 127.5 - 1.0
        while max(level.shape[-2:]) > MAX_SIDE:
            level = F.avg_pool2d(level, 2)
        self._levels = [level]
        while min(level.shape[-2:]) >= 2 * CROP:
            level = F.avg_pool2d(level, 2)
            self._levels.append(level)

    def views(self, squares: Squares) -> Tensor:
        """Cut out views, (N, 3, CROP, CROP) float32 in [-1, 1], 0 beyond the picture."""
        out = torch.zeros(len(squares), 3, CROP, CROP)
        base = self._levels[0].shape[-1] / self.size_hw[1]
        fine = np.log2(np.maximum(squares[:, 2] * base / CROP, 1.0))
        wanted = np.minimum(np.round(fine).astype(int), len(self._levels) - 1)
        for at in np.unique(wanted):
            rows = np.flatnonzero(wanted == at)
            grid = _grid(squares[rows], self.size_hw).reshape(1, -1, CROP, 2)
            seen = F.grid_sample(self._levels[at], grid, align_corners=False)
            out[rows] = seen.reshape(3, len(rows), CROP, CROP).permute(1, 0, 2, 3)
        return out


def squares_around(maps: Tensor, size_hw: tuple[int, int]) -> Squares:
    """Return the square to look at for each of (N, h, w) bool masks, none of them empty.

    Args:
        maps: masks of the whole picture at any size.
        size_hw: height and width of the picture in pixels.
    """
    (height, width), (h, w) = size_hw, maps.shape[-2:]
    return _around(_boxes(maps) * torch.tensor([width / w, height / h] * 2))


def squares_within(maps: Tensor, squares: Squares) -> Squares:
    """Return the square to look at for each mask as it was drawn in another, (N, CROP, CROP) bool;
    an empty one leaves the square as it is."""
    held = torch.from_numpy(np.ascontiguousarray(squares, np.float32))
    cells = _boxes(maps) * (held[:, 2:] / CROP)
    around = _around(cells + held[:, [0, 1, 0, 1]])
    empty = ~maps.flatten(1).any(1).numpy()
    around[empty] = squares[empty]
    return around


def reframe(maps: Tensor, squares: Squares, others: Squares) -> Tensor:
    """Turn (N, CROP, CROP) float maps of squares into maps of other squares; 0 beyond the first."""
    held, wanted = (
        torch.from_numpy(np.ascontiguousarray(s, np.float32)) for s in (squares, others)
    )
    steps = (torch.arange(CROP) + 0.5) / CROP
    place = [
        (wanted[:, at, None] + steps * wanted[:, 2:] - held[:, at, None]) / held[:, 2:] * 2 - 1
        for at in (0, 1)
    ]
    across, down = place[0][:, None, :].expand(-1, CROP, -1), place[1][:, :, None]
    grid = torch.stack([across, down.expand(-1, -1, CROP)], -1)
    return F.grid_sample(maps[:, None], grid, align_corners=False)[:, 0]


def _boxes(maps: Tensor) -> Tensor:
    """Bounds of (N, h, w) bool masks in cells, (N, 4) float32: left, top, right, bottom."""
    h, w = maps.shape[-2:]
    columns, rows = maps.any(1).float(), maps.any(2).float()
    x0, x1 = columns.argmax(1), w - columns.flip(1).argmax(1)
    y0, y1 = rows.argmax(1), h - rows.flip(1).argmax(1)
    return torch.stack([x0, y0, x1, y1], 1).float()


def _around(boxes: Tensor) -> Squares:
    side = (boxes[:, 2:] - boxes[:, :2]).amax(1) * MARGIN
    corner = (boxes[:, :2] + boxes[:, 2:]) / 2 - side[:, None] / 2
    return torch.cat([corner, side[:, None]], 1).numpy().astype(np.float32)


def view_maps(maps: Tensor, squares: Squares, size_hw: tuple[int, int]) -> Tensor:
    """Cut the views out of maps of the whole picture: (N, h, w) to (N, CROP, CROP) float32."""
    grid = _grid(squares, size_hw)
    return F.grid_sample(maps[:, None].float(), grid, align_corners=False)[:, 0]


def view_labels(labels: npt.NDArray[np.uint8], squares: Squares) -> npt.NDArray[np.uint8]:
    """Cut the views out of a (H, W) label image, 0 beyond it: (N, CROP, CROP) uint8."""
    steps = (np.arange(CROP, dtype=np.float32) + 0.5) / CROP
    x = np.floor(squares[:, :1] + steps * squares[:, 2:]).astype(np.int64)
    y = np.floor(squares[:, 1:2] + steps * squares[:, 2:]).astype(np.int64)
    padded = np.pad(labels, 1)
    x, y = (np.clip(v + 1, 0, n + 1) for v, n in ((x, labels.shape[1]), (y, labels.shape[0])))
    return np.asarray(padded[y[:, :, None], x[:, None, :]])


def paste(
    logits: npt.NDArray[np.float32], square: npt.NDArray[np.float32], size_hw: tuple[int, int]
) -> BoolMask:
    """Put a view's mask logits, (CROP, CROP), back into the picture: (H, W) bool."""
    height, width = size_hw
    left, top, side = (float(v) for v in square)
    x0, y0 = max(0, int(np.floor(left))), max(0, int(np.floor(top)))
    x1, y1 = min(width, int(np.ceil(left + side))), min(height, int(np.ceil(top + side)))
    mask = np.zeros(size_hw, np.bool_)
    if x1 <= x0 or y1 <= y0:
        return mask
    scale = CROP / side
    # Logits are shifted so that what lies outside the view, filled with 0, is background.
    lifted = PilImage.fromarray(np.clip(logits, -20, 20).astype(np.float32) + 20.0)
    extent = (
        (x0 - left) * scale, (y0 - top) * scale, (x1 - left) * scale, (y1 - top) * scale
    )  # fmt: skip
    seen = lifted.transform(
        (x1 - x0, y1 - y0), PilImage.Transform.EXTENT, extent, PilImage.Resampling.BILINEAR
    )
    mask[y0:y1, x0:x1] = np.asarray(seen) > 20.0
    return mask


def _grid(squares: Squares, size_hw: tuple[int, int]) -> Tensor:
    """Where each pixel of each view lies, (N, CROP, CROP, 2) in [-1, 1], x first."""
    steps = torch.from_numpy((np.arange(CROP, dtype=np.float32) + np.float32(0.5)) / CROP)
    held = torch.from_numpy(np.ascontiguousarray(squares, np.float32))
    x = (held[:, :1] + steps * held[:, 2:]) * (2 / size_hw[1]) - 1
    y = (held[:, 1:2] + steps * held[:, 2:]) * (2 / size_hw[0]) - 1
    across, down = x[:, None, :].expand(-1, CROP, -1), y[:, :, None].expand(-1, -1, CROP)
    return torch.stack([across, down], -1)
