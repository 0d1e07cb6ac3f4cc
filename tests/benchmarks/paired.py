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

DRAWS: Final = 2000


def interval(
    one: Sequence[Sequence[PairCount]], other: Sequence[Sequence[PairCount]], what: str = "cgf1"
) -> tuple[float, float]:
    """95 % interval of ``other`` minus ``one`` in a score of :class:`CgScore`.

    Args:
        one: the counts of each picture's pairs.
        other: those of the same pictures, answered in another way.
        what: ``cgf1``, ``il_mcc`` or ``pmf1``.
    """
    if len(one) != len(other) or not one:
        raise ValueError(f"expected as many pictures twice, got {len(one)} and {len(other)}")
    chosen = np.random.default_rng(0).multinomial(len(one), [1 / len(one)] * len(one), DRAWS)
    scores = [
        [getattr(_score(row), what) for row in (chosen @ _table(way)).tolist()]
        for way in (one, other)
    ]
    low, high = np.quantile(np.subtract(scores[1], scores[0]), [0.025, 0.975])
    return float(low), float(high)


def _table(pictures: Sequence[Sequence[PairCount]]) -> npt.NDArray[np.int64]:
    """What each picture adds: (pictures, 34) counts that :func:`_score` reads."""
    rows = []
    for pairs in pictures:
        s = total(pairs)
        rows.append([*s.tp, *s.fp, *s.fn, s.il_tp, s.il_fp, s.il_fn, s.il_tn])
    return np.array(rows, np.int64)


def _score(row: Sequence[int]) -> CgScore:
    return CgScore(tuple(row[:10]), tuple(row[10:20]), tuple(row[20:30]), *row[30:])
