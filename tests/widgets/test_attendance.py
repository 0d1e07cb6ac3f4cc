"""Being there: what is remembered and when the log is asked."""

from __future__ import annotations

import pytest

from samnb.engine.state import Cursor, ItemState, ProjectState
from samnb.types import Item, Media, MediaKind
from samnb.widgets.attendance import LOOK_AFTER_S, POLL_S, Attendance, last_seen
from samnb.widgets.jobs import Inline
from tests.widgets.conftest import Later


class Notes:
    """Stands in for the edits."""

    def __init__(self):
        self.seen, self.n_polls = [], 0

    def remember(self, *seen):
        self.seen.append(seen)

    def poll(self):
        self.n_polls += 1


@pytest.fixture
def later():
    return Later()


@pytest.fixture
def notes():
    return Notes()


@pytest.fixture
def attendance(notes, later):
    return Attendance(notes, Inline(), later)


def test_a_view_is_remembered_after_a_while_and_once(attendance, notes, later):
    for _ in range(3):
        attendance.seeing(("m", "a", 4))
    assert [delay_s for delay_s, _ in later.waiting] == [LOOK_AFTER_S]
    later.run()
    assert notes.seen == [("m", "a", 4)]


def test_a_view_that_was_left_at_once_is_not(attendance, notes, later):
    attendance.seeing(("m", "a", 4))
    attendance.seeing(("m", "a", 8))
    later.run()
    assert notes.seen == [("m", "a", 8)]


def test_an_empty_page_is_not_remembered(attendance, notes, later):
    attendance.seeing((None, None, 0))
    later.run()
    assert notes.seen == []


def test_the_log_is_asked_again_and_again_until_the_end(attendance, notes, later):
    attendance.start()
    assert [delay_s for delay_s, _ in later.waiting] == [POLL_S]
    later.run()
    later.run()
    assert notes.n_polls == 2
    attendance.close()
    later.run()
    assert notes.n_polls == 2 and not later.waiting


def media(media_id):
    return Media(media_id, MediaKind.VIDEO, "clip", "", (10, 10), 5, 6.0, 1.0)


@pytest.mark.parametrize(
    ("cursor", "seen"),
    [
        (None, ("m", None, 0)),
        (Cursor("n", "b", 4), ("n", "b", 4)),
        (Cursor("n", "gone", 4), ("n", None, 4)),
        (Cursor("n", "unknown", 4), ("n", None, 4)),
        (Cursor("unknown", "b", 4), ("m", None, 0)),
    ],
)
def test_a_person_comes_back_to_where_he_or_she_left_off(cursor, seen):
    items = {
        "b": ItemState(Item("b", "n", 1)),
        "gone": ItemState(Item("gone", "n", 2), is_deleted=True),
    }
    cursors = {} if cursor is None else {"ana": cursor}
    state = ProjectState(media={"m": media("m"), "n": media("n")}, items=items, cursors=cursors)
    assert last_seen(state, "ana") == seen


def test_an_empty_project_has_nothing_to_come_back_to():
    assert last_seen(ProjectState(), "ana") == (None, None, 0)
