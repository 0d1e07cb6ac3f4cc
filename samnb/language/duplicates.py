"""Near-duplicates among phrases: which of them ask a model for the same thing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from samnb.language.inflect import head_index, words_of
from samnb.language.ontology import Ontology, canonical
from samnb.language.records import Decision, Stage, drop, keep

Signature: TypeAlias = tuple[str, frozenset[str]]
"""What a phrase asks for: its noun or concept, and the set of its other words."""


def remove_duplicates(ontology: Ontology | None = None) -> Stage:
    """Make the stage that keeps the first of phrases that ask for the same.

    Near-duplicates are: another spelling or number ("grey sofas", "gray sofa"), the same words
    before the noun in another order, synonyms by the ontology, and one slip of the finger in a
    long word that the ontology does not know.
    """

    def decide(phrases: Sequence[str]) -> list[Decision]:
        first: dict[Signature, str] = {}
        # Only what shares the other words and the first letter can be a slip of the other.
        near: dict[tuple[frozenset[str], str], list[Signature]] = {}
        decisions = []
        for phrase in phrases:
            key = signature(phrase, ontology)
            alike = near.setdefault((key[1], key[0][:1]), [])
            known = key if key in first else _slip_of(key, alike, ontology)
            if known is None:
                first[key] = phrase
                alike.append(key)
                decisions.append(keep(phrase))
            else:
                decisions.append(drop(phrase, f"asks for the same as {first[known]!r}"))
        return decisions

    return Stage("duplicates", decide)


def signature(phrase: str, ontology: Ontology | None = None) -> Signature:
    """Return what a phrase asks for; equal signatures ask for the same."""
    match = ontology.find(phrase) if ontology is not None else None
    if match is not None:
        return match.node, frozenset((*match.modifiers, *match.rest))
    words = words_of(canonical(phrase))
    at = head_index(words) if words else 0
    return (words[at] if words else ""), frozenset(words[:at] + words[at + 1 :])


def _slip_of(
    key: Signature, others: Iterable[Signature], ontology: Ontology | None
) -> Signature | None:
    for other in others:
        if not is_slip(key[0], other[0]):
            continue
        # Two words that both exist, such as "monkey" and "money", are no slip.
        if ontology is None or ontology.find(key[0]) is None or ontology.find(other[0]) is None:
            return other
    return None


def is_slip(a: str, b: str) -> bool:
    """Whether two words of 6 letters or more differ by one letter, or by two swapped ones."""
    if min(len(a), len(b)) < 6 or abs(len(a) - len(b)) > 1 or a[0] != b[0]:
        return False
    if len(a) == len(b):
        wrong = [i for i, (x, y) in enumerate(zip(a, b, strict=True)) if x != y]
        if len(wrong) == 2 and wrong[1] == wrong[0] + 1:
            i = wrong[0]
            return a[i] == b[i + 1] and a[i + 1] == b[i]
        return len(wrong) <= 1
    short, long = sorted((a, b), key=len)
    return any(long[:i] + long[i + 1 :] == short for i in range(len(long)))
