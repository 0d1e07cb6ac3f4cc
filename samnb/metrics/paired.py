"""Whether one way is better than another on the same pictures, and how surely.

A picture's pairs go together, so pictures are drawn with replacement, the same ones for both
ways (paired bootstrap; Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 8).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from samnb.metrics.cgf1 import CgScore, PairCount, total
from samnb.types import InputError

DRAWS: Final = 2000


def gains(
    one: Sequence[Sequence[PairCount]],
    other: Sequence[Sequence[PairCount]],
    chosen: npt.NDArray[np.int64],
    what: str = "cgf1",
) -> npt.NDArray[np.float64]:
    """Return ``other`` minus ``one`` in a score of :class:`CgScore`, for every draw of pictures.

    Args:
        one: the counts of each picture's pairs.
        other: those of the same pictures, answered in another way.
        chosen: (D, N) how often each draw has each of the N pictures.
        what: ``cgf1``, ``il_mcc`` or ``pmf1``.

    Returns:
        (D,) float64.

    Raises:
        InputError: not as many pictures twice, or none.
    """
    if len(one) != len(other) or not one:
        raise InputError(f"pictures: expected as many twice, got {len(one)} and {len(other)}")
    before, after = (
        np.array([getattr(_score(row), what) for row in (chosen @ _table(way)).tolist()])
        for way in (one, other)
    )
    return np.asarray(after - before, np.float64)


def interval(
    one: Sequence[Sequence[PairCount]], other: Sequence[Sequence[PairCount]], what: str = "cgf1"
) -> tuple[float, float]:
    """95 % interval of what :func:`gains` gives, over 2000 draws."""
    n = max(len(one), 1)
    chosen = np.random.default_rng(0).multinomial(n, [1 / n] * n, DRAWS)
    low, high = np.quantile(gains(one, other, chosen, what), [0.025, 0.975])
    return float(low), float(high)


def _table(pictures: Sequence[Sequence[PairCount]]) -> npt.NDArray[np.int64]:
    """What each picture adds: (pictures, 34) counts that :func:`_score` reads."""
    rows = []
    for pairs in pictures:
        s = total(pairs)
        rows.append([*s.tp, *s.fp, *s.fn, s.il_tp, s.il_fp, s.il_fn, s.il_tn])
    return np.array(rows, np.int64)


def _score(row: Sequence[int]) -> CgScore:
    tp, fp, fn = (tuple(row[at : at + 10]) for at in (0, 10, 20))
    il_tp, il_fp, il_fn, il_tn = row[30:]
    return CgScore(tp, fp, fn, il_tp, il_fp, il_fn, il_tn)
