"""Lanes: what each frame has and which deserve a look."""

from __future__ import annotations

import pytest

from samnb.engine.state import FrameState, ItemState
from samnb.types import Box, Item, MaskPrompt, Point, Step
from samnb.widgets.lanes import css_colour, lane_of, title

AREAS = {"none": 0, "small": 100, "same": 150, "large": 250}


def item(frames, step=Step.TRACK, name=""):
    return ItemState(Item("a", "m", 2, name), step, frames=dict(enumerate(frames)))


def tracked(mask_id, **scores):
    return FrameState(1, "propagated", mask_id, **scores)


def doubts(*frames, step=Step.TRACK):
    return [m.doubts for m in lane_of(item(frames, step), range(len(frames)), AREAS).marks]


def test_a_lane_says_whose_it_is():
    lane = lane_of(item([], Step.VERIFY), (), AREAS)
    assert (lane.item_id, lane.obj_id, lane.name, lane.step) == ("a", 2, "object 2", Step.VERIFY)
    assert lane.colour == css_colour(2) and lane.colour.startswith("#")
    assert title(item([], name="dog")) == "dog"


def test_marks_tell_prompts_edits_and_absence_apart():
    frames = [
        FrameState(1, "points", "small", (Point(1, 1),), True),
        FrameState(1, "box", "small", (Box(0, 0, 2, 2),), True),
        FrameState(1, "brush", "small", (MaskPrompt("small"),), True),
        FrameState(1, "absent", "none", (MaskPrompt("none"),), True),
        FrameState(1, "clear", None),
    ]
    marks = lane_of(item(frames), range(6), AREAS).marks
    assert [m.frame_idx for m in marks] == [0, 1, 2, 3], "cleared and empty frames have none"
    assert [m.is_prompted for m in marks] == [True, True, False, False]
    assert [m.is_present for m in marks] == [True, True, True, False]
    assert all(m.is_edited for m in marks)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (tracked("small", confidence=0.59), ("low confidence (0.59)",)),
        (tracked("small", confidence=0.6), ()),
        (tracked("none", confidence=0.1), ()),
        (tracked("small", presence=0.5), ("unsure whether it is in the picture",)),
        (tracked("small", presence=0.95), ()),
        (FrameState(1, "points", "small", (), True, confidence=0.1), ()),
    ],
)
def test_an_unsure_model_is_worth_a_look_but_a_hand_is_not(frame, words):
    assert doubts(frame) == [words]


def test_jumps_are_seen_against_the_frame_before():
    found = doubts(tracked("small"), tracked("same"), tracked("large"), tracked("small"),
                   tracked("none"), tracked("small"))  # fmt: skip
    assert found == [(), (), (), ("size jumps",), ("is lost here",), ("appears here",)]


def test_a_gap_ends_the_comparison():
    assert doubts(tracked("small"), FrameState(1, "clear", None), tracked("large")) == [(), ()]


def test_what_is_accepted_has_no_doubts():
    assert doubts(tracked("small", confidence=0.1), step=Step.ACCEPTED) == [()]


def test_suspicious_frames_come_in_order():
    frames = [tracked("small", confidence=c) for c in (0.1, 0.9, 0.2)]
    assert lane_of(item(frames), range(3), AREAS).suspicious == (0, 2)
