"""Noun phrases as words that a small model has vectors for."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from typing import Final

_DROPPED: Final = frozenset({"a", "an", "the", "of", "with", "and", "some", "any", "all"})
_ENDINGS: Final = (("ves", "f"), ("ves", "fe"), ("ies", "y"), ("es", ""), ("s", ""))
"""Plural endings and what they stand for, the longest first."""


def split_words(phrase: str, known: Container[str] = ()) -> tuple[str, ...]:
    """Return the words of a phrase in lower case, without articles and repetitions.

    A plural that is not ``known`` becomes the singular that is.
    """
    found = [_singular(w, known) for w in re.findall(r"[^\W_]+", phrase.lower())]
    return tuple(dict.fromkeys(w for w in found if w not in _DROPPED))


def _singular(word: str, known: Container[str]) -> str:
    if word in known:
        return word
    for ending, stem in _ENDINGS:
        if word.endswith(ending) and (guess := word.removesuffix(ending) + stem) in known:
            return guess
    return word


def learn_words(phrases: Iterable[str], known: Mapping[str, int]) -> tuple[str, ...]:
    """Return the words of phrases that are not known yet, in their order."""
    found = (w for p in phrases for w in split_words(p, known) if w not in known)
    return tuple(dict.fromkeys(found))
