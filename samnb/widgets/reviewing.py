"""The verifier's side of the queue: take, skip, answer."""

from __future__ import annotations

from collections.abc import Callable

from samnb.engine.session import Session
from samnb.engine.state import ItemState
from samnb.types import Role, VerdictKind


class Reviewing:
    """One verifier's way through the queue.

    Args:
        session: the verifier's session.
        clock: seconds, monotonic; for the time a verdict took.
    """

    def __init__(self, session: Session, clock: Callable[[], float]) -> None:
        self.session, self._clock = session, clock
        self.item_id: str | None = None
        self._passed: set[str] = set()
        self._since_s = clock()

    def take(self) -> ItemState | None:
        """Give back what is held and claim the next item; None when nothing waits."""
        self.release()
        item = self.session.next(Role.VERIFIER, but=self._passed)
        if item is None and self._passed:  # all the rest was skipped: offer it again
            self._passed.clear()
            item = self.session.next(Role.VERIFIER)
        self.item_id = item.item.id if item else None
        self._since_s = self._clock()
        return item

    def skip(self) -> ItemState | None:
        """Leave this item to somebody else and take another."""
        if self.item_id is not None:
            self._passed.add(self.item_id)
        return self.take()

    def judge(self, kind: VerdictKind, note: str, frame_idx: int) -> ItemState | None:
        """Answer for the item held and take the next.

        Raises:
            FlowError: this worker may not answer for it.
        """
        if self.item_id is not None:
            spent_s = round(self._clock() - self._since_s, 3)
            self.session.judge(self.item_id, kind, note, frame_idx, seconds_s=spent_s)
            self.item_id = None
        return self.take()

    def release(self) -> None:
        """Give back what is held without an answer."""
        held, self.item_id = self.item_id, None
        if held is not None:
            self.session.release(held)
