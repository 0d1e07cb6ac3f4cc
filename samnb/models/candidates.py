"""Other masks that might be the object, and what speaks for each of them.

A memory that has lost its object, or taken a neighbour for it, does not find back on its own. But
the right mask is mostly at hand: clicked on where the picture looks like the object, or where it
was last seen, the decoder outlines it. So a tracked frame has candidates: the memory's own mask and
those of a few such clicks. Each is described by numbers (does it look like the object, is it where
and as large as it should be, is another place as similar), from which `samnb.models.chooser`
chooses.

Choosing a track's mask among several per frame: Ding et al., SAM2Long (arXiv 2410.16268), by
predicted IoU; Yang et al., SAMURAI (arXiv 2411.11922), by motion; Videnovic et al., DAM4SAM (arXiv
2411.17576), distractors among the decoder's alternatives. There the candidates are the decoder's
three masks of one prompt; a lost object is in none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from samnb.masks.ops import error_centre
from samnb.models.backend import Bank, Output
from samnb.models.looks import Look, greatest_cosines, mean_features, soften

FEATURES: Final = (
    "prompted_4",
    "prompted_8",
    "prompted_16",
    "known_4",
    "known_8",
    "known_16",
    "predicted_iou",
    "overlap",
    "distance",
    "distance_predicted",
    "growth",
    "growth_abs",
    "growth_prompted",
    "gap",
    "stability",
    "behind_best",
    "ahead_of_rival",
)
"""Columns of `describe`, in order."""

_NEAR = 6  # frames that count as lately
_PEAKS: Final = ((2, 2), (1, 4))  # (feature map, places): two at stride 16, four at stride 8
_PEAK_RADIUS = 0.125  # of the map's side: nearer places are one place
_SAME_IOU = 0.85
_APART_IOU = 0.1
_LEAST_AREA, _MOST_AREA = 0.0008, 0.7  # of the picture
_TINY = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What the bank of one object tells about it, seen from one frame.

    Attributes:
        prompted: looks of prompted frames, not empty.
        recent: looks of the frames near by.
        last: (h, w) logits of the nearest frame.
        gap: frames from there to here, at least 1.
        velocity_xy: (2,) movement of the centre from the second nearest frame to the nearest, per
            frame of the way on, in sides of the picture.
        areas: (P,) areas on prompted frames, as shares of the picture.
    """

    prompted: tuple[Look, ...]
    recent: tuple[Look, ...]
    last: Tensor
    gap: int
    velocity_xy: Tensor
    areas: Tensor

    @staticmethod
    def at(position: int, bank: Bank) -> Known:
        """Read a bank; frames on which the object was not seen do not count, if others do."""
        frames: dict[int, Output] = {**bank.recent, **bank.prompted}
        seen = {p: o for p, o in frames.items() if bool((o.logits > 0).any())} or frames
        order = sorted(seen, key=lambda p: (abs(p - position), p))
        near = [p for p in order if abs(p - position) <= _NEAR] or order[:1]
        first = near[0]
        centre = _measure(soften(seen[first].logits[0]))[0][0]
        velocity = torch.zeros_like(centre)
        if len(near) > 1 and near[1] != first:
            other = _measure(soften(seen[near[1]].logits[0]))[0][0]
            # Per frame in the direction from `first` to `position`.
            sign = 1.0 if position > first else -1.0
            velocity = (centre - other) * (sign / (first - near[1]))
        shown = [o for o in bank.prompted.values() if bool((o.logits > 0).any())]
        shown = shown or list(bank.prompted.values())
        prompted = torch.cat([soften(o.logits[0]) for o in shown])
        return Known(
            prompted=tuple(o.look for o in shown),
            recent=tuple(seen[p].look for p in near),
            last=seen[first].logits[0, 0],
            gap=max(abs(position - first), 1),
            velocity_xy=velocity,
            areas=_measure(prompted)[1],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Masks of one object on one frame, the memory's own first.

    Attributes:
        logits: (C, h, w) float32.
        confidence: (C,) predicted IoU.
        overlap: (C, C) IoU of each with each.
    """

    logits: Tensor
    confidence: Tensor
    overlap: Tensor


def places(maps: Sequence[Tensor], known: Known, size: int) -> npt.NDArray[np.float32]:
    """Where to click: the places most like the object, and the middle of where it was last.

    Args:
        maps: plain feature maps, strides 4, 8 and 16, each (1, C, h, w).
        known: what is known of the object.
        size: side of the model's picture in pixels.

    Returns:
        (K, 2) float32 in model pixels, x first; K is at most 7.
    """
    looks = (*known.prompted, *known.recent)
    found: list[tuple[float, float]] = []
    for level, count in _PEAKS:
        directions = F.normalize(maps[level][0].float(), dim=0)
        wanted = torch.stack([look[level] for look in looks])
        likeness = torch.einsum("chw,qc->qhw", directions, wanted).amax(0)
        side = likeness.shape[-1]
        likeness = F.avg_pool2d(likeness[None], 3, 1, 1, count_include_pad=False)[0]
        radius = max(1, round(_PEAK_RADIUS * side))
        for y, x in _peaks(likeness, count, radius):
            found.append(((x + 0.5) * size / side, (y + 0.5) * size / side))
    mask = (known.last > 0).cpu().numpy()
    if mask.any():
        x, y, _ = error_centre(mask)
        found.append(((x + 0.5) * size / mask.shape[1], (y + 0.5) * size / mask.shape[0]))
    return np.array(found, np.float32).reshape(-1, 2)


def gather(own: Output, logits: Tensor, ious: Tensor) -> Candidates:
    """The memory's own mask and those of clicks, without doubles and without walls and specks.

    Args:
        own: what the memory says.
        logits: (K, M, h, w) of K clicks.
        ious: (K, M) predicted.
    """
    masks = torch.cat([own.logits[0], logits.flatten(0, 1)])
    confidence = torch.cat([ious.new_tensor([own.confidence]), ious.flatten()])
    overlap = _overlaps(masks > 0)
    area = (masks > 0).flatten(1).float().mean(1)
    is_usable = (area > _LEAST_AREA) & (area < _MOST_AREA)
    kept = [0]
    for index in (confidence[1:].argsort(descending=True) + 1).tolist():
        if is_usable[index] and float(overlap[index, kept].max()) < _SAME_IOU:
            kept.append(index)
    return Candidates(masks[kept], confidence[kept], overlap[kept][:, kept])


def alone(own: Output) -> Candidates:
    """The memory's own mask as the only candidate."""
    one = torch.ones(1, 1, device=own.logits.device)
    return Candidates(own.logits[0], one[0] * own.confidence, one)


def describe(maps: Sequence[Tensor], candidates: Candidates, known: Known) -> Tensor:
    """What speaks for each candidate.

    Returns:
        (C, F) float32, F columns named by `FEATURES`: greatest cosine of features at each stride
        with a prompted frame, and with a prompted or recent one; predicted IoU; IoU with the last
        mask; log of one plus the distance of the centres in units of the object's size, from the
        last mask and from where it should have moved; log ratio of areas to the last mask, its
        absolute value, and the least absolute value to a prompted one; log of one plus the frames
        since the last mask; stability (IoU of the masks at logits 1 and -1); how far the cosine at
        stride 8 is behind the best candidate's, and how far ahead of the best one elsewhere.
    """
    logits = candidates.logits
    weights = soften(logits)
    rows = mean_features(maps, weights)
    prompted = greatest_cosines(rows, known.prompted)
    anyone = torch.maximum(prompted, greatest_cosines(rows, known.recent))
    centre, area = _measure(weights)
    (last_centre,), (last_area,) = _measure(soften(known.last[None]))
    extent = last_area.sqrt().clamp_min(0.02)
    moved = last_centre + known.velocity_xy * min(known.gap, 3)
    growth = (area.clamp_min(_TINY) / last_area.clamp_min(_TINY)).log()
    since = (area.clamp_min(_TINY)[:, None] / known.areas.clamp_min(_TINY)).log().abs().amin(1)
    both = torch.cat([known.last[None], logits]) > 0
    inner, outer = ((logits > level).flatten(1).sum(1) for level in (1.0, -1.0))
    similar = anyone[:, 1]
    # A candidate elsewhere that is as similar: with look-alikes about, looks decide nothing.
    is_apart = candidates.overlap < _APART_IOU
    rival = torch.where(is_apart, similar[None], similar.new_tensor(-1.0)).amax(1)
    ahead = torch.where(is_apart.any(1), similar - rival, torch.ones_like(similar))
    columns = [
        *prompted.T,
        *anyone.T,
        candidates.confidence,
        _overlaps(both)[0, 1:],
        torch.log1p((centre - last_centre).norm(dim=1) / extent),
        torch.log1p((centre - moved).norm(dim=1) / extent),
        growth,
        growth.abs(),
        since,
        torch.full_like(area, float(np.log1p(known.gap))),
        inner / outer.clamp_min(1),
        similar - similar.max(),
        ahead,
    ]
    return torch.stack([column.float() for column in columns], 1)


def _peaks(values: Tensor, count: int, radius: int) -> list[tuple[int, int]]:
    """Rows and columns of the greatest of (h, w) values that are farther apart than ``radius``."""
    left = values.clone()
    found = []
    for _ in range(count):
        y, x = divmod(int(left.argmax()), left.shape[1])
        found.append((y, x))
        left[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1] = -2.0
    return found


def _measure(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Centres (M, 2), x first, and areas (M,) of (M, h, w) masks, the picture's sides being 1."""
    height, width = weights.shape[-2:]
    total = weights.flatten(1).sum(1).clamp_min(_TINY)
    x = (torch.arange(width, device=weights.device) + 0.5) / width
    y = (torch.arange(height, device=weights.device) + 0.5) / height
    centre = torch.stack([(weights.sum(1) * x).sum(1), (weights.sum(2) * y).sum(1)], 1)
    return centre / total[:, None], total / (height * width)


def _overlaps(masks: Tensor) -> Tensor:
    """IoU (M, M) of each of (M, h, w) bool masks with each; 0 where both are empty."""
    flat = masks.flatten(1).float()
    common = flat @ flat.T
    area = flat.sum(1)
    return common / (area[:, None] + area[None] - common).clamp_min(1)
