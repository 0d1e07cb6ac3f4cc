"""Whether what a person wants may be done now, and if not, why: pure functions.

The engine refuses the same things by itself; here the answer comes before anything is
queued, in the studio's words, and the same answer decides which buttons are disabled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from samnb.engine.flow import label
from samnb.engine.phases import (
    PHASES,
    Phase,
    is_afresh,
    phase_of,
    require_tracker,
    why_no_start,
)
from samnb.engine.state import ItemState
from samnb.types import Box, FlowError, Step
from samnb.widgets.intents import (
    ClearFrame,
    Intent,
    MarkAbsent,
    PaintStroke,
    Propagate,
    SetPrompts,
    Tool,
    View,
)

TOOL_NAMES: Final[Mapping[Tool, str]] = {
    Tool.CLICK: "points",
    Tool.BOX: "box",
    Tool.BRUSH: "brush",
    Tool.ERASER: "eraser",
}
"""By which name a phase knows what the left button does."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something is not done; ``can_reopen`` says that reopening would help."""

    text: str
    can_reopen: bool = False


def phase_at(view: View, items: Sequence[ItemState]) -> Phase:
    """The phase of the chosen object, or the one that the next new object gets."""
    item = _chosen(view.item_id, items)
    return phase_of(item.item) if item is not None else PHASES[view.new_phase]


def why_not_propagate(view: View, items: Sequence[ItemState]) -> str:
    """Why nothing can be propagated, in words; empty when the phases allow it."""
    rows = [s for s in items if s.step is Step.TRACK]
    chosen = _chosen(view.item_id, items)
    if view.is_only_chosen and chosen is not None:
        rows = [chosen]
    if not rows or any(phase_of(s.item).has_tracker for s in rows):
        return ""
    try:
        require_tracker((chosen if chosen in rows else rows[0]).item)
    except FlowError as error:
        return str(error)
    return ""


def refuse(intent: Intent, view: View, items: Sequence[ItemState]) -> Refusal | None:
    """Return why an intent cannot be carried out now; None when it can.

    Args:
        intent: what is wanted.
        view: what the person has in hand.
        items: the objects on show.
    """
    if isinstance(intent, Propagate):
        text = why_not_propagate(view, items)
        return Refusal(text) if text else None
    if not isinstance(intent, SetPrompts | PaintStroke | MarkAbsent | ClearFrame):
        return None
    if not view.frames:
        return Refusal("Add a video or an image first")
    if isinstance(intent, SetPrompts) and view.is_running:
        return Refusal("The model is following objects. Esc stops it; the brush works")
    item = _chosen(intent.item_id, items)
    if item is not None and item.step is not Step.TRACK:
        return Refusal(f"{label(item.item)} was handed in already", can_reopen=True)
    phase = phase_of(item.item) if item is not None else PHASES[view.new_phase]
    tool = _tool_of(intent)
    if isinstance(intent, SetPrompts):
        is_alone = item is not None and is_afresh(item, intent.frame_idx)
        why_not = why_no_start(phase, intent.prompts, is_alone=is_alone)
        if why_not:
            return Refusal(why_not)
    return None if tool in phase.tools else Refusal(f"{phase.name} has no {tool}")


def _chosen(item_id: str | None, items: Sequence[ItemState]) -> ItemState | None:
    return next((s for s in items if s.item.id == item_id), None)


def _tool_of(intent: SetPrompts | PaintStroke | MarkAbsent | ClearFrame) -> str:
    """The intent as a tool of ``FrameEdited.tool``."""
    if isinstance(intent, SetPrompts):
        return "box" if any(isinstance(p, Box) for p in intent.prompts) else "points"
    if isinstance(intent, PaintStroke):
        return "eraser" if intent.stroke.is_erase else "brush"
    return "absent" if isinstance(intent, MarkAbsent) else "clear"
