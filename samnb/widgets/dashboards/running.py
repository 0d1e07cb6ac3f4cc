"""Stages at work: one after the other on a thread of their own, with pause, stop and progress."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from typing import Final

from samnb.widgets.dashboards.page import error_text
from samnb.widgets.dashboards.stages import Bench, Stage
from samnb.widgets.jobs import Runner

N_REMEMBERED: Final = 30
"""Ends of stages that the page can tell of."""


class Status(Enum):
    """How it stands with a stage."""

    IDLE = "idle"
    WAITING = "waits for its turn"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


ACTIVE: Final = frozenset({Status.WAITING, Status.RUNNING, Status.PAUSED, Status.STOPPING})
ENDED: Final = frozenset({Status.DONE, Status.STOPPED, Status.FAILED})


@dataclass(frozen=True, slots=True)
class Job:
    """A stage at work, or how it ended.

    Attributes:
        text: what is being done, what came of it, or the error.
        seconds_s: how long it took, pauses included; 0.0 before its end.
    """

    status: Status = Status.IDLE
    done: int = 0
    total: int = 0
    text: str = ""
    seconds_s: float = 0.0


class Switch(threading.Event):
    """What a stage looks at between two pieces of work: set to stop, held to pause.

    Every stage asks it where everything that was finished is in the log; there it can wait
    for as long as it likes, with its models at hand.
    """

    def __init__(self) -> None:
        super().__init__()
        self._go = threading.Event()
        self._go.set()

    def is_set(self) -> bool:
        """Whether to stop; returns only when there is no pause."""
        self._go.wait()
        return super().is_set()

    def set(self) -> None:
        """Stop, also out of a pause."""
        super().set()
        self._go.set()

    def hold(self) -> None:
        """Pause at the next look."""
        self._go.clear()

    def release(self) -> None:
        """Go on."""
        self._go.set()


class Jobs:
    """Runs stages in the order in which they were asked for.

    Args:
        bench: what stages work with.
        stages: all there are.
        runner: their thread.
        changed: called from that thread and from the caller's when something is new to show.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        bench: Bench,
        stages: Sequence[Stage],
        runner: Runner,
        changed: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self.bench = bench
        self._stages = {stage.key: stage for stage in stages}
        self._runner, self._changed, self._clock = runner, changed, clock
        self._lock = threading.Lock()
        self._jobs = dict.fromkeys(self._stages, Job())
        self._current: tuple[str, Switch] | None = None
        self._ends: list[tuple[str, Job]] = []

    @property
    def jobs(self) -> dict[str, Job]:
        """How it stands with every stage, by key."""
        with self._lock:
            return dict(self._jobs)

    @property
    def ends(self) -> list[tuple[str, Job]]:
        """Stages that ended, by key, the newest first."""
        with self._lock:
            return self._ends[::-1]

    @property
    def current(self) -> str | None:
        """The stage at work; None when all rest."""
        with self._lock:
            return self._current[0] if self._current else None

    def start(self, keys: Sequence[str]) -> None:
        """Ask for stages; one that is at work or waits already is not asked twice."""
        for key in keys:
            stage = self._stages[key]
            with self._lock:
                if stage.run is None or self._jobs[key].status in ACTIVE:
                    continue
                self._jobs[key] = Job(Status.WAITING)
            self._runner.post(partial(self._run, stage))
        self._changed()

    def pause(self) -> None:
        """Hold the stage at work where all it finished is kept."""
        with self._lock:
            if self._current is not None:
                key, switch = self._current
                if self._jobs[key].status is Status.RUNNING:
                    switch.hold()
                    self._jobs[key] = replace(self._jobs[key], status=Status.PAUSED)
        self._changed()

    def go_on(self) -> None:
        """Let the paused stage go on."""
        with self._lock:
            if self._current is not None:
                key, switch = self._current
                if self._jobs[key].status is Status.PAUSED:
                    self._jobs[key] = replace(self._jobs[key], status=Status.RUNNING)
                    switch.release()
        self._changed()

    def stop(self) -> None:
        """Stop the stage at work and forget those that wait."""
        with self._lock:
            for key, job in self._jobs.items():
                if job.status is Status.WAITING:
                    self._jobs[key] = Job()
            if self._current is not None:
                key, switch = self._current
                self._jobs[key] = replace(self._jobs[key], status=Status.STOPPING)
                switch.set()
        self._changed()

    def _run(self, stage: Stage) -> None:
        switch = Switch()
        with self._lock:
            if stage.run is None or self._jobs[stage.key].status is not Status.WAITING:
                return  # forgotten meanwhile
            self._current = stage.key, switch
            self._jobs[stage.key] = Job(Status.RUNNING, text="Starting …")
        self._changed()
        began_s = self._clock()

        def tick(done: int, total: int, text: str) -> None:
            with self._lock:
                now = self._jobs[stage.key]
                self._jobs[stage.key] = replace(now, done=done, total=total, text=text)
            self._changed()

        try:
            text = stage.run(self.bench, tick, switch)
            status = Status.STOPPED if threading.Event.is_set(switch) else Status.DONE
        except Exception as error:  # an error of one stage is shown; the others go on
            text, status = error_text(error), Status.FAILED
        with self._lock:
            last = self._jobs[stage.key]
            end = Job(status, last.done, last.total, text, self._clock() - began_s)
            self._jobs[stage.key] = end
            self._ends = [*self._ends, (stage.key, end)][-N_REMEMBERED:]
            self._current = None
        self._changed()
