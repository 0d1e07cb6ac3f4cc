"""The four dashboards in Voila: a real page each, and the log that it shows and writes."""

from __future__ import annotations

import csv

import pytest
from playwright.sync_api import expect

from samnb.engine.session import Session
from samnb.types import Point
from tests.browser import concept_project, rig
from tests.browser.contrast import FAINT_TEXTS
from tests.browser.rig import PATIENCE_S, Hand

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]
CELL = """from samnb.widgets.dashboards.opening import open_dashboard
open_dashboard({name!r}, {project!r}, worker='ana', model='colour', is_demo=False)"""
GATED = """from samnb import Session
from samnb.types import Worker, WorkerKind
from samnb.widgets.dashboards.engine import EngineRoom
from tests.browser.gate import Gated
machine = Worker('engine', WorkerKind.MODEL)
EngineRoom(Session.open({project!r}, worker=machine, tracker=Gated('colour')))"""


@pytest.fixture
def open_dashboard(make_project, voila, chromium):
    """Make a project, let the test fill it, and open a dashboard on it."""
    contexts = []

    def open_it(cell, fill, *, theme="light", width=1280):
        project = make_project()
        name = next((n for n in ("statistics", "review", "annotate") if n == cell), "")
        text = CELL.format(name=name, project=project.path.name) if name else cell
        project.write_cell(text.replace("{project!r}", repr(project.path.name)))
        fill(project)
        context = chromium.new_context(viewport={"width": width, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_S * 1000)
        page.goto(voila(project, theme=theme))
        page.wait_for_selector(".samnb-dashboard")
        return project, page

    yield open_it
    for context in contexts:
        for page in context.pages:
            page.goto("about:blank")  # as a person leaves, so that Voila ends the kernel
        context.close()


def is_clean(page, width):
    """No faint text, and nothing that sticks out sideways."""
    assert page.evaluate(FAINT_TEXTS, 4.5) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def disc_masklet(project, clip, *, is_done):
    """Bo's masklet of the red disc on the test's clip."""
    session = Session.open(project.path, worker="bo", tracker="colour")
    media = session.add_media(clip)
    item = session.add_item(media.id, "disc")
    session.set_prompts(item.id, 0, [Point(*rig.disc_xy(0))])
    if is_done:
        session.propagate(media.id, [item.id])
        session.submit(item.id)
    session.close()
    return item.id


def test_statistics_follow_the_log_and_leave_as_csv(open_dashboard, tmp_path):
    project, page = open_dashboard("statistics", concept_project.fill, theme="dark", width=900)
    page.get_by_text("No objects yet").wait_for()
    page.locator(".samnb-tab-concepts").click()
    seen = page.locator(".samnb-tile", has_text="positives").locator("b")
    expect(seen).to_have_text("0")
    is_clean(page, 900)

    # Somebody else works on the project meanwhile.
    session = Session.open(project.path, worker="eve", tracker="colour")
    loop = session.concepts
    (blue,) = [p for p in loop.state.pairs.values() if p.phrase == "blue disc"]
    session.as_worker("bo").concepts.answer_mv(blue.id, "accept")
    loop.answer_ev(blue.id, "accept")
    session.close()
    expect(seen).to_have_text("1")
    page.get_by_role("heading", name="Pairs", exact=True).wait_for()

    worker = page.locator(".samnb-filters select").first
    worker.select_option("bo")
    expect(page.locator(".samnb-tile", has_text="pairs").first.locator("b")).to_have_text("2")
    part = page.locator(".samnb-part", has=page.get_by_role("heading", name="Pairs", exact=True))
    expect(part.locator("tbody tr")).to_have_count(2)
    with page.expect_download() as download:
        part.get_by_role("button", name="CSV").click()
    download.value.save_as(tmp_path / "pairs.csv")
    lines = (tmp_path / "pairs.csv").read_text("utf-8").splitlines()
    assert {row["phrase"] for row in csv.DictReader(lines)} == {"disc", "blue disc"}
    assert download.value.suggested_filename == "pairs.csv"
    is_clean(page, 900)


def test_review_has_the_right_desk_for_each_task(open_dashboard, clip):
    ids = {}

    def fill(project):
        ids.update(concept_project.fill(project), disc=disc_masklet(project, clip, is_done=True))

    project, page = open_dashboard("review", fill)
    hand = Hand(page)
    masklets = page.locator(".samnb-task-masklets")
    expect(masklets).to_have_text("Masklets · 1")
    expect(page.locator(".samnb-tabs .samnb-task-mv")).to_have_text("Masks (MV) · 2")
    hand.wait_for_picture()
    hand.wait_for_text(".samnb-panel:visible", "disc")
    is_clean(page, 1280)
    masklets.focus()  # a key pressed anywhere on the page is the desk's
    page.keyboard.press("y")
    (verdict,) = project.wait_for("judged")
    assert verdict["by"] == "ana" and verdict["verdict"]["kind"] == "satisfactory"
    expect(masklets).to_have_text("Masklets · 0")

    page.locator(".samnb-tabs .samnb-task-mv").click()
    hand.wait_for_text(".samnb-phrase", "red disc")
    hand.wait_for_picture()
    expect(page.locator(".samnb-panel:visible .samnb-do-accept")).to_be_enabled()
    expect(hand.surface).to_be_focused()  # the keys went along from the other desk
    is_clean(page, 1280)
    hand.answer("y", ".samnb-question", "mask 2 of 2")
    expect(page.locator(".samnb-panel:visible .samnb-do-reject")).to_be_enabled()
    hand.answer("r", ".samnb-tabs .samnb-task-mv", "Masks (MV) · 1")
    done = [r for r in project.wait_for("mv_answered", 2) if r["by"] == "ana"]
    assert done[0]["item_id"] == ids["red disc"]
    expect(page.locator(".samnb-tabs .samnb-task-mv")).to_have_text("Masks (MV) · 1")


def test_annotate_hands_out_the_queue_and_takes_back_masklets(open_dashboard, clip):
    def fill(project):
        item_id = disc_masklet(project, clip, is_done=True)
        session = Session.open(project.path, worker="eve")
        session.judge(item_id, "unsatisfactory", "look at the end", 20)
        session.close()

    project, page = open_dashboard("annotate", fill, theme="dark")
    hand = Hand(page)
    take = page.locator(".samnb-take")
    expect(take).to_have_text("Next object · 1")
    hand.wait_for_picture()
    take.click()
    hand.wait_for_text(".samnb-in-hand", "In hand: disc")
    hand.wait_for_text(".samnb-feedback", "look at the end")
    hand.wait_for_text(".samnb-time", "frame 20")
    assert project.wait_for("claimed")[-1]["by"] == "ana"
    is_clean(page, 1280)
    hand.surface.focus()
    page.keyboard.press("Enter")
    assert project.wait_for("submitted", 2)[1]["by"] == "ana"
    hand.wait_for_text(".samnb-in-hand", "1 handed in by you")
    hand.wait_for_text(".samnb-banner", "disc is handed in")
    expect(take).to_be_disabled()


def test_the_engine_starts_pauses_goes_on_and_stops(open_dashboard, clip):
    def fill(project):
        disc_masklet(project, clip, is_done=False)
        project.gate.touch()

    project, page = open_dashboard(GATED, fill, width=900)
    row = page.locator(".samnb-stage-propagate")
    expect(row.locator(".samnb-stage-left")).to_contain_text("1 objects lack frames")
    row.get_by_role("button", name="Start").click()
    project.wait_at_gate()
    page.locator(".samnb-pause").click()
    expect(row).to_contain_text("paused: ")
    project.gate.unlink()  # the model could go on now; the page does not let it
    expect(page.locator(".samnb-go-on")).to_be_enabled()
    n_kept = len(project.rows("frame_tracked"))
    assert n_kept >= 2
    assert not project.rows("propagation_ended")
    is_clean(page, 900)

    for stage in ("mine", "route"):
        page.locator(f".samnb-stage-{stage}").get_by_role("button", name="Start").click()
    expect(page.locator(".samnb-stage-mine")).to_contain_text("waits for its turn")
    page.locator(".samnb-go-on").click()
    expect(row).to_contain_text("done: 6 frames tracked")
    (end,) = project.wait_for("propagation_ended")
    assert end["status"] == "done" and len(project.rows("frame_tracked")) > n_kept
    expect(page.locator(".samnb-stage-mine .samnb-error")).to_contain_text("captions: expected")
    expect(page.locator(".samnb-stage-route .samnb-error")).to_contain_text("run Verify by AI")
    expect(row.locator(".samnb-stage-left")).to_contain_text("0 objects")
    is_clean(page, 900)
