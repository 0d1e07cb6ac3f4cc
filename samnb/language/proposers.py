"""What a picture might be mistaken to show: proposers of hard negatives.

SAM 3's engine proposes negatives from its ontology (siblings, cousins and uncles of a verified
positive), by swapping nouns and adjectives, and with a language model (SAM 3 paper, appendix on
hard negatives). Each is a :class:`~samnb.models.concepts.PhraseProposer`; whether a proposal is
hard, and whether it is really absent, is decided later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, TypeAlias

from samnb.language.inflect import head_index, singular_phrase, words_of
from samnb.language.lexicon import (
    ARTICLES,
    COLOURS,
    MATERIALS,
    NEAR_COLOURS,
    PATTERNS,
    SHADES,
    SHAPES,
    SPELLINGS,
    STATES,
)
from samnb.language.ontology import Ontology
from samnb.models.base import Image
from samnb.types import InputError

Relation: TypeAlias = Literal["sibling", "cousin", "uncle"]
RELATIONS: Final[tuple[Relation, ...]] = ("sibling", "cousin", "uncle")
"""The relations that the paper takes, nearest first."""
FAMILIES: Final[tuple[tuple[str, ...], ...]] = (COLOURS, PATTERNS, MATERIALS, SHAPES, *STATES)
"""Attributes of which a thing has one at a time."""


class OntologyProposer:
    """Siblings, cousins and uncles of the concept that a phrase names.

    "Gray Siamese cat" gives "tabby cat", "Chihuahua" and "dog". The relations take turns, so
    that a short list holds some of each.

    Args:
        ontology: the tree.
        relations: which to take, in order of their turns.
        keep_modifiers: put the phrase's own modifiers before what is proposed ("gray dog"):
            harder to tell apart, and the paper's examples do without.
    """

    def __init__(
        self,
        ontology: Ontology,
        relations: Sequence[Relation] = RELATIONS,
        *,
        keep_modifiers: bool = False,
    ) -> None:
        wrong = [r for r in relations if r not in RELATIONS]
        if wrong:
            raise InputError(f"relations: expected some of {list(RELATIONS)}, got {wrong}")
        self._ontology = ontology
        self._relations = tuple(relations)
        self._keep = keep_modifiers

    @property
    def name(self) -> str:
        """``ontology``."""
        return "ontology"

    def propose(self, phrase: str, image: Image | None = None) -> tuple[str, ...]:
        """Return related concepts; none for a phrase that is not in the tree."""
        match = self._ontology.find(phrase)
        if match is None:
            return ()
        groups = [getattr(self._ontology, f"{r}s")(match.node) for r in self._relations]
        before = match.modifiers if self._keep else ()
        return tuple(
            " ".join((*before, name))
            for name in _in_turn(groups)
            if not self._ontology.node(name).is_category
        )


class AttributeSwap:
    """The same noun with another attribute: "pink rose" gives "red rose".

    Args:
        families: attributes of which a thing has one at a time; the colours' order is that of
            likeness to the one replaced.
    """

    def __init__(self, families: Iterable[Sequence[str]] = FAMILIES) -> None:
        self._families = tuple(tuple(f) for f in families)

    @property
    def name(self) -> str:
        """``attribute swap``."""
        return "attribute swap"

    def propose(self, phrase: str, image: Image | None = None) -> tuple[str, ...]:
        """Return the phrase with one attribute exchanged at a time."""
        words = _without_article(phrase)
        groups = []
        for at in range(head_index(words) if words else 0):
            # "black and white dog": one exchanged colour does not make it false.
            if "and" in words[max(0, at - 1) : at + 2]:
                continue
            groups.append(
                [" ".join((*words[:at], new, *words[at + 1 :])) for new in self._others(words[at])]
            )
        return tuple(dict.fromkeys(_in_turn(groups)))

    def _others(self, word: str) -> list[str]:
        word = SPELLINGS.get(word, word)
        found: dict[str, None] = {}
        for family in self._families:
            if word in family:
                near = [c for c in NEAR_COLOURS.get(word, ()) if c in family]
                others = (o for o in (*near, *family) if o != word)
                found |= dict.fromkeys(o for o in others if frozenset((o, word)) not in SHADES)
        return list(found)


class NounSwap:
    """The same attributes on another noun: "pink rose" gives "pink flamingo".

    Nouns that were seen with one of the attributes come first, since such a phrase exists.

    Args:
        seen: phrases of the project, from which nouns and their attributes are learned.
        ontology: keeps synonyms, wider and narrower nouns out; None compares words only.
    """

    def __init__(self, seen: Iterable[str], ontology: Ontology | None = None) -> None:
        self._ontology = ontology
        self._nouns: dict[str, set[str]] = {}
        for phrase in seen:
            before, noun = self._parts(phrase)
            if noun:
                self._nouns.setdefault(noun, set()).update(before)

    @property
    def name(self) -> str:
        """``noun swap``."""
        return "noun swap"

    def propose(self, phrase: str, image: Image | None = None) -> tuple[str, ...]:
        """Return the phrase's attributes on other nouns; none where it has no attribute."""
        before, noun = self._parts(phrase)
        if not before or not noun:
            return ()
        others = [n for n in self._nouns if n != noun and not self._is_same_line(noun, n)]
        others.sort(key=lambda n: -len(self._nouns[n] & set(before)))
        return tuple(" ".join((*before, other)) for other in others)

    def _parts(self, phrase: str) -> tuple[tuple[str, ...], str]:
        """Cut a phrase into attributes and noun; words that belong to the noun stay with it."""
        words = _without_article(singular_phrase(phrase))
        if not words:
            return (), ""
        end = head_index(words) + 1
        match = self._ontology.find(" ".join(words[:end])) if self._ontology else None
        at = min(len(match.modifiers), end - 1) if match is not None else end - 1
        return words[:at], " ".join(words[at:end])

    def _is_same_line(self, a: str, b: str) -> bool:
        if self._ontology is None:
            return False
        return self._ontology.relation(a, b) in ("same", "ancestor", "descendant")


def _in_turn(groups: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield the first of each group, then the second of each, and so on."""
    waiting = [iter(g) for g in groups]
    while waiting:
        still = []
        for group in waiting:
            for value in group:
                yield value
                still.append(group)
                break
        waiting = still


def _without_article(phrase: str) -> tuple[str, ...]:
    words = words_of(phrase)
    return words[1:] if len(words) > 1 and words[0] in ARTICLES else words
