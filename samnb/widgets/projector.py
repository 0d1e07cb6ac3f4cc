"""Keeps pictures and lanes up to date: asks for what changed, off the page thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from samnb.engine.session import Session
from samnb.engine.state import ItemState
from samnb.masks import rle as rle_ops
from samnb.types import MaskId
from samnb.widgets.compose import Composed, Wanted, compose
from samnb.widgets.jobs import Runner
from samnb.widgets.lanes import Lane, lane_of
from samnb.widgets.pictures import PictureCache


class Projector:
    """Holds the newest pictures and lanes; the page thread reads, a runner makes them.

    Args:
        session: read for frames and masks.
        page: results are posted there.
        work: runs the slow half.
        changed: called on the page thread when there is something new to show.
    """

    def __init__(
        self, session: Session, page: Runner, work: Runner, changed: Callable[[], None]
    ) -> None:
        self.session = session
        self._page, self._work, self._changed = page, work, changed
        self._pictures = PictureCache()
        self._wanted: Wanted | None = None
        self._seq = -1
        self._areas: dict[MaskId, int] = {}
        self.shown: Composed | None = None
        self.lanes: tuple[Lane, ...] = ()

    def want(self, wanted: Wanted | None) -> None:
        """Ask for a frame's pictures; what is on show stays until they are there."""
        if wanted == self._wanted:
            return
        self._wanted = wanted
        if wanted is None:
            self.shown = None
            return
        self._work.post_latest("picture", lambda: self._compose(wanted))

    def follow(self, seq: int, items: Sequence[ItemState], frames: Sequence[int]) -> None:
        """Bring the lanes up to log position ``seq``; frames in ascending order."""
        key = hash((seq, tuple(s.item.id for s in items), tuple(frames[:1]), len(frames)))
        if key == self._seq:
            return
        self._seq = key
        items, frames = tuple(items), tuple(frames)
        self._work.post_latest("lanes", lambda: self._draw_lanes(items, frames))

    def close(self) -> None:
        """Stop the runner."""
        self._work.close()

    def _compose(self, wanted: Wanted) -> None:
        composed = compose(self.session, wanted, self._pictures)

        def put() -> None:
            if self._wanted is not None and self._wanted.media_id == wanted.media_id:
                self.shown = composed
                self._changed()

        self._page.post_latest("picture", put)

    def _draw_lanes(self, items: tuple[ItemState, ...], frames: tuple[int, ...]) -> None:
        held = (f.mask_id for s in items for f in s.frames.values() if f.mask_id is not None)
        missing = {mask_id for mask_id in held if mask_id not in self._areas}
        if missing:
            stored = self.session.masks(missing)
            self._areas.update((mask_id, rle_ops.area(rle)) for mask_id, rle in stored.items())
        lanes = tuple(lane_of(state, frames, self._areas) for state in items)

        def put() -> None:
            self.lanes = lanes
            self._changed()

        self._page.post_latest("lanes", put)
