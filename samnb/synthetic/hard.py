"""Three domains whose things are hard to outline: see-through, thin, or like their ground.

They show what retraining is for. A model that does well on solid things takes a jar for what
is in it, a hanger for the wall that it frames, and a moth for bark; a few verified masklets
say otherwise. Clips are set here by name only: no theme drawn by chance is one of these.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from samnb.synthetic import sprites
from samnb.synthetic.sprites import Kind, Look, Pen, Points, curve, mirrored, oval
from samnb.synthetic.textures import COLOURS, Floats, blend, detail, noise, shifted
from samnb.synthetic.themes import SizeHw, Theme

_BRIGHT = (0.97, 0.98, 0.98)
_EDGE = (0.72, 0.80, 0.82)
_WALL = 0.55
"""How much light the walls of a glass let through, seen edge on."""
_CLEAR = 0.9
"""How much its middle does."""


def _glass(pen: Pen, outline: Points, thickness: float) -> None:
    """A hollow thing: a wall that is seen edge on around a middle that hardly is."""
    pen.fill(outline, _EDGE, 0.15, clear=_WALL)
    pen.fill(_shrunk(outline, thickness), _EDGE, 0, clear=_CLEAR)


def _shrunk(outline: Points, by: float) -> Points:
    """Move an outline inwards, roughly: towards its middle by so much at most."""
    points = np.asarray(outline)
    middle = (points.min(0) + points.max(0)) / 2
    half = np.maximum((points.max(0) - points.min(0)) / 2, 1e-6)
    return [(float(x), float(y)) for x, y in middle + (points - middle) * (1 - by / half)]


def _gleam(pen: Pen, x: float, top: float, bottom: float) -> None:
    pen.fill(curve([(x, top), (x + 0.06, top + 0.05), (x + 0.05, bottom), (x - 0.01, bottom)]),
             _BRIGHT, 0, clear=0.35)  # fmt: skip


def _jar(pen: Pen, look: Look) -> None:
    body = [(-0.42, -0.62), (0.42, -0.62), (0.6, -0.4), (0.62, 0.3), (0.58, 0.86), (0.3, 0.94),
            (-0.3, 0.94), (-0.58, 0.86), (-0.62, 0.3), (-0.6, -0.4)]  # fmt: skip
    _glass(pen, curve(body), 0.08)
    full = [(-0.5, 0.18), (0, 0.24), (0.5, 0.18), (0.48, 0.78), (0.25, 0.86), (-0.25, 0.86),
            (-0.48, 0.78)]  # fmt: skip
    pen.fill(curve(full), puff=0.3)
    red, green, blue = look.main
    pen.fill(oval(0, 0.18, 0.5, 0.07), (0.8 * red, 0.8 * green, 0.8 * blue), 0)
    pen.fill([(-0.48, -0.9), (0.48, -0.9), (0.48, -0.6), (-0.48, -0.6)], _EDGE, 0.1, clear=0.4)
    _gleam(pen, -0.42, -0.3, 0.6)


def _wine_glass(pen: Pen, look: Look) -> None:
    bowl = [(-0.46, -0.84), (0.46, -0.84), (0.52, -0.5), (0.34, -0.02), (0.06, 0.14),
            (-0.06, 0.14), (-0.34, -0.02), (-0.52, -0.5)]  # fmt: skip
    pen.fill([(-0.06, 0.1), (0.06, 0.1), (0.05, 0.82), (-0.05, 0.82)], _EDGE, 0.3, clear=0.5)
    pen.fill(oval(0, 0.84, 0.46, 0.1), _EDGE, 0.3, clear=0.6)
    _glass(pen, curve(bowl), 0.06)
    wine = [(-0.44, -0.42), (0, -0.38), (0.44, -0.42), (0.28, -0.06), (0, 0.08), (-0.28, -0.06)]
    pen.fill(curve(wine), puff=0.3, clear=0.2)
    _gleam(pen, -0.36, -0.76, -0.3)


def _bubble(pen: Pen, look: Look) -> None:
    pen.fill(oval(0, 0, 0.92, 0.92), look.main, 0.1, clear=0.45)
    pen.fill(oval(0, 0, 0.84, 0.84), look.main, 0, clear=0.88)
    pen.fill(oval(0.02, 0.02, 0.78, 0.78), look.second, 0, clear=0.95)
    pen.fill(oval(-0.45, -0.48, 0.2, 0.09, -0.8), _BRIGHT, 0, clear=0.2)
    pen.fill(oval(0.5, 0.52, 0.12, 0.05, -0.8), _BRIGHT, 0, clear=0.5)


def _flask(pen: Pen, look: Look) -> None:
    body = [(-0.14, -0.9), (0.14, -0.9), (0.14, -0.34), (0.3, 0.0), (0.72, 0.72), (0.62, 0.92),
            (-0.62, 0.92), (-0.72, 0.72), (-0.3, 0.0), (-0.14, -0.34)]  # fmt: skip
    pen.fill(body, _EDGE, 0.15, clear=_WALL)
    pen.fill([(-0.08, -0.86), (0.08, -0.86), (0.08, -0.3), (0.6, 0.74), (0.52, 0.86),
              (-0.52, 0.86), (-0.6, 0.74), (-0.08, -0.3)], _EDGE, 0, clear=_CLEAR)  # fmt: skip
    pen.fill([(-0.42, 0.42), (0.42, 0.42), (0.6, 0.74), (0.52, 0.86), (-0.52, 0.86),
              (-0.6, 0.74)], puff=0.2)  # fmt: skip
    pen.fill([(-0.2, -0.96), (0.2, -0.96), (0.2, -0.86), (-0.2, -0.86)], _EDGE, 0.3, clear=0.3)
    _gleam(pen, -0.3, 0.1, 0.5)


def _line(pen: Pen, points: Points, width: float, colour: tuple[float, float, float]) -> None:
    """A stroke with round ends."""
    places = np.asarray(points, float)
    for a, b in pairwise(places):
        along = (b - a) / max(float(np.hypot(*(b - a))), 1e-6)
        side = np.array([-along[1], along[0]]) * width / 2
        pen.fill([tuple(p) for p in (a + side, b + side, b - side, a - side)], colour, 0.6)
        pen.fill(oval(float(b[0]), float(b[1]), width / 2, width / 2), colour, 0.6)


def _ring(pen: Pen, x: float, y: float, radius: float, width: float, look: Look) -> None:
    pen.fill(oval(x, y, radius, radius), look.main, 0.2)
    pen.cut(oval(x, y, radius - width, radius - width))


def _bicycle(pen: Pen, look: Look) -> None:
    for x in (-0.52, 0.52):
        _ring(pen, x, 0.3, 0.43, 0.1, look)
    rear, front, pedal = (-0.52, 0.3), (0.52, 0.3), (-0.06, 0.32)
    seat, head = (-0.2, -0.3), (0.36, -0.34)
    for part in ((rear, pedal, head, seat, rear), (pedal, seat), (front, head, (0.3, -0.5))):
        _line(pen, part, 0.1, look.main)
    _line(pen, [(-0.32, -0.34), (-0.06, -0.34)], 0.11, look.second)
    _line(pen, [(0.3, -0.5), (0.14, -0.52)], 0.1, look.second)


def _hanger(pen: Pen, look: Look) -> None:
    _line(pen, [(0, -0.22), (-0.88, 0.4), (0.88, 0.4), (0, -0.22), (0, -0.42)], 0.13, look.main)
    turn = np.linspace(np.pi / 2, -0.9 * np.pi, 14)
    hook = [(0.17 * float(np.cos(t)), -0.59 + 0.17 * float(np.sin(t))) for t in turn]
    _line(pen, hook, 0.11, look.main)


def _glasses(pen: Pen, look: Look) -> None:
    for x in (-0.48, 0.48):
        _ring(pen, x, 0, 0.4, 0.11, look)
    _line(pen, [(-0.12, -0.06), (0, -0.12), (0.12, -0.06)], 0.11, look.main)
    for side in (-1, 1):
        _line(pen, [(0.82 * side, -0.1), (0.88 * side, -0.34)], 0.1, look.main)


def _scissors(pen: Pen, look: Look) -> None:
    for side in (-1, 1):
        _line(pen, [(-0.3 * side, -0.92), (0.2 * side, 0.3)], 0.13, COLOURS["gray"])
        pen.fill(oval(0.34 * side, 0.6, 0.28, 0.33), look.main, 0.3)
        pen.cut(oval(0.34 * side, 0.6, 0.15, 0.2))
    pen.fill(oval(0, -0.1, 0.08, 0.08), look.second, 0.5)


def _moth(pen: Pen, look: Look) -> None:
    fore = [(0.04, -0.42), (0.4, -0.5), (0.94, 0.1), (0.8, 0.42), (0.3, 0.3)]
    hind = [(0.05, 0.1), (0.5, 0.3), (0.6, 0.72), (0.2, 0.8)]
    for side in (hind, mirrored(hind), fore, mirrored(fore)):
        pen.fill(curve(side), puff=0.08)
    pen.fill(oval(0, 0.05, 0.1, 0.55), puff=0.4)


def _gecko(pen: Pen, look: Look) -> None:
    tail = [(-0.3, 0.06), (-0.62, 0.2), (-0.95, 0.02), (-0.6, 0.02), (-0.3, -0.12)]
    pen.fill(curve(tail), puff=0.3)
    for x, y in ((0.3, -0.45), (0.34, 0.45), (-0.28, -0.42), (-0.24, 0.46)):
        pen.fill(curve([(x - 0.12, 0.3 * y), (x + 0.12, 0.3 * y), (x + 0.14, y), (x - 0.06, y)]),
                 puff=0.2)  # fmt: skip
    pen.fill(curve([(-0.4, 0), (-0.1, -0.2), (0.3, -0.16), (0.5, -0.1), (0.7, -0.2), (0.95, 0),
                    (0.7, 0.2), (0.5, 0.1), (0.3, 0.16), (-0.1, 0.2)]), puff=0.4)  # fmt: skip


def _beetle(pen: Pen, look: Look) -> None:
    for y in (-0.3, 0.05, 0.4):
        _line(pen, [(-0.8, y - 0.15), (-0.4, y), (0.4, y), (0.8, y - 0.15)], 0.09, look.main)
    pen.fill(oval(0, -0.66, 0.26, 0.22), puff=0.4)
    pen.fill(oval(0, 0.14, 0.52, 0.74), puff=0.35)


def _window(rng: np.random.Generator, size_hw: SizeHw) -> Floats:
    """Tiles in two colours: whatever stands before them is seen through."""
    height, width = size_hw
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32) / height
    across = rng.uniform(5, 8)
    y, x = rows * across + rng.random(), columns * across + rng.random()
    names = rng.permutation(["blue", "white", "green", "orange", "gray", "brown"])[:2]
    is_odd = ((np.floor(y) + np.floor(x)) % 2).astype(np.float32)
    first, second = (shifted(COLOURS[str(n)], rng) for n in names)
    tone = 0.75 + 0.35 * noise(rng, size_hw, 6, 4)
    tiles = blend(first, second, 0.15 + 0.7 * is_odd) * tone[..., None]
    gap = np.minimum(np.minimum(y % 1, 1 - y % 1), np.minimum(x % 1, 1 - x % 1))
    joint = np.clip(1 - gap / 0.05, 0, 1).astype(np.float32)
    return np.clip(blend(tiles, (0.62, 0.6, 0.56), joint), 0, 1).astype(np.float32)


def _shed(rng: np.random.Generator, size_hw: SizeHw) -> Floats:
    """Boards of changing colours, upright, with gaps between."""
    height, width = size_hw
    columns = np.arange(width, dtype=np.float32) / height * rng.uniform(3.5, 5) + rng.random()
    board = np.floor(columns).astype(int)
    grain = noise(rng, (max(2, height // 8), width), width // 4, 2)
    grain = np.repeat(grain, 8, 0)
    grain = np.pad(grain, ((0, max(0, height - len(grain))), (0, 0)), mode="edge")[:height]
    paints = [COLOURS[str(n)] for n in rng.permutation(["brown", "gray", "white", "orange"])[:3]]
    picked = rng.integers(len(paints), size=board.max() + 1)
    colour = np.array([shifted(paints[i], rng, 0.04) for i in picked], np.float32)[board]
    gap = np.clip(1 - np.minimum(columns % 1, 1 - columns % 1) / 0.03, 0, 1)[None]
    tone = (0.6 + 0.55 * grain) * (1 - 0.7 * gap) * (0.85 + 0.3 * noise(rng, size_hw, 4, 3))
    return np.clip(colour[None] * tone[..., None], 0, 1).astype(np.float32)


def _bark(rng: np.random.Generator, size_hw: SizeHw) -> Floats:
    """Gravel and grass photographs, squeezed into furrows, in the colours of its things."""
    height, width = size_hw
    texture = detail(("gravel", "grass")[int(rng.integers(2))])
    rows, columns = np.mgrid[0:height, 0:width]
    y = (rows + int(rng.integers(200))) % texture.shape[0]
    x = (columns + int(rng.integers(150))) % texture.shape[1]
    names = rng.permutation(list(_HIDDEN))[:2]
    patches = noise(rng, size_hw, 5, 3)
    colour = blend(COLOURS[str(names[0])], COLOURS[str(names[1])], patches)
    return np.clip(colour * (0.35 + 0.65 * texture[y, x])[..., None], 0, 1).astype(np.float32)


_HIDDEN = ("brown", "gray", "green", "orange")
_PLAIN = ("plain",)
KINDS: dict[str, Kind] = {
    "jar": Kind(_jar, "jars", "slide", 0.5, ("plain", "striped", "spotted")),
    "wine glass": Kind(_wine_glass, "wine glasses", "slide", 0.5, _PLAIN),
    "soap bubble": Kind(_bubble, "soap bubbles", "float", 0.2, _PLAIN),
    "flask": Kind(_flask, "flasks", "slide", 0.5, ("plain", "spotted")),
    "bicycle": Kind(_bicycle, "bicycles", "drive", 0.3, _PLAIN, True),
    "hanger": Kind(_hanger, "hangers", "float", 0.3, _PLAIN),
    "pair of glasses": Kind(_glasses, "pairs of glasses", "float", 0.3, _PLAIN),
    "pair of scissors": Kind(_scissors, "pairs of scissors", "float", 0.4, _PLAIN),
    "moth": Kind(_moth, "moths", "flutter", 0.0, ("mottled",)),
    "gecko": Kind(_gecko, "geckos", "swim", 0.0, ("mottled",), True),
    "beetle": Kind(_beetle, "beetles", "slide", 0.0, ("mottled",)),
}
"""What is met in these domains."""
ALL_KINDS: dict[str, Kind] = {**sprites.KINDS, **KINDS}
"""Every category, with those of other places."""
DOMAINS: dict[str, Theme] = {
    "glassware": Theme(
        _window, "before a tiled wall", ("jar", "wine glass", "soap bubble", "flask"),
        None, 0.25, "post", COLOURS["brown"],
    ),
    "wire": Theme(
        _shed, "before a shed", ("bicycle", "hanger", "pair of glasses", "pair of scissors"),
        None, 0.3, "post", COLOURS["green"],
    ),
    "bark": Theme(
        _bark, "on bark", ("moth", "gecko", "beetle"),
        None, 0.2, "blob", (0.15, 0.32, 0.10), _HIDDEN,
    ),
}  # fmt: skip
"""Places where things are see-through, thin, or hard to tell from their ground."""
