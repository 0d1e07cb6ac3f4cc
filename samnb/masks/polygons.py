"""Masks as polygons and back, with holes and islands.

Pixel ``(x, y)`` of a mask is the unit square from ``(x, y)`` to ``(x + 1, y + 1)``. An
outline runs along pixel edges, so its corners are integers and nothing is rounded: the
round trip mask, polygons, mask is exact. Polygons are derived for tools that need them;
the runs of :mod:`samnb.masks.rle` stay the truth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.measure import approximate_polygon

from samnb.masks.ops import bounds
from samnb.masks.rle import BoolMask, check_mask, describe
from samnb.types import InputError

Ring = npt.NDArray[np.float64]
"""(N, 2) float, x first, a closed polygon whose last point is not repeated."""

_Ints = npt.NDArray[np.int64]
_FOUR = ndimage.generate_binary_structure(2, 1)


def polygon_to_mask(rings: Sequence[npt.ArrayLike], size_hw: tuple[int, int]) -> BoolMask:
    """Fill polygons by the even-odd rule.

    A pixel is set when its centre lies inside an odd number of rings; a ring inside
    another one is therefore a hole. A centre exactly on an edge belongs to the polygon
    on its right or below, so that neighbours never share a pixel.

    Args:
        rings: closed polygons, each (N, 2) float with N >= 3, x first.
        size_hw: height and width of the mask; parts outside are cut off.
    """
    height, width = size_hw
    if height < 1 or width < 1:
        raise InputError(f"size_hw: expected at least 1 x 1, got {height} x {width}")
    toggles = np.zeros((height, width + 1), np.uint8)
    for ring in rings:
        points = np.asarray(ring, np.float64)
        if points.ndim != 2 or points.shape[0] < 3 or points.shape[1] != 2:
            raise InputError(f"ring: expected (N >= 3, 2) float, got {describe(points)}")
        if not np.all(np.isfinite(points)):
            raise InputError("ring: expected finite coordinates")
        a, b = points, np.roll(points, -1, axis=0)
        upper = np.where((a[:, 1] <= b[:, 1])[:, None], a, b)
        lower = np.where((a[:, 1] <= b[:, 1])[:, None], b, a)
        row0 = np.clip(np.ceil(upper[:, 1] - 0.5), 0, height).astype(np.int64)
        row1 = np.clip(np.ceil(lower[:, 1] - 0.5), 0, height).astype(np.int64)
        counts = row1 - row0
        edge = np.repeat(np.arange(len(a)), counts)
        rows = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + row0[edge]
        slope = (lower[:, 0] - upper[:, 0]) / np.maximum(lower[:, 1] - upper[:, 1], 1e-12)
        x = upper[edge, 0] + slope[edge] * (rows + 0.5 - upper[edge, 1])
        columns = np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)
        np.bitwise_xor.at(toggles, (rows, columns), 1)
    filled = np.bitwise_xor.accumulate(toggles, axis=1)[:, :width]
    return np.ascontiguousarray(filled).view(np.bool_)


def mask_to_polygons(mask: BoolMask, tolerance: float = 0.0) -> list[list[Ring]]:
    """Outline every part along pixel edges.

    With ``tolerance`` 0, :func:`polygon_to_mask` of all rings gives the mask back.

    Args:
        mask: (H, W) bool.
        tolerance: furthest distance in pixels by which an outline may be simplified
            (Douglas-Peucker); parts and holes that vanish under it are left out.

    Returns:
        One list per 4-connected part, largest outline first: the outer ring (clockwise
        on screen), then its holes (counter-clockwise).
    """
    check_mask(mask)
    if tolerance < 0:
        raise InputError(f"tolerance: expected at least 0 px, got {tolerance}")
    box = bounds(mask)
    if box is None:
        return []
    labels, _ = ndimage.label(mask[box], structure=_FOUR)
    origin = np.array([box[1].start, box[0].start], np.float64)
    parts: dict[int, list[tuple[float, Ring]]] = {}
    for part, ring in _trace(mask[box], labels):
        outline = _simplify(ring, tolerance)
        if outline is not None:
            parts.setdefault(part, []).append((ring_area(outline), outline + origin))
    ordered = [sorted(rings, key=lambda pair: -pair[0]) for rings in parts.values()]
    ordered = [rings for rings in ordered if rings[0][0] > 0]
    ordered.sort(key=lambda rings: -rings[0][0])
    return [[ring for _, ring in rings] for rings in ordered]


def ring_area(ring: Ring) -> float:
    """Signed area in square pixels: positive when clockwise on screen (y down)."""
    x, y = ring[:, 0], ring[:, 1]
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def _simplify(ring: Ring, tolerance: float) -> Ring | None:
    if tolerance == 0:
        return ring
    closed = np.concatenate((ring, ring[:1]))
    kept = np.asarray(approximate_polygon(closed, tolerance), np.float64)[:-1]
    return kept if len(kept) >= 3 and ring_area(kept) * ring_area(ring) > 0 else None


def _trace(mask: BoolMask, labels: npt.NDArray[np.int32]) -> Iterator[tuple[int, Ring]]:
    """Yield (label of the part it bounds, corners) of every outline of ``mask``.

    Outlines keep the mask on their right. They alternate between horizontal and vertical
    segments, so it is enough to find the maximal segments and match ends with starts.
    Where two pixels touch only by a corner, two outlines meet; matching there by the
    direction of travel keeps 4-connected parts apart.
    """
    padded = np.pad(mask, 1).astype(np.int8)
    across = np.diff(padded, axis=0)[:, 1:-1]  # (H + 1, W): +1 top edges, -1 bottom edges
    down = np.diff(padded, axis=1)[1:-1].T  # (W + 1, H): +1 left edges, -1 right edges
    line, start, stop, sign = _segments(across)
    # Top edges run to the right, bottom edges to the left.
    head_x, tail_x = np.where(sign > 0, start, stop), np.where(sign > 0, stop, start)
    h_head, h_tail = _key(head_x, line), _key(tail_x, line)
    part = labels[np.where(sign > 0, line, line - 1), start]
    v_line, v_start, v_stop, v_sign = _segments(down)
    # Left edges run up, right edges run down.
    head_y = np.where(v_sign > 0, v_stop, v_start)
    tail_y = np.where(v_sign > 0, v_start, v_stop)
    v_head, v_tail = _key(v_line, head_y), _key(v_line, tail_y)
    # Around one pixel, a bottom edge (-1) goes on into the left edge (+1) and a top edge
    # (+1) into the right edge (-1); a right edge (-1) goes on into the bottom edge (-1).
    to_vertical = _match(h_tail, -sign, v_head, v_sign)
    to_horizontal = _match(v_tail, v_sign, h_head, sign)
    follow = to_horizontal[to_vertical].tolist()
    turn = to_vertical.tolist()
    seen = [False] * len(follow)
    for first in range(len(follow)):
        if seen[first]:
            continue
        loop: list[int] = []
        at = first
        while not seen[at]:
            seen[at] = True
            loop.append(at)
            at = follow[at]
        keys = np.empty(2 * len(loop), np.int64)
        keys[0::2] = h_head[loop]
        keys[1::2] = v_head[[turn[i] for i in loop]]
        yield int(part[first]), np.stack((keys & 0xFFFFFFFF, keys >> 32), 1).astype(np.float64)


def _key(x: _Ints, y: _Ints) -> _Ints:
    return (y << 32) | x


def _segments(steps: npt.NDArray[np.int8]) -> tuple[_Ints, _Ints, _Ints, _Ints]:
    """Maximal runs of equal non-zero sign in the rows: row, first, stop, sign."""
    framed = np.pad(steps, ((0, 0), (1, 1)))
    rows, columns = np.nonzero(framed[:, 1:] != framed[:, :-1])
    signs = framed[rows, columns + 1].astype(np.int64)
    is_start = signs != 0
    # A run stops at the next change in its row; the frame of zeros makes sure of one.
    stops = np.concatenate((columns[1:], [0]))
    return rows[is_start], columns[is_start], stops[is_start], signs[is_start]


def _match(tails: _Ints, tail_sign: _Ints, heads: _Ints, head_sign: _Ints) -> _Ints:
    """For every tail the index of the head at the same corner, ties by sign."""
    tail_order = np.lexsort((tail_sign, tails))
    head_order = np.lexsort((head_sign, heads))
    matched = np.empty(len(tails), np.int64)
    matched[tail_order] = head_order
    return matched
