"""Colours, noise, patterns and photographs that scenes are made of.

The photographs are those that scikit-image ships inside its package: ``coffee`` (CC0,
Rachel Michetti), ``chelsea`` the cat (CC0, Stefan van der Walt), ``brick`` and ``gravel``
(CC0, from CC0Textures), ``grass`` (CC0, from DeviantArt), ``retina`` (CC0, from Wikimedia),
``rocket`` (public domain, SpaceX) and ``hubble_deep_field`` (public domain, NASA). They are
read from there and nothing is downloaded; none of them is copied into this package.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image as PilImage

from samnb.types import InputError

Floats: TypeAlias = npt.NDArray[np.float32]
Rgb: TypeAlias = tuple[float, float, float]
"""Red, green and blue in [0, 1]."""

COLOURS: dict[str, Rgb] = {
    "red": (0.80, 0.12, 0.10),
    "orange": (0.93, 0.48, 0.10),
    "yellow": (0.95, 0.80, 0.18),
    "green": (0.22, 0.58, 0.20),
    "blue": (0.13, 0.33, 0.78),
    "purple": (0.48, 0.22, 0.62),
    "pink": (0.93, 0.47, 0.62),
    "white": (0.92, 0.91, 0.88),
    "brown": (0.45, 0.27, 0.14),
    "gray": (0.50, 0.51, 0.53),
}
"""The colour words of noun phrases and what they look like."""

PATTERNS = ("plain", "striped", "spotted", "checkered", "furry", "mottled")
"""The pattern words of noun phrases; plain is not said."""

_PHOTO_FILES = {
    "coffee": "coffee.png",
    "chelsea": "chelsea.png",
    "brick": "brick.png",
    "gravel": "gravel.png",
    "grass": "grass.png",
    "retina": "retina.jpg",
    "rocket": "rocket.jpg",
    "hubble": "hubble_deep_field.jpg",
}


@cache
def photo(name: str) -> npt.NDArray[np.uint8]:
    """Return a photograph as (H, W, 3) uint8 RGB, read-only.

    Raises:
        InputError: there is none of that name, or this scikit-image ships without it.
    """
    if name not in _PHOTO_FILES:
        raise InputError(f"photo: expected one of {sorted(_PHOTO_FILES)}, got {name!r}")
    place = resources.files("skimage.data") / _PHOTO_FILES[name]
    if not place.is_file():
        raise InputError(f"photo: scikit-image is installed without {_PHOTO_FILES[name]}")
    with place.open("rb") as file, PilImage.open(file) as image:
        array = np.asarray(image.convert("RGB"))
    array.flags.writeable = False
    return array


@cache
def detail(name: str) -> Floats:
    """Return the brightness of a photograph around a mean of 1, (H, W) float32."""
    gray = photo(name).astype(np.float32).mean(axis=2)
    even = np.asarray(PilImage.fromarray(gray).resize((4, 4), PilImage.Resampling.BOX), np.float32)
    size = gray.shape[1], gray.shape[0]
    slow = PilImage.fromarray(even).resize(size, PilImage.Resampling.BICUBIC)
    return gray / np.maximum(np.asarray(slow, np.float32), 1.0)


def noise(rng: np.random.Generator, size_hw: tuple[int, int], cells: int, octaves: int) -> Floats:
    """Return fractal value noise in [0, 1], (H, W) float32.

    Args:
        rng: source of chance.
        size_hw: height and width.
        cells: cells along the longer side in the coarsest octave.
        octaves: how many are added, each twice as fine and half as strong.
    """
    height, width = size_hw
    total = np.zeros(size_hw, np.float32)
    for octave in range(octaves):
        n = cells * 2**octave
        rows = max(2, round(n * height / max(size_hw)))
        columns = max(2, round(n * width / max(size_hw)))
        grid = PilImage.fromarray(rng.random((rows, columns), np.float32))
        fine = grid.resize((width, height), PilImage.Resampling.BICUBIC)
        total += np.asarray(fine, np.float32) * 0.5**octave
    low, high = float(total.min()), float(total.max())
    return (total - low) / max(high - low, 1e-6)


def blend(first: Floats | Rgb, second: Floats | Rgb, share: Floats) -> Floats:
    """Mix two colours or pictures; ``share`` (H, W) is how much of the second."""
    one, two = np.asarray(first, np.float32), np.asarray(second, np.float32)
    return one + (two - one) * share[..., None]


def shifted(colour: Rgb, rng: np.random.Generator, amount: float = 0.05) -> Rgb:
    """Return a colour a little off, so that no two red things are equally red."""
    off = rng.uniform(-amount, amount, 3)
    red, green, blue = np.clip(np.array(colour) + off, 0.02, 0.98)
    return float(red), float(green), float(blue)


def pattern(kind: str, size: int, main: Rgb, second: Rgb, rng: np.random.Generator) -> Floats:
    """Draw a surface in two colours.

    Args:
        kind: one of :data:`PATTERNS`.
        size: side in pixels.
        main: the colour that the surface is named after.
        second: the colour of its stripes or spots.
        rng: source of chance.

    Returns:
        (size, size, 3) float32 in [0, 1].

    Raises:
        InputError: there is no such pattern.
    """
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32) / size
    angle = rng.uniform(-0.9, 0.9)
    u = columns * np.cos(angle) + rows * np.sin(angle)
    v = rows * np.cos(angle) - columns * np.sin(angle)
    soft = size / 3.0
    if kind == "plain":
        share = np.zeros((size, size), np.float32)
    elif kind == "striped":
        share = _edge(np.sin(2 * np.pi * u * rng.uniform(4, 6)) - 0.1, soft / 10)
    elif kind == "checkered":
        n = rng.uniform(2.5, 4)
        share = _edge(np.sin(2 * np.pi * u * n) * np.sin(2 * np.pi * v * n), soft / 6)
    elif kind == "spotted":
        share = _spots(size, rng)
    elif kind in ("furry", "mottled"):
        share = np.zeros((size, size), np.float32)
    else:
        raise InputError(f"pattern: expected one of {PATTERNS}, got {kind!r}")
    surface = blend(main, second, share)
    if kind == "furry":
        surface = surface * _patch("chelsea", size, rng, (60, 90, 120, 260))[..., None] ** 1.3
    elif kind == "mottled":
        name = ("gravel", "grass")[int(rng.integers(2))]
        surface = surface * (0.35 + 0.65 * _patch(name, size, rng))[..., None]
    else:
        surface = surface * (0.92 + 0.16 * noise(rng, (size, size), 6, 3))[..., None]
    return np.clip(surface, 0, 1).astype(np.float32)


def _edge(values: Floats, slope: float) -> Floats:
    return np.clip(values * slope + 0.5, 0, 1).astype(np.float32)


def _spots(size: int, rng: np.random.Generator) -> Floats:
    n = int(rng.integers(4, 7))
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32) * (n / size)
    nearest = np.full((size, size), 9.0, np.float32)
    for row in range(n):
        for column in range(n):
            y, x = np.array([row, column]) + 0.5 + rng.uniform(-0.22, 0.22, 2)
            far = np.hypot(rows - y, columns - x) / rng.uniform(0.22, 0.34)
            nearest = np.minimum(nearest, far)
    return _edge(1.0 - nearest, size / n / 4)


def _patch(
    name: str,
    size: int,
    rng: np.random.Generator,
    window: tuple[int, int, int, int] | None = None,
) -> Floats:
    """Cut a square out of a photograph's detail; ``window`` is top, left, height, width."""
    whole = detail(name)
    top, left, height, width = window or (0, 0, *whole.shape)
    side = min(height, width, max(48, size))
    y = top + int(rng.integers(0, height - side + 1))
    x = left + int(rng.integers(0, width - side + 1))
    piece = PilImage.fromarray(whole[y : y + side, x : x + side])
    return np.asarray(piece.resize((size, size), PilImage.Resampling.BICUBIC), np.float32)
