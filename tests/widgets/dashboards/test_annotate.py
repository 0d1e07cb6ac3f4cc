"""The annotation page as widgets."""

from __future__ import annotations

import pytest

from samnb.engine.session import LEASE_S
from samnb.types import Step
from samnb.widgets.concept_drafts import is_draft
from samnb.widgets.dashboards.annotate import count_supply
from samnb.widgets.keys import Action
from tests.widgets.dashboards.work import click, hand_in


@pytest.fixture
def queue(open_project, media):
    """An object that came back with a note, and one that somebody began."""
    bo = open_project("bo")
    back = hand_in(bo, media.id, name="back")
    open_project("eve").judge(back, "unsatisfactory", "leaks", 3)
    begun = click(bo, media.id, (20, 10), name="begun")
    return back, begun


def test_the_queue_is_counted(annotate, queue):
    page = annotate()
    assert page.take.description == "Next object · 2" and not page.take.disabled
    assert "2 waiting, 1 came back · 0 handed in by you" in page.in_hand.value
    assert page.skip.disabled


def test_the_next_object_opens_where_the_verifier_looked(annotate, queue):
    page = annotate()
    page.take.click()
    assert page.item_id == queue[0] == page.studio.snapshot.view.item_id
    assert page.studio.snapshot.view.frame_idx == 3
    assert "leaks" in page.studio.snapshot.feedback.text
    assert "In hand: <b>back</b>" in page.in_hand.value
    assert page.session.item(queue[0]).claim.worker_id == "ana"


def test_what_is_left_goes_back_and_the_next_comes(annotate, queue):
    page = annotate()
    page.take.click()
    page.skip.click()
    assert page.item_id == queue[1] and page.session.item(queue[0]).claim is None
    page.skip.click()
    assert page.item_id == queue[0], "all were left once: offered again"


def test_handing_in_brings_the_next(annotate, queue):
    page = annotate()
    page.take.click()
    page.studio._press(Action.SUBMIT)
    assert page.session.item(queue[0]).step is Step.VERIFY
    assert page.item_id == queue[1] and "back is handed in" in page.banner.words.value
    assert "1 waiting · 1 handed in by you" in page.in_hand.value


def test_work_on_the_object_in_hand_keeps_it_in_hand(annotate, queue, media, clock):
    page = annotate()
    page.take.click()
    claimed = page.session.item(queue[0]).claim.until_s
    clock.now_s += 0.4 * LEASE_S
    page.session.look(media.id, queue[0], 1)
    assert page.session.item(queue[0]).claim.until_s == claimed, "more than half is left"
    clock.now_s += 0.2 * LEASE_S
    page.session.look(media.id, queue[1], 1)
    assert page.session.item(queue[0]).claim.until_s == claimed, "that was another object"
    page.session.look(media.id, queue[0], 2)
    assert page.session.item(queue[0]).claim.until_s == clock.now_s + LEASE_S
    page.skip.click()
    assert page.session.item(queue[0]).claim is None


def test_without_media_it_asks_for_some(annotate):
    assert "add a video" in annotate().in_hand.value


def test_an_empty_queue_invites_to_begin(annotate, media):
    page = annotate()
    assert page.take.disabled and "click an object in the picture" in page.in_hand.value
    page.do(page.take_next)
    assert "Nothing waits for you" in page.banner.words.value


def test_work_of_others_shows_by_itself(annotate, open_project, media, later):
    page = annotate()
    click(open_project("bo"), media.id)
    later.run()
    assert page.take.description == "Next object · 1"


def test_drawings_of_corrections_are_no_work_here(annotate, open_project, media):
    bo = open_project("bo")
    draft = click(bo, media.id, source="correct:p1:new")
    assert is_draft(bo.item(draft).item)
    assert count_supply(bo).n_waiting == 0
    page = annotate()
    page.do(page.take_next)
    assert page.item_id is None


def test_leaving_gives_the_object_back(annotate, queue, open_project):
    page = annotate()
    page.take.click()
    page.close()
    assert open_project("cy").state.items[queue[0]].claim is None
