"""The clip that greets newcomers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as PilImage

from samnb.synthetic.clip import Clip, ClipObject
from samnb.synthetic.motion import Camera, Track
from samnb.synthetic.scene import Scene, Thing
from samnb.synthetic.sprites import Look, draw_sprite
from samnb.synthetic.textures import COLOURS
from samnb.synthetic.themes import THEMES
from samnb.synthetic.write import write_video

DEMO_SIZE_HW = (360, 640)
DEMO_FPS = 24.0
DEMO_S = 8.0


def demo_clip(path: str | Path) -> Clip:
    """Write the demo video and return it with its masks.

    Two balloons and a bird drift past a rocket on its pad at dusk (photograph: SpaceX, public
    domain): 8 s of 640 x 360 at 24 fps, the same in every run. Everything stays in the
    picture, apart from the rest, and moves slowly.

    Args:
        path: of the MP4; its folder must exist.

    Raises:
        MediaError: the file cannot be written.
    """
    clip = make_demo()
    write_video(clip, path)
    return clip


def make_demo() -> Clip:
    """Return the demo clip without writing it."""
    rng = np.random.default_rng(12)
    height, width = DEMO_SIZE_HW
    place_hw = (round(height * 1.12), round(width * 1.12))
    theme = THEMES["launch pad"]
    place = PilImage.fromarray(np.clip(theme.paint(rng, place_hw) * 255, 0, 255).astype(np.uint8))
    times = np.arange(round(DEMO_S * DEMO_FPS)) / DEMO_FPS
    share = times / DEMO_S
    still = np.zeros_like(times)

    def wave(period_s: float, late: float = 0.0) -> np.ndarray:
        return np.asarray(np.sin(2 * np.pi * (times / period_s + late)))

    middle = np.array(place_hw[::-1]) / 2
    camera = Camera(
        xy=middle + np.stack([26 * (2 * share - 1), 8 * wave(9)], -1),
        zoom=np.ones_like(times),
        roll=still,
        light=np.ones_like(times),
    )
    cast = (
        ("balloon", "red", "striped", "white", 88, 0.25 + 0.11 * share, 0.34 - 0.04 * share, 6.5),
        ("balloon", "yellow", "plain", "white", 60, 0.79 - 0.12 * share, 0.26 + 0.10 * share, 5.2),
        ("bird", "white", "plain", "gray", 40, 0.36 + 0.30 * share, 0.72 - 0.10 * share, 2.8),
    )
    objects, things = [], []
    for number, (category, colour, pattern, second, half, x, y, period_s) in enumerate(cast, 1):
        objects.append(ClipObject(number, category, colour, pattern))
        sway = np.stack([0.012 * wave(period_s), 0.018 * wave(0.8 * period_s, 0.3)], -1)
        xy = (np.stack([x, y], -1) + sway) * [place_hw[1], place_hw[0]]
        is_bird = category == "bird"
        beat = np.stack([np.full_like(times, 0.08 if is_bird else 0.0), 2 * np.pi * times], -1)
        size = half * (1 + 0.06 * wave(7.0, 0.1 * number))
        things.append(
            Thing(
                number,
                draw_sprite(
                    category, Look(pattern, COLOURS[colour], COLOURS[second]), 3 * half, rng
                ),
                Track(
                    xy,
                    np.stack([size, size], -1),
                    0.06 * wave(period_s, 0.2),
                    beat,
                    "wag" if is_bird else "wobble",
                ),
            )
        )
    grain = rng.normal(0.5, 1.2, (height + 32, width + 32)).astype(np.float32)
    scene = Scene(DEMO_SIZE_HW, place, camera, tuple(things), grain, 0)
    return Clip("demo", scene, objects, theme.where, DEMO_FPS)
