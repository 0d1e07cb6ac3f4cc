"""Everything in a picture: a grid of clicks on the frame and on zoomed crops of it.

SAM 2's automatic masklets begin so (SAM 2 paper, appendix on the data engine): 32 x 32
clicks on the full frame, 16 x 16 on each of 2 x 2 overlapping crops, 4 x 4 on each of
4 x 4 overlapping crops. What to keep of the answers the paper leaves to "similar to
SAM"; the constants below take SAM's values (Segment Anything, appendix B, and the
defaults of the released mask generators).

Any :class:`~samnb.models.base.Tracker` will do. A session that can decode many clicks
at once says so by :class:`GridSegmenter`; others are asked click by click.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Final, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from samnb.masks import rle as rle_ops
from samnb.models.base import BoolMask, FramePrompts, Image, Prediction, Tracker, TrackSession
from samnb.types import InputError, Rle

XyXy: TypeAlias = tuple[int, int, int, int]
"""Corners (x0, y0, x1, y1) in pixels, the second corner outside."""
Progress: TypeAlias = Callable[[int, int], None]

MIN_CONFIDENCE: Final = 0.8
"""Least predicted IoU: the default of SAM 2's released generator."""
SAM1_MIN_CONFIDENCE: Final = 0.88
"""Least predicted IoU with which SAM made SA-1B (Segment Anything, appendix B)."""
MIN_STABILITY: Final = 0.95
"""Least IoU of the masks at logit -1 and +1 (both SAMs)."""
NMS_IOU: Final = 0.7
"""Of two boxes that overlap more than this, the lower ranked goes (both SAMs)."""
MAX_AREA_SHARE: Final = 0.95
"""Masks that cover more of the picture than this are dropped (SAM, appendix B)."""
CROP_OVERLAP: Final = 512 / 1500
"""How far 2 x 2 crops overlap, as a share of the shorter side; finer crops overlap less
in proportion (released generators)."""
EDGE_PX: Final = 20.0
"""A box that comes this near to a crop's inner border is taken as cut off by it."""
BATCH: Final = 64
"""Clicks decoded at once."""


@dataclass(frozen=True, slots=True)
class GridLevel:
    """``points_per_side`` squared clicks on each of ``crops_per_side`` squared crops."""

    points_per_side: int
    crops_per_side: int = 1

    @property
    def n_points(self) -> int:
        """Number of clicks on all crops together."""
        return (self.points_per_side * self.crops_per_side) ** 2


SAM2_LEVELS: Final = (GridLevel(32), GridLevel(16, 2), GridLevel(4, 4))
"""The SAM 2 paper's grids: 2304 clicks."""


@dataclass(frozen=True, slots=True)
class GridSettings:
    """Which clicks are tried and which answers are kept.

    Raises:
        InputError: no level, or a number outside of its range.
    """

    levels: tuple[GridLevel, ...] = SAM2_LEVELS
    min_confidence: float = MIN_CONFIDENCE
    min_stability: float = MIN_STABILITY
    nms_iou: float = NMS_IOU
    max_area_share: float = MAX_AREA_SHARE
    overlap: float = CROP_OVERLAP
    edge_px: float = EDGE_PX

    def __post_init__(self) -> None:
        if not self.levels or any(v.points_per_side < 1 or v.crops_per_side < 1
                                  for v in self.levels):  # fmt: skip
            raise InputError(f"levels: expected grids of at least 1 x 1, got {self.levels}")
        for name in ("min_confidence", "min_stability", "nms_iou", "max_area_share"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise InputError(f"{name}: expected a number from 0 to 1, got {value}")
        if not 0 <= self.overlap < 1:
            raise InputError(f"overlap: expected a share below 1, got {self.overlap}")

    @property
    def n_points(self) -> int:
        """Number of clicks in all."""
        return sum(level.n_points for level in self.levels)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A mask that a click of the grid found.

    Attributes:
        rle: the mask in the full frame.
        box_xyxy: its bounding box in the full frame.
        confidence: predicted IoU in [0, 1].
        stability: IoU of the masks at logit -1 and +1.
        point_xy: the click, in pixels of the full frame.
        crop_xyxy: the crop on which it was asked.
    """

    rle: Rle
    box_xyxy: XyXy
    confidence: float
    stability: float
    point_xy: tuple[float, float]
    crop_xyxy: XyXy


@runtime_checkable
class GridSegmenter(Protocol):
    """A session that decodes many single clicks on one encoded frame."""

    def segment_grid(
        self,
        position: int,
        points_xy: npt.NDArray[np.float32],
        *,
        min_confidence: float = 0.0,
        min_stability: float = 0.0,
    ) -> list[tuple[int, Prediction]]:
        """Answer one positive click per row of ``points_xy`` (N, 2), each on its own.

        Returns:
            ``(row, prediction)`` for every candidate mask of every click that reaches
            both thresholds; a click may have several or none.
        """


def crop_boxes(size_hw: tuple[int, int], per_side: int, overlap: float) -> list[XyXy]:
    """Cut a picture into ``per_side`` squared windows of one size, row by row.

    Args:
        size_hw: height and width of the picture in pixels.
        per_side: windows along each side.
        overlap: overlap of two neighbours at ``per_side`` 2, as a share of the shorter
            side; at n per side it is ``2 / n`` of that (released SAM generators).
    """
    height, width = size_hw
    shared = int(overlap * min(height, width) * 2 / per_side) if per_side > 1 else 0
    tall, wide = (ceil((shared * (per_side - 1) + side) / per_side) for side in (height, width))
    # The last window is pushed back inside instead of cut, so that all have one size.
    tops = [min(i * (tall - shared), height - tall) for i in range(per_side)]
    lefts = [min(i * (wide - shared), width - wide) for i in range(per_side)]
    return [(x, y, x + wide, y + tall) for y in tops for x in lefts]


def grid_points(size_hw: tuple[int, int], per_side: int) -> npt.NDArray[np.float32]:
    """Centres of ``per_side`` squared equal cells, (N, 2) float32, x first, row by row."""
    steps = (np.arange(per_side, dtype=np.float32) + np.float32(0.5)) / np.float32(per_side)
    xs, ys = np.meshgrid(steps * np.float32(size_hw[1]), steps * np.float32(size_hw[0]))
    return np.stack([xs.ravel(), ys.ravel()], axis=1).astype(np.float32)


def box_nms(boxes_xyxy: npt.NDArray[np.floating], iou: float) -> list[int]:
    """Greedy non-maximum suppression.

    Args:
        boxes_xyxy: (N, 4), best first.
        iou: a box goes when its IoU with a kept one is above this.

    Returns:
        Indices of the kept boxes, in their order.
    """
    boxes = boxes_xyxy.astype(np.float64).reshape(-1, 4)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    alive = np.ones(len(boxes), np.bool_)
    kept: list[int] = []
    for at in range(len(boxes)):
        if not alive[at]:
            continue
        kept.append(at)
        low = np.maximum(boxes[at, :2], boxes[at + 1 :, :2])
        high = np.minimum(boxes[at, 2:], boxes[at + 1 :, 2:])
        shared = np.prod(np.maximum(high - low, 0), axis=1)
        union = areas[at] + areas[at + 1 :] - shared
        alive[at + 1 :] &= shared <= iou * union
    return kept


def is_cut_off(box_xyxy: XyXy, crop_xyxy: XyXy, size_hw: tuple[int, int], edge_px: float) -> bool:
    """Whether a box comes within ``edge_px`` of a border of its crop that is not also a
    border of the picture: the object goes on beyond what the crop shows."""
    picture = (0, 0, size_hw[1], size_hw[0])
    return any(
        abs(at - crop) <= edge_px and abs(at - whole) > edge_px
        for at, crop, whole in zip(box_xyxy, crop_xyxy, picture, strict=True)
    )


@dataclass(frozen=True, slots=True)
class _Crops:
    """The crops of one picture as the frames of a source."""

    image: Image
    boxes: Sequence[XyXy]

    @property
    def size_hw(self) -> tuple[int, int]:
        x0, y0, x1, y1 = self.boxes[0]
        return y1 - y0, x1 - x0

    def __len__(self) -> int:
        return len(self.boxes)

    def frame(self, index: int) -> Image:
        x0, y0, x1, y1 = self.boxes[index]
        return np.ascontiguousarray(self.image[y0:y1, x0:x1])


@dataclass(slots=True)
class _Count:
    """Clicks answered so far, told to whoever wants to know."""

    total: int
    tell: Progress | None
    cancel: threading.Event | None
    done: int = field(default=0)

    def add(self, n: int) -> None:
        self.done += n
        if self.tell is not None:
            self.tell(self.done, self.total)

    @property
    def is_cancelled(self) -> bool:
        return self.cancel is not None and self.cancel.is_set()


def propose_masks(
    tracker: Tracker,
    image: Image,
    settings: GridSettings | None = None,
    *,
    on_progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> list[Candidate]:
    """Find the objects of a picture by a grid of clicks.

    Args:
        tracker: any model.
        image: (H, W, 3) uint8 RGB.
        settings: grids and filters; None for those of the SAM 2 paper.
        on_progress: called with (clicks answered, clicks in all).
        cancel: set it from another thread to stop; what was found is returned.

    Returns:
        Candidates without duplicates, the most zoomed first and within one zoom the
        most confident first.

    Raises:
        InputError: not such an image.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise InputError(f"image: expected (H, W, 3) uint8, got {image.shape} {image.dtype}")
    settings = settings or GridSettings()
    size_hw = (image.shape[0], image.shape[1])
    count = _Count(settings.n_points, on_progress, cancel)
    count.add(0)
    found: list[Candidate] = []
    for level in sorted(settings.levels, key=lambda v: -v.crops_per_side):
        boxes = crop_boxes(size_hw, level.crops_per_side, settings.overlap)
        source = _Crops(image, boxes)
        track = tracker.open(source)
        try:
            points = grid_points(source.size_hw, level.points_per_side)
            for at in range(len(boxes)):
                found += _search_crop(track, source, at, points, size_hw, settings, count)
        finally:
            track.close()
    # Most zoomed first, as in both SAMs: a crop sees more of a small object.
    kept = box_nms(np.array([c.box_xyxy for c in found], np.float64), settings.nms_iou)
    return [found[i] for i in kept]


def _search_crop(
    track: TrackSession,
    source: _Crops,
    at: int,
    points: npt.NDArray[np.float32],
    size_hw: tuple[int, int],
    settings: GridSettings,
    count: _Count,
) -> list[Candidate]:
    """Candidates of one crop, the most confident first, without duplicates."""
    x0, y0, _, _ = crop = source.boxes[at]
    largest_px = settings.max_area_share * size_hw[0] * size_hw[1]
    found: list[Candidate] = []
    for start in range(0, len(points), BATCH):
        if count.is_cancelled:
            break
        batch = points[start : start + BATCH]
        for row, answer in _ask(track, at, batch, settings):
            small = rle_ops.encode(answer.mask)
            box = rle_ops.bbox(small)
            if box is None or rle_ops.area(small) > largest_px:
                continue
            placed = (box[0] + x0, box[1] + y0, box[2] + x0, box[3] + y0)
            if is_cut_off(placed, crop, size_hw, settings.edge_px):
                continue
            click = (float(batch[row, 0]) + x0, float(batch[row, 1]) + y0)
            found.append(Candidate(small, placed, answer.confidence, answer.stability, click, crop))
        count.add(len(batch))
    found.sort(key=lambda c: -c.confidence)
    kept = box_nms(np.array([c.box_xyxy for c in found], np.float64), settings.nms_iou)
    return [_uncrop(found[i], size_hw) for i in kept]


def _ask(
    track: TrackSession, position: int, points: npt.NDArray[np.float32], settings: GridSettings
) -> list[tuple[int, Prediction]]:
    least, steady = settings.min_confidence, settings.min_stability
    if isinstance(track, GridSegmenter):
        return track.segment_grid(position, points, min_confidence=least, min_stability=steady)
    label = np.ones(1, np.int32)
    answers = (track.segment(position, FramePrompts(point[None], label)) for point in points)
    return [
        (row, answer)
        for row, answer in enumerate(answers)
        if answer.confidence >= least and answer.stability >= steady
    ]


def _uncrop(candidate: Candidate, size_hw: tuple[int, int]) -> Candidate:
    x0, y0, x1, y1 = candidate.crop_xyxy
    if (y1 - y0, x1 - x0) == size_hw:
        return candidate
    mask: BoolMask = np.zeros(size_hw, np.bool_)
    mask[y0:y1, x0:x1] = rle_ops.decode(candidate.rle)
    return Candidate(
        rle_ops.encode(mask),
        candidate.box_xyxy,
        candidate.confidence,
        candidate.stability,
        candidate.point_xy,
        candidate.crop_xyxy,
    )
