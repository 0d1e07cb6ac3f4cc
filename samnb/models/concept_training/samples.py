"""Views with what is known about them: what the small image-text model learns from.

A sample is a view around a mask that somebody proposed: the tracker, or a true mask made
worse. How well that mask fits the thing it fits best says whether it is one; a part, two
things at once, or a piece of background is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from samnb.models.base import Image
from samnb.models.concept_crops import CROP, Pyramid, squares_around, view_labels, view_maps
from samnb.models.concept_proposals import MAP_SIDE

GOOD_IOU = 0.5
"""A proposal that overlaps a thing at least so much shows that thing."""


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """N views.

    Attributes:
        colours: (N, CROP, CROP, 3) uint8.
        prior: (N, CROP, CROP) uint8, the proposed mask's probability in 0..255.
        truth: (N, CROP, CROP / 8) uint8, the thing that it overlaps most, eight cells a byte.
        area: (N,) float32, cells of that thing, those beyond the view counted.
        iou: (N,) float32, of the proposed mask with that thing.
        thing: (N,) int64, its row in the caller's table of things; -1 where there is none.
        picture: (N,) int64, which of the pictures that were joined it is from.
    """

    colours: npt.NDArray[np.uint8]
    prior: npt.NDArray[np.uint8]
    truth: npt.NDArray[np.uint8]
    area: npt.NDArray[np.float32]
    iou: npt.NDArray[np.float32]
    thing: npt.NDArray[np.int64]
    picture: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.iou)

    def views(self, rows: npt.NDArray[np.int64]) -> Tensor:
        """Return (N, 4, CROP, CROP) float32, as the model reads them."""
        colours = torch.from_numpy(self.colours[rows]).permute(0, 3, 1, 2).float() / 127.5 - 1
        prior = torch.from_numpy(self.prior[rows]).float()[:, None] / 255
        return torch.cat([colours, prior], 1)

    def masks(self, rows: npt.NDArray[np.int64]) -> Tensor:
        """Return (N, CROP, CROP) float32, 1 where the thing is."""
        return torch.from_numpy(np.unpackbits(self.truth[rows], axis=-1)).float()

    def rows(self, chosen: npt.NDArray[np.int64]) -> Samples:
        """Return some of the views."""
        return Samples(**{name: getattr(self, name)[chosen] for name in Samples.__slots__})


def join(parts: Sequence[Samples]) -> Samples:
    """Put samples one after the other, each from a picture of its own."""
    joined = {name: np.concatenate([getattr(p, name) for p in parts]) for name in Samples.__slots__}
    joined["picture"] = np.repeat(np.arange(len(parts)), [len(p) for p in parts])
    return Samples(**joined)


def sample_masks(
    image: Image,
    labels: npt.NDArray[np.uint8],
    rows: Sequence[tuple[int, int]],
    maps: Tensor,
) -> Samples:
    """Turn proposed masks into samples.

    Args:
        image: (H, W, 3) uint8 RGB.
        labels: (H, W) uint8, whose thing each pixel is.
        rows: label and row in the table of things of all that count.
        maps: (N, h, w) float32 in [0, 1], the proposals; each must reach 0.5 somewhere.
    """
    size_hw = labels.shape[0], labels.shape[1]
    squares = squares_around(maps > 0.5, size_hw)
    colours = ((Pyramid(image).views(squares) + 1) * 127.5).round().clamp(0, 255)
    prior = view_maps(maps, squares, size_hw).numpy()
    seen = view_labels(labels, squares)
    pixels = np.bincount(labels.ravel(), minlength=256)
    area = (prior > 0.5).sum((1, 2))
    best = np.zeros(len(maps), np.float32)
    truth = np.zeros((len(maps), CROP, CROP), np.bool_)
    thing, whole = np.full(len(maps), -1, np.int64), np.zeros(len(maps), np.float32)
    scale = (CROP / squares[:, 2]) ** 2
    for label, row in rows:
        own = seen == label
        inter = (own & (prior > 0.5)).sum((1, 2))
        iou = inter / np.maximum(area + pixels[label] * scale - inter, 1)
        better = iou > best
        best[better], thing[better], truth[better] = iou[better], row, own[better]
        whole[better] = (pixels[label] * scale)[better]
    return Samples(
        colours.permute(0, 2, 3, 1).numpy().astype(np.uint8),
        (prior * 255).round().astype(np.uint8),
        np.packbits(truth, axis=-1),
        whole,
        np.minimum(best, 1).astype(np.float32),
        thing,
        np.zeros(len(maps), np.int64),
    )


def spoil(masks: npt.NDArray[np.bool_], rng: np.random.Generator) -> Tensor:
    """Turn true masks into soft maps such as a decoder gives, some of them wrong.

    Of each mask there is one map that is about right, and one of a part of it, of it with a
    neighbour, of an oval where it is, or of a piece of anything.

    Args:
        masks: (N, H, W) bool.
        rng: source of chance.

    Returns:
        (M, MAP_SIDE, MAP_SIDE) float32, N <= M <= 2 N; all of them reach 0.5.
    """
    small = F.interpolate(
        torch.from_numpy(masks).float()[:, None], size=(MAP_SIDE, MAP_SIDE), mode="area"
    )[:, 0]
    made: list[Tensor] = []
    rows, columns = torch.meshgrid(torch.arange(MAP_SIDE), torch.arange(MAP_SIDE), indexing="ij")
    unit = MAP_SIDE / 64
    for at, mask in enumerate(small):
        made.append(_softened(mask, rng))
        kind = rng.random()
        y, x = (float((mask * v).sum() / mask.sum().clamp_min(1e-3)) for v in (rows, columns))
        if kind < 0.35:
            angle, shift = rng.uniform(0, 2 * np.pi), rng.uniform(-1.5, 1.5) * unit
            side = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle) > shift
            made.append(_softened(mask * side, rng))
        elif kind < 0.5 and len(small) > 1:
            near = int(rng.integers(len(small) - 1))
            made.append(_softened(torch.maximum(mask, small[near + (near >= at)]), rng))
        else:
            if kind < 0.75:
                reach = [(mask.amax(axis) > 0.3).sum() / 2 for axis in (1, 0)]
                r = np.maximum(np.array(reach, np.float64) * rng.uniform(0.75, 1.2, 2), 1.0)
                cy, cx = np.array([y, x]) + rng.uniform(-0.2, 0.2, 2) * r
            else:
                r = rng.uniform(1.5, 9, 2) * unit
                cy, cx = rng.uniform(4, MAP_SIDE - 4, 2)
            blob = ((columns - cx) / r[1]) ** 2 + ((rows - cy) / r[0]) ** 2 < 1
            made.append(_softened(blob.float(), rng))
    maps = torch.stack(made)
    return maps[(maps > 0.5).flatten(1).any(1)]


def _softened(mask: Tensor, rng: np.random.Generator) -> Tensor:
    """Make a map's edge soft and move it in or out a little."""
    soft = F.avg_pool2d(mask[None, None], 3, 1, 1)[0, 0]
    mixed = mask + (soft - mask) * float(rng.uniform(0.2, 1.0))
    lifted = (mixed - float(rng.uniform(0.25, 0.6))) * float(rng.uniform(5, 14))
    return lifted.sigmoid()
