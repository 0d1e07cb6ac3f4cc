"""Clips with everything that phrases name in them: the concept world in motion.

The things are those of :mod:`samnb.synthetic.concepts`, moved and filmed as in
:mod:`samnb.synthetic.make`. Every clip knows the exact visible masks of all things on all
frames, and one caption per frame that names what is seen there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image as PilImage

from samnb.synthetic.clip import BoolMasks, Image
from samnb.synthetic.concepts import (
    MIN_VISIBLE_PX,
    PLACES,
    ConceptThing,
    Split,
    describe,
    draw_cast,
    draw_thing,
)
from samnb.synthetic.motion import Camera, Track, make_camera, make_path, wander
from samnb.synthetic.scene import Scene, Thing, sprite_size
from samnb.synthetic.themes import THEMES
from samnb.synthetic.things import Combination, parse_phrase
from samnb.types import InputError

_KEPT_FRAMES = 4


class ConceptClip:
    """A made-up clip and all that is true about it.

    Attributes:
        name: says how it was made.
        fps: frames per second.
        things: what is in it, whether or not it is seen on a frame.
    """

    def __init__(
        self,
        name: str,
        scenes: Sequence[tuple[Scene, str, int, int]],
        things: tuple[ConceptThing, ...],
        fps: float,
    ) -> None:
        self.name, self.fps, self.things = name, fps, things
        self._frames = [
            (scene, where, i) for scene, where, start, stop in scenes for i in range(start, stop)
        ]
        self._kept: OrderedDict[int, tuple[Image, npt.NDArray[np.uint8]]] = OrderedDict()

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self._frames[0][0].size_hw

    def __len__(self) -> int:
        return len(self._frames)

    def frame(self, index: int) -> Image:
        """Return a frame as (H, W, 3) uint8 RGB."""
        return self._drawn(index)[0]

    def labels(self, index: int) -> npt.NDArray[np.uint8]:
        """Return the number of the thing seen at each pixel, (H, W) uint8, 0 for none."""
        return self._drawn(index)[1]

    def caption(self, index: int) -> str:
        """Say in one sentence what a frame shows."""
        seen = np.bincount(self.labels(index).ravel(), minlength=256)
        things = tuple(t for t in self.things if seen[t.number] >= MIN_VISIBLE_PX)
        return describe(things, self._frames[index][1])

    def truth(self, phrase: str, frame_idxs: Sequence[int]) -> tuple[BoolMasks, ...]:
        """Return the visible masks, (T, H, W) bool on the frames asked for, of every thing
        that a phrase names and that is seen on one of them."""
        asked = parse_phrase(phrase)
        if asked is None:
            return ()
        labels = np.stack([self.labels(i) for i in frame_idxs])
        wanted = asked.combinations
        masks = (labels == t.number for t in self.things if t.combination in wanted)
        return tuple(m for m in masks if m.any())

    def _drawn(self, index: int) -> tuple[Image, npt.NDArray[np.uint8]]:
        if not 0 <= index < len(self):
            raise InputError(f"frame: expected 0..{len(self) - 1} in {self.name}, got {index}")
        if index not in self._kept:
            scene, _, at = self._frames[index]
            self._kept[index] = scene.render(at)
            while len(self._kept) > _KEPT_FRAMES:
                self._kept.popitem(last=False)
        return self._kept[index]


def make_concept_clip(
    seed: int,
    *,
    size_hw: tuple[int, int] = (240, 320),
    n_frames: int = 36,
    fps: float = 6.0,
    difficulty: float = 0.3,
    split: Split = "train",
    cast: Sequence[Combination] | None = None,
    is_still: bool = False,
    has_cut: bool = False,
) -> ConceptClip:
    """Make up a clip of things that move.

    Args:
        seed: equal arguments give equal clips.
        size_hw: height and width in pixels, each from 64.
        n_frames: how many frames, from 2.
        fps: frames per second; motion is defined per second.
        difficulty: in [0, 1]: speed, the camera's motion, how small things are, noise.
        split: see :func:`samnb.synthetic.concepts.make_concept_scene`.
        cast: colour, texture and noun of each thing; None draws them.
        is_still: nothing moves, the camera neither.
        has_cut: in the middle another place with other things takes over; the things of
            ``cast`` are those of the first half.

    Raises:
        InputError: an argument is out of range.
    """
    if min(size_hw) < 64 or n_frames < 2 or not 0 <= difficulty <= 1 or not fps > 0:
        raise InputError(
            f"clip: expected sides from 64, 2 frames or more, a difficulty in 0..1 and a rate "
            f"above 0, got {size_hw}, {n_frames}, {difficulty} and {fps}"
        )
    rng = np.random.default_rng([seed, 11, int(split == "test")])
    first = list(cast) if cast is not None else draw_cast(rng, difficulty, split)
    scene, where = _filmed(rng, seed, first, 1, size_hw, n_frames, fps, difficulty, is_still)
    scenes, every = [(scene, where, 0, n_frames)], first
    if has_cut:
        second = draw_cast(rng, difficulty, split)
        after, there = _filmed(
            rng, seed + 1, second, len(first) + 1, size_hw, n_frames, fps, difficulty, is_still,
            other_than=where,
        )  # fmt: skip
        middle = n_frames // 2
        scenes, every = (
            [(scene, where, 0, middle), (after, there, middle, n_frames)],
            first + second,
        )
    things = tuple(ConceptThing(n, *c) for n, c in enumerate(every, 1))
    return ConceptClip(f"concept-clip-{split}-{seed:06d}", scenes, things, fps)


def _filmed(
    rng: np.random.Generator,
    seed: int,
    cast: Sequence[Combination],
    first_number: int,
    size_hw: tuple[int, int],
    n_frames: int,
    fps: float,
    difficulty: float,
    is_still: bool,
    other_than: str = "",
) -> tuple[Scene, str]:
    height, width = size_hw
    names = [n for n in PLACES if THEMES[n].where != other_than]
    theme = THEMES[names[int(rng.integers(len(names)))]]
    margin = 1.08 + 0.2 * difficulty
    place_hw = (round(height * margin), round(width * margin))
    place = np.clip(theme.paint(rng, place_hw) * 255, 0, 255).astype(np.uint8)
    times = np.arange(n_frames) / fps
    camera = make_camera(rng, times, size_hw, place_hw, difficulty)
    if is_still:
        camera = Camera(*(np.repeat(a[:1], n_frames, 0) for a in (
            camera.xy, camera.zoom, camera.roll, camera.light)))  # fmt: skip
    crowd = min(1.0, 2.0 / np.sqrt(len(cast)))
    corner = camera.xy[0] - np.array([width, height]) / 2
    things: list[Thing] = []
    starts: list[npt.NDArray[np.float64]] = []
    for number, combination in enumerate(cast, first_number):
        half = min(height, width / 1.3) * crowd * rng.uniform(0.13, 0.19) * (1 - 0.4 * difficulty)
        tries = rng.uniform([0.14, 0.16], [0.86, 0.84], (16, 2)) * [width, height] + corner
        gaps = [min((np.hypot(*(t - s)) for s in starts), default=1.0) for t in tries]
        start = tries[int(np.argmax(gaps))]
        starts.append(start)
        low, high = corner + half, corner + np.array([width - half, height - half])
        speed = 0.0 if is_still else width * (0.05 + 0.2 * difficulty)
        path = make_path(
            rng, times, (*low, *high), start, speed, is_level=False, leaves_to=None
        )  # fmt: skip
        turn = rng.uniform(-0.4, 0.4) + (0.0 if is_still else 0.25) * wander(rng, times, 0.2)
        still = np.zeros((n_frames, 2))
        track = Track(path, np.full((n_frames, 2), half), np.broadcast_to(turn, n_frames), still)
        sprite = draw_thing(rng, combination, sprite_size(half))
        things.append(Thing(number, sprite, track, 0.4, "cast"))
    grain = rng.normal(0.5, 1 + 4 * difficulty, (height + 32, width + 32)).astype(np.float32)
    return Scene(
        size_hw, PilImage.fromarray(place), camera, tuple(things), grain, seed
    ), theme.where
