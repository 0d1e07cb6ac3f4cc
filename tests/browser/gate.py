"""A tracker that waits at a gate: what happens meanwhile is up to the test, not to chance."""

from __future__ import annotations

import threading
from pathlib import Path

from samnb.models.colour import ColourTracker
from samnb.models.registry import load_model

N_FREE = 3
"""So many frames of a propagation pass before the gate is looked at."""


def waits(shut: Path) -> Path:
    """The file that is there while a propagation stands before the gate ``shut``."""
    return shut.with_name(f"{shut.name}-waits")


class Gated:
    """Any tracker; propagation goes on only while ``shut`` is not there.

    Args:
        name: of the model; "colour" for the one without weights.
        shut: a file; while it is there, propagation stands still after a few frames and
            says so by a second file, see `waits`.
    """

    def __init__(self, name: str, shut: str = "shut") -> None:
        self._name, self._shut, self._loaded = name, Path(shut), None

    @property
    def _tracker(self):
        if self._loaded is None:
            self._loaded = ColourTracker() if self._name == "colour" else load_model(self._name)
        return self._loaded

    @property
    def name(self):
        return self._tracker.name

    @property
    def capabilities(self):
        return self._tracker.capabilities

    def open(self, frames):
        return _GatedSession(self._tracker.open(frames), self._shut)


class _GatedSession:
    def __init__(self, session, shut: Path) -> None:
        self._session, self._shut = session, shut

    def __getattr__(self, name):
        return getattr(self._session, name)

    def propagate(self, **arguments):
        pause = threading.Event()
        for count, found in enumerate(self._session.propagate(**arguments)):
            while count >= N_FREE and self._shut.exists():
                waits(self._shut).touch()
                pause.wait(0.05)  # between two looks
            waits(self._shut).unlink(missing_ok=True)
            yield found
