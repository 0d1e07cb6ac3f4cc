"""Six tiny frames, and a tracker whose answers can be computed by hand."""

from __future__ import annotations

import numpy as np

from samnb.models.base import Capabilities, Prediction

SIZE_HW = (20, 30)
N_FRAMES = 6


class Clock:
    """Time that passes only when told, in seconds."""

    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s


class SquareSession:
    """Answers with a 5-pixel square at the newest positive point (or the given mask),
    which moves one pixel to the right per position away from the prompt."""

    def __init__(self, tracker, frames):
        self.tracker, self.frames = tracker, frames
        self.prompts = {}

    def _mask(self, prompts, shift=0):
        mask = np.zeros(self.frames.size_hw, bool)
        if prompts.mask is not None:
            return np.roll(prompts.mask, shift, axis=1)
        if prompts.box_xyxy is not None:
            x0, y0, x1, y1 = prompts.box_xyxy.astype(int)
            mask[y0:y1, x0 + shift : x1 + shift] = True
        for (x, y), label in zip(prompts.points_xy.astype(int), prompts.point_labels, strict=True):
            mask[max(y - 2, 0) : y + 3, max(x - 2 + shift, 0) : x + 3 + shift] = bool(label)
        return mask

    def _answer(self, mask):
        return Prediction(mask, 0.9, float(mask.any()), 0.8)

    def segment(self, position, prompts):
        return self._answer(self._mask(prompts))

    def set_prompts(self, obj_id, position, prompts):
        self.tracker.calls.append(("set", obj_id, position))
        self.prompts[obj_id, position] = prompts
        return self._answer(self._mask(prompts))

    def clear_prompts(self, obj_id, position):
        self.tracker.calls.append(("clear", obj_id, position))
        self.prompts.pop((obj_id, position), None)

    def remove_object(self, obj_id):
        self.tracker.calls.append(("remove", obj_id))

    def propagate(self, *, start, stop, obj_ids=None):
        step = 1 if stop >= start else -1
        for position in range(start, stop + step, step):
            if self.tracker.fail_at == position:
                raise RuntimeError("out of memory")
            answers = {}
            for obj_id in obj_ids:
                mine = {p: v for (o, p), v in self.prompts.items() if o == obj_id}
                near = min(mine, key=lambda p: abs(p - position))
                answers[obj_id] = self._answer(self._mask(mine[near], position - near))
            yield position, answers

    def close(self):
        self.tracker.calls.append(("close",))


class SquareTracker:
    name = "square@1"
    capabilities = Capabilities()

    def __init__(self):
        self.calls = []
        self.fail_at = None

    def open(self, frames):
        self.calls.append(("open", len(frames)))
        return SquareSession(self, frames)
