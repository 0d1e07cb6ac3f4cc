"""Places: a wide picture to look around in, and what is met there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from PIL import Image as PilImage

from samnb.synthetic.textures import COLOURS, Floats, Rgb, blend, detail, noise, photo

SizeHw: TypeAlias = tuple[int, int]
Painter: TypeAlias = Callable[[np.random.Generator, SizeHw], Floats]


@dataclass(frozen=True, eq=False)
class Theme:
    """One kind of place.

    Attributes:
        paint: draws it, (H, W, 3) float32 in [0, 1].
        where: how a caption says it.
        categories: things met there.
        horizon: where the ground begins, as a share of the height; None where one looks
            straight down or there is no ground.
        shadow: darkness under things, in [0, 1].
        occluder: ``post`` or ``blob``.
        occluder_colour: of what hides things there.
        colours: words for the colours of things there; all where it is empty.
    """

    paint: Painter
    where: str
    categories: tuple[str, ...]
    horizon: float | None
    shadow: float
    occluder: str
    occluder_colour: Rgb
    colours: tuple[str, ...] = ()


def _column(stops: list[tuple[float, Rgb]], height: int) -> Floats:
    """Return a vertical gradient, (height, 1, 3)."""
    at = np.linspace(0, 1, height)
    places = [place for place, _ in stops]
    channels = [np.interp(at, places, [colour[c] for _, colour in stops]) for c in range(3)]
    return np.stack(channels, -1)[:, None].astype(np.float32)


def _tiled(texture: Floats, rows: Floats, columns: Floats) -> Floats:
    """Look a texture up at any place, mirrored at its borders so that no seam shows."""
    height, width = texture.shape
    y = np.abs((rows.astype(np.int64) + height) % (2 * height) - height).clip(0, height - 1)
    x = np.abs((columns.astype(np.int64) + width) % (2 * width) - width).clip(0, width - 1)
    return np.asarray(texture[y, x], np.float32)


def _ground(
    rng: np.random.Generator, name: str, colour: Rgb, size_hw: SizeHw, grain: float
) -> Floats:
    """Lay a photographed texture out to the horizon; far away it fades to its colour."""
    height, width = size_hw
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    depth = 1.0 / (0.06 + 0.94 * (rows + 0.5) / height)
    texture = detail(name)
    at = rng.uniform(0, 400, 2)
    fine = _tiled(texture, at[0] - 130 * depth, at[1] + (columns - width / 2) * depth * 0.9)
    fade = np.clip((depth - 1) / 6, 0, 1)
    strength = grain * (1 - fade) ** 1.5
    spots = 0.86 + 0.28 * noise(rng, size_hw, 5, 2)
    bright = (1 + strength * (fine - 1)) * spots * (0.8 + 0.25 * rows / height)
    return np.asarray(colour, np.float32) * bright[..., None]


def _meadow(rng: np.random.Generator, size_hw: SizeHw) -> Floats:
    height, width = size_hw
    edge = round(0.42 * height)
    blue: Rgb = (0.30, 0.52, 0.84)
    picture = np.repeat(
        _column([(0, blue), (0.42, (0.78, 0.87, 0.94)), (1, blue)], height), width, 1
    )
    clouds = np.clip((noise(rng, (edge, width), 4, 5) - 0.5) * 3.2, 0, 0.95)
    picture[:edge] = blend(picture[:edge], (0.97, 0.97, 0.98), clouds)
    columns = np.arange(width) / width
    rows = np.arange(height)[:, None]
    for lift, far in ((0.11, (0.45, 0.58, 0.62)), (0.05, (0.26, 0.42, 0.25))):
        bumps = sum(np.sin(2 * np.pi * (f * columns + rng.random())) / f for f in (1, 2.3, 5))
        line = edge - lift * height * (0.6 + 0.3 * bumps)
        leaves = 0.8 + 0.4 * noise(rng, size_hw, 40, 2)
        picture = blend(
            picture, np.asarray(far, np.float32) * leaves[..., None], _soft(rows - line)
        )
    picture[edge:] = _ground(rng, "grass", (0.33, 0.47, 0.17), (height - edge, width), 0.75)
    return picture


def _yard(rng: np.random.Generator, size_hw: SizeHw) -> Floats:
    height, width = size_hw
    edge = round(0.46 * height)
    texture = detail("brick").T
    rows, columns = np.mgrid[0:edge, 0:width].astype(np.float32)
    scale = min(360 / edge, 500 / width)  # wide enough that no mirrored seam is seen
    bricks = _tiled(texture, rng.uniform(0, 90) + rows * scale, columns * scale)
    spots = 0.8 + 0.4 * noise(rng, (edge, width), 14, 3)
    picture = np.empty((height, width, 3), np.float32)
    wall: Rgb = (0.56, 0.35, 0.28)
    picture[:edge] = np.asarray(wall, np.float32) * (bricks**1.5 * spots)[..., None]
    picture[edge:] = _ground(rng, "gravel", (0.52, 0.49, 0.45), (height - edge, width), 0.85)
    shade = np.exp(-np.abs(np.arange(height) - edge) / (0.03 * height)) * 0.5
    return picture * (1 - shade).astype(np.float32)[:, None, None]


def _table(rng: np.random.Generator, size_hw: SizeHw) -> Floats:
    height, width = size_hw
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32) / height
    bend = noise(rng, size_hw, 2, 3)
    rings = 0.5 + 0.5 * np.sin(2 * np.pi * (rows * 9 + 2.6 * bend))
    thin = np.asarray(
        PilImage.fromarray(rng.random((height, max(2, width // 40)), np.float32)).resize(
            (width, height), PilImage.Resampling.BICUBIC
        ),
        np.float32,
    )
    plank = rows * 3.2 + rng.random()
    tone = 0.85 + 0.3 * np.modf(np.sin(np.floor(plank) * 12.9898) * 43.7)[0]
    seam = 1 - 0.6 * np.exp(-(((plank % 1) - 0.5 + 0.5) % 1) * 60)
    grain = (0.72 + 0.25 * rings + 0.22 * thin) * tone * seam
    wood: Rgb = (0.60, 0.40, 0.24)
    light = 0.85 + 0.3 * np.exp(-((columns - rng.uniform(0.3, 1.2)) ** 2 + (rows - 0.3) ** 2))
    return np.asarray(wood, np.float32) * (grain * light)[..., None]


def _sea(rng: np.random.Generator, size_hw: SizeHw) -> Floats:
    height, width = size_hw
    stops: list[tuple[float, Rgb]] = [
        (0, (0.35, 0.72, 0.80)), (0.6, (0.07, 0.38, 0.55)), (1, (0.03, 0.22, 0.36)),
    ]  # fmt: skip
    picture = np.repeat(_column(stops, height), width, 1)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32) / height
    beams = np.sin(14 * (columns + 0.45 * rows) + 5 * noise(rng, (2, width), 3, 2)[:1])
    picture += (0.10 * np.clip(beams, 0, 1) * np.clip(1 - 1.3 * rows, 0, 1))[..., None]
    edge = round(0.72 * height)
    bottom = _ground(rng, "gravel", (0.55, 0.56, 0.44), (height - edge, width), 0.6)
    haze = np.linspace(0.85, 0.35, height - edge, dtype=np.float32)[:, None]
    picture[edge:] = blend(bottom, (0.05, 0.30, 0.44), np.repeat(haze, width, 1))
    return np.asarray(picture * (0.9 + 0.2 * noise(rng, size_hw, 5, 3))[..., None], np.float32)


def _space(rng: np.random.Generator, size_hw: SizeHw) -> Floats:
    return _fitted(photo("hubble"), rng, size_hw) * 0.9


def _launch_pad(rng: np.random.Generator, size_hw: SizeHw) -> Floats:
    return _fitted(photo("rocket"), rng, size_hw)


def _lawn(rng: np.random.Generator, size_hw: SizeHw) -> Floats:
    height, width = size_hw
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    scale = min(420 / height, 500 / width)
    texture = detail("grass")[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])]
    blades = _tiled(texture, rows * scale, columns * scale)
    patches = noise(rng, size_hw, 4, 3)
    colour = blend((0.24, 0.40, 0.12), (0.45, 0.52, 0.20), patches)
    return colour * (0.3 + 0.7 * blades)[..., None]


def _fitted(picture: np.ndarray, rng: np.random.Generator, size_hw: SizeHw) -> Floats:
    """Scale a photograph until it covers the size, keep its foot, mirror it half the times."""
    height, width = size_hw
    scale = max(height / picture.shape[0], width / picture.shape[1])
    full = round(picture.shape[1] * scale) + 1, round(picture.shape[0] * scale) + 1
    image = PilImage.fromarray(picture).resize(full, PilImage.Resampling.LANCZOS)
    cropped = np.asarray(image, np.float32)[-height:, :width] * np.float32(1 / 255)
    return cropped[:, ::-1] if rng.random() < 0.5 else cropped


def _soft(signed: Floats) -> Floats:
    return np.clip(signed + 0.5, 0, 1).astype(np.float32)


THEMES: dict[str, Theme] = {
    "meadow": Theme(
        _meadow, "in a meadow",
        ("ball", "toy car", "mushroom", "turtle", "butterfly", "bird", "balloon"),
        0.45, 0.5, "post", COLOURS["brown"],
    ),
    "yard": Theme(
        _yard, "in front of a brick wall", ("ball", "toy car", "mug", "butterfly", "bird"),
        0.5, 0.5, "post", COLOURS["gray"],
    ),
    "table": Theme(
        _table, "on a wooden table", ("ball", "coffee cup", "leaf", "starfish", "turtle"),
        None, 0.55, "blob", COLOURS["blue"],
    ),
    "sea": Theme(
        _sea, "under water", ("fish", "turtle", "starfish"),
        None, 0.0, "post", (0.16, 0.30, 0.10),
    ),
    "space": Theme(
        _space, "in space", ("planet", "rocket", "ball"),
        None, 0.0, "blob", COLOURS["gray"],
    ),
    "launch pad": Theme(
        _launch_pad, "above a launch pad", ("balloon", "bird", "butterfly"),
        None, 0.0, "blob", (0.55, 0.58, 0.66),
    ),
    "lawn": Theme(
        _lawn, "on a lawn", ("ball", "turtle", "leaf", "butterfly"),
        None, 0.5, "blob", (0.15, 0.32, 0.10),
    ),
}  # fmt: skip
"""Every place that a clip can be set in."""
