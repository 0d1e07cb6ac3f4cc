"""Trees of concepts in files: the one that ships, and a project's own in JSON or YAML.

A file nests names::

    {"animal": {"dog, hound": ["chihuahua", "poodle"], "*big cat": ["lion", "tiger"]}}

After a name come its synonyms, divided by commas; ``*`` marks a heading that is never asked for
in a picture; a list holds concepts without narrower ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path

from samnb.language.ontology import Node, Ontology
from samnb.types import FormatError, InputError, MediaMissingError, ModelError


@cache
def default_ontology() -> Ontology:
    """Return the tree that ships: about a thousand everyday concepts."""
    text = resources.files("samnb.language").joinpath("data/ontology.json").read_text("utf-8")
    return parse_ontology(json.loads(text))


def load_ontology(path: str | Path) -> Ontology:
    """Read a project's own tree from a ``.json``, ``.yaml`` or ``.yml`` file.

    Raises:
        MediaMissingError: there is no such file.
        FormatError: it is not JSON or YAML, not nested names, or names a concept twice.
        ModelError: it is YAML and PyYAML is not installed.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise MediaMissingError(
            str(path), "there is no such file", "give the path of a tree of concepts"
        ) from error
    try:
        tree = _parse_text(text, is_yaml=path.suffix.lower() in (".yaml", ".yml"))
        return parse_ontology(tree)
    except (ValueError, InputError) as error:
        raise FormatError(f"{path}: expected a nested tree of names, {error}") from error


def _parse_text(text: str, *, is_yaml: bool) -> object:
    if not is_yaml:
        return json.loads(text)
    try:
        import yaml
    except ImportError as error:
        raise ModelError(
            f"a tree in YAML needs PyYAML, got '{error}'; install it or write the tree in JSON"
        ) from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"got no YAML ({error})") from error


def parse_ontology(tree: object) -> Ontology:
    """Make a tree of concepts out of nested mappings and lists.

    Raises:
        InputError: something else than mappings, lists and names, or a name comes twice.
    """
    if not isinstance(tree, Mapping):
        raise InputError(f"tree: expected a mapping of names, got {type(tree).__name__}")
    return Ontology(_nodes(tree, ""))


def _nodes(tree: object, parent: str) -> Iterator[Node]:
    if tree is None:
        return
    if isinstance(tree, Mapping):
        for key, below in tree.items():
            node = _node(key, parent)
            yield node
            yield from _nodes(below, node.name)
    elif isinstance(tree, list):
        for entry in tree:
            if isinstance(entry, Mapping):
                yield from _nodes(entry, parent)
            else:
                yield _node(entry, parent)
    else:
        raise InputError(
            f"below {parent!r}: expected a mapping or a list of names, got {type(tree).__name__}"
        )


def _node(key: object, parent: str) -> Node:
    if not isinstance(key, str) or not key.strip("* ,"):
        raise InputError(f"below {parent!r}: expected a name, got {key!r}")
    is_category = key.startswith("*")
    name, *synonyms = (part.strip() for part in key.lstrip("*").split(","))
    return Node(name, parent, tuple(s for s in synonyms if s), is_category)
