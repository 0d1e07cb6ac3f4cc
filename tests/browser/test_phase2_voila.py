"""One person annotates in Phase 2, another verifies; the canvas refuses what is forbidden."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from samnb.engine.phases import PHASES
from tests.browser.rig import N_FRAMES, box_xyxy, disc_xy

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]

MIDDLE = 12  # 24 frames per second, six of them annotated: the fourth annotated frame


def choose_phase(hand, number):
    select = hand.page.locator("select", has_text=PHASES[number].name)
    select.select_option(label=PHASES[number].name)


def box_centre_xy(frame_idx):
    x0, y0, x1, y1 = box_xyxy(frame_idx)
    return (x0 + x1) / 2, (y0 + y1) / 2


def test_a_masklet_of_phase_2_is_redrawn_propagated_and_verified_by_somebody_else(
    make_project, clip, voila, open_studio
):
    project = make_project(clip)
    hand = open_studio(voila(project))
    hand.wait_for_picture()
    choose_phase(hand, 2)

    hand.click(*disc_xy(0))
    (first,) = project.wait_for("frame_edited")
    (added,) = project.rows("item_added")
    assert added["item"]["phase"] == 2 and first["tool"] == "points"
    hand.surface.focus()
    hand.press("f")
    assert project.wait_for("propagation_ended")[0]["status"] == "done"

    # A click that would refine the tracked mask is refused, in words, and leaves no trace.
    hand.press("Home", "d", "d", "d")
    hand.wait_for_text(".samnb-time", f"frame {MIDDLE}")
    hand.click(20, 180, button="right")
    hand.wait_for_text(".samnb-banner", "Phase 2")
    hand.wait_for_text(".samnb-banner", "from scratch: begin with a click on the object")
    hand.page.screenshot(path=str(project.folder / "refused.png"))
    assert len(project.rows("frame_edited")) == 1

    # The same frame drawn again from nothing: the tracker's mask and clicks are not in it.
    hand.click(*disc_xy(MIDDLE))
    again = project.wait_for("frame_edited", 2)[1]
    assert again["frame_idx"] == MIDDLE and len(again["prompts"]) == 1
    hand.press("Home", "f")
    assert project.wait_for("propagation_ended", 2)[1]["status"] == "done"
    edited = [row["frame_idx"] for row in project.rows("frame_edited")]
    second_run = project.rows("frame_tracked")[-(N_FRAMES // 4) :]
    kept = [row for row in second_run if row["frame_idx"] in edited]
    assert all(not row["masks"] for row in kept), "what was drawn by hand survives"

    hand.press("Enter")
    (handed_in,) = project.wait_for("submitted")
    assert handed_in["by"] == "ana"

    # Phase 1 has no tracker at all.
    choose_phase(hand, 1)
    hand.surface.focus()
    hand.press("Home", "n")
    hand.click(*box_centre_xy(0))
    project.wait_for("frame_edited", 3)
    hand.wait_for_text(".samnb-saved", "Saved ·")
    hand.press("f")
    hand.wait_for_text(".samnb-banner", "Phase 1 (SAM per frame): nothing is propagated")
    assert len(project.rows("propagation_ended")) == 2

    name = hand.page.locator(".samnb-header .widget-text input")
    name.fill("bo")
    name.press("Enter")
    hand.wait_for_text(".samnb-banner", "You are bo now")
    hand.page.get_by_role("button", name="Verify", exact=True).click()
    hand.wait_for_text(".samnb-side", "handed in")
    hand.page.screenshot(path=str(project.folder / "verify.png"))
    hand.press("y")
    (verdict,) = project.wait_for("judged")
    assert verdict["by"] == "bo" and verdict["verdict"]["kind"] == "satisfactory"
    expect(hand.page.locator(".samnb-banner [role=alert]")).to_have_count(0)
    hand.leave()
