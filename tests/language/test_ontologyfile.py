"""Trees in files."""

from __future__ import annotations

import json

import pytest

from samnb.language.ontology import Node
from samnb.language.ontologyfile import default_ontology, load_ontology, parse_ontology
from samnb.types import FormatError, InputError, MediaMissingError

TREE = {"animal, creature": {"dog": ["poodle", {"hound": ["beagle"]}], "*big cat": None}}
NODES = [
    Node("animal", "", ("creature",)),
    Node("dog", "animal"),
    Node("poodle", "dog"),
    Node("hound", "dog"),
    Node("beagle", "hound"),
    Node("big cat", "animal", (), True),
]


def test_nested_names_become_nodes():
    assert list(parse_ontology(TREE)) == NODES


@pytest.mark.parametrize("suffix", [".json", ".yaml", ".yml"])
def test_a_file_in_json_or_yaml(tmp_path, suffix):
    path = tmp_path / f"tree{suffix}"
    text = json.dumps(TREE)
    if suffix != ".json":
        text = "animal, creature:\n  dog:\n    - poodle\n    - hound: [beagle]\n  '*big cat':\n"
    path.write_text(text)
    assert list(load_ontology(path)) == NODES


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", "nested tree of names"),
        ("a.yaml", "a: [", "no YAML"),
        ("a.json", "[1]", "mapping of names, got list"),
        ("a.json", '{"a": 3}', "below 'a'"),
        ("a.json", '{"a": [7]}', "expected a name, got 7"),
        ("a.json", '{"*": []}', "expected a name"),
        ("a.json", '{"a": ["a"]}', "'a' again"),
    ],
)
def test_a_broken_file_is_named(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(FormatError, match=message) as caught:
        load_ontology(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MediaMissingError, match="no such file"):
        load_ontology(tmp_path / "none.json")


def test_not_even_a_mapping():
    with pytest.raises(InputError, match="got NoneType"):
        parse_ontology(None)


def test_the_shipped_tree_is_read_once_and_large_enough():
    assert default_ontology() is default_ontology()
    assert len(default_ontology()) > 900
    assert sum(n.is_category for n in default_ontology()) > 50
