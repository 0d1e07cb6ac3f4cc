"""Phrases of clips: joined over frames, trivial and easy ones dropped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samnb.language.ontologyfile import default_ontology
from samnb.language.video import (
    ClipDecision,
    ClipPhrase,
    clip_table,
    collect_phrases,
    drop_easy,
    drop_whole_scene,
)
from samnb.types import InputError

TREE = default_ontology()


def test_phrases_of_frames_are_joined_most_frequent_first():
    frames = {8: ["sofa", "cup"], 0: ["dog", "couch", "couch"], 4: ["dogs", "couch"]}
    assert collect_phrases(frames, ontology=TREE) == (
        ClipPhrase("couch", (0, 4, 8)),
        ClipPhrase("dog", (0, 4)),
        ClipPhrase("cup", (8,)),
    )
    assert [p.text for p in collect_phrases(frames, ontology=TREE, min_frames=2)] == [
        "couch",
        "dog",
    ]
    assert collect_phrases({}) == ()
    with pytest.raises(InputError, match="min_frames"):
        collect_phrases({}, min_frames=0)


@given(
    st.dictionaries(
        st.integers(0, 50),
        st.lists(st.sampled_from(["dog", "dogs", "red cup", "sofa", "couch"]), max_size=4),
        max_size=5,
    )
)
def test_no_phrase_of_a_frame_is_lost_or_invented(frames):
    found = collect_phrases(frames)
    said = {p for phrases in frames.values() for p in phrases}
    assert {p.text for p in found} <= said
    named = {f for p in found for f in p.frame_idxs}
    assert named == {f for f, phrases in frames.items() if phrases}


def test_a_masklet_that_holds_the_whole_scene_makes_its_phrase_trivial():
    shares = {"beach": [[0.95, 0.93]], "dog": [[0.1], [0.2, 0.3]], "none": [], "hill": [[0.1, 1.0]]}
    found = drop_whole_scene("v", shares)
    assert [(d.phrase, d.is_kept) for d in found] == [
        ("beach", False), ("dog", True), ("none", True), ("hill", True),
    ]  # fmt: skip
    assert found[0].reason == "a masklet covers 94 % of the frame"
    assert not drop_whole_scene("v", {"hill": [[0.1, 1.0]]}, whole=0.5)[0].is_kept


@pytest.mark.parametrize(("shares", "whole"), [({"a": [[1.2]]}, 0.9), ({}, 0.0)])
def test_shares_are_shares(shares, whole):
    with pytest.raises(InputError):
        drop_whole_scene("v", shares, whole=whole)


def test_phrases_with_few_objects_and_clips_with_few_phrases_are_easy():
    found = drop_easy({"a": {"dog": 3, "cat": 4, "cup": 2}, "b": {"dog": 3, "cup": 1}, "c": {}})
    assert found == (
        ClipDecision("a", "dog", True),
        ClipDecision("a", "cat", True),
        ClipDecision("a", "cup", False, "2 objects, 3 are needed"),
        ClipDecision("a", "", True),
        ClipDecision("b", "dog", False, "1 phrases with 3 objects or more, 2 are needed"),
        ClipDecision("b", "cup", False, "1 objects, 3 are needed"),
        ClipDecision("b", "", False, "1 phrases with 3 objects or more, 2 are needed"),
        ClipDecision("c", "", False, "0 phrases with 3 objects or more, 2 are needed"),
    )


@given(
    st.dictionaries(
        st.sampled_from("vw"),
        st.dictionaries(st.sampled_from("abcd"), st.integers(0, 6)),
    ),
    st.integers(1, 5),
    st.integers(1, 4),
)
def test_a_kept_clip_has_enough_phrases_and_a_dropped_one_keeps_none(counts, n, m):
    found = drop_easy(counts, min_objects=n, min_phrases=m)
    for clip, phrases in counts.items():
        kept = [d.phrase for d in found if d.clip == clip and d.is_kept]
        enough = [p for p, k in phrases.items() if k >= n]
        assert kept == ([*enough, ""] if len(enough) >= m else [])


def test_bounds_are_at_least_one():
    with pytest.raises(InputError, match="got 0 and 2"):
        drop_easy({}, min_objects=0)


def test_the_table_shows_every_decision():
    table = clip_table(drop_easy({"a": {"dog": 3}}))
    assert table.to_dict("list")["is_kept"] == [False, False]
    assert list(clip_table([]).columns) == ["clip", "phrase", "is_kept", "reason"]
