"""Checks thousands of run-length strings at once.

:func:`samnb.masks.rle.to_runs` says exactly what is wrong with one string. A benchmark
file holds a hundred thousand of them, nearly all sound, so here they are parsed side by
side in a few array passes and only a block with a fault is looked at one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from samnb.masks.rle import to_runs
from samnb.types import FormatError, Rle

_BLOCK_CHARS: Final = 1 << 17  # keeps the temporary arrays inside the cache
_MAX_GROUPS: Final = 7
_MAX_PIXELS: Final = 2**32 - 1


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
    is_last = groups < 32
    mask_ends = np.cumsum(n_chars) - 1
    if not is_last[mask_ends].all():
        return False
    ends = np.flatnonzero(is_last)
    n_groups = np.diff(ends, prepend=-1)
    longest = int(n_groups.max())
    if longest > _MAX_GROUPS:
        return False
    values = (groups[ends] & 31).astype(np.int64)
    values[values > 15] -= 32  # the last group is signed
    for back in range(1, longest):
        longer = np.flatnonzero(n_groups > back)
        values[longer] = values[longer] * 32 + (groups[ends[longer] - back] & 31)
    # Run r of a mask is a difference to run r - 2 from the fourth on, so its length is a
    # sum over every second value; taken over the whole block, then rebased per mask.
    past = np.searchsorted(ends, mask_ends) + 1
    first = np.concatenate(([0], past[:-1]))
    place = np.arange(values.size) - np.repeat(first, past - first)
    is_odd = (place & 1).astype(np.bool_)
    total = np.zeros((values.size + 1, 2), np.int64)
    np.cumsum(np.where(is_odd, values, 0), out=total[1:, 0])
    np.cumsum(np.where(is_odd | (place == 0), 0, values), out=total[1:, 1])
    base = np.repeat(total[first], past - first, axis=0)
    runs = np.where(is_odd, total[1:, 0] - base[:, 0], total[1:, 1] - base[:, 1])
    runs[first] = values[first]
    return bool(runs.min() >= 0 and (np.add.reduceat(runs, first) == pixels).all())
