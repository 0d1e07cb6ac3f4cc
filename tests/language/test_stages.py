"""What each stage changes and drops, and why."""

from __future__ import annotations

import pytest

from samnb.language.ontologyfile import default_ontology
from samnb.language.records import kept_phrases, run_stages
from samnb.language.stages import (
    default_stages,
    drop_negated,
    drop_scene_level,
    drop_ungroundable,
    restrict,
    strip_determiners,
    strip_possessives,
    strip_sensitive,
    strip_unsteady,
    strip_vague,
    strip_verb,
    tidy,
    video_stages,
    within,
)
from samnb.types import InputError

TREE = default_ontology()


def steady(phrase):
    return strip_unsteady(TREE).decide([phrase])[0]


def mend_verb(phrase):
    return strip_verb(TREE).decide([phrase])[0]


def cleaned(*phrases, stages=None):
    return kept_phrases(run_stages(phrases, default_stages(TREE) if stages is None else stages))


@pytest.mark.parametrize(
    ("stage", "phrase", "text"),
    [
        (tidy, " A  Red,Cup! ", "a red cup"),
        (strip_possessives, "a man's red hat", "red hat"),
        (strip_possessives, "the dogs' toys", "toys"),
        (strip_possessives, "her owner's laptop", "laptop"),
        (strip_possessives, "his red hat", "red hat"),
        (strip_determiners, "the two red cups", "red cup"),
        (strip_determiners, "a few of the dogs", "dog"),
        (strip_determiners, "a large group of people", "person"),
        (strip_determiners, "lots of kites", "kite"),
        (strip_determiners, "only a few parked bicycle", "parked bicycle"),
        (strip_determiners, "cup of coffee", "cup of coffee"),
        (strip_determiners, "3 balls", "ball"),
        (strip_vague, "beautiful old house", "old house"),
        (strip_vague, "very smaller boat", "boat"),
        (strip_vague, "beautiful", "beautiful"),
        (strip_sensitive, "elderly black man", "elderly man"),
        (strip_sensitive, "black dog", "black dog"),
        (steady, "large running dog", "dog"),
        (steady, "tall glass vase", "glass vase"),
        (mend_verb, "giraffe graze", "giraffe"),
        (mend_verb, "walking stick", "walking stick"),
    ],
)
def test_a_stage_changes(stage, phrase, text):
    decision = stage(phrase)
    assert (decision.text, decision.is_dropped) == (text, False)


@pytest.mark.parametrize(
    ("stage", "phrase", "reason"),
    [
        (tidy, "...", "no words"),
        (drop_negated, "no cars", "not there"),
        (strip_possessives, "his", "owner"),
        (strip_determiners, "the two", "number or an article"),
        (drop_ungroundable, "it", "pronoun"),
        (drop_ungroundable, "middle", "place"),
        (drop_ungroundable, "left side", "place"),
        (drop_ungroundable, "black and white photo", "picture itself"),
        (drop_ungroundable, "sunny day", "time"),
        (drop_ungroundable, "variety", "measure"),
        (drop_ungroundable, "large group", "measure"),
        (drop_ungroundable, "good idea", "boundary"),
        (drop_ungroundable, "bright blue", "attribute"),
        (drop_ungroundable, "striped", "attribute"),
        (drop_ungroundable, "x", "not a word"),
        (drop_ungroundable, "white background", "place"),
        (drop_ungroundable, "img 2034.jpg", "file name"),
        (drop_scene_level, "city street", "setting"),
        (drop_scene_level, "mountains", "setting"),
    ],
)
def test_a_stage_drops_with_a_reason(stage, phrase, reason):
    decision = stage(phrase)
    assert decision.is_dropped
    assert reason in decision.reason


@pytest.mark.parametrize(
    ("stage", "phrase"),
    [
        (drop_ungroundable, "red top"),
        (drop_ungroundable, "framed picture"),
        (drop_ungroundable, "orange"),
        (drop_ungroundable, "young couple"),
        (drop_ungroundable, "picture frame"),
        (drop_negated, "cup without handle"),
        (drop_scene_level, "street sign"),
        (steady, "red dog"),
        (steady, "swimming pool"),
        (steady, "walking stick"),
    ],
)
def test_a_thing_passes(stage, phrase):
    assert stage(phrase).text == phrase
    assert not stage(phrase).is_dropped


def test_the_restricted_list_is_compared_in_canonical_form_and_gives_its_reason():
    stages = [restrict({"person": "too frequent"}), restrict(["gray wall"])]
    records = run_stages(["people", "grey walls", "dog"], stages)
    assert [r.reason for r in records] == ["too frequent", "on the restricted list", ""]


def test_only_chosen_branches_pass():
    stages = [within(TREE, ["vehicle", "dog"])]
    records = run_stages(["red car", "poodle", "cat", "frobnicator"], stages)
    assert [r.is_kept for r in records] == [True, True, False, False]
    assert "'cat' is outside" in records[2].reason
    assert kept_phrases(run_stages(["cat", "frobnicator"], [within(TREE)])) == ("cat",)
    with pytest.raises(InputError, match="frobnicator"):
        within(TREE, ["frobnicator"])


def test_the_pipeline_from_chunks_to_phrases():
    given = (
        "A man's red hat", "the brown wooden table", "two wine glasses", "It", "grey sofas",
        "a gray couch", "a group of people", "the middle", "several beautiful umbrellas",
    )  # fmt: skip
    wanted = ("red hat", "brown wooden table", "wine glass", "grey sofa", "person", "umbrella")
    assert cleaned(*given) == wanted


def test_clips_lose_settings_sizes_and_actions_too():
    given = ("the kitchen", "a running dog", "the largest cup", "two big red cups", "a cup")
    assert cleaned(*given) == ("kitchen", "running dog", "cup", "big red cup")
    assert cleaned(*given, stages=video_stages(TREE)) == ("dog", "cup", "red cup")


def test_stages_have_names_that_differ():
    for stages in (default_stages(TREE, standings={}), video_stages(TREE, standings={})):
        names = [s.name for s in stages]
        assert len(set(names)) == len(names)
        assert names[-1] == "balance"
