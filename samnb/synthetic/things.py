"""The words of the concept world and what they look like: nouns, colours, textures.

Most things are those of :mod:`samnb.synthetic.sprites`; six more are drawn here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product

from samnb.synthetic.sprites import KINDS, Look, Pen, curve, oval
from samnb.synthetic.themes import THEMES, Theme

Combination = tuple[str, str, str]
"""Colour, texture and noun of a thing."""


def _boat(pen: Pen, look: Look) -> None:
    pen.fill([(-0.05, 0.3), (0.02, -0.95), (0.09, 0.3)], (0.35, 0.24, 0.14), 0.2)
    pen.fill([(0.12, -0.85), (0.82, 0.14), (0.12, 0.2)], puff=0.2)
    pen.fill([(-0.08, -0.6), (-0.6, 0.14), (-0.08, 0.2)], puff=0.2)
    pen.fill(curve([(-0.92, 0.28), (0, 0.34), (0.95, 0.26), (0.62, 0.74), (0, 0.8), (-0.62, 0.72)]),
             puff=0.6)  # fmt: skip


def _bottle(pen: Pen, look: Look) -> None:
    pen.fill([(-0.16, -0.96), (0.16, -0.96), (0.16, -0.78), (-0.16, -0.78)], (0.16, 0.15, 0.16))
    pen.fill([(-0.12, -0.8), (0.12, -0.8), (0.14, -0.42), (0.3, -0.22), (0.38, 0.0), (0.38, 0.9),
              (0.3, 0.96), (-0.3, 0.96), (-0.38, 0.9), (-0.38, 0.0), (-0.3, -0.22),
              (-0.14, -0.42)], puff=0.8)  # fmt: skip


def _hat(pen: Pen, look: Look) -> None:
    pen.fill(oval(0, 0.44, 0.95, 0.26), puff=0.3)
    pen.fill(curve([(-0.52, 0.42), (-0.5, -0.2), (-0.34, -0.56), (0.1, -0.6), (0.44, -0.42),
                    (0.52, 0.42), (0, 0.56)]), puff=0.6)  # fmt: skip
    pen.fill([(-0.52, 0.2), (0.52, 0.2), (0.53, 0.4), (0, 0.5), (-0.53, 0.4)], look.second, 0.1)


def _house(pen: Pen, look: Look) -> None:
    pen.fill([(0.3, -0.9), (0.5, -0.9), (0.5, -0.2), (0.3, -0.2)], (0.42, 0.36, 0.34), 0.2)
    pen.fill([(-0.7, -0.15), (0.7, -0.15), (0.7, 0.92), (-0.7, 0.92)], puff=0.1)
    pen.fill([(-0.95, -0.05), (0, -0.92), (0.95, -0.05)], (0.24, 0.19, 0.18), 0.2)
    pen.fill([(-0.14, 0.4), (0.16, 0.4), (0.16, 0.92), (-0.14, 0.92)], (0.32, 0.2, 0.1), 0.1)
    for x in (-0.5, 0.28):
        pen.fill([(x, 0.08), (x + 0.24, 0.08), (x + 0.24, 0.34), (x, 0.34)], (0.62, 0.75, 0.82), 0)


def _kite(pen: Pen, look: Look) -> None:
    tail = [(-0.02, 0.42), (0.12, 0.55), (-0.1, 0.7), (0.06, 0.97), (-0.02, 0.97), (-0.18, 0.7),
            (0.04, 0.56), (-0.08, 0.42)]  # fmt: skip
    pen.fill(tail, (0.3, 0.24, 0.2), 0)
    pen.fill([(0, -0.95), (0.66, -0.3), (0, 0.5), (-0.66, -0.3)], puff=0.1)
    pen.fill([(-0.02, -0.93), (0.02, -0.93), (0.02, 0.48), (-0.02, 0.48)], (0.25, 0.2, 0.16), 0)
    pen.fill([(-0.64, -0.32), (0.64, -0.32), (0.64, -0.28), (-0.64, -0.28)], (0.25, 0.2, 0.16), 0)


def _umbrella(pen: Pen, look: Look) -> None:
    pen.fill([(-0.04, -0.9), (0.04, -0.9), (0.04, 0.72), (-0.04, 0.72)], (0.2, 0.16, 0.14), 0.2)
    pen.fill(curve([(-0.04, 0.68), (0.04, 0.68), (0.1, 0.84), (0.24, 0.82), (0.28, 0.68),
                    (0.34, 0.7), (0.3, 0.9), (0.14, 0.97), (-0.02, 0.9)]),
             (0.2, 0.16, 0.14), 0.2)  # fmt: skip
    scallops = [(0.95, 0.06), (0.64, -0.06), (0.34, 0.06), (0, -0.06), (-0.34, 0.06),
                (-0.64, -0.06), (-0.95, 0.06)]  # fmt: skip
    dome = [(-0.88, -0.3), (-0.6, -0.64), (-0.3, -0.8), (0, -0.85), (0.3, -0.8), (0.6, -0.64),
            (0.88, -0.3)]  # fmt: skip
    pen.fill([*dome, *scallops], puff=0.5)


@dataclass(frozen=True, eq=False)
class Noun:
    """One kind of thing.

    Attributes:
        draw: puts it on a pen.
        plural: of its name.
        gloss: strength of highlights in [0, 1].
        group: the wider word for it, such as ``animal``; empty where there is none.
    """

    draw: Callable[[Pen, Look], None]
    plural: str
    gloss: float = 0.2
    group: str = ""


NOUNS: dict[str, Noun] = {
    "ball": Noun(KINDS["ball"].draw, "balls", 0.6),
    "balloon": Noun(KINDS["balloon"].draw, "balloons", 0.25),
    "bird": Noun(KINDS["bird"].draw, "birds", 0.1, "animal"),
    "boat": Noun(_boat, "boats", 0.2, "vehicle"),
    "bottle": Noun(_bottle, "bottles", 0.6),
    "butterfly": Noun(KINDS["butterfly"].draw, "butterflies", 0.0, "animal"),
    "car": Noun(KINDS["toy car"].draw, "cars", 0.5, "vehicle"),
    "cup": Noun(KINDS["mug"].draw, "cups", 0.5),
    "fish": Noun(KINDS["fish"].draw, "fish", 0.4, "animal"),
    "hat": Noun(_hat, "hats", 0.05),
    "house": Noun(_house, "houses", 0.0),
    "kite": Noun(_kite, "kites", 0.0),
    "leaf": Noun(KINDS["leaf"].draw, "leaves", 0.1),
    "mushroom": Noun(KINDS["mushroom"].draw, "mushrooms", 0.2),
    "rocket": Noun(KINDS["rocket"].draw, "rockets", 0.5, "vehicle"),
    "starfish": Noun(KINDS["starfish"].draw, "starfish", 0.1, "animal"),
    "turtle": Noun(KINDS["turtle"].draw, "turtles", 0.3, "animal"),
    "umbrella": Noun(_umbrella, "umbrellas", 0.1),
}
"""Every noun."""
GROUPS: dict[str, str] = {"animal": "animals", "vehicle": "vehicles"}
"""Every wider noun with its plural."""
COLOUR_NAMES = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")
TEXTURES = ("plain", "striped", "spotted", "checkered")
"""Plain things are not called plain in phrases, though the word is understood."""


def _held_out() -> frozenset[Combination]:
    """Choose what the training split never shows: some triples, and some whole pairs."""
    found = set()
    for (c, colour), (t, texture), (n, noun) in product(
        enumerate(COLOUR_NAMES), enumerate(TEXTURES), enumerate(NOUNS)
    ):
        is_pair = (5 * c + 3 * n) % 16 == 0  # this colour of this noun, in every texture
        if is_pair or (c + 3 * t + 5 * n) % 9 == 0:
            found.add((colour, texture, noun))
    return frozenset(found)


HELD_OUT = _held_out()
"""Combinations that only the test split shows."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """What a noun phrase of this world asks for; None where it does not care."""

    noun: str
    colour: str | None = None
    texture: str | None = None

    def __str__(self) -> str:
        return " ".join(w for w in (self.texture, self.colour, self.noun) if w)

    @property
    def combinations(self) -> frozenset[Combination]:
        """Every combination that the phrase names."""
        return frozenset(
            (c, t, n)
            for c in ([self.colour] if self.colour else COLOUR_NAMES)
            for t in ([self.texture] if self.texture else TEXTURES)
            for n in ([self.noun] if self.noun in NOUNS else NOUNS)
            if self.noun in (n, NOUNS[n].group)
        )

    def names(self, thing: Combination) -> bool:
        """Whether it asks for a thing of this colour, texture and noun, of any domain."""
        colour, texture, noun = thing
        group = NOUNS[noun].group if noun in NOUNS else ""
        return (
            self.noun in (noun, group)
            and self.colour in (None, colour)
            and self.texture in (None, texture)
        )

    @property
    def is_held_out(self) -> bool:
        """Whether the training split can never show what it names."""
        return self.combinations <= HELD_OUT


@dataclass(frozen=True, slots=True, eq=False)
class Domain:
    """The words of a world, and the places where its things are met.

    Attributes:
        name: of the domain.
        nouns: every noun.
        groups: every wider noun with its plural.
        colours: words for colours, of :data:`samnb.synthetic.textures.COLOURS`.
        textures: words for surfaces; the first is plain, and not said.
        places: by name.
        held_out: combinations that only the test split shows.
    """

    name: str
    nouns: Mapping[str, Noun]
    groups: Mapping[str, str]
    colours: tuple[str, ...]
    textures: tuple[str, ...]
    places: Mapping[str, Theme]
    held_out: frozenset[Combination] = frozenset()

    def singular(self, noun: str) -> str:
        """Return the singular of a noun of this domain; other words as they are."""
        for name, one in self.nouns.items():
            if noun == one.plural:
                return name
        return next((name for name, plural in self.groups.items() if noun == plural), noun)


PLACES = ("meadow", "yard", "table", "sea", "space", "lawn")
"""Places of which no photograph shows one of the nouns itself."""
WORLD = Domain(
    "world", NOUNS, GROUPS, COLOUR_NAMES, TEXTURES, {p: THEMES[p] for p in PLACES}, HELD_OUT
)
"""The world that the default models are taught on."""


def parse_phrase(text: str, domain: Domain = WORLD) -> Phrase | None:
    """Understand a noun phrase: article, adjectives in any order, noun; None for other words."""
    words = text.lower().replace(",", " ").split()
    if words and words[0] in ("a", "an", "the"):
        words = words[1:]
    if not words:
        return None
    noun = domain.singular(words[-1])
    colours = [w for w in words[:-1] if w in domain.colours]
    textures = [w for w in words[:-1] if w in domain.textures]
    known = len(colours) + len(textures) == len(words) - 1
    if noun not in (*domain.nouns, *domain.groups) or not known:
        return None
    if len(colours) > 1 or len(textures) > 1:
        return None
    colour, texture = next(iter(colours), None), next(iter(textures), None)
    return Phrase(noun, colour, texture)
