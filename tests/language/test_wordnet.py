"""A WordNet folder of seven concepts in the form of the real files."""

from __future__ import annotations

import pytest

from samnb.language.ontology import Match
from samnb.language.wordnet import load_wordnet
from samnb.types import FormatError, MediaMissingError

DATA = """\
  1 This line is a licence.
00000001 03 n 01 physical_entity 0 000 | what can be seen
00000002 05 n 02 animal 0 creature 0 001 @ 00000001 n 0000 | it lives
00000003 05 n 03 dog 0 domestic_dog 0 Canis 0 002 @ 00000002 n 0000 ~ 00000004 n 0000 | barks
00000004 05 n 01 poodle 0 002 @ 00000003 n 0000 @ 00000006 n 0000 | curly
00000005 05 n 01 Lassie 0 001 @i 00000003 n 0000 | a film star
00000006 06 n 02 toy 0 dog 1 001 @ 00000001 n 0000 | played with
00000007 04 n 01 idea 0 000 | a thought
"""
INDEX = """\
  1 This line is a licence.
physical_entity n 1 0 1 0 00000001
animal n 1 1 @ 1 1 00000002
creature n 1 1 @ 1 0 00000002
dog n 2 2 @ ~ 2 1 00000003 00000006
domestic_dog n 1 1 @ 1 0 00000003
canis n 1 1 @ 1 0 00000003
poodle n 1 1 @ 1 0 00000004
lassie n 1 1 @i 1 0 00000005
toy n 1 1 @ 1 0 00000006
idea n 1 0 1 0 00000007
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data.noun").write_text(DATA)
    (tmp_path / "index.noun").write_text(INDEX)
    return tmp_path


def test_a_word_names_its_most_frequent_sense_and_a_concept_its_first_parent(folder):
    tree = load_wordnet(folder)
    assert {n.name: n.parent for n in tree} == {
        "physical entity": "",
        "animal": "physical entity",
        "toy": "physical entity",
        "dog": "animal",
        "poodle": "dog",
        "lassie": "dog",
    }
    assert tree.node("dog").synonyms == ("domestic dog", "canis")
    assert tree.find("black domestic dogs") == Match("dog", ("black",))
    assert tree.find("idea") is None


def test_a_branch_of_it(folder):
    tree = load_wordnet(folder, root="animal")
    assert tree.children() == ("animal",)
    assert tree.find("toy") is None


def test_a_word_may_name_a_rarer_sense_inside_the_branch(folder):
    tree = load_wordnet(folder, root="toy")
    assert tree.find("dog") == Match("toy")


def test_what_is_missing_is_named(folder):
    with pytest.raises(FormatError, match="'zebra'"):
        load_wordnet(folder, root="zebra")
    (folder / "index.noun").unlink()
    with pytest.raises(MediaMissingError, match=r"'index\.noun'"):
        load_wordnet(folder)


@pytest.mark.parametrize(
    ("name", "line", "place"),
    [("data.noun", "00000001 03 n zz", "line 1"), ("index.noun", "dog n x", "line 1")],
)
def test_a_broken_line_is_named(folder, name, line, place):
    (folder / name).write_text(line + "\n")
    with pytest.raises(FormatError, match=place):
        load_wordnet(folder)
