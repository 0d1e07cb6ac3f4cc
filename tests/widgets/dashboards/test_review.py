"""The review page as widgets."""

from __future__ import annotations

import pytest

from samnb.events.concepts import ConceptTask
from samnb.widgets.concept_desk import ConceptDesk
from samnb.widgets.dashboards.review import MASKLETS, count_waiting
from samnb.widgets.keys import Action
from samnb.widgets.studio import Studio
from tests.widgets.concept_bench import propose
from tests.widgets.conftest import is_shown
from tests.widgets.dashboards.work import hand_in

MV, EV = ConceptTask.MV.value, ConceptTask.EV.value


@pytest.fixture
def work(open_project, media, picture):
    """A masklet, a pair for MV and one for EV wait."""
    loop, media_id = picture
    loop.set_rules(apart="pair")
    item_id = hand_in(open_project("bo"), media.id, name="box")
    return item_id, propose(loop, media_id, "cup", [0]), propose(loop, media_id, "dog", [])


def claims(page):
    return {i for i, s in page.session.refresh().items.items() if s.claim is not None}


def test_it_opens_where_there_is_work(review, work):
    page = review()
    assert page.task == MASKLETS
    assert page.buttons[MASKLETS].description == "Masklets · 1"
    assert page.buttons[EV].description == "Exhaustivity (EV) · 1"
    assert not is_shown(page.buttons["confirm"]), "there is no video among the pairs"
    assert isinstance(page._studio, Studio) and page.place.children == (page._studio.widget,)
    assert claims(page) == {work[0]}


def test_a_verdict_is_given_and_counted(review, work, later):
    page = review()
    page._studio._press(Action.SATISFACTORY)
    later.run()
    assert page.buttons[MASKLETS].description == "Masklets · 0"
    assert page.session.item(work[0]).verdicts[-1].worker_id == "ana"


def test_each_task_has_its_desk_and_what_is_held_is_given_back(review, work):
    page = review()
    page.buttons[MV].click()
    assert isinstance(page._desk, ConceptDesk) and page._desk.snapshot.phrase == "cup"
    assert claims(page) == set(), "the masklet waits for others again"
    assert page.place.children == (page._desk.widget,)
    page.buttons[EV].click()
    assert page._desk.snapshot.phrase == "dog"
    assert "Is everything" in page.what.value and "samnb-on" in page.buttons[EV]._dom_classes
    page.buttons[MASKLETS].click()
    assert page._desk is None and claims(page) == {work[0]}
    assert not page.session.concepts.pair(work[2]).claims


def test_keys_belong_to_the_whole_page(review, work):
    page = review()
    assert page._studio.stage.surface.root_class in page.widget._dom_classes
    page.buttons[MV].click()
    assert page._desk.stage.surface.root_class in page.widget._dom_classes


def test_another_person_takes_the_chair(review, work):
    page = review()
    page.buttons[MV].click()
    page.worker.value = "bo"
    assert page.session.worker.id == page._desk.session.worker.id == "bo"
    assert page.buttons[MASKLETS].description == "Masklets · 0", "Bo made it"
    assert "You are bo now" in page.banner.words.value


def test_nothing_to_do_is_said_and_new_work_is_taken_up(review, open_project, media, later):
    page = review()
    assert page.task is None and "Nothing waits for you" in page.place.children[0].value
    hand_in(open_project("bo"), media.id)
    later.run()
    assert page.task == MASKLETS


def test_what_one_made_does_not_wait_for_oneself(open_project, work):
    assert count_waiting(open_project("bo")).counts[MASKLETS] == 0
    found = count_waiting(open_project("cy"))
    assert found.first == MASKLETS and found.counts[MV] == 1 and not found.has_videos
