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

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from samnb.masks.ops import error_centre
from samnb.models.backend import Bank, Output
from samnb.models.looks import Look, View, greatest_cosines, mean_features, soften

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
    "is_memory",
    "like_memory",
    "presence",
    "told_prompted",
    "told_known",
    "told_around",
    "told_doubtful",
    "told_share",
    "told_ahead",
    "most_prompted",
    "most_known",
    "at_border",
    "last_at_border",
    "inside_predicted",
)
"""Columns of `describe`, in order."""

_NEAR = 6  # frames that count as lately
_TOLD_PEAKS, _LIKE_PEAKS = 4, 2  # places by rule and by likeness
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
        rules: (2, D + 1) mean rule of prompted frames, and of those and the recent ones.
    """

    prompted: tuple[Look, ...]
    recent: tuple[Look, ...]
    last: Tensor
    gap: int
    velocity_xy: Tensor
    areas: Tensor
    rules: Tensor

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
        rules = [o.rule for o in shown]
        lately = [seen[p].rule for p in near if p not in bank.prompted]
        return Known(
            prompted=tuple(o.look for o in shown),
            recent=tuple(seen[p].look for p in near),
            last=seen[first].logits[0, 0],
            gap=max(abs(position - first), 1),
            velocity_xy=velocity,
            areas=_measure(prompted)[1],
            rules=torch.stack([torch.stack(r).mean(0) for r in (rules, rules + lately)]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Masks of one object on one frame, the memory's own first.

    Attributes:
        logits: (C, h, w) float32.
        confidence: (C,) predicted IoU.
        overlap: (C, C) IoU of each with each.
        presence: logit of the object being there, as memory has it.
    """

    logits: Tensor
    confidence: Tensor
    overlap: Tensor
    presence: float


def places(view: View, known: Known, size: int) -> npt.NDArray[np.float32]:
    """Where to click: the places most like the object, and the middle of where it was last.

    Args:
        view: the frame.
        known: what is known of the object.
        size: side of the model's picture in pixels.

    Returns:
        (K, 2) float32 in model pixels, x first; K is at most 7.
    """
    looks = (*known.prompted, *known.recent)
    directions = F.normalize(view.maps[1][0].float(), dim=0)
    wanted = torch.stack([look[1] for look in looks])
    likeness = torch.einsum("chw,qc->qhw", directions, wanted).amax(0)
    found: list[tuple[float, float]] = []
    for values, count in (
        (view.respond(known.rules[1:])[0], _TOLD_PEAKS),
        (likeness, _LIKE_PEAKS),
    ):
        side = values.shape[-1]
        for y, x in _peaks(_blur(values), count, max(1, round(_PEAK_RADIUS * side))):
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
    return Candidates(masks[kept], confidence[kept], overlap[kept][:, kept], float(own.score))


def alone(own: Output) -> Candidates:
    """The memory's own mask as the only candidate."""
    one = torch.ones(1, 1, device=own.logits.device)
    return Candidates(own.logits[0], one[0] * own.confidence, one, float(own.score))


def describe(view: View, candidates: Candidates, known: Known) -> Tensor:
    """What speaks for each candidate.

    Returns:
        (C, F) float32, F columns named by `FEATURES`: greatest cosine of features at each stride
        with a prompted frame, and with a prompted or recent one; predicted IoU; IoU with the last
        mask; log of one plus the distance of the centres in units of the object's size, from the
        last mask and from where it should have moved; log ratio of areas to the last mask, its
        absolute value, and the least absolute value to a prompted one; log of one plus the frames
        since the last mask; stability (IoU of the masks at logits 1 and -1); how far the cosine at
        stride 8 is behind the best candidate's, and how far ahead of the best one elsewhere;
        whether it is the memory's own, IoU with that, a tenth of the memory's presence logit; what
        the rules say: mean in the mask by prompted frames and by all, mean around the mask, share
        of the mask where they say no, share of all they say yes to, lead over the greatest value
        elsewhere, greatest value anywhere by prompted frames and by all; whether the mask and the
        last one touch the border, and how far inside the picture the object should be, in units of
        its size.
    """
    logits = candidates.logits
    weights = soften(logits)
    rows = mean_features(view.maps, weights)
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
    one = torch.ones_like(area)
    is_memory = torch.zeros_like(area)
    is_memory[0] = 1.0
    inside = torch.minimum(moved, 1 - moved).amin() / extent
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
        one * float(np.log1p(known.gap)),
        inner / outer.clamp_min(1),
        similar - similar.max(),
        ahead,
        is_memory,
        candidates.overlap[0],
        one * candidates.presence / 10,
        *_told(view.respond(known.rules), weights),
        _touches(logits),
        one * _touches(known.last[None]),
        one * inside.clamp(-2, 2),
    ]
    return torch.stack([column.float() for column in columns], 1)


def _told(responses: Tensor, weights: Tensor) -> list[Tensor]:
    """The columns `told_*` and `most_*` of (2, h, w) responses and (C, H, W) masks."""
    hw = responses.shape[-2:]
    covered = F.interpolate(weights[:, None], hw, mode="area")[:, 0]
    inside = covered.flatten(1)
    spread = F.max_pool2d(covered[:, None], 3, 1, 1)[:, 0].flatten(1)
    by_prompted, by_all = responses.flatten(1)
    total = inside.sum(1).clamp_min(_TINY)
    around = spread - inside
    wish = by_all.clamp_min(0)
    smooth_prompted, smooth_all = _blur(responses).flatten(1)
    mean = inside @ by_all / total
    elsewhere = torch.where(spread > 0.05, responses.new_tensor(-2.0), smooth_all).amax(1)
    one = torch.ones_like(total)
    return [
        inside @ by_prompted / total,
        mean,
        around @ by_all / around.sum(1).clamp_min(_TINY),
        inside @ (by_all < 0).float() / total,
        inside @ wish / wish.sum().clamp_min(_TINY),
        mean - elsewhere,
        one * smooth_prompted.max(),
        one * smooth_all.max(),
    ]


def _touches(logits: Tensor) -> Tensor:
    """1 where (M, h, w) masks reach the border of the picture, else 0."""
    on = logits > 0
    edges = [on[:, 0], on[:, -1], on[:, :, 0], on[:, :, -1]]
    return torch.cat(edges, 1).any(1).float()


def _blur(values: Tensor) -> Tensor:
    """Means over 3 x 3 places of (..., h, w)."""
    flat = values.reshape(-1, 1, *values.shape[-2:])
    return F.avg_pool2d(flat, 3, 1, 1, count_include_pad=False).reshape(values.shape)


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
