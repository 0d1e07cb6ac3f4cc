"""How well people agree: cgF1 of one rater's masks judged by another's.

Source: SAM 3 paper (arXiv 2511.16719), the estimate of human performance on SA-Co/Gold.
With three raters a pair of picture and phrase can be judged in three ways:

* **oracle**: the two raters who agree best, by local F1, then by the fewest false
  positives and false negatives; an upper bound;
* **random pair**: two raters drawn by chance for every pair, many times over, and the
  median of the scores; what one person is worth.

Which of two raters plays the truth is not said there. The oracle takes the earlier one;
the random pair draws that as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, permutations
from typing import Any, Final, TypeAlias

import numpy as np

from samnb.metrics.cgf1 import CgScore, PairCount, count_pair, mask_ious, total
from samnb.types import InputError, Rle

Agreement: TypeAlias = dict[tuple[int, int], PairCount]
"""Of one picture and phrase: counts by (rater as truth, rater as prediction)."""
N_REPEATS: Final = 1000


@dataclass(frozen=True, slots=True)
class HumanScore:
    """Human performance on a set of pairs.

    Attributes:
        oracle: scores of the two raters who agree best, pair by pair.
        random_cgf1: median cgF1 over random pairs of raters, times 100.
        random_il_mcc: median IL_MCC, in [-1, 1].
        random_pmf1: median pmF1, in [0, 1].
        n_repeats: random draws behind the medians.
    """

    oracle: CgScore
    random_cgf1: float
    random_il_mcc: float
    random_pmf1: float
    n_repeats: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: ``oracle`` and ``random_pair``, cgf1 times 100."""
        return {
            "oracle": self.oracle.to_dict(),
            "random_pair": {
                "cgf1": self.random_cgf1,
                "pmf1": self.random_pmf1,
                "il_mcc": self.random_il_mcc,
                "n_repeats": self.n_repeats,
            },
        }

    def __str__(self) -> str:
        return (
            f"oracle       {str(self.oracle).splitlines()[0]}\n"
            f"random pair  cgF1 {self.random_cgf1:.2f}   pmF1 {self.random_pmf1:.4f}   "
            f"IL_MCC {self.random_il_mcc:.4f}   (median of {self.n_repeats})"
        )


def count_agreement(masks: Sequence[Sequence[Rle]], *, is_checked: bool = False) -> Agreement:
    """Judge every rater's masks of one picture and phrase by every other's.

    Args:
        masks: for each of at least two raters, the instances; group masks left out.
        is_checked: the masks are known to be sound and of one size.
    """
    if len(masks) < 2:
        raise InputError(f"masks: expected at least two raters, got {len(masks)}")
    every = [rle for rater in masks for rle in rater]
    ious = mask_ious(every, every, is_checked=is_checked)
    stops = np.cumsum([0, *map(len, masks)])
    parts = [slice(a, b) for a, b in pairwise(stops.tolist())]
    return {
        (truth, other): count_pair(ious[parts[other], parts[truth]])
        for truth, other in permutations(range(len(masks)), 2)
    }


def score_human(
    agreements: Iterable[Agreement],
    rng: np.random.Generator,
    *,
    n_repeats: int = N_REPEATS,
    n_left_out: int = 0,
) -> HumanScore:
    """Estimate human performance from the agreements of all pairs.

    Args:
        agreements: one per picture and phrase, all with the same raters.
        rng: draws the random raters.
        n_repeats: how often.
        n_left_out: pairs that were not exhaustively annotated, for the record.
    """
    found = list(agreements)
    if not found:
        raise InputError("agreements: expected at least one pair, got none")
    if n_repeats < 1:
        raise InputError(f"n_repeats: expected at least 1, got {n_repeats}")
    n_raters = 1 + max(found[0])[0]
    oracle = [
        min(
            (one[pair] for pair in combinations(range(n_raters), 2)),
            key=lambda count: (-count.local_f1, _n_errors(count)),
        )
        for one in found
    ]
    ways = sorted(found[0])
    rows = np.array(
        [[[c.n_gt, c.n_pred, *c.tp] for c in map(one.__getitem__, ways)] for one in found]
    )  # (pairs, ways, 2 + thresholds)
    scores = np.array([_draw(rows, rng) for _ in range(n_repeats)])
    cgf1, pmf1, mcc = np.median(scores, axis=0).tolist()
    return HumanScore(total(oracle, n_left_out=n_left_out), cgf1, mcc, pmf1, n_repeats)


def _n_errors(count: PairCount) -> int:
    """False positives and false negatives, added up over the thresholds."""
    return len(count.tp) * (count.n_gt + count.n_pred) - 2 * sum(count.tp)


def _draw(rows: np.ndarray[Any, np.dtype[np.int64]], rng: np.random.Generator) -> list[float]:
    """cgF1, pmF1 and IL_MCC with one way drawn for each pair."""
    drawn = rows[np.arange(len(rows)), rng.integers(0, rows.shape[1], len(rows))]
    is_gt, is_pred = drawn[:, 0] > 0, drawn[:, 1] > 0
    n_gt, n_pred, *tp = drawn[is_gt].sum(0).tolist()
    score = CgScore(
        tp=tuple(tp),
        fp=tuple(n_pred - n for n in tp),
        fn=tuple(n_gt - n for n in tp),
        il_tp=int((is_gt & is_pred).sum()),
        il_fp=int((~is_gt & is_pred).sum()),
        il_fn=int((is_gt & ~is_pred).sum()),
        il_tn=int((~is_gt & ~is_pred).sum()),
    )
    return [score.cgf1, score.pmf1, score.il_mcc]
