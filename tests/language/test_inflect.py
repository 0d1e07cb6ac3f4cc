"""Words, heads and singulars."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samnb.language.inflect import (
    INVARIANT,
    IRREGULAR,
    head_index,
    normal,
    singular,
    singular_phrase,
    words_of,
)
from samnb.synthetic.things import GROUPS, NOUNS

PAIRS = {
    "men": "man", "firemen": "fireman", "women": "woman", "children": "child",
    "grandchildren": "grandchild", "people": "person", "buses": "bus", "boxes": "box",
    "churches": "church", "dishes": "dish", "dresses": "dress", "classes": "class",
    "knives": "knife", "gloves": "glove", "wolves": "wolf", "bookshelves": "bookshelf",
    "olives": "olive", "waves": "wave", "shoes": "shoe", "canoes": "canoe",
    "potatoes": "potato", "photos": "photo", "cookies": "cookie", "cherries": "cherry",
    "pies": "pie", "monkeys": "monkey", "roses": "rose", "houses": "house", "horses": "horse",
    "vases": "vase", "sizes": "size", "axes": "axe", "viruses": "virus", "octopuses": "octopus",
    "mice": "mouse", "geese": "goose", "teeth": "tooth", "cacti": "cactus", "leaves": "leaf",
    "t-shirts": "t-shirt", "skis": "ski", "taxis": "taxi", "bananas": "banana",
    "mustaches": "mustache", "benches": "bench", "specimens": "specimen",
}  # fmt: skip
ALONE = (
    "bus", "lens", "grass", "glass", "dress", "scissors", "jeans", "sunglasses", "sheep", "fish",
    "tennis", "specimen", "cactus", "octopus", "iris", "t-shirt", "starfish", "man", "woman",
)  # fmt: skip


@pytest.mark.parametrize(("plural", "one"), PAIRS.items())
def test_a_plural_becomes_singular(plural, one):
    assert singular(plural) == one


@pytest.mark.parametrize("word", [*ALONE, *PAIRS.values()])
def test_a_singular_stays(word):
    assert singular(word) == word


def test_the_concept_worlds_plurals_are_understood():
    assert {singular(n.plural): name for name, n in NOUNS.items()} == {n: n for n in NOUNS}
    assert [singular(p) for p in GROUPS.values()] == list(GROUPS)


def test_lists_agree_with_each_other():
    assert not {w for w in IRREGULAR if w in INVARIANT}
    assert {one for one in IRREGULAR.values() if singular(one) != one} == set()


@given(st.text(alphabet="abcdefghilmnoprstuvwxyz-'", max_size=14))
def test_singular_is_idempotent_on_any_word(word):
    assert singular(singular(word)) == singular(word)


@given(st.text(max_size=40))
def test_singular_phrase_is_idempotent_on_any_text(text):
    once = singular_phrase(text)
    assert singular_phrase(once) == once


@given(st.text(max_size=40))
def test_the_words_of_a_phrase_are_lower_case_and_stay_the_same(text):
    words = words_of(text)
    assert words_of(" ".join(words)) == words
    assert all(w == w.lower() and not w.isspace() for w in words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A man\u2019s red-white \u201chat\u201d!", ("a", "man's", "red-white", "hat")),
        ("the dogs' toys", ("the", "dogs'", "toys")),
        ("  caf\u00e9   TABLE ", ("caf\u00e9", "table")),
        ("...", ()),
    ],
)
def test_words(text, words):
    assert words_of(text) == words
    assert normal(text) == " ".join(words)


@pytest.mark.parametrize(
    ("phrase", "head"),
    [
        ("red cup of coffee", "cup"),
        ("man wearing a hat", "man"),
        ("dog sitting on a couch", "dog"),
        ("black walking stick", "stick"),
        ("brown leather riding boots", "boots"),
        ("cup", "cup"),
    ],
)
def test_the_head_noun(phrase, head):
    words = words_of(phrase)
    assert words[head_index(words)] == head


def test_no_words_have_no_head():
    with pytest.raises(ValueError, match="at least one"):
        head_index(())


@pytest.mark.parametrize(
    ("phrase", "one"),
    [
        ("wine glasses", "wine glass"),
        ("two glasses", "two glass"),
        ("glasses of water", "glass of water"),
        ("reading glasses", "reading glasses"),
        ("sports cars", "sports car"),
        ("plates of cookies", "plate of cookies"),
        ("", ""),
    ],
)
def test_the_head_of_a_phrase_becomes_singular(phrase, one):
    assert singular_phrase(phrase) == one
