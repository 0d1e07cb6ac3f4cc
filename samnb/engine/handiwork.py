"""A simulated hand at one object: clicks, strokes and "absent" on single frames."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from samnb.engine import masklets
from samnb.engine.groundtruth import TrueObject
from samnb.engine.phases import phase_of
from samnb.engine.session import Session
from samnb.engine.simulation import Habits, Tiredness
from samnb.masks import ops as mask_ops
from samnb.masks import rle as rle_ops
from samnb.masks.rle import BoolMask
from samnb.types import Point, Prompt, Rle, Stroke

REPRODUCED_IOU: Final = 0.8
"""The machine's own clicks end when the image model gives the tracked mask again with
this IoU (SAM 2 paper, appendix on the interactive baselines)."""
REPRODUCING_CLICKS: Final = 8
"""The machine gives up after so many clicks. The paper tells no limit."""
TIP_SHARE: Final = 0.6
"""Radius of the brush as a share of the depth of what is to be painted over."""
FINEST_TIP_PX: Final = 0.5
"""Radius of the finest brush: it draws lines of one pixel."""
LONGEST_HOP: Final = 2.5
"""A stroke ends where its next place is further than this many radii away."""


def iou(pred: BoolMask | Rle | None, gt: BoolMask) -> float:
    """IoU in [0, 1] of a frame; no answer counts as empty, two empty masks give 1.0.

    The SAM 2 paper does not say how frames without the object count in its simulation;
    this is the convention of the J measure.
    """
    mask = rle_ops.decode(pred) if isinstance(pred, Rle) else pred
    if mask is None:
        return 0.0 if gt.any() else 1.0
    either = int(np.count_nonzero(mask | gt))
    return int(np.count_nonzero(mask & gt)) / either if either else 1.0


class Hand:
    """Edits frames of one item until the worker is satisfied or out of moves."""

    def __init__(
        self,
        session: Session,
        item_id: str,
        truth: TrueObject,
        habits: Habits,
        tiredness: Tiredness,
        rng: np.random.Generator,
    ) -> None:
        self._session, self._item_id, self._truth = session, item_id, truth
        self._habits, self._tired, self._rng = habits, tiredness, rng
        self._phase = phase_of(session.item(item_id).item)

    def mask(self, frame_idx: int) -> BoolMask | None:
        """The item's mask on a frame, (H, W) bool; None when there is no answer."""
        frame = self._session.item(self._item_id).frames.get(frame_idx)
        if frame is None or frame.mask_id is None:
            return None
        return rle_ops.decode(self._session.masks([frame.mask_id])[frame.mask_id])

    def prompt(self, frame_idx: int) -> None:
        """Work on one frame: locate the object, then click, then paint where allowed."""
        times = self._habits.times
        self._tired.spend(times.locate_s)
        gt = self._truth.mask(frame_idx)
        if self._habits.marks_absent and not gt.any():
            self._tired.spend(times.absent_s)
            self._session.mark_absent(self._item_id, frame_idx)
            return
        pred = self._click(frame_idx, gt)
        limit = self._habits.pause_iou if self._phase.has_memory else 1.0
        if self._phase.number in self._habits.brush_phases and iou(pred, gt) < limit:
            self._paint(frame_idx, gt, pred)

    def _click(self, frame_idx: int, gt: BoolMask) -> BoolMask:
        frame = self._session.item(self._item_id).frames.get(frame_idx)
        held = self.mask(frame_idx)
        nothing = np.zeros_like(gt)
        is_own = frame is not None and frame.is_edited
        prompts: tuple[Prompt, ...] = frame.prompts if frame is not None else ()
        pred = nothing if held is None else held
        by_machine: tuple[Prompt, ...] = ()
        if self._phase.is_from_scratch and not is_own:
            by_machine, pred = self._reproduce(frame_idx, pred, nothing)
            prompts = by_machine
        can_clear = self._habits.starts_afresh and self._phase.has_memory and not is_own
        if not (can_clear and pred.any() and gt.any()):
            return self._click_on(frame_idx, gt, pred, prompts, by_machine)
        before = iou(pred, gt)
        if before >= self._habits.object_first_iou:
            refined = self._click_on(frame_idx, gt, pred, prompts, by_machine)
            worse = before - self._habits.least_gain
            if iou(refined, gt) >= min(self._habits.pause_iou, worse):
                return refined
        self._clear(frame_idx)
        return self._click_on(frame_idx, gt, nothing, (), ())

    def _clear(self, frame_idx: int) -> None:
        self._tired.spend(self._habits.times.undo_s)
        self._session.clear_frame(self._item_id, frame_idx)

    def _click_on(
        self,
        frame_idx: int,
        gt: BoolMask,
        pred: BoolMask,
        prompts: tuple[Prompt, ...],
        by_machine: tuple[Prompt, ...],
    ) -> BoolMask:
        """Add clicks to ``prompts``, which gave ``pred``, until satisfied or hopeless;
        return the best mask."""
        nothing = np.zeros_like(gt)
        scores: list[float] = []
        limit = self._habits.max_clicks
        if self._phase.has_memory:
            limit = self._habits.max_refining or limit
        for n in range(limit):
            score = iou(pred, gt)
            is_done = score >= self._habits.satisfied_iou or not (pred ^ gt).any()
            if is_done or self._is_hopeless(scores, self._habits.least_gain):
                break
            is_lost = n == 0 and gt.any() and score < self._habits.object_first_iou
            point = self._aim(gt, None if is_lost else pred, prompts)
            self._tired.spend(self._habits.times.click_s)
            # What the machine placed goes into the log with the first click by hand.
            clicks = 1 if by_machine and n == 0 else None
            prompts = (*prompts, point)
            frame = self._session.set_prompts(self._item_id, frame_idx, prompts, clicks=clicks)
            if frame is not None:
                prompts = frame.prompts  # a click on a painted mask has become part of it
            answer = self.mask(frame_idx)
            pred = nothing if answer is None else answer
            scores.append(iou(pred, gt))
        return self._take_back(frame_idx, scores, pred)

    def _is_hopeless(self, scores: list[float], least_gain: float) -> bool:
        """Whether the last few gestures have not bettered the best mask before them."""
        patience = self._habits.patience
        if patience is None or len(scores) <= patience:
            return False
        best_before = max(scores[:-patience])
        return max(scores[-patience:]) <= best_before + least_gain

    def _take_back(self, frame_idx: int, scores: list[float], pred: BoolMask) -> BoolMask:
        """Undo the gestures since the best one; return the mask there is then."""
        if self._habits.patience is None or not scores:
            return pred
        surplus = len(scores) - 1 - scores.index(max(scores))
        for _ in range(surplus):
            self._undo(frame_idx)
        found = self.mask(frame_idx) if surplus else pred
        return np.zeros_like(pred) if found is None else found

    def _undo(self, frame_idx: int) -> None:
        self._tired.spend(self._habits.times.undo_s)
        self._session.undo(self._item_id, frame_idx)

    def _aim(self, gt: BoolMask, pred: BoolMask | None, prompts: tuple[Prompt, ...]) -> Point:
        x, y, label = mask_ops.error_centre(gt, pred)
        spread = self._habits.click_jitter_px * self._tired.factor
        if spread > 0:
            dx, dy = self._rng.normal(0.0, spread, 2)
            x, y = round(x + float(dx)), round(y + float(dy))
        height, width = gt.shape
        x, y = min(max(x, 0), width - 1), min(max(y, 0), height - 1)
        taken = {(p.x, p.y) for p in prompts if isinstance(p, Point)}
        while (x, y) in taken:  # a log cannot tell two clicks on one pixel apart
            x, y = ((x + 1) % width, y) if x + 1 < width else (0, (y + 1) % height)
        return Point(x, y, label)

    def _reproduce(
        self, frame_idx: int, tracked: BoolMask, nothing: BoolMask
    ) -> tuple[tuple[Prompt, ...], BoolMask]:
        """Clicks with which the image model gives the tracked mask again, and its answer."""
        if self._habits.correction != "reproduce" or not tracked.any():
            return (), nothing
        prompts: tuple[Prompt, ...] = ()
        pred = nothing
        while len(prompts) < REPRODUCING_CLICKS and iou(pred, tracked) <= REPRODUCED_IOU:
            x, y, label = mask_ops.error_centre(tracked, pred)
            if Point(x, y, label) in prompts:
                break
            prompts = (*prompts, Point(x, y, label))
            _, rle = masklets.predict(self._session, self._item_id, frame_idx, prompts)
            pred = rle_ops.decode(rle)
        return prompts, pred

    def _paint(self, frame_idx: int, gt: BoolMask, pred: BoolMask) -> None:
        is_lost = pred.any() and iou(pred, gt) < self._habits.object_first_iou
        if is_lost:
            # Quicker than rubbing out a mask that is on something else.
            self._clear(frame_idx)
            pred = np.zeros_like(gt)
        scores = [iou(pred, gt)]
        for _ in range(self._habits.max_strokes):
            if scores[-1] >= self._habits.satisfied_iou or self._is_hopeless(scores, 0.0):
                break  # strokes help little by little, and nothing comes after them
            stroke = stroke_over(gt, pred)
            self._tired.spend(self._habits.times.stroke_s)
            self._session.paint(self._item_id, frame_idx, stroke)
            answer = self.mask(frame_idx)
            pred = np.zeros_like(gt) if answer is None else answer
            scores.append(iou(pred, gt))
        self._take_back(frame_idx, scores, pred)


def stroke_over(gt: BoolMask, pred: BoolMask) -> Stroke:
    """The one stroke that a careful hand would draw next.

    The tip fits into the deepest wrong spot; the stroke visits, from one end of that
    region to the other, the places where the tip stays inside what is wrong.

    Args:
        gt: (H, W) bool.
        pred: (H, W) bool, different from ``gt``.
    """
    x, y, label = mask_ops.error_centre(gt, pred)
    missed, surplus = mask_ops.error_region(gt, pred)
    region, _ = mask_ops.components(missed if label else surplus)
    part = np.pad(region == region[y, x], 1)
    depth: npt.NDArray[np.float64] = ndimage.distance_transform_edt(part)[1:-1, 1:-1]
    # A region of one or two pixels has depth 1: a wider tip would spill over both its sides.
    radius = FINEST_TIP_PX if depth[y, x] <= 1 else TIP_SHARE * float(depth[y, x])
    labels, _ = ndimage.label(depth >= radius, np.ones((3, 3)))
    room = labels == labels[y, x] if labels[y, x] else depth >= depth[y, x]
    return Stroke(_path(np.argwhere(room), radius), radius, is_erase=not label)


def _path(places_yx: npt.NDArray[np.int64], spacing: float) -> tuple[tuple[float, float], ...]:
    """Thin out (N, 2) pixel places and order them from nearest to nearest neighbour."""
    cells = np.unique((places_yx / max(1.0, spacing)).astype(np.int64), axis=0, return_index=True)[
        1
    ]
    left = places_yx[np.sort(cells)].astype(np.float64)
    order = [0]
    todo = np.ones(len(left), np.bool_)
    todo[0] = False
    while todo.any():
        away = np.where(todo, np.hypot(*(left - left[order[-1]]).T), np.inf)
        if away.min() > LONGEST_HOP * max(1.0, spacing):
            break  # a longer way would lead over what is right already
        order.append(int(np.argmin(away)))
        todo[order[-1]] = False
    return tuple((float(x) + 0.5, float(y) + 0.5) for y, x in left[order])
