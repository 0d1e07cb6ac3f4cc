"""cgF1: how well instances of a phrase are found, times how well its absence is told.

Source: SAM 3 paper (arXiv 2511.16719), the section on metrics, with the small constants
and tie rules of the released SA-Co evaluation, so that scores can be compared digit by
digit. One *pair* is a picture (or a video) with one noun phrase:

* only predictions with a score of at least 0.5 count;
* predictions and true masks are matched one to one with the greatest total IoU; at a
  threshold t a match with IoU >= t is a true positive;
* ``pmF1`` pools true positives, false positives and false negatives over the positive
  pairs (those with a true mask) and averages its F1 over t = 0.50, 0.55 ... 0.95;
* ``IL_MCC`` is the Matthews correlation of "something is there" with "something was
  predicted" over all pairs; ``cgF1 = 100 x pmF1 x IL_MCC``;
* with several annotations of a pair the most favourable one counts (oracle);
* group masks (``iscrowd``) are no instances: they neither count nor excuse anything.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from pycocotools import mask as _coco
from scipy.optimize import linear_sum_assignment

from samnb.masks.rle import describe
from samnb.metrics.runs import check_all
from samnb.types import InputError, Rle

Matrix: TypeAlias = npt.NDArray[np.float64]
Masklet: TypeAlias = Sequence[Rle | None]

THRESHOLDS: Final = tuple(float(t) for t in np.linspace(0.5, 0.95, 10))
"""IoU from which a match counts, as COCO spells them."""
MIN_SCORE: Final = 0.5
"""Predictions below this score do not count."""
_EPS: Final = 1e-4  # in every precision, recall and F1 of the released evaluation
_EPS_MCC: Final = 1e-6


def mask_ious(pred: Sequence[Rle], gt: Sequence[Rle], *, is_checked: bool = False) -> Matrix:
    """IoU of every predicted with every true mask of one picture.

    Args:
        pred: N masks.
        gt: M masks of the same size.
        is_checked: the masks are known to be sound and of one size; skips looking again.

    Returns:
        (N, M) float64 in [0, 1]; 0 where both masks are empty.

    Raises:
        InputError: the sizes differ.
        FormatError: a string is not sound.
    """
    if not is_checked:
        _check_sizes([*pred, *gt])
        check_all([*pred, *gt])
    if not pred or not gt:
        return np.zeros((len(pred), len(gt)))
    return np.asarray(_coco.iou(_dicts(pred), _dicts(gt), [0] * len(gt)))


def frame_ious(
    pred: Sequence[Masklet], gt: Sequence[Masklet], *, is_checked: bool = False
) -> tuple[Matrix, Matrix]:
    """IoU of predicted with true masklets, frame by frame and over their volume.

    Volume IoU is the sum of intersections over the sum of unions of all frames (Yang et
    al., Video Instance Segmentation, ICCV 2019, section 3.2); two masklets without a
    pixel agree fully.

    Args:
        pred: N masklets of T frames each; None where the object is absent.
        gt: M masklets of the same frames.
        is_checked: the masks are known to be sound and of one size; skips looking again.

    Returns:
        (T, N, M) IoU per frame, 0 where one is absent, and (N, M) volume IoU.

    Raises:
        InputError: the numbers of frames or the sizes differ.
        FormatError: a string is not sound.
    """
    lengths = {len(m) for m in [*pred, *gt]}
    if len(lengths) > 1:
        raise InputError(f"masklets: expected equal lengths, got {sorted(lengths)} frames")
    if not is_checked:
        every = [rle for m in [*pred, *gt] for rle in m if rle is not None]
        _check_sizes(every)
        check_all(every)
    n_frames = lengths.pop() if lengths else 0
    ious = np.zeros((n_frames, len(pred), len(gt)))
    if not pred or not gt:
        return ious, ious.sum(0)
    lefts, rights = [_dicts(m) for m in pred], [_dicts(m) for m in gt]
    pred_area, gt_area = _areas(lefts, n_frames), _areas(rights, n_frames)
    # All masks of a frame meet at once; those without a pixel meet nothing.
    for t, (rows, cols) in enumerate(zip(_filled(pred_area), _filled(gt_area), strict=True)):
        if rows and cols:
            met = _coco.iou(
                [lefts[i][t] for i in rows], [rights[j][t] for j in cols], [0] * len(cols)
            )
            ious[t, np.array(rows)[:, None], cols] = met
    # Areas are whole numbers, so intersections come back from the ratios exactly.
    whole = pred_area[:, :, None] + gt_area[:, None, :]
    both = np.rint(ious * whole / (1 + ious)).sum(0)
    either = whole.sum(0) - both
    volume = np.ones_like(both)
    np.divide(both, either, out=volume, where=either > 0)
    return ious, volume


def _dicts(rles: Sequence[Rle | None]) -> list[dict[str, object] | None]:
    return [None if r is None else {"size": r.size_hw, "counts": r.counts} for r in rles]


def _filled(areas: Matrix) -> list[list[int]]:
    """For each frame the masklets with at least one pixel."""
    return [[i for i, pixels in enumerate(row) if pixels] for row in areas.tolist()]


def _areas(masklets: Sequence[Sequence[dict[str, object] | None]], n_frames: int) -> Matrix:
    """(T, N) pixels per frame and masklet, 0 where absent."""
    areas = np.zeros((n_frames, len(masklets)))
    for at, masklet in enumerate(masklets):
        there = [t for t, mask in enumerate(masklet) if mask is not None]
        areas[there, at] = _coco.area([masklet[t] for t in there])
    return areas


def _check_sizes(rles: Sequence[Rle]) -> None:
    sizes = {rle.size_hw for rle in rles}
    if len(sizes) > 1:
        raise InputError(f"masks: expected one size (height, width), got {sorted(sizes)}")


@dataclass(frozen=True, slots=True)
class PairCount:
    """What one pair contributes, judged by one annotation of it.

    Attributes:
        n_gt: true instances.
        n_pred: predictions that count.
        tp: true positives at each of :data:`THRESHOLDS`.
    """

    n_gt: int
    n_pred: int
    tp: tuple[int, ...] = (0,) * len(THRESHOLDS)

    @property
    def is_true_negative(self) -> bool:
        """Nothing there and nothing predicted."""
        return self.n_gt == 0 and self.n_pred == 0

    @property
    def local_f1(self) -> float:
        """F1 of this pair alone, averaged over the thresholds; 1.0 for a true negative."""
        if self.is_true_negative:
            return 1.0
        # Plain numbers in the order of :func:`_f1`: arrays of ten are slower.
        each = []
        for tp in self.tp:
            precision = tp / (self.n_pred + _EPS)
            recall = tp / (self.n_gt + _EPS)
            each.append(2 * precision * recall / (precision + recall + _EPS))
        return float(np.add.reduce(each) / len(each))


def match_scores(ious: Matrix) -> Matrix:
    """IoUs of the one-to-one matching with the greatest total.

    Args:
        ious: (N, M) float.

    Returns:
        (min(N, M),) float64.
    """
    if not isinstance(ious, np.ndarray) or ious.ndim != 2:
        raise InputError(f"ious: expected (N, M) float, got {describe(ious)}")
    if min(ious.shape) == 0:
        return np.zeros(0)
    if min(ious.shape) == 1:  # nothing to weigh up
        return ious.max(keepdims=True)[0]
    return ious[linear_sum_assignment(ious, maximize=True)]


def count_pair(ious: Matrix) -> PairCount:
    """Match and count one pair from its (N predictions, M true instances) IoUs."""
    # How many thresholds each match reaches; a threshold is hit by all that reach further.
    reached = sorted(bisect_right(THRESHOLDS, score) for score in match_scores(ious).tolist())
    hits = tuple(len(reached) - bisect_right(reached, at) for at in range(len(THRESHOLDS)))
    return PairCount(ious.shape[1], ious.shape[0], hits)


def pick_oracle(counts: Sequence[PairCount]) -> PairCount:
    """Return the count by the annotation that agrees best with the prediction.

    Without predictions an annotation without instances is a perfect match. Else the
    highest local F1 wins, and among equals the annotation that comes first.
    """
    if not counts:
        raise InputError("counts: expected at least one annotation of the pair, got none")
    best, best_f1 = counts[0], None
    for other in counts[1:]:
        if other.is_true_negative:
            best, best_f1 = other, 1.0
        elif not best.is_true_negative and other != best:
            best_f1 = best.local_f1 if best_f1 is None else best_f1
            f1 = other.local_f1
            if f1 > best_f1:
                best, best_f1 = other, f1
    return best


@dataclass(frozen=True, slots=True)
class CgScore:
    """Scores of a set of pairs.

    Attributes:
        tp: true positives over the positive pairs at each of :data:`THRESHOLDS`.
        fp: false positives over the positive pairs, likewise.
        fn: false negatives over the positive pairs, likewise.
        il_tp: positive pairs with a prediction.
        il_fp: negative pairs with a prediction.
        il_fn: positive pairs without one.
        il_tn: negative pairs without one.
        n_left_out: pairs that are not exhaustively annotated and were not scored.
        notes: what else a reader should know; empty when all went in.
    """

    tp: tuple[int, ...]
    fp: tuple[int, ...]
    fn: tuple[int, ...]
    il_tp: int
    il_fp: int
    il_fn: int
    il_tn: int
    n_left_out: int = 0
    notes: tuple[str, ...] = ()

    @property
    def n_pairs(self) -> int:
        """Pairs that were scored."""
        return self.il_tp + self.il_fp + self.il_fn + self.il_tn

    @property
    def pmf1_at(self) -> dict[float, float]:
        """Micro F1 over the positive pairs, in [0, 1], at each threshold."""
        f1 = _f1(np.array(self.tp), np.array(self.fp), np.array(self.fn))
        return dict(zip(THRESHOLDS, f1.tolist(), strict=True))

    @property
    def pmf1(self) -> float:
        """Positive micro F1 in [0, 1]: the mean over the thresholds."""
        return float(np.mean(list(self.pmf1_at.values())))

    @property
    def il_mcc(self) -> float:
        """Image-level (for videos: video-level) Matthews correlation, in [-1, 1]."""
        tp, fp, fn, tn = self.il_tp, self.il_fp, self.il_fn, self.il_tn
        root = math.sqrt(float(tp + fp) * float(tp + fn) * float(tn + fp) * float(tn + fn))
        return (tp * tn - fp * fn) / (root + _EPS_MCC)

    @property
    def cgf1(self) -> float:
        """Classification-gated F1: 100 x pmF1 x IL_MCC."""
        return 100 * self.pmf1 * self.il_mcc

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: ``cgf1`` times 100, all others as fractions and counts."""
        at = self.pmf1_at
        return {
            "cgf1": self.cgf1,
            "pmf1": self.pmf1,
            "il_mcc": self.il_mcc,
            "cgf1_50": 100 * at[0.5] * self.il_mcc,
            "cgf1_75": 100 * at[0.75] * self.il_mcc,
            "pmf1_50": at[0.5],
            "pmf1_75": at[0.75],
            "n_pairs": self.n_pairs,
            "n_left_out": self.n_left_out,
            "il_tp": self.il_tp,
            "il_fp": self.il_fp,
            "il_fn": self.il_fn,
            "il_tn": self.il_tn,
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [
            f"cgF1 {self.cgf1:.2f}   pmF1 {self.pmf1:.4f}   IL_MCC {self.il_mcc:.4f}",
            f"{self.n_pairs} pairs: {self.il_tp + self.il_fn} positive "
            f"({self.il_tp} found), {self.il_fp + self.il_tn} negative "
            f"({self.il_tn} left alone); {self.n_left_out} not exhaustive, not scored",
        ]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def total(
    counts: Iterable[PairCount], *, n_left_out: int = 0, notes: Sequence[str] = ()
) -> CgScore:
    """Add up the counts of all scored pairs; false positives of negative pairs show in
    ``IL_MCC`` only."""
    tp = np.zeros(len(THRESHOLDS), np.int64)
    n_gt = n_pred = 0
    image = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
    for count in counts:
        image[count.n_gt > 0, count.n_pred > 0] += 1
        if count.n_gt:
            tp += count.tp
            n_gt += count.n_gt
            n_pred += count.n_pred
    return CgScore(
        tp=tuple(tp.tolist()),
        fp=tuple((n_pred - tp).tolist()),
        fn=tuple((n_gt - tp).tolist()),
        il_tp=image[True, True],
        il_fp=image[False, True],
        il_fn=image[True, False],
        il_tn=image[False, False],
        n_left_out=n_left_out,
        notes=tuple(notes),
    )


def _f1(tp: npt.NDArray[Any], fp: npt.NDArray[Any], fn: npt.NDArray[Any]) -> Matrix:
    precision, recall = tp / (tp + fp + _EPS), tp / (tp + fn + _EPS)
    f1: Matrix = 2 * precision * recall / (precision + recall + _EPS)
    return f1
