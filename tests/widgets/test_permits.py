"""What a phase, a step or a running propagation forbids, and in which words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from samnb.engine import phases
from samnb.engine.state import FrameState, ItemState
from samnb.types import Box, Item, Point, Step, Stroke
from samnb.widgets import intents as wants
from samnb.widgets.intents import View
from samnb.widgets.permits import TOOL_NAMES, phase_at, refuse, why_not_propagate

VIEW = View(item_id="a", frames=(0, 1), item_ids=("a", "b"))
POINTS = wants.SetPrompts("a", 0, (Point(1, 1),))
BOX = wants.SetPrompts("a", 0, (Box(0, 0, 2, 2), Point(1, 1)))
BRUSH = wants.PaintStroke("a", 0, Stroke(((1, 1),), 2.0))
ERASER = wants.PaintStroke("a", 0, Stroke(((1, 1),), 2.0, is_erase=True))
EDITS = {
    "points": POINTS,
    "box": BOX,
    "brush": BRUSH,
    "eraser": ERASER,
    "absent": wants.MarkAbsent("a", 0),
    "clear": wants.ClearFrame("a", 0),
}


def item(item_id="a", phase=3, step=Step.TRACK):
    return ItemState(Item(item_id, "m", ord(item_id) - 96, phase=phase), step)


@pytest.mark.parametrize("tool", EDITS)
def test_an_edit_is_allowed_while_the_object_is_tracked(tool):
    assert refuse(EDITS[tool], VIEW, [item()]) is None


@pytest.mark.parametrize("tool", EDITS)
def test_a_tool_that_the_phase_lacks_is_refused_by_name(tool, monkeypatch):
    bare = replace(phases.PHASES[2], tools=phases.PHASES[2].tools - {tool})
    monkeypatch.setitem(phases.PHASES, 2, bare)
    refusal = refuse(EDITS[tool], VIEW, [item(phase=2)])
    assert refusal.text == f"Phase 2 (SAM + SAM 2 Mask) has no {tool}"
    assert not refusal.can_reopen
    assert refuse(EDITS[tool], VIEW, [item(phase=3)]) is None


def test_a_first_click_obeys_the_phase_that_the_new_object_will_have(monkeypatch):
    bare = replace(phases.PHASES[1], tools=frozenset({"brush"}))
    monkeypatch.setitem(phases.PHASES, 1, bare)
    first = replace(POINTS, item_id=None)
    view = replace(VIEW, item_id=None, new_phase=1)
    assert refuse(first, view, []).text == "Phase 1 (SAM per frame) has no points"
    assert refuse(first, replace(view, new_phase=3), []) is None


@pytest.mark.parametrize("phase", [1, 2, 3])
def test_where_masks_are_made_from_scratch_a_click_on_what_is_too_much_is_no_beginning(phase):
    negative = wants.SetPrompts("a", 0, (Point(1, 1, 0),))
    both = wants.SetPrompts("a", 0, (Point(1, 1, 0), Point(2, 2)))
    refusal = refuse(negative, VIEW, [item(phase=phase)])
    if phase == 3:
        assert refusal is None
    else:
        assert "from scratch: begin with a click on the object" in refusal.text
    assert refuse(both, VIEW, [item(phase=phase)]) is None
    first = replace(negative, item_id=None)
    view = replace(VIEW, item_id=None, new_phase=phase)
    assert (refuse(first, view, []) is None) is (phase == 3)


def test_a_tracked_frame_that_was_cleared_begins_with_a_click_on_the_object():
    cleared = item()
    cleared.layers[0] = FrameState(1, "propagated", "m"), FrameState(2, "clear", None)
    cleared.frames[0] = cleared.layers[0][-1]
    negative = wants.SetPrompts("a", 0, (Point(1, 1, 0),))
    assert "begin with a click on the object" in refuse(negative, VIEW, [cleared]).text
    assert refuse(POINTS, VIEW, [cleared]) is None
    assert refuse(negative, VIEW, [item()]) is None


@pytest.mark.parametrize("tool", EDITS)
@pytest.mark.parametrize("step", [Step.VERIFY, Step.ACCEPTED, Step.REJECTED])
def test_what_was_handed_in_can_only_be_reopened(tool, step):
    refusal = refuse(EDITS[tool], VIEW, [item(step=step)])
    assert refusal.can_reopen and refusal.text == "object 1 was handed in already"


def test_while_the_model_follows_objects_only_clicks_are_refused():
    running = replace(VIEW, is_running=True)
    assert "Esc stops it" in refuse(POINTS, running, [item()]).text
    assert refuse(BRUSH, running, [item()]) is None


def test_without_frames_there_is_nothing_to_edit():
    assert "Add a video" in refuse(BRUSH, replace(VIEW, frames=()), []).text


@pytest.mark.parametrize("intent", [wants.GoTo(1), wants.Undo("a", 0), wants.NewObject()])
def test_everything_else_is_left_to_the_engine(intent):
    assert refuse(intent, VIEW, [item(step=Step.VERIFY)]) is None


@pytest.mark.parametrize(
    ("items", "is_only_chosen", "is_allowed"),
    [
        ([item(phase=1)], False, False),
        ([item(phase=2)], False, True),
        ([item(phase=1), item("b", 3)], False, True),
        ([item(phase=1), item("b", 3)], True, False),
        ([item(phase=3), item("b", 1)], True, True),
        ([item(phase=1), item("b", 3, Step.VERIFY)], False, False),
        ([], False, True),
    ],
)
def test_phase_1_is_not_propagated(items, is_only_chosen, is_allowed):
    view = replace(VIEW, is_only_chosen=is_only_chosen)
    text = why_not_propagate(view, items)
    assert (text == "") is is_allowed
    assert (refuse(wants.Propagate(0, 1), view, items) is None) is is_allowed
    if not is_allowed:
        assert "object 1 is annotated in Phase 1 (SAM per frame): nothing is propagated" in text


def test_the_phase_at_hand_is_that_of_the_chosen_or_of_the_next_object():
    assert phase_at(replace(VIEW, new_phase=1), [item(phase=2)]).number == 2
    assert phase_at(replace(VIEW, item_id=None, new_phase=1), [item(phase=2)]).number == 1


def test_every_tool_of_the_picture_has_a_name_that_phases_know():
    assert set(TOOL_NAMES.values()) <= phases.PHASES[1].tools
