"""Header, toolbar and messages of the studio."""

from __future__ import annotations

import pytest

from samnb.widgets.intents import Clicked, Tool
from samnb.widgets.keys import Desk
from samnb.widgets.surface import ROOT_CLASS, KeyPressed
from tests.widgets.conftest import is_shown


def test_it_is_one_widget_with_the_class_that_its_keys_are_guarded_by(studio):
    assert ROOT_CLASS in studio.widget._dom_classes
    assert studio.stage.surface.root_class == ROOT_CLASS
    assert "application/vnd.jupyter.widget-view+json" in studio._repr_mimebundle_()


def test_media_given_to_it_are_added(open_studio, frames_dir):
    studio = open_studio("ana")
    studio.path.value = str(frames_dir / "001.png")
    studio.path._handle_custom_msg({"event": "submit"}, [])  # Enter in the browser's field
    names = [name for name, _ in studio.media.options]
    assert names == ["frames", "001.png"] and studio.path.value == ""
    assert studio.media.value == studio.snapshot.media_id
    studio.media.value = studio.media.options[0][1]
    assert studio.snapshot.media_id == studio.media.options[0][1]
    assert len(studio.snapshot.view.frames) == 6


def test_the_pressed_tool_is_marked(studio):
    studio.tools[Tool.BRUSH].click()
    marked = {tool for tool, b in studio.tools.items() if "samnb-on" in b._dom_classes}
    assert marked == {Tool.BRUSH}
    assert not any(button.disabled for button in studio.brush)
    studio.tools[Tool.CLICK].click()
    assert all(button.disabled for button in studio.brush)


def test_undo_and_redo_are_enabled_when_they_would_do_something(studio):
    assert studio.undo.disabled and studio.redo.disabled
    studio.controller.on_gesture(Clicked(10, 8))
    assert not studio.undo.disabled
    studio.undo.click()
    assert studio.undo.disabled and not studio.redo.disabled


def test_undo_is_enabled_after_a_deletion(studio):
    studio.objects.new.click()
    studio.objects._rows[0].delete.click()
    assert not studio.undo.disabled
    studio.undo.click()
    assert len(studio.snapshot.objects) == 1 and studio.undo.disabled


def test_an_error_is_an_alert_in_plain_text_that_can_be_closed(studio):
    studio.path.value = "/no/such/<clip>.mp4"
    studio._add_media()
    assert '<div role="alert" class="samnb-error">' in studio.banner.words.value
    assert "&lt;clip&gt;" in studio.banner.words.value
    studio.banner.widget.children[-1].click()
    assert not is_shown(studio.banner.widget)


def test_the_worker_s_name_is_a_field(studio):
    assert studio.worker.value == "ana"
    studio.worker.value = "bo"
    assert studio.session.worker.id == "bo" == studio.snapshot.worker


def test_opacity_is_one_value_for_slider_and_keys(studio):
    studio.opacity.value = 0.8
    assert studio.snapshot.view.opacity == 0.8
    studio.controller.on_surface(KeyPressed(","))
    assert studio.opacity.value == pytest.approx(0.7)


def test_help_follows_the_desk(studio):
    assert not is_shown(studio.help)
    studio.widget.children[0].children[-1].click()
    assert is_shown(studio.help) and "Propagate forward" in studio.help.value
    studio.desks[Desk.VERIFY].click()
    assert "Unsatisfactory" in studio.help.value


def test_saved_says_when(studio):
    studio.controller.on_gesture(Clicked(10, 8))
    assert studio.saved.value.startswith("Saved · ")


def test_an_unknown_desk_is_refused(open_studio):
    with pytest.raises(ValueError, match="boss"):
        open_studio(desk="boss")
