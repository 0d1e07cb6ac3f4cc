"""The contract between the engine and any segmentation model.

A model is a :class:`Tracker`: it opens a :class:`FrameSource` and hands back a
:class:`TrackSession`. Nothing here imports torch, so the engine can speak to a
model without loading one. Every adapter passes the same contract suite
(``tests/contracts/test_tracker.py``).

Indices at this boundary are *positions* in the frame source, ``0 .. len-1``.
The engine maps them to the medium's own frame numbers.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

BoolMask: TypeAlias = npt.NDArray[np.bool_]
"""(H, W) bool in media pixels."""
Image: TypeAlias = npt.NDArray[np.uint8]
"""(H, W, 3) uint8, RGB."""
Direction: TypeAlias = Literal["forward", "backward"]


@runtime_checkable
class FrameSource(Protocol):
    """Frames that are read when asked for and never all at once."""

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels, equal for all frames."""

    def __len__(self) -> int: ...

    def frame(self, index: int) -> Image:
        """Return frame ``index`` as (H, W, 3) uint8 RGB."""


@runtime_checkable
class KeyedFrames(FrameSource, Protocol):
    """Frames that say which they are, so that what a model computed of one serves every
    session on the same model."""

    def frame_key(self, index: int) -> str:
        """Name frame ``index`` by its content: equal keys promise equal pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class FramePrompts:
    """All prompts of one object on one frame, in media pixels.

    Attributes:
        points_xy: (N, 2) float32, x first.
        point_labels: (N,) int32; 1 positive, 0 negative.
        box_xyxy: (4,) float32, or None.
        mask: (H, W) bool, or None. A mask goes alone: it cannot be combined with
            points or a box, because no SAM 2 implementation defines the mixture.
    """

    points_xy: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    point_labels: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros((0,), np.int32))
    box_xyxy: npt.NDArray[np.float32] | None = None
    mask: BoolMask | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What a model says about one object on one frame.

    Attributes:
        mask: (H, W) bool in media pixels; all False when the object is absent.
        confidence: predicted IoU in [0, 1].
        presence: probability in [0, 1] that the object is in the picture.
        stability: IoU of the masks at logit -1 and +1, in [0, 1].
    """

    mask: BoolMask
    confidence: float
    presence: float
    stability: float


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an adapter can take; asking for more raises ``ModelError``."""

    points: bool = True
    box: bool = True
    mask: bool = True
    backward: bool = True
    memory: bool = True


class TrackSession(Protocol):
    """One open video. Prompts given here are a copy of what the log holds: a session
    can be thrown away at any time and rebuilt from the log."""

    def segment(self, position: int, prompts: FramePrompts) -> Prediction:
        """Predict from this frame alone, without memory (Phases 1 and 2).

        Clicks refine the mask of the clicks before them. The answer depends on the prompts
        alone, not on what was asked before: the same clicks give the same mask, and taking
        the last one back gives the mask from before it.
        """

    def set_prompts(self, obj_id: int, position: int, prompts: FramePrompts) -> Prediction:
        """Replace all prompts of an object on a frame and predict there, using the
        object's memory when it has one. Objects may be added at any time."""

    def clear_prompts(self, obj_id: int, position: int) -> None:
        """Forget the prompts of an object on a frame; unknown pairs are ignored."""

    def remove_object(self, obj_id: int) -> None:
        """Forget an object altogether; unknown ids are ignored."""

    def propagate(
        self,
        *,
        start: int,
        stop: int,
        obj_ids: Sequence[int] | None = None,
    ) -> Generator[tuple[int, dict[int, Prediction]], None, None]:
        """Yield ``(position, {obj_id: Prediction})`` from ``start`` to ``stop``, both
        included; ``stop < start`` runs backward in time. Prompted frames are yielded
        with the mask their prompts gave, so that a correction survives. Closing the
        iterator cancels; what was yielded stays valid.

        Raises:
            ModelError: no object named has a prompt, or the model cannot run backward.
        """

    def close(self) -> None:
        """Give the memory back; the session cannot be used afterwards."""


class Tracker(Protocol):
    """A model that can segment and follow objects."""

    @property
    def name(self) -> str:
        """Name and version as it is written into the log, e.g. ``mobile@1``."""

    @property
    def capabilities(self) -> Capabilities:
        """What the model can take."""

    def open(self, frames: FrameSource) -> TrackSession:
        """Start on a video; decodes nothing yet."""
