"""The studio in JupyterLab: the main job, and nothing typed may touch the user's cells."""

from __future__ import annotations

import pytest

from samnb import launch
from tests.browser import mainjob
from tests.browser.rig import PATIENCE_S, disc_xy

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]
DANGEROUS = ("x", "d", "d", "a", "b", "c", "v", "m", "z", "1", "Escape")
"""In a notebook's command mode these cut, delete, insert, paste or convert cells."""
PLACES = (
    ".samnb-do-box", ".samnb-do-play", ".samnb-do-absent", ".samnb-do-redo", ".samnb-do-zoom-fit",
    ".samnb-do-help", ".samnb-saved", ".samnb-hint", ".samnb-legend", ".samnb-panel b",
    ".samnb-slider .noUi-handle", ".samnb-small .noUi-handle", ".samnb-lanes .samnb-surface",
)  # fmt: skip
FIELDS = (".samnb-header .widget-text input", ".samnb-row input", ".samnb-line input")


@pytest.fixture(scope="module")
def main_project(make_project, root):
    video, clip = mainjob.make_video(root)
    return make_project(video, model="mobile"), clip


@pytest.fixture(scope="module")
def lab(main_project):
    """JupyterLab as ``samnb studio`` starts it, on the main job's notebook."""
    project, _ = main_project
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "_STARTUP_S", PATIENCE_S)
        page = launch.open_lab(project.notebook, has_browser=False)
    yield page.url
    page.process.terminate()
    page.process.wait(60)


def cells(page):
    return page.locator(".jp-Notebook .jp-Cell .cm-content").all_inner_texts()


def test_a_video_becomes_a_verified_masklet(main_project, lab, open_studio):
    project, clip = main_project
    hand = open_studio(lab, size=mainjob.SIZE_HW[::-1], height=1000)
    mainjob.click_object(hand, project, clip)
    mainjob.propagate(hand, project)
    mainjob.correct_a_frame(hand, project, clip)
    hand.wait_for_text(".samnb-hint", "Enter")
    mainjob.submit_and_verify(hand, project)
    mainjob.check_log(project)
    mainjob.check_export(project, clip)
    hand.leave()


def test_no_key_reaches_the_notebook_wherever_the_studio_was_clicked(
    main_project, lab, make_project, clip, open_studio
):
    project = make_project(clip, beside=main_project[0], name="keys")
    url = lab.replace("/lab/tree/project", "/lab/workspaces/keys/tree/keys")
    hand = open_studio(url, run_cell=True)
    hand.wait_for_picture()
    before = cells(hand.page)
    assert len(before) == 2
    hand.click(*disc_xy(0))
    project.wait_for("frame_edited")
    for place in PLACES:
        hand.page.locator(place).locator("visible=true").first.click(force=True)
        hand.press(*DANGEROUS)
        assert cells(hand.page) == before, f"after a click on {place}"
    for place in FIELDS:
        field = hand.page.locator(place).first
        field.click()
        field.fill("")
        hand.page.keyboard.type("xddabmz")
        assert field.input_value() == "xddabmz", "what is typed in a field stays in it"
        assert cells(hand.page) == before, f"after typing in {place}"
        hand.press("Escape")
    rows = len(project.rows("frame_edited"))
    hand.surface.focus()
    hand.press("c", "Home")
    hand.wait_for_text(".samnb-time", "frame 0")
    hand.press("o")
    project.wait_for("frame_edited", rows + 1)
    hand.leave()
