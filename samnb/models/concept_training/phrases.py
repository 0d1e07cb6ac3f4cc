"""Which phrases are true of a thing, which are nearly so, and what a picture is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from samnb.models.concept_net import log_not
from samnb.models.verifier_foundation.world import asked_phrases
from samnb.synthetic.concepts import ConceptScene
from samnb.synthetic.things import (
    COLOUR_NAMES,
    GROUPS,
    HELD_OUT,
    NOUNS,
    TEXTURES,
    Combination,
    Phrase,
)

COMBINATIONS: tuple[Combination, ...] = tuple(
    (c, t, n) for c in COLOUR_NAMES for t in TEXTURES for n in NOUNS if (c, t, n) not in HELD_OUT
)
"""The table of things: all that the training split shows."""
WORDS = (*NOUNS, *GROUPS, *COLOUR_NAMES, *TEXTURES)
READS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys((*NOUNS, *GROUPS), ("surface", "shape")),
    **dict.fromkeys(COLOUR_NAMES, ("colour",)),
    **dict.fromkeys(TEXTURES, ("colour", "surface", "shape")),
}
"""Which parts of the embedding each word may read (:data:`samnb.models.concept_net.PARTS`). A noun
that reads colours learns that some never go with it, which only the training split makes so: of
things in combinations never shown 0.70 were called by the right noun then, and 0.80 without."""
MOST_NEGATIVES: Final = 30
"""Hard negatives a picture at most."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The pairs of a picture.

    Attributes:
        there: phrases that name something in it.
        near: phrases one word away from these that name nothing, in the order of their use.
    """

    there: tuple[str, ...]
    near: tuple[str, ...]


def ask(scene: ConceptScene) -> Asked:
    """Choose the pairs of a picture: three phrases that are there, and hard negatives of them."""
    rng = np.random.default_rng([scene.seed, 17])
    told = asked_phrases(scene, rng, n_negatives=MOST_NEGATIVES)
    there = {phrase for phrase in told if scene.named(phrase)}
    return Asked(tuple(p for p in told if p in there), tuple(p for p in told if p not in there))


class PhraseBook:
    """Every phrase that the training split may use, and what each names."""

    def __init__(self) -> None:
        colours, textures = (None, *COLOUR_NAMES), (None, *TEXTURES)
        every = [Phrase(n, c, t) for n in (*NOUNS, *GROUPS) for c in colours for t in textures]
        self.phrases = [p for p in every if not p.is_held_out]
        index = {p: i for i, p in enumerate(self.phrases)}
        named = np.zeros((len(COMBINATIONS), len(self.phrases)), np.bool_)
        rows = {c: i for i, c in enumerate(COMBINATIONS)}
        for column, phrase in enumerate(self.phrases):
            named[[rows[c] for c in phrase.combinations if c in rows], column] = True
        self.named = named
        self.nearly = np.stack([self._nearly(index, kind) for kind in _KINDS])
        """(3, things, phrases): false, but true if one noun, colour or texture were another."""

    def _nearly(self, index: dict[Phrase, int], kind: str) -> npt.NDArray[np.bool_]:
        step = np.zeros((len(self.phrases), len(self.phrases)), np.float32)
        for row, phrase in enumerate(self.phrases):
            others = (replace(phrase, **{kind: word}) for word in _KINDS[kind])
            step[row, [index[q] for q in others if q != phrase and q in index]] = 1.0
        return np.asarray((self.named.astype(np.float32) @ step > 0) & ~self.named)

    def asked(self, pictures: Sequence[Asked], hard_negatives: int) -> npt.NDArray[np.bool_]:
        """Which phrases each picture is asked for, (pictures, phrases) bool.

        Args:
            pictures: what there is to ask for.
            hard_negatives: how many of the false ones.
        """
        index = {str(p): i for i, p in enumerate(self.phrases)}
        table = np.zeros((len(pictures), len(self.phrases)), np.bool_)
        for row, one in enumerate(pictures):
            told = (*one.there, *one.near[:hard_negatives])
            table[row, [index[phrase] for phrase in told]] = True
        return table


_KINDS: dict[str, tuple[str, ...]] = {
    "noun": (*NOUNS, *GROUPS),
    "colour": COLOUR_NAMES,
    "texture": TEXTURES,
}


def phrase_loss(log_p: Tensor, right: Tensor, near: Tensor, asked: Tensor | None = None) -> Tensor:
    """Say how wrong log-probabilities are.

    Args:
        log_p: (N, P) of views and phrases.
        right: (N, P), the phrases that are true of a view.
        near: (3, N, P), those that are one word from being true.
        asked: (N, P), those that are told anything of; None tells all.
    """
    if asked is not None:
        right, near = right & asked, near & asked
    false = -log_not(log_p)
    far = ~right & ~near.any(0)
    # A wrong noun, colour and texture weigh alike, though there are many more nouns.
    wrong = torch.stack([_mean(false, one) for one in near]).sum()
    return (
        0.7 * wrong
        + 0.5 * _mean(false, far if asked is None else far & asked)
        - _mean(log_p, right)
    )


def _mean(values: Tensor, chosen: Tensor) -> Tensor:
    """Mean of the chosen values, 0 where none is."""
    return values[chosen].mean() if bool(chosen.any()) else values.sum() * 0.0
