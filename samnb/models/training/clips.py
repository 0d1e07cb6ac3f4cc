"""Short clips with exact masks, composed from cut-outs on moving pictures.

Two kinds of object are tracked: cut-outs pasted on a background, which can leave, hide and cross,
and things that belong to a photo and move with its camera, which touch their real neighbours and
show no pasted edge. Everything is drawn with one vectorised warp per layer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from samnb.models.training.stock import Stock
from samnb.models.training.things import pick, with_neighbour

# Below this share of the frame an object cannot be told from the grid of the mask decoder.
MIN_VISIBLE = 0.003
MAX_TRACKED = 3


@dataclass(frozen=True, eq=False)
class Clip:
    """A clip with ground truth.

    Attributes:
        frames: (T, S, S, 3) uint8 RGB.
        masks: (T, N, S, S) bool, the visible part of each tracked object; all False when gone.
    """

    frames: NDArray[np.uint8]
    masks: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Layer:
    """An RGBA picture (4, h, w) float 0..1 and where it is: per frame centre, size and turn."""

    rgba: torch.Tensor
    centre: NDArray[np.float64]  # (T, 2) in frame units 0..1, x first
    size: NDArray[np.float64]  # (T,) longer side in frame units
    angle: NDArray[np.float64]  # (T,) radians
    wobble: float
    phase: float
    tracked: bool
    on_top: bool = False


def compose_clip(
    stock: Stock, length: int, size: int, rng: np.random.Generator, *, joined: float = 0.0
) -> Clip:
    """Compose one clip.

    Args:
        stock: pictures and cut-outs to draw from.
        length: frames.
        size: side of the square frames in pixels.
        rng: the only source of chance.
        joined: share of objects that are two things at once.

    Returns:
        A clip with 1 to 3 tracked objects, each visible in the first frame.

    Raises:
        ValueError: if the stock is empty.
    """
    if not stock.pictures or not stock.cutouts:
        raise ValueError("stock: expected at least one picture and one cut-out")
    while True:
        clip = _compose(stock, length, size, rng, joined)
        if clip is not None:
            return clip


def _compose(
    stock: Stock, length: int, size: int, rng: np.random.Generator, joined: float
) -> Clip | None:
    frames, own = _background(stock, length, size, rng, joined)
    layers = _plan(stock, length, rng, joined, few=own.shape[1] > 0)
    coverage: list[torch.Tensor] = [own[:, i] for i in range(own.shape[1])]
    tracked = [True] * len(coverage)
    for layer in layers:
        rgb, alpha = _draw(layer, length, size)
        soft = alpha[:, None]
        frames = frames * (1 - soft) + rgb * soft
        solid = alpha > 0.5
        coverage = [c & ~solid for c in coverage]
        coverage.append(solid)
        tracked.append(layer.tracked)
    masks = torch.stack([c for c, keep in zip(coverage, tracked, strict=True) if keep], 1)
    frames = _grade(frames, rng)
    if rng.random() < 0.5:
        frames, masks = frames.flip(0), masks.flip(0)
    share = masks.float().mean((2, 3))
    # A sliver of a few pixels is neither here nor gone: call it gone.
    masks = masks & (share > MIN_VISIBLE / 15)[:, :, None, None]
    usable = torch.nonzero((share[0] > MIN_VISIBLE) & (share[0] < 0.6)).flatten()
    if len(usable) == 0:
        return None
    chosen = usable[torch.from_numpy(rng.permutation(len(usable))[:MAX_TRACKED])]
    pixels = (frames.clamp(0, 1) * 255).round().to(torch.uint8)
    return Clip(pixels.permute(0, 2, 3, 1).numpy(), masks[:, chosen].numpy())


def _background(
    stock: Stock, length: int, size: int, rng: np.random.Generator, joined: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Moving background: frames (T, 3, S, S) in 0..1 and its own objects (T, K, S, S) bool."""
    if stock.footage and rng.random() < 0.4:
        film = stock.footage[int(rng.integers(len(stock.footage)))]
        stride = int(rng.integers(1, 3))
        stride = max(1, min(stride, (len(film) - 1) // max(length - 1, 1)))
        start = int(rng.integers(0, max(1, len(film) - stride * (length - 1))))
        index = np.minimum(start + stride * np.arange(length), len(film) - 1)
        images = torch.from_numpy(film[index]).permute(0, 3, 1, 2).float() / 255
        images = F.interpolate(images, (size, size), mode="bilinear", antialias=True)
        if rng.random() < 0.5:
            images = images.flip(3)
        return images, torch.zeros(length, 0, size, size, dtype=torch.bool)
    picture = stock.pictures[int(rng.integers(len(stock.pictures)))]
    planes = [torch.from_numpy(picture.image).permute(2, 0, 1).float() / 255]
    count = len(picture.objects)
    if count and rng.random() < 0.75:
        # Large things more often: people annotate persons, not buttons.
        odds = np.sqrt(picture.objects.mean((1, 2)))
        number = min(count, int(rng.integers(1, 4)))
        chosen = rng.choice(count, size=number, replace=False, p=odds / odds.sum())
        found = [with_neighbour(picture.objects, int(i), rng, joined) for i in chosen]
        planes.append(torch.from_numpy(np.stack(found)).float())
    stack = torch.cat(planes)[None]
    # Shrink first: the warp samples single pixels and would alias.
    side = int(size * 1.5)
    stack = F.interpolate(stack, (side, side), mode="bilinear", antialias=True)
    speed = _log_uniform(rng, 0.002, 0.05) if rng.random() < 0.85 else 0.0
    drift = _walk(rng, length, 2, speed)
    zoom = rng.uniform(0.5, 0.95) * np.exp(_walk(rng, length, 1, speed * 0.6)[:, 0])
    angle = rng.normal(0, 0.1) + _walk(rng, length, 1, speed * 0.6)[:, 0]
    centre = rng.uniform(-0.15, 0.15, 2) + drift * 2
    cos, sin = np.cos(angle) * zoom, np.sin(angle) * zoom
    theta = np.stack(
        [np.stack([cos, -sin, centre[:, 0]], -1), np.stack([sin, cos, centre[:, 1]], -1)], 1
    )
    if rng.random() < 0.5:
        theta[:, :, 0] *= -1
    grid = F.affine_grid(
        torch.from_numpy(theta).float(), [length, 1, size, size], align_corners=False
    )
    out = F.grid_sample(
        stack.expand(length, -1, -1, -1), grid, padding_mode="reflection", align_corners=False
    )
    inside = (grid.abs() <= 1).all(-1)[:, None]
    return out[:, :3], (out[:, 3:] > 0.5) & inside


def _plan(
    stock: Stock, length: int, rng: np.random.Generator, joined: float, *, few: bool
) -> list[_Layer]:
    """Choose cut-outs and their paths; `few` when the background brings objects of its own."""
    count = int(rng.integers(0 if few else 1, 3 if few else 4))
    layers: list[_Layer] = []
    for _ in range(count):
        rgba = pick(stock, rng, joined)
        layer = _path(rgba, length, rng, tracked=True)
        layers.append(layer)
        if rng.random() < 0.3:
            layers.append(_look_alike(layer, length, rng))
        if rng.random() < 0.2:
            layers.append(_cover(pick(stock, rng, joined), layer, length, rng))
    for _ in range(int(rng.integers(0, 3))):
        layers.append(_path(pick(stock, rng, joined), length, rng, tracked=False))
    order = rng.permutation(len(layers))
    return sorted((layers[i] for i in order), key=lambda layer: layer.on_top)


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(math.exp(rng.uniform(math.log(low), math.log(high))))


def _walk(rng: np.random.Generator, length: int, dims: int, speed: float) -> NDArray[np.float64]:
    """A smooth path (T, dims) from zero: steady speed plus a little change of mind."""
    steady = rng.normal(0, speed, dims)
    jitter = rng.normal(0, speed * 0.5, (length, dims))
    steps = steady + jitter
    steps[0] = 0
    path: NDArray[np.float64] = np.cumsum(steps, axis=0)
    return path


def _path(rgba: torch.Tensor, length: int, rng: np.random.Generator, *, tracked: bool) -> _Layer:
    speed = _log_uniform(rng, 0.004, 0.07)
    centre = rng.uniform(0.15, 0.85, 2) + _walk(rng, length, 2, speed)
    centre = 0.5 - np.abs(np.mod(centre + 0.5, 2.0) - 1.0) + 0.5  # bounce inside the frame
    size = _log_uniform(rng, 0.14, 0.75) * np.exp(_walk(rng, length, 1, speed * 0.8)[:, 0])
    if rng.random() < 0.3 and length > 3:
        centre = _leave(centre, size, length, rng)
    return _Layer(
        rgba=rgba,
        centre=centre,
        size=np.clip(size, 0.06, 0.9),
        angle=rng.normal(0, 0.2) + _walk(rng, length, 1, speed * 2)[:, 0],
        wobble=float(rng.uniform(0, 0.06)) if rng.random() < 0.6 else 0.0,
        phase=float(rng.uniform(0, 2 * math.pi)),
        tracked=tracked,
    )


def _leave(
    centre: NDArray[np.float64],
    size: NDArray[np.float64],
    length: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Push a path out of the frame for some frames; three in four come back."""
    axis, sign = int(rng.integers(2)), float(rng.choice([-1.0, 1.0]))
    first = int(rng.integers(1, max(2, length - 1)))
    back = rng.random() < 0.75
    gone = int(rng.integers(1, max(2, length // 2)))
    last = first + gone if back else length + 4
    times = np.arange(length)
    ramp = int(rng.integers(1, 3))
    inside = np.maximum(np.maximum(first - times, times - last), 0) / ramp
    push = np.clip(1 - inside, 0, 1)
    edge = 0.5 + sign * (0.5 + size * 0.75)
    out = centre.copy()
    out[:, axis] = centre[:, axis] * (1 - push) + edge * push
    return out


def _look_alike(layer: _Layer, length: int, rng: np.random.Generator) -> _Layer:
    """The same cut-out again, slightly changed, on a path that crosses the first one."""
    gain = torch.from_numpy(rng.uniform(0.85, 1.15, (3, 1, 1))).float()
    rgba = torch.cat([(layer.rgba[:3] * gain).clamp(0, 1), layer.rgba[3:]])
    if rng.random() < 0.5:
        rgba = rgba.flip(2)
    meet = int(rng.integers(1, length)) if rng.random() < 0.6 else -1
    if meet >= 0:
        offset = rng.uniform(-0.5, 0.5, 2)
        times = (np.arange(length) - meet) / length
        centre = layer.centre[meet] + offset * times[:, None] * 2 + rng.normal(0, 0.03, 2)
    else:
        angle = rng.uniform(0, 2 * math.pi)
        away = np.array([math.cos(angle), math.sin(angle)])
        centre = layer.centre + away * (layer.size.mean() * rng.uniform(0.6, 1.3))
    return _Layer(
        rgba=rgba,
        centre=centre,
        size=layer.size * rng.uniform(0.85, 1.15),
        angle=layer.angle + rng.normal(0, 0.2),
        wobble=layer.wobble,
        phase=float(rng.uniform(0, 2 * math.pi)),
        tracked=bool(rng.random() < 0.7),
    )


def _cover(rgba: torch.Tensor, layer: _Layer, length: int, rng: np.random.Generator) -> _Layer:
    """Something big that passes right over an object, hiding it for a frame or more."""
    meet = int(rng.integers(1, length)) if length > 1 else 0
    direction = rng.normal(size=2)
    direction /= max(float(np.linalg.norm(direction)), 1e-6)
    speed = layer.size.mean() * rng.uniform(0.3, 0.9)
    times = np.arange(length) - meet
    full = torch.cat([rgba[:3], torch.ones_like(rgba[3:])]) if rng.random() < 0.5 else rgba
    return _Layer(
        rgba=full,
        centre=layer.centre[meet] + direction * (times * speed)[:, None],
        size=np.full(length, float(layer.size[meet]) * rng.uniform(1.4, 2.2)),
        angle=np.full(length, rng.normal(0, 0.3)),
        wobble=0.0,
        phase=0.0,
        tracked=False,
        on_top=True,
    )


def _draw(layer: _Layer, length: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw a layer: colours (T, 3, S, S) and alpha (T, S, S), both 0..1."""
    _, height, width = layer.rgba.shape
    axis = (torch.arange(size, dtype=torch.float32) + 0.5) / size
    x = axis[None, None, :] - torch.from_numpy(layer.centre[:, 0]).float()[:, None, None]
    y = axis[None, :, None] - torch.from_numpy(layer.centre[:, 1]).float()[:, None, None]
    cos = torch.from_numpy(np.cos(layer.angle)).float()[:, None, None]
    sin = torch.from_numpy(np.sin(layer.angle)).float()[:, None, None]
    half = torch.from_numpy(layer.size / 2).float()[:, None, None]
    longest = max(height, width)
    u = (cos * x + sin * y) / (half * width / longest)
    v = (-sin * x + cos * y) / (half * height / longest)
    if layer.wobble > 0:
        # A travelling wave bends the shape: limbs swing, cloth folds.
        time = torch.arange(length, dtype=torch.float32)[:, None, None] * 0.9 + layer.phase
        bend_u, bend_v = torch.sin(3 * v + time), torch.sin(3 * u + time)
        u, v = u + layer.wobble * bend_u, v + layer.wobble * bend_v
    grid = torch.stack([u, v], -1)
    source = layer.rgba[None]
    target = max(8, int(float(layer.size.max()) * size))
    if longest > 1.5 * target:
        shrunk = (max(4, height * target // longest), max(4, width * target // longest))
        source = F.interpolate(source, shrunk, mode="bilinear", antialias=True)
    out = F.grid_sample(
        source.expand(length, -1, -1, -1), grid, padding_mode="border", align_corners=False
    )
    inside = (grid.abs() <= 1).all(-1)
    return out[:, :3], out[:, 3] * inside


def _grade(frames: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Light, colour, blur and grain that change a little over the clip."""
    length = len(frames)
    light = torch.from_numpy(1 + rng.normal(0, 0.08) + _walk(rng, length, 1, 0.01)[:, 0]).float()
    frames = frames * light[:, None, None, None]
    if rng.random() < 0.3:
        frames = (frames - 0.5) * float(rng.uniform(0.7, 1.25)) + 0.5
    if rng.random() < 0.25:
        small = int(frames.shape[-1] * rng.uniform(0.45, 0.8))
        blurred = F.interpolate(frames, (small, small), mode="bilinear", antialias=True)
        frames = F.interpolate(blurred, frames.shape[-2:], mode="bilinear")
    if rng.random() < 0.4:
        seed = int(rng.integers(2**31))
        noise = torch.randn(frames.shape, generator=torch.Generator().manual_seed(seed))
        frames = frames + noise * float(rng.uniform(0.005, 0.03))
    return frames
