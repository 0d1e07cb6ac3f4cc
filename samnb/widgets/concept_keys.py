"""The key map of the concept desks: one table for keys, buttons and the help page.

Where a desk wants what the studio wants (tools, frames, zoom), the key is the studio's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from samnb.events.concepts import ConceptTask
from samnb.types import EvAnswer, MvAnswer
from samnb.widgets.keys import Action, key_page, printed


class Want(Enum):
    """What a key or a button of a concept desk asks for, beyond what the studio knows.

    The first seven are the options of MV and EV; their values are those of
    :class:`~samnb.types.MvAnswer` and :class:`~samnb.types.EvAnswer`.
    """

    ACCEPT = "accept"
    ACCEPT_AS_TEXT = "accept_as_text"
    REJECT = "reject"
    REJECT_UNSEPARATED = "reject_unseparated"
    WHOLE_IMAGE = "whole_image"
    FLAG_LABEL = "flag_label"
    UNGROUNDABLE = "ungroundable"
    REFUSE = "refuse"
    SKIP = "skip"
    TAKE_BACK = "take_back"
    REMOVE = "remove"
    GROUP = "group"
    APART = "apart"
    COVERED = "covered"


Act: TypeAlias = Action | Want


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the key map.

    Attributes:
        keys: chords as the surface reports them, the one to print first.
        words: the button's label.
        help: what it does or means, for the help page and the button's tooltip.
        group: heading of the help page.
        tasks: where it counts.
        is_repeating: fires again while the key is held down.
    """

    act: Act
    keys: tuple[str, ...]
    words: str
    help: str
    group: str
    tasks: frozenset[ConceptTask]
    is_repeating: bool = False


_MV, _EV = frozenset({ConceptTask.MV}), frozenset({ConceptTask.EV})
_ASK = _MV | _EV
_DRAW = frozenset({ConceptTask.CORRECT, ConceptTask.CONFIRM})
_ALL = _ASK | _DRAW
_SAME_LABEL: Final = {
    Want.WHOLE_IMAGE: ("w", "Whole image", "the label describes the entire picture: its setting, "
                       "kind, medium or place"),
    Want.FLAG_LABEL: ("f", "Flag label", "race, ethnicity, sexual orientation, religion, social "
                      "status, medical condition, disability, a slur, profanity, or an animal "
                      "word for a person"),
}  # fmt: skip


def _label(want: Want, number: int, tasks: frozenset[ConceptTask]) -> Line:
    key, words, text = _SAME_LABEL[want]
    return Line(want, (key, str(number)), words, text, "Answers", tasks)


KEYMAP: Final[tuple[Line, ...]] = (
    Line(Want.ACCEPT, ("y", "1"), "Accept", "the label names the masked object, the edge is good "
         "(not perfect to the pixel) and every important part is covered", "Answers", _MV),
    Line(Want.ACCEPT_AS_TEXT, ("t", "2"), "Accept as text", "the mask covers text, the label is "
         "exactly that text, and every character is covered", "Answers", _MV),
    Line(Want.REJECT, ("r", "3"), "Reject", "everything else: another thing, or a poor mask",
         "Answers", _MV),
    _label(Want.WHOLE_IMAGE, 4, _MV),
    _label(Want.FLAG_LABEL, 5, _MV),
    Line(Want.ACCEPT, ("y", "1"), "Accept", "nothing that the label names is missing", "Answers",
         _EV),
    Line(Want.REJECT, ("r", "2"), "Reject", "something is missing, and at least some of it can "
         "be told apart", "Answers", _EV),
    Line(Want.REJECT_UNSEPARATED, ("u", "3"), "Reject, unseparated", "something is missing, too "
         "crowded to be told apart", "Answers", _EV),
    _label(Want.WHOLE_IMAGE, 4, _EV),
    _label(Want.FLAG_LABEL, 5, _EV),
    Line(Want.UNGROUNDABLE, ("g", "6"), "Ungroundable", "the label points at nothing, is vague, "
         "or nobody can tell whether it is here", "Answers", _EV),
    Line(Want.SKIP, ("s", "n"), "Skip", "leave this one to somebody else", "Answers", _ASK),
    Line(Want.TAKE_BACK, ("z", "Ctrl+z", "Backspace"), "Undo last answer",
         "take your last answer back and see it again", "Answers", _ASK),
    Line(Want.REFUSE, ("p",), "Reject phrase", "it cannot be masked at all (“it”, “blue”), or "
         "you are still unsure after looking closely", "Answers", _ALL),

    Line(Action.CLICK, ("c",), "Click", "left click: this; right click: not this; "
         "click a point to remove it; drag: box", "Tools", _DRAW),
    Line(Action.BOX, ("v",), "Box", "drag a box around the object", "Tools", _DRAW),
    Line(Action.BRUSH, ("e",), "Brush", "paint on the mask; right button erases", "Tools", _DRAW),
    Line(Action.ERASER, ("x",), "Eraser", "rub out parts of the mask", "Tools", _DRAW),
    Line(Action.FLIP_SIGN, ("t",), "Flip sign", "swap what left and right click mean", "Tools",
         _DRAW),
    Line(Action.BRUSH_SMALLER, ("[",), "Smaller", "smaller brush", "Tools", _DRAW, True),
    Line(Action.BRUSH_LARGER, ("]",), "Larger", "larger brush", "Tools", _DRAW, True),
    Line(Action.UNDO, ("z", "Ctrl+z"), "Undo", "take back the last change", "Tools", _DRAW),
    Line(Action.REDO, ("Shift+z", "Ctrl+Shift+z", "Ctrl+y"), "Redo",
         "do again what was taken back", "Tools", _DRAW),
    Line(Action.NEW_OBJECT, ("n",), "New instance", "the next click starts another instance",
         "Instances", _DRAW),
    Line(Action.NEXT_OBJECT, ("Tab",), "Next instance", "choose the next instance", "Instances",
         _DRAW),
    Line(Action.PREVIOUS_OBJECT, ("Shift+Tab",), "Instance before", "choose the one before",
         "Instances", _DRAW),
    *(Line(Action(f"object_{n}"), (str(n),), str(n), f"choose instance {n}", "Instances", _DRAW)
      for n in range(1, 10)),
    Line(Want.REMOVE, ("Delete", "Backspace"), "Remove", "take the chosen instance away",
         "Instances", _DRAW),
    Line(Want.GROUP, ("g",), "Group mask", "the chosen mask covers several that cannot be told "
         "apart, or no longer does", "Instances", _DRAW),
    Line(Want.APART, ("i",), "Each by itself", "whether every instance has a mask of its own",
         "Hand in", _DRAW),
    Line(Want.COVERED, ("o",), "All covered", "whether the masks cover all that the label names",
         "Hand in", _DRAW),
    Line(Action.SUBMIT, ("Enter",), "Hand in", "finish; with no mask left it says that the label "
         "names nothing here", "Hand in", _DRAW),
    Line(Want.SKIP, ("s",), "Skip", "leave this one to somebody else", "Hand in", _DRAW),
    Line(Want.TAKE_BACK, ("u",), "Reopen last", "take back what you handed in last", "Hand in",
         _DRAW),
    Line(Action.PROPAGATE_FORWARD, ("f",), "Follow forward",
         "follow the chosen instance to the end of the video", "Frames", _DRAW),
    Line(Action.PROPAGATE_BACKWARD, ("b",), "Follow back",
         "follow the chosen instance to the start of the video", "Frames", _DRAW),
    Line(Action.ABSENT, ("Shift+o",), "Absent here", "the chosen instance is not on this frame",
         "Frames", _DRAW),

    Line(Action.PREVIOUS, ("a", "ArrowLeft"), "Back", "one frame back", "Frames", _ALL, True),
    Line(Action.NEXT, ("d", "ArrowRight"), "Forward", "one frame forward", "Frames", _ALL, True),
    Line(Action.BACK_10, ("Shift+a", "Shift+ArrowLeft"), "-10", "ten frames back", "Frames", _ALL,
         True),
    Line(Action.FORWARD_10, ("Shift+d", "Shift+ArrowRight"), "+10", "ten frames forward",
         "Frames", _ALL, True),
    Line(Action.FIRST, ("Home",), "First", "first frame", "Frames", _ALL),
    Line(Action.LAST, ("End",), "Last", "last frame", "Frames", _ALL),
    Line(Action.PLAY, (" ",), "Play", "play and pause", "Frames", _ALL),
    Line(Action.CANCEL, ("Escape",), "Cancel", "close this page; stop following, finished frames "
         "are kept", "View", _ALL),
    Line(Action.HIDE_MASKS, ("h",), "Hide marks", "show the picture without what is drawn on it",
         "View", _ALL),
    Line(Action.OPACITY_DOWN, (",",), "Fainter", "fainter masks", "View", _DRAW, True),
    Line(Action.OPACITY_UP, (".",), "Stronger", "stronger masks", "View", _DRAW, True),
    Line(Action.ZOOM_IN, ("+", "="), "Zoom in", "closer; the wheel zooms at the pointer", "View",
         _ALL, True),
    Line(Action.ZOOM_OUT, ("-",), "Zoom out", "farther away", "View", _ALL, True),
    Line(Action.ZOOM_FIT, ("0",), "Whole picture", "undo zoom; hold Space or Shift and drag to "
         "move the picture", "View", _ALL),
    Line(Action.SAVED, ("Ctrl+s",), "Saved", "everything is saved as you go", "View", _ALL),
    Line(Action.HELP, ("?", "F1"), "Keys", "show or hide this page", "View", _ALL),
)  # fmt: skip

FRAME_ACTS: Final = frozenset(line.act for line in KEYMAP if line.group == "Frames")
"""What makes no sense for a picture."""


def line_of(act: Act, task: ConceptTask) -> Line:
    """The line of an act at a task."""
    return _LINES[task][act]


def act_of(key: str, task: ConceptTask) -> Act | None:
    """What a key means at a task; None for a key without a meaning there."""
    return _BY_KEY[task].get(key)


def chords_of(task: ConceptTask) -> tuple[list[str], list[str]]:
    """The chords that count at a task, and those that fire again while held down. All
    other keys stay with the browser: Tab goes through the buttons where it has no meaning."""
    lines = _LINES[task].values()
    keys = sorted({key for line in lines for key in line.keys})
    return keys, sorted({key for line in lines if line.is_repeating for key in line.keys})


def options(task: ConceptTask) -> tuple[Line, ...]:
    """The answers that a task offers, in the paper's order; none for correction."""
    names: list[str] = []
    if task is ConceptTask.MV:
        names = [option.value for option in MvAnswer]
    elif task is ConceptTask.EV:
        names = [option.value for option in EvAnswer]
    return tuple(line_of(Want(name), task) for name in names)


def button_words(line: Line) -> str:
    """Label and key: ``"Accept · Y"``."""
    return f"{line.words} · {printed(line.keys[0])}"


def tooltip(line: Line) -> str:
    """What it does, and every key for it."""
    keys = " or ".join(printed(key) for key in line.keys)
    return f"{line.help[0].upper()}{line.help[1:]} ({keys})"


def help_html(task: ConceptTask, *, has_frames: bool) -> str:
    """The key page of a task, made from the table."""
    rows = [
        line
        for line in KEYMAP
        if task in line.tasks
        and not (isinstance(line.act, Action) and line.act.value.startswith("object_"))
        and (has_frames or line.act not in FRAME_ACTS)
    ]
    number = "<tr><td><kbd>1</kbd> … <kbd>9</kbd></td><td>choose instances 1 to 9</td></tr>"
    rows.sort(key=_place)
    return key_page(rows, "desk", {"Instances": number})


def _place(line: Line) -> int:
    return _GROUPS.index(line.group)


_GROUPS: Final = ("Answers", "Tools", "Instances", "Hand in", "Frames", "View")
_LINES: Final = {
    task: {line.act: line for line in KEYMAP if task in line.tasks} for task in ConceptTask
}
_BY_KEY: Final = {
    task: {key: line.act for line in KEYMAP if task in line.tasks for key in line.keys}
    for task in ConceptTask
}
