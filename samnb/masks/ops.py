"""Repair, compare and draw masks. Every function returns a new array.

Masks are (H, W) bool. Pixel ``(x, y)`` of a mask is the unit square from ``(x, y)`` to
``(x + 1, y + 1)`` with its centre at ``(x + 0.5, y + 0.5)``; strokes are given in these
continuous media coordinates, clicks as pixel indices.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from samnb.masks.rle import BoolMask, check_mask, describe
from samnb.types import InputError, Stroke

_EIGHT = np.ones((3, 3), np.bool_)
_FOUR = ndimage.generate_binary_structure(2, 1)
_SMALLEST_TIP = 0.75  # half a pixel's diagonal is 0.71: below it a tap could miss every centre


def bounds(mask: BoolMask, margin: int = 0) -> tuple[slice, slice] | None:
    """Rows and columns of the bounding box grown by ``margin`` px; None if empty."""
    check_mask(mask)
    columns = np.flatnonzero(mask.any(axis=0))
    if columns.size == 0:
        return None
    x0, x1 = int(columns[0]), int(columns[-1]) + 1
    rows = np.flatnonzero(mask[:, x0:x1].any(axis=1))
    return (
        slice(max(0, int(rows[0]) - margin), min(mask.shape[0], int(rows[-1]) + 1 + margin)),
        slice(max(0, x0 - margin), min(mask.shape[1], x1 + margin)),
    )


def components(mask: BoolMask) -> tuple[npt.NDArray[np.int32], int]:
    """Number the 8-connected parts.

    Returns:
        labels (H, W) int32, 0 outside the mask, and the number of parts.
    """
    check_mask(mask)
    labels = np.zeros(mask.shape, np.int32)
    box = bounds(mask)
    if box is None:
        return labels, 0
    labels[box], count = ndimage.label(mask[box], structure=_EIGHT)
    return labels, int(count)


def remove_small(mask: BoolMask, min_px: int = 200) -> BoolMask:
    """Remove 8-connected parts of fewer than ``min_px`` pixels.

    200 px is the clean-up of SAM 2's automatic masklets (paper, appendix on data).
    """
    labels, count = components(mask)
    if count == 0:
        return mask.copy()
    keep = np.bincount(labels.ravel(), minlength=count + 1) >= min_px
    keep[0] = False
    return np.asarray(keep[labels], np.bool_)


def fill_small_holes(mask: BoolMask, max_px: int = 200) -> BoolMask:
    """Fill holes of fewer than ``max_px`` pixels.

    A hole is a 4-connected part of the background that does not touch the edge of the
    picture: at the edge nobody knows whether it closes.
    """
    filled = mask.copy()
    box = bounds(mask)
    if box is None:
        return filled
    background = ~mask[box]
    labels, count = ndimage.label(background, structure=_FOUR)
    if count == 0:
        return filled
    is_hole = np.bincount(labels.ravel(), minlength=count + 1) < max_px
    # Inside the object's own box, whatever reaches the rim of the box is open.
    rim = np.concatenate((labels[0], labels[-1], labels[:, 0], labels[:, -1]))
    is_hole[rim] = False
    is_hole[0] = False
    filled[box] |= is_hole[labels]
    return filled


def clean(mask: BoolMask, n_px: int = 200) -> BoolMask:
    """Fill holes, then remove parts, of fewer than ``n_px`` pixels."""
    return remove_small(fill_small_holes(mask, n_px), n_px)


def boundary(mask: BoolMask) -> BoolMask:
    """One-pixel boundary map as the F measure uses it.

    A pixel is marked when it differs from its right, lower or lower-right neighbour, so
    the line lies half a pixel towards the origin. The last column looks down only, the
    last row looks right only, the last pixel is never marked.
    Source: Martin et al., PAMI 2004, as adopted by DAVIS (Perazzi et al., CVPR 2016).
    """
    check_mask(mask)
    line = np.zeros_like(mask)
    here = mask[:-1, :-1]
    line[:-1, :-1] = (here ^ mask[:-1, 1:]) | (here ^ mask[1:, :-1]) | (here ^ mask[1:, 1:])
    line[-1, :-1] = mask[-1, :-1] ^ mask[-1, 1:]
    line[:-1, -1] = mask[:-1, -1] ^ mask[1:, -1]
    return line


def error_region(gt: BoolMask, pred: BoolMask) -> tuple[BoolMask, BoolMask]:
    """Pixels that ``pred`` misses and pixels it has too much, each (H, W) bool."""
    check_pair(gt, pred)
    return gt & ~pred, pred & ~gt


def check_pair(gt: BoolMask, pred: BoolMask) -> None:
    """Raise ``InputError`` unless both are (H, W) bool of one size."""
    check_mask(gt, "gt")
    check_mask(pred, "pred")
    if gt.shape != pred.shape:
        raise InputError(f"pred: expected the shape of gt {gt.shape}, got {pred.shape}")


def error_centre(gt: BoolMask, pred: BoolMask | None = None) -> tuple[int, int, int]:
    """The click a careful person would make next: the inner-most wrong pixel.

    Distance transform (L2, the picture padded by one pixel of zeros) of the missed and
    of the surplus region; the larger maximum wins, the missed one only if it is strictly
    larger. Without a prediction this is the inner-most pixel of ``gt``. Among equal
    maxima the first in row order is taken.
    Source: Sofiiuk et al., RITM (arXiv 2102.06583), used by SAM 2's evaluation
    (arXiv 2408.00714, section 6.1 and appendix E).

    Args:
        gt: (H, W) bool.
        pred: (H, W) bool, or None for an empty prediction.

    Returns:
        ``(x, y, label)``: pixel indices, and 1 for a positive or 0 for a negative click.

    Raises:
        InputError: ``gt`` equals ``pred``: there is no error to click on.
    """
    missed, surplus = error_region(gt, np.zeros_like(gt) if pred is None else pred)
    depth_missed, x_missed, y_missed = _innermost(missed)
    depth_surplus, x_surplus, y_surplus = _innermost(surplus)
    if depth_missed == depth_surplus == 0:
        raise InputError("pred: expected a mask that differs from gt, got an equal one")
    if depth_missed > depth_surplus:
        return x_missed, y_missed, 1
    return x_surplus, y_surplus, 0


def depth(mask: BoolMask) -> npt.NDArray[np.float64]:
    """How deep in a mask each pixel lies: its distance to the nearest one outside, in pixels.

    Beyond the border of the picture counts as outside.

    Args:
        mask: (H, W) bool.

    Returns:
        (H, W) float64, 0 outside.
    """
    found: npt.NDArray[np.float64] = ndimage.distance_transform_edt(np.pad(mask, 1))
    return found[1:-1, 1:-1]


def _innermost(region: BoolMask) -> tuple[float, int, int]:
    """Depth, x and y of the inner-most pixel; depth 0 for an empty region."""
    box = bounds(region)
    if box is None:
        return 0.0, 0, 0
    # Outside its bounding box the region is zero, so the padded box gives the same
    # distances as the padded picture at a fraction of the work.
    distance = depth(region[box])
    y, x = divmod(int(np.argmax(distance)), distance.shape[1])
    return float(distance[y, x]), box[1].start + x, box[0].start + y


def stability(logits: npt.NDArray[np.floating], offset: float = 1.0) -> float:
    """IoU of the masks at logit ``+offset`` and ``-offset``, in [0, 1].

    The smaller mask lies inside the larger, so this is a quotient of two areas; 1.0 when
    both are empty. Source: Kirillov et al., Segment Anything (ICCV 2023), appendix B.

    Args:
        logits: (H, W) float, mask logits.
        offset: half the width of the band, in logits.
    """
    if logits.ndim != 2 or not np.issubdtype(logits.dtype, np.floating):
        raise InputError(f"logits: expected (H, W) float, got {describe(logits)}")
    if offset < 0:
        raise InputError(f"offset: expected a logit of at least 0, got {offset}")
    wide = int(np.count_nonzero(logits > -offset))
    return int(np.count_nonzero(logits > offset)) / wide if wide else 1.0


def draw_strokes(mask: BoolMask, *strokes: Stroke) -> BoolMask:
    """Brush or erase strokes in the order given; see :class:`samnb.types.Stroke`.

    A pixel is touched when its centre is no further than the radius from the polyline.
    A radius below 0.75 px is drawn as 0.75 px, so that every tap leaves a mark.

    Raises:
        InputError: a stroke without points, a radius that is not positive, or
            coordinates that are not finite.
    """
    check_mask(mask)
    drawn = mask.copy()
    for stroke in strokes:
        points = np.asarray(stroke.xy, np.float64)
        if points.ndim != 2 or points.shape[0] == 0 or not np.all(np.isfinite(points)):
            raise InputError("stroke.xy: expected at least one finite (x, y)")
        if not np.isfinite(stroke.radius) or stroke.radius <= 0:
            raise InputError(f"stroke.radius: expected a positive number, got {stroke.radius}")
        rows, first, stop = _sweep(points, max(stroke.radius, _SMALLEST_TIP), mask.shape)
        box, touched = _fill_spans(rows, first, stop)
        if stroke.is_erase:
            drawn[box] &= ~touched
        else:
            drawn[box] |= touched
    return drawn


Spans = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]


def _sweep(points: npt.NDArray[np.float64], radius: float, shape: tuple[int, ...]) -> Spans:
    """Pixel spans (row, first column, stop column) under a round tip, per segment and row.

    The area under one segment is the convex hull of two disks, hence one interval per
    row: the two disks' own extent, widened by the two tangents where they cross the row.
    """
    height, width = shape
    a, b = (points, points) if len(points) == 1 else (points[:-1], points[1:])
    low = np.minimum(a[:, 1], b[:, 1]) - radius
    high = np.maximum(a[:, 1], b[:, 1]) + radius
    row0 = np.clip(np.ceil(low - 0.5), 0, height).astype(np.int64)
    row1 = np.clip(np.floor(high - 0.5) + 1, 0, height).astype(np.int64)
    counts = np.maximum(row1 - row0, 0)
    segment = np.repeat(np.arange(len(a)), counts)
    rows = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + row0[segment]
    y = rows + 0.5
    left = np.full(rows.shape, np.inf)
    right = np.full(rows.shape, -np.inf)
    for end in (a, b):
        dy = y - end[segment, 1]
        is_met = np.abs(dy) <= radius
        half = np.sqrt(np.where(is_met, radius**2 - dy**2, 0.0))
        left = np.where(is_met, np.minimum(left, end[segment, 0] - half), left)
        right = np.where(is_met, np.maximum(right, end[segment, 0] + half), right)
    step = b - a
    length = np.hypot(step[:, 0], step[:, 1])
    normal = np.stack((step[:, 1], -step[:, 0]), 1) / np.where(length > 0, length, 1.0)[:, None]
    for side in (radius, -radius):
        p, q = (a + side * normal)[segment], (b + side * normal)[segment]
        rise = q[:, 1] - p[:, 1]
        share = (y - p[:, 1]) / np.where(rise == 0, 1.0, rise)
        is_met = (rise != 0) & (share >= 0) & (share <= 1)
        x = p[:, 0] + share * (q[:, 0] - p[:, 0])
        left = np.where(is_met, np.minimum(left, x), left)
        right = np.where(is_met, np.maximum(right, x), right)
    is_met = right >= left
    first = np.clip(np.ceil(left[is_met] - 0.5), 0, width).astype(np.int64)
    stop = np.clip(np.floor(right[is_met] - 0.5) + 1, 0, width).astype(np.int64)
    rows = rows[is_met]
    is_real = stop > first
    return rows[is_real], first[is_real], stop[is_real]


def _fill_spans(
    rows: npt.NDArray[np.int64], first: npt.NDArray[np.int64], stop: npt.NDArray[np.int64]
) -> tuple[tuple[slice, slice], BoolMask]:
    """Union of pixel spans as (bounding box, mask of that box)."""
    if rows.size == 0:
        return (slice(0, 0), slice(0, 0)), np.zeros((0, 0), np.bool_)
    y0, y1, x0, x1 = rows.min(), rows.max() + 1, first.min(), stop.max()
    wide = x1 - x0
    begin = (rows - y0) * wide + first - x0
    order = np.argsort(begin, kind="stable")
    begin = begin[order]
    # Spans never leave their row, so one running maximum over flat positions merges
    # the overlapping ones of every row at once.
    reach = np.maximum.accumulate(begin + (stop - first)[order])
    is_new = np.concatenate(([True], begin[1:] > reach[:-1]))
    is_last = np.concatenate((is_new[1:], [True]))
    edges = np.stack((begin[is_new], reach[is_last]), 1).ravel()
    total = int((y1 - y0) * wide)
    runs = np.concatenate((edges[:1], edges[1:] - edges[:-1], [total - edges[-1]]))
    is_object = np.arange(runs.size) % 2 == 1
    box = slice(int(y0), int(y1)), slice(int(x0), int(x1))
    return box, np.repeat(is_object, runs).reshape(int(y1 - y0), int(wide))
