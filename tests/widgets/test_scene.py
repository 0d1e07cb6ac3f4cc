"""One snapshot from session and view, part by part."""

from __future__ import annotations

import pytest

from samnb.types import Step
from samnb.widgets.keys import Desk as Side
from samnb.widgets.lanes import css_colour


def test_the_view_learns_what_gestures_depend_on(ana):
    ana.click(10, 8)
    ana.press("n")
    view = ana.now.view
    assert view.item_ids == tuple(row.item_id for row in ana.now.objects)
    assert view.reach == pytest.approx(10 / ana.now.stage.camera.scale)
    assert view.size_hw == (20, 30) and not view.is_running


def test_prompts_of_another_frame_are_not_drawn_on_this_one(sit_down):
    ana = sit_down("ana", held=("pictures",))
    ana.runners.run("pictures")
    ana.click(10, 8)
    ana.runners.run("pictures")
    assert len(ana.now.stage.prompts) == 1
    ana.press("d")
    assert ana.now.stage.prompts == (), "nothing is drawn over the frame still on show"
    ana.press("a")
    assert len(ana.now.stage.prompts) == 1


def test_hidden_masks_take_the_prompts_along_and_say_so(ana):
    ana.click(10, 8)
    ana.press("h")
    assert not ana.now.stage.masks and not ana.now.stage.prompts
    assert ana.now.stage.badge == "masks hidden · H"


def test_a_flipped_sign_is_said_on_the_picture_while_one_annotates(ana):
    ana.press("t")
    assert "sign flipped" in ana.now.stage.badge and ana.now.stage.is_negative
    ana.call("set_desk", Side.VERIFY)
    assert "sign flipped" not in ana.now.stage.badge


def test_the_next_object_s_colour_is_shown_before_it_is_there(ana):
    assert ana.now.stage.colour == css_colour(1)
    ana.click(10, 8)
    assert ana.now.stage.colour == css_colour(1)


def test_no_detail_is_asked_for_while_playing(ana):
    ana.press(" ")
    assert ana.controller._projector._wanted.detail_xyxy is None


def test_counts_speak_of_the_whole_project(ana):
    ana.finish()
    ana.press("n")
    assert ana.now.counts == "1 to track, 1 to verify"


def test_suspicious_frames_are_those_of_the_chosen_object(ana, tracker):
    ana.click(27, 8)
    ana.press("f", "n")
    assert ana.now.view.suspicious == ()
    ana.press("1")
    assert ana.now.view.suspicious, "the square leaves the picture and gets smaller"
    ana.press("k")
    assert ana.now.view.frame_idx == ana.now.view.suspicious[0]


def test_each_step_has_its_hint(ana):
    assert "Left click an object to begin" in ana.now.hint
    ana.press("n")
    assert "right click what does not belong" in ana.now.hint
    ana.click(10, 8)
    assert "F follows the object" in ana.now.hint
    ana.press("f")
    assert "Enter hands the object to a verifier" in ana.now.hint
    ana.press("Enter")
    assert "is to verify; reopen it" in ana.now.hint
    assert ana.session.item(ana.item_id).step is Step.VERIFY


def test_times_belong_to_the_frames(ana):
    timeline = ana.now.timeline
    assert len(timeline.times_s) == len(timeline.frames) == 6
    assert list(timeline.times_s) == sorted(timeline.times_s)
