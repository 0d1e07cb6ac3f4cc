"""What is pasted into clips: cut-outs, blobs with the texture of photos, and things that hang
together.

What people call one object is often several things: a rider and a horse, a plate and what is on it.
A decoder that has learned from things alone lets go of one of the two.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch.nn import functional as F

from samnb.models.training.cutouts import Picture
from samnb.models.training.stock import Stock

JOINED: Final = 0.25
"""Share of the objects of training clips that are two things."""
_MOST_JOINED: Final = 0.45  # of the picture


def pick(stock: Stock, rng: np.random.Generator, joined: float) -> torch.Tensor:
    """A thing to paste, (4, h, w) float32 in 0..1; a share `joined` of them is two that hang
    together."""
    one = _pick_one(stock, rng)
    if joined and rng.random() < joined:
        one = _join(one, _pick_one(stock, rng), rng)
    return one


def _pick_one(stock: Stock, rng: np.random.Generator) -> torch.Tensor:
    raw = stock.cutouts[int(rng.integers(len(stock.cutouts)))]
    rgba = torch.from_numpy(raw).permute(2, 0, 1).float() / 255
    if rng.random() < 0.2:
        # A blob with the texture of a photo: shapes that no segmenter would have proposed.
        image = stock.pictures[int(rng.integers(len(stock.pictures)))].image
        rgba = _blob(image, rng)
    if rng.random() < 0.5:
        rgba = rgba.flip(2)
    if rng.random() < 0.5:
        gain = torch.from_numpy(rng.uniform(0.7, 1.3, (3, 1, 1))).float()
        rgba = torch.cat([(rgba[:3] * gain).clamp(0, 1), rgba[3:]])
    return rgba


def _join(one: torch.Tensor, other: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Put another thing onto a thing, or behind it, so that they overlap or touch."""
    longest = max(one.shape[1:])
    scale = longest * rng.uniform(0.4, 1.0) / max(other.shape[1:])
    small = [max(4, round(side * scale)) for side in other.shape[1:]]
    other = F.interpolate(other[None], small, mode="bilinear", antialias=True)[0]
    rows, columns = torch.nonzero(one[3] > 0.5, as_tuple=True)
    if len(rows) == 0:
        return one
    at = int(rng.integers(len(rows)))
    # The corner of the other's box is at most half its size away from a place on the thing.
    top = int(rows[at]) - int(rng.integers(small[0]))
    left = int(columns[at]) - int(rng.integers(small[1]))
    up, before = max(0, -top), max(0, -left)
    height = max(up + one.shape[1], up + top + small[0])
    width = max(before + one.shape[2], before + left + small[1])
    layers = torch.zeros(2, 4, height, width)
    layers[0, :, up : up + one.shape[1], before : before + one.shape[2]] = one
    layers[1, :, up + top : up + top + small[0], before + left : before + left + small[1]] = other
    below, above = layers if rng.random() < 0.5 else layers.flip(0)
    cover = above[3:]
    colours = above[:3] * cover + below[:3] * (1 - cover)
    return torch.cat([colours, torch.maximum(cover, below[3:])])


def _blob(image: Picture, rng: np.random.Generator) -> torch.Tensor:
    side = min(128, *image.shape[:2])
    top = int(rng.integers(0, image.shape[0] - side + 1))
    left = int(rng.integers(0, image.shape[1] - side + 1))
    patch = torch.from_numpy(image[top : top + side, left : left + side].copy())
    coarse = torch.from_numpy(rng.normal(size=(1, 1, 5, 5))).float()
    field_ = F.interpolate(coarse, (side, side), mode="bicubic", align_corners=True)[0, 0]
    axis = torch.linspace(-1, 1, side)
    radius = torch.sqrt(axis[:, None] ** 2 + axis[None] ** 2)
    alpha = (radius + 0.25 * field_ < rng.uniform(0.6, 0.8)) & (radius < 0.98)
    return torch.cat([patch.permute(2, 0, 1).float() / 255, alpha[None].float()])


def with_neighbour(
    objects: NDArray[np.bool_], index: int, rng: np.random.Generator, joined: float
) -> NDArray[np.bool_]:
    """One of (K, H, W) masks, in a share `joined` of cases together with one that lies beside it or
    overlaps it."""
    own = objects[index]
    if joined and rng.random() < joined:
        near = ndimage.binary_dilation(own[::4, ::4], iterations=2)
        beside = [
            other
            for other in objects
            if (near & other[::4, ::4]).any()
            and (own & other).sum() < 0.5 * min(own.sum(), other.sum())
            and (own | other).mean() < _MOST_JOINED
        ]
        if beside:
            return np.asarray(own | beside[int(rng.integers(len(beside)))])
    return own
