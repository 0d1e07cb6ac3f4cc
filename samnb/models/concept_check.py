"""Is a version of ``concept`` better on pictures that it never saw, and surely enough?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from samnb.metrics.cgf1 import PairCount, total
from samnb.metrics.paired import gains

RESAMPLED: Final = 100
"""Draws of pictures, with replacement, for a standard error (bootstrap; Efron, Annals of Statistics
7, 1979)."""


@dataclass(frozen=True, slots=True)
class Check:
    """What cross-validation found: every decided picture was asked about once.

    Attributes:
        base: cgF1 of the base with its new words on all decided pairs, times 100.
        new: of versions that were trained further. No version saw the picture that it was asked
            about.
        pairs: how many.
        error: standard error of their difference, over the draw of pictures.
    """

    base: float
    new: float
    pairs: int
    error: float = 0.0

    @property
    def is_better(self) -> bool:
        """Whether what is learned helps on unseen pictures."""
        return self.new > self.base + self.error

    def __str__(self) -> str:
        sign = "over" if self.is_better else "against"
        end = "" if self.is_better else ", so nothing else was learned"
        give = f" (standard error {self.error:.1f})" if self.error else ""
        return (
            f"cgF1 {self.new:.1f} {sign} {self.base:.1f}{give} on {self.pairs} pairs, each "
            f"answered by a version that had not seen its picture{end}"
        )


def checked(
    before: Sequence[Sequence[PairCount]],
    after: Sequence[Sequence[PairCount]],
    rng: np.random.Generator,
) -> Check:
    """Compare two versions picture by picture.

    Args:
        before: of each picture, what the one found.
        after: likewise the other; the same pictures in the same order.
        rng: draws the pictures.
    """
    n = len(before)
    draws = [np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(RESAMPLED)]
    error = float(np.std(gains(before, after, np.array(draws))))
    was, now = (total(one for picture in way for one in picture).cgf1 for way in (before, after))
    return Check(was, now, sum(map(len, before)), error)
