"""Checks thousands of run-length strings at once.

:func:`samnb.masks.rle.to_runs` says exactly what is wrong with one string. A benchmark
file holds a hundred thousand of them, nearly all sound, so here they are parsed side by
side in a few array passes and only a block with a fault is looked at one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from samnb.masks.rle import Runs, to_runs
from samnb.types import FormatError, Rle

_BLOCK_CHARS: Final = 1 << 16  # keeps the temporary arrays inside the cache
_MAX_GROUPS: Final = 7
_MAX_PIXELS: Final = 2**32 - 1
_SIGNED: Final = np.array([n if n < 16 else n - 32 for n in range(32)])
"""A number's last group of five bits is signed."""


def find_unsound(rles: Sequence[Rle]) -> tuple[int, FormatError] | None:
    """Return the position of the first unsound mask and what is wrong with it.

    The verdict is that of :func:`samnb.masks.rle.to_runs`; None when all are sound.
    """
    first = n_chars = 0
    for at, rle in enumerate(rles):
        n_chars += len(rle.counts)
        if n_chars >= _BLOCK_CHARS or at + 1 == len(rles):
            if not _are_sound(rles[first : at + 1]):
                found = _first_fault(rles[first : at + 1])
                if found is not None:
                    return first + found[0], found[1]
            first, n_chars = at + 1, 0
    return None


def check_all(rles: Sequence[Rle]) -> None:
    """Raise ``FormatError`` unless every mask is sound; see :func:`find_unsound`."""
    found = find_unsound(rles)
    if found is not None:
        raise FormatError(f"masks[{found[0]}]: {found[1]}") from found[1]


def _first_fault(rles: Sequence[Rle]) -> tuple[int, FormatError] | None:
    for at, rle in enumerate(rles):
        try:
            to_runs(rle)
        except FormatError as error:
            return at, error
    return None


def _are_sound(rles: Sequence[Rle]) -> bool:
    try:
        text = "".join([rle.counts for rle in rles]).encode("ascii")
    except UnicodeEncodeError:
        return False
    n_chars = np.array([len(rle.counts) for rle in rles])
    heights, widths = np.array([rle.size_hw for rle in rles], dtype=np.int64).T
    pixels = heights * widths
    if n_chars.min() < 1 or min(heights.min(), widths.min()) < 1 or pixels.max() > _MAX_PIXELS:
        return False
    groups = np.frombuffer(text, np.uint8) - np.uint8(48)  # characters before "0" wrap round
    if groups.max() > 63:
        return False
    mask_ends = np.cumsum(n_chars) - 1
    if groups[mask_ends].max() > 31:
        return False
    ends = np.flatnonzero(groups < 32)
    n_groups = np.diff(ends, prepend=-1)
    if n_groups.max() > _MAX_GROUPS:
        return False
    values = _SIGNED.take(groups.take(ends))
    longer, back = np.flatnonzero(n_groups > 1), 1
    while longer.size:
        values[longer] = values[longer] * 32 + (groups[ends[longer] - back] & 31)
        back += 1
        longer = longer[n_groups[longer] > back]
    return _add_up(values, np.searchsorted(ends, mask_ends) + 1, pixels)


def _add_up(values: Runs, past: Runs, pixels: Runs) -> bool:
    """Whether all runs are positive or zero and fill their picture.

    Args:
        values: (R,) the numbers of all masks.
        past: (N,) where each mask's numbers stop.
        pixels: (N,) pixels of each picture.
    """
    # From the fourth run on a number is the difference to the run two before, so lengths
    # are sums over every second number. Each mask gets rows of two, the last one filled
    # up with a zero; its first number stands apart, and what the mask before it adds up
    # to is taken off at its first row, so that one sum runs through all masks.
    first = np.concatenate(([0], past[:-1]))
    n_rows = (past - first + 1) // 2
    row = np.cumsum(n_rows) - n_rows
    pairs = np.zeros(2 * int(n_rows.sum()), np.int64)
    pairs[np.arange(values.size) + np.repeat(2 * row - first, past - first)] = values
    total = values[first].copy()
    if total.min() < 0:
        return False
    pairs[2 * row] = 0
    last, has_filler = row + n_rows - 1, (past - first) % 2 == 1
    for column in (pairs[0::2], pairs[1::2]):
        column[row[1:]] -= np.add.reduceat(column, row)[:-1]
        lengths = np.cumsum(column)
        if lengths.min() < 0:
            return False
        total += np.add.reduceat(lengths, row)
    total -= np.where(has_filler, lengths[last], 0)
    return bool((total == pixels).all())
