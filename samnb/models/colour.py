"""``colour``: a tracker without weights that follows regions of even colour.

It floods from the clicks over pixels of similar colour and finds the region again on
the next frame by colour and place. It knows nothing about objects, so it is right only
where colours are clear (diagrams, cartoons, markers, fluorescence, synthetic clips);
there it is exact, instant and the same on every machine. Useful to learn the studio,
to test a pipeline, and as a baseline that a real model must beat.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

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
from samnb.types import InputError, ModelError

Rgb = npt.NDArray[np.float32]
"""(3,) float32, one colour."""
_CROSS = ndimage.generate_binary_structure(2, 1)
_NOTHING = 0.02
"""Presence that is reported for an empty answer."""


@dataclass(frozen=True, slots=True)
class ColourTracker:
    """The tracker of regions of even colour.

    Attributes:
        tolerance: largest difference in any channel (0 to 255) that still belongs.
    """

    tolerance: float = 26.0
    name: str = "colour@1"
    capabilities: Capabilities = field(default_factory=Capabilities)

    def open(self, frames: FrameSource) -> ColourSession:
        """Start on a video; decodes nothing yet."""
        return ColourSession(frames, self.tolerance)


class ColourSession:
    """One open video. See :class:`~samnb.models.base.TrackSession`."""

    def __init__(self, frames: FrameSource, tolerance: float) -> None:
        self._frames, self._tolerance = frames, tolerance
        self._given: dict[int, dict[int, FramePrompts]] = {}

    def segment(self, position: int, prompts: FramePrompts) -> Prediction:
        """Flood from the prompts on this frame alone."""
        return flood(self._image(position), prompts, self._tolerance)

    def set_prompts(self, obj_id: int, position: int, prompts: FramePrompts) -> Prediction:
        """Replace an object's prompts on a frame and flood from them."""
        answer = self.segment(position, prompts)
        self._given.setdefault(obj_id, {})[position] = prompts
        return answer

    def clear_prompts(self, obj_id: int, position: int) -> None:
        """Forget an object's prompts on a frame."""
        self._given.get(obj_id, {}).pop(position, None)

    def remove_object(self, obj_id: int) -> None:
        """Forget an object."""
        self._given.pop(obj_id, None)

    def propagate(
        self, *, start: int, stop: int, obj_ids: Sequence[int] | None = None
    ) -> Iterator[tuple[int, dict[int, Prediction]]]:
        """Follow every object's colours from ``start`` to ``stop``, both included.

        An object begins at the prompted frame nearest to ``start``.

        Raises:
            ModelError: no object named has a prompt.
        """
        wanted = sorted(self._given) if obj_ids is None else list(obj_ids)
        given = {i: self._given[i] for i in wanted if self._given.get(i)}
        if not given:
            raise ModelError("propagate: expected an object with a prompt, got none")
        last = {i: self._begin(prompts, start) for i, prompts in given.items()}
        step = 1 if stop >= start else -1
        for position in range(start, stop + step, step):
            answers = {}
            for obj_id, prompts in given.items():
                if position in prompts:
                    answer = self.segment(position, prompts[position])
                    last[obj_id] = _Trace.of(self._image(position), answer.mask, self._tolerance)
                else:
                    answer = last[obj_id].find(self._image(position), self._tolerance)
                answers[obj_id] = answer
            yield position, answers

    def close(self) -> None:
        """Forget everything."""
        self._given.clear()

    def _begin(self, prompts: dict[int, FramePrompts], start: int) -> _Trace:
        near = min(prompts, key=lambda position: (abs(position - start), position))
        image = self._image(near)
        return _Trace.of(image, self.segment(near, prompts[near]).mask, self._tolerance)

    def _image(self, position: int) -> Image:
        if not 0 <= position < len(self._frames):
            raise InputError(f"position: expected 0..{len(self._frames) - 1}, got {position}")
        return self._frames.frame(position)


def flood(image: Image, prompts: FramePrompts, tolerance: float) -> Prediction:
    """Segment one frame from its prompts by colour.

    Args:
        image: (H, W, 3) uint8, RGB.
        prompts: points, box or mask in media pixels.
        tolerance: largest difference in any channel, 0 to 255.
    """
    if prompts.mask is not None:
        return Prediction(prompts.mask.copy(), 1.0, _presence(prompts.mask), 1.0)
    tight, mask, loose = (
        _flooded(image, prompts, tolerance * factor) for factor in (0.75, 1.0, 1.3)
    )
    union = np.count_nonzero(loose | tight)
    stability = np.count_nonzero(loose & tight) / union if union else 1.0
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


@dataclass(slots=True)
class _Trace:
    """An object's colour, place and size when it was last seen."""

    colour: Rgb
    mask: BoolMask
    area: int
    reach_px: int

    @classmethod
    def of(cls, image: Image, mask: BoolMask, tolerance: float) -> _Trace:
        area = int(np.count_nonzero(mask))
        pixels = image[mask] if area else np.zeros((1, 3), np.uint8)
        colour = np.median(pixels, axis=0).astype(np.float32)
        return cls(colour, mask.copy(), area, int(0.5 * area**0.5) + 4)

    def find(self, image: Image, tolerance: float) -> Prediction:
        """Look for the region near its last place; farther away the longer it is gone."""
        mask = np.zeros_like(self.mask)
        if self.area == 0:
            return Prediction(mask, 1.0, _NOTHING, 1.0)
        near = _distance(image, self.colour) <= tolerance
        regions, _ = ndimage.label(near, _CROSS)
        reach = ndimage.binary_dilation(self.mask, _CROSS, iterations=self.reach_px)
        touched, counts = np.unique(regions[reach & near], return_counts=True)
        if touched.size:
            best = touched[np.argmax(counts)]
            mask = np.asarray(regions == best, bool)
        found = int(np.count_nonzero(mask))
        if found < max(0.05 * self.area, 4):
            self.reach_px = min(self.reach_px * 2, max(image.shape[:2]))
            return Prediction(np.zeros_like(self.mask), 1.0, _NOTHING, 1.0)
        likeness = min(found, self.area) / max(found, self.area)
        self.mask, self.reach_px = mask, int(0.5 * found**0.5) + 4
        return Prediction(mask, float(likeness), 1.0, float(likeness))
