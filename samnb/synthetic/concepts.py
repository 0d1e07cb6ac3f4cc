"""Pictures with everything that phrases name in them: a small world for the concept loop.

Things of 18 nouns, 8 colours and 4 textures stand before places that look a little like
photographs; several may be alike, small, or partly hidden, and look-alikes share a noun or a
colour with what is asked for. Every picture knows the exact visible mask of every thing, so
it can say what any phrase names, and what it does not. It is teaching material and ground
truth for small models and simulated reviewers; figures measured on it say nothing of
photographs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image as PilImage

from samnb.synthetic.sprites import Look, Pen
from samnb.synthetic.staging import backdrop, inside, photographed, shadow
from samnb.synthetic.textures import COLOURS, Floats, pattern, shifted
from samnb.synthetic.things import (
    COLOUR_NAMES,
    GROUPS,
    HELD_OUT,
    NOUNS,
    PLACES,
    TEXTURES,
    WORLD,
    Combination,
    Domain,
    Phrase,
    parse_phrase,
)
from samnb.types import InputError

__all__ = [
    "HELD_OUT",
    "MIN_VISIBLE",
    "PLACES",
    "VOCABULARY",
    "ConceptScene",
    "ConceptThing",
    "hard_negatives",
    "make_concept_scene",
]

BoolMask: TypeAlias = npt.NDArray[np.bool_]
Split: TypeAlias = Literal["train", "test"]

VOCABULARY = MappingProxyType(
    {
        "nouns": tuple(NOUNS),
        "colours": COLOUR_NAMES,
        "textures": TEXTURES,
        "groups": tuple(GROUPS),
    }
)
"""The words of this world. ``plain`` is understood and never said; groups are wider nouns."""
MIN_VISIBLE = 0.08
"""A thing of which less than this share is seen does not count as an instance."""
MIN_VISIBLE_PX = 12
"""Nor does one that shows fewer pixels than this."""

_SECOND = {"white": (0.12, 0.12, 0.14), "gray": (0.45, 0.46, 0.48)}
_WORDS = ("no", "a", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True, slots=True)
class ConceptThing:
    """One thing in a picture.

    Attributes:
        number: its label in 1..255.
        colour: one of ``VOCABULARY["colours"]``.
        texture: one of ``VOCABULARY["textures"]``.
        noun: one of ``VOCABULARY["nouns"]``, or of another domain like the two before.
        visible: share of its pixels inside the picture that nothing hides, in [0, 1].
    """

    number: int
    colour: str
    texture: str
    noun: str
    visible: float = 1.0

    @property
    def combination(self) -> Combination:
        """Colour, texture and noun."""
        return self.colour, self.texture, self.noun

    @property
    def phrases(self) -> tuple[str, ...]:
        """What it can be called, from general to specific."""
        texture = None if self.texture == "plain" else self.texture
        found = [Phrase(self.noun), Phrase(self.noun, self.colour)]
        if texture:
            found += [Phrase(self.noun, None, texture), Phrase(self.noun, self.colour, texture)]
        if group := NOUNS[self.noun].group if self.noun in NOUNS else "":
            found = [Phrase(group), Phrase(group, self.colour), *found]
        return tuple(str(p) for p in found)


@dataclass(frozen=True, slots=True, eq=False)
class ConceptScene:
    """A picture and all that is true about it.

    Attributes:
        seed: it was made from.
        split: ``train`` or ``test``.
        image: (H, W, 3) uint8 RGB, read-only.
        labels: (H, W) uint8, the number of the thing seen at each pixel, 0 for none; read-only.
        things: those of which enough is seen to count.
        caption: one sentence that names every thing.
        domain: whose words it knows.
    """

    seed: int
    split: Split
    image: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    things: tuple[ConceptThing, ...]
    caption: str
    domain: Domain = WORLD

    @property
    def phrases(self) -> tuple[str, ...]:
        """Every phrase that names at least one thing here, without repetition."""
        return tuple(dict.fromkeys(p for thing in self.things for p in thing.phrases))

    def named(self, phrase: str) -> tuple[ConceptThing, ...]:
        """Return the things that a phrase names; none for words that are not of this world."""
        asked = parse_phrase(phrase, self.domain)
        if asked is None:
            return ()
        return tuple(t for t in self.things if asked.names(t.combination))

    def truth(self, phrase: str) -> tuple[BoolMask, ...]:
        """Return the visible mask, (H, W) bool, of every instance that a phrase names."""
        return tuple(np.asarray(self.labels == t.number) for t in self.named(phrase))


def make_concept_scene(
    seed: int,
    *,
    size_hw: tuple[int, int] = (240, 320),
    difficulty: float = 0.5,
    split: Split = "train",
    domain: Domain = WORLD,
) -> ConceptScene:
    """Make up a picture of 2 to 8 things.

    Args:
        seed: equal arguments give equal pictures; the two splits draw independently.
        size_hw: height and width in pixels, each from 64.
        difficulty: 0 is few, large, separate things; towards 1 there are more of them, smaller
            ones, look-alikes that differ in one word, things in front of others, and noise.
        split: ``train`` never shows a combination of :data:`HELD_OUT`; about a third of the
            things of ``test`` are such.
        domain: what there is, and where.

    Raises:
        InputError: an argument is out of range.
    """
    if min(size_hw) < 64 or max(size_hw) > 4096:
        raise InputError(f"size_hw: expected sides of 64..4096, got {size_hw}")
    if not 0 <= difficulty <= 1:
        raise InputError(f"difficulty: expected 0..1, got {difficulty}")
    if split not in ("train", "test"):
        raise InputError(f"split: expected 'train' or 'test', got {split!r}")
    rng = np.random.default_rng([seed, 7, int(split == "test")])
    cast = draw_cast(rng, difficulty, split, domain)
    place = tuple(domain.places)[int(rng.integers(len(domain.places)))]
    frame = backdrop(rng, domain, place, size_hw)
    labels = np.zeros(size_hw, np.uint8)
    areas: list[int] = []
    for number, (box, dark, layer) in enumerate(_placed(rng, cast, size_hw, difficulty, domain), 1):
        frame[box] *= 1 - dark[..., None]
        cover = layer[..., 3] / 255
        frame[box] = frame[box] * (1 - cover[..., None]) + layer[..., :3]
        labels[box][cover > 0.5] = number
        areas.append(int((cover > 0.5).sum()))
    image = photographed(rng, frame, difficulty)
    seen = np.bincount(labels.ravel(), minlength=len(cast) + 1)
    things = tuple(
        ConceptThing(n, *combination, float(seen[n] / max(area, 1)))
        for n, (combination, area) in enumerate(zip(cast, areas, strict=True), 1)
        if seen[n] >= max(MIN_VISIBLE * area, MIN_VISIBLE_PX)
    )
    image.flags.writeable = labels.flags.writeable = False
    caption = describe(things, domain.places[place].where, domain)
    return ConceptScene(seed, split, image, labels, things, caption, domain)


def hard_negatives(scene: ConceptScene, phrase: str) -> tuple[str, ...]:
    """Return phrases one word away from a phrase that name nothing in the picture.

    One word is exchanged, or a colour or a texture is added. Those whose new word is true of
    something else in the picture come first. For a picture of the training split nothing is
    proposed that only the test split can show: else its absence could be learned.

    Raises:
        InputError: the phrase has words that are not of this world.
    """
    domain = scene.domain
    asked = parse_phrase(phrase, domain)
    if asked is None:
        raise InputError(f"phrase: expected words of {_told(domain)}, got {phrase!r}")
    here = {w for t in scene.things for w in (*t.combination, domain.nouns[t.noun].group)}
    found = [
        (not ({near.noun, near.colour, near.texture} - {*str(asked).split(), None} & here), near)
        for near in _one_away(asked, domain)
        if not scene.named(str(near))
        and not (scene.split == "train" and domain.held_out and near.is_held_out)
    ]
    rng = np.random.default_rng([scene.seed, *phrase.encode()])
    mixed = [found[i] for i in rng.permutation(len(found))]
    return tuple(str(near) for _, near in sorted(mixed, key=lambda pair: pair[0]))


def _told(domain: Domain) -> str:
    return "VOCABULARY" if domain is WORLD else f"the {domain.name}"


def _one_away(asked: Phrase, domain: Domain) -> Iterator[Phrase]:
    for colour in domain.colours:
        if colour != asked.colour:
            yield Phrase(asked.noun, colour, asked.texture)
    for texture in domain.textures[1:]:
        if texture != asked.texture:
            yield Phrase(asked.noun, asked.colour, texture)
    for noun in domain.groups if asked.noun in domain.groups else domain.nouns:
        if noun != asked.noun:
            yield Phrase(noun, asked.colour, asked.texture)


def draw_cast(
    rng: np.random.Generator, difficulty: float, split: Split, domain: Domain = WORLD
) -> list[Combination]:
    """Choose what is there: strangers, twins, and look-alikes that differ in one word."""
    n = int(np.clip(2 + rng.binomial(6, 0.15 + 0.6 * difficulty), 2, 8))
    cast: list[Combination] = []
    pools = domain.colours, domain.textures, tuple(domain.nouns)
    while len(cast) < n:
        kind = rng.random()
        if cast and kind < 0.2:
            thing = cast[int(rng.integers(len(cast)))]
        elif cast and kind < 0.2 + 0.45 * difficulty:
            words = list(cast[int(rng.integers(len(cast)))])
            which = int(rng.integers(3))
            pool = pools[which]
            words[which] = pool[int(rng.integers(len(pool)))]
            thing = (words[0], words[1], words[2])
        elif split == "test" and kind > 0.75 and domain.held_out:
            rare = sorted(domain.held_out)
            thing = rare[int(rng.integers(len(rare)))]
        else:
            colours, (plain, *others), nouns = pools
            texture = others[int(rng.integers(len(others)))] if rng.random() < 0.6 else plain
            thing = (
                colours[int(rng.integers(len(colours)))],
                texture,
                nouns[int(rng.integers(len(nouns)))],
            )
        if split == "test" or thing not in domain.held_out:
            cast.append(thing)
    return cast


def _placed(
    rng: np.random.Generator,
    cast: list[Combination],
    size_hw: tuple[int, int],
    difficulty: float,
    domain: Domain,
) -> Iterator[tuple[tuple[slice, slice], Floats, Floats]]:
    """Yield box, shadow (h, w) and premultiplied layer (h, w, 4) of things, back to front."""
    height, width = size_hw
    unit = min(height, width / 1.3)
    crowd = min(1.0, 2.4 / np.sqrt(len(cast)))
    discs: list[tuple[float, float, float]] = []
    for combination in cast:
        low = 0.15 - 0.105 * difficulty
        half = unit * crowd * (low + (0.21 - low) * rng.random() ** (1 + 0.5 * difficulty))
        tries = rng.uniform([0.1, 0.12], [0.9, 0.88], (16, 2)) * [width, height]
        gaps = np.array(
            [min((np.hypot(x - a, y - b) - half - r for a, b, r in discs), default=0.0)
             for x, y in tries]
        )  # fmt: skip
        lap = -half * 1.3 * float(rng.random() < 0.7 * difficulty)
        good = np.flatnonzero(gaps >= lap)  # how far things may stand in front of each other
        at = int(good[np.argmin(gaps[good])]) if lap < 0 and len(good) else int(np.argmax(gaps))
        x, y = tries[at]
        discs.append((float(x), float(y), float(half)))
        layer = _drawn(rng, combination, float(half), domain)
        found = inside(layer, float(x), float(y), size_hw)
        shift = 0.14 * half
        dark = shadow(layer, float(half), shift)
        yield found[0], dark[found[1]], np.asarray(layer, np.float32)[found[1]]


def draw_thing(
    rng: np.random.Generator, combination: Combination, size: int, domain: Domain = WORLD
) -> PilImage.Image:
    """Draw one thing upright, a premultiplied ``RGBa`` picture of ``size`` x ``size`` px."""
    colour, texture, noun = combination
    second = COLOURS["white"] if colour != "white" and rng.random() < 0.5 else _SECOND["white"]
    if rng.random() < 0.2 and colour != "gray":
        second = _SECOND["gray"]
    look = Look(texture, shifted(COLOURS[colour], rng, 0.06), shifted(second, rng, 0.04))
    pen = Pen(size, pattern(texture, size, look.main, look.second, rng))
    domain.nouns[noun].draw(pen, look)
    return pen.finish(domain.nouns[noun].gloss)


def _drawn(
    rng: np.random.Generator, combination: Combination, half: float, domain: Domain
) -> PilImage.Image:
    """Draw one thing, turned and mirrored by chance, in a picture with room around it."""
    size = max(16, round(2 * half))
    sprite = draw_thing(rng, combination, size, domain)
    angle = rng.uniform(-0.45, 0.45) if rng.random() < 0.8 else rng.uniform(-np.pi, np.pi)
    mirror = rng.choice([-1.0, 1.0])
    squeeze = rng.uniform(0.85, 1.0)
    side = round(1.45 * size)
    c, s = np.cos(angle), np.sin(angle)
    # From pixels of the result to pixels of the sprite, both around their middles.
    back = np.array([[c * mirror, s * mirror], [-s / squeeze, c / squeeze]])
    x, y = np.array([size, size]) / 2 - back @ (np.array([side, side]) / 2)
    data = (back[0, 0], back[0, 1], x, back[1, 0], back[1, 1], y)
    return sprite.transform(
        (side, side), PilImage.Transform.AFFINE, data, PilImage.Resampling.BILINEAR
    )


def describe(things: tuple[ConceptThing, ...], where: str, domain: Domain = WORLD) -> str:
    """Name everything that counts: ``Two striped red cups and a fish on a lawn.``"""
    groups: dict[str, list[ConceptThing]] = {}
    for thing in things:
        groups.setdefault(thing.phrases[-1], []).append(thing)
    parts = []
    for phrase, group in groups.items():
        if len(group) == 1:
            parts.append(("an " if phrase[0] in "aeiou" else "a ") + phrase)
        else:
            plural = phrase.removesuffix(group[0].noun) + domain.nouns[group[0].noun].plural
            parts.append(f"{_WORDS[len(group)]} {plural}")
    if not parts:
        return f"Nothing {where}."
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"{listed[0].upper()}{listed[1:]} {where}."
