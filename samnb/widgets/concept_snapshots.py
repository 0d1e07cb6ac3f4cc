"""What a concept desk shows, as frozen records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from samnb.events.concepts import ConceptTask
from samnb.widgets.concept_drafts import Row, RowKind
from samnb.widgets.concept_keys import Want
from samnb.widgets.intents import View
from samnb.widgets.lanes import css_colour
from samnb.widgets.snapshots import Banner, Progress
from samnb.widgets.stage import StageSnapshot

KIND_WORDS = {
    RowKind.PROPOSED: "proposed",
    RowKind.EDITED: "changed",
    RowKind.NEW: "new",
    RowKind.REMOVED: "removed",
}


@dataclass(frozen=True, slots=True)
class TaskTab:
    """One desk to choose; ``n_waiting`` pairs wait there for this worker."""

    task: ConceptTask
    words: str
    n_waiting: int
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class OptionRow:
    """One answer: what it is called and where it leads."""

    want: Want
    outcome: str


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """One line of the list of instances.

    Attributes:
        words: how it came to be, and whether it is a group.
    """

    id: str
    number: int
    colour: str
    words: str
    is_chosen: bool
    is_removed: bool
    is_group: bool


@dataclass(frozen=True, slots=True)
class CorrectSnapshot:
    """The side of the correction desk.

    Attributes:
        is_apart: what will be said of every instance having a mask of its own.
        is_covered: what will be said of everything being covered.
        summary: what handing in would say, in words.
    """

    rows: tuple[InstanceRow, ...] = ()
    is_apart: bool = True
    is_covered: bool = True
    summary: str = ""
    can_undo: bool = False
    can_redo: bool = False
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class DeskSnapshot:
    """All that a concept desk shows.

    Attributes:
        phrase: in large type; empty when nothing is on the desk.
        question: what is asked about it.
        counter: what waits and what is done, in words.
        is_open: whether this worker can answer now.
        frames: which frame of how many, in words; empty for a picture.
        note: something that is true of the whole page; empty for nothing.
    """

    task: ConceptTask = ConceptTask.MV
    tabs: tuple[TaskTab, ...] = ()
    worker: str = ""
    saved: str = ""
    phrase: str = ""
    question: str = ""
    counter: str = ""
    is_open: bool = False
    options: tuple[OptionRow, ...] = ()
    correct: CorrectSnapshot | None = None
    stage: StageSnapshot = field(default_factory=StageSnapshot)
    view: View = field(default_factory=View)
    frames: str = ""
    hint: str = ""
    banner: Banner | None = None
    note: str = ""
    can_take_back: bool = False


def instance_rows(rows: Sequence[Row], chosen: str | None) -> tuple[InstanceRow, ...]:
    """The list of instances in the order of their numbers."""
    return tuple(
        InstanceRow(
            row.id,
            row.number,
            css_colour(row.number),
            KIND_WORDS[row.kind] + (" · group" if row.is_group else ""),
            row.id == chosen,
            row.kind is RowKind.REMOVED,
            row.is_group,
        )
        for row in rows
    )


def summary(n_masks: int, phrase: str, *, is_apart: bool, is_covered: bool) -> str:
    """What handing in says, in one sentence."""
    if n_masks == 0:
        return f"Hand in with no mask: there is no “{phrase}” here."
    what = "one mask" if n_masks == 1 else f"{n_masks} masks"
    apart = "each instance by itself" if is_apart else "not every instance by itself"
    covered = "everything covered" if is_covered else "something could not be covered"
    return f"Hand in {what}: {apart}, {covered}."


def counter(n_waiting: int, n_done: int) -> str:
    """What waits and what is done, in words."""
    wait = "waits" if n_waiting == 1 else "wait"
    return f"{n_waiting} {wait} for you · {n_done} answered by you"
