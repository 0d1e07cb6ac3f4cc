"""Corrections in the making: which instances a pair has now, read from the log.

Every instance that a hand touches is an object of the same log, made in the way of SAM 2's
Phase 1 on a picture and of Phase 3 on a video; so clicks, strokes, undo, following and a
killed kernel are what they are in the studio. Such an object names its pair in its
``source``. It is never handed to a masklet's verifier: when the pair is handed in, its
masks become the correction, and the object is put away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from samnb.engine.concepts.queue import Work
from samnb.engine.state import ItemState, Op
from samnb.events.concepts import ConceptMask, ConceptTask
from samnb.types import Item, MaskId

GROUP: Final = "group"
"""Name of an object that covers several instances which cannot be told apart."""
HANDED_IN: Final = "handed in"
"""Name of an object whose masks went into a correction."""

_TASKS: Final = frozenset({ConceptTask.CORRECT.value, ConceptTask.CONFIRM.value})


class RowKind(str, Enum):
    """How an instance came to be as it is."""

    PROPOSED = "proposed"
    EDITED = "edited"
    NEW = "new"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Row:
    """One instance of a pair under correction.

    Attributes:
        id: the mask's key where there was one before, else the object's id.
        number: from 1; decides the colour.
        base: the mask as it came here; None for a new one.
        item: what a hand made of it; None while none did.
    """

    id: str
    number: int
    kind: RowKind
    base: ConceptMask | None
    item: ItemState | None
    is_group: bool

    @property
    def masks(self) -> Mapping[int, MaskId]:
        """What holds now, by frame: the hand's frames over those it came with."""
        if self.kind is RowKind.REMOVED:
            return {}
        found = {f.frame_idx: f.mask_id for f in self.base.frames} if self.base else {}
        if self.item is not None:
            touched = {i: f.mask_id for i, f in self.item.frames.items()}
            found |= {i: mask_id for i, mask_id in touched.items() if mask_id is not None}
            for idx in (i for i, mask_id in touched.items() if mask_id is None):
                found.pop(idx, None)
        return dict(sorted(found.items()))

    @property
    def is_changed(self) -> bool:
        """Whether it has to be handed in as something else than it came as."""
        was_group = self.base is not None and self.base.is_group
        has_frames = self.item is not None and bool(self.item.frames)
        return self.base is None or has_frames or self.is_group != was_group


def stem_of(work: Work, proposal_id: str, worker_id: str) -> str:
    """Beginning of the source of every object with which a worker corrects this pair in
    this round; what others draw has another one."""
    return f"{work.task.value}:{work.pair_id}:{proposal_id}:{worker_id}:"


def is_draft(item: Item) -> bool:
    """Whether an object corrects a pair, and so is none of the masklet loop."""
    task, _, rest = item.source.partition(":")
    return bool(rest) and task in _TASKS


def drafts_of(stem: str, items: Sequence[ItemState]) -> tuple[ItemState, ...]:
    """The objects that correct a pair, deleted ones too; those put away are left out."""
    return tuple(s for s in items if s.item.source.startswith(stem) and s.item.name != HANDED_IN)


def rows_of(work: Work, stem: str, drafts: Sequence[ItemState]) -> tuple[Row, ...]:
    """Return the instances of a pair as they are now.

    Args:
        work: the pair; its masks come first, in their order.
        stem: of :func:`stem_of`.
        drafts: of :func:`drafts_of`.
    """
    keys = {item.item.source.removeprefix(stem): item for item in drafts}
    rows = [_base_row(n, mask, keys.get(mask.key)) for n, mask in enumerate(work.masks, 1)]
    # A new one with nothing left of it after an undo is not there, though it can be redone.
    fresh = [item for item in drafts if item.item.source == stem and item.frames]
    for n, item in enumerate(fresh, len(rows) + 1):
        kind = RowKind.REMOVED if item.is_deleted else RowKind.NEW
        rows.append(Row(item.item.id, n, kind, None, item, item.item.name == GROUP))
    return tuple(rows)


def _base_row(number: int, mask: ConceptMask, item: ItemState | None) -> Row:
    kind, is_group = RowKind.PROPOSED, mask.is_group
    if item is not None:
        is_group = item.item.name == GROUP
        if item.is_deleted:
            kind = RowKind.REMOVED
        elif item.frames:
            kind = RowKind.EDITED
    return Row(mask.key, number, kind, mask, item, is_group)


# -- undo over all instances of a pair -----------------------------------------------


def op_to_undo(items: Sequence[ItemState], frame_idx: int) -> tuple[ItemState, Op] | None:
    """The newest change that reaches a frame, with the object it was made to."""
    found = [(item, item.op_to_undo(frame_idx)) for item in items]
    return max(((i, op) for i, op in found if op), key=lambda row: row[1].seq, default=None)


def op_to_redo(items: Sequence[ItemState], frame_idx: int) -> tuple[ItemState, Op] | None:
    """The change that was taken back last. Undo runs backward, so it is the oldest."""
    found = [(item, item.op_to_redo(frame_idx)) for item in items]
    return min(((i, op) for i, op in found if op), key=lambda row: row[1].seq, default=None)


def has_copy_next(item: ItemState, frame_idx: int) -> bool:
    """Whether the next change to undo only copied the mask that was there, which nobody
    made on purpose and nobody would see go."""
    op = item.op_to_undo(frame_idx)
    return op is not None and op.kind == "mask"


# -- handing in ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HandIn:
    """What a correction amounts to.

    Attributes:
        changed: rows to hand in as drawn masks: new ones and edits.
        removed: keys to take away.
        n_masks: masks that there will be.
        has_group: whether one of them covers several instances.
    """

    changed: tuple[Row, ...]
    removed: tuple[str, ...]
    n_masks: int
    has_group: bool


def hand_in_of(rows: Sequence[Row], empty_ids: frozenset[MaskId] = frozenset()) -> HandIn:
    """Sort rows into what is kept, changed and removed.

    Args:
        rows: of :func:`rows_of`.
        empty_ids: stored masks without a pixel; an instance of nothing else is removed.
    """
    changed: list[Row] = []
    removed: list[str] = []
    standing: list[Row] = []
    for row in rows:
        is_there = any(mask_id not in empty_ids for mask_id in row.masks.values())
        if is_there:
            standing.append(row)
            if row.is_changed:
                changed.append(row)
        elif row.base is not None:
            removed.append(row.base.key)
    has_group = any(row.is_group for row in standing)
    return HandIn(tuple(changed), tuple(removed), len(standing), has_group)
