"""Gestures to the log and back to the page, with nothing but the page left out."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from samnb.types import MediaError, Point, Step
from samnb.widgets import intents as wants
from samnb.widgets.intents import Tool
from samnb.widgets.keys import Desk as Side
from samnb.widgets.surface import Acked, Dragged, Sized, StrokeMade, ViewMoved


def square(x, y, size_hw=(20, 30)):
    mask = np.zeros(size_hw, bool)
    mask[y - 2 : y + 3, x - 2 : x + 3] = True
    return mask


def test_it_opens_on_the_first_medium_and_frame(ana, media):
    view = ana.now.view
    assert (ana.now.media_id, view.frame_idx, view.item_id) == (media.id, 0, None)
    assert view.frames == tuple(range(6))
    assert ana.now.stage.tiles and ana.now.stage.camera.size_hw == (20, 30)


def test_a_click_makes_an_object_with_prompt_and_mask_in_the_log(ana):
    ana.click(10, 8)
    frame = ana.session.item(ana.item_id).frames[0]
    assert frame.prompts == (Point(10, 8, 1),)
    np.testing.assert_array_equal(ana.mask(0), square(10, 8))
    assert ana.now.view.prompts == frame.prompts
    assert len(ana.now.stage.masks) == 1


def test_a_right_click_is_added_as_not_this(ana):
    ana.click(10, 8)
    ana.click(20, 8, is_right=True)
    prompts = ana.session.item(ana.item_id).frames[0].prompts
    assert [p.label for p in prompts] == [1, 0]


def test_a_stroke_of_the_surface_lands_on_the_right_pixel(ana):
    ana.controller.on_surface(Sized(600, 1.0, False, "v", 1000))
    camera = ana.now.stage.camera
    u, v = (at / side for at, side in zip(camera.to_window((12, 5)), camera.window_wh, strict=True))
    ana.controller.on_surface(StrokeMade(((u, v),)))
    (point,) = ana.session.item(ana.item_id).frames[0].prompts
    assert (point.x, point.y) == pytest.approx((12, 5))


def test_the_middle_button_draws_nothing(ana):
    ana.controller.on_surface(StrokeMade(((0.5, 0.5),), button=1))
    assert not ana.session.state.items


def test_a_brush_stroke_and_an_absence_reach_the_log(ana):
    ana.click(10, 8)
    ana.press("e")
    ana.drag((20, 10), (24, 10))
    assert ana.mask(0)[10, 22] and ana.mask(0)[8, 10]
    ana.press("o")
    assert not ana.mask(0).any()
    assert ana.now.stage.badge == "absent here"
    ana.press("Delete")
    assert ana.session.item(ana.item_id).frames[0].mask_id is None


def test_undo_and_redo_walk_through_the_clicks(ana):
    ana.click(10, 8)
    ana.click(20, 12)
    ana.press("z")
    np.testing.assert_array_equal(ana.mask(0), square(10, 8))
    assert ana.now.can_redo
    ana.press("Shift+z")
    assert ana.mask(0)[12, 20]
    ana.press("z", "z", "z")
    assert ana.banner == "Nothing to undo for this object on this frame"


def test_a_deleted_object_comes_back_by_the_banner_or_by_undo(ana):
    ana.click(10, 8)
    item_id = ana.item_id
    for bring_back in (ana.accept, lambda: ana.press("z")):
        ana.call("delete", item_id)
        assert (ana.banner, ana.now.banner.offer) == ("object 1 deleted", "Undo")
        assert not ana.now.objects and ana.item_id is None
        bring_back()
        assert [row.item_id for row in ana.now.objects] == [item_id]
        assert ana.item_id == item_id and not ana.banner


def test_after_another_act_undo_leaves_the_deleted_object_alone(ana):
    ana.click(10, 8)
    gone = ana.item_id
    ana.call("delete", gone)
    ana.press("n")
    ana.press("z")
    assert ana.session.item(gone).is_deleted


def test_undo_without_any_object_brings_the_deleted_one_back(ana):
    ana.click(10, 8)
    ana.call("delete", ana.item_id)
    ana.press("d", "z")
    assert len(ana.now.objects) == 1


def test_an_object_is_renamed_hidden_and_chosen(ana):
    ana.click(10, 8)
    first = ana.item_id
    ana.call("rename", first, " dog ")
    ana.press("n")
    assert [(r.name, r.is_chosen) for r in ana.now.objects] == [("dog", False), ("object 2", True)]
    ana.press("1")
    assert ana.item_id == first
    ana.call("toggle_hidden", first)
    assert ana.now.objects[0].is_hidden and not ana.now.stage.masks
    ana.call("toggle_hidden", first)
    assert len(ana.now.stage.masks) == 1


def test_handing_in_says_so_and_closes_the_object_for_edits(ana):
    item_id = ana.finish()
    assert ana.session.item(item_id).step is Step.VERIFY
    assert "object 1 is handed in" in ana.banner
    ana.click(20, 12)
    assert (ana.banner, ana.now.banner.offer) == ("object 1 was handed in already", "Reopen it")
    assert not ana.mask(0)[12, 20]
    ana.accept()
    ana.click(20, 12)
    assert ana.mask(0)[12, 20] and ana.session.item(item_id).step is Step.TRACK


def test_handing_in_with_holes_offers_to_do_it_all_the_same(ana):
    ana.click(10, 8)
    ana.press("Enter")
    assert "5 of 6 frames have no answer yet" in ana.banner
    assert ana.now.banner.kind == "error"
    ana.accept()
    assert ana.session.item(ana.item_id).step is Step.VERIFY


def test_handing_in_nothing_offers_nothing(ana):
    ana.press("n", "Enter")
    assert "nothing to submit" in ana.banner and not ana.now.banner.offer


def test_the_frame_object_and_view_are_there_again_after_reopening(ana, sit_down):
    ana.click(10, 8)
    ana.press("n", "d", "d")
    second = ana.item_id
    ana.later.run()
    ana.controller.close()
    again = sit_down("ana")
    assert (again.now.view.frame_idx, again.item_id) == (2, second)


def test_a_frame_only_passed_by_is_not_remembered(ana):
    ana.press("d")
    ana.press("d")
    ana.later.run()
    cursor = ana.session.state.cursors["ana"]
    assert cursor.frame_idx == 2
    kinds = [e.body for e in ana.session.log.read(0) if type(e.body).__name__ == "Looked"]
    assert [k.frame_idx for k in kinds] == [2]


def test_an_object_deleted_elsewhere_is_not_chosen_again(ana, sit_down):
    ana.click(10, 8)
    first = ana.item_id
    ana.press("n")
    ana.later.run()
    ana.call("delete", ana.item_id)
    ana.controller.close()
    assert sit_down("ana").item_id == first


def test_what_others_do_shows_after_a_poll(ana, open_project, media):
    bo = open_project("bo")
    bo.add_item(media.id, "cat")
    assert not ana.now.objects
    ana.later.run()
    assert [row.name for row in ana.now.objects] == ["cat"]


def test_errors_on_purpose_are_shown_in_their_own_words(ana, tmp_path):
    ana.call("add_media", str(tmp_path / "none.mp4"))
    assert ana.now.banner.kind == "error"
    assert "none.mp4: there is no such file or folder" in ana.banner
    ana.press("d")
    assert ana.now.view.frame_idx == 1, "the page goes on"


def test_unexpected_errors_are_shown_with_their_type_and_logged(ana, monkeypatch, caplog):
    def break_down(*_):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(ana.session, "rename_item", break_down)
    ana.click(10, 8)
    with caplog.at_level(logging.ERROR, logger="samnb.widgets"):
        ana.call("rename", ana.item_id, "dog")
    assert (ana.banner, ana.now.banner.kind) == ("ZeroDivisionError: by zero", "error")
    assert caplog.records[0].exc_info[0] is ZeroDivisionError


def test_a_page_that_cannot_be_drawn_is_logged_and_lives_on(ana, caplog):
    def refuse(_snapshot):
        raise RuntimeError("no page")

    ana.controller._show = refuse
    with caplog.at_level(logging.ERROR, logger="samnb.widgets"):
        ana.press("d")
    assert any("cannot show an error: no page" in r.getMessage() for r in caplog.records)
    ana.controller._show = ana.snapshots.append
    ana.press("d")
    assert ana.now.view.frame_idx == 2


def test_a_failing_prediction_is_told_and_leaves_no_prompts_behind(ana, monkeypatch):
    def fail(*_):
        raise MediaError("clip.mp4", "is gone", "relink it")

    monkeypatch.setattr(ana.session, "set_prompts", fail)
    ana.click(10, 8)
    assert ana.banner == "clip.mp4: is gone; relink it"
    assert ana.now.view.prompts == () and not ana.now.stage.is_busy


def test_a_medium_is_added_and_shown(ana, frames_dir):
    ana.click(10, 8)
    ana.call("add_media", f" {frames_dir / '000.png'} ")
    assert ana.now.view.frames == (0,) and ana.item_id is None
    assert ana.session.media(ana.now.media_id).name == "000.png"
    assert len(ana.now.media) == 2


def test_opening_at_a_frame_between_two_goes_to_the_nearest(ana, media):
    ana.call("open_media", media.id, None, 99)
    assert ana.now.view.frame_idx == 5


def test_an_empty_project_says_what_to_do(open_project, clock, tmp_path):
    from tests.widgets.conftest import Desk, Later, Runners

    desk = Desk(open_project("ana"), Runners(), Later(), clock)
    assert "No media yet" in desk.now.stage.message
    desk.press("d", "f", "e", " ", "Enter", "n")
    assert "add a video or an image first" in desk.banner
    desk.drag((1, 1), (2, 2))
    assert desk.banner == "Add a video or an image first"
    desk.controller.close()


def test_somebody_else_goes_on_under_another_name(ana):
    ana.click(10, 8)
    ana.call("set_worker", " bo ")
    assert ana.now.worker == "bo" and ana.banner == "You are bo now"
    ana.click(20, 12)
    edits = [e for e in ana.session.log.read(0) if type(e.body).__name__ == "FrameEdited"]
    assert [e.worker_id for e in edits] == ["ana", "bo"]
    ana.call("set_worker", "")
    assert ana.now.worker == "bo"


def test_wheel_zoom_and_fit_change_only_the_camera(ana):
    whole = ana.now.stage.camera
    ana.controller.on_surface(ViewMoved((0.5, 0.5), 1.4, (0.1, 0.0)))
    assert ana.now.stage.camera.scale == pytest.approx(1.4 * whole.scale)
    ana.press("+")
    assert ana.now.stage.camera.scale == pytest.approx(1.75 * whole.scale)
    ana.press("w")
    assert ana.now.stage.camera.is_fitted


def test_a_high_window_gives_a_high_picture_up_to_the_limit(ana):
    ana.controller.on_surface(Sized(2000, 3.0, False, "v", 4000))
    assert ana.now.stage.camera.window_wh[1] == 560
    assert ana.now.stage.ratio == 2.0
    ana.controller.on_surface(Sized(2000, 1.0, False, "v", 600))
    assert ana.now.stage.camera.window_wh[1] == 330


def test_playing_steps_when_the_page_has_shown_the_frame(ana):
    ana.press(" ")
    assert ana.now.view.is_playing and ana.now.view.frame_idx == 1
    ana.later.run()
    assert ana.now.view.frame_idx == 1, "nothing was shown yet"
    for wanted in (2, 3, 4, 5):
        ana.controller.on_surface(Acked(1))
        ana.later.run()
        assert ana.now.view.frame_idx == wanted
    assert not ana.now.view.is_playing
    ana.press(" ")
    assert ana.now.view.frame_idx == 1, "from the end it begins again"
    ana.press("Escape")
    assert not ana.now.view.is_playing


def test_marks_of_a_person_do_not_disturb_the_message(ana):
    ana.press("Ctrl+s")
    assert ana.banner == "Everything is saved as you go"
    ana.press("d", "+", " ")
    assert ana.banner == "Everything is saved as you go"
    ana.call("tell", None)
    assert not ana.banner


def test_an_event_of_another_widget_is_ignored(ana):
    n_shown = len(ana.snapshots)
    ana.controller.on_surface(Dragged((0.5, 0.5)))
    assert len(ana.snapshots) == n_shown


def test_intents_of_widgets_are_carried_out(ana):
    ana.controller.on_intent(wants.GoTo(4))
    assert ana.now.view.frame_idx == 4


def test_changing_sides_puts_the_brush_away(ana):
    ana.press("e")
    ana.call("set_desk", Side.VERIFY)
    assert ana.now.view.tool is Tool.CLICK and ana.now.stage.tool == "none"


def test_opacity_is_drawn_into_the_masks(ana):
    ana.click(10, 8)
    before = ana.now.stage.masks[0].picture.key
    ana.call("set_opacity", 0.9)
    assert ana.now.stage.masks[0].picture.key != before
