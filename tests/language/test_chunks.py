"""Noun phrases by spaCy, and whole captions through the pipeline."""

from __future__ import annotations

import sys

import pytest

from samnb.language.chunks import Chunk, SpacyChunker, load_chunker, mine_phrases
from samnb.language.ontologyfile import default_ontology
from samnb.language.records import kept_phrases
from samnb.language.stages import default_stages
from samnb.synthetic.concepts import make_concept_scene
from samnb.types import InputError, ModelError
from tests.language.captioned import CAPTIONS

STAGES = default_stages(default_ontology())


@pytest.fixture(scope="module")
def chunker():
    return load_chunker()


def test_chunks_in_reading_order_with_their_places(chunker):
    caption = "A red cup stands  on\nthe table."
    assert chunker(caption) == (Chunk("A red cup", 0), Chunk("the table", 20))


@pytest.mark.parametrize(
    ("caption", "absent"),
    [
        ("There are no cars on the street.", ["no cars"]),
        ("A man without a hat or gloves rides a horse.", ["a hat", "gloves"]),
        ("A man with a hat rides a horse.", []),
    ],
)
def test_what_a_caption_says_is_not_there(chunker, caption, absent):
    assert [c.text for c in chunker(caption) if c.is_negated] == absent
    dropped = [r for r in mine_phrases(caption, chunker) if not r.is_kept]
    assert [(r.text, r.dropped_by) for r in dropped] == [(a, "caption") for a in absent]


def test_names_alone_are_dropped_and_kinds_are_not(chunker):
    caption = "The man walks past Big Ben in London with a Labrador."
    assert [c.text for c in chunker(caption) if c.is_name] == ["Big Ben", "London"]
    title = "Red Cup On Wooden Table"
    assert not any(c.is_name for c in chunker(title))


@pytest.mark.parametrize(("caption", "phrases"), CAPTIONS.items())
def test_a_caption_gives_the_phrases_that_a_person_would_ask_for(chunker, caption, phrases):
    records = mine_phrases(caption, chunker, STAGES, origin="alt text")
    assert set(kept_phrases(records)) == phrases
    assert all(r.raw in caption and r.origin == "alt text" for r in records)


def test_the_concept_worlds_captions_give_phrases_that_are_there(chunker):
    for seed in range(12):
        scene = make_concept_scene(seed, size_hw=(64, 80))
        found = kept_phrases(mine_phrases(scene.caption, chunker, STAGES))
        there = [p for p in found if scene.truth(p)]
        specific = {t.phrases[-1] for t in scene.things}
        assert len(specific & set(there)) >= len(specific) - 1, (scene.caption, found)


def test_the_pipeline_is_named_with_its_version(chunker):
    name, version = chunker.name.split("@")
    assert name.startswith("en_core_web_sm")
    assert version


def test_a_missing_pipeline_says_what_to_install():
    with pytest.raises(ModelError, match=r"expected 'xx_nothing'.*pip install spacy en-core-web"):
        load_chunker("xx_nothing")


def test_missing_spacy_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(ModelError, match=r"need spaCy.*pip install spacy en-core-web"):
        load_chunker()


def test_a_pipeline_without_a_parser_is_refused():
    with pytest.raises(InputError, match="parser"):
        SpacyChunker(type("Blank", (), {"pipe_names": ["tagger"]})())
