"""Being there: remember where the person is, and notice what others write."""

from __future__ import annotations

from typing import Final, TypeAlias

from samnb.engine.state import ProjectState
from samnb.widgets.edits import Edits
from samnb.widgets.jobs import Later, Runner

LOOK_AFTER_S: Final = 1.0
"""A view is remembered once it has been on the screen this long."""
POLL_S: Final = 2.0
"""How often the log is asked for what others wrote."""
Seen: TypeAlias = tuple[str | None, str | None, int]
"""Medium, object and frame on the screen."""


def last_seen(state: ProjectState, worker_id: str) -> Seen:
    """Where a worker left off, or the start of the first medium. An object that is gone
    since then is not chosen again."""
    cursor = state.cursors.get(worker_id)
    if cursor is None or cursor.media_id not in state.media:
        return next(iter(state.media), None), None, 0
    item = state.items.get(cursor.item_id or "")
    item_id = None if item is None or item.is_deleted else item.item.id
    return cursor.media_id, item_id, cursor.frame_idx


class Attendance:
    """Writes down what is looked at and polls the log.

    Args:
        edits: does both, behind the edits under way.
        page: the page thread.
        later: calls work after a delay.
    """

    def __init__(self, edits: Edits, page: Runner, later: Later) -> None:
        self._edits, self._page, self._later = edits, page, later
        self._seen: Seen | None = None
        self._is_closed = False

    def start(self) -> None:
        """Begin to poll."""
        self._later(POLL_S, self._poll)

    def seeing(self, seen: Seen) -> None:
        """Say what is on the screen; on the page thread."""
        if seen != self._seen:
            self._seen = seen
            self._later(LOOK_AFTER_S, lambda: self._page.post(lambda: self._note(seen)))

    def close(self) -> None:
        """Stop polling."""
        self._is_closed = True

    def _poll(self) -> None:
        if not self._is_closed:
            self._edits.poll()
            self._later(POLL_S, self._poll)

    def _note(self, seen: Seen) -> None:
        media_id, item_id, frame_idx = seen
        if seen == self._seen and media_id is not None:  # else it was only passed by
            self._edits.remember(media_id, item_id, frame_idx)
