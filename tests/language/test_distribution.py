"""Counts over the tree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samnb.language.distribution import OUTSIDE, concept_distribution
from samnb.language.ontologyfile import default_ontology, parse_ontology
from samnb.types import InputError

TREE = parse_ontology({"animal": {"cat": ["siamese cat"], "dog": []}, "cup": []})


def test_counts_go_up_the_tree():
    phrases = ["gray siamese cat", "siamese cats", "cat", "dog", "frobnicator"]
    table = concept_distribution(phrases, TREE)
    rows = table[["concept", "parent", "top", "depth", "own", "total"]].to_numpy().tolist()
    assert rows == [
        ["animal", "", "animal", 0, 0, 4],
        ["cat", "animal", "animal", 1, 1, 3],
        ["siamese cat", "cat", "animal", 2, 2, 2],
        ["dog", "animal", "animal", 1, 1, 1],
        [OUTSIDE, "", OUTSIDE, 0, 1, 1],
    ]
    assert list(table.share) == pytest.approx([0.8, 0.6, 0.4, 0.2, 0.2])
    assert table.examples[2] == "gray siamese cat, siamese cats"


def test_counts_can_be_given():
    table = concept_distribution({"cat": 5, "cup": 15}, TREE)
    assert dict(zip(table.concept, table.share, strict=True)) == {
        "animal": 0.25, "cat": 0.25, "cup": 0.75,
    }  # fmt: skip
    with pytest.raises(InputError, match="0 or more"):
        concept_distribution({"cat": -1}, TREE)


def test_nothing_gives_an_empty_table():
    assert len(concept_distribution([], TREE)) == 0


@given(st.lists(st.sampled_from(["red cup", "dogs", "canoe", "poodle", "xyzzy", "sofa"])))
def test_the_branches_and_what_is_outside_add_up_to_everything(phrases):
    table = concept_distribution(phrases, default_ontology())
    assert table[table.depth == 0].total.sum() == len(phrases) == table.own.sum()
