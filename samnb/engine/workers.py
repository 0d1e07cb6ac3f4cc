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

import numpy as np

from samnb.engine.groundtruth import GroundTruth
from samnb.engine.handiwork import iou
from samnb.engine.phases import phase_of
from samnb.engine.session import Session
from samnb.engine.simulation import LONGEST_LOOK_S, Habits, SimulatedClock, Tiredness
from samnb.engine.state import ItemState
from samnb.engine.visit import Visit
from samnb.types import FlowError, Role, Verdict, VerdictKind, Worker, WorkerKind


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

        def annotate(item_id: str) -> bool:
            if self.annotate(session, item_id, cancel=cancel).status != "done":
                return False
            session.submit(item_id, allow_missing=True)
            return True

        return _work_off(session, Role.ANNOTATOR, media_id, cancel, annotate)

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
        visit = Visit(
            session,
            state,
            truth,
            self.habits,
            tiredness=self.tiredness,
            rng=self.rng,
            to_the_end=to_the_end,
            cancel=cancel,
        )
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

        def verify(item_id: str) -> bool:
            self.verify(session, item_id)
            return True

        return _work_off(session, Role.VERIFIER, media_id, cancel, verify)

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


def _work_off(
    session: Session,
    role: Role,
    media_id: str | None,
    cancel: threading.Event | None,
    act: Callable[[str], bool],
) -> int:
    """Let ``act`` finish one waiting item after another until it says no or none waits;
    return how many it finished."""
    done = 0
    while not _is_set(cancel):
        state = session.next(role, media_id)
        if state is None or not act(state.item.id):
            break
        done += 1
    return done


def _is_set(cancel: threading.Event | None) -> bool:
    return cancel is not None and cancel.is_set()
