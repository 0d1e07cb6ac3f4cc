"""The pipeline's beat: every phrase comes back, alive or with its reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samnb.language.lexicon import word_set
from samnb.language.ontologyfile import default_ontology
from samnb.language.records import (
    PhraseRecord,
    Stage,
    drop,
    each,
    keep,
    kept_phrases,
    phrase_table,
    policy_stage,
    run_stages,
    stage_counts,
)
from samnb.language.stages import default_stages, video_stages
from samnb.types import InputError

SHOUT = each("shout", lambda p: keep(p.upper(), "loud is better"))
SHORT = policy_stage("short", lambda p: "too short" if len(p) < 4 else "")
TREE = default_ontology()
WORDS = st.sampled_from(
    sorted(
        word_set(
            "a the two no his man's red striped cup cups of glasses group people it middle dog "
            "grey sofa couch beautiful black kitchen running wine photo , - and umbrella umbrela 3"
        )
    )
)


def test_a_phrase_keeps_its_way_and_its_end():
    cup, it = run_stages(["cup!", "it"], [SHORT, SHOUT], origin="alt text")
    assert (cup.raw, cup.text, cup.origin, cup.is_kept) == ("cup!", "CUP!", "alt text", True)
    assert [(s.stage, s.before, s.after, s.reason) for s in cup.steps] == [
        ("shout", "cup!", "CUP!", "loud is better")
    ]
    assert (it.text, it.dropped_by, it.reason, it.steps) == ("it", "short", "too short", ())


def test_a_stage_sees_only_what_is_alive():
    seen = []

    def look(phrases):
        seen.append(tuple(phrases))
        return [keep(p) for p in phrases]

    run_stages(["it", "a cup"], [SHORT, Stage("look", look)])
    assert seen == [("a cup",)]


def test_records_of_an_earlier_run_go_on():
    first = run_stages(["it", "a cup"], [SHORT])
    again = run_stages(first, [SHOUT])
    assert again[0] == first[0]
    assert again[1].text == "A CUP"


def test_a_stage_must_answer_for_every_phrase():
    with pytest.raises(InputError, match=r"stage 'lazy': expected 2 decisions.*got 1"):
        run_stages(["a", "b"], [Stage("lazy", lambda p: [keep("a")])])


def test_a_stage_cannot_empty_a_phrase_in_silence():
    with pytest.raises(InputError, match="expected a phrase or a drop"):
        run_stages(["cup"], [each("empty", lambda p: keep(""))])


def test_tables_show_every_phrase_and_every_stage():
    records = run_stages(["it", "a cup", "us"], [SHORT, SHOUT])
    table = phrase_table(records)
    assert list(table.raw) == ["it", "a cup", "us"]
    assert list(table.is_kept) == [False, True, False]
    assert table.changes[1] == "shout: a cup -> A CUP"
    counts = stage_counts(records)
    assert counts.to_dict("records") == [{"stage": "short", "dropped": 2, "examples": "it, us"}]
    assert list(phrase_table([]).columns) == list(table.columns)


def test_kept_phrases_are_given_once():
    records = [PhraseRecord("a", "cup"), PhraseRecord("b", "cup"), PhraseRecord("c", "dog")]
    assert kept_phrases(records) == ("cup", "dog")


@pytest.mark.parametrize("stages", [default_stages(TREE), default_stages(), video_stages(TREE)])
@given(phrases=st.lists(st.lists(WORDS, max_size=5).map(" ".join), max_size=6))
def test_no_phrase_is_lost_or_invented(stages, phrases):
    records = run_stages(phrases, stages)
    assert [r.raw for r in records] == phrases
    for record in records:
        assert record.is_kept or record.reason
        if record.is_kept:
            # Each word comes from the caption, in the singular at most.
            known = " ".join(run_stages([record.raw], stages[:1])[0].text.split())
            assert len(record.text.split()) <= len(known.split())
            for word in record.text.split():
                assert any(w.startswith(word[:3]) for w in [*known.split(), "person"])


@given(phrases=st.lists(st.lists(WORDS, min_size=1, max_size=4).map(" ".join), max_size=6))
def test_what_came_through_comes_through_again_unchanged(phrases):
    stages = default_stages(TREE)
    once = kept_phrases(run_stages(phrases, stages))
    assert kept_phrases(run_stages(once, stages)) == once


@given(st.lists(st.text(max_size=20), max_size=4))
def test_any_text_at_all_is_answered(phrases):
    records = run_stages(phrases, default_stages(TREE))
    assert [r.raw for r in records] == phrases


def test_a_drop_says_why():
    decision = drop("it", "a pronoun")
    assert (decision.text, decision.reason, decision.is_dropped) == ("it", "a pronoun", True)
