"""Which phrases ask for the same."""

from __future__ import annotations

import pytest

from samnb.language.duplicates import is_slip, remove_duplicates, signature
from samnb.language.ontologyfile import default_ontology
from samnb.language.records import run_stages

TREE = default_ontology()


def kept(*phrases, ontology=TREE):
    return [r.text for r in run_stages(phrases, [remove_duplicates(ontology)]) if r.is_kept]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("grey sofas", "gray sofa"),
        ("sofa", "couch"),
        ("brown wooden table", "wooden brown table"),
        ("t-shirt", "tshirt"),
        ("TV", "television"),
        ("the cup", "cups"),
        ("umbrella", "umbrela"),
        ("refrigerator", "refrigreator"),
    ],
)
def test_near_duplicates_leave_the_first(first, second):
    records = run_stages([first, second], [remove_duplicates(TREE)])
    assert [r.is_kept for r in records] == [True, False]
    assert records[1].reason == f"asks for the same as {first!r}"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("cup", "red cup"),
        ("red cup", "blue cup"),
        ("lighter", "fighter"),
        ("monkey", "donkey"),
        ("cup of tea", "cup of coffee"),
        ("car", "cat"),
    ],
)
def test_other_phrases_stay(first, second):
    assert kept(first, second) == [first, second]


def test_without_a_tree_synonyms_are_strangers():
    assert kept("boat", "watercraft", ontology=None) == ["boat", "watercraft"]
    assert kept("red cup", "red cups", ontology=None) == ["red cup"]


def test_the_signature_is_concept_and_other_words():
    assert signature("a gray Siamese cat", TREE) == ("siamese cat", frozenset({"gray"}))
    assert signature("a gray Siamese cat") == ("cat", frozenset({"gray", "siamese"}))
    assert signature("") == ("", frozenset())


@pytest.mark.parametrize(
    ("a", "b", "answer"),
    [
        ("umbrella", "umbrela", True),
        ("umbrella", "umberlla", True),
        ("umbrella", "umbrellq", True),
        ("umbrella", "ubmerlla", False),
        ("cup", "cap", False),
        ("lantern", "pantern", False),
        ("umbrella", "umbre", False),
    ],
)
def test_a_slip_of_the_finger(a, b, answer):
    assert is_slip(a, b) is answer
    assert is_slip(b, a) is answer
