"""A tree of concepts: what is a kind of what, and which concepts stand side by side.

SAM 3's engine used 22.4 million Wikidata nodes to balance its concepts, to find negatives and
to close labels upwards: every canoe is also a boat (SAM 3 paper, appendix on the ontology).
The tree that ships holds about a thousand everyday nodes, written by hand; a project may bring
its own, or WordNet (:mod:`samnb.language.wordnet`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

from samnb.language.inflect import head_index, normal, singular_words, words_of
from samnb.language.lexicon import (
    AMBIGUOUS_COLOURS,
    ARTICLES,
    COLOURS,
    MATERIALS,
    PATTERNS,
    SPELLINGS,
    word_set,
)
from samnb.types import InputError

PRIVATIVE = word_set(
    "toy model stuffed fake artificial painted drawn inflatable miniature imitation"
)
"""Words after which a thing is none: a stuffed bear is not an animal."""
_CARRIED = frozenset((*COLOURS, *PATTERNS, *MATERIALS)) | AMBIGUOUS_COLOURS


@dataclass(frozen=True, slots=True)
class Node:
    """One concept.

    Attributes:
        name: the phrase for it, singular.
        parent: name of the wider concept; empty at the top.
        synonyms: other phrases for it.
        is_category: only a heading, such as "kitchenware"; it is never asked for in a picture.
    """

    name: str
    parent: str = ""
    synonyms: tuple[str, ...] = ()
    is_category: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """Where a phrase belongs in the tree.

    Attributes:
        node: name of the concept that its last words name.
        modifiers: the words before them, articles left out.
        rest: the words after the head noun, such as ("of", "coffee").
    """

    node: str
    modifiers: tuple[str, ...] = ()
    rest: tuple[str, ...] = ()


def canonical(phrase: str) -> str:
    """Return a phrase in the form in which phrases are compared.

    Lower case, head noun in the singular, no article, one spelling per word ("grey" and
    "gray", "tv" and "television"). It is a key, not a text to show.
    """
    words = words_of(phrase)
    while len(words) > 1 and words[0] in ARTICLES:
        words = words[1:]
    # Singular before spelling ("tvs"), and after it, where a spelling brought a new head.
    words = singular_words(words)
    if not SPELLINGS.keys().isdisjoint(words):
        words = singular_words(words_of(" ".join(SPELLINGS.get(w, w) for w in words)))
    return " ".join(words)


class Ontology:
    """A tree of concepts.

    Args:
        nodes: parents may come before or after their children.

    Raises:
        InputError: a name or synonym is given twice, a parent is not there, or the tree has a
            circle.
    """

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._nodes: dict[str, Node] = {}
        for node in nodes:
            if not node.name or node.name in self._nodes:
                raise InputError(f"nodes: expected names that differ, got {node.name!r} again")
            self._nodes[node.name] = node
        self._children: dict[str, list[str]] = {name: [] for name in ("", *self._nodes)}
        for node in self._nodes.values():
            if node.parent not in self._children:
                raise InputError(
                    f"node {node.name!r}: expected a known parent, got {node.parent!r}"
                )
            self._children[node.parent].append(node.name)
        self._check_rooted()
        self._lookup: dict[str, str] = {}
        for node in self._nodes.values():
            # A synonym never hides another node's own name.
            self._lookup[canonical(node.name)] = node.name
        for node in self._nodes.values():
            for synonym in node.synonyms:
                owner = self._lookup.setdefault(canonical(synonym), node.name)
                if owner != node.name:
                    raise InputError(
                        f"synonym {synonym!r}: expected one node, got {owner!r} and {node.name!r}"
                    )

    def _check_rooted(self) -> None:
        seen = 0
        level = self._children[""]
        while level:
            seen += len(level)
            level = [c for name in level for c in self._children[name]]
        if seen != len(self._nodes):
            raise InputError(
                f"nodes: expected a tree, got {len(self._nodes) - seen} nodes in a circle"
            )

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, name: object) -> bool:
        return name in self._nodes

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes.values())

    def node(self, name: str) -> Node:
        """Return a node by its name.

        Raises:
            InputError: there is no such node.
        """
        try:
            return self._nodes[name]
        except KeyError:
            raise InputError(f"node: expected a name of the tree, got {name!r}") from None

    def children(self, name: str = "") -> tuple[str, ...]:
        """Return the next narrower concepts; of ``""`` the top of the tree."""
        if name:
            self.node(name)
        return tuple(self._children[name])

    def ancestors(self, name: str) -> tuple[str, ...]:
        """Return all wider concepts, nearest first."""
        found = []
        parent = self.node(name).parent
        while parent:
            found.append(parent)
            parent = self._nodes[parent].parent
        return tuple(found)

    def descendants(self, name: str) -> tuple[str, ...]:
        """Return all narrower concepts, nearest level first."""
        found: list[str] = []
        level = list(self.children(name))
        while level:
            found += level
            level = [c for one in level for c in self._children[one]]
        return tuple(found)

    def siblings(self, name: str) -> tuple[str, ...]:
        """Return the other children of the parent; none at the top of the tree."""
        parent = self.node(name).parent
        return tuple(c for c in self._children[parent] if c != name) if parent else ()

    def uncles(self, name: str) -> tuple[str, ...]:
        """Return the parent's siblings."""
        parent = self.node(name).parent
        return self.siblings(parent) if parent else ()

    def cousins(self, name: str) -> tuple[str, ...]:
        """Return the children of the parent's siblings."""
        return tuple(c for uncle in self.uncles(name) for c in self._children[uncle])

    def find(self, phrase: str) -> Match | None:
        """Map a phrase to the node that most of its words up to the head noun name.

        "A gray Siamese cat" gives the node "siamese cat" with the modifier "gray"; None where
        not even the head noun is in the tree.
        """
        words = words_of(canonical(phrase))
        if not words:
            return None
        end = head_index(words) + 1
        for start in range(end):
            name = self._lookup.get(canonical(" ".join(words[start:end])))
            if name is not None:
                return Match(name, words[:start], words[end:])
        return None

    def relation(self, phrase: str, other: str) -> str:
        """Say how the node of ``other`` stands to that of ``phrase``.

        Returns:
            ``same``, ``ancestor``, ``descendant``, ``sibling``, ``uncle``, ``cousin``, or
            ``""`` where there is none of these or a phrase is not in the tree.
        """
        a, b = self.find(phrase), self.find(other)
        if a is None or b is None:
            return ""
        if a.node == b.node:
            return "same"
        if b.node in self.ancestors(a.node):
            return "ancestor"
        if a.node in self.ancestors(b.node):
            return "descendant"
        for name in ("sibling", "uncle", "cousin"):
            if b.node in getattr(self, f"{name}s")(a.node):
                return name
        return ""

    def merged(self, other: Ontology) -> Ontology:
        """Return this tree with the nodes of another; where both have a name, the other's wins."""
        mine = {n.name: n for n in self} | {n.name: n for n in other}
        taken = {canonical(s) for n in other for s in (n.name, *n.synonyms)}
        nodes = [
            n
            if n.name in other
            else Node(
                n.name,
                n.parent,
                tuple(s for s in n.synonyms if canonical(s) not in taken),
                n.is_category,
            )
            for n in mine.values()
        ]
        return Ontology(nodes)


def wider_phrases(phrase: str, ontology: Ontology | None = None) -> tuple[str, ...]:
    """Return the phrases that are true wherever ``phrase`` is, nearest first.

    Attributes are left out one by one, and the noun is replaced by wider concepts: "red canoe"
    gives "canoe", "red boat", "boat", "red vehicle", "vehicle". It serves two ends: closing
    labels upwards in training, and asking for a coarser concept where the model fails on a
    fine one. Only colours, patterns and materials are carried upwards; headings of the tree
    are left out, and after a word such as "stuffed" nothing wider is claimed.
    """
    words = words_of(phrase)
    while len(words) > 1 and words[0] in ARTICLES:
        words = words[1:]
    if not words:
        return ()
    n_words = head_index(words) + 1
    match = ontology.find(" ".join(words)) if ontology is not None else None
    if match is not None:
        # The node's own words stay together: they are what the modifiers leave over.
        modifiers = words[: max(0, min(len(match.modifiers), n_words - 1))]
        names = [normal(" ".join(words[len(modifiers) : n_words]))]
        if ontology is not None and not PRIVATIVE & set(words):
            names += [a for a in ontology.ancestors(match.node) if not ontology.node(a).is_category]
    else:
        modifiers, names = words[: n_words - 1], [words[n_words - 1]]
    if PRIVATIVE & set(modifiers):
        kept = tuple(m for m in modifiers if m in PRIVATIVE)
        modifiers, names = (
            tuple(m for m in modifiers if m not in PRIVATIVE),
            [" ".join((*kept, names[0]))],
        )
    found: dict[str, None] = {}
    for level, name in enumerate(names):
        usable = (
            modifiers
            if level == 0
            else tuple(m for m in modifiers if SPELLINGS.get(m, m) in _CARRIED)
        )
        # All of them before the phrase's own noun is the phrase itself.
        is_itself = level == 0 and n_words == len(words)
        for size in range(len(usable) - is_itself, -1, -1):
            for chosen in combinations(usable, size):
                found.setdefault(" ".join((*chosen, name)))
    return tuple(found)
