"""Gestures to intents, one table row per habit."""

from dataclasses import replace

import pytest

from samnb.types import Box, MaskPrompt, Point, VerdictKind
from samnb.widgets import intents as wants
from samnb.widgets.intents import Clicked, DraggedOver, Pressed, Tool, View
from samnb.widgets.keys import Action, Desk
from samnb.widgets.tools import MAX_RADIUS, MIN_RADIUS, begin_to_play, play_on, press, reduce

VIEW = View(
    item_id="b",
    frame_idx=8,
    frames=tuple(range(0, 100, 4)),
    item_ids=("a", "b", "c"),
    prompts=(Point(10, 10, 1), Point(30, 10, 0)),
    suspicious=(4, 12, 40),
    reach=5.0,
    size_hw=(50, 80),
)


def clicked(x, y, *, is_right=False, **changes):
    return reduce(replace(VIEW, **changes), Clicked(x, y, is_right))[1]


@pytest.mark.parametrize(
    ("is_right", "is_negative", "label"),
    [(False, False, 1), (True, False, 0), (False, True, 0), (True, True, 1)],
)
def test_the_button_and_the_flipped_sign_decide_the_label(is_right, is_negative, label):
    intent = clicked(50, 40, is_right=is_right, is_negative=is_negative)
    assert intent == wants.SetPrompts("b", 8, (*VIEW.prompts, Point(50, 40, label)))


def test_a_click_on_a_point_removes_it():
    assert clicked(12, 13) == wants.SetPrompts("b", 8, (Point(30, 10, 0),))


def test_a_click_removes_the_nearest_of_two_points_in_reach():
    near = (Point(10, 10, 1), Point(13, 10, 0))
    assert clicked(12, 10, prompts=near) == wants.SetPrompts("b", 8, (Point(10, 10, 1),))


@pytest.mark.parametrize(("x", "y"), [(-1, 5), (80, 5), (5, -0.1), (5, 50)])
def test_a_click_beside_the_picture_means_nothing(x, y):
    assert clicked(x, y) is None


def test_a_first_click_without_an_object_asks_for_one():
    assert clicked(5, 40, item_id=None, prompts=()) == wants.SetPrompts(None, 8, (Point(5, 40),))


def test_a_drag_makes_one_ordered_box_inside_the_picture_and_keeps_points():
    view = replace(VIEW, prompts=(Box(1, 1, 2, 2), MaskPrompt("m"), Point(10, 10, 1)))
    intent = reduce(view, DraggedOver(((90, 20), (40, 60), (30, -5))))[1]
    assert intent == wants.SetPrompts("b", 8, (Box(30, 0, 80, 20), Point(10, 10, 1)))


def test_a_thin_box_is_refused_in_words():
    assert isinstance(reduce(VIEW, DraggedOver(((5, 5), (40, 6))))[1], wants.Say)


@pytest.mark.parametrize(
    ("tool", "is_right", "is_pen_eraser", "is_erase"),
    [
        (Tool.BRUSH, False, False, False),
        (Tool.BRUSH, True, False, True),
        (Tool.BRUSH, False, True, True),
        (Tool.ERASER, False, False, True),
    ],
)
def test_brush_and_eraser_make_one_stroke(tool, is_right, is_pen_eraser, is_erase):
    view = replace(VIEW, tool=tool, radius=7.0)
    path = ((1.0, 2.0), (3.0, 4.0), (5.0, 6.0))
    intent = reduce(view, DraggedOver(path, is_right, is_pen_eraser))[1]
    assert isinstance(intent, wants.PaintStroke)
    assert (intent.stroke.xy, intent.stroke.radius) == (path, 7.0)
    assert intent.stroke.is_erase is is_erase


def test_a_verifier_cannot_draw():
    assert clicked(5, 40, desk=Desk.VERIFY) is None


@pytest.mark.parametrize(
    ("key", "intent"),
    [
        ("d", wants.GoTo(12)),
        ("ArrowLeft", wants.GoTo(4)),
        ("Shift+d", wants.GoTo(48)),
        ("Shift+ArrowLeft", wants.GoTo(0)),
        ("Home", wants.GoTo(0)),
        ("End", wants.GoTo(96)),
        ("k", wants.GoTo(12)),
        ("j", wants.GoTo(4)),
        ("3", wants.SelectObject("c")),
        ("Tab", wants.SelectObject("c")),
        ("Shift+Tab", wants.SelectObject("a")),
        ("f", wants.Propagate(8, 96)),
        ("b", wants.Propagate(8, 0)),
        ("Escape", wants.Cancel()),
        ("o", wants.MarkAbsent("b", 8)),
        ("Delete", wants.ClearFrame("b", 8)),
        ("Ctrl+z", wants.Undo("b", 8)),
        ("Shift+z", wants.Redo("b", 8)),
        ("Enter", wants.Submit("b")),
        ("n", wants.NewObject()),
        (" ", wants.Play(is_playing=True)),
        ("w", wants.Zoom(0.0)),
    ],
)
def test_keys_of_an_annotator(key, intent):
    assert press(VIEW, key)[1] == intent


@pytest.mark.parametrize(
    ("key", "intent"),
    [
        ("y", wants.Judge("b", VerdictKind.SATISFACTORY)),
        ("r", wants.Judge("b", VerdictKind.UNSATISFACTORY)),
        ("x", wants.Judge("b", VerdictKind.REJECT)),
        ("n", wants.Skip("b")),
        ("f", None),
        ("Enter", None),
        ("d", wants.GoTo(12)),
    ],
)
def test_keys_of_a_verifier(key, intent):
    assert press(replace(VIEW, desk=Desk.VERIFY), key)[1] == intent


@pytest.mark.parametrize(
    ("key", "field", "value"),
    [
        ("e", "tool", Tool.BRUSH),
        ("x", "tool", Tool.ERASER),
        ("v", "tool", Tool.BOX),
        ("t", "is_negative", True),
        ("h", "is_hidden", True),
        ("?", "is_help_open", True),
        (".", "opacity", 0.6),
        (",", "opacity", 0.4),
    ],
)
def test_keys_that_only_change_the_view(key, field, value):
    view, intent = press(VIEW, key)
    assert (getattr(view, field), intent) == (value, None)


def test_an_unknown_key_does_nothing():
    assert press(VIEW, "Ctrl+q") == (VIEW, None)


def test_the_brush_stays_within_its_limits():
    small = large = VIEW
    for _ in range(60):
        small, large = press(small, "[")[0], press(large, "]")[0]
    assert (small.radius, large.radius) == (MIN_RADIUS, MAX_RADIUS)


def test_steps_stop_at_the_ends():
    assert press(replace(VIEW, frame_idx=96), "d")[1] is None
    assert press(replace(VIEW, frame_idx=92), "Shift+d")[1] == wants.GoTo(96)


def test_escape_closes_the_help_before_it_cancels_anything():
    view, intent = press(replace(VIEW, is_help_open=True), "Escape")
    assert (view.is_help_open, intent) == (False, None)


def test_propagation_is_not_started_twice():
    assert isinstance(press(replace(VIEW, is_running=True), "f")[1], wants.Say)


def test_no_doubtful_frame_left_is_said_in_words():
    assert isinstance(press(replace(VIEW, frame_idx=40), "k")[1], wants.Say)


@pytest.mark.parametrize("action", list(Action))
def test_every_action_has_a_reducer_that_works_without_media(action):
    view, _ = reduce(View(), Pressed(action))
    assert view.frame_idx == 0


def test_playing_begins_again_at_the_end_and_only_there():
    assert begin_to_play(VIEW, True).frame_idx == 8
    assert begin_to_play(replace(VIEW, frame_idx=96), True).frame_idx == 0
    assert begin_to_play(replace(VIEW, frame_idx=96), False).frame_idx == 96


@pytest.mark.parametrize(
    ("frame_idx", "goal", "is_playing"), [(8, 12, True), (92, 96, False), (96, 96, False)]
)
def test_playing_ends_at_the_last_frame(frame_idx, goal, is_playing):
    view = play_on(replace(VIEW, frame_idx=frame_idx, is_playing=True))
    assert (view.frame_idx, view.is_playing) == (goal, is_playing)


def test_undo_is_asked_for_also_without_an_object():
    assert press(replace(VIEW, item_id=None), "z")[1] == wants.Undo(None, 8)
