"""The desk as widgets."""

from __future__ import annotations

import pytest

from samnb.events.concepts import ConceptTask, Corrected, MvAnswered
from samnb.types import MvAnswer
from samnb.widgets.concept_desk import ConceptDesk
from samnb.widgets.concept_keys import Want
from samnb.widgets.intents import Clicked, Tool
from samnb.widgets.jobs import inline
from samnb.widgets.surface import ROOT_CLASS, Acked
from tests.widgets.concept_bench import propose
from tests.widgets.conftest import Later, is_shown

MV, EV, CORRECT = ConceptTask.MV, ConceptTask.EV, ConceptTask.CORRECT


@pytest.fixture
def sit_at(open_project):
    desks = []

    def sit(worker="ana", task="mv", **options):
        desk = ConceptDesk(open_project(worker), task, runners=inline, later=Later(), **options)
        desks.append(desk)
        see(desk)
        return desk

    yield sit
    for desk in desks:
        desk.close()


def see(desk):
    """The browser has shown what was drawn."""
    desk.controller.on_surface(Acked(desk.stage.surface.tick))


@pytest.fixture
def cup(picture):
    loop, media_id = picture
    loop.set_rules(apart="pair")
    return propose(loop, media_id, "red <cup>", [0])


def test_it_is_one_widget_with_the_class_that_its_keys_are_guarded_by(sit_at, cup):
    desk = sit_at()
    assert ROOT_CLASS in desk.widget._dom_classes
    assert "application/vnd.jupyter.widget-view+json" in desk._repr_mimebundle_()


def test_the_phrase_is_a_heading_in_plain_text(sit_at, cup):
    desk = sit_at(note="made up & honest")
    assert '<h2 class="samnb-phrase">red &lt;cup&gt;</h2>' in desk.title.value
    assert desk.note.value == "made up &amp; honest"


def test_an_option_s_button_says_its_key_and_where_it_leads(sit_at, cup):
    desk = sit_at()
    panel = desk.asks[MV]
    assert [b.description for b in panel.options.values()] == [
        "Accept · Y", "Accept as text · T", "Reject · R", "Whole image · W", "Flag label · F",
    ]  # fmt: skip
    assert panel.outcomes[Want.REJECT].value == "the mask goes"
    assert len(desk.asks[EV].options) == 6
    panel.options[Want.REJECT].click()
    events = desk.session.log.read()
    (body,) = [e.body for e in events if isinstance(e.body, MvAnswered)]
    assert body.answers[0].answer is MvAnswer.REJECT
    assert all(b.disabled for b in panel.options.values()), "nothing is left to answer"
    panel.take_back.click()
    assert "red <cup>" in desk.snapshot.phrase


def test_tabs_count_what_waits_and_change_the_desk(sit_at, cup):
    desk = sit_at()
    assert desk.tabs[MV].description == "Masks (MV) · 1"
    assert not is_shown(desk.tabs[ConceptTask.CONFIRM]), "there is no video"
    desk.tabs[EV].click()
    assert is_shown(desk.asks[EV].widget) and not is_shown(desk.asks[MV].widget)
    assert "Nothing waits for you at Exhaustivity" in desk.stage.note.value
    assert "g" in desk.stage.surface.chords and "t" not in desk.stage.surface.chords


def test_the_worker_s_name_is_a_field(sit_at, cup):
    desk = sit_at()
    desk.worker.value = "bo"
    assert desk.session.worker.id == "bo"
    assert "You are bo now" in desk.banner.words.value and desk.snapshot.phrase


def test_correction_by_buttons(sit_at, cup, open_project):
    open_project("bo").concepts.answer_mv(cup, "accept")
    open_project("eve").concepts.answer_ev(cup, "reject")
    desk = sit_at("cy", "correct")
    assert is_shown(desk.toolbar) and not is_shown(desk.asks[MV].widget)
    assert not is_shown(desk.frames) and not is_shown(desk.correct.follow_box)
    desk.controller.do(lambda: desk.controller._reduce(Clicked(24, 15)))
    first, second = desk.correct._lines[:2]
    assert second.words.value == "new" and "samnb-chosen" in second.widget._dom_classes
    assert not desk.undo.disabled
    first.flip.click()
    assert first.words.value == "removed" and first.flip.description == "Put back"
    first.flip.click()
    assert first.words.value == "proposed"
    second.pick.click()
    desk.correct.group.click()
    assert "samnb-on" not in desk.correct.apart._dom_classes
    assert "not every instance by itself" in desk.correct.summary.value
    desk.tools[Tool.BRUSH].click()
    assert desk.stage.surface.tool == "brush" and not desk.brush[0].disabled
    desk.correct.submit.click()
    events = desk.session.log.read()
    (body,) = [e.body for e in events if isinstance(e.body, Corrected)]
    assert body.added[0].is_group and len(body.kept) == 1
    assert desk.correct.submit.disabled and "Nothing waits" in desk.stage.note.value


def test_an_offer_in_a_message_is_a_button(sit_at, cup, open_project):
    open_project("bo").concepts.answer_mv(cup, "reject")
    open_project("eve").concepts.answer_ev(cup, "reject")
    desk = sit_at("cy", "correct")
    desk.correct.submit.click()
    assert is_shown(desk.banner.offer) and desk.banner.offer.description == "Yes, it is not here"
    desk.banner.offer.click()
    assert desk.session.concepts.refresh().pairs[cup].is_negative


def test_help_follows_the_desk(sit_at, cup):
    desk = sit_at()
    assert not is_shown(desk.help)
    desk.widget.children[0].children[-1].click()
    assert is_shown(desk.help) and "Accept as text" in desk.help.value
    desk.tabs[CORRECT].click()
    assert "Group mask" in desk.help.value


def test_an_unknown_task_is_refused(open_project):
    with pytest.raises(ValueError, match="boss"):
        ConceptDesk(open_project(), "boss", runners=inline, later=Later())
