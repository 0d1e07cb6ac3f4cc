"""One simulated annotator at one item: the ways of working of the SAM 2 paper."""

from __future__ import annotations

import threading
from typing import Final

import numpy as np

from samnb.engine.groundtruth import TrueObject
from samnb.engine.handiwork import Hand, iou
from samnb.engine.session import Session
from samnb.engine.simulation import LONGEST_LOOK_S, Habits, Tiredness
from samnb.engine.state import ItemState

PROMPTED_AGAIN: Final = False
"""Whether the offline mode may choose a frame that was prompted before. The paper does
not say; here a frame gets its clicks once."""


class Visit:
    """What an annotator does from taking an item up to laying it down.

    Args:
        session: the annotator's own.
        state: the item as it is found.
        truth: what the annotator has in mind.
        habits: how the annotator works.
        tiredness: lets the time pass.
        rng: chance for jitter and overlooked errors.
        to_the_end: see ``SimulatedAnnotator.annotate``.
        cancel: set from another thread to stop.

    Attributes:
        anchor: the frame to begin with; None when the truth never shows the object.
        n_prompted: frames prompted by hand since the item was last handed out.
    """

    def __init__(
        self,
        session: Session,
        state: ItemState,
        truth: TrueObject,
        habits: Habits,
        *,
        tiredness: Tiredness,
        rng: np.random.Generator,
        to_the_end: bool,
        cancel: threading.Event | None,
    ) -> None:
        self._session, self._truth = session, truth
        self._habits, self._tired, self._rng = habits, tiredness, rng
        self._item_id, self._media_id = state.item.id, state.item.media_id
        self._to_the_end, self._cancel = to_the_end, cancel
        self._grid = session.annotation_frames(self._media_id)
        self._hand = Hand(session, state.item.id, truth, habits, tiredness, rng)
        self._unsigned_s = 0.0
        self._watched: set[int] = set()
        first_known = truth.first_frame(self._grid)
        prompted = sorted(i for i, f in state.frames.items() if f.is_edited)
        self.anchor = prompted[0] if prompted and not state.proposals else first_known
        self._is_new = not prompted
        self._is_back = bool(state.proposals)
        self.n_prompted = 0 if self._is_back else len(prompted)

    # -- the three ways of working ---------------------------------------------------

    def frame_by_frame(self) -> None:
        """Phase 1: every frame from scratch; after a verdict, the wrong ones again."""
        for frame_idx in self._grid:
            if _is_set(self._cancel):
                return
            frame = self._state().frames.get(frame_idx)
            is_open = frame is None or frame.mask_id is None
            is_due = is_open or (
                self._is_back and self._is_wrong(frame_idx, self._habits.pause_iou)
            )
            if is_due and frame_idx in self._truth.masks:
                self._prompt(frame_idx)
        self._sign()

    def online(self, anchor: int) -> None:
        """Watch once; correct the first wrong frame, go on from there."""
        bad: int | None = anchor if self._is_new else None
        runs = (True, False) if anchor > self._grid[0] else (True,)
        for is_forward in runs:
            at, end = anchor, self._grid[-1] if is_forward else self._grid[0]
            if self._is_back:
                bad = self._first_wrong(at, end)
                if bad is None:
                    continue
                at = bad
            while not _is_set(self._cancel):
                if bad is not None:
                    self._prompt(bad)
                    at = bad
                bad = self._track(at, end)
                if bad is None or self._is_spent():
                    break
            bad = None
        self._fix_what_the_verifier_saw()
        self._sign()

    def offline(self, anchor: int) -> None:
        """Watch everything, correct the worst frame, propagate everything again."""
        bad: int | None = anchor if self._is_new else None
        if self._is_back:
            bad = self._worst()
        while bad is not None and not _is_set(self._cancel):
            self._prompt(bad)
            self._watched.clear()
            self._track(anchor, self._grid[-1])
            if anchor > self._grid[0]:
                self._track(anchor, self._grid[0])
            self._sign()
            bad = None if self._is_spent() else self._worst()

    def _fix_what_the_verifier_saw(self) -> None:
        """Go to the frame that the verifier named, if it is still wrong."""
        verdicts = self._state().verdicts
        frame_idx = verdicts[-1].frame_idx if verdicts else None
        if frame_idx is None or not self._is_back or _is_set(self._cancel):
            return
        if frame_idx in self._truth.masks and self._iou(frame_idx) < self._habits.pause_iou:
            self._prompt(frame_idx)
            self._track(frame_idx, self._grid[-1])

    # -- steps -------------------------------------------------------------------------

    def _prompt(self, frame_idx: int) -> None:
        self._sign(frame_idx)
        self._hand.prompt(frame_idx)
        self.n_prompted += 1

    def _is_spent(self) -> bool:
        limit = self._habits.max_frames
        return limit is not None and self.n_prompted >= limit

    def _track(self, start: int, stop: int) -> int | None:
        """Propagate and watch; return the first frame seen to be wrong."""
        step = 1 if stop >= start else -1
        frames = [i for i in self._grid[::step] if min(start, stop) <= i <= max(start, stop)]
        pause = threading.Event()
        found: list[int] = []

        def watch(done: int, _total: int) -> None:
            if _is_set(self._cancel):
                pause.set()
            if done == 0 or found:
                return
            frame_idx = frames[done - 1]
            self._watch(frame_idx)
            if self._habits.mode == "online" and not self._is_spent():
                frame = self._state().frames.get(frame_idx)
                is_own = frame is not None and frame.is_edited
                if not is_own and self._is_wrong(frame_idx, self._habits.pause_iou):
                    found.append(frame_idx)
                    if not self._to_the_end:
                        pause.set()

        self._session.propagate(
            self._media_id, [self._item_id], start=start, stop=stop, cancel=pause, on_progress=watch
        )
        self._sign(found[0] if found else stop)
        return found[0] if found else None

    def _first_wrong(self, start: int, stop: int) -> int | None:
        """Watch what is there already; return the first frame seen to be wrong."""
        step = 1 if stop >= start else -1
        for frame_idx in self._grid[::step]:
            if min(start, stop) <= frame_idx <= max(start, stop):
                self._watch(frame_idx)
                if self._is_wrong(frame_idx, self._habits.pause_iou):
                    return frame_idx
        return None

    def _worst(self) -> int | None:
        """The frame seen to be furthest from the truth; None when all are good."""
        frames = self._state().frames
        edited = {i for i, f in frames.items() if f.is_edited}
        open_frames = [
            i for i in self._grid if i in self._truth.masks and (PROMPTED_AGAIN or i not in edited)
        ]
        scores = [
            (self._iou(i), i) for i in open_frames if self._is_wrong(i, self._habits.pause_iou)
        ]
        return min(scores)[1] if scores else None

    # -- eyes ----------------------------------------------------------------------------

    def _watch(self, frame_idx: int) -> None:
        """Let the time pass that it takes to see a frame for the first time."""
        if frame_idx in self._watched:
            return
        self._watched.add(frame_idx)
        self._unsigned_s += self._tired.spend(self._habits.times.view_s)
        if self._unsigned_s >= LONGEST_LOOK_S:
            self._sign(frame_idx)

    def _sign(self, frame_idx: int | None = None) -> None:
        """Put the time spent watching into the log, as a canvas does."""
        if self._unsigned_s > 0:
            where = self._grid[-1] if frame_idx is None else frame_idx
            self._session.look(self._media_id, self._item_id, where)
            self._unsigned_s = 0.0

    def _is_wrong(self, frame_idx: int, limit: float) -> bool:
        if frame_idx not in self._truth.masks or self._iou(frame_idx) >= limit:
            return False
        missed = min(1.0, self._habits.missed_error_rate * self._tired.factor)
        return not (missed > 0 and self._rng.random() < missed)

    def _iou(self, frame_idx: int) -> float:
        return iou(self._hand.mask(frame_idx), self._truth.mask(frame_idx))

    def _state(self) -> ItemState:
        return self._session.item(self._item_id)


def _is_set(cancel: threading.Event | None) -> bool:
    return cancel is not None and cancel.is_set()
