"""The studio in JupyterLab: nothing typed in it may touch the user's cells."""

from __future__ import annotations

import pytest

from tests.browser.rig import disc_xy, lab

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
DANGEROUS = ("x", "d", "d", "a", "b", "c", "v", "m", "z", "1", "Escape")
"""In a notebook's command mode these cut, delete, insert, paste or convert cells."""
PLACES = (
    ".samnb-do-box", ".samnb-do-play", ".samnb-do-absent", ".samnb-do-redo", ".samnb-do-zoom-fit",
    ".samnb-do-help", ".samnb-saved", ".samnb-hint", ".samnb-legend", ".samnb-panel",
    ".samnb-slider .noUi-handle", ".samnb-small .noUi-handle", ".samnb-lanes .samnb-surface",
)  # fmt: skip


def cells(page):
    return page.locator(".jp-Notebook .jp-Cell .cm-content").all_inner_texts()


def test_no_key_reaches_the_notebook_wherever_the_studio_was_clicked(
    make_project, clip, open_studio
):
    project = make_project(clip)
    with lab(project) as url:
        hand = open_studio(url, is_lab=True)
        hand.wait_for_picture()
        before = cells(hand.page)
        assert len(before) == 2
        hand.click(*disc_xy(0))
        project.wait_for("frame_edited")
        for place in PLACES:
            hand.page.locator(place).locator("visible=true").first.click(force=True)
            hand.press(*DANGEROUS)
            assert cells(hand.page) == before, f"after a click on {place}"
        rows = len(project.rows("frame_edited"))
        hand.press("c", "Home")
        hand.wait_for_text(".samnb-time", "frame 0")
        hand.press("o")
        project.wait_for("frame_edited", rows + 1)
