"""Where things stand in a drawn picture, the ground behind them, their shadow and its light."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image as PilImage
from PIL import ImageFilter

from samnb.synthetic.textures import Floats
from samnb.synthetic.things import Domain

_VARIANTS = 3


def inside(
    layer: PilImage.Image, x: float, y: float, size_hw: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return where a picture around (x, y) lies in the frame, and which part of it that is."""
    left, top = round(x - layer.width / 2), round(y - layer.height / 2)
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + layer.width, size_hw[1]), min(top + layer.height, size_hw[0])
    own = slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)
    return (slice(y0, y1), slice(x0, x1)), own


def shadow(layer: PilImage.Image, half: float, shift: float) -> Floats:
    """Return how dark the thing makes the ground beside it, (h, w) in [0, 1]."""
    outline = layer.getchannel("a").filter(ImageFilter.GaussianBlur(half / 8))
    data = (1, 0, -shift, 0, 1, -1.2 * shift)
    moved = outline.transform(outline.size, PilImage.Transform.AFFINE, data)
    return np.asarray(moved, np.float32) * np.float32(0.4 / 255)


@cache
def _painted(domain: Domain, name: str, variant: int) -> PilImage.Image:
    rng = np.random.default_rng([variant, *name.encode()])
    place = domain.places[name].paint(rng, (400, 540))
    return PilImage.fromarray(np.clip(place * 255, 0, 255).astype(np.uint8))


def backdrop(
    rng: np.random.Generator, domain: Domain, name: str, size_hw: tuple[int, int]
) -> Floats:
    """Cut a view out of a place, (H, W, 3) float32 in 0..255."""
    place = _painted(domain, name, int(rng.integers(_VARIANTS)))
    height, width = size_hw
    scale = rng.uniform(0.55, 0.98) * min(place.height / height, place.width / width)
    h, w = scale * height, scale * width
    left, top = rng.random() * (place.width - w), rng.random() * (place.height - h)
    box = (left, top, left + w, top + h)
    view = place.resize((width, height), PilImage.Resampling.BILINEAR, box)
    array = np.asarray(view, np.float32)
    return np.array(array[:, ::-1] if rng.random() < 0.5 else array)


def photographed(
    rng: np.random.Generator, frame: Floats, difficulty: float
) -> npt.NDArray[np.uint8]:
    """Give the picture a light of its own and the grain of a sensor."""
    cast = 1 + rng.uniform(-1, 1, 3) * 0.04
    frame *= (rng.uniform(0.85, 1.12) * cast).astype(np.float32)
    frame += rng.standard_normal(frame.shape[:2], np.float32)[..., None] * (1 + 4 * difficulty)
    np.clip(frame, 0, 255, out=frame)
    return frame.astype(np.uint8)
