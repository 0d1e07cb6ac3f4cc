"""The tree: relations, finding a phrase's place, wider phrases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samnb.language.inflect import words_of
from samnb.language.lexicon import COLOURS
from samnb.language.ontology import Match, Node, Ontology, canonical, wider_phrases
from samnb.language.ontologyfile import default_ontology
from samnb.synthetic.things import GROUPS, NOUNS
from samnb.types import InputError

TREE = default_ontology()
SMALL = Ontology(
    [
        Node("dog", "animal", ("hound",)),
        Node("animal"),
        Node("cat", "animal"),
        Node("siamese cat", "cat"),
        Node("tabby cat", "cat", ("tabby",)),
        Node("poodle", "dog"),
        Node("heading", "", (), True),
    ]
)
NAMES = st.sampled_from([n.name for n in TREE])


def test_relations_in_a_tree_one_can_see():
    assert SMALL.children() == ("animal", "heading")
    assert SMALL.children("cat") == ("siamese cat", "tabby cat")
    assert SMALL.ancestors("siamese cat") == ("cat", "animal")
    assert SMALL.descendants("animal") == ("dog", "cat", "poodle", "siamese cat", "tabby cat")
    assert SMALL.siblings("siamese cat") == ("tabby cat",)
    assert SMALL.uncles("siamese cat") == ("dog",)
    assert SMALL.cousins("siamese cat") == ("poodle",)
    assert SMALL.siblings("animal") == SMALL.uncles("animal") == SMALL.cousins("animal") == ()
    assert len(SMALL) == 7
    assert "cat" in SMALL
    assert "hound" not in SMALL


@pytest.mark.parametrize(
    ("phrase", "other", "relation"),
    [
        ("gray siamese cat", "tabby", "sibling"),
        ("siamese cats", "dog", "uncle"),
        ("siamese cat", "white poodle", "cousin"),
        ("siamese cat", "animal", "ancestor"),
        ("animal", "hounds", "descendant"),
        ("dog", "black hound", "same"),
        ("dog", "spoon", ""),
        ("heading", "siamese cat", ""),
    ],
)
def test_relations_of_phrases(phrase, other, relation):
    assert SMALL.relation(phrase, other) == relation


@pytest.mark.parametrize(
    ("phrase", "match"),
    [
        ("A gray Siamese cat", Match("siamese cat", ("gray",))),
        ("black hounds", Match("dog", ("black",))),
        ("cat on a mat", Match("cat", (), ("on", "a", "mat"))),
        ("cat house", None),
        ("", None),
    ],
)
def test_a_phrase_finds_its_node(phrase, match):
    assert SMALL.find(phrase) == match


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([Node("cat"), Node("cat")], "'cat' again"),
        ([Node("")], "names that differ"),
        ([Node("cat", "animal")], "known parent, got 'animal'"),
        ([Node("a", "b"), Node("b", "a")], "2 nodes in a circle"),
        ([Node("cat", "", ("kitty",)), Node("dog", "", ("kitty",))], "'cat' and 'dog'"),
    ],
)
def test_what_is_no_tree_is_refused(nodes, message):
    with pytest.raises(InputError, match=message):
        Ontology(nodes)


def test_an_unknown_name_is_refused():
    for ask in (SMALL.node, SMALL.siblings, SMALL.ancestors, SMALL.descendants, SMALL.children):
        with pytest.raises(InputError, match="'zebra'"):
            ask("zebra")


def test_merged_trees_keep_both_and_the_other_wins():
    other = Ontology([Node("animal"), Node("lynx", "animal", ("tabby",))])
    both = SMALL.merged(other)
    assert both.siblings("lynx") == ("dog", "cat")
    assert both.find("tabby") == Match("lynx")
    assert both.find("tabby cat") == Match("tabby cat")


@given(NAMES)
def test_in_the_shipped_tree_relations_are_mutual(name):
    for sibling in TREE.siblings(name):
        assert name in TREE.siblings(sibling)
    for cousin in TREE.cousins(name):
        assert name in TREE.cousins(cousin)
    for above in TREE.ancestors(name):
        assert name in TREE.descendants(above)
    near = {*TREE.siblings(name), *TREE.uncles(name), *TREE.cousins(name)}
    assert name not in near
    assert not near & {*TREE.ancestors(name), *TREE.descendants(name)}


@given(NAMES, st.sampled_from(COLOURS))
def test_in_the_shipped_tree_every_name_is_found_with_its_modifier(name, colour):
    assert TREE.find(name) == Match(name)
    match = TREE.find(f"the {colour} {name}")
    # "orange cat" may be a concept of its own.
    assert match.node == name or match.node in TREE


def test_the_shipped_tree_knows_the_concept_world():
    for name, noun in NOUNS.items():
        assert TREE.find(noun.plural) == Match(name)
        if noun.group:
            assert noun.group in TREE.ancestors(name)
    for group in GROUPS:
        assert not TREE.node(group).is_category


def test_the_shipped_tree_has_near_things_near():
    assert "tabby cat" in TREE.siblings("siamese cat")
    assert "chihuahua" in TREE.cousins("siamese cat")
    assert "dog" in TREE.uncles("siamese cat")
    assert TREE.ancestors("canoe") == ("boat", "vehicle")


@pytest.mark.parametrize(
    ("phrase", "wider"),
    [
        ("red canoe", ("canoe", "red boat", "boat", "red vehicle", "vehicle")),
        ("striped red cup", ("striped cup", "red cup", "cup")),
        ("a gray Siamese cat", ("siamese cat", "gray cat", "cat", "gray mammal", "mammal",
                                "gray animal", "animal")),
        ("small canoe", ("canoe", "boat", "vehicle")),
        ("cup of coffee", ("cup",)),
        ("stuffed bear", ()),
        ("stuffed red bear", ("stuffed bear",)),
        ("toy car", ()),
        ("blue frobnicator", ("frobnicator",)),
        ("", ()),
    ],
)  # fmt: skip
def test_wider_phrases(phrase, wider):
    assert wider_phrases(phrase, TREE) == wider


def test_without_a_tree_only_attributes_are_left_out():
    assert wider_phrases("old red canoe") == ("old canoe", "red canoe", "canoe")


@given(NAMES, st.lists(st.sampled_from(COLOURS), max_size=2, unique=True))
def test_wider_phrases_never_hold_the_phrase_and_end_at_its_ancestors(name, colours):
    phrase = " ".join((*colours, name))
    wider = wider_phrases(phrase, TREE)
    assert len(set(wider)) == len(wider)
    assert phrase not in wider
    node = TREE.find(phrase).node
    for wide in wider:
        assert TREE.find(wide).node in (node, name, *TREE.ancestors(node), *TREE.ancestors(name))


@given(st.text(max_size=30))
def test_the_canonical_form_is_stable(text):
    assert canonical(canonical(text)) == canonical(text)
    assert words_of(canonical(text)) == tuple(canonical(text).split())


@pytest.mark.parametrize(
    ("text", "form"),
    [("The Grey Sofas", "gray couch"), ("TVs", "television"), ("a", "a"), ("hotdogs", "hot dog")],
)
def test_the_canonical_form(text, form):
    assert canonical(text) == form
