"""The adversariality check: keep only negatives on which the current model is wrong.

For every candidate the current model is run. No prediction: the model is right already, and
nothing would be learned. A prediction away from the positive's masks: the phrase may really be
there. Only a prediction on the positive's masks shows that the model takes the one for the
other (SAM 3 paper, appendix on hard negatives).

The paper gives neither the measure of overlap nor its threshold. Both are decided here:

- :func:`matched_iou`, the smallest, over the predicted instances, of the best IoU with one of the
  positive's masks. Every prediction must sit on an instance of the positive: one elsewhere is
  reason to doubt the absence. Firing on one of five instances is enough, which the IoU of the
  unions would miss, and a small thing on a large one ("plate" on "table") does not pass, which
  containment would let through.
- :data:`OVERLAP`, 0.5, the IoU from which detections commonly count as matched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

import numpy as np

from samnb.language.negatives import NegativeCandidate
from samnb.models.base import BoolMask, Image
from samnb.models.concepts import ConceptPrediction, ConceptSegmenter
from samnb.types import InputError

OVERLAP: Final = 0.5
"""A candidate is kept from this overlap on; the paper leaves the value open."""
FIRES: Final = 0.5
"""The model fires where score times presence exceeds this (SAM 3 paper)."""
Overlap: TypeAlias = Callable[[Sequence[BoolMask], Sequence[BoolMask]], float]
"""From predicted masks and the positive's masks to an agreement in [0, 1]."""


def matched_iou(predicted: Sequence[BoolMask], positive: Sequence[BoolMask]) -> float:
    """Return the smallest, over predicted masks, of the best IoU with a mask of the positive.

    Args:
        predicted: (H, W) bool each.
        positive: (H, W) bool each, of the same size.
    """
    if not predicted or not positive:
        return 0.0
    return min(max(_iou(p, g) for g in positive) for p in predicted)


def union_iou(predicted: Sequence[BoolMask], positive: Sequence[BoolMask]) -> float:
    """Return the IoU of the unions of both sets of masks: the strict alternative."""
    if not predicted or not positive:
        return 0.0
    return _iou(np.logical_or.reduce(predicted), np.logical_or.reduce(positive))


def covered_share(predicted: Sequence[BoolMask], positive: Sequence[BoolMask]) -> float:
    """Return the share of predicted pixels on the positive's masks: the lenient alternative."""
    if not predicted or not positive:
        return 0.0
    ours, theirs = np.logical_or.reduce(predicted), np.logical_or.reduce(positive)
    n = int(ours.sum())
    return float((ours & theirs).sum() / n) if n else 0.0


def _iou(a: BoolMask, b: BoolMask) -> float:
    if a.shape != b.shape:
        raise InputError(f"masks: expected one size, got {a.shape} and {b.shape}")
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else 0.0


def check_adversarial(
    image: Image,
    candidates: Iterable[NegativeCandidate],
    positive_masks: Mapping[str, Sequence[BoolMask]],
    segmenter: ConceptSegmenter,
    *,
    overlap: Overlap = matched_iou,
    min_overlap: float = OVERLAP,
    fires: float = FIRES,
) -> tuple[NegativeCandidate, ...]:
    """Run the current model on all candidates of a picture, and keep those that fool it.

    Args:
        image: (H, W, 3) uint8 RGB.
        candidates: of this picture; discarded ones pass through unchanged.
        positive_masks: verified masks, (H, W) bool, by positive phrase.
        segmenter: the current model; it sees the picture once, with all phrases.
        overlap: agreement of predicted and positive masks.
        min_overlap: candidates from this agreement on are kept.
        fires: predictions count where score times presence exceeds this.

    Returns:
        the candidates in their order, with the model's numbers and, where discarded, why.

    Raises:
        InputError: a candidate's positive has no masks, or a number is out of range.
        ModelError: the model cannot take what was asked.
    """
    if not 0 <= min_overlap <= 1 or not 0 <= fires <= 1:
        raise InputError(
            f"min_overlap, fires: expected both in [0, 1], got {min_overlap} and {fires}"
        )
    found = list(candidates)
    alive = [i for i, c in enumerate(found) if c.is_kept]
    for i in alive:
        if not positive_masks.get(found[i].positive):
            raise InputError(
                f"positive_masks: expected masks of {found[i].positive!r}, "
                f"got them for {sorted(positive_masks)}"
            )
    if not alive:
        return tuple(found)
    predictions = segmenter.segment(image, [found[i].phrase for i in alive])
    for i, prediction in zip(alive, predictions, strict=True):
        masks = positive_masks[found[i].positive]
        one = replace(found[i], model=segmenter.name, presence=float(prediction.presence))
        found[i] = judge(one, prediction, masks, overlap, min_overlap, fires)
    return tuple(found)


def judge(
    candidate: NegativeCandidate,
    prediction: ConceptPrediction,
    positive_masks: Sequence[BoolMask],
    overlap: Overlap = matched_iou,
    min_overlap: float = OVERLAP,
    fires: float = FIRES,
) -> NegativeCandidate:
    """Decide one candidate from what the model predicted for it."""
    masks = [i.mask for i in prediction.kept(fires)]
    if not masks:
        return replace(candidate, n_predicted=0).discarded(
            "adversarial check", "the model does not fire on it"
        )
    value = float(overlap(masks, positive_masks))
    checked = replace(candidate, n_predicted=len(masks), overlap=value)
    if value < min_overlap:
        return checked.discarded(
            "adversarial check",
            f"overlap {value:.2f} is below {min_overlap:.2f}: it may be there, elsewhere",
        )
    return checked
