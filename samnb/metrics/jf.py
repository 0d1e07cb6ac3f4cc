"""J, F and J&F: how well predicted masklets follow the true ones.

J is the mask IoU of a frame (1 when both are empty). F is the harmonic mean of
precision and recall of boundary pixels that find a partner within
``ceil(0.008 x diagonal)`` pixels. Source: Perazzi et al., A Benchmark Dataset and
Evaluation Methodology for Video Object Segmentation (CVPR 2016), section 5; frames and
objects are averaged as the SA-V evaluation does:

* the first and the last annotated frame are left out;
* an object is scored from the first frame on which truth or prediction shows it, so
  frames of common absence before that do not count, later ones do (with 1);
* an object that the truth never shows on a counted frame has no score;
* all objects of all videos weigh the same, and J&F is the mean of J and F.

Instead of dilating whole pictures, boundary pixels look up their nearest partner:
"within a disk of radius r" and "nearest distance at most r" are the same statement.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from samnb.masks.ops import boundary, bounds, check_pair
from samnb.masks.rle import BoolMask, decode
from samnb.types import InputError, Rle

if TYPE_CHECKING:
    import pandas as pd

Mask: TypeAlias = BoolMask | Rle
BOUND: Final = 0.008
"""Tolerance of F as a share of the picture's diagonal."""
_TREE_LIMIT: Final = 20_000
"""Boundary pixels above which a distance transform beats a search tree."""


def region_similarity(gt: BoolMask, pred: BoolMask) -> float:
    """J of one frame: IoU in [0, 1] of two (H, W) bool masks, 1.0 when both are empty."""
    check_pair(gt, pred)
    return _iou(gt, pred)


def contour_accuracy(gt: BoolMask, pred: BoolMask, bound: float = BOUND) -> float:
    """F of one frame, in [0, 1]: boundary F-score of two (H, W) bool masks.

    Args:
        gt: the true mask.
        pred: the predicted mask.
        bound: tolerance as a share of the diagonal; rounded up to whole pixels.
    """
    return frame_jf(gt, pred, bound)[1]


def frame_jf(gt: BoolMask, pred: BoolMask, bound: float = BOUND) -> tuple[float, float]:
    """J and F of one frame; see :func:`region_similarity` and :func:`contour_accuracy`."""
    check_pair(gt, pred)
    if bound < 0:
        raise InputError(f"bound: expected a share of at least 0, got {bound}")
    radius = math.ceil(bound * float(np.linalg.norm(gt.shape)))
    # Boundary marks lie at most one pixel outside of a mask, so nothing is lost outside
    # the common bounding box grown by one.
    box = bounds(gt | pred, margin=1)
    if box is None:
        return 1.0, 1.0
    return _iou(gt[box], pred[box]), _f(boundary(gt[box]), boundary(pred[box]), radius)


def _iou(gt: BoolMask, pred: BoolMask) -> float:
    either = int(np.count_nonzero(gt | pred))
    return int(np.count_nonzero(gt & pred)) / either if either else 1.0


def _f(gt_line: BoolMask, pred_line: BoolMask, radius: int) -> float:
    n_gt, n_pred = int(np.count_nonzero(gt_line)), int(np.count_nonzero(pred_line))
    if n_gt == 0 and n_pred == 0:
        return 1.0
    if n_gt == 0 or n_pred == 0:
        return 0.0
    if max(n_gt, n_pred) > _TREE_LIMIT:
        to_pred = ndimage.distance_transform_edt(~pred_line)
        to_gt = ndimage.distance_transform_edt(~gt_line)
        gt_met = int(np.count_nonzero(to_pred[gt_line] <= radius))
        pred_met = int(np.count_nonzero(to_gt[pred_line] <= radius))
    else:
        gt_px, pred_px = np.argwhere(gt_line), np.argwhere(pred_line)
        gt_met, pred_met = _met(gt_px, pred_px, radius), _met(pred_px, gt_px, radius)
    precision, recall = pred_met / n_pred, gt_met / n_gt
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _met(points: npt.NDArray[np.int64], others: npt.NDArray[np.int64], radius: int) -> int:
    # Squared distances of pixels are whole numbers, so half a pixel more than the radius
    # is a safe bound for the search; the comparison itself is exact.
    nearest, _ = cKDTree(others).query(points, distance_upper_bound=radius + 0.5)
    return int(np.count_nonzero(nearest <= radius))


@dataclass(frozen=True, slots=True)
class ObjectScore:
    """Score of one object in one video; all values are fractions in [0, 1].

    Attributes:
        video: name of the video; empty when only masklets were compared.
        obj_id: the object, as its folder or palette index names it.
        n_frames: frames that counted.
    """

    video: str
    obj_id: str
    j: float
    f: float
    n_frames: int

    @property
    def jf(self) -> float:
        """Mean of J and F."""
        return (self.j + self.f) / 2


@dataclass(frozen=True, slots=True)
class VosScore:
    """Scores of a set of videos; prints as a table, shows as one in a notebook.

    Attributes:
        objects: one score per object, in the order of videos and objects.
        notes: what was left out and why; empty when everything counted.
    """

    objects: tuple[ObjectScore, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def j(self) -> float:
        """Mean J over objects, in [0, 1]."""
        return statistics.fmean(o.j for o in self.objects)

    @property
    def f(self) -> float:
        """Mean F over objects, in [0, 1]."""
        return statistics.fmean(o.f for o in self.objects)

    @property
    def jf(self) -> float:
        """Mean of J and F, in [0, 1]."""
        return (self.j + self.f) / 2

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: ``jf``, ``j``, ``f`` as fractions, ``objects`` and ``notes``."""
        return {
            "jf": self.jf,
            "j": self.j,
            "f": self.f,
            "objects": [
                {
                    "video": o.video,
                    "obj_id": o.obj_id,
                    "jf": o.jf,
                    "j": o.j,
                    "f": o.f,
                    "n_frames": o.n_frames,
                }
                for o in self.objects
            ],
            "notes": list(self.notes),
        }

    def to_frame(self) -> pd.DataFrame:
        """One row per object: video, obj_id, jf, j, f, n_frames."""
        import pandas as pd

        columns = ["video", "obj_id", "jf", "j", "f", "n_frames"]
        return pd.DataFrame(self.to_dict()["objects"], columns=columns)

    def __str__(self) -> str:
        wide = max(len("all"), *(len(o.video) for o in self.objects))
        tall = max(len("object"), *(len(o.obj_id) for o in self.objects))
        lines = [f"{'video':<{wide}}  {'object':>{tall}}  {'J&F':>5}  {'J':>5}  {'F':>5}  frames"]
        lines += [
            f"{o.video:<{wide}}  {o.obj_id:>{tall}}  "
            f"{100 * o.jf:5.1f}  {100 * o.j:5.1f}  {100 * o.f:5.1f}  {o.n_frames:>6}"
            for o in self.objects
        ]
        lines.append(
            f"{'all':<{wide}}  {len(self.objects):>{tall}}  "
            f"{100 * self.jf:5.1f}  {100 * self.j:5.1f}  {100 * self.f:5.1f}"
        )
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        table = self.to_frame().to_html(index=False, float_format=lambda v: f"{v:.3f}")
        return f"{table}<p>J&amp;F {self.jf:.3f}, J {self.j:.3f}, F {self.f:.3f}</p>"


class Tally:
    """Collects frames of one object in time order, by the rules of this module."""

    def __init__(self, bound: float = BOUND) -> None:
        self._bound = bound
        self._j: list[float] = []
        self._f: list[float] = []
        self._has_gt = self._is_seen = False

    def add(self, gt: BoolMask, pred: BoolMask) -> None:
        """Count the next frame; both masks (H, W) bool."""
        has_gt = bool(gt.any())
        self._has_gt |= has_gt
        self._is_seen |= has_gt or bool(pred.any())
        if self._is_seen:
            j, f = frame_jf(gt, pred, self._bound)
            self._j.append(j)
            self._f.append(f)

    def score(self, video: str = "", obj_id: str = "") -> ObjectScore | None:
        """The object's score, or None when the truth never showed it."""
        if not self._has_gt:
            return None
        return ObjectScore(
            video, obj_id, statistics.fmean(self._j), statistics.fmean(self._f), len(self._j)
        )


def masklet_jf(
    gt: Sequence[Mask] | npt.NDArray[np.bool_],
    pred: Sequence[Mask] | npt.NDArray[np.bool_],
    *,
    skip_first_and_last: bool = True,
    bound: float = BOUND,
) -> ObjectScore:
    """Score one predicted masklet.

    Args:
        gt: true masks in time order: (N, H, W) bool, or a sequence of (H, W) bool
            arrays or of ``Rle``.
        pred: as many predicted masks.
        skip_first_and_last: leave out the first and the last frame, as SA-V and DAVIS do.
        bound: tolerance of F as a share of the diagonal.

    Raises:
        InputError: lengths differ, or the truth shows the object on no counted frame.
    """
    if len(gt) != len(pred):
        raise InputError(f"pred: expected {len(gt)} masks as in gt, got {len(pred)}")
    inner = slice(1, -1) if skip_first_and_last else slice(None)
    tally = Tally(bound)
    for true, guess in zip(gt[inner], pred[inner], strict=True):
        tally.add(_array(true), _array(guess))
    score = tally.score()
    if score is None:
        raise InputError("gt: expected the object on at least one counted frame, got none")
    return score


def mean_score(scores: Iterable[ObjectScore], notes: Iterable[str] = ()) -> VosScore:
    """Gather object scores into one result.

    Raises:
        InputError: there is no object to average over.
    """
    result = VosScore(tuple(scores), tuple(notes))
    if not result.objects:
        raise InputError(f"objects: expected at least one score, got none; {result.notes}")
    return result


def _array(mask: Mask) -> BoolMask:
    return decode(mask) if isinstance(mask, Rle) else mask
