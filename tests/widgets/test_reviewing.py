"""The verifier's desk, and what the annotator gets back from it."""

from __future__ import annotations

import pytest

from samnb.types import Step, VerdictKind
from samnb.widgets.keys import Desk as Side


@pytest.fixture
def finished(ana):
    """Ana has handed in one object."""
    return ana.finish()


@pytest.fixture
def verify(sit_down):
    def sit(worker):
        desk = sit_down(worker)
        desk.call("set_desk", Side.VERIFY)
        return desk

    return sit


def test_somebody_else_gets_the_object_and_sees_it_alone(ana, finished, verify):
    ana.press("n")
    bo = verify("bo")
    assert bo.item_id == finished
    assert [row.item_id for row in bo.now.objects] == [finished]
    assert bo.now.review.is_open and bo.now.review.item.item.id == finished
    assert bo.now.stage.tool == "none"


def test_the_maker_gets_nothing_to_verify(ana, finished):
    ana.call("set_desk", Side.VERIFY)
    assert ana.item_id is None
    assert "Nothing to verify" in ana.now.stage.message
    assert not ana.now.review.is_open and ana.now.review.n_waiting == 0


def test_the_maker_who_looks_at_it_reads_why_not(ana, finished):
    assert ana.item_id == finished
    assert not ana.now.review.is_open
    assert "somebody else has to verify it" in ana.now.review.why_not


def test_a_verdict_carries_note_frame_and_time(ana, finished, verify, clock):
    bo = verify("bo")
    clock.now_s += 7.5
    bo.note = "the tail is missing"
    bo.press("d", "d", "r")
    verdict = bo.session.item(finished).verdicts[-1]
    assert verdict.kind is VerdictKind.UNSATISFACTORY
    assert (verdict.note, verdict.frame_idx) == ("the tail is missing", 2)
    assert verdict.seconds_s == 7.5
    assert bo.item_id is None and "Nothing to verify" in bo.now.stage.message


@pytest.mark.parametrize(("key", "step"), [("y", Step.ACCEPTED), ("x", Step.REJECTED)])
def test_one_key_answers(finished, verify, key, step):
    bo = verify("bo")
    bo.press(key)
    assert bo.session.item(finished).step is step


def test_what_comes_back_says_what_was_wrong_and_where(ana, finished, verify):
    bo = verify("bo")
    bo.note = "the tail is missing"
    bo.press("d", "d", "r")
    ana.later.run()
    feedback = ana.now.feedback
    assert feedback.text == "bo found it unsatisfactory: “the tail is missing”"
    assert feedback.frame_idx == 2
    assert ana.now.objects[0].step == "P3 · came back"
    ana.press("Enter")
    assert ana.now.feedback is None and ana.now.objects[0].step == "P3 · to verify"


def test_a_verdict_of_an_earlier_round_is_not_shown_again(ana, finished, verify):
    verify("bo").press("r")
    ana.later.run()
    ana.press("Enter")
    ana.call("reopen")
    assert ana.session.item(finished).step is Step.TRACK
    assert ana.now.feedback is None


def test_skipping_goes_round(ana, verify):
    first, second = ana.finish(10, 8), None
    ana.press("n")
    second = ana.finish(20, 12)
    bo = verify("bo")
    seen = [bo.item_id]
    for _ in range(2):
        bo.press("n")
        seen.append(bo.item_id)
    assert seen == [first, second, first]
    assert not bo.session.item(first).verdicts


def test_what_one_verifier_holds_is_not_given_to_another(finished, verify):
    bo, cy = verify("bo"), verify("cy")
    assert (bo.item_id, cy.item_id) == (finished, None)
    bo.call("set_desk", Side.ANNOTATE)
    cy.call("set_desk", Side.VERIFY)
    assert cy.item_id == finished


def test_going_on_as_somebody_else_takes_the_queue_anew(finished, verify):
    bo = verify("bo")
    bo.call("set_worker", "ana")
    assert bo.item_id is None
    bo.call("set_worker", "cy")
    assert bo.item_id == finished
    bo.press("y")
    assert bo.session.item(finished).verdicts[-1].worker_id == "cy"


def test_a_verdict_that_comes_too_late_is_refused_in_words(finished, verify, clock):
    bo = verify("bo")
    clock.now_s += 601
    cy = verify("cy")
    assert cy.item_id == finished
    bo.press("y")
    assert bo.banner == "object 1 is being worked on by cy"
    assert not bo.session.item(finished).verdicts


def test_back_at_the_annotators_desk_all_objects_are_there(ana, finished, verify):
    ana.press("n")
    bo = verify("bo")
    bo.call("set_desk", Side.ANNOTATE)
    assert len(bo.now.objects) == 2
