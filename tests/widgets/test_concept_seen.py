"""What the browser has shown."""

from __future__ import annotations

from samnb.widgets.concept_seen import AWAY_S, UNSEEN_S, Seen

FIRST, SECOND = ("pair", 0, 1), ("pair", 1, 1)


def test_a_question_is_seen_once_its_drawing_is_acknowledged():
    seen = Seen()
    seen.drawn(FIRST, 4, 0.0)
    seen.acked(3)
    assert not seen.is_seen(FIRST, 0.1)
    seen.acked(4)
    assert seen.is_seen(FIRST, 0.1) and not seen.is_seen(SECOND, 0.1)


def test_drawing_the_same_question_again_asks_for_nothing_new():
    seen = Seen()
    seen.drawn(FIRST, 4, 0.0)
    seen.acked(4)
    seen.drawn(FIRST, 9, 0.0)
    assert seen.is_seen(FIRST, 0.1)
    seen.drawn(SECOND, 10, 0.0)
    assert not seen.is_seen(SECOND, 0.1)


def test_a_browser_that_says_nothing_is_believed_after_a_while():
    seen = Seen()
    seen.drawn(FIRST, 4, 0.0)
    assert seen.is_seen(FIRST, UNSEEN_S + 0.1)
    seen.forget()
    assert not seen.is_seen(FIRST, UNSEEN_S + 0.1)


def test_a_page_that_shows_nothing_is_not_watched():
    seen = Seen()
    seen.redrawn(1, 0.0)
    assert seen.is_watched(1.0) and not seen.is_watched(AWAY_S + 1)
    seen.acked(1)
    assert seen.is_watched(AWAY_S + 1)
