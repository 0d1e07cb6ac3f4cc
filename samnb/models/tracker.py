"""SAM 2 behind the contract, whichever package computes it."""

from __future__ import annotations

from samnb.models.backend import Backend, Features
from samnb.models.base import Capabilities, FrameSource
from samnb.models.memory import Limits
from samnb.models.memory_session import MemorySession
from samnb.store.cache import ByteLru


class MemoryTracker:
    """A SAM 2 behind the :class:`~samnb.models.base.Tracker` contract.

    Args:
        backend: the package that computes.
        name: name and version for the log.
        limits: what a session may keep.

    Attributes:
        shared: encoded frames by key, for all sessions on sources that name their frames.
    """

    def __init__(self, backend: Backend, name: str, limits: Limits | None = None) -> None:
        self.backend = backend
        self.limits = limits or Limits()
        self._name = name
        self.shared: ByteLru[str, Features] = ByteLru(self.limits.shared_bytes)

    @property
    def name(self) -> str:
        """Name and version as it is written into the log."""
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        """Everything that the contract knows."""
        return Capabilities()

    def open(self, frames: FrameSource) -> MemorySession:
        """Start on a video; reads nothing yet."""
        return MemorySession(self.backend, frames, self.limits, self.shared)
