"""The verifier's panel in words."""

from __future__ import annotations

import pytest

from samnb.engine.state import HistoryEntry, ItemState, Returned
from samnb.types import FrameMask, Item, Proposal, Step, Verdict, VerdictKind
from samnb.widgets.keys import Action
from samnb.widgets.review import Review, ReviewSnapshot, clock_text, describe, history_html

HANDED = Proposal("p", "a", "ana", "", (FrameMask(0, "m", True), FrameMask(4, "m")))
FOUND = Verdict("p", "a", "bo", VerdictKind.UNSATISFACTORY, "<no tail>", 4)


def entry(what, worker="ana", seq=1):
    return HistoryEntry(seq, 0.0, worker, what)


def state(item_id="a", step=Step.VERIFY):
    return ItemState(Item(item_id, "m", 1, "dog & cat"), step, history=(entry(HANDED),))


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (HANDED, "handed in 2 frames, 1 by hand"),
        (FOUND, "unsatisfactory (frame 4): “<no tail>”"),
        (Verdict("p", "a", "bo", VerdictKind.REJECT), "reject"),
        (Returned("reopened in the studio"), "reopened in the studio"),
    ],
)
def test_history_is_told_in_words(what, words):
    assert describe(entry(what)) == f"{clock_text(0.0)} ana {words}"


def test_history_comes_newest_first_and_escaped():
    text = history_html([entry(HANDED), entry(FOUND, "bo", 2)])
    assert text.index("bo unsatisfactory") < text.index("ana handed in")
    assert "&lt;no tail&gt;" in text
    assert "No history yet" in history_html([])


@pytest.fixture
def review():
    pressed = []
    review = Review(pressed.append)
    review.pressed = pressed
    return review


def test_buttons_answer_only_while_this_worker_may(review):
    review.show(ReviewSnapshot(state(), is_open=True, n_waiting=3))
    assert not any(b.disabled for b in review.buttons)
    review.buttons[0].click()
    assert review.pressed == [Action.SATISFACTORY]
    assert "dog &amp; cat" in review.heading.value and "3 waiting" in review.heading.value
    review.show(ReviewSnapshot(state(), why_not="You made this one"))
    assert all(b.disabled for b in review.buttons)
    assert "You made this one" in review.heading.value


def test_nothing_to_do_is_said(review):
    review.show(ReviewSnapshot())
    assert "Nothing waits for you" in review.heading.value and review.history.value == ""


def test_a_note_is_trimmed_and_belongs_to_its_object(review):
    review.show(ReviewSnapshot(state("a"), is_open=True))
    review.note.value = " no tail \n"
    review.show(ReviewSnapshot(state("a"), is_open=True))
    assert review.read_note() == "no tail"
    review.show(ReviewSnapshot(state("b"), is_open=True))
    assert review.read_note() == ""
