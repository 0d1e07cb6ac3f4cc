"""Masks of everything in a picture, without asking what it is.

A grid of clicks costs seconds and steps over small things. Here a small head reads the features
of the picture, which are needed anyway, and says where things are; the decoder that belongs to
them is then clicked there and at a coarse grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from samnb.models.backend import Features
from samnb.models.base import Image
from samnb.models.concept_sight import sight_of
from samnb.models.grid import grid_points
from samnb.models.griddecode import ClickDecoder
from samnb.models.tracker import MemoryTracker
from samnb.types import ModelError

MAX_CLICKS: Final = 24
"""Clicks at the places where things are most likely."""
MAP_SIDE: Final = 96
"""Side of the maps that the decoder of `mobile`'s eyes gives; true masks are turned into such."""
AT_ONCE: Final = 8
"""Clicks decoded together; more take longer on a processor, whose cache they leave."""
MIN_HEAT: Final = 0.1
"""A place less likely than this is not clicked."""
SAME_IOU: Final = 0.85
"""Of two proposals that overlap more than this, the less confident goes."""
MAX_SHARE: Final = 0.7
"""A proposal that covers more of the picture than this is the background."""
MIN_CELLS: Final = 4
"""Nor is one that covers fewer cells of the decoder's map than this."""


@dataclass(frozen=True, slots=True, eq=False)
class Proposals:
    """Masks at the size of the decoder.

    Attributes:
        maps: (N, h, w) float32, probability that a cell belongs to the mask.
        confidence: (N,) float32, predicted IoU.
    """

    maps: Tensor
    confidence: Tensor


class Proposer(nn.Module):
    """Reads features of stride 8 and 16 and says where things are.

    Args:
        fine: channels at stride 8.
        coarse: channels at stride 16.
    """

    def __init__(self, fine: int = 64, coarse: int = 256) -> None:
        super().__init__()
        self.fine, self.coarse = nn.Conv2d(fine, 48, 1), nn.Conv2d(coarse, 48, 1)
        self.mix = nn.Sequential(nn.Conv2d(48, 48, 3, padding=1), nn.ReLU(), nn.Conv2d(48, 1, 1))
        final: Any = self.mix[2]
        nn.init.constant_(final.bias, -3.0)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """(B, C, h, w) and (B, D, h/2, w/2) to (B, h, w) logits."""
        # Features differ in scale by an order of magnitude; this makes them comparable.
        one = self.fine(F.normalize(fine, dim=1) * 4)
        two = self.coarse(F.normalize(coarse, dim=1) * 4)
        grown = F.interpolate(two, size=one.shape[-2:], mode="bilinear", align_corners=False)
        logits: Tensor = self.mix(F.relu(one + grown))[:, 0]
        return logits


def feature_maps(features: Features) -> tuple[Tensor, Tensor]:
    """Return the maps that :class:`Proposer` reads, each (1, C, h, w)."""
    maps = features.pictures()
    return maps[-2], maps[-1]


def peaks(
    heat: Tensor, size_hw: tuple[int, int], *, most: int = MAX_CLICKS
) -> npt.NDArray[np.float32]:
    """Return the local maxima of (h, w) probabilities as (N, 2) pixels, x first, best first."""
    top = F.max_pool2d(heat[None, None], 3, 1, 1)[0, 0]
    rows, columns = torch.nonzero((heat >= top) & (heat > MIN_HEAT), as_tuple=True)
    order = heat[rows, columns].argsort(descending=True)[:most]
    scale = np.array([size_hw[1] / heat.shape[1], size_hw[0] / heat.shape[0]], np.float32)
    found = torch.stack([columns[order], rows[order]], 1).cpu().numpy().astype(np.float32)
    return np.asarray((found + np.float32(0.5)) * scale, np.float32)


@torch.no_grad()
def propose(
    tracker: MemoryTracker, proposer: Proposer, image: Image, *, grid: int
) -> tuple[Features, Proposals]:
    """Encode a picture once and propose masks of what is in it.

    Args:
        tracker: whose eyes to use (:mod:`samnb.models.concept_sight`); they must decode many
            clicks at once, as those of ``mobile`` do.
        proposer: says where to click.
        image: (H, W, 3) uint8 RGB.
        grid: further clicks along each side, for things that the proposer does not know.

    Raises:
        ModelError: they cannot decode many clicks at once.
    """
    sight = sight_of(tracker)
    if not isinstance(sight, ClickDecoder):
        raise ModelError(f"tracker: expected one that decodes grids of clicks, got {tracker.name}")
    size_hw = image.shape[0], image.shape[1]
    features = sight.encode(image)
    heat = proposer(*feature_maps(features)).sigmoid()[0]
    clicks = np.concatenate([peaks(heat, size_hw), grid_points(size_hw, grid)])
    if len(clicks) == 0:
        side = features.sizes_hw[0]
        return features, Proposals(torch.zeros(0, *side), torch.zeros(0))
    found = [
        sight.decode_clicks(features, clicks[at : at + AT_ONCE], size_hw)
        for at in range(0, len(clicks), AT_ONCE)
    ]
    logits, ious = (torch.cat([one[k].flatten(0, 1) for one in found]).cpu() for k in (0, 1))
    return features, tidy(logits, ious)


def tidy(logits: Tensor, confidence: Tensor) -> Proposals:
    """Drop backgrounds, specks and all but the most confident of near-equal masks.

    Args:
        logits: (N, h, w) float32.
        confidence: (N,) float32.
    """
    binary = logits > 0
    area = binary.flatten(1).sum(1)
    usable = (area >= MIN_CELLS) & (area <= MAX_SHARE * binary[0].numel())
    order = torch.nonzero(usable)[:, 0]
    order = order[confidence[order].argsort(descending=True)]
    flat = binary[order].flatten(1).float()
    inter = flat @ flat.T
    size = flat.sum(1)
    same = inter > SAME_IOU * (size[:, None] + size[None] - inter)
    kept: list[int] = []
    for at in range(len(order)):
        if not bool(same[at, kept].any()):
            kept.append(at)
    chosen = order[kept]
    return Proposals(logits[chosen].sigmoid(), confidence[chosen].clamp(0, 1))
