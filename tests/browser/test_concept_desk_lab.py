"""The concept desks in JupyterLab: answers by keys, and no key may touch the user's cells."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from samnb import launch
from tests.browser import concept_project
from tests.browser.concept_project import BLUE, SIZE_WH
from tests.browser.rig import PATIENCE_S
from tests.browser.test_concept_desk_voila import CELL
from tests.browser.test_studio_lab import DANGEROUS, cells

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]
ASKING = (".samnb-title", ".samnb-saved", ".samnb-hint")
DRAWING = (".samnb-do-box", ".samnb-row", ".samnb-do-zoom-in", ".samnb-title", ".samnb-stage")
"""Places of the desks to click before typing."""


@pytest.fixture(scope="module")
def desk_project(make_project):
    project = make_project()
    project.write_cell(CELL.format(name=project.path.name))
    return concept_project.fill(project), project


@pytest.fixture(scope="module")
def lab(desk_project):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "_STARTUP_S", PATIENCE_S)
        page = launch.open_lab(desk_project[1].notebook, has_browser=False)
    yield page.url
    page.process.terminate()
    page.process.wait(60)


def show(hand, name):
    """Keep a picture of the page where a person asked for one."""
    folder = os.environ.get("SAMNB_SCREENSHOTS")
    if folder:
        hand.page.screenshot(path=str(Path(folder) / f"{name}.png"))


def test_a_reviewer_works_by_keys_and_the_cells_stay_as_they_are(desk_project, lab, open_studio):
    pairs, project = desk_project
    hand = open_studio(lab, size=SIZE_WH, height=1000)
    page = hand.page
    hand.wait_for_picture()
    before = cells(page)
    assert len(before) == 2

    # MV: one key a mask.
    hand.wait_for_text(".samnb-phrase", "red disc")
    show(hand, "lab-mv")
    assert hand.faint_texts() == []
    hand.surface.focus()
    hand.answer("y", ".samnb-question", "mask 2 of 2")
    hand.wait_for_picture()
    hand.answer("r", ".samnb-phrase", "blue disc")
    (done,) = [r for r in project.wait_for("mv_answered", 2) if r["by"] == "ana"]
    assert done["item_id"] == pairs["red disc"]

    # EV: a button to get there, and keys at once.
    page.locator(".samnb-task-ev").click()
    hand.wait_for_text(".samnb-phrase", "green disc")
    hand.wait_for_picture()
    hand.answer("y", ".samnb-phrase", "striped disc")
    show(hand, "lab-ev")

    # Correction: a click, a group mark and its undoing.
    page.locator(".samnb-task-correct").click()
    hand.wait_for_text(".samnb-phrase", "disc")
    hand.wait_for_picture()
    hand.click(*BLUE)
    expect(page.locator(".samnb-row:visible")).to_have_count(3)
    hand.press("g", "z")
    hand.press("ArrowLeft", "ArrowRight")
    show(hand, "lab-correct")
    assert hand.faint_texts() == []
    for task, places in (("correct", DRAWING), ("mv", ASKING)):
        page.locator(f".samnb-task-{task}").click()
        expect(page.locator(f".samnb-task-{task}.samnb-on")).to_have_count(1)
        for place in places:
            page.locator(place).locator("visible=true").first.click(force=True)
            hand.press(*DANGEROUS)
            assert cells(page) == before, f"after a click on {place} at {task}"
    hand.leave()
