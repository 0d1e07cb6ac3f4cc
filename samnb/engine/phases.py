"""SAM 2's three annotation phases as values that session, canvas and simulations obey.

Facts from the SAM 2 paper, section 5.1 and its appendix on the annotation phases:

1. *SAM per frame*: an image model, brush and eraser on every frame; nothing is tracked.
2. *SAM + SAM 2 Mask*: masks are made as in Phase 1, the tracker takes masks only; to
   edit a frame its mask is drawn again from scratch, then propagated again.
3. *SAM 2*: any prompt on any frame, refined on top of the model's memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from samnb.engine.flow import label
from samnb.engine.state import ItemState
from samnb.types import FlowError, Item, Point, Prompt

TOUCH_UP_IN_PHASE_2: Final = False
"""Whether a stroke in Phase 2 may start from the tracker's mask. The paper says "from
scratch" twice and leaves a light touch-up open; here a frame starts empty."""

BRUSH_IN_PHASE_3: Final = True
"""Whether Phase 3 offers brush and eraser. The paper names only clicks there; real
annotators miss the brush where clicks do not help."""

AFRESH: Final = "afresh"
"""The tool of clicks on a frame that is made from its own pixels in a phase with memory: the
tracker is handed the mask, since its memory would give the same clicks another one."""

_HAND: Final = frozenset({"points", "box", "brush", "eraser", "mask", "absent", "clear"})


@dataclass(frozen=True, slots=True)
class Phase:
    """How an object is annotated.

    Attributes:
        number: 1, 2 or 3, as the paper counts.
        tools: what the canvas offers, by the names of ``FrameEdited.tool``.
        has_tracker: whether masks are propagated.
        has_memory: whether prompts are refined on the model's memory; else each frame
            is predicted from its own pixels alone and the tracker is given masks only.
        is_from_scratch: an edit on a propagated frame starts without its mask.
        edit: what counts as an edit, in words.
    """

    number: int
    name: str
    tools: frozenset[str]
    has_tracker: bool
    has_memory: bool
    is_from_scratch: bool
    edit: str


PHASES: Final[Mapping[int, Phase]] = {
    1: Phase(
        1, "Phase 1 (SAM per frame)", _HAND, False, False, True,
        "every frame is made from scratch",
    ),
    2: Phase(
        2, "Phase 2 (SAM + SAM 2 Mask)", _HAND, True, False, not TOUCH_UP_IN_PHASE_2,
        "a mask drawn again from scratch",
    ),
    3: Phase(
        3, "Phase 3 (SAM 2)", _HAND if BRUSH_IN_PHASE_3 else _HAND - {"brush", "eraser"},
        True, True, False, "clicks or strokes on top of the model's prediction",
    ),
}  # fmt: skip


def phase_of(item: Item) -> Phase:
    """Return the phase under which an item is annotated."""
    return PHASES[item.phase]


def require_tool(item: Item, tool: str) -> None:
    """Refuse a tool that the item's phase does not have.

    Raises:
        FlowError: the phase forbids it.
    """
    phase = phase_of(item)
    if tool not in phase.tools:
        raise FlowError(f"{label(item)} is annotated in {phase.name}, which has no {tool}")


def is_afresh(state: ItemState, frame_idx: int) -> bool:
    """Whether clicks on a frame work on its own pixels although the phase has a memory.

    They do once somebody has cleared what the tracker found there, for then the memory
    misleads; they go on to until the frame is tracked again or drawn on.
    """
    frame = state.frames.get(frame_idx)
    if frame is None or not phase_of(state.item).has_memory:
        return False
    was_tracked = any(f.origin == "propagated" for f in state.layers[frame_idx])
    return frame.origin == AFRESH or (frame.origin == "clear" and was_tracked)


def why_no_start(phase: Phase, prompts: Sequence[Prompt], *, is_alone: bool = False) -> str:
    """Say why prompts cannot make a mask from nothing where that is wanted; empty where
    they can, or where the phase refines what is there.

    What is not the object is meant against the tracker's mask, and the tracker of the
    phases without memory takes no points.

    Args:
        phase: of the item.
        prompts: all prompts on the frame.
        is_alone: the frame is started afresh, whatever the phase.
    """
    is_start = any(not isinstance(p, Point) or p.label == 1 for p in prompts)
    if is_start or not prompts or not (phase.is_from_scratch or is_alone):
        return ""
    made = f"{phase.name} makes a frame's mask" if phase.is_from_scratch else "This frame is made"
    return f"{made} from scratch: begin with a click on the object"


def require_start(item: Item, prompts: Sequence[Prompt], *, is_alone: bool = False) -> None:
    """Refuse prompts that say only what is not the object, where a frame starts from scratch.

    Raises:
        FlowError: the phase, or the frame that was cleared, forbids it.
    """
    why_not = why_no_start(phase_of(item), prompts, is_alone=is_alone)
    if why_not:
        raise FlowError(why_not)


def require_tracker(item: Item) -> None:
    """Refuse propagation in a phase without a tracker.

    Raises:
        FlowError: the phase tracks nothing.
    """
    phase = phase_of(item)
    if not phase.has_tracker:
        raise FlowError(
            f"{label(item)} is annotated in {phase.name}: nothing is propagated, "
            "make the mask on every frame"
        )
