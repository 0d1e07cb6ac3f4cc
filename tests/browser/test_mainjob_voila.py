"""The main job in Voila, with the default model, by a real mouse and keyboard."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser import mainjob

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]


def test_a_video_becomes_a_verified_masklet(make_project, voila, open_studio, tmp_path):
    video, clip = mainjob.make_video(tmp_path)
    project = make_project(video, model="mobile")
    hand = open_studio(voila(project), size=mainjob.SIZE_HW[::-1])
    mainjob.click_object(hand, project, clip)

    # The page stays alive while the model works, and what it finished is kept.
    project.gate.touch()
    hand.press("f")
    project.wait_at_gate()
    assert len(project.rows("frame_tracked")) >= 2
    hand.press("d", "d")
    hand.wait_for_text(".samnb-time", "frame 2")
    hand.wait_for_text(".samnb-hint", "Esc stops it")
    hand.press("Escape")
    hand.wait_for_text(".samnb-panel:has(.samnb-do-cancel)", "Stopping")
    assert not project.rows("propagation_ended"), "it was still running"
    project.gate.unlink()
    (end,) = project.wait_for("propagation_ended")
    assert end["status"] == "cancelled"
    n_kept = len(project.rows("frame_tracked"))
    assert 2 <= n_kept < mainjob.N_FRAMES - 1
    hand.wait_for_text(".samnb-banner", "all kept")

    mainjob.propagate(hand, project, 2)
    mainjob.correct_a_frame(hand, project, clip)
    hand.wait_for_text(".samnb-hint", "Enter")
    before = hand.settled_pixels()
    hand.leave()

    again = open_studio(voila(project), size=mainjob.SIZE_HW[::-1])
    again.wait_for_text(".samnb-time", f"frame {mainjob.CORRECTED}")
    expect(again.page.locator(".samnb-row.samnb-chosen")).to_have_count(1)
    again.wait_for_change(before, 0.0, 0.3 * clip.mask(1, mainjob.CORRECTED).mean())

    mainjob.submit_and_verify(again, project)
    mainjob.check_log(project)
    mainjob.check_export(project, clip)
