"""Clips: a seed becomes a scene with known objects, phrases and a caption."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from samnb.synthetic.hard import ALL_KINDS
from samnb.synthetic.scene import Scene
from samnb.types import InputError

Image = npt.NDArray[np.uint8]
"""(H, W, 3) uint8, RGB."""
BoolMasks = npt.NDArray[np.bool_]
"""(T, H, W) bool."""

_WORDS = ("no", "a", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_KEPT_FRAMES = 4


@dataclass(frozen=True, slots=True)
class ClipObject:
    """One thing in a clip that has a mask.

    Attributes:
        obj_id: its number, from 1.
        category: what it is, e.g. ``toy car``.
        colour: its main colour, e.g. ``red``.
        pattern: its surface, e.g. ``striped``; ``plain`` is not said in the phrase.
        is_distractor: it was put there to be mistaken for one of the objects.
    """

    obj_id: int
    category: str
    colour: str
    pattern: str
    is_distractor: bool = False

    @property
    def phrase(self) -> str:
        """Its noun phrase in the singular, e.g. ``striped red toy car``."""
        return f"{self._adjectives}{self.category}"

    @property
    def plural(self) -> str:
        """Its noun phrase in the plural, e.g. ``striped red toy cars``."""
        return f"{self._adjectives}{ALL_KINDS[self.category].plural}"

    @property
    def _adjectives(self) -> str:
        return f"{self.colour} " if self.pattern == "plain" else f"{self.pattern} {self.colour} "


class Clip:
    """Frames and masks of a made-up scene, drawn when they are asked for.

    It is a frame source for models. Frames and masks of a seed are equal in every run with
    the same versions of numpy, scipy and Pillow. All methods may be called from any thread.

    Attributes:
        name: says how it was made.
        objects: the things to track.
        distractors: things that look like them, with masks of their own.
        caption: one sentence about what is seen.
        fps: frames per second.
    """

    def __init__(
        self,
        name: str,
        scene: Scene,
        things: Sequence[ClipObject],
        where: str,
        fps: float,
    ) -> None:
        self.name, self.fps = name, fps
        self.objects = tuple(t for t in things if not t.is_distractor)
        self.distractors = tuple(t for t in things if t.is_distractor)
        self.caption = caption(things, where)
        self._scene = scene
        self._labels: list[npt.NDArray[np.uint8] | None] = [None] * len(self)
        self._kept: OrderedDict[int, Image] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self._scene.size_hw

    @property
    def phrases(self) -> dict[str, tuple[int, ...]]:
        """Every noun phrase with the numbers of all things that it names."""
        found: dict[str, tuple[int, ...]] = {}
        for thing in (*self.objects, *self.distractors):
            found[thing.phrase] = (*found.get(thing.phrase, ()), thing.obj_id)
        return found

    def __len__(self) -> int:
        return len(self._scene.camera.zoom)

    def frame(self, index: int) -> Image:
        """Return a frame as (H, W, 3) uint8 RGB.

        Raises:
            InputError: there is no such frame.
        """
        with self._lock:
            frame = self._kept.get(self._check(index))
        return self._render(index)[0] if frame is None else frame

    def labels(self, index: int) -> npt.NDArray[np.uint8]:
        """Return who is seen at each pixel of a frame: (H, W) uint8, 0 for nobody.

        Raises:
            InputError: there is no such frame.
        """
        labels = self._labels[self._check(index)]
        return self._render(index)[1] if labels is None else labels

    def mask(self, obj_id: int, index: int) -> npt.NDArray[np.bool_]:
        """Return the visible part of a thing on a frame, (H, W) bool.

        Raises:
            InputError: there is no such thing or frame.
        """
        known = [t.obj_id for t in (*self.objects, *self.distractors)]
        if obj_id not in known:
            raise InputError(f"obj_id: expected one of {known}, got {obj_id}")
        return np.asarray(self.labels(index) == obj_id)

    @property
    def frames(self) -> Image:
        """All frames, (T, H, W, 3) uint8 RGB: drawn now, and not kept."""
        return np.stack([self.frame(i) for i in range(len(self))])

    def masks(self, obj_id: int) -> BoolMasks:
        """Return the visible part of a thing on all frames, (T, H, W) bool.

        Raises:
            InputError: there is no such thing.
        """
        return np.stack([self.mask(obj_id, i) for i in range(len(self))])

    def _check(self, index: int) -> int:
        if not 0 <= index < len(self):
            raise InputError(f"frame: expected 0..{len(self) - 1} in {self.name}, got {index}")
        return index

    def _render(self, index: int) -> tuple[Image, npt.NDArray[np.uint8]]:
        frame, labels = self._scene.render(index)
        frame.flags.writeable = labels.flags.writeable = False
        with self._lock:
            self._labels[index] = labels
            self._kept[index] = frame
            while len(self._kept) > _KEPT_FRAMES:
                self._kept.popitem(last=False)
        return frame, labels


def caption(things: Sequence[ClipObject], where: str) -> str:
    """Say in one sentence what is seen: ``Two red balls and a white bird in a meadow.``"""
    groups: dict[str, list[ClipObject]] = {}
    for thing in things:
        groups.setdefault(thing.phrase, []).append(thing)
    parts = []
    for phrase, group in groups.items():
        if len(group) == 1:
            parts.append(("an " if phrase[0] in "aeiou" else "a ") + phrase)
        else:
            count = _WORDS[len(group)] if len(group) < len(_WORDS) else str(len(group))
            parts.append(f"{count} {group[0].plural}")
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"{listed[0].upper()}{listed[1:]} {where}."
