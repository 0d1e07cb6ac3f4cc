"""The studio in Voila: every gesture by a real mouse and keyboard."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.rig import disc_xy

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]


@pytest.fixture
def hand_and_project(make_project, clip, voila, open_studio):
    project = make_project(clip)
    hand = open_studio(voila(project))
    hand.wait_for_picture()
    yield hand, project
    hand.leave()


def test_gestures_reach_the_log_as_what_they_mean(hand_and_project):
    hand, project = hand_and_project
    hand.click(*disc_xy(0))
    (first,) = project.wait_for("frame_edited")
    (point,) = first["prompts"]
    assert first["tool"] == "points"
    assert point["label"] == 1
    assert (point["x"], point["y"]) == pytest.approx(disc_xy(0), abs=1.0)

    hand.click(200, 20, button="right")
    second = project.wait_for("frame_edited", 2)[1]
    assert [p["label"] for p in second["prompts"]] == [1, 0]

    hand.press("t")
    hand.wait_for_text(".samnb-badge", "sign flipped")
    hand.click(200, 100)
    assert project.wait_for("frame_edited", 3)[2]["prompts"][2]["label"] == 0
    hand.press("t")

    hand.click(200, 100)  # on a point: takes it away
    assert len(project.wait_for("frame_edited", 4)[3]["prompts"]) == 2

    hand.press("z")
    assert project.wait_for("undone")[0]["item_id"] == first["item_id"]

    hand.press("n")
    project.wait_for("item_added", 2)
    hand.drag((225, 145), (285, 185))
    box = project.wait_for("frame_edited", 5)[4]
    assert box["tool"] == "box"
    assert box["prompts"][0]["x0"] == pytest.approx(225, abs=1.0)

    hand.press("e")
    expect(hand.surface).to_have_attribute("data-tool", "brush")
    hand.drag((100, 150), (120, 160), (140, 150))
    stroke = project.wait_for("frame_edited", 6)[5]
    assert stroke["tool"] == "brush"
    assert len(stroke["stroke"]["xy"]) >= 10, "the stroke came as one line"

    hand.press("o")
    assert project.wait_for("frame_edited", 7)[6]["tool"] == "absent"
    hand.wait_for_text(".samnb-badge", "absent here")


def test_looking_around_propagating_and_being_told(hand_and_project):
    hand, project = hand_and_project
    page = hand.page

    hand.surface.focus()
    hand.press("?")
    expect(page.locator(".samnb-help")).to_be_visible()
    hand.press("Escape")
    expect(page.locator(".samnb-help")).to_be_hidden()

    x, y = disc_xy(0)  # the wheel zooms at the pointer, and clicks still hit
    bare, where = hand.pixels(), hand.at(x, y)
    page.mouse.move(*where)
    page.mouse.wheel(0, -600)
    hand.wait_for_change(bare, 0.1)
    page.mouse.click(*where)
    (edit,) = project.wait_for("frame_edited")
    assert (edit["prompts"][0]["x"], edit["prompts"][0]["y"]) == pytest.approx((x, y), abs=1.0)

    hand.press("f")
    (end,) = project.wait_for("propagation_ended")
    assert end["status"] == "done"
    hand.press("End")
    hand.wait_for_text(".samnb-time", "frame 20")
    hand.wait_for_text(".samnb-hint", "Enter hands the object to a verifier")

    hand.press("h")
    hand.wait_for_text(".samnb-badge", "masks hidden")
    page.locator(".samnb-line input").fill("/no/such/clip.mp4")
    page.keyboard.press("Enter")
    hand.wait_for_text(".samnb-banner", "there is no such file or folder")
    hand.press("?")
    expect(page.locator(".samnb-help")).to_be_visible()
    assert hand.faint_texts() == []


def test_an_empty_project_says_what_to_do(make_project, voila, open_studio):
    hand = open_studio(voila(make_project(), theme="dark"), width=900)
    hand.wait_for_text(".samnb-note", "No media yet")
    assert hand.page.evaluate("document.documentElement.scrollWidth") <= 900, "no sideways scroll"
    assert hand.faint_texts() == []
    hand.leave()
