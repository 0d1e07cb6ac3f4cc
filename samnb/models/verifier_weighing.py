"""How much a segmenter and a verifier are worth when they disagree about a mask: fitted weights.

The paper strikes out what MV rejects (SAM 3, arXiv 2511.16719, section on AI verifiers), which
takes a verifier to be right whenever it speaks. Here both opinions are weighed by a logistic
regression on decided pairs, and the weights count only where pictures that had no part in
fitting them are answered better than by the segmenter alone (cross-validation).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import optimize

from samnb.metrics.cgf1 import CgScore, Matrix, PairCount, count_pair, total
from samnb.types import InputError

Floats = npt.NDArray[np.float64]

FOLDS: Final = 6
GOOD_IOU: Final = 0.5
"""A candidate is right from this IoU with a true instance on."""
LEASTS: Final = (0.3, 0.35, 0.4, 0.45, 0.5)
"""Chances that are tried as the least one with which a mask is kept. Below a half, for F1 is
greatest at half of the F1 that is reached (Lipton, Elkan and Naryanaswamy, arXiv 1402.1892)."""
_SMALLEST: Final = 1e-3
_RIDGE: Final = 1.0


@dataclass(frozen=True, slots=True)
class Weighing:
    """Log-odds that a candidate is right, from two opinions.

    Attributes:
        constant: added always.
        found: weight of the segmenter's log-odds, score times presence.
        accepted: weight of MV's log-odds that the mask is to be kept.
        least: the chance from which on a mask is kept.
    """

    constant: float
    found: float
    accepted: float
    least: float = 0.5

    def chances(self, found: npt.ArrayLike, accepted: npt.ArrayLike) -> Floats:
        """Chance of each candidate, (N,), moved so that ``least`` becomes a half.

        Args:
            found: (N,) score times presence.
            accepted: (N,) probability that it is to be kept.
        """
        logits = self.constant + self.found * _odds(found) + self.accepted * _odds(accepted)
        return np.asarray(1 / (1 + np.exp(-(logits - _odds(self.least)))), np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class WeighedPair:
    """A decided pair, what both said about it, and what is right.

    Attributes:
        found: (N,) score times presence of every candidate.
        accepted: (N,) MV's probability that it is to be kept.
        ious: (N, M) of the candidates with the true instances.
    """

    found: Floats
    accepted: Floats
    ious: Matrix

    def count(self, chances: Floats) -> PairCount:
        """What the pair contributes when all above a half are kept."""
        return count_pair(self.ious[chances > 0.5])


@dataclass(frozen=True, slots=True)
class Fitted:
    """What fitting came to.

    Attributes:
        weighing: to be used; None where the segmenter alone is as good.
        alone: scores of the segmenter alone on all pairs.
        crossed: scores with weights that were fitted on other pictures.
    """

    weighing: Weighing | None
    alone: CgScore
    crossed: CgScore


def fit_weighing(pictures: Sequence[Sequence[WeighedPair]], *, seed: int = 0) -> Fitted:
    """Fit weights on decided pairs, and check them on pictures that had no part in it.

    Args:
        pictures: the pairs of each picture; at least two pictures.
        seed: of how pictures are dealt to the parts of the cross-validation.

    Raises:
        InputError: fewer than two pictures.
    """
    if len(pictures) < 2:
        raise InputError(f"pictures: expected at least 2, got {len(pictures)}")
    part = np.random.default_rng(seed).permutation(len(pictures)) % min(FOLDS, len(pictures))
    crossed: list[PairCount] = []
    for fold in range(int(part.max()) + 1):
        own = _fit([p for p, at in zip(pictures, part, strict=True) if at != fold])
        rest = [p for p, at in zip(pictures, part, strict=True) if at == fold]
        crossed += _counts(rest, own)
    alone = total(one.count(one.found) for pairs in pictures for one in pairs)
    reached = total(crossed)
    weighing = _fit(pictures) if reached.cgf1 > alone.cgf1 else None
    return Fitted(weighing, alone, reached)


def _fit(pictures: Sequence[Sequence[WeighedPair]]) -> Weighing:
    pairs = [one for each in pictures for one in each if len(one.found)]
    if not pairs:
        return Weighing(0.0, 1.0, 0.0)
    rows = np.concatenate([np.stack([_odds(p.found), _odds(p.accepted)], 1) for p in pairs])
    table = np.column_stack([np.ones(len(rows)), rows])
    right = np.concatenate([(p.ious >= GOOD_IOU).any(axis=1) for p in pairs]).astype(np.float64)

    def loss(weights: Floats) -> tuple[float, Floats]:
        logits = table @ weights
        value = float((np.logaddexp(0, logits) - right * logits).sum())
        slope = table.T @ (1 / (1 + np.exp(-logits)) - right)
        return value + _RIDGE * float(weights @ weights), slope + 2 * _RIDGE * weights

    constant, found, accepted = optimize.minimize(
        loss, np.zeros(3), jac=True, method="L-BFGS-B"
    ).x.tolist()
    tried = [Weighing(constant, found, accepted, least) for least in LEASTS]
    reached = np.array([total(_counts(pictures, one)).cgf1 for one in tried])
    # The mean with its neighbours: the best of few pairs is often best by luck.
    padded = np.pad(reached, 1, mode="edge")
    return tried[int(np.argmax(padded[:-2] + padded[1:-1] + padded[2:]))]


def _counts(pictures: Sequence[Sequence[WeighedPair]], by: Weighing) -> list[PairCount]:
    return [p.count(by.chances(p.found, p.accepted)) for each in pictures for p in each]


def _odds(chance: npt.ArrayLike) -> Floats:
    """Log-odds of chances, safe at both ends."""
    safe = np.clip(np.asarray(chance, np.float64), _SMALLEST, 1 - _SMALLEST)
    return np.asarray(np.log(safe / (1 - safe)), np.float64)
