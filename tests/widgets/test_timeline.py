"""The timeline: where things are and what a pointer means."""

from __future__ import annotations

import pytest

from samnb.types import Step
from samnb.widgets.jobs import Inline
from samnb.widgets.lanes import Lane, Mark
from samnb.widgets.timeline import (
    GUTTER_PX,
    LANE_PX,
    PAD_PX,
    RULER_PX,
    Hit,
    Timeline,
    TimelineSnapshot,
    height_of,
    hit,
    ruler_digits,
    runs,
    time_text,
    words_for,
    x_of,
)
from tests.widgets.canvas import Sheet

WIDTH = 646.0  # 500 pixels for five frames
MARKS = (Mark(0, True, True, True), Mark(4, True), Mark(8, False), Mark(16, True, doubts=("?",)))
LANE = Lane("a", 1, "dog", "#112233", Step.TRACK, MARKS)
NOW = TimelineSnapshot((0, 4, 8, 12, 16), (0.0, 1.0, 2.0, 3.0, 4.0), 4, "a", (LANE,))


def at(x, row):
    y = RULER_PX / 2 if row is None else RULER_PX + (row + 0.5) * LANE_PX
    return hit(NOW, WIDTH, (x / WIDTH, y / height_of(1)))


def test_the_first_and_last_frame_lie_at_the_ends():
    assert x_of(0, 5, WIDTH) == GUTTER_PX
    assert x_of(4, 5, WIDTH) == WIDTH - PAD_PX
    assert x_of(0, 1, WIDTH) == GUTTER_PX


@pytest.mark.parametrize(
    ("x", "row", "found"),
    [
        (20, 0, Hit("a", None)),
        (GUTTER_PX + 130, 0, Hit("a", 4)),
        (GUTTER_PX + 130, None, Hit(None, 4)),
        (GUTTER_PX + 500 - 5, 0, Hit("a", 16)),
        (WIDTH - 1, None, Hit(None, 16)),
        (GUTTER_PX + 250, 3, Hit(None, 8)),
    ],
)
def test_a_pointer_means_an_object_a_frame_or_both(x, row, found):
    assert at(x, row) == found


def test_near_a_mark_exactly_that_mark_is_meant():
    many = tuple(range(1000))
    lane = Lane("a", 1, "dog", "#112233", Step.TRACK, (Mark(500, True, doubts=("?",)),))
    now = TimelineSnapshot(many, tuple(map(float, many)), 0, "a", (lane,))
    x = x_of(504, 1000, WIDTH)
    y = (RULER_PX + LANE_PX / 2) / height_of(1)
    assert hit(now, WIDTH, (x / WIDTH, y)).frame_idx == 500
    assert hit(now, WIDTH, (x / WIDTH, 0.0)).frame_idx == 504


def test_without_frames_nothing_is_hit():
    assert hit(TimelineSnapshot(), WIDTH, (0.9, 0.0)) == Hit(None, None)


def test_stretches_of_answers_are_joined_by_presence():
    assert runs(NOW, LANE) == [(0, 1, True), (2, 2, False), (4, 4, True)]


def test_the_position_is_that_of_the_nearest_frame():
    assert TimelineSnapshot((0, 4, 8), frame_idx=7).position == 2
    assert TimelineSnapshot().position == 0


@pytest.mark.parametrize(("seconds_s", "text"), [(0.0, "0:00.00"), (67.25, "1:07.25")])
def test_times_are_printed_in_minutes(seconds_s, text):
    assert time_text(seconds_s) == text


def test_counts_are_said_in_words():
    assert words_for([]) == "no objects yet"
    assert words_for([Step.TRACK, Step.TRACK, Step.ACCEPTED]) == "2 to track, 1 verified"


@pytest.fixture
def timeline():
    found = []
    timeline = Timeline(Inline(), lambda action: None, found.append)
    timeline.found = found
    sheet = Sheet()
    sheet.layout = timeline.canvas.layout
    timeline.canvas = sheet
    return timeline


def greet(timeline, **changes):
    content = {"kind": "size", "width": 646, "ratio": 2, "is_dark": False, "room": 900,
               "view": "v1", **changes}  # fmt: skip
    timeline.surface._receive(timeline.surface, content, [])


def test_showing_a_snapshot_is_no_gesture(timeline):
    timeline.show(NOW)
    timeline.show(TimelineSnapshot((0, 4), (0.0, 1.0), 0))
    assert timeline.found == []
    assert (timeline.slider.value, timeline.slider.max) == (0, 1)


def test_sliding_asks_for_the_frame(timeline):
    timeline.show(NOW)
    timeline.slider.value = 3
    assert timeline.found == [Hit(None, 12)]


def test_dragging_over_the_lanes_asks_for_object_and_frame(timeline):
    timeline.show(NOW)
    greet(timeline)
    uv = [(GUTTER_PX + 250) / WIDTH, (RULER_PX + 5) / height_of(1)]
    timeline.surface._receive(timeline.surface, {"kind": "drag", "uv": uv}, [])
    assert timeline.found == [Hit("a", 8)]


def test_words_follow_the_snapshot(timeline):
    timeline.show(NOW)
    assert "<b>frame 4</b> · 2 of 5 · 0:01.00" in timeline.time.value
    assert timeline.play.description == "Play · Space"
    timeline.show(TimelineSnapshot((0, 4), (0.0, 1.0), 0, is_playing=True))
    assert timeline.play.description == "Pause · Space"
    timeline.show(TimelineSnapshot())
    assert timeline.time.value == "no frames" and timeline.slider.disabled


def test_it_is_drawn_once_there_is_a_page_and_only_when_it_changed(timeline):
    timeline.show(NOW)
    assert not timeline.canvas.calls
    greet(timeline)
    assert (timeline.canvas.width, timeline.canvas.height) == (1292, 2 * height_of(1))
    assert timeline.surface.greeted == "v1"
    drawn = len(timeline.canvas.calls)
    timeline.show(NOW)
    assert len(timeline.canvas.calls) == drawn


def test_marks_are_told_apart_by_shape(timeline):
    timeline.show(NOW)
    greet(timeline)
    (triangle,) = timeline.canvas.named("fill_polygon")
    assert triangle[1][2][0] == x_of(4, 5, WIDTH), "the doubtful frame is the last one"
    (circle,) = timeline.canvas.named("fill_circle")
    assert circle[1] == x_of(0, 5, WIDTH), "the click is on the first frame"


def test_the_ruler_tells_times_apart():
    assert ruler_digits([0.0, 0.5, 1.0]) == 1
    assert ruler_digits([0.0, 0.04, 0.08]) == 2
    assert ruler_digits([]) == 1
