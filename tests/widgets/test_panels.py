"""The studio's widgets: what they show and what pressing them does."""

from __future__ import annotations

from dataclasses import replace

from samnb.engine import phases
from samnb.types import Step
from samnb.widgets.intents import Clicked, Tool
from samnb.widgets.keys import KEYMAP, Desk, bindings, printed
from samnb.widgets.panels import help_html
from tests.widgets.conftest import Runners, is_shown


def click(studio, x=10, y=8):
    studio.controller.on_gesture(Clicked(x, y))


def rows(studio):
    return studio.objects._rows[: len(studio.snapshot.objects)]


def finish(studio):
    click(studio)
    studio.propagation.forward.click()
    studio.objects.submit.click()
    return studio.snapshot.view.item_id


def test_a_row_shows_number_name_phase_and_step(studio):
    click(studio)
    (row,) = rows(studio)
    assert (row.pick.description, row.name.value) == ("1", "object 1")
    assert row.step.value == '<span title="Phase 3 (SAM 2)">P3 · to track</span>'
    assert row.pick.style.button_color == studio.snapshot.objects[0].colour


def test_a_row_chooses_renames_hides_and_deletes_its_object(studio):
    click(studio)
    studio.objects.new.click()
    first, second = rows(studio)
    first.pick.click()
    assert studio.snapshot.objects[0].is_chosen
    first.name.value = "dog <b>"
    item_id = studio.snapshot.objects[0].item_id
    assert studio.session.item(item_id).item.name == "dog <b>"
    first.hide.click()
    assert first.hide.description == "Show" and not studio.snapshot.stage.masks
    second.delete.click()
    assert [r.item_id for r in studio.snapshot.objects] == [item_id]
    assert len(studio.objects.rows.children) == 1
    assert studio.banner.offer.description == "Undo" and is_shown(studio.banner.widget)
    studio.banner.offer.click()
    assert len(studio.objects.rows.children) == 2 and not is_shown(studio.banner.widget)


def test_the_phase_of_new_objects_is_chosen_once_for_all_that_follow(studio):
    assert studio.objects.phase.value == 3
    studio.objects.phase.value = 1
    click(studio)
    studio.objects.new.click()
    assert [s.item.phase for s in studio.session.state.items.values()] == [1, 1]
    assert rows(studio)[0].step.value.startswith('<span title="Phase 1 (SAM per frame)">P1 ·')


def test_phase_1_cannot_be_propagated_and_says_why(studio):
    studio.objects.phase.value = 1
    click(studio)
    assert studio.propagation.forward.disabled and studio.propagation.backward.disabled
    assert is_shown(studio.propagation.text)
    assert "nothing is propagated" in studio.propagation.text.value
    studio.objects.phase.value = 3
    studio.objects.new.click()
    click(studio, 20, 12)
    assert not studio.propagation.forward.disabled
    assert not is_shown(studio.propagation.text)


def test_tools_that_the_phase_lacks_are_disabled(studio, monkeypatch):
    kept = frozenset({"points", "box", "absent"})
    monkeypatch.setitem(phases.PHASES, 2, replace(phases.PHASES[2], tools=kept))
    studio.objects.phase.value = 2
    click(studio)
    disabled = {tool for tool, button in studio.tools.items() if button.disabled}
    assert disabled == {Tool.BRUSH, Tool.ERASER}
    assert [b.disabled for b in studio.edit_buttons] == [False, False, True]


def test_what_the_verifier_said_is_shown_with_a_button_to_the_frame(
    studio, open_studio, later, open_project
):
    item_id = finish(studio)
    assert not is_shown(studio.objects.feedback)
    bo = open_studio("bo", desk="verify")
    bo.timeline.slider.value = 4
    bo.review.note.value = "<tail> is missing"
    bo.review.buttons[1].click()
    assert bo.session.item(item_id).step is Step.TRACK
    later.run()
    assert is_shown(studio.objects.feedback)
    assert "bo found it unsatisfactory: “&lt;tail&gt; is missing”" in studio.objects.feedback.value
    assert studio.objects.to_feedback.description == "Go to frame 4"
    studio.objects.to_feedback.click()
    assert studio.snapshot.view.frame_idx == 4


def test_feedback_without_a_frame_has_no_button(studio, open_project, later):
    item_id = finish(studio)
    open_project("bo").judge(item_id, "unsatisfactory", "again")
    later.run()
    assert is_shown(studio.objects.feedback) and not is_shown(studio.objects.to_feedback)


def test_a_note_stays_when_its_verdict_is_refused_and_goes_with_its_object(
    studio, open_studio, open_project, clock
):
    finish(studio)
    bo = open_studio("bo", desk="verify")
    bo.review.note.value = "the tail"
    clock.now_s += 601
    cy = open_project("cy")
    cy.next("verifier")
    bo.review.buttons[1].click()
    assert "being worked on by cy" in bo.banner.words.value
    assert bo.review.note.value == "the tail"
    cy.release(bo.snapshot.view.item_id)
    bo.review.buttons[1].click()
    assert bo.review.note.value == "" and bo.snapshot.view.item_id is None


def test_the_verifiers_desk_has_no_editing_buttons(studio, open_studio):
    finish(studio)
    bo = open_studio("bo", desk="verify")
    assert is_shown(bo.review.widget)
    for box in (bo.propagation.widget, bo.objects.buttons, *bo.edit_groups):
        assert not is_shown(box)
    (row,) = rows(bo)
    assert row.name.disabled and row.delete.disabled
    bo.desks[Desk.ANNOTATE].click()
    assert is_shown(bo.objects.buttons) and not is_shown(bo.review.widget)


def test_reopening_is_a_button_that_counts_after_handing_in(studio):
    click(studio)
    assert studio.objects.reopen.disabled and not studio.objects.submit.disabled
    studio.propagation.forward.click()
    studio.objects.submit.click()
    assert not studio.objects.reopen.disabled and studio.objects.submit.disabled
    studio.objects.reopen.click()
    assert not studio.objects.submit.disabled


def test_the_bar_shows_how_far_propagation_is(open_studio, tracker):
    runners = Runners(("samnb-track",))
    studio = open_studio(runners=runners)
    click(studio)
    studio.propagation.forward.click()
    seen = []

    def look():
        bar = studio.propagation.bar
        seen.append((bar.value, bar.max, is_shown(bar), studio.propagation.cancel.disabled))

    tracker.at[3] = look
    tracker.at[4] = studio.propagation.cancel.click
    runners.run("track")
    assert seen == [(3, 6, True, False)]
    assert not is_shown(studio.propagation.bar) and studio.propagation.cancel.disabled
    assert len(studio.session.item(studio.snapshot.view.item_id).frames) == 4


def test_the_box_restricts_propagation_to_the_chosen_object(studio):
    click(studio)
    studio.objects.new.click()
    click(studio, 20, 12)
    studio.propagation.only.value = True
    studio.propagation.forward.click()
    first, second = studio.session.state.items
    assert len(studio.session.item(first).frames) == 1
    assert len(studio.session.item(second).frames) == 6


def test_the_key_page_prints_every_key_of_the_desk():
    for desk in Desk:
        page = help_html(desk)
        for binding in bindings(desk):
            if not binding.action.value.startswith("object_"):
                assert all(f"<kbd>{printed(key)}</kbd>" in page for key in binding.keys)
    only_annotate = next(b for b in KEYMAP if b.desk is Desk.ANNOTATE and b.words == "Box")
    assert only_annotate.help not in help_html(Desk.VERIFY)
