"""What each proposer names for a phrase."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samnb.language.ontologyfile import default_ontology, parse_ontology
from samnb.language.proposers import AttributeSwap, NounSwap, OntologyProposer
from samnb.models.concepts import PhraseProposer
from samnb.synthetic.things import COLOUR_NAMES, NOUNS, TEXTURES, parse_phrase
from samnb.types import InputError

TREE = default_ontology()
SMALL = parse_ontology(
    {"animal": {"cat": ["siamese cat", "tabby cat"], "dog": ["poodle", "pug"], "*fowl": ["hen"]}}
)
PHRASES = st.builds(
    lambda t, c, n: f"{t} {c} {n}",
    st.sampled_from(TEXTURES[1:]),
    st.sampled_from(COLOUR_NAMES),
    st.sampled_from(sorted(NOUNS)),
)


def test_they_are_proposers():
    for proposer in (OntologyProposer(SMALL), AttributeSwap(), NounSwap([])):
        assert isinstance(proposer, PhraseProposer)
        assert proposer.propose("frobnicator") == ()
        assert proposer.propose("") == ()


def test_siblings_cousins_and_uncles_take_turns_without_headings():
    found = OntologyProposer(SMALL).propose("a gray Siamese cat")
    assert found == ("tabby cat", "poodle", "dog", "pug", "hen")


def test_relations_can_be_chosen_and_modifiers_kept():
    assert OntologyProposer(SMALL, ["uncle"]).propose("siamese cat") == ("dog",)
    keeping = OntologyProposer(SMALL, ["sibling"], keep_modifiers=True)
    assert keeping.propose("a gray Siamese cat") == ("gray tabby cat",)
    with pytest.raises(InputError, match="aunt"):
        OntologyProposer(SMALL, ["aunt"])


@pytest.mark.parametrize(
    ("phrase", "first"),
    [
        ("a pink rose", ("red rose", "purple rose")),
        ("grey cat", ("white cat", "black cat")),
        ("striped red cup", ("spotted red cup", "striped orange cup")),
        ("wooden chair", ("metal chair", "plastic chair")),
        ("open umbrella", ("closed umbrella",)),
    ],
)
def test_an_attribute_is_swapped_for_the_likest_first(phrase, first):
    assert AttributeSwap().propose(phrase)[: len(first)] == first


def test_shades_of_one_colour_are_no_negatives():
    found = AttributeSwap().propose("blue hat")
    assert "purple hat" in found
    assert not {"navy hat", "turquoise hat"} & set(found)


def test_a_role_is_not_set_against_an_age():
    found = OntologyProposer(TREE).propose("police officer")
    assert "firefighter" in found
    assert not {"man", "woman", "adult", "child", "person"} & set(found)


def test_joined_colours_and_the_noun_itself_are_left_alone():
    assert AttributeSwap().propose("black and white dog") == ()
    assert AttributeSwap().propose("orange") == ()
    assert "striped" not in " ".join(AttributeSwap([("red", "blue")]).propose("spotted red cup"))


@given(PHRASES)
def test_an_attribute_swap_changes_exactly_one_word(phrase):
    words = phrase.split()
    for other in AttributeSwap().propose(phrase):
        changed = [a != b for a, b in zip(words, other.split(), strict=True)]
        assert changed.count(True) == 1
        assert not changed[-1]


@given(PHRASES, st.lists(PHRASES, max_size=8))
def test_a_noun_swap_keeps_the_attributes_and_takes_nouns_that_were_seen(phrase, seen):
    asked = parse_phrase(phrase)
    nouns = {parse_phrase(p).noun for p in seen}
    for other in NounSwap(seen, TREE).propose(phrase):
        found = parse_phrase(other)
        assert (found.colour, found.texture) == (asked.colour, asked.texture)
        assert found.noun in nouns - {asked.noun}


def test_nouns_seen_with_the_attribute_come_first_and_kin_are_left_out():
    seen = ["blue boat", "pink flamingo", "pink flower", "rose", "red sofas"]
    swap = NounSwap(seen, TREE)
    assert swap.propose("pink rose") == ("pink flamingo", "pink boat", "pink sofa")
    assert swap.propose("pink couch")[0] == "pink flamingo"
    assert "pink sofa" not in swap.propose("pink couch")
    assert swap.propose("rose") == ()
    assert NounSwap(seen).propose("pink rose")[:2] == ("pink flamingo", "pink flower")


def test_words_of_a_noun_stay_together():
    swap = NounSwap(["red wine glass", "red traffic light"], TREE)
    assert swap.propose("red wine glass") == ("red traffic light",)
