"""One line of the timeline per object, computed from its state: pure functions.

A frame is *suspicious* when the model itself was unsure or when the mask jumps: that is
where a look pays. The rules are thresholds on what the log holds per frame, so they
are the same in a notebook, in a script and in a simulated run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from samnb.engine.state import FrameState, ItemState
from samnb.masks.overlay import colour
from samnb.types import Box, MaskId, Point, Step

MIN_CONFIDENCE: Final = 0.6
"""A propagated mask with a lower predicted IoU deserves a look."""
UNSURE_PRESENCE: Final = (0.1, 0.9)
"""Between these the model does not know whether the object is in the picture."""
MAX_AREA_RATIO: Final = 1.8
"""Growing or shrinking by more than this from one annotated frame to the next."""
STEP_WORDS: Final[Mapping[Step, str]] = {
    Step.TRACK: "to track",
    Step.VERIFY: "to verify",
    Step.ACCEPTED: "verified",
    Step.REJECTED: "rejected",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """What one object has on one frame.

    Attributes:
        is_present: a mask with pixels; False says the object is absent there.
        is_prompted: clicked or boxed here.
        is_edited: made or corrected by hand.
        doubts: why the frame deserves a look, in words; empty when it does not.
    """

    frame_idx: int
    is_present: bool
    is_prompted: bool = False
    is_edited: bool = False
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lane:
    """One object's line."""

    item_id: str
    obj_id: int
    name: str
    colour: str
    step: Step
    marks: tuple[Mark, ...]

    @property
    def suspicious(self) -> tuple[int, ...]:
        """Frames that deserve a look, ascending."""
        return tuple(mark.frame_idx for mark in self.marks if mark.doubts)


def css_colour(obj_id: int) -> str:
    """An object's colour as ``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*colour(obj_id))


def title(state: ItemState) -> str:
    """The name people gave the object, or its number."""
    return state.item.name or f"object {state.item.obj_id}"


def lane_of(state: ItemState, frames: Sequence[int], areas: Mapping[MaskId, int]) -> Lane:
    """Compute an object's line.

    Args:
        state: the object.
        frames: frame numbers on show, ascending.
        areas: mask area in pixels by id, for every mask of the object.
    """
    marks: list[Mark] = []
    before: tuple[FrameState, int] | None = None
    for frame_idx in frames:
        frame = state.frames.get(frame_idx)
        if frame is None or frame.mask_id is None:
            before = None
            continue
        area = areas[frame.mask_id]
        is_prompted = any(isinstance(p, Point | Box) for p in frame.prompts)
        doubts = _doubts(frame, area, before) if state.step is not Step.ACCEPTED else ()
        marks.append(Mark(frame_idx, area > 0, is_prompted, frame.is_edited, doubts))
        before = frame, area
    item = state.item
    return Lane(
        item.id, item.obj_id, title(state), css_colour(item.obj_id), state.step, tuple(marks)
    )


def _doubts(frame: FrameState, area: int, before: tuple[FrameState, int] | None) -> tuple[str, ...]:
    if frame.is_edited:
        return ()
    doubts = []
    if area > 0 and frame.confidence is not None and frame.confidence < MIN_CONFIDENCE:
        doubts.append(f"low confidence ({frame.confidence:.2f})")
    low, high = UNSURE_PRESENCE
    if frame.presence is not None and low < frame.presence < high:
        doubts.append("unsure whether it is in the picture")
    if before is not None:
        if (area > 0) != (before[1] > 0):
            doubts.append("appears here" if area else "is lost here")
        elif area and max(area / before[1], before[1] / area) > MAX_AREA_RATIO:
            doubts.append("size jumps")
    return tuple(doubts)
