"""The concept desks in Voila: answers by keys, a correction by a click, and the log."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser import concept_project
from tests.browser.concept_project import BLUE, SIZE_WH

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]
CELL = """from samnb import Session
from samnb.widgets.concept_desk import ConceptDesk
session = Session.open({name!r}, worker='ana', tracker='colour')
desk = ConceptDesk(session, 'mv', note='Pictures of a test.')
desk"""


@pytest.fixture
def pairs_and_project(make_project):
    project = make_project()
    project.write_cell(CELL.format(name=project.path.name))
    return concept_project.fill(project), project


def answers(project, kind, by):
    return [row for row in project.rows(kind) if row["by"] == by]


def test_a_reviewer_answers_corrects_and_takes_back(pairs_and_project, voila, open_studio):
    pairs, project = pairs_and_project
    hand = open_studio(voila(project), size=SIZE_WH)
    page = hand.page
    hand.wait_for_picture()
    hand.wait_for_text(".samnb-phrase", "red disc")
    hand.wait_for_text(".samnb-question", "mask 1 of 2")
    hand.surface.focus()

    # MV: one key a mask, the least certain phrase first.
    first = hand.pixels()
    hand.answer("y", ".samnb-question", "mask 2 of 2")
    hand.wait_for_change(first, 0.05)
    hand.answer("r", ".samnb-phrase", "blue disc")
    (done,) = [r for r in project.wait_for("mv_answered", 2) if r["by"] == "ana"]
    assert done["item_id"] == pairs["red disc"]
    assert [a["answer"] for a in done["answers"]] == ["accept", "reject"]

    hand.press("z")  # the last answer, and the mask it was about, again
    hand.wait_for_text(".samnb-banner", "Took back")
    hand.wait_for_text(".samnb-question", "mask 2 of 2")
    hand.wait_for_picture()
    expect(page.locator(".samnb-panel:visible .samnb-do-reject")).to_be_enabled()
    hand.answer("3", ".samnb-phrase", "blue disc")
    assert len(project.rows("answer_undone")) == 1
    assert hand.faint_texts() == []

    # EV: what was accepted is boxed; no box and accept is a verified negative.
    page.locator(".samnb-task-ev").click()
    hand.wait_for_text(".samnb-phrase", "green disc")
    hand.wait_for_text(".samnb-question", "Nothing is marked")
    hand.wait_for_picture()
    hand.answer("y", ".samnb-phrase", "striped disc")
    (row,) = answers(project, "ev_answered", "ana")
    assert (row["item_id"], row["answer"]) == (pairs["green disc"], "accept")
    page.locator(".samnb-panel:visible .samnb-do-ungroundable").click()
    hand.wait_for_text(".samnb-note", "Nothing waits for you")
    hand.wait_for_text(".samnb-note", "did mv on this pair")
    assert answers(project, "ev_answered", "ana")[1]["answer"] == "ungroundable"

    # Correction: a click on the disc that has no mask.
    page.locator(".samnb-task-correct").click()
    hand.wait_for_text(".samnb-phrase", "disc")
    expect(page.locator(".samnb-row:visible")).to_have_count(2)
    hand.wait_for_picture()
    bare = hand.pixels()
    hand.click(*BLUE)
    expect(page.locator(".samnb-row:visible")).to_have_count(3)
    hand.wait_for_change(bare, 0.01)
    assert hand.faint_texts() == []
    hand.press("Enter")
    (body,) = project.wait_for("corrected")
    assert body["by"] == "ana" and body["item_id"] == pairs["disc"] and body["clicks"] == 1
    assert len(body["kept"]) == 2 and len(body["added"]) == 1
    assert body["is_instance_exhaustive"] and body["is_pixel_exhaustive"]
    hand.wait_for_text(".samnb-note", "Nothing waits for you at Correction")
    hand.leave()


def test_a_narrow_dark_page_has_no_sideways_scroll(pairs_and_project, voila, open_studio):
    _, project = pairs_and_project
    hand = open_studio(voila(project, theme="dark"), width=900, size=SIZE_WH)
    hand.wait_for_picture()
    for task in ("ev", "correct", "mv"):
        hand.page.locator(f".samnb-task-{task}").click()
        expect(hand.page.locator(f".samnb-task-{task}.samnb-on")).to_have_count(1)
        assert hand.page.evaluate("document.documentElement.scrollWidth") <= 900
        assert hand.faint_texts() == []
    hand.press("?")
    expect(hand.page.locator(".samnb-help")).to_be_visible()
    assert hand.faint_texts() == []
    hand.leave()
