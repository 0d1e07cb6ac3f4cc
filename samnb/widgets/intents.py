"""The vocabulary between a person and the engine: views, gestures and intents.

A :class:`View` is what one person has in hand. A gesture is what a hand did, in media
pixels. An intent is what the person wants, as a frozen record that the controller can
carry out. :func:`samnb.widgets.tools.reduce` turns the second into the third.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from samnb.types import Prompt, Stroke, VerdictKind
from samnb.widgets.keys import Action, Desk


class Tool(str, Enum):
    """What the left button does on the picture."""

    CLICK = "click"
    BOX = "box"
    BRUSH = "brush"
    ERASER = "eraser"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class View:
    """What one person has in hand, and as much of the project as gestures depend on.

    Attributes:
        frames: frame numbers that can be visited, ascending.
        item_ids: objects of the medium in list order.
        prompts: prompts of the chosen object on this frame.
        suspicious: frames of the chosen object that deserve a look, ascending.
        reach: distance in media pixels within which a click hits a point.
        size_hw: height and width of the medium in pixels.
        is_running: a propagation is under way.
        is_only_chosen: propagate the chosen object alone.
        new_phase: annotation phase of the next new object.
    """

    desk: Desk = Desk.ANNOTATE
    tool: Tool = Tool.CLICK
    is_negative: bool = False
    radius: float = 12.0
    opacity: float = 0.5
    is_hidden: bool = False
    is_help_open: bool = False
    is_playing: bool = False
    is_running: bool = False
    is_only_chosen: bool = False
    new_phase: int = 3
    item_id: str | None = None
    frame_idx: int = 0
    frames: tuple[int, ...] = ()
    item_ids: tuple[str, ...] = ()
    prompts: tuple[Prompt, ...] = ()
    suspicious: tuple[int, ...] = ()
    reach: float = 8.0
    size_hw: tuple[int, int] = (0, 0)


# -- gestures ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Clicked:
    """A press and release in one place."""

    x: float
    y: float
    is_right: bool = False


@dataclass(frozen=True, slots=True)
class DraggedOver:
    """A press, a move and a release: the whole polyline."""

    xy: tuple[tuple[float, float], ...]
    is_right: bool = False
    is_erase: bool = False


@dataclass(frozen=True, slots=True)
class Pressed:
    """A key of the key map, or the button with the same words."""

    action: Action


Gesture: TypeAlias = Clicked | DraggedOver | Pressed


# -- intents -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SetPrompts:
    """The chosen object's prompts on this frame shall be these."""

    item_id: str | None
    frame_idx: int
    prompts: tuple[Prompt, ...]


@dataclass(frozen=True, slots=True)
class PaintStroke:
    """Draw or erase on the chosen object's mask."""

    item_id: str | None
    frame_idx: int
    stroke: Stroke


@dataclass(frozen=True, slots=True)
class MarkAbsent:
    """The chosen object is not in the picture on this frame."""

    item_id: str
    frame_idx: int


@dataclass(frozen=True, slots=True)
class ClearFrame:
    """Forget prompts and mask of the chosen object on this frame."""

    item_id: str
    frame_idx: int


@dataclass(frozen=True, slots=True)
class Undo:
    """Take back the newest change that reaches this frame of the object, or the deletion
    just made; after that no object may be chosen."""

    item_id: str | None
    frame_idx: int


@dataclass(frozen=True, slots=True)
class Redo:
    """Do again what was taken back last."""

    item_id: str
    frame_idx: int


@dataclass(frozen=True, slots=True)
class NewObject:
    """Start another object in this medium."""


@dataclass(frozen=True, slots=True)
class GoTo:
    """Show another frame."""

    frame_idx: int


@dataclass(frozen=True, slots=True)
class SelectObject:
    """Choose another object."""

    item_id: str


@dataclass(frozen=True, slots=True)
class Propagate:
    """Follow the objects from this frame to the end of the video, or to its start."""

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop what is running."""


@dataclass(frozen=True, slots=True)
class Submit:
    """Hand the object to a verifier."""

    item_id: str


@dataclass(frozen=True, slots=True)
class Judge:
    """Answer for the object under review."""

    item_id: str
    kind: VerdictKind


@dataclass(frozen=True, slots=True)
class Skip:
    """Leave the object under review to somebody else."""

    item_id: str


@dataclass(frozen=True, slots=True)
class Play:
    """Play, or pause."""

    is_playing: bool


@dataclass(frozen=True, slots=True)
class Zoom:
    """Change the scale about the middle; a factor of 0 shows the whole picture."""

    factor: float


@dataclass(frozen=True, slots=True)
class Say:
    """Tell the person something; nothing else happens."""

    text: str


Intent: TypeAlias = (
    SetPrompts | PaintStroke | MarkAbsent | ClearFrame | Undo | Redo | NewObject | GoTo
    | SelectObject | Propagate | Cancel | Submit | Judge | Skip | Play | Zoom | Say
)  # fmt: skip
