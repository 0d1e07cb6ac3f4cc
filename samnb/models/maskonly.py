"""A tracker that takes masks only: SAM 2 Mask, the model of Phase 2.

The SAM 2 paper (section 5.1) trained a SAM 2 that accepts only masks as prompts. Any
tracker becomes one by refusing everything else; image prediction stays as it is, since
Phase 2 makes its masks with the image model.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

from samnb.models.base import (
    Capabilities,
    FramePrompts,
    FrameSource,
    Prediction,
    Tracker,
    TrackSession,
)
from samnb.types import ModelError


class MaskOnlySession:
    """A view of an open video through which only masks reach the tracker."""

    def __init__(self, session: TrackSession) -> None:
        self._session = session

    def segment(self, position: int, prompts: FramePrompts) -> Prediction:
        """Predict from the frame alone; any prompt is fine here."""
        return self._session.segment(position, prompts)

    def set_prompts(self, obj_id: int, position: int, prompts: FramePrompts) -> Prediction:
        """Give a mask to the tracker.

        Raises:
            ModelError: points or a box instead of a mask.
        """
        if prompts.mask is None:
            raise ModelError("prompts: expected a mask, the only prompt of a Phase 2 tracker")
        return self._session.set_prompts(obj_id, position, prompts)

    def clear_prompts(self, obj_id: int, position: int) -> None:
        """Forget the mask given on a frame."""
        self._session.clear_prompts(obj_id, position)

    def remove_object(self, obj_id: int) -> None:
        """Forget an object."""
        self._session.remove_object(obj_id)

    def propagate(
        self, *, start: int, stop: int, obj_ids: Sequence[int] | None = None
    ) -> Generator[tuple[int, dict[int, Prediction]], None, None]:
        """Track as the tracker behind does."""
        return self._session.propagate(start=start, stop=stop, obj_ids=obj_ids)

    def close(self) -> None:
        """Give the memory back."""
        self._session.close()


class MaskOnlyTracker:
    """Wraps any tracker into one that takes masks only."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker

    @property
    def name(self) -> str:
        """The wrapped tracker's name; the weights are the same."""
        return self._tracker.name

    @property
    def capabilities(self) -> Capabilities:
        """As the wrapped tracker, without points and boxes."""
        own = self._tracker.capabilities
        return Capabilities(False, False, own.mask, own.backward, own.memory)

    def open(self, frames: FrameSource) -> MaskOnlySession:
        """Start on a video."""
        return MaskOnlySession(self._tracker.open(frames))
