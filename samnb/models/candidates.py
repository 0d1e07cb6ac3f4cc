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
from samnb.models.looks import Look, View, greatest_cosines, mean_features, measure, soften

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
        centre_xy: centre of the mask there, in sides of the picture.
        area: its area, as a share of the picture.
        gap: frames from there to here, at least 1.
        velocity_xy: movement of the centre from the second nearest frame to the nearest, per
            frame of the way on, in sides of the picture.
        areas: areas on prompted frames, as shares of the picture.
        rules: (2, D + 1) mean rule of prompted frames, and of those and the recent ones.
    """

    prompted: tuple[Look, ...]
    recent: tuple[Look, ...]
    last: Tensor
    centre_xy: tuple[float, float]
    area: float
    gap: int
    velocity_xy: tuple[float, float]
    areas: tuple[float, ...]
    rules: Tensor

    @staticmethod
    def at(position: int, bank: Bank) -> Known:
        """Read a bank whose outputs were all learned (see `View.learn`).

        Frames on which the object was not seen do not count, if others do.
        """
        frames: dict[int, Output] = {**bank.recent, **bank.prompted}
        placed = {p: o.place.tolist() for p, o in frames.items()}
        seen = {p: o for p, o in frames.items() if placed[p][3]} or frames
        order = sorted(seen, key=lambda p: (abs(p - position), p))
        near = [p for p in order if abs(p - position) <= _NEAR] or order[:1]
        first = near[0]
        x, y, area, _ = placed[first]
        velocity = 0.0, 0.0
        if len(near) > 1 and near[1] != first:
            before = placed[near[1]]
            # Per frame in the direction from `first` to `position`.
            step = (1 if position > first else -1) * (first - near[1])
            velocity = (x - before[0]) / step, (y - before[1]) / step
        shown = [p for p in bank.prompted if placed[p][3]] or list(bank.prompted)
        rules = [frames[p].rule for p in shown]
        lately = [seen[p].rule for p in near if p not in bank.prompted]
        return Known(
            prompted=tuple(frames[p].look for p in shown),
            recent=tuple(seen[p].look for p in near),
            last=seen[first].logits[0, 0],
            centre_xy=(x, y),
            area=area,
            gap=max(abs(position - first), 1),
            velocity_xy=velocity,
            areas=tuple(placed[p][2] for p in shown),
            rules=torch.stack([torch.stack(r).mean(0) for r in (rules, rules + lately)]),
        )


def ask(view: View, known: Sequence[Known]) -> Tensor:
    """What the rules of N objects say to every place of a frame: (N, 2, h, w) at stride 8."""
    return view.respond(torch.cat([one.rules for one in known])).unflatten(0, (-1, 2))


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


def places(view: View, known: Known, told: Tensor, size: int) -> npt.NDArray[np.float32]:
    """Where to click: the places most like the object, and the middle of where it was last.

    Args:
        view: the frame.
        known: what is known of the object.
        told: (2, h, w) what its rules say here, see `ask`.
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
        (told[1], _TOLD_PEAKS),
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


def describe(
    view: View, found: Sequence[Candidates], known: Sequence[Known], told: Tensor
) -> list[Tensor]:
    """What speaks for each candidate of N objects.

    Args:
        view: the frame.
        found: of each object, not empty.
        known: what is known of each object.
        told: (N, 2, h, w) what their rules say here, see `ask`.

    Returns:
        For each object (C, F) float32, F columns named by `FEATURES`: greatest cosine of features
        at each stride with a prompted frame, and with a prompted or recent one; predicted IoU; IoU
        with the last mask; log of one plus the distance of the centres in units of the object's
        size, from the last mask and from where it should have moved; log ratio of areas to the
        last mask, its absolute value, and the least absolute value to a prompted one; log of one
        plus the frames since the last mask; stability (IoU of the masks at logits 1 and -1); how
        far the cosine at stride 8 is behind the best candidate's, and how far ahead of the best one
        elsewhere; whether it is the memory's own, IoU with that, a tenth of the memory's presence
        logit; what the rules say: mean in the mask by prompted frames and by all, mean around the
        mask, share of the mask where they say no, share of all they say yes to, lead over the
        greatest value elsewhere, greatest value anywhere by prompted frames and by all; whether the
        mask and the last one touch the border, and how far inside the picture the object should be,
        in units of its size.
    """
    counts = [len(one.logits) for one in found]
    logits = torch.cat([one.logits for one in found])
    owner = torch.tensor([i for i, n in enumerate(counts) for _ in range(n)], device=logits.device)
    weights = soften(logits)
    rows = mean_features(view.maps, weights)
    prompted = greatest_cosines(rows, [one.prompted for one in known], owner)
    recent = greatest_cosines(rows, [one.recent for one in known], owner)
    anyone = torch.maximum(prompted, recent)
    centre, area = measure(weights)
    area = area.clamp_min(_TINY)
    last = torch.stack([one.last for one in known])
    before = weights.new_tensor([_before(one) for one in known])
    extent, gap, last_area, inside = before[:, :4].T[..., owner]
    last_centre, moved = before[owner, 4:6], before[owner, 6:]
    growth = (area / last_area).log()
    since = _growth(area, known, owner)
    inner, outer = ((logits > level).flatten(1).sum(1) for level in (1.0, -1.0))
    similar = anyone[:, 1]
    # A candidate elsewhere that is as similar: with look-alikes about, looks decide nothing.
    overlap = torch.block_diag(*(one.overlap for one in found))
    is_own = owner[:, None] == owner
    is_apart = is_own & (overlap < _APART_IOU)
    best, rival = (similar.expand_as(m).masked_fill(~m, -1.0).amax(1) for m in (is_own, is_apart))
    ahead = torch.where(is_apart.any(1), similar - rival, torch.ones_like(similar))
    is_memory = weights.new_tensor([float(i == 0) for n in counts for i in range(n)])
    columns = [
        *prompted.T,
        *anyone.T,
        torch.cat([one.confidence for one in found]),
        _overlaps_with(logits > 0, (last > 0)[owner]),
        torch.log1p((centre - last_centre).norm(dim=1) / extent),
        torch.log1p((centre - moved).norm(dim=1) / extent),
        growth,
        growth.abs(),
        since,
        gap,
        inner / outer.clamp_min(1),
        similar - best,
        ahead,
        is_memory,
        torch.cat([one.overlap[0] for one in found]),
        weights.new_tensor([one.presence / 10 for one in found])[owner],
        *_told(told, weights, owner),
        _touches(logits),
        _touches(last)[owner],
        inside,
    ]
    numbers = torch.stack([column.float() for column in columns], 1)
    return list(numbers.split(counts))


def _before(known: Known) -> list[float]:
    """Size, log of one plus the gap, area, way inside; the last centre and the expected one."""
    steps = min(known.gap, 3)
    moved = [c + v * steps for c, v in zip(known.centre_xy, known.velocity_xy, strict=True)]
    extent = max(known.area**0.5, 0.02)
    inside = min(*moved, *(1 - c for c in moved)) / extent
    way, gap = min(max(inside, -2.0), 2.0), float(np.log1p(known.gap))
    return [extent, gap, max(known.area, _TINY), way, *known.centre_xy, *moved]


def _growth(area: Tensor, known: Sequence[Known], owner: Tensor) -> Tensor:
    """Least absolute log ratio of areas (M,) to those of the same object on prompted frames."""
    areas = area.new_tensor([a for one in known for a in one.areas]).clamp_min(_TINY)
    whose = torch.tensor([i for i, one in enumerate(known) for _ in one.areas], device=area.device)
    ratios = (area[:, None] / areas).log().abs()
    return ratios.masked_fill(owner[:, None] != whose, torch.inf).amin(1)


def _told(told: Tensor, weights: Tensor, owner: Tensor) -> list[Tensor]:
    """The columns `told_*` and `most_*` of (N, 2, h, w) responses and (M, H, W) masks."""
    covered = F.interpolate(weights[:, None], told.shape[-2:], mode="area")[:, 0]
    inside = covered.flatten(1)
    spread = F.max_pool2d(covered[:, None], 3, 1, 1)[:, 0].flatten(1)
    by_prompted, by_all = told.flatten(2).unbind(1)
    total = inside.sum(1).clamp_min(_TINY)
    around = spread - inside
    wish = by_all.clamp_min(0)
    smooth_prompted, smooth_all = _blur(told).flatten(2).unbind(1)

    def under(masks: Tensor, values: Tensor) -> Tensor:
        return (masks @ values.T).gather(1, owner[:, None])[:, 0]

    mean = under(inside, by_all) / total
    elsewhere = smooth_all[owner].masked_fill(spread > 0.05, -2.0).amax(1)
    return [
        under(inside, by_prompted) / total,
        mean,
        under(around, by_all) / around.sum(1).clamp_min(_TINY),
        under(inside, (by_all < 0).float()) / total,
        under(inside, wish) / wish.sum(1).clamp_min(_TINY)[owner],
        mean - elsewhere,
        smooth_prompted.amax(1)[owner],
        smooth_all.amax(1)[owner],
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


def _overlaps(masks: Tensor) -> Tensor:
    """IoU (M, M) of each of (M, h, w) bool masks with each; 0 where both are empty."""
    flat = masks.flatten(1).float()
    common = flat @ flat.T
    area = flat.sum(1)
    return common / (area[:, None] + area[None] - common).clamp_min(1)


def _overlaps_with(masks: Tensor, others: Tensor) -> Tensor:
    """IoU (M,) of each of (M, h, w) bool masks with one other; 0 where both are empty."""
    common, union = (m.flatten(1).sum(1) for m in (masks & others, masks | others))
    return common / union.clamp_min(1)
