"""Things: drawn from curves, filled with a surface, rounded by light.

A sprite is a square picture with transparency. Drawing coordinates run from -1 to 1,
x to the right and y down; things that have a front face right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image as PilImage
from PIL import ImageDraw
from scipy.interpolate import CubicSpline
from scipy.ndimage import distance_transform_edt, gaussian_filter

from samnb.synthetic.textures import Floats, Rgb, blend, pattern, photo

Points = Sequence[tuple[float, float]]

_SS = 2
"""Supersampling of outlines."""
_LIGHT = np.array([-0.45, -0.65, 0.62], np.float32)
"""Direction to the light: upper left, towards the viewer."""


@dataclass(frozen=True, eq=False)
class Look:
    """How one thing is painted.

    Attributes:
        pattern: one of :data:`samnb.synthetic.textures.PATTERNS`.
        main: the colour it is named after.
        second: of its stripes, spots and trimmings.
    """

    pattern: str
    main: Rgb
    second: Rgb


class Pen:
    """Draws parts of a thing one over the other.

    Args:
        size: side of the sprite in pixels.
        surface: (size, size, 3) float32 with which body parts are filled.
    """

    def __init__(self, size: int, surface: Floats) -> None:
        self.size = size
        self.alpha = np.zeros((size, size), np.float32)
        self.colour = np.zeros((size, size, 3), np.float32)
        self.surface = surface
        self.height = np.zeros((size, size), np.float32)
        self.clear: Floats | None = None

    def fill(
        self,
        outline: Points,
        colour: Rgb | None = None,
        puff: float = 0.5,
        *,
        clear: float = 0.0,
    ) -> None:
        """Fill a closed outline with a colour, or with the surface where it is None.

        ``puff`` says how much the part bulges: 0 is flat, 1 a half ball. ``clear`` is the
        share of the light from behind that it lets through.
        """
        box, cover = self._cover(outline)
        own = self.surface[box] if colour is None else np.asarray(colour, np.float32)
        self.colour[box] += (own - self.colour[box]) * cover[..., None]
        self.alpha[box] = np.maximum(self.alpha[box], cover)
        if clear and self.clear is None:
            self.clear = np.zeros((self.size, self.size), np.float32)
        if self.clear is not None:
            self.clear[box] += (clear - self.clear[box]) * cover
        inside = cover > 0.5
        self.height[box][inside] = 0.0
        if puff > 0 and inside.any():
            depth = distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
            radius = max(float(depth.max()), 1.0)
            bulge = radius * puff * np.sqrt(np.maximum(0, 1 - (1 - depth / radius) ** 2))
            self.height[box][inside] = bulge[inside]

    def cut(self, outline: Points) -> None:
        """Make a hole."""
        box, cover = self._cover(outline)
        self.alpha[box] *= 1 - cover

    def finish(self, gloss: float) -> PilImage.Image:
        """Light the relief and return it as a premultiplied ``RGBa`` image."""
        height = gaussian_filter(self.height, self.size / 90)
        dy, dx = np.gradient(height)
        up = np.ones_like(dx)
        normal = np.stack([-dx, -dy, up], -1) / np.sqrt(dx**2 + dy**2 + 1)[..., None]
        lambert = np.clip(normal @ _LIGHT, 0, 1)
        lit = self.colour * (0.42 + 0.72 * lambert)[..., None]
        shine = gloss * np.clip(normal @ _half_way(), 0, 1) ** 40
        alpha = self.alpha
        if self.clear is not None:
            # What shines is seen however clear the thing is.
            lit *= (1 - self.clear)[..., None]
            alpha = alpha * np.maximum(1 - self.clear, np.clip(shine, 0, 1))
        lit = np.clip(lit + shine[..., None], 0, 1) * self.alpha[..., None]
        rgba = np.concatenate([np.minimum(lit, alpha[..., None]), alpha[..., None]], -1)
        return rgba_image((rgba * 255 + 0.5).astype(np.uint8))

    def outline(self) -> PilImage.Image | None:
        """What belongs to a thing that is seen through, as an ``L`` image; None for solid ones,
        whose picture says it."""
        if self.clear is None:
            return None
        return PilImage.fromarray((self.alpha * 255 + 0.5).astype(np.uint8))

    def _cover(self, outline: Points) -> tuple[tuple[slice, slice], Floats]:
        """Return the box around an outline, and how much of each of its pixels is inside."""
        points = (np.asarray(outline) + 1) * (self.size / 2)
        low = np.clip(np.floor(points.min(0)).astype(int) - 1, 0, self.size - 1)
        high = np.clip(np.ceil(points.max(0)).astype(int) + 1, low + 1, self.size)
        width, height = (high - low).tolist()
        canvas = PilImage.new("L", (width * _SS, height * _SS))
        ImageDraw.Draw(canvas).polygon([*map(tuple, (points - low) * _SS)], fill=255)
        small = canvas.resize((width, height), PilImage.Resampling.BOX)
        box = slice(low[1], high[1]), slice(low[0], high[0])
        return box, np.asarray(small, np.float32) * np.float32(1 / 255)


def rgba_image(array: npt.NDArray[np.uint8]) -> PilImage.Image:
    """Wrap premultiplied (H, W, 4) uint8 as an ``RGBa`` image."""
    height, width = array.shape[:2]
    return PilImage.frombuffer("RGBa", (width, height), array.tobytes(), "raw", "RGBa", 0, 1)


def _half_way() -> npt.NDArray[np.float32]:
    half = _LIGHT / np.linalg.norm(_LIGHT) + np.array([0, 0, 1], np.float32)
    return np.asarray(half / np.linalg.norm(half), np.float32)


def oval(x: float, y: float, rx: float, ry: float, tilt: float = 0.0) -> Points:
    """Return an ellipse as an outline; ``tilt`` in radians."""
    t = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    px, py = rx * np.cos(t), ry * np.sin(t)
    c, s = np.cos(tilt), np.sin(tilt)
    return [*zip((x + px * c - py * s).tolist(), (y + px * s + py * c).tolist(), strict=True)]


def curve(points: Points) -> Points:
    """Return a smooth closed outline through points."""
    closed = np.array([*points, points[0]])
    spline = CubicSpline(np.arange(len(closed)), closed, bc_type="periodic")
    fine = spline(np.linspace(0, len(closed) - 1, 16 * len(points)))
    return [(float(x), float(y)) for x, y in fine]


def mirrored(points: Points) -> Points:
    """Return an outline reflected left to right."""
    return [(-x, y) for x, y in points]


def _ball(pen: Pen, look: Look) -> None:
    pen.fill(oval(0, 0, 0.9, 0.9), puff=1.0)


def _car(pen: Pen, look: Look) -> None:
    body = [(-0.88, 0.15), (-0.84, -0.08), (-0.62, -0.14), (-0.4, -0.46), (0.25, -0.47),
            (0.52, -0.12), (0.84, -0.02), (0.91, 0.2), (0.86, 0.34), (0.3, 0.37),
            (-0.3, 0.37), (-0.84, 0.34)]  # fmt: skip
    pen.fill(curve(body), puff=0.5)
    glass = (0.20, 0.27, 0.33)
    pen.fill([(-0.48, -0.12), (-0.33, -0.37), (-0.1, -0.38), (-0.1, -0.12)], glass, 0)
    pen.fill([(-0.03, -0.12), (-0.03, -0.38), (0.2, -0.37), (0.38, -0.12)], glass, 0)
    pen.fill(oval(0.82, 0.1, 0.07, 0.07), (1.0, 0.95, 0.7), 0.3)
    pen.fill(oval(-0.85, 0.12, 0.05, 0.08), (0.7, 0.1, 0.08), 0.3)
    for x in (-0.54, 0.54):
        pen.fill(oval(x, 0.36, 0.23, 0.23), (0.08, 0.08, 0.09), 0.3)
        pen.fill(oval(x, 0.36, 0.11, 0.11), (0.72, 0.72, 0.74), 0.3)


def _balloon(pen: Pen, look: Look) -> None:
    outline = [(0, -0.95), (0.42, -0.8), (0.6, -0.4), (0.5, 0.02), (0.2, 0.38), (0.12, 0.5),
               (-0.12, 0.5), (-0.2, 0.38), (-0.5, 0.02), (-0.6, -0.4), (-0.42, -0.8)]  # fmt: skip
    if look.pattern == "striped":
        pen.surface = _gores(pen.size, curve(outline), look)
    rope = (0.25, 0.2, 0.16)
    pen.fill([(-0.13, 0.46), (-0.1, 0.46), (-0.08, 0.72), (-0.11, 0.72)], rope, 0)
    pen.fill([(0.1, 0.46), (0.13, 0.46), (0.11, 0.72), (0.08, 0.72)], rope, 0)
    pen.fill([(-0.15, 0.68), (0.15, 0.68), (0.12, 0.93), (-0.12, 0.93)], (0.42, 0.27, 0.13), 0.4)
    pen.fill(curve(outline), puff=0.85)


def _gores(size: int, outline: Points, look: Look) -> Floats:
    """Colour the strips of a balloon: they narrow towards its sides and its ends."""
    right = np.array([(y, x) for x, y in outline if x > 0])
    right = right[np.argsort(right[:, 0])]
    rows, columns = (np.mgrid[0:size, 0:size] + 0.5) * (2 / size) - 1
    half = np.maximum(np.interp(rows[:, 0], right[:, 0], right[:, 1]), 0.02)[:, None]
    around = np.arcsin(np.clip(columns / half, -1, 1))
    share = np.clip(np.sin(6 * around + 0.8) * size / 14 + 0.5, 0, 1).astype(np.float32)
    return blend(look.main, look.second, share)


def _butterfly(pen: Pen, look: Look) -> None:
    upper = [(0.05, -0.1), (0.2, -0.62), (0.65, -0.85), (0.92, -0.6), (0.8, -0.15), (0.4, 0.08)]
    lower = [(0.05, 0.05), (0.5, 0.1), (0.72, 0.4), (0.55, 0.78), (0.25, 0.68), (0.08, 0.35)]
    for outline in (lower, upper):
        for side in (outline, mirrored(outline)):
            pen.fill(curve(side), puff=0.15)
    for x in (-0.62, 0.62):
        pen.fill(oval(x, -0.52, 0.14, 0.12), look.second, 0)
    pen.fill(oval(0, 0.02, 0.08, 0.5), (0.13, 0.1, 0.09), 0.6)


def _bird(pen: Pen, look: Look) -> None:
    pen.fill([(-0.45, 0.02), (-0.96, -0.12), (-0.92, 0.16), (-0.45, 0.26)], look.second, 0.3)
    body = [(-0.6, 0.1), (-0.25, -0.28), (0.2, -0.36), (0.42, -0.58), (0.68, -0.5), (0.72, -0.26),
            (0.5, 0.1), (0.12, 0.38), (-0.3, 0.34)]  # fmt: skip
    pen.fill([(0.68, -0.45), (0.96, -0.34), (0.68, -0.26)], (0.95, 0.65, 0.15), 0.4)
    pen.fill(curve(body), puff=0.7)
    wing = [(0.22, -0.1), (-0.1, -0.2), (-0.62, 0.1), (-0.72, 0.4), (-0.2, 0.28), (0.12, 0.1)]
    pen.fill(curve(wing), look.second, 0.4)
    pen.fill(oval(0.56, -0.41, 0.04, 0.04), (0.05, 0.05, 0.05), 0.5)


def _fish(pen: Pen, look: Look) -> None:
    tail = [(-0.5, 0), (-0.95, -0.42), (-0.82, 0), (-0.95, 0.42)]
    pen.fill(tail, look.second, 0.3)
    pen.fill([(-0.25, -0.3), (0.05, -0.66), (0.32, -0.3)], look.second, 0.3)
    body = [(-0.62, 0), (-0.3, -0.3), (0.2, -0.42), (0.7, -0.26), (0.92, 0.02), (0.7, 0.26),
            (0.2, 0.4), (-0.3, 0.28)]  # fmt: skip
    pen.fill(curve(body), puff=0.7)
    pen.fill(curve([(0.15, 0.05), (-0.2, 0.0), (-0.3, 0.22), (0.1, 0.2)]), look.second, 0.3)
    pen.fill(oval(0.62, -0.08, 0.1, 0.1), (0.97, 0.97, 0.95), 0.5)
    pen.fill(oval(0.65, -0.08, 0.05, 0.05), (0.04, 0.04, 0.05), 0.3)


def _starfish(pen: Pen, look: Look) -> None:
    points = []
    for i in range(10):
        reach, angle = (0.93, 0.42)[i % 2], np.pi * (i / 5 - 0.5)
        points.append((reach * np.cos(angle), reach * np.sin(angle)))
    pen.fill(curve(points), puff=0.6)


def _turtle(pen: Pen, look: Look) -> None:
    skin = (0.42, 0.5, 0.25)
    for x, y, tilt in (
        (0.45, -0.55, -0.7),
        (0.45, 0.55, 0.7),
        (-0.5, -0.5, 0.6),
        (-0.5, 0.5, -0.6),
    ):
        pen.fill(oval(x, y, 0.34, 0.15, tilt), skin, 0.6)
    pen.fill(oval(0.78, 0, 0.19, 0.15), skin, 0.7)
    pen.fill(oval(0, 0, 0.66, 0.56), puff=0.8)
    for y in (-0.07, 0.07):
        pen.fill(oval(0.86, y, 0.03, 0.03), (0.05, 0.05, 0.05), 0)


def _mug(pen: Pen, look: Look) -> None:
    pen.fill(oval(0.56, 0.08, 0.36, 0.4), puff=0.3)
    pen.cut(oval(0.58, 0.08, 0.2, 0.25))
    pen.fill(curve([(-0.62, -0.6), (0.45, -0.6), (0.48, 0.1), (0.4, 0.72), (0, 0.84), (-0.55, 0.72),
                    (-0.64, 0.1)]), puff=0.6)  # fmt: skip
    pen.fill(oval(-0.08, -0.6, 0.55, 0.2), look.main, 0.2)
    pen.fill(oval(-0.08, -0.58, 0.45, 0.14), (0.2, 0.11, 0.06), 0)


def _leaf(pen: Pen, look: Look) -> None:
    pen.fill([(-0.98, 0.05), (-0.6, -0.03), (-0.6, 0.05)], (0.35, 0.25, 0.12), 0)
    pen.fill(curve([(-0.8, 0), (-0.4, -0.42), (0.2, -0.46), (0.7, -0.2), (0.97, 0.02), (0.7, 0.2),
                    (0.2, 0.44), (-0.4, 0.38)]), puff=0.2)  # fmt: skip
    pen.fill([(-0.8, -0.02), (0.9, 0.0), (-0.8, 0.03)], look.second, 0)


def _mushroom(pen: Pen, look: Look) -> None:
    pen.fill(curve([(-0.2, 0), (0.2, 0), (0.24, 0.5), (0.3, 0.9), (-0.3, 0.9), (-0.24, 0.5)]),
             (0.93, 0.89, 0.8), 0.7)  # fmt: skip
    cap = [
        (-0.92, 0.1),
        (-0.75, -0.5),
        (0, -0.9),
        (0.75, -0.5),
        (0.92, 0.1),
        (0.4, 0.22),
        (-0.4, 0.22),
    ]
    pen.fill(curve(cap), puff=0.7)


def _planet(pen: Pen, look: Look) -> None:
    whole = photo("retina")
    side = PilImage.fromarray(whole[60:1340, 60:1340]).resize((pen.size,) * 2)
    own = np.asarray(side, np.float32).mean(-1) / 110
    pen.surface = np.clip(pen.surface * own[..., None], 0, 1)
    pen.fill(oval(0, 0, 0.92, 0.92), puff=1.0)


def _rocket(pen: Pen, look: Look) -> None:
    for side in (1, -1):
        pen.fill([(-0.85, side * 0.5), (-0.3, side * 0.2), (-0.75, side * 0.1)], look.second, 0.4)
    hull = [
        (-0.75, -0.22),
        (0.2, -0.27),
        (0.65, -0.18),
        (0.97, 0),
        (0.65, 0.18),
        (0.2, 0.27),
        (-0.75, 0.22),
    ]
    pen.fill(curve(hull), puff=0.9)
    pen.fill(oval(0.35, 0, 0.14, 0.14), (0.75, 0.75, 0.78), 0.4)
    pen.fill(oval(0.35, 0, 0.09, 0.09), (0.15, 0.3, 0.45), 0.4)


def _cup(pen: Pen, look: Look) -> None:
    """The cup, its saucer and its spoon, cut out of the photograph."""
    whole = PilImage.fromarray(photo("coffee")[:400, 70:486])
    square = PilImage.new("RGB", (416, 416))
    square.paste(whole, (0, 8))
    pen.surface = np.asarray(
        square.resize((pen.size,) * 2, PilImage.Resampling.BOX), np.float32
    ) * np.float32(1 / 255)
    if look.main != (0.80, 0.12, 0.10):
        shade = pen.surface.max(-1)
        is_red = np.clip(8 * (0.45 - pen.surface[..., 1] / (shade + 0.02)), 0, 1)
        pen.surface = blend(pen.surface, shade[..., None] * 1.25 * np.array(look.main), is_red)

    def at(x: float, y: float) -> tuple[float, float]:
        return (x - 70) / 208 - 1, (y + 8) / 208 - 1

    saucer = [at(*p) for p in [(77, 215), (84, 165), (106, 125), (140, 92), (178, 70), (390, 76),
              (430, 115), (465, 165), (478, 220), (468, 285), (430, 340), (380, 372), (310, 388),
              (240, 383), (175, 358), (125, 322), (92, 275)]]  # fmt: skip
    pen.fill(curve(saucer), puff=0)
    rim = [at(*p) for p in [(174, 105), (180, 75), (205, 45), (240, 25), (285, 18), (335, 25),
           (375, 45), (400, 75), (406, 110), (390, 160), (290, 205), (195, 170)]]  # fmt: skip
    pen.fill(curve(rim), puff=0)
    spoon = [at(*p) for p in [(398, 80), (402, 68), (414, 66), (424, 76), (418, 105), (400, 140)]]
    pen.fill(curve(spoon), puff=0)


@dataclass(frozen=True, eq=False)
class Kind:
    """What a thing of a category can do.

    Attributes:
        draw: puts it on a pen.
        plural: the plural of its name.
        motion: how it moves: ``roll``, ``drive``, ``fly``, ``flutter``, ``swim``, ``float``
            or ``slide``.
        gloss: strength of highlights in [0, 1].
        patterns: surfaces that suit it.
        has_front: whether it turns to where it goes.
    """

    draw: Callable[[Pen, Look], None]
    plural: str
    motion: str
    gloss: float
    patterns: tuple[str, ...]
    has_front: bool = False


_ALL = ("plain", "striped", "spotted", "checkered")
KINDS: dict[str, Kind] = {
    "ball": Kind(_ball, "balls", "roll", 0.6, (*_ALL, "furry")),
    "toy car": Kind(_car, "toy cars", "drive", 0.5, ("plain", "striped", "spotted"), True),
    "balloon": Kind(_balloon, "balloons", "float", 0.25, _ALL),
    "butterfly": Kind(_butterfly, "butterflies", "flutter", 0.0, ("plain", "striped", "spotted")),
    "bird": Kind(_bird, "birds", "fly", 0.1, ("plain", "spotted", "furry"), True),
    "fish": Kind(_fish, "fish", "swim", 0.4, ("plain", "striped", "spotted"), True),
    "starfish": Kind(_starfish, "starfish", "slide", 0.1, ("plain", "spotted", "mottled")),
    "turtle": Kind(_turtle, "turtles", "swim", 0.3, ("plain", "checkered", "mottled"), True),
    "mug": Kind(_mug, "mugs", "slide", 0.5, _ALL),
    "leaf": Kind(_leaf, "leaves", "slide", 0.1, ("plain", "spotted", "mottled")),
    "mushroom": Kind(_mushroom, "mushrooms", "slide", 0.2, ("plain", "spotted")),
    "planet": Kind(_planet, "planets", "float", 0.1, ("plain", "striped", "mottled")),
    "rocket": Kind(_rocket, "rockets", "fly", 0.5, ("plain", "striped", "checkered"), True),
    "coffee cup": Kind(_cup, "coffee cups", "slide", 0.0, ("plain",)),
}
"""Every category that scenes are made of."""


def draw_sprite(category: str, look: Look, size: int, rng: np.random.Generator) -> PilImage.Image:
    """Draw one thing as a premultiplied ``RGBa`` image of ``size`` x ``size`` pixels."""
    return draw_kind(KINDS[category], look, size, rng)[0]


def draw_kind(
    kind: Kind, look: Look, size: int, rng: np.random.Generator
) -> tuple[PilImage.Image, PilImage.Image | None]:
    """Draw one thing: its picture as :func:`draw_sprite` gives it, and its outline, see
    :meth:`Pen.outline`."""
    pen = Pen(size, pattern(look.pattern, size, look.main, look.second, rng))
    kind.draw(pen, look)
    return pen.finish(kind.gloss), pen.outline()
