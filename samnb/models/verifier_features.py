"""What a small verifier looks at: numbers about a masked region, without a network.

Three groups, each a plain vector. *Appearance* says what the thing looks like (colours,
texture, outline); *quality* says whether the mask fits the picture (does its edge follow
an edge, is its inside one thing, does it touch others); *cover* says which candidates the
accepted masks leave over. Colour names follow hue, so hue is binned finely and weighted by
how colourful a pixel is; outline and texture are read on a crop of fixed size, so that they
do not depend on how large the thing is.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image as PilImage
from scipy import ndimage

from samnb.masks.ops import bounds, components
from samnb.masks.rle import describe
from samnb.models.base import BoolMask, Image
from samnb.types import InputError

Vector: TypeAlias = npt.NDArray[np.float32]

CROP_PX: Final = 48
"""Side of the square crop on which outline and texture are read."""
_HUES: Final = 16
_SHADES: Final = 4
_CELLS: Final = 4
_TURNS: Final = 8
_RAYS: Final = 32
_OUTLINE_PX: Final = 12
_RIM_SHARE: Final = 0.06  # width of the rims beside the edge, as a share of the mask's size

N_APPEARANCE: Final = (
    (_HUES + _SHADES) * 2 + 6 + _CELLS * _CELLS * _TURNS + _TURNS + 8 + _RAYS // 2 + 1 + 6 + 8
    + _OUTLINE_PX * _OUTLINE_PX + 27
)  # fmt: skip
"""Length of :func:`appearance`."""
N_QUALITY: Final = 20
"""Length of :func:`quality`."""
COVERED: Final = 0.5
"""A candidate counts as covered when an accepted mask holds this share of it, or the two
have this IoU."""


def appearance(image: Image, mask: BoolMask) -> Vector:
    """Describe what is under a mask: colours, texture, outline, place.

    Args:
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) bool; an empty one gives zeros.

    Returns:
        (N_APPEARANCE,) float32.
    """
    _check(image, mask)
    box = bounds(mask)
    if box is None:
        return np.zeros(N_APPEARANCE, np.float32)
    crop, inside = image[box], mask[box]
    square, cover = _squared(crop, inside)
    values = np.concatenate(
        [
            _colours(crop[inside], mean=True),
            _colours(crop[_core(inside)], mean=False),
            _texture(square, cover),
            _outline(cover),
            _moments(inside, mask.shape),
            _patches(square, cover),
        ]
    )
    return np.asarray(values, np.float32)


def quality(image: Image, mask: BoolMask) -> Vector:
    """Describe how well a mask fits what it covers, whatever that is.

    Args:
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) bool; an empty one gives zeros.

    Returns:
        (N_QUALITY,) float32: size and place, parts, holes, roughness, contrast between
        the rims on either side of the edge, strength of the picture's edges along the
        mask's own edge and beside it.
    """
    _check(image, mask)
    area = int(np.count_nonzero(mask))
    if area == 0:
        return np.zeros(N_QUALITY, np.float32)
    size = float(np.sqrt(area))
    rim = max(2, round(_RIM_SHARE * size))
    box = bounds(mask, 3 * rim + 2)
    if box is None:
        return np.zeros(N_QUALITY, np.float32)
    part, crop = mask[box], image[box].astype(np.float32)
    # Distances to the edge, positive inside and negative outside.
    depth = ndimage.distance_transform_edt(np.pad(part, 1))[1:-1, 1:-1]
    depth = depth - ndimage.distance_transform_edt(~part)
    inner, outer = (depth > 0.5) & (depth <= rim), (depth < -0.5) & (depth >= -rim)
    far_inner = (depth > rim) & (depth <= 3 * rim)
    far_outer = (depth < -rim) & (depth >= -3 * rim)
    edges = _gradient(crop)
    typical = float(edges.mean()) + 1.0
    along = (np.abs(depth) <= 1.5) & part | (np.abs(depth) <= 1.0)
    strength = [_mean(edges, zone) / typical for zone in (along, inner, outer, far_inner)]
    weak = float((edges[along] < 0.7 * typical).mean()) if along.any() else 1.0
    contrast = [
        _distance(crop, a, b)
        for a, b in ((inner, outer), (inner, far_inner), (outer, far_outer), (far_inner, far_outer))
    ]
    parts, n_parts = components(part)
    largest = int(np.bincount(parts.ravel())[1:].max())
    filled = int(ndimage.binary_fill_holes(part).sum())
    perimeter = int((np.abs(depth) < 1.1).sum())
    height, width = mask.shape
    touching = float(mask[0].sum() + mask[-1].sum() + mask[:, 0].sum() + mask[:, -1].sum())
    shape = bounds(mask)
    extent = area / ((shape[0].stop - shape[0].start) * (shape[1].stop - shape[1].start)) \
        if shape else 0.0  # fmt: skip
    return np.array(
        [
            np.log(area / (height * width)), touching / (size * 4), np.log(n_parts),
            1 - largest / area, filled / area - 1, perimeter / (2 * np.sqrt(np.pi) * size), extent,
            *strength, strength[0] - strength[1], strength[0] - strength[2], weak,
            *contrast, float(np.std(crop[inner], axis=0).mean() / 64) if inner.any() else 0.0,
            float(np.std(crop[outer], axis=0).mean() / 64) if outer.any() else 0.0,
        ],
        np.float32,
    )  # fmt: skip


def uncovered(
    candidates: Sequence[BoolMask], accepted: Sequence[BoolMask], share: float = COVERED
) -> list[int]:
    """Indices of the candidates that no accepted mask covers.

    A candidate is covered when one accepted mask holds ``share`` of its pixels, or both
    have an IoU of ``share``.
    """
    shared, ious = overlaps(candidates, accepted)
    areas = np.array([max(1, int(np.count_nonzero(c))) for c in candidates]).reshape(-1, 1)
    is_covered = (shared >= share * areas) | (ious >= share)
    return np.flatnonzero(~is_covered.any(axis=1)).tolist()


def overlaps(
    masks: Sequence[BoolMask], others: Sequence[BoolMask]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Pixels that each of N masks shares with each of M others, and their IoU, (N, M) each."""
    if not masks or not others:
        return np.zeros((len(masks), len(others))), np.zeros((len(masks), len(others)))
    a = np.stack([mask.ravel() for mask in masks]).astype(np.float32)
    b = np.stack([mask.ravel() for mask in others]).astype(np.float32)
    shared = (a @ b.T).astype(np.float64)  # exact: counts below 2**24
    either = a.sum(1, dtype=np.float64)[:, None] + b.sum(1, dtype=np.float64) - shared
    return shared, shared / np.maximum(either, 1)


def _check(image: Image, mask: BoolMask) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise InputError(f"image: expected (H, W, 3) uint8, got {describe(image)}")
    if mask.dtype != np.bool_ or mask.shape != image.shape[:2]:
        raise InputError(f"mask: expected {image.shape[:2]} bool, got {describe(mask)}")


def _core(inside: BoolMask) -> BoolMask:
    """The middle of a mask, where its edge's errors and shadows do not reach."""
    depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    return np.asarray(depth >= 0.5 * depth.max())


def _colours(pixels: npt.NDArray[np.uint8], *, mean: bool) -> Vector:
    """Soft hue and shade histograms, and on request means and spreads, of (N, 3) RGB."""
    rgb = pixels.astype(np.float32) / 255
    top, low = rgb.max(axis=1), rgb.min(axis=1)
    chroma = top - low
    safe = np.maximum(chroma, 1e-6)
    r, g, b = rgb.T
    hue = np.where(top == r, (g - b) / safe % 6, np.where(top == g, (b - r) / safe + 2,
                   (r - g) / safe + 4)) / 6 * _HUES  # fmt: skip
    floor = np.floor(hue).astype(np.int64)
    rest = hue - floor
    weight = np.clip(chroma / np.maximum(top, 0.15), 0, 1) * np.minimum(1.0, chroma * 4)
    hues = np.bincount(floor % _HUES, weight * (1 - rest), _HUES)
    hues += np.bincount((floor + 1) % _HUES, weight * rest, _HUES)
    shade = np.minimum((top * _SHADES).astype(np.int64), _SHADES - 1)
    shades = np.bincount(shade, 1 - weight, _SHADES)
    histogram = np.sqrt(np.concatenate([hues, shades]) / max(len(rgb), 1))
    extra = [*rgb.mean(axis=0), *rgb.std(axis=0)] if mean else []
    return np.concatenate([histogram, extra]).astype(np.float32)


def _squared(crop: Image, inside: BoolMask) -> tuple[npt.NDArray[np.float32], BoolMask]:
    """The region in a square of fixed size, in [0, 1], its outside in the mean colour."""
    height, width = inside.shape
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    fill = crop[inside].mean(axis=0)
    square = np.empty((side, side, 3), np.uint8)
    square[:] = fill
    cover = np.zeros((side, side), np.bool_)
    place = slice(top, top + height), slice(left, left + width)
    square[place] = np.where(inside[..., None], crop, fill)
    cover[place] = inside
    size = (CROP_PX, CROP_PX)
    kind = PilImage.Resampling.BILINEAR
    picture = np.asarray(PilImage.fromarray(square).resize(size, kind), np.float32)
    picture /= np.float32(255)
    soft = PilImage.fromarray((cover * 255).astype(np.uint8)).resize(size, kind)
    return picture, np.asarray(soft) > 127


def _texture(square: npt.NDArray[np.float32], cover: BoolMask) -> Vector:
    """Orientation histograms by cell and overall, and how much lies at each fineness."""
    grey = square.mean(axis=2)
    inner = ndimage.binary_erosion(cover, iterations=2)
    dy, dx = np.gradient(grey)
    size = np.hypot(dx, dy) * inner
    turn = ((np.arctan2(dy, dx) % np.pi) / np.pi * _TURNS).astype(np.int64) % _TURNS
    step = CROP_PX // _CELLS
    rows, columns = np.indices(grey.shape) // step
    place = (rows * _CELLS + columns) * _TURNS + turn
    cells = np.bincount(place.ravel(), size.ravel(), _CELLS * _CELLS * _TURNS)
    overall = np.sort(np.bincount(turn.ravel(), size.ravel(), _TURNS))
    n = max(int(inner.sum()), 1)
    # Differences of Gaussians: stripes, spots and checks differ in fineness and strength.
    blurred = [grey, *(ndimage.gaussian_filter(grey, s) for s in (1.0, 2.0, 4.0, 8.0))]
    bands = [(a - b)[inner] for a, b in pairwise(blurred)]
    energy = [float(np.sqrt((band**2).mean())) if band.size else 0.0 for band in bands]
    skew = [float((band**3).mean() / (e**3 + 1e-6)) if band.size else 0.0
            for band, e in zip(bands, energy, strict=True)]  # fmt: skip
    scaled = np.sqrt(np.concatenate([cells / step**2 * 4, overall / n * 4]))
    return np.concatenate([scaled, energy, np.clip(skew, -3, 3)]).astype(np.float32)


def _outline(cover: BoolMask) -> Vector:
    """The outline as a small picture, and how far it reaches in each direction.

    The Fourier magnitudes of the reach do not change when the thing is turned.
    """
    rows, columns = np.nonzero(cover)
    if len(rows) == 0:
        return np.zeros(_OUTLINE_PX**2 + _RAYS // 2 + 1 + 6, np.float32)
    y, x = rows - rows.mean(), columns - columns.mean()
    radius = np.hypot(x, y) / CROP_PX
    ray = ((np.arctan2(y, x) % (2 * np.pi)) / (2 * np.pi) * _RAYS).astype(np.int64) % _RAYS
    reach = np.zeros(_RAYS)
    np.maximum.at(reach, ray, radius)
    spectrum = np.abs(np.fft.rfft(reach)) / _RAYS * 4
    small = cover.reshape(_OUTLINE_PX, CROP_PX // _OUTLINE_PX, _OUTLINE_PX, -1).mean(axis=(1, 3))
    # What is left of a scattered mask may be a single pixel, which has no spread.
    scatter = np.cov(np.stack([x, y])) if len(rows) > 1 else np.zeros((2, 2))
    spread = np.sqrt(np.linalg.eigvalsh(scatter + 1e-6 * np.eye(2)))
    long = spread / CROP_PX * 4
    rounds = [float(np.quantile(radius, q)) * 2 for q in (0.5, 0.9)]
    filled = float(ndimage.binary_fill_holes(cover).mean() - cover.mean())
    values = [*small.ravel(), *spectrum, *long, *rounds, filled * 8, float(cover.mean())]
    return np.asarray(values, np.float32)


def _moments(inside: BoolMask, size_hw: tuple[int, ...]) -> Vector:
    """Hu's seven moments of the mask, on a log scale, and its size in the picture."""
    rows, columns = np.nonzero(inside)
    n = len(rows)
    y, x = rows - rows.mean(), columns - columns.mean()

    def eta(p: int, q: int) -> float:
        return float((x**p * y**q).sum() / n ** (1 + (p + q) / 2))

    a, b, c = eta(2, 0), eta(0, 2), eta(1, 1)
    d, e, f, g = eta(3, 0), eta(1, 2), eta(2, 1), eta(0, 3)
    s, t = d + e, f + g
    hu = [
        a + b, (a - b) ** 2 + 4 * c**2, (d - 3 * e) ** 2 + (3 * f - g) ** 2, s**2 + t**2,
        (d - 3 * e) * s * (s**2 - 3 * t**2) + (3 * f - g) * t * (3 * s**2 - t**2),
        (a - b) * (s**2 - t**2) + 4 * c * s * t,
        (3 * f - g) * s * (s**2 - 3 * t**2) - (d - 3 * e) * t * (3 * s**2 - t**2),
    ]  # fmt: skip
    scaled = np.sign(hu) * np.maximum(0, np.log10(np.abs(hu) + 1e-9) + 9) / 4
    return np.asarray([*scaled, np.log(n / (size_hw[0] * size_hw[1])) / 4], np.float32)


def _patches(square: npt.NDArray[np.float32], cover: BoolMask) -> Vector:
    """Mean colour on a 3 x 3 grid of the square."""
    step = CROP_PX // 3
    return square.reshape(3, step, 3, step, 3).mean(axis=(1, 3)).ravel().astype(np.float32)


def _gradient(crop: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Largest gradient over the channels of a slightly blurred crop, (h, w)."""
    smooth = ndimage.gaussian_filter(crop, (1.0, 1.0, 0.0))
    dy, dx = np.gradient(smooth, axis=(0, 1))
    return np.asarray(np.hypot(dx, dy).max(axis=2), np.float32)


def _mean(values: npt.NDArray[np.float32], zone: BoolMask) -> float:
    return float(values[zone].mean()) if zone.any() else 0.0


def _distance(crop: npt.NDArray[np.float32], a: BoolMask, b: BoolMask) -> float:
    """Distance of the mean colours of two zones, relative to full scale."""
    if not a.any() or not b.any():
        return 0.0
    return float(np.linalg.norm(crop[a].mean(axis=0) - crop[b].mean(axis=0)) / 128)
