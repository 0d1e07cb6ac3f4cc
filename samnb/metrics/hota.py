"""pHOTA: how well masklets of a phrase are detected and kept apart over time.

HOTA is Luiten et al., HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking
(IJCV 2021, section 5), computed on masks. For pHOTA (SAM 3 paper, section on video
metrics) every pair of a video and a noun phrase is a video of its own with one class;
true positives, false negatives and false positives are added up over all pairs before
anything is divided, so long videos with many objects weigh more.

For each alpha in 0.05, 0.10 ... 0.95:

* frame by frame, detections are matched one to one with the greatest total of IoU times
  how well the two masklets align over the whole video; matches with IoU >= alpha are
  true positives (the matching itself does not depend on alpha);
* ``DetA = TP / (TP + FN + FP)``;
* ``AssA`` is the mean over true positives of ``TPA / (TPA + FNA + FPA)``: frames in
  which its two masklets were matched, by frames in which either of them is present;
* ``HOTA = sqrt(DetA x AssA)``.

The scores are means over alpha.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from samnb.masks.rle import describe
from samnb.types import InputError

ALPHAS: Final = tuple(float(a) for a in np.arange(0.05, 0.99, 0.05))
"""IoU from which a matched detection counts."""
_EPS: Final = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class HotaCount:
    """What one pair contributes.

    Attributes:
        n_gt: true detections, one per masklet and frame in which it is present.
        n_pred: predicted detections, likewise.
        tp: matched detections with IoU >= alpha, for each of :data:`ALPHAS`.
        association: the sum of ``TPA / (TPA + FNA + FPA)`` over these true positives.
    """

    n_gt: int
    n_pred: int
    tp: tuple[int, ...] = (0,) * len(ALPHAS)
    association: tuple[float, ...] = (0.0,) * len(ALPHAS)


@dataclass(frozen=True, slots=True)
class HotaScore:
    """Pooled scores, all in [0, 1] and averaged over alpha."""

    hota: float
    deta: float
    assa: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fractions ``hota``, ``deta`` and ``assa``."""
        return {"hota": self.hota, "deta": self.deta, "assa": self.assa}

    def __str__(self) -> str:
        return f"HOTA {self.hota:.4f}   DetA {self.deta:.4f}   AssA {self.assa:.4f}"


def count_masklets(
    ious: npt.NDArray[np.float64],
    pred_there: npt.NDArray[np.bool_],
    gt_there: npt.NDArray[np.bool_],
) -> HotaCount:
    """Match and count the masklets of one pair.

    Args:
        ious: (T, N, M) float in [0, 1], IoU of N predicted and M true masklets in each of
            T frames, for instance from :func:`samnb.metrics.cgf1.frame_ious`.
        pred_there: (T, N) bool, the predicted masklet has a detection in this frame.
        gt_there: (T, M) bool, likewise.

    Raises:
        InputError: the shapes do not belong together.
    """
    if ious.ndim != 3 or pred_there.shape != ious.shape[:2]:
        raise InputError(
            f"pred_there: expected (T, N) bool for ious (T, N, M), got {describe(pred_there)} "
            f"for {describe(ious)}"
        )
    if gt_there.shape != (ious.shape[0], ious.shape[2]):
        raise InputError(
            f"gt_there: expected (T, M) bool for ious (T, N, M), got {describe(gt_there)} "
            f"for {describe(ious)}"
        )
    n_pred, n_gt = int(pred_there.sum()), int(gt_there.sum())
    if not n_pred or not n_gt:
        return HotaCount(n_gt, n_pred)
    # True masklets first from here on: (T, M, N), 0 wherever either is absent.
    similar = np.where(gt_there[:, :, None] & pred_there[:, None, :], ious.transpose(0, 2, 1), 0.0)
    gt_frames, pred_frames = gt_there.sum(0), pred_there.sum(0)
    frame, gt, pred = _match(similar, _align(similar, gt_frames, pred_frames), gt_there, pred_there)
    hit = similar[frame, gt, pred][:, None] >= np.array(ALPHAS) - _EPS  # (matches, alphas)
    n_cells = similar.shape[1] * similar.shape[2]
    cell = gt * similar.shape[2] + pred
    alpha = np.arange(len(ALPHAS))
    matched = np.bincount((cell[:, None] + alpha * n_cells)[hit], minlength=n_cells * len(ALPHAS))
    tpa = matched.reshape(len(ALPHAS), *similar.shape[1:])
    either = gt_frames[:, None] + pred_frames - tpa
    share = tpa / np.maximum(1, either)
    return HotaCount(
        n_gt,
        n_pred,
        tuple(hit.sum(0).tolist()),
        tuple((tpa * share).sum((1, 2)).tolist()),
    )


def _align(
    similar: npt.NDArray[np.float64],
    gt_frames: npt.NDArray[np.int64],
    pred_frames: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """(M, N) soft Jaccard index of masklets over the whole video, before any matching."""
    shared = similar.sum(1, keepdims=True) + similar.sum(2, keepdims=True) - similar
    soft = np.zeros_like(similar)
    np.divide(similar, shared, out=soft, where=shared > _EPS)
    potential = soft.sum(0)
    either = gt_frames[:, None] + pred_frames - potential
    aligned = np.zeros_like(potential)
    np.divide(potential, either, out=aligned, where=either > 0)
    return aligned


def _match(
    similar: npt.NDArray[np.float64],
    aligned: npt.NDArray[np.float64],
    gt_there: npt.NDArray[np.bool_],
    pred_there: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Frame, true and predicted index of every match with an overlap, each (matches,)."""
    score = aligned * similar
    meets = score > 0
    # Where nobody meets two others there is one best matching; all such frames at once.
    is_plain = (meets.sum(1) <= 1).all(1) & (meets.sum(2) <= 1).all(1)
    found = [np.nonzero(meets & is_plain[:, None, None])]
    for t in np.flatnonzero(~is_plain):
        rows, cols = np.flatnonzero(gt_there[t]), np.flatnonzero(pred_there[t])
        at, to = linear_sum_assignment(score[t][np.ix_(rows, cols)], maximize=True)
        found.append((np.full(at.size, t), rows[at], cols[to]))
    frame, gt, pred = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return frame, gt, pred


def total(counts: Iterable[HotaCount]) -> HotaScore:
    """Pool the counts of all pairs and divide."""
    tp = np.zeros(len(ALPHAS))
    association = np.zeros(len(ALPHAS))
    n_gt = n_pred = 0
    for count in counts:
        tp += count.tp
        association += count.association
        n_gt += count.n_gt
        n_pred += count.n_pred
    deta = tp / np.maximum(1, n_gt + n_pred - tp)
    assa = association / np.maximum(1, tp)
    return HotaScore(
        hota=float(np.sqrt(deta * assa).mean()), deta=float(deta.mean()), assa=float(assa.mean())
    )
