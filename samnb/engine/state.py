"""What a log amounts to: the state that :func:`samnb.engine.flow.fold` computes.

The state is a value. ``fold`` never changes one it was given; widgets and
statistics may keep a snapshot as long as they like.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from samnb.events import ProjectCreated
from samnb.types import (
    Item,
    MaskId,
    Media,
    Prompt,
    Proposal,
    Role,
    Step,
    Verdict,
    Worker,
)


@dataclass(frozen=True, slots=True)
class FrameState:
    """What an item has on one frame.

    Attributes:
        mask_id: the mask; None when the frame was cleared.
        prompts: the prompts that hold on this frame; empty on propagated frames.
        origin: the tool of the edit, "propagated" or "imported".
        is_edited: made or corrected by hand; propagation leaves it alone.
        op_seq: the operation that wrote it.
    """

    op_seq: int
    origin: str
    mask_id: MaskId | None
    prompts: tuple[Prompt, ...] = ()
    is_edited: bool = False
    confidence: float | None = None
    presence: float | None = None
    stability: float | None = None


class OpStatus(Enum):
    """An undone operation can be redone until a new one overlaps it."""

    DONE = "done"
    UNDONE = "undone"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Op:
    """One undoable operation on an item, reaching from frame ``lo`` to ``hi``.

    A deletion reaches over all frames (``lo`` 0, ``hi`` the last frame)."""

    seq: int
    kind: str
    lo: int
    hi: int
    worker_id: str
    status: OpStatus = OpStatus.DONE

    def is_touching(self, lo: int, hi: int) -> bool:
        """Whether the operation reaches any frame from ``lo`` to ``hi``."""
        return self.lo <= hi and lo <= self.hi


@dataclass(frozen=True, slots=True)
class Returned:
    """An item went back to tracking without a verdict, or a file brought a masklet."""

    reason: str


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One line of an item's visible history."""

    seq: int
    at_s: float
    worker_id: str
    what: Proposal | Verdict | Returned


@dataclass(frozen=True, slots=True)
class Claim:
    """A lease on an item: others leave it alone until ``until_s``."""

    worker_id: str
    role: Role
    until_s: float


@dataclass(slots=True)
class ItemState:
    """One item. Mutable only inside ``fold``; read-only for everybody else.

    Attributes:
        frames: what holds now, by frame number of the medium.
        layers: everything ever written per frame, oldest first; undone ones included.
        ops: the undo stack, by sequence number.
        undone: those of them that were undone and can be redone.
        makers: workers who edited, propagated or submitted; none of them may verify.
        edited_frame_count: what an imported file declared, else None.
    """

    item: Item
    step: Step = Step.TRACK
    is_deleted: bool = False
    frames: dict[int, FrameState] = field(default_factory=dict)
    layers: dict[int, tuple[FrameState, ...]] = field(default_factory=dict)
    ops: dict[int, Op] = field(default_factory=dict)
    makers: frozenset[str] = frozenset()
    history: tuple[HistoryEntry, ...] = ()
    claim: Claim | None = None
    edited_frame_count: int | None = None
    undone: frozenset[int] = frozenset()

    def copy(self) -> ItemState:
        """Return a state whose containers can be changed without touching this one."""
        return ItemState(
            self.item,
            self.step,
            self.is_deleted,
            dict(self.frames),
            dict(self.layers),
            dict(self.ops),
            self.makers,
            self.history,
            self.claim,
            self.edited_frame_count,
            self.undone,
        )

    @property
    def proposals(self) -> tuple[Proposal, ...]:
        """All proposals for the item, oldest first."""
        return tuple(h.what for h in self.history if isinstance(h.what, Proposal))

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """All verdicts on the item, oldest first."""
        return tuple(h.what for h in self.history if isinstance(h.what, Verdict))

    def op_to_undo(self, frame_idx: int) -> Op | None:
        """The newest operation that still counts on this frame."""
        reach = [op for op in self.ops.values() if op.is_touching(frame_idx, frame_idx)]
        return max((op for op in reach if op.status is OpStatus.DONE), key=_seq, default=None)

    def op_to_redo(self, frame_idx: int) -> Op | None:
        """The operation undone last on this frame: undo runs backward, so the oldest."""
        reach = [op for op in self.ops.values() if op.is_touching(frame_idx, frame_idx)]
        return min((op for op in reach if op.status is OpStatus.UNDONE), key=_seq, default=None)


def _seq(op: Op) -> int:
    return op.seq


@dataclass(frozen=True, slots=True)
class Run:
    """One propagation; ``status`` is "running" until its end is logged."""

    op_seq: int
    media_id: str
    item_ids: tuple[str, ...]
    start: int
    stop: int
    model: str
    worker_id: str
    status: str = "running"
    n_frames: int = 0


@dataclass(frozen=True, slots=True)
class Cursor:
    """What a worker last looked at."""

    media_id: str
    item_id: str | None
    frame_idx: int


Tags: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ProjectState:
    """Everything that holds after event ``seq``.

    Attributes:
        tags: facts about media that pixels do not tell, by medium id.
        cursors: last view by worker id.
        software: versions of packages that a worker's sessions ran with last, by worker id.
    """

    seq: int = 0
    project: ProjectCreated | None = None
    media: Mapping[str, Media] = field(default_factory=dict)
    tags: Mapping[str, Tags] = field(default_factory=dict)
    items: Mapping[str, ItemState] = field(default_factory=dict)
    workers: Mapping[str, Worker] = field(default_factory=dict)
    runs: Mapping[str, Run] = field(default_factory=dict)
    cursors: Mapping[str, Cursor] = field(default_factory=dict)
    software: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)

    def items_of(self, media_id: str, *, with_deleted: bool = False) -> tuple[ItemState, ...]:
        """The items of one medium in the order of their object numbers."""
        rows = (s for s in self.items.values() if s.item.media_id == media_id)
        kept = (s for s in rows if with_deleted or not s.is_deleted)
        return tuple(sorted(kept, key=lambda s: s.item.obj_id))
