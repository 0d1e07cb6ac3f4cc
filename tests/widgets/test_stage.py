"""What is drawn, by the commands that reach the canvas."""

from __future__ import annotations

import pytest

from samnb.types import Box, Point
from samnb.widgets.camera import Camera
from samnb.widgets.intents import Clicked, DraggedOver
from samnb.widgets.jobs import Inline
from samnb.widgets.pictures import Picture, Tile
from samnb.widgets.stage import Label, MaskLayer, Stage, StageSnapshot, to_gesture
from samnb.widgets.surface import Sized, StrokeMade
from tests.widgets.canvas import Sheet

CAMERA = Camera.fitted((400, 200), (50, 100))
"""Four window pixels to one of the medium."""
FRAME = Tile(Picture("frame", b"jpeg"), (0, 0, 100, 50))
MASK = MaskLayer(Picture("mask", b"png", "image/png"), 0.7)


class Layers(list):
    """Stands in for a multi-canvas."""

    def __init__(self, layout):
        super().__init__(Sheet() for _ in range(3))
        self.width = self.height = 0
        self.layout = layout


@pytest.fixture
def stage():
    stage = Stage(Inline(), lambda event: None)
    real = stage.canvas
    stage.canvas = Layers(real.layout)
    yield stage
    stage.close()


@pytest.fixture
def opened(stage):
    stage.surface._receive(stage.surface, size_message("v1"), [])
    return stage


def size_message(view):
    return {"kind": "size", "width": 400, "ratio": 1, "is_dark": False, "room": 900, "view": view}


def clear(stage):
    for sheet in stage.canvas:
        sheet.calls.clear()


def test_nothing_is_drawn_before_there_is_a_page(stage):
    stage.show(StageSnapshot(CAMERA, (FRAME,)))
    assert not any(sheet.calls for sheet in stage.canvas)
    assert stage.snapshot.tiles == (FRAME,)


def test_a_page_that_comes_gets_everything_and_is_greeted_once(stage):
    stage.show(StageSnapshot(CAMERA, (FRAME,), (MASK,)))
    for _ in range(2):
        stage.surface._receive(stage.surface, size_message("v1"), [])
    frames, masks, _ = stage.canvas
    assert [c[0] for c in frames.calls].count("draw_image") == 1
    assert [c[0] for c in masks.calls].count("draw_image") == 1
    assert stage.surface.greeted == "v1"
    stage.surface._receive(stage.surface, size_message("v2"), [])
    assert [c[0] for c in frames.calls].count("draw_image") == 2


def test_frame_and_mask_lie_at_their_place_in_media_pixels(opened):
    cut = Tile(Picture("cut", b"jpeg"), (10, 20, 30, 40))
    opened.show(StageSnapshot(CAMERA, (FRAME, cut), (MASK,), ratio=2.0))
    frames, masks, _ = opened.canvas
    assert [c[2:] for c in frames.named("draw_image")] == [(0, 0, 100, 50), (10, 20, 20, 20)]
    assert frames.named("set_transform") == [("set_transform", 8.0, 0, 0, 8.0, 0.0, 0.0)]
    assert [c[2:] for c in masks.named("draw_image")] == [(0, 0, 100, 50)]
    assert masks.global_alpha == 0.7
    assert (opened.canvas.width, opened.canvas.height) == (800, 400)
    assert opened.canvas.layout.height == "200px"


def test_only_the_layer_that_changed_is_drawn_again(opened):
    opened.show(StageSnapshot(CAMERA, (FRAME,), (MASK,)))
    clear(opened)
    tick = opened.surface.tick
    opened.show(StageSnapshot(CAMERA, (FRAME,), (), (Point(5, 5),)))
    frames, masks, marks = opened.canvas
    assert not frames.calls
    assert masks.named("clear") and not masks.named("draw_image")
    assert marks.named("fill_circle")
    assert opened.surface.tick == tick + 1, "the browser is told that its preview can go"


def test_points_are_drawn_with_their_sign_and_boxes_below_them(opened):
    prompts = (Point(10, 10, 1), Box(5, 5, 20, 15), Point(30, 20, 0))
    opened.show(StageSnapshot(CAMERA, (FRAME,), (), prompts, colour="#123456"))
    marks = opened.canvas[2]
    names = [c[0] for c in marks.calls]
    assert names.index("stroke_rect") < names.index("fill_circle")
    assert marks.named("stroke_rect")[0][1:] == (20.0, 20.0, 60.0, 40.0)
    at = [c[1:3] for c in marks.named("fill_circle")]
    assert at == [(40.0, 40.0)] * 2 + [(120.0, 80.0)] * 2
    assert len(marks.named("stroke_line")) == 3, "a plus has two lines, a minus one"


def test_a_label_is_written_above_its_place_and_never_outside_the_window(opened):
    marks = opened.canvas[2]
    opened.show(StageSnapshot(CAMERA, labels=(Label(0, 0, "12", "#1e78f0"),)))
    (text,) = marks.named("fill_text")
    assert text[1] == "12" and text[2] >= 0 and text[3] >= 0
    clear(opened)
    opened.show(StageSnapshot(CAMERA))
    assert not marks.named("fill_text")


def test_words_and_badge_take_room_only_when_there_are_any(opened):
    opened.show(StageSnapshot(message="<b>No media</b>", badge="absent here"))
    assert opened.note.layout.display is None and opened.badge.layout.display is None
    opened.show(StageSnapshot())
    assert opened.note.layout.display == opened.badge.layout.display == "none"


def test_the_surface_knows_the_tool_and_its_size(opened):
    opened.show(StageSnapshot(CAMERA, tool="brush", radius=5.0, is_negative=True, is_busy=True))
    surface = opened.surface
    assert (surface.tool, surface.is_negative, surface.is_busy) == ("brush", True, True)
    assert surface.radius == 5.0 * 4 / 400


def test_every_event_is_handed_on():
    seen = []
    stage = Stage(Inline(), seen.append)
    stage.surface._receive(stage.surface, size_message("v1"), [])
    assert seen == [Sized(400, 1.0, False, "v1", 900)]
    stage.close()


@pytest.mark.parametrize(
    ("stroke", "gesture"),
    [
        (StrokeMade(((0.5, 0.5),)), Clicked(50.0, 25.0, False)),
        (StrokeMade(((0.5, 0.5),), button=2), Clicked(50.0, 25.0, True)),
        (
            StrokeMade(((0.0, 0.0), (1.0, 1.0)), 2, False, True),
            DraggedOver(((0.0, 0.0), (100.0, 50.0)), True, True),
        ),
        (StrokeMade(((0.5, 0.5),), button=1), None),
        (StrokeMade(()), None),
    ],
)
def test_strokes_become_gestures_in_media_pixels(stroke, gesture):
    assert to_gesture(stroke, CAMERA) == gesture
