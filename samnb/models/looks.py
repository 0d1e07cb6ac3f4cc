"""What a mask covers, as the image encoder sees it, and what tells that from the rest of its frame.

Features of a frozen encoder tell one thing from another far better than a tracker's own presence
score does, and cost nothing: the maps are there already. The mean features under a mask say what
the object is like. A linear rule learned against everything else in the same frame says what the
object has that its surroundings have not, which finds it again far more surely.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from samnb.models.backend import Output

Look = tuple[Tensor, ...]
"""For each feature map a unit vector (C,), or zeros for an empty mask."""

_RIDGE = 1.0  # of the mean variance: few pixels, many features
_TINY = 1e-4


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


def measure(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Centres (M, 2), x first, and areas (M,) of (M, h, w) masks, the picture's sides being 1."""
    height, width = weights.shape[-2:]
    total = weights.flatten(1).sum(1).clamp_min(_TINY)
    x = (torch.arange(width, device=weights.device) + 0.5) / width
    y = (torch.arange(height, device=weights.device) + 0.5) / height
    centre = torch.stack([(weights.sum(1) * x).sum(1), (weights.sum(2) * y).sum(1)], 1)
    return centre / total[:, None], total / (height * width)


def greatest_cosines(
    rows: Sequence[Tensor], looks: Sequence[Sequence[Look]], owner: Tensor
) -> Tensor:
    """How much each mask looks like the most similar look of its own object, map by map.

    Args:
        rows: for each of L maps (M, C), see `mean_features`.
        looks: for each object what to compare with, not empty.
        owner: (M,) int64, whose the masks are.

    Returns:
        (M, L) float32.
    """
    whose = torch.tensor([i for i, own in enumerate(looks) for _ in own], device=owner.device)
    is_other = owner[:, None] != whose
    columns = [
        (one @ torch.stack([look[level] for own in looks for look in own]).T)
        .masked_fill(is_other, -2.0)
        .amax(1)
        for level, one in enumerate(rows)
    ]
    return torch.stack(columns, 1).float()


class View:
    """One frame, as objects are recognised in it.

    Rules are Fisher's linear discriminants with the frame's own covariance (ridge of one mean
    variance): the covariance is the same for every object of the frame, so it is factored once.
    Learning on the first frame what tells an object from its surroundings: Bhat et al., DiMP (arXiv
    1904.07220) and LWL (arXiv 2003.11540), there by optimisation, here in closed form.

    Attributes:
        maps: plain feature maps, strides 4, 8 and 16, each (1, C, h, w).

    Args:
        maps: see above.
    """

    def __init__(self, maps: Sequence[Tensor]) -> None:
        self.maps = tuple(maps)
        self._hw = maps[1].shape[-2:]
        self._pixels: Tensor | None = None
        self._factor: Tensor | None = None

    def learn(self, outputs: Sequence[Output]) -> None:
        """Fill in the looks, rules and places of outputs on this frame."""
        weights = soften(torch.cat([output.logits[0] for output in outputs]))
        rows, rules = mean_features(self.maps, weights), self.tell_apart(weights)
        centre, area = measure(weights)
        is_any = weights.flatten(1).any(1).float()
        found = torch.cat([centre, area[:, None], is_any[:, None]], 1)
        for i, output in enumerate(outputs):
            output.look, output.rule = tuple(row[i] for row in rows), rules[i]
            output.place = found[i]

    def tell_apart(self, weights: Tensor) -> Tensor:
        """Rules that are 1 on the mean pixel of a mask and -1 on the mean pixel of the rest.

        Args:
            weights: (M, H, W) float in [0, 1], what belongs to each mask.

        Returns:
            (M, D + 1), the last column a constant; zeros for an empty mask.
        """
        pixels, factor = self._factored()
        inside = F.interpolate(weights[:, None], self._hw, mode="area")[:, 0].flatten(1)
        size, rest = (w.sum(1, keepdim=True).clamp_min(1e-3) for w in (inside, 1 - inside))
        own = inside @ pixels.T / size
        other = (1 - inside) @ pixels.T / rest
        across = torch.cholesky_solve((own - other).T, factor).T
        at_own, at_other = (across * own).sum(1), (across * other).sum(1)
        gain = 2 / (at_own - at_other).clamp_min(1e-6)
        rules = torch.cat([across * gain[:, None], (1 - at_own * gain)[:, None]], 1)
        return rules * (inside.sum(1, keepdim=True) > 0)

    def respond(self, rules: Tensor) -> Tensor:
        """What (M, D + 1) rules say to every place of the frame: (M, h, w) at stride 8."""
        return (rules[:, :-1] @ self._flat() + rules[:, -1:]).unflatten(1, self._hw)

    def _flat(self) -> Tensor:
        """Unit features of all strides at stride 8, (D, h*w)."""
        if self._pixels is None:
            parts = []
            for one in self.maps:
                unit = F.normalize(one.float(), dim=1)
                if unit.shape[-1] > self._hw[-1]:
                    unit = F.interpolate(unit, self._hw, mode="area")
                elif unit.shape[-1] < self._hw[-1]:
                    unit = F.interpolate(unit, self._hw, mode="bilinear", align_corners=False)
                parts.append(unit[0].flatten(1))
            self._pixels = torch.cat(parts)
        return self._pixels

    def _factored(self) -> tuple[Tensor, Tensor]:
        pixels = self._flat()
        if self._factor is None:
            centred = pixels - pixels.mean(1, keepdim=True)
            covariance = centred @ centred.T / centred.shape[1]
            diagonal = covariance.diagonal()
            diagonal.add_(_RIDGE * float(diagonal.mean()) + 1e-8)
            self._factor = torch.linalg.cholesky(covariance)
        return pixels, self._factor
