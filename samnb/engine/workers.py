"""Simulated annotators and verifiers: they know the truth and work like people.

They go through :class:`~samnb.engine.session.Session` alone, so a simulated run leaves
the same log as a person. The clicks are those of the SAM 2 paper's interactive
evaluation (arXiv 2408.00714, section 6.1 and its appendix): each one at the inner-most
pixel of what is wrong, see :func:`samnb.masks.ops.error_centre`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from samnb.engine.groundtruth import GroundTruth, TrueObject
from samnb.engine.handiwork import Hand, iou
from samnb.engine.phases import phase_of
from samnb.engine.session import Session
from samnb.engine.simulation import LONGEST_LOOK_S, Habits, SimulatedClock, Tiredness
from samnb.engine.state import ItemState
from samnb.types import FlowError, Role, Verdict, VerdictKind, Worker, WorkerKind

PROMPTED_AGAIN: Final = False
"""Whether the offline mode may choose a frame that was prompted before. The paper does
not say; here a frame gets its clicks once."""

Progress = Callable[[int, int], None]


def simulated(worker_id: str) -> Worker:
    """Return a worker that the log knows as simulated."""
    return Worker(worker_id, WorkerKind.SIMULATED)


@dataclass(frozen=True, slots=True)
class Annotated:
    """What one visit to an item came to; ``status`` is "done" or "cancelled"."""

    item_id: str
    status: str
    n_prompted: int


class SimulatedAnnotator:
    """Annotates items as their phase says, with ground truth in mind.

    Args:
        truth: where the true masks are.
        habits: how it works.
        clock: the clock of the session, which it moves on.
        rng: chance for jitter and overlooked errors.
    """

    def __init__(
        self,
        truth: GroundTruth,
        habits: Habits,
        *,
        clock: SimulatedClock,
        rng: np.random.Generator,
    ) -> None:
        self.truth, self.habits, self.clock, self.rng = truth, habits, clock, rng
        self.tiredness = Tiredness(habits.fatigue, clock.advance)

    def work(
        self,
        session: Session,
        *,
        media_id: str | None = None,
        cancel: threading.Event | None = None,
    ) -> int:
        """Annotate and submit whatever waits for an annotator; return how many items."""
        done = 0
        while not _is_set(cancel):
            state = session.next(Role.ANNOTATOR, media_id)
            if state is None:
                break
            if self.annotate(session, state.item.id, cancel=cancel).status != "done":
                break
            session.submit(state.item.id, allow_missing=True)
            done += 1
        return done

    def annotate(
        self,
        session: Session,
        item_id: str,
        *,
        to_the_end: bool = False,
        cancel: threading.Event | None = None,
    ) -> Annotated:
        """Make or correct the masklet of an item; it is not submitted.

        Args:
            session: the annotator's own.
            item_id: an item that is being tracked.
            to_the_end: in the online mode, let every propagation run to the last frame
                instead of stopping where the annotator pauses. The masks come out the
                same; the log then holds the result after every prompted frame.
            cancel: set it from another thread to stop; finished frames are kept.

        Raises:
            FlowError: the truth does not know the item, or never shows it.
        """
        state = session.item(item_id)
        truth = self.truth.find(session, state)
        if truth is None:
            raise FlowError(f"{item_id}: the ground truth has no object for this item")
        visit = _Visit(self, session, state, truth, to_the_end, cancel)
        if visit.anchor is None:
            raise FlowError(f"{item_id}: the ground truth never shows this object")
        phase = phase_of(state.item)
        if not phase.has_tracker:
            visit.frame_by_frame()
        elif self.habits.mode == "offline":
            visit.offline(visit.anchor)
        else:
            visit.online(visit.anchor)
        return Annotated(item_id, "cancelled" if _is_set(cancel) else "done", visit.n_prompted)


class _Visit:
    """One annotator at one item."""

    def __init__(
        self,
        annotator: SimulatedAnnotator,
        session: Session,
        state: ItemState,
        truth: TrueObject,
        to_the_end: bool,
        cancel: threading.Event | None,
    ) -> None:
        self._session, self._truth = session, truth
        self._habits, self._tired, self._rng = annotator.habits, annotator.tiredness, annotator.rng
        self._clock = annotator.clock
        self._item_id, self._media_id = state.item.id, state.item.media_id
        self._to_the_end, self._cancel = to_the_end, cancel
        self._grid = session.annotation_frames(self._media_id)
        self._hand = Hand(session, state.item.id, truth, annotator.habits, self._tired, self._rng)
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
        before = self._clock.now_s
        self._tired.spend(self._habits.times.view_s)
        self._unsigned_s += self._clock.now_s - before
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


@dataclass(frozen=True, slots=True)
class Strictness:
    """What a simulated verifier lets pass.

    Attributes:
        good_iou: a frame below this IoU with the truth is wrong.
        max_wrong_share: share of wrong frames up to which a masklet is satisfactory.
            The paper asks for "all frames" and gives no measure of wrong.
        error_rate: probability of the opposite verdict.
        missed_error_rate: probability to overlook a wrong frame.
        view_s: seconds per frame watched.
    """

    good_iou: float = 0.75
    max_wrong_share: float = 0.1
    error_rate: float = 0.0
    missed_error_rate: float = 0.0
    view_s: float = 0.1


class SimulatedVerifier:
    """Judges masklets against the truth; see :class:`Strictness`.

    An item that means no true object is rejected: its target is not well defined.
    """

    def __init__(
        self,
        truth: GroundTruth,
        strictness: Strictness | None = None,
        *,
        clock: SimulatedClock,
        rng: np.random.Generator,
    ) -> None:
        self.truth, self.strictness = truth, strictness or Strictness()
        self.clock, self.rng = clock, rng

    def work(
        self,
        session: Session,
        *,
        media_id: str | None = None,
        cancel: threading.Event | None = None,
    ) -> int:
        """Judge whatever waits for this verifier; return how many items."""
        done = 0
        while not _is_set(cancel):
            state = session.next(Role.VERIFIER, media_id)
            if state is None:
                break
            self.verify(session, state.item.id)
            done += 1
        return done

    def verify(self, session: Session, item_id: str) -> Verdict:
        """Watch a proposal and give a verdict, with the worst frame and a note.

        Raises:
            FlowError: nothing to verify, or this worker made it.
        """
        state = session.item(item_id)
        truth = self.truth.find(session, state)
        grid = session.annotation_frames(state.item.media_id)
        self._watch(session, state, grid)
        if truth is None:
            return session.judge(item_id, VerdictKind.REJECT, "no object with a clear boundary")
        masks = session.masks(m.mask_id for m in state.proposals[-1].masks)
        shown = {m.frame_idx: masks[m.mask_id] for m in state.proposals[-1].masks}
        scores = {
            i: iou(shown.get(i), truth.mask(i)) for i in grid if i in truth.masks
        }  # fmt: skip
        rules = self.strictness
        wrong = [
            i
            for i, score in scores.items()
            if score < rules.good_iou and self.rng.random() >= rules.missed_error_rate
        ]
        is_good = len(wrong) <= rules.max_wrong_share * len(scores)
        if self.rng.random() < rules.error_rate:
            is_good = not is_good
        if is_good:
            return session.judge(item_id, VerdictKind.SATISFACTORY)
        worst = min(wrong or scores, key=lambda i: scores[i])
        note = f"wrong on {len(wrong)} of {len(scores)} frames, worst here"
        return session.judge(item_id, VerdictKind.UNSATISFACTORY, note, worst)

    def _watch(self, session: Session, state: ItemState, grid: tuple[int, ...]) -> None:
        at_once = max(1, int(LONGEST_LOOK_S / self.strictness.view_s)) if grid else 1
        for start in range(0, len(grid), at_once):
            part = grid[start : start + at_once]
            self.clock.advance(self.strictness.view_s * len(part))
            session.look(state.item.media_id, state.item.id, part[-1])


def _is_set(cancel: threading.Event | None) -> bool:
    return cancel is not None and cancel.is_set()
