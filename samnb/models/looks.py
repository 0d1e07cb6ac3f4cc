"""What a mask covers, as the image encoder sees it: the mean features under it.

Features of a frozen encoder tell one thing from another far better than a tracker's own presence
score does, and cost nothing: the maps are there already.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

Look = tuple[Tensor, ...]
"""For each feature map a unit vector (C,), or zeros for an empty mask."""


def soften(logits: Tensor) -> Tensor:
    """Weights in [0, 1] of any shape: the probability where logits are above 0, else 0."""
    return logits.float().clamp(-10.0, 10.0).sigmoid() * (logits > 0)


def mean_features(maps: Sequence[Tensor], weights: Tensor) -> tuple[Tensor, ...]:
    """Directions of the mean features under several masks.

    Args:
        maps: plain feature maps of a frame, each (1, C, h, w).
        weights: (M, H, W) float, how much a place counts.

    Returns:
        For each map (M, C) of unit length, or zeros where nothing counts.
    """
    found = []
    for one in maps:
        small = F.interpolate(weights[:, None], one.shape[-2:], mode="area")[:, 0].flatten(1)
        total = small @ one[0].float().flatten(1).T
        found.append(F.normalize(total / small.sum(1, keepdim=True).clamp_min(1e-4), dim=1))
    return tuple(found)


def look_at(maps: Sequence[Tensor], logits: Tensor) -> Look:
    """The look of one mask, given as (1, 1, h, w) logits; what is not above 0 does not count."""
    return tuple(rows[0] for rows in mean_features(maps, soften(logits[0])))


def greatest_cosines(rows: Sequence[Tensor], looks: Sequence[Look]) -> Tensor:
    """How much masks look like the most similar of ``looks`` (not empty), map by map.

    Args:
        rows: for each of L maps (M, C), see `mean_features`.
        looks: what to compare with.

    Returns:
        (M, L) float32.
    """
    columns = [
        (one @ torch.stack([look[level] for look in looks]).T).amax(1)
        for level, one in enumerate(rows)
    ]
    return torch.stack(columns, 1).float()
