"""Two other small worlds of things and phrases: what a house is full of, and its playroom.

Both have words that :data:`samnb.synthetic.things.WORLD` does not have, and stand before other
grounds. A model that was taught on that world knows a part of every picture here, which is what
a user's own domain looks like to a model from elsewhere: it shows what retraining is for. Of
the household half of the nouns, two colours and one surface are new; of the playroom a quarter
of the nouns and one colour.
"""

from __future__ import annotations

import numpy as np

from samnb.synthetic.sprites import Look, Pen, curve, oval
from samnb.synthetic.textures import Floats, Rgb, blend, noise
from samnb.synthetic.themes import THEMES, Painter, SizeHw, Theme
from samnb.synthetic.things import NOUNS, WORLD, Domain, Noun

_WOOD: Rgb = (0.36, 0.24, 0.15)
_DARK: Rgb = (0.13, 0.12, 0.13)
_PAPER: Rgb = (0.93, 0.91, 0.85)


def _book(pen: Pen, look: Look) -> None:
    pen.fill([(-0.6, -0.92), (0.66, -0.92), (0.66, 0.92), (-0.6, 0.92)], _PAPER, 0)
    pen.fill([(-0.66, -0.96), (0.56, -0.96), (0.56, 0.86), (-0.66, 0.86)], puff=0.05)
    pen.fill([(-0.66, -0.96), (-0.5, -0.96), (-0.5, 0.86), (-0.66, 0.86)], look.second, 0.4)
    pen.fill([(-0.26, -0.6), (0.34, -0.6), (0.34, -0.36), (-0.26, -0.36)], _PAPER, 0)


def _clock(pen: Pen, look: Look) -> None:
    for x in (-0.5, 0.5):
        pen.fill(oval(x, 0.82, 0.12, 0.16), _DARK, 0.4)
        pen.fill(oval(x, -0.74, 0.3, 0.22, 0.6 * np.sign(x)), look.second, 0.6)
    pen.fill(oval(0, 0, 0.86, 0.86), puff=0.3)
    pen.fill(oval(0, 0, 0.56, 0.56), _PAPER, 0)
    pen.fill([(-0.04, 0.04), (0.04, 0.04), (0.03, -0.46), (-0.03, -0.46)], _DARK, 0)
    pen.fill([(-0.03, -0.04), (-0.03, 0.05), (0.34, 0.18), (0.36, 0.12)], _DARK, 0)


def _lamp(pen: Pen, look: Look) -> None:
    pen.fill([(-0.05, -0.1), (0.05, -0.1), (0.05, 0.85), (-0.05, 0.85)], _WOOD, 0.4)
    pen.fill(oval(0, 0.84, 0.44, 0.12), _WOOD, 0.4)
    pen.fill([(-0.34, -0.94), (0.34, -0.94), (0.72, 0.08), (-0.72, 0.08)], puff=0.5)


def _pear(pen: Pen, look: Look) -> None:
    pen.fill([(-0.03, -0.6), (0.04, -0.6), (0.14, -0.95), (0.06, -0.97)], _WOOD, 0.2)
    pen.fill(curve([(0, -0.7), (0.26, -0.52), (0.32, -0.14), (0.62, 0.32), (0.5, 0.82), (0, 0.94),
                    (-0.5, 0.82), (-0.62, 0.32), (-0.32, -0.14), (-0.26, -0.52)]),
             puff=0.9)  # fmt: skip


def _shirt(pen: Pen, look: Look) -> None:
    pen.fill([(-0.32, -0.8), (0.32, -0.8), (0.94, -0.36), (0.72, 0.02), (0.48, -0.14),
              (0.5, 0.9), (-0.5, 0.9), (-0.48, -0.14), (-0.72, 0.02), (-0.94, -0.36)],
             puff=0.15)  # fmt: skip
    pen.fill(oval(0, -0.78, 0.22, 0.14), look.second, 0)


def _vase(pen: Pen, look: Look) -> None:
    pen.fill(curve([(-0.3, -0.92), (0.3, -0.92), (0.18, -0.6), (0.3, -0.34), (0.62, 0.06),
                    (0.52, 0.58), (0.28, 0.94), (-0.28, 0.94), (-0.52, 0.58), (-0.62, 0.06),
                    (-0.3, -0.34), (-0.18, -0.6)]), puff=0.8)  # fmt: skip
    pen.fill(oval(0, -0.9, 0.28, 0.06), _DARK, 0)


def _rug(rng: np.random.Generator, size_hw: SizeHw) -> Floats:
    rows, columns = np.mgrid[0 : size_hw[0], 0 : size_hw[1]].astype(np.float32)
    weave = 0.86 + 0.14 * np.sign(np.sin(rows * 1.1) * np.sin(columns * 1.1))
    bands = np.clip(np.sin(rows * 2 * np.pi / rng.uniform(60, 130)) * 4, 0, 1)
    ground = blend((0.46, 0.16, 0.17), (0.62, 0.51, 0.36), bands.astype(np.float32))
    return np.asarray(ground * (weave * (0.8 + 0.4 * noise(rng, size_hw, 6, 4)))[..., None])


def _wallpaper(rng: np.random.Generator, size_hw: SizeHw) -> Floats:
    rows, columns = np.mgrid[0 : size_hw[0], 0 : size_hw[1]].astype(np.float32)
    side = rng.uniform(46, 80)
    leaf = np.sin(columns * 2 * np.pi / side) * np.sin((rows + columns / 3) * 2 * np.pi / side)
    share = np.clip((np.abs(leaf) - 0.55) * 5, 0, 1).astype(np.float32)
    paper = blend((0.60, 0.66, 0.60), (0.44, 0.53, 0.48), share)
    return np.asarray(paper * (0.88 + 0.2 * noise(rng, size_hw, 4, 3))[..., None])


def _floor(rng: np.random.Generator, size_hw: SizeHw) -> Floats:
    rows, columns = np.mgrid[0 : size_hw[0], 0 : size_hw[1]].astype(np.float32)
    side = rng.uniform(70, 110)
    edge = np.minimum(rows % side, columns % side)
    tone = 0.85 + 0.25 * np.modf(np.sin(rows // side * 12.9 + columns // side * 78.2) * 437)[0]
    stone = np.asarray((0.70, 0.65, 0.58), np.float32) * tone[..., None]
    laid = blend(stone.astype(np.float32), (0.35, 0.32, 0.30), (edge < 3).astype(np.float32))
    return np.asarray(laid * (0.8 + 0.35 * noise(rng, size_hw, 14, 4))[..., None])


def _place(paint: Painter, where: str) -> Theme:
    return Theme(paint, where, (), None, 0.3, "post", _WOOD)


_NEW = {
    "book": Noun(_book, "books", 0.1),
    "clock": Noun(_clock, "clocks", 0.4),
    "lamp": Noun(_lamp, "lamps", 0.1),
    "pear": Noun(_pear, "pears", 0.3),
    "shirt": Noun(_shirt, "shirts", 0.0),
    "vase": Noun(_vase, "vases", 0.5),
}
_PLACES = {
    "table": THEMES["table"],
    "rug": _place(_rug, "on a rug"),
    "wallpaper": _place(_wallpaper, "in front of a wallpaper"),
    "floor": _place(_floor, "on a stone floor"),
}
_OWNED = ("ball", "bottle", "cup", "hat", "kite", "umbrella")
_TOYS = ("balloon", "boat", "car", "fish", "rocket", "turtle")
HOUSEHOLD = Domain(
    name="household",
    nouns={**{name: NOUNS[name] for name in _OWNED}, **_NEW},
    groups={},
    colours=("red", "yellow", "green", "blue", "white", "brown", "gray"),
    textures=("plain", "striped", "spotted", "mottled"),
    places=_PLACES,
)
"""The words and places of a house."""
PLAYROOM = Domain(
    name="playroom",
    nouns={
        **{name: NOUNS[name] for name in (*_OWNED, *_TOYS)},
        **{name: _NEW[name] for name in ("book", "clock", "lamp", "shirt")},
    },
    groups={"animal": "animals", "vehicle": "vehicles"},
    colours=("red", "orange", "yellow", "green", "blue", "pink", "white", "brown"),
    textures=("plain", "striped", "spotted", "checkered"),
    places=_PLACES,
)
"""The words and places of its playroom."""
DOMAINS = {one.name: one for one in (WORLD, HOUSEHOLD, PLAYROOM)}
"""Every domain of the concept world by name."""
