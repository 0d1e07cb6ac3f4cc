"""The key map: one table from which keys, button labels and the help page are made."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import groupby
from typing import Final, Protocol


class Action(str, Enum):
    """Everything a key or a button of the studio can ask for."""

    CLICK, BOX, BRUSH, ERASER = "click", "box", "brush", "eraser"
    FLIP_SIGN = "flip_sign"
    BRUSH_SMALLER, BRUSH_LARGER = "brush_smaller", "brush_larger"
    PREVIOUS, NEXT = "previous", "next"
    BACK_10, FORWARD_10 = "back_10", "forward_10"
    FIRST, LAST = "first", "last"
    PLAY = "play"
    PREVIOUS_SUSPICIOUS, NEXT_SUSPICIOUS = "previous_suspicious", "next_suspicious"
    NEW_OBJECT = "new_object"
    NEXT_OBJECT, PREVIOUS_OBJECT = "next_object", "previous_object"
    OBJECT_1, OBJECT_2, OBJECT_3 = "object_1", "object_2", "object_3"
    OBJECT_4, OBJECT_5, OBJECT_6 = "object_4", "object_5", "object_6"
    OBJECT_7, OBJECT_8, OBJECT_9 = "object_7", "object_8", "object_9"
    OBJECT_10 = "object_10"
    PROPAGATE_FORWARD, PROPAGATE_BACKWARD = "propagate_forward", "propagate_backward"
    CANCEL = "cancel"
    ABSENT = "absent"
    CLEAR_FRAME = "clear_frame"
    UNDO, REDO = "undo", "redo"
    SUBMIT = "submit"
    SATISFACTORY, UNSATISFACTORY, REJECT = "satisfactory", "unsatisfactory", "reject"
    SKIP = "skip"
    HIDE_MASKS = "hide_masks"
    OPACITY_DOWN, OPACITY_UP = "opacity_down", "opacity_up"
    ZOOM_IN, ZOOM_OUT, ZOOM_FIT = "zoom_in", "zoom_out", "zoom_fit"
    SAVED = "saved"
    HELP = "help"


class Desk(str, Enum):
    """Which side of the loop the studio shows."""

    ANNOTATE = "annotate"
    VERIFY = "verify"


@dataclass(frozen=True, slots=True)
class Binding:
    """One line of the key map.

    Attributes:
        keys: chords as the surface reports them, the one to print first.
        words: the button's label.
        help: what it does, for the help page and the button's tooltip.
        group: heading of the help page.
        desk: the only desk at which it counts; None for both.
        is_repeating: fires again while the key is held down.
    """

    action: Action
    keys: tuple[str, ...]
    words: str
    help: str
    group: str
    desk: Desk | None = None
    is_repeating: bool = False


_A, _V = Desk.ANNOTATE, Desk.VERIFY


def _objects() -> Iterable[Binding]:
    for number in range(1, 11):
        yield Binding(
            Action(f"object_{number}"),
            (str(number % 10),),
            str(number),
            f"choose object {number} of the list",
            "Objects",
        )


KEYMAP: Final[tuple[Binding, ...]] = (
    Binding(Action.CLICK, ("c",), "Click", "left click: this; right click: not this; "
            "click a point to remove it; drag: box", "Tools", _A),
    Binding(Action.BOX, ("v",), "Box", "drag a box around the object", "Tools", _A),
    Binding(Action.BRUSH, ("e",), "Brush", "paint on the mask; right button erases", "Tools", _A),
    Binding(Action.ERASER, ("x",), "Eraser", "rub out parts of the mask", "Tools", _A),
    Binding(Action.FLIP_SIGN, ("t",), "Flip sign", "swap what left and right click mean",
            "Tools", _A),
    Binding(Action.BRUSH_SMALLER, ("[",), "Smaller", "smaller brush", "Tools", _A, True),
    Binding(Action.BRUSH_LARGER, ("]",), "Larger", "larger brush", "Tools", _A, True),
    Binding(Action.UNDO, ("z", "Ctrl+z"), "Undo",
            "take back the last change of this object on this frame", "Tools", _A),
    Binding(Action.REDO, ("Shift+z", "Ctrl+Shift+z", "Ctrl+y"), "Redo",
            "do again what was taken back", "Tools", _A),
    Binding(Action.ABSENT, ("o",), "Absent", "the object is not in the picture here",
            "Tools", _A),
    Binding(Action.CLEAR_FRAME, ("Delete", "Backspace"), "Clear frame",
            "remove points and mask of this object on this frame; clicks then start it afresh",
            "Tools", _A),
    Binding(Action.PREVIOUS, ("a", "ArrowLeft"), "Back", "one frame back", "Frames", None, True),
    Binding(Action.NEXT, ("d", "ArrowRight"), "Forward", "one frame forward", "Frames",
            None, True),
    Binding(Action.BACK_10, ("Shift+a", "Shift+ArrowLeft"), "-10", "ten frames back", "Frames",
            None, True),
    Binding(Action.FORWARD_10, ("Shift+d", "Shift+ArrowRight"), "+10", "ten frames forward",
            "Frames", None, True),
    Binding(Action.FIRST, ("Home",), "First", "first frame", "Frames"),
    Binding(Action.LAST, ("End",), "Last", "last frame", "Frames"),
    Binding(Action.PLAY, (" ",), "Play", "play and pause", "Frames"),
    Binding(Action.PREVIOUS_SUSPICIOUS, ("j",), "Prev doubt",
            "back to the frame before that deserves a look", "Frames"),
    Binding(Action.NEXT_SUSPICIOUS, ("k",), "Next doubt",
            "on to the next frame that deserves a look", "Frames"),
    Binding(Action.NEW_OBJECT, ("n",), "New object", "start another object", "Objects", _A),
    Binding(Action.NEXT_OBJECT, ("Tab",), "Next object", "choose the next object", "Objects"),
    Binding(Action.PREVIOUS_OBJECT, ("Shift+Tab",), "Object before",
            "choose the object before", "Objects"),
    *_objects(),
    Binding(Action.PROPAGATE_FORWARD, ("f",), "Propagate forward",
            "follow the objects to the end of the video", "Propagate", _A),
    Binding(Action.PROPAGATE_BACKWARD, ("b",), "Propagate back",
            "follow the objects to the start of the video", "Propagate", _A),
    Binding(Action.CANCEL, ("Escape",), "Cancel", "stop; finished frames are kept",
            "Propagate"),
    Binding(Action.SUBMIT, ("Enter",), "Finish object", "hand the object to a verifier",
            "Propagate", _A),
    Binding(Action.SATISFACTORY, ("y",), "Satisfactory",
            "right on all frames", "Review", _V),
    Binding(Action.UNSATISFACTORY, ("r",), "Unsatisfactory",
            "a good target, but the masks need work: back to an annotator", "Review", _V),
    Binding(Action.REJECT, ("x",), "Reject", "no well-defined target: drop it", "Review", _V),
    Binding(Action.SKIP, ("n",), "Skip", "leave this one to somebody else", "Review", _V),
    Binding(Action.HIDE_MASKS, ("h",), "Hide masks", "show the bare picture", "View"),
    Binding(Action.OPACITY_DOWN, (",",), "Fainter", "fainter masks", "View", None, True),
    Binding(Action.OPACITY_UP, (".",), "Stronger", "stronger masks", "View", None, True),
    Binding(Action.ZOOM_IN, ("+", "="), "Zoom in", "closer; the wheel zooms at the pointer",
            "View", None, True),
    Binding(Action.ZOOM_OUT, ("-",), "Zoom out", "farther away", "View", None, True),
    Binding(Action.ZOOM_FIT, ("w",), "Whole picture",
            "undo zoom; hold Space or Shift and drag to move the picture", "View"),
    Binding(Action.SAVED, ("Ctrl+s",), "Saved", "everything is saved as you go", "View"),
    Binding(Action.HELP, ("?", "F1"), "Keys", "show or hide this page", "View"),
)  # fmt: skip

_NAMES: Final = {
    " ": "Space", "ArrowLeft": "←", "ArrowRight": "→", "Escape": "Esc", "Delete": "Del",
}  # fmt: skip


def bindings(desk: Desk) -> tuple[Binding, ...]:
    """The lines of the key map that count at a desk."""
    return tuple(b for b in KEYMAP if b.desk in (None, desk))


def binding_of(action: Action) -> Binding:
    """The line of an action."""
    return _BY_ACTION[action]


def action_of(key: str, desk: Desk) -> Action | None:
    """What a key means at a desk; None for a key that is not ours."""
    return _BY_KEY[desk].get(key)


def all_keys() -> tuple[list[str], list[str]]:
    """Every chord of the table, and those that fire again while held down."""
    keys = sorted({key for b in KEYMAP for key in b.keys})
    return keys, sorted({key for b in KEYMAP if b.is_repeating for key in b.keys})


def printed(key: str) -> str:
    """A chord as people write it: ``"Shift+z"`` becomes ``"Shift+Z"``."""
    *mods, last = key.split("+") if key != "+" else ["+"]
    name = _NAMES.get(last, last.upper() if len(last) == 1 else last)
    return "+".join([*mods, name])


_BY_ACTION: Final = {b.action: b for b in KEYMAP}
_BY_KEY: Final = {desk: {key: b.action for b in bindings(desk) for key in b.keys} for desk in Desk}


class KeyLine(Protocol):
    """One line of a key map, as the key page shows it."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Chords as the surface reports them."""

    @property
    def words(self) -> str:
        """The button's label."""

    @property
    def help(self) -> str:
        """What it does or means."""

    @property
    def group(self) -> str:
        """Heading above it."""


def key_page(lines: Iterable[KeyLine], place: str, numbers: Mapping[str, str]) -> str:
    """The key page as HTML.

    Args:
        lines: in the order of the page; those of one group stand together.
        place: what the page belongs to, "studio" or "desk".
        numbers: by group a last line of number keys, as HTML.
    """
    parts = []
    for group, members in groupby(lines, key=lambda line: line.group):
        rows = "".join(
            f"<tr><td>{' '.join(f'<kbd>{html.escape(printed(k))}</kbd>' for k in line.keys)}</td>"
            f"<td><b>{html.escape(line.words)}</b> {html.escape(line.help)}</td></tr>"
            for line in members
        )
        rows += numbers.get(group, "")
        parts.append(f"<section><h4>{group}</h4><table>{rows}</table></section>")
    return (
        '<div class="samnb-keys">' + "".join(parts) + "</div><p class='samnb-faint'>Keys work "
        f"anywhere in the {place} except in text fields (Esc leaves those). Esc, then Tab, leaves "
        "the picture for the buttons. ? closes this.</p>"
    )
