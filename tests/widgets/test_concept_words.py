"""What the concept desks say."""

from __future__ import annotations

import pytest

from samnb.engine.concepts.queue import Work
from samnb.events.concepts import ConceptMask, ConceptTask
from samnb.types import FrameMask
from samnb.widgets.concept_keys import Want
from samnb.widgets.concept_words import counted, hint, nothing_html, outcome, question
from tests.widgets.concept_bench import propose

MV, EV, CORRECT = ConceptTask.MV, ConceptTask.EV, ConceptTask.CORRECT


@pytest.mark.parametrize(
    ("task", "want", "n_masks", "n_people", "words"),
    [
        (MV, Want.ACCEPT, 1, 1, "the mask stays"),
        (MV, Want.ACCEPT, 1, 3, "the mask stays, if everybody asked says so"),
        (MV, Want.REJECT, 1, 3, "the mask goes"),
        (MV, Want.WHOLE_IMAGE, 1, 3, "the phrase is dropped, if most of those asked say so"),
        (EV, Want.ACCEPT, 2, 1, "finished"),
        (EV, Want.ACCEPT, 0, 1, "finished: a verified negative"),
        (EV, Want.REJECT, 0, 1, "somebody draws what is missing"),
        (EV, Want.REJECT_UNSEPARATED, 0, 1, "somebody draws what is missing, for a group mask"),
        (EV, Want.UNGROUNDABLE, 0, 1, "the phrase is dropped"),
    ],
)
def test_an_option_says_where_it_leads(task, want, n_masks, n_people, words):
    assert outcome(task, want, n_masks, n_people) == words


def work(task, n):
    masks = tuple(ConceptMask(f"k{i}", (FrameMask(0, f"m{i}"),)) for i in range(n))
    return Work("pair", "media", "cup", task, masks)


def test_the_question_tells_what_is_marked():
    assert "mask 2 of 3" in question(work(MV, 3), 1)
    assert " of " not in question(work(MV, 1), 0)
    assert question(work(EV, 1), 0).startswith("One red box marks")
    assert question(work(EV, 12), 0).startswith("12 red boxes mark ")
    assert "really none" in question(work(EV, 0), 0)
    assert counted(1, "box") == "one box" and counted(0, "mask") == "no masks"


def test_the_hint_follows_what_is_in_hand():
    said = {
        hint(CORRECT, has_row=has_row, n_rows=n, is_running=False)
        for has_row, n in ((False, 0), (False, 1), (True, 1))
    }
    assert len(said) == 3
    assert "Esc stops" in hint(CORRECT, has_row=True, n_rows=1, is_running=True)


def test_an_empty_project_says_how_to_begin(open_project):
    text = nothing_html(open_project().concepts.state, MV, "ana", 0.0)
    assert "Nothing waits for you at Masks (MV)" in text and "add_pairs" in text


def test_the_reason_is_one_of_those_that_hold(picture, open_project):
    loop, media_id = picture
    loop.add_pairs(media_id, ["dog"])
    first, second = (propose(loop, media_id, phrase, [0]) for phrase in ("cup", "hat"))
    loop.answer_mv(second, "reject")
    open_project("bo").concepts.next("mv")
    text = nothing_html(loop.refresh(), MV, "cy", 1000.0)
    assert "1 is on somebody else's desk" in text
    assert "1 pair waits for proposals" in text and "1 of 3 pairs wait at other desks" in text
    assert "maker did mv" in nothing_html(loop.state, EV, "maker", 1000.0)
    assert "reject" not in text, "nothing tells what anybody answered"
    assert first != second


def test_finished_is_said(picture):
    loop, media_id = picture
    pair_id = propose(loop, media_id, "dog", [])
    loop.answer_ev(pair_id, "accept")
    assert "All 1 pairs are finished" in nothing_html(loop.state, EV, "cy", 0.0)
