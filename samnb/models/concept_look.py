"""One look at a picture: every whole thing in it, with a fine mask and an embedding."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from samnb.models.backend import Features
from samnb.models.base import BoolMask, Image
from samnb.models.concept_crops import (
    Pyramid,
    Squares,
    paste,
    squares_around,
    view_maps,
)
from samnb.models.concept_net import ConceptNet
from samnb.models.concept_proposals import Proposer, propose
from samnb.models.tracker import MemoryTracker

MIN_QUALITY: Final = 0.1
"""What is less likely than this to be one whole thing is forgotten."""
NMS_IOU: Final = 0.5
"""Of two masks that overlap more than this, the better one stays."""
INSIDE: Final = 0.85
"""A mask of which more than this share lies in a better one is a part of that thing."""
MAX_THINGS: Final = 60
GRID: Final = 4
"""Clicks along each side beside those where the proposer sees something."""
_COMPARED: Final = 160
"""Masks are compared in pictures of this many pixels along the longer side."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What is in a picture, best first.

    Attributes:
        size_hw: height and width of the picture.
        squares: (N, 3) float32, where the views are.
        mask_logits: (N, CROP, CROP) float32.
        quality: (N,) float32 in [0, 1], probability of being one whole thing.
        embedding: (N, DIM) float32.
        features: the tracker's features of the picture.
        pasted: masks that were asked for before.
    """

    size_hw: tuple[int, int]
    squares: Squares
    mask_logits: npt.NDArray[np.float32]
    quality: npt.NDArray[np.float32]
    embedding: Tensor
    features: Features
    pasted: dict[int, BoolMask] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.quality)

    def mask(self, at: int) -> BoolMask:
        """Return one mask, (H, W) bool."""
        if at not in self.pasted:
            self.pasted[at] = paste(self.mask_logits[at], self.squares[at], self.size_hw)
        return self.pasted[at].copy()

    def rows(self, chosen: list[int]) -> Look:
        """Return some of the things."""
        return replace(
            self,
            squares=self.squares[chosen],
            mask_logits=self.mask_logits[chosen],
            quality=self.quality[chosen],
            embedding=self.embedding[chosen],
            pasted={},
        )


def look_at(
    tracker: MemoryTracker, proposer: Proposer, net: ConceptNet, image: Image, *, grid: int = GRID
) -> Look:
    """Propose masks, refine and judge them, and drop parts and repetitions.

    Args:
        tracker: gives features and answers clicks.
        proposer: says where to click.
        net: in evaluation mode.
        image: (H, W, 3) uint8 RGB.
        grid: see :func:`samnb.models.concept_proposals.propose`.
    """
    features, found = propose(tracker, proposer, image, grid=grid)
    return tidy(view_all(net, image, found.maps, features))


@torch.no_grad()
def view_all(net: ConceptNet, image: Image, maps: Tensor, features: Features) -> Look:
    """Look at proposed masks, (N, h, w) float32 in [0, 1]; none is dropped."""
    size_hw = image.shape[0], image.shape[1]
    squares = squares_around(maps > 0.5, size_hw)
    prior = view_maps(maps, squares, size_hw)
    views = torch.cat([Pyramid(image).views(squares), prior[:, None]], 1)
    seen = net(views.to(net.vectors.device))
    return Look(
        size_hw,
        squares,
        seen.mask.cpu().numpy(),
        seen.quality.sigmoid().cpu().numpy(),
        seen.embedding.cpu(),
        features,
    )


def tidy(look: Look) -> Look:
    """Sort by quality and keep what is likely one whole thing, each once."""
    order = [i for i in np.argsort(-look.quality) if look.quality[i] >= MIN_QUALITY]
    scale = min(1.0, _COMPARED / max(look.size_hw))
    small_hw = (max(1, round(look.size_hw[0] * scale)), max(1, round(look.size_hw[1] * scale)))
    flat = np.array(
        [paste(look.mask_logits[i], look.squares[i] * scale, small_hw).ravel() for i in order],
        np.float32,
    ).reshape(len(order), small_hw[0] * small_hw[1])
    inter, area = flat @ flat.T, flat.sum(1)
    kept: list[int] = []
    for at in range(len(order)):
        if area[at] == 0:
            continue
        shared = inter[at, kept]
        iou = shared / np.maximum(area[at] + area[kept] - shared, 1)
        if not ((iou > NMS_IOU) | (shared > INSIDE * area[at])).any():
            kept.append(at)
    return look.rows([int(order[i]) for i in kept[:MAX_THINGS]])
