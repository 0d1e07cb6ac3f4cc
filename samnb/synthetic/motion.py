"""How things and the camera move: smooth paths from a few random numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.interpolate import PchipInterpolator

from samnb.synthetic.textures import Floats

Times = npt.NDArray[np.float64]
"""(T,) float64, seconds."""


@dataclass(frozen=True, eq=False)
class Track:
    """Where a thing is and how it is turned, frame by frame.

    Attributes:
        xy: (T, 2) float64, its middle in pixels of the place.
        half_wh: (T, 2) float64, half of its width and height in pixels; a negative width
            mirrors it.
        angle: (T,) float64, radians, clockwise on the screen.
        bend: (T, 2) float64, amplitude and phase of its deformation.
        bend_kind: ``wag`` (the back end swings) or ``wobble`` (it gives like jelly).
    """

    xy: npt.NDArray[np.float64]
    half_wh: npt.NDArray[np.float64]
    angle: npt.NDArray[np.float64]
    bend: npt.NDArray[np.float64]
    bend_kind: str = "wobble"


@dataclass(frozen=True, eq=False)
class Camera:
    """What the camera shows, frame by frame.

    Attributes:
        xy: (T, 2) float64, the point of the place in the middle of the picture.
        zoom: (T,) float64, 1 shows the place at its own scale.
        roll: (T,) float64, radians.
        light: (T,) float64, brightness.
    """

    xy: npt.NDArray[np.float64]
    zoom: npt.NDArray[np.float64]
    roll: npt.NDArray[np.float64]
    light: npt.NDArray[np.float64]


def wander(rng: np.random.Generator, times: Times, rate_hz: float) -> npt.NDArray[np.float64]:
    """Return smooth random values in [-1, 1], (T,), that turn about ``rate_hz`` often."""
    total = np.zeros(len(times))
    for share in (0.6, 0.3, 0.1):
        frequency = rate_hz * rng.uniform(0.6, 1.4) / share**0.5
        total += share * np.sin(2 * np.pi * (frequency * times + rng.random()))
    return total


def make_camera(
    rng: np.random.Generator,
    times: Times,
    frame_hw: tuple[int, int],
    place_hw: tuple[int, int],
    difficulty: float,
) -> Camera:
    """Pan, zoom, roll and shake within the place, more the harder it is."""
    height, width = frame_hw
    room = (np.array(place_hw[::-1]) - [width, height]) / 2
    reach = np.clip(0.1 + 0.9 * difficulty, 0, 1) * room * 0.8
    pan = np.stack([wander(rng, times, 0.12), wander(rng, times, 0.12)], -1) * reach
    shake = 0.006 * width * difficulty**2
    pan += shake * np.stack([wander(rng, times, 2.0), wander(rng, times, 2.3)], -1)
    return Camera(
        xy=np.array(place_hw[::-1]) / 2 + pan,
        zoom=1 + 0.12 * difficulty * (1 + wander(rng, times, 0.15)) / 2,
        roll=0.05 * difficulty * wander(rng, times, 0.15),
        light=1 + 0.12 * difficulty * wander(rng, times, 0.3),
    )


def make_path(
    rng: np.random.Generator,
    times: Times,
    region: tuple[float, float, float, float],
    start_xy: npt.NDArray[np.float64],
    speed: float,
    *,
    is_level: bool,
    leaves_to: npt.NDArray[np.float64] | None,
) -> npt.NDArray[np.float64]:
    """Return a smooth path (T, 2) that begins at a point and stays in a region.

    Args:
        rng: source of chance.
        times: of the frames.
        region: x0, y0, x1, y1.
        start_xy: (2,) where it is at the first frame.
        speed: pixels per second.
        is_level: it moves mainly left and right.
        leaves_to: (2,) a point outside where it goes in the middle, and whence it returns.
    """
    span_s = max(float(times[-1]), 0.5)
    n_legs = max(2, round(span_s / 1.6))
    low, high = np.array(region[:2]), np.array(region[2:])
    points = [np.asarray(start_xy, np.float64)]
    side = 1.0 if start_xy[0] < (low[0] + high[0]) / 2 else -1.0
    heading = (0.0 if side > 0 else np.pi) + rng.uniform(-0.6, 0.6)
    for _ in range(n_legs):
        heading += rng.uniform(-0.9, 0.9)
        step = speed * span_s / n_legs * rng.uniform(0.7, 1.3)
        way = np.array([np.cos(heading), np.sin(heading) * (0.25 if is_level else 1.0)])
        goal = points[-1] + way * step
        for axis in range(2):
            if not low[axis] <= goal[axis] <= high[axis]:
                way[axis] *= -1
        heading = float(np.arctan2(way[1], way[0]))
        points.append(np.clip(points[-1] + way * step, low, high))
    if leaves_to is not None:
        points[max(1, n_legs // 2)] = leaves_to
    knots = np.linspace(0, span_s, len(points))
    return np.asarray(PchipInterpolator(knots, np.array(points))(np.clip(times, 0, span_s)))


def make_track(
    rng: np.random.Generator,
    times: Times,
    path_xy: npt.NDArray[np.float64],
    half: float,
    motion: str,
    difficulty: float,
    *,
    has_front: bool,
    depth: Floats | None,
) -> Track:
    """Turn, scale and deform a thing along its path.

    Args:
        rng: source of chance.
        times: of the frames.
        path_xy: (T, 2) from :func:`make_path`.
        half: half of its size in pixels.
        motion: see :class:`samnb.synthetic.sprites.Kind`.
        difficulty: how much it grows, shrinks and bends, in [0, 1].
        has_front: whether it turns to where it goes.
        depth: (T,) factor by which it looks smaller where it is far; None for 1.
    """
    n_frames = len(times)
    step_s = times[1] - times[0] if n_frames > 1 else 1.0
    velocity = np.gradient(path_xy, step_s, axis=0) if n_frames > 1 else np.zeros((1, 2))
    scale = half * np.exp((0.05 + 0.30 * difficulty) * wander(rng, times, 0.2))
    if depth is not None:
        scale = scale * depth
    half_wh = np.stack([scale, scale], -1)
    angle = np.zeros(n_frames)
    xy = path_xy.copy()
    if has_front:
        facing = np.tanh(velocity[:, 0] / (0.25 * half))
        thin = np.where(np.abs(facing) < 0.25, np.where(facing < 0, -0.25, 0.25), facing)
        half_wh[:, 0] *= thin
        tilt = np.arctan2(velocity[:, 1], np.abs(velocity[:, 0]) + 4 * half)
        angle = tilt * np.sign(thin) * (0.3 if motion == "drive" else 1.0)
    if motion == "roll":
        angle = np.cumsum(velocity[:, 0]) * step_s / half
        jump = np.abs(np.sin(np.pi * times * rng.uniform(0.7, 1.1)))
        xy[:, 1] -= jump * half * (0.3 + 1.2 * difficulty)
    elif motion == "flutter":
        beat = np.abs(np.cos(2 * np.pi * times * rng.uniform(0.9, 1.4)))
        half_wh[:, 0] *= 0.35 + 0.65 * beat
        angle = 0.5 * wander(rng, times, 0.4)
        xy[:, 1] += 0.25 * half * np.sin(2 * np.pi * 1.1 * times)
    elif motion == "float":
        angle = (0.1 + 0.15 * difficulty) * wander(rng, times, 0.25)
    elif motion == "slide" and depth is None:  # on the ground things stay upright
        turn = rng.uniform(-1, 1) * (0.3 + 1.2 * difficulty)
        angle = rng.uniform(-0.6, 0.6) + turn * times
    is_wag = motion in ("swim", "fly")
    amplitude = 0.10 + 0.12 * difficulty if is_wag else 0.14 * difficulty
    phase = 2 * np.pi * (rng.random() + times * rng.uniform(0.7, 1.2))
    bend = np.stack([np.full(n_frames, amplitude), phase], -1)
    return Track(xy, half_wh, angle, bend, "wag" if is_wag else "wobble")
