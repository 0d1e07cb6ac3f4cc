"""``colour``: a tracker without weights that follows regions of even colour.

It floods from the clicks over pixels of similar colour and finds the region again on
the next frame by colour and place. It knows nothing about objects, so it is right only
where colours are clear (diagrams, cartoons, markers, fluorescence, synthetic clips);
there it is exact, instant and the same on every machine. Useful to learn the studio,
to test a pipeline, and as a baseline that a real model must beat.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from samnb.models.base import (
    BoolMask,
    Capabilities,
    FramePrompts,
    FrameSource,
    Image,
    Prediction,
)
from samnb.models.prompts import check_prompts
from samnb.types import InputError, ModelError

Rgb = npt.NDArray[np.float32]
"""(3,) float32, one colour."""
_CROSS = ndimage.generate_binary_structure(2, 1)
_NOTHING = 0.02
"""Presence that is reported for an empty answer."""


@dataclass(frozen=True, slots=True)
class ColourTracker:
    """The tracker of regions of even colour.

    It answers every prompt from the frame alone: what was tracked does not change what
    a click gives, so it does not claim to have a memory.

    Attributes:
        tolerance: largest difference in any channel (0 to 255) that still belongs.

    Raises:
        InputError: a tolerance outside of 0 to 255.
    """

    tolerance: float = 26.0
    name: str = "colour@1"
    capabilities: Capabilities = field(default_factory=lambda: Capabilities(memory=False))

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance <= 255:
            raise InputError(f"tolerance: expected 0 to 255, got {self.tolerance}")

    def open(self, frames: FrameSource) -> ColourSession:
        """Start on a video; decodes nothing yet."""
        return ColourSession(frames, self.tolerance)


@dataclass(slots=True)
class _Followed:
    """One object: its prompts by position, and how far it was followed last."""

    given: dict[int, FramePrompts] = field(default_factory=dict)
    reached: tuple[int, int, _Trace] | None = None
    """Position, step and trace; None after any change of the prompts."""


class ColourSession:
    """One open video. See :class:`~samnb.models.base.TrackSession`."""

    def __init__(self, frames: FrameSource, tolerance: float) -> None:
        self._frames, self._tolerance = frames, tolerance
        self._objects: dict[int, _Followed] = {}
        self._last_read: tuple[int, Image] | None = None
        self._is_closed = False

    def segment(self, position: int, prompts: FramePrompts) -> Prediction:
        """Flood from the prompts on this frame alone.

        Raises:
            InputError: a wrong position or wrong prompts.
            ModelError: the session is closed.
        """
        self._check(position, "position")
        check_prompts(prompts, self._frames.size_hw)
        return flood(self._image(position), prompts, self._tolerance)

    def set_prompts(self, obj_id: int, position: int, prompts: FramePrompts) -> Prediction:
        """Replace an object's prompts on a frame and flood from them.

        Raises:
            InputError: a wrong position or wrong prompts.
            ModelError: the session is closed.
        """
        answer = self.segment(position, prompts)
        followed = self._objects.setdefault(obj_id, _Followed())
        followed.given[position] = deepcopy(prompts)
        followed.reached = None
        return answer

    def clear_prompts(self, obj_id: int, position: int) -> None:
        """Forget an object's prompts on a frame; unknown pairs are ignored."""
        followed = self._objects.get(obj_id)
        if followed is not None and followed.given.pop(position, None) is not None:
            followed.reached = None

    def remove_object(self, obj_id: int) -> None:
        """Forget an object; unknown ids are ignored."""
        self._objects.pop(obj_id, None)

    def propagate(
        self, *, start: int, stop: int, obj_ids: Sequence[int] | None = None
    ) -> Generator[tuple[int, dict[int, Prediction]], None, None]:
        """Follow every object's colours from ``start`` to ``stop``, both included.

        An object is followed from the nearest prompt behind ``start``, or goes on where
        the last run ended; with no prompt behind, it begins as on the nearest one ahead.

        Raises:
            InputError: ``start`` or ``stop`` is outside of the video.
            ModelError: no object named has a prompt, or the session is closed.
        """
        self._check(start, "start")
        self._check(stop, "stop")
        named = sorted(self._objects) if obj_ids is None else list(dict.fromkeys(obj_ids))
        ids = [i for i in named if i in self._objects and self._objects[i].given]
        if not ids:
            raise ModelError(
                f"propagate: expected an object with a prompt, got objects {named} without any"
            )
        return self._run(start, stop, ids)

    def close(self) -> None:
        """Forget everything; a propagation that is running ends after its current frame."""
        self._is_closed = True
        self._objects.clear()
        self._last_read = None

    def _run(
        self, start: int, stop: int, ids: list[int]
    ) -> Generator[tuple[int, dict[int, Prediction]], None, None]:
        step = 1 if stop >= start else -1
        traces = {i: self._run_in(self._objects[i], start, step) for i in ids}
        for position in range(start, stop + step, step):
            answers = {}
            for obj_id in ids:
                followed = self._objects.get(obj_id)
                if followed is not None and followed.given:
                    answer, trace = self._follow(followed, position, traces[obj_id])
                    answers[obj_id], traces[obj_id] = answer, trace
                    followed.reached = position, step, trace
            if self._is_closed or not answers:
                return
            yield position, answers

    def _run_in(self, followed: _Followed, start: int, step: int) -> _Trace | None:
        """The trace with which an object comes to ``start``; None at a prompt."""
        if followed.reached is not None and followed.reached[:2] == (start - step, step):
            return followed.reached[2]
        if start in followed.given:
            return None
        behind = [p for p in followed.given if (start - p) * step > 0]
        first = min(behind or followed.given, key=lambda p: abs(p - start))
        _, trace = self._follow(followed, first, None)
        for position in range(first + step, start, step) if behind else ():
            _, trace = self._follow(followed, position, trace)
        return trace

    def _follow(
        self, followed: _Followed, position: int, trace: _Trace | None
    ) -> tuple[Prediction, _Trace]:
        """Answer for one frame: from its prompts, else by what was seen last."""
        image = self._image(position)
        if trace is None or position in followed.given:
            answer = flood(image, followed.given[position], self._tolerance)
            return answer, _Trace.of(image, answer.mask)
        return trace.find(image, self._tolerance)

    def _check(self, position: int, name: str) -> None:
        if self._is_closed:
            raise ModelError("session: it is closed; open the video again")
        if not 0 <= position < len(self._frames):
            raise InputError(f"{name}: expected 0 to {len(self._frames) - 1}, got {position}")

    def _image(self, position: int) -> Image:
        """Read a frame; the last one is kept, for one click comes after another."""
        last = self._last_read
        if last is not None and last[0] == position:
            return last[1]
        image, size_hw = self._frames.frame(position), self._frames.size_hw
        if image.shape != (*size_hw, 3) or image.dtype != np.uint8:
            raise InputError(
                f"frame {position}: expected {(*size_hw, 3)} uint8, got {image.shape} {image.dtype}"
            )
        if not self._is_closed:
            self._last_read = position, image
        return image


def flood(image: Image, prompts: FramePrompts, tolerance: float) -> Prediction:
    """Segment one frame from its prompts by colour.

    Args:
        image: (H, W, 3) uint8, RGB.
        prompts: points, box or mask in media pixels.
        tolerance: largest difference in any channel, 0 to 255.
    """
    if prompts.mask is not None:
        return Prediction(prompts.mask.copy(), 1.0, float(prompts.mask.any()), 1.0)
    tight, mask, loose = (
        _flooded(image, prompts, tolerance * factor) for factor in (0.75, 1.0, 1.3)
    )
    union = np.count_nonzero(loose | tight)
    stability = float(np.count_nonzero(loose & tight) / union) if union else 1.0
    return Prediction(mask, 0.5 + stability / 2, _presence(mask), stability)


def _presence(mask: BoolMask) -> float:
    return 1.0 if mask.any() else _NOTHING


def _distance(image: Image, colour: Rgb) -> npt.NDArray[np.float32]:
    difference = np.abs(image.astype(np.float32) - colour)
    return np.asarray(difference.max(axis=2), np.float32)


def _flooded(image: Image, prompts: FramePrompts, tolerance: float) -> BoolMask:
    height, width = image.shape[:2]
    inside = np.ones((height, width), bool)
    seeds = [(xy, label) for xy, label in zip(prompts.points_xy, prompts.point_labels, strict=True)]
    if prompts.box_xyxy is not None:
        x0, y0, x1, y1 = np.rint(prompts.box_xyxy).astype(int)
        inside[:] = False
        inside[max(y0, 0) : y1, max(x0, 0) : x1] = True
        if not any(label == 1 for _, label in seeds):
            middle = np.array([(x0 + x1) / 2, (y0 + y1) / 2], np.float32)
            seeds.insert(0, (middle, 1))
    mask = np.zeros((height, width), bool)
    for wanted in (1, 0):  # what is excluded wins, whatever the order of the clicks
        for (x, y), label in seeds:
            if label != wanted:
                continue
            column = min(max(int(x), 0), width - 1)
            row = min(max(int(y), 0), height - 1)
            patch = image[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
            colour = np.median(patch.reshape(-1, 3), axis=0).astype(np.float32)
            near = (_distance(image, colour) <= tolerance) & inside
            near[row, column] = inside[row, column]
            regions, _ = ndimage.label(near, _CROSS)
            region = (regions == regions[row, column]) & near
            mask = mask | region if wanted else mask & ~region
    return np.asarray(mask, bool)


@dataclass(frozen=True, slots=True)
class _Trace:
    """An object's colour, place and size when it was last seen.

    Attributes:
        reach_px: how far from its last place it is looked for.
    """

    colour: Rgb
    mask: BoolMask
    area: int
    reach_px: int

    @classmethod
    def of(cls, image: Image, mask: BoolMask) -> _Trace:
        area = int(np.count_nonzero(mask))
        pixels = image[mask] if area else np.zeros((1, 3), np.uint8)
        colour = np.median(pixels, axis=0).astype(np.float32)
        return cls(colour, mask.copy(), area, int(0.5 * area**0.5) + 4)

    def find(self, image: Image, tolerance: float) -> tuple[Prediction, _Trace]:
        """Look for the region near its last place; farther away the longer it is gone."""
        mask = np.zeros_like(self.mask)
        if self.area == 0:
            return Prediction(mask, 1.0, _NOTHING, 1.0), self
        near = _distance(image, self.colour) <= tolerance
        regions, _ = ndimage.label(near, _CROSS)
        reach = ndimage.binary_dilation(self.mask, _CROSS, iterations=self.reach_px)
        touched, counts = np.unique(regions[reach & near], return_counts=True)
        if touched.size:
            best = touched[np.argmax(counts)]
            mask = np.asarray(regions == best, bool)
        found = int(np.count_nonzero(mask))
        if found < max(0.05 * self.area, 4):
            farther = replace(self, reach_px=min(self.reach_px * 2, max(image.shape[:2])))
            return Prediction(np.zeros_like(self.mask), 1.0, _NOTHING, 1.0), farther
        likeness = min(found, self.area) / max(found, self.area)
        here = replace(self, mask=mask, reach_px=int(0.5 * found**0.5) + 4)
        return Prediction(mask, float(likeness), 1.0, float(likeness)), here
