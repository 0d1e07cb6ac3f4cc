"""A clip of flat colours with exact masks, and a tracker that sees colours and drifts."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage

from samnb.engine.groundtruth import GroundTruth, from_masks
from samnb.models.base import Capabilities, Prediction

SIZE_HW = (48, 64)
N_FRAMES = 12
COLOURS = {"ball": (200, 30, 30), "box": (30, 120, 200)}


def true_masks():
    """The ball moves right and hides on frames 5 and 6; the box moves down slowly."""
    yy, xx = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]]
    ball, box = [], []
    for t in range(N_FRAMES):
        is_hidden = t in (5, 6)
        ball.append(((xx - 12 - 3 * t) ** 2 + (yy - 14) ** 2 <= 64) & (not is_hidden))
        box.append((abs(xx - 30) <= 9) & (abs(yy - 34 - t // 6) <= 8))
    return {"ball": ball, "box": box}


def write_clip(folder, masks=None, shade=0):
    """Write the frames as PNG files; ``shade`` makes clips differ in their content."""
    masks = masks or true_masks()
    folder.mkdir(parents=True)
    for t in range(N_FRAMES):
        image = np.full((*SIZE_HW, 3), 90 + shade, np.uint8)
        for name, colour in COLOURS.items():
            image[masks[name][t]] = colour
        Image.fromarray(image).save(folder / f"{t:05d}.png")
    return from_masks(folder.name, folder, masks)


def make_truth(tmp_path, n_clips=1):
    return GroundTruth([write_clip(tmp_path / f"clip{n}", shade=n) for n in range(n_clips)])


class ColourSession:
    """Finds the colour under a click. The mask is too fat by what is left of ``rough``
    after the clicks; a propagated mask slips by ``drift`` px per frame from its prompt."""

    def __init__(self, tracker, frames):
        self.tracker, self.frames = tracker, frames
        self.prompts = {}
        self.colours = {}

    def _shape(self, position, colour, fat=0, shift=0):
        image = self.frames.frame(position)
        mask = (image == np.array(colour, np.uint8)).all(2)
        if fat > 0 and mask.any():
            mask = ndimage.binary_dilation(mask, iterations=fat)
        return np.roll(mask, shift, 1)

    def _colour(self, position, prompts):
        if prompts.mask is not None:
            pixels = self.frames.frame(position)[prompts.mask]
            pixels = pixels[~(pixels[:, 0] == pixels[:, 1])]  # the background is grey
            return tuple(np.median(pixels, 0).astype(int)) if len(pixels) else None
        for (x, y), label in zip(prompts.points_xy.astype(int), prompts.point_labels, strict=True):
            colour = tuple(int(v) for v in self.frames.frame(position)[y, x])
            if label and colour[0] != colour[1]:
                return colour
        return None

    def _answer(self, mask):
        return Prediction(mask, 0.9, float(mask.any()), 0.8)

    def _nothing(self):
        return np.zeros(self.frames.size_hw, bool)

    def segment(self, position, prompts):
        self.tracker.calls.append("segment")
        colour = self._colour(position, prompts)
        fat = self.tracker.rough - len(prompts.points_xy)
        return self._answer(
            self._nothing() if colour is None else self._shape(position, colour, fat)
        )

    def set_prompts(self, obj_id, position, prompts):
        self.tracker.calls.append("set")
        colour = self._colour(position, prompts) or self.colours.get(obj_id)
        if colour is not None:
            self.colours[obj_id] = colour
        self.prompts[obj_id, position] = prompts
        if prompts.mask is not None:
            return self._answer(prompts.mask)
        fat = self.tracker.rough // 2 - len(prompts.points_xy)
        return self._answer(
            self._nothing() if colour is None else self._shape(position, colour, fat)
        )

    def clear_prompts(self, obj_id, position):
        self.prompts.pop((obj_id, position), None)

    def remove_object(self, obj_id):
        self.prompts = {k: v for k, v in self.prompts.items() if k[0] != obj_id}

    def propagate(self, *, start, stop, obj_ids=None):
        step = 1 if stop >= start else -1
        for position in range(start, stop + step, step):
            self.tracker.n_tracked += 1
            answers = {}
            for obj_id in obj_ids:
                at = [p for o, p in self.prompts if o == obj_id and (position - p) * step >= 0]
                shift = min(abs(p - position) for p in at) if at else 0
                colour = self.colours.get(obj_id)
                mask = (
                    self._nothing()
                    if colour is None
                    else self._shape(position, colour, shift=round(shift * self.tracker.drift))
                )
                answers[obj_id] = self._answer(mask)
            yield position, answers

    def close(self):
        self.prompts.clear()


class ColourTracker:
    name = "colour@1"
    capabilities = Capabilities()

    def __init__(self, rough=4, drift=0.5):
        self.rough, self.drift = rough, drift
        self.calls = []
        self.n_tracked = 0

    def open(self, frames):
        return ColourSession(self, frames)
