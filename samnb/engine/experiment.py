"""The controlled comparison of SAM 2's annotation phases, with simulated annotators.

As in the SAM 2 paper (arXiv 2408.00714, table 1 and its appendix): the same objects are
annotated under each phase's protocol by different workers, and Phase 1's masklets are
what the others are compared with. Everything goes into an ordinary project, and the
table is computed from its log.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from samnb.engine import phasestats
from samnb.engine.groundtruth import GroundTruth, TrueObject, TrueVideo
from samnb.engine.phases import PHASES
from samnb.engine.phasestats import PhaseTable
from samnb.engine.session import Session
from samnb.engine.simulation import CAREFUL, CountedIds, Habits, SimulatedClock, seeded
from samnb.engine.workers import SimulatedAnnotator, SimulatedVerifier, Strictness, simulated
from samnb.models.base import Tracker
from samnb.types import InputError, Item, Step

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[int, int, str], None]
"""Called with (masklets done, masklets in all, what comes next)."""
SELECTOR: Final = "selector"
VERIFIER: Final = "verifier"


@dataclass(frozen=True, slots=True)
class ExperimentResult:
    """What a run came to; prints as the paper's table.

    Attributes:
        status: "done" or "cancelled"; a cancelled run goes on where it stopped when it
            is started again on the same project.
        n_done: masklets finished, those of earlier runs included.
        n_total: masklets wanted.
        table: the phases side by side, see :class:`samnb.engine.phasestats.PhaseTable`.
    """

    status: str
    n_done: int
    n_total: int
    table: PhaseTable

    def to_frame(self) -> pd.DataFrame:
        """The table as a DataFrame."""
        return self.table.to_frame()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: ``status``, ``done``, ``total``, ``rows`` and ``definitions``."""
        counts = {"status": self.status, "done": self.n_done, "total": self.n_total}
        return counts | self.table.to_dict()

    def __str__(self) -> str:
        return f"{self.table}\n{self.n_done} of {self.n_total} masklets, {self.status}"

    def _repr_html_(self) -> str:
        return f"{self.table._repr_html_()}<p>{self.n_done} of {self.n_total}, {self.status}</p>"


@contextmanager
def simulated_project(
    target: str | Path, tracker: Tracker | str | None, seed: int, annotation_fps: float
) -> Iterator[tuple[Session, SimulatedClock]]:
    """Open a project on a simulated clock, going on from where its log ends."""
    clock = SimulatedClock()
    ids = CountedIds(seed)
    session = Session.open(
        target,
        worker=simulated(SELECTOR),
        tracker=tracker,
        annotation_fps=annotation_fps,
        clock=clock,
        ids=ids,
    )
    try:
        events = session.log.read()
        clock.now_s = max(event.at_s for event in events)
        ids.skip(len(events))  # an event names at most one new id, so no id comes twice
        yield session, clock
    finally:
        session.close()


def run_experiment(
    target: str | Path,
    truth: GroundTruth,
    *,
    tracker: Tracker | str | None = None,
    phases: Sequence[int] = (1, 2, 3),
    habits: Habits = CAREFUL,
    strictness: Strictness | None = None,
    seed: int = 0,
    annotation_fps: float = 6.0,
    on_progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> ExperimentResult:
    """Have every true object annotated once per phase, each phase by its own worker.

    What the project's log already holds is not done again, so an interrupted run is
    resumed by the same call. The same arguments on a new project give the same log.

    Args:
        target: project file, made when missing.
        truth: videos with their objects.
        tracker: the model in the loop; None takes the version that the project promoted
            last, else ``mobile``.
        phases: which to run; Phase 1 is what alignment and speed-up refer to.
        habits: one quality target for all phases.
        strictness: rules of a verifier who judges every masklet and sends bad ones back;
            None for no verification, as in the paper's comparison.
        seed: of all chance in the run.
        annotation_fps: frames annotated per second, for a new project.
        on_progress: called before each masklet and at the end.
        cancel: set it from another thread to stop; finished frames are kept.

    Raises:
        InputError: an unknown phase, or no object at all.
    """
    unknown = [p for p in phases if p not in PHASES]
    if unknown:
        raise InputError(f"phases: expected some of {sorted(PHASES)}, got {unknown}")
    todo = [(v, o, p) for v in truth for p in phases for o in v.objects]
    if not todo:
        raise InputError("truth: expected at least one object, got none")
    with simulated_project(target, tracker, seed, annotation_fps) as (selector, clock):
        run = _Run(selector, clock, truth, habits, strictness, seed, cancel)
        done = 0
        for at, (video, obj, phase) in enumerate(todo):
            if cancel is not None and cancel.is_set():
                break
            if on_progress:
                on_progress(at, len(todo), f"{obj.target_id}, {PHASES[phase].name}")
            done += run.masklet(video, obj, phase)
        is_done = done == len(todo)
        if on_progress and is_done:
            on_progress(done, len(todo), "")
        table = phasestats.phases(selector)
        table = replace(table, notes={**table.notes, "annotators": habits.describe()})
    return ExperimentResult("done" if is_done else "cancelled", done, len(todo), table)


class _Run:
    """One project with its simulated workers, a session each."""

    def __init__(
        self,
        selector: Session,
        clock: SimulatedClock,
        truth: GroundTruth,
        habits: Habits,
        strictness: Strictness | None,
        seed: int,
        cancel: threading.Event | None,
    ) -> None:
        self._selector, self._clock, self._truth = selector, clock, truth
        self._habits, self._strictness = habits, strictness
        self._seed, self._cancel = seed, cancel
        self._sessions: dict[str, Session] = {}
        self._video = ""

    def masklet(self, video: TrueVideo, obj: TrueObject, phase: int) -> bool:
        """Annotate one object in one phase; return whether it is finished."""
        if video.name != self._video:
            for session in self._sessions.values():
                session.free_model()
            self._video = video.name
        item = self._item(video, obj, phase)
        annotator = self._session(f"annotator-{phase}")
        state = annotator.refresh().items[item.id]
        while state.step is Step.TRACK:
            worker = SimulatedAnnotator(
                self._truth,
                self._habits,
                clock=self._clock,
                rng=self._rng(obj, phase, len(state.proposals)),
            )
            if worker.annotate(annotator, item.id, cancel=self._cancel).status != "done":
                return False
            annotator.submit(item.id, allow_missing=True)
            self._verify(obj, phase, item)
            state = annotator.refresh().items[item.id]
        if state.step is Step.VERIFY:
            self._verify(obj, phase, item)
        return True

    def _item(self, video: TrueVideo, obj: TrueObject, phase: int) -> Item:
        media = self._selector.add_media(video.path)
        for state in self._selector.state.items_of(media.id):
            if state.item.target_id == obj.target_id and state.item.phase == phase:
                return state.item
        return self._selector.add_item(
            media.id, obj.name, phase=phase, target_id=obj.target_id
        )  # fmt: skip

    def _verify(self, obj: TrueObject, phase: int, item: Item) -> None:
        if self._strictness is None:
            return
        session = self._session(VERIFIER)
        state = session.refresh().items[item.id]
        judge = SimulatedVerifier(
            self._truth,
            self._strictness,
            clock=self._clock,
            rng=self._rng(obj, phase, VERIFIER, len(state.proposals)),
        )
        judge.verify(session, item.id)

    def _session(self, worker_id: str) -> Session:
        if worker_id not in self._sessions:
            self._sessions[worker_id] = self._selector.as_worker(simulated(worker_id))
        return self._sessions[worker_id]

    def _rng(self, obj: TrueObject, phase: int, *what: str | int) -> Any:
        return seeded(self._seed, obj.target_id, phase, *what)
