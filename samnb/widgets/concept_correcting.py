"""Carries out what a person wants at correction, against the session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from samnb.engine.concepts.acts import Drawn
from samnb.engine.concepts.queue import Work
from samnb.engine.concepts.session import ConceptSession
from samnb.engine.state import ItemState, Op
from samnb.events import FrameEdited
from samnb.events.concepts import Corrected
from samnb.masks import rle as rle_ops
from samnb.masks.ops import bounds
from samnb.types import MaskId, MaskPrompt, Prompt, Stroke
from samnb.widgets import concept_drafts as drafts
from samnb.widgets.concept_drafts import GROUP, HANDED_IN, HandIn, Row, RowKind
from samnb.widgets.edits import Edits

_BY_MODEL: Final = frozenset({"points", "box", "propagated"})
"""Origins of masks that a model helped to make."""


@dataclass(frozen=True, slots=True)
class Flags:
    """What a worker says about the whole pair.

    Attributes:
        is_apart: every instance has a mask of its own; None: unless there is a group mask.
        is_covered: the masks cover all that the phrase names.
    """

    is_apart: bool | None = None
    is_covered: bool = True

    def apart(self, has_group: bool) -> bool:
        """The first flag as it will be handed in."""
        return not has_group if self.is_apart is None else self.is_apart


_UNWRITTEN: Final = 2**62
"""Sequence number of a mark that is on its way into the log: after everything there."""


@dataclass(frozen=True, slots=True)
class Mark:
    """An instance was said to be a group, or not to be one.

    Attributes:
        seq: the event that said so; orders it among the operations of the log.
    """

    item_id: str
    is_group: bool
    seq: int = 0


class Correcting:
    """One pair under correction.

    Args:
        loop: the worker's door.
        work: the pair, claimed.
        edits: runs what changes masks, off the page thread.
    """

    def __init__(self, loop: ConceptSession, work: Work, edits: Edits) -> None:
        self.loop, self.work, self._edits = loop, work, edits
        self.flags = Flags()
        self.is_sure_of_absence = False
        proposal = loop.pair(work.pair_id).proposal
        proposal_id = proposal.proposal_id if proposal else ""
        self._stem = drafts.stem_of(work, proposal_id, loop.session.worker.id)
        self._is_empty: dict[MaskId, bool] = {}
        self._corners: dict[MaskId, tuple[float, float] | None] = {}
        self._marks: list[Mark] = []
        self._unmarked: list[Mark] = []

    @property
    def is_video(self) -> bool:
        """Whether there is more than one frame."""
        return self.loop.session.media(self.work.media_id).n_frames > 1

    # -- what there is -------------------------------------------------------------

    def items(self) -> tuple[ItemState, ...]:
        """The objects that correct this pair, removed ones too."""
        every = self.loop.session.state.items_of(self.work.media_id, with_deleted=True)
        return drafts.drafts_of(self._stem, every)

    def rows(self) -> tuple[Row, ...]:
        """The instances as they are now."""
        return drafts.rows_of(self.work, self._stem, self.items())

    def row(self, row_id: str | None) -> Row | None:
        """One instance; None when there is none of that id."""
        return next((row for row in self.rows() if row.id == row_id), None)

    def prompts(self, row: Row, frame_idx: int) -> tuple[Prompt, ...]:
        """The prompts that hold; a mask that came from elsewhere is one itself, so that a
        further click refines it."""
        frame = row.item.frames.get(frame_idx) if row.item else None
        if frame is not None and frame.prompts:
            return frame.prompts
        mask_id = row.masks.get(frame_idx)
        return (MaskPrompt(mask_id),) if mask_id is not None else ()

    def item_id_of(self, row_id: str | None) -> str | None:
        """The object that stands for an instance in the log; None while no hand has
        touched it."""
        row = self.row(row_id)
        if row is None:
            return row_id  # just made: its first answer is on the way
        return row.item.item.id if row.item else None

    def hand_in_of(self, rows: Sequence[Row]) -> HandIn:
        """What would be handed in now."""
        ids = {mask_id for row in rows if row.item for mask_id in row.masks.values()}
        unknown = ids - set(self._is_empty)
        if unknown:
            stored = self.loop.session.masks(unknown)
            self._is_empty.update((k, rle_ops.area(rle) == 0) for k, rle in stored.items())
        empty = frozenset(mask_id for mask_id in ids if self._is_empty[mask_id])
        return drafts.hand_in_of(rows, empty)

    def corner(self, mask_id: MaskId) -> tuple[float, float] | None:
        """Upper left corner (x, y) of a mask's box in media pixels; None if it is empty."""
        if mask_id not in self._corners:
            box = bounds(rle_ops.decode(self.loop.session.mask(mask_id)))
            self._corners[mask_id] = box and (float(box[1].start), float(box[0].start))
        return self._corners[mask_id]

    # -- changing it ---------------------------------------------------------------

    def touch(self, row_id: str | None) -> str:
        """Return the object behind an instance, making it when there is none; for None a
        new instance."""
        row = self.row(row_id)
        if row is None and row_id is not None:
            return row_id
        if row is not None and row.item is not None:
            return row.item.item.id
        key = row.base.key if row and row.base else ""
        name = GROUP if row and row.is_group else ""
        phase = 3 if self.is_video else 1
        item = self.loop.session.add_item(
            self.work.media_id, name, source=self._stem + key, phase=phase
        )
        return item.id

    def set_prompts(self, row_id: str | None, frame_idx: int, prompts: tuple[Prompt, ...]) -> str:
        """Predict from prompts; returns the id of the instance."""
        item_id = self.touch(row_id)
        self._edits.set_prompts(item_id, frame_idx, prompts)
        return row_id or item_id

    def paint(self, row_id: str | None, frame_idx: int, stroke: Stroke) -> str:
        """Draw or erase; returns the id of the instance."""
        row = self.row(row_id)
        item_id = self.touch(row_id)
        session = self.loop.session
        is_touched = row is not None and row.item is not None and frame_idx in row.item.frames
        base_id = row.masks.get(frame_idx) if row is not None and not is_touched else None

        def act() -> None:
            if base_id is not None:  # a stroke starts from what was there
                session.set_mask(item_id, frame_idx, session.mask(base_id))
            session.paint(item_id, frame_idx, stroke)

        self._edits.run(act)
        return row_id or item_id

    def clear_frame(self, row_id: str, frame_idx: int) -> None:
        """Take an instance off one frame of a video."""
        item_id = self.touch(row_id)
        self._edits.run(lambda: self.loop.session.mark_absent(item_id, frame_idx))

    def remove(self, row_id: str) -> None:
        """Take an instance away; undo, or :meth:`put_back`, brings it back."""
        item_id = self.touch(row_id)
        self._edits.run(lambda: self.loop.session.delete_item(item_id))

    def put_back(self, row_id: str, frame_idx: int) -> None:
        """Bring a removed instance back."""
        row = self.row(row_id)
        if row is not None and row.kind is RowKind.REMOVED and row.item is not None:
            item_id = row.item.item.id
            self._edits.run(lambda: self.loop.session.undo(item_id, frame_idx))

    def toggle_group(self, row_id: str) -> None:
        """Say that a mask covers several instances, or that it does not."""
        row = self.row(row_id)
        item_id = self.touch(row_id)
        mark = Mark(item_id, row is None or not row.is_group, _UNWRITTEN)
        self._marks.append(mark)  # at once: an undo may come before it is in the log
        self._unmarked.clear()

        def act() -> None:
            self._mark(mark.item_id, mark.is_group)
            seq = self.loop.session.state.seq
            self._edits.on_page(lambda: self._written(mark, seq))

        self._edits.run(act)

    def _written(self, mark: Mark, seq: int) -> None:
        for marks in (self._marks, self._unmarked):
            if mark in marks:
                marks[marks.index(mark)] = replace(mark, seq=seq)

    def _mark(self, item_id: str, is_group: bool) -> None:
        self.loop.session.rename_item(item_id, GROUP if is_group else "")

    def toggle_apart(self, has_group: bool) -> None:
        """Turn the first flag round."""
        self.flags = replace(self.flags, is_apart=not self.flags.apart(has_group))

    def toggle_covered(self) -> None:
        """Turn the second flag round."""
        self.flags = replace(self.flags, is_covered=not self.flags.is_covered)

    def undo(self, frame_idx: int, *, is_redo: bool) -> bool:
        """Take back the newest change to any instance on this frame, or do it again.

        Returns:
            False when there is none.
        """
        find = drafts.op_to_redo if is_redo else drafts.op_to_undo
        found = find(self.items(), frame_idx)
        mark = self._mark_to_flip(found[1] if found else None, frame_idx, is_redo=is_redo)
        if mark is not None:
            come, go = (self._unmarked, self._marks) if is_redo else (self._marks, self._unmarked)
            come.remove(mark)
            go.append(mark)
            self._edits.run(lambda: self._mark(mark.item_id, mark.is_group is is_redo))
            return True
        if found is None:
            return False
        session, item_id = self.loop.session, found[0].item.id
        is_copy = found[1].kind == "mask"
        flip = session.redo if is_redo else session.undo

        def act() -> None:
            flip(item_id, frame_idx)
            # A copy of the mask that was there goes with the stroke that it was made for.
            if is_copy if is_redo else drafts.has_copy_next(session.item(item_id), frame_idx):
                flip(item_id, frame_idx)

        self._edits.run(act)
        return True

    def can_undo(self, frame_idx: int, *, is_redo: bool) -> bool:
        """Whether :meth:`undo` would find a change."""
        find = drafts.op_to_redo if is_redo else drafts.op_to_undo
        found = find(self.items(), frame_idx)
        mark = self._mark_to_flip(found[1] if found else None, frame_idx, is_redo=is_redo)
        return found is not None or mark is not None

    def _mark_to_flip(self, op: Op | None, frame_idx: int, *, is_redo: bool) -> Mark | None:
        """The group mark that comes before ``op`` in undoing or redoing; None: there is none.

        A mark holds for all frames, so it can be undone on any.
        """
        if not is_redo:
            last = self._marks[-1] if self._marks else None
            return last if last is not None and (op is None or last.seq > op.seq) else None
        first = self._unmarked[-1] if self._unmarked else None
        if first is None or (op is not None and op.seq < first.seq):
            return None
        newest = drafts.op_to_undo(self.items(), frame_idx)
        # What was drawn since stands on the unmarked instance: there is no way back.
        return first if newest is None or newest[1].seq < first.seq else None

    def follow(self, row_id: str, start: int, stop: int) -> None:
        """Follow one instance through a video, from the mask that it has on ``start``."""
        row, item_id, session = self.row(row_id), self.touch(row_id), self.loop.session
        mask_id = row.masks.get(start) if row is not None else None
        if mask_id is not None and (row is None or row.item is None or not row.item.frames):
            self._edits.run(lambda: session.set_mask(item_id, start, session.mask(mask_id)))
        self._edits.propagate(self.work.media_id, [item_id], start, stop)

    # -- the end ---------------------------------------------------------------------

    def hand_in(self, done: Callable[[], None]) -> None:
        """Hand the pair in after all edits under way, then call ``done`` on the page."""

        def act() -> None:
            rows = self.rows()
            found = self.hand_in_of(rows)
            self.loop.correct(
                self.work.pair_id,
                drawn=[self._drawn(row) for row in found.changed],
                removed=found.removed,
                is_instance_exhaustive=self.flags.apart(found.has_group),
                is_pixel_exhaustive=self.flags.is_covered,
                clicks=self._clicks(),
            )
            self.put_away()
            self._edits.on_page(done)

        self._edits.run(act)

    def put_away(self) -> None:
        """Take the objects out of the masklet loop's sight."""
        session = self.loop.session
        for item in self.items():
            session.rename_item(item.item.id, HANDED_IN)
            session.delete_item(item.item.id)

    def bring_back(self, body: Corrected) -> None:
        """Undo :meth:`put_away` for the objects whose masks a correction was made of, and
        for those of the instances that it removed."""
        session = self.loop.session
        made = {f.mask_id: m for m in (*body.added, *body.edited) for f in m.frames}
        for item in session.state.items_of(self.work.media_id, with_deleted=True):
            if not item.item.source.startswith(self._stem) or item.item.name != HANDED_IN:
                continue
            key = item.item.source.removeprefix(self._stem)
            ids = [f.mask_id for f in item.frames.values() if f.mask_id in made]
            if key in body.removed:
                session.rename_item(item.item.id, "")
            elif ids or key in {m.parent for m in body.edited}:
                groups = {m.parent for m in body.edited if m.is_group}
                is_group = any(made[i].is_group for i in ids if i in made) or key in groups
                session.rename_item(item.item.id, GROUP if is_group else "")
                session.undo(item.item.id, 0)

    def _drawn(self, row: Row) -> Drawn:
        session = self.loop.session
        stored = session.masks(set(row.masks.values()))
        masks = {
            idx: rle_ops.decode(stored[mask_id])
            for idx, mask_id in row.masks.items()
            if rle_ops.area(stored[mask_id])
        }
        frames = row.item.frames.values() if row.item else ()
        is_helped = any(f.origin in _BY_MODEL for f in frames)
        model = session.tracker.name if is_helped else ""
        parent = row.base.key if row.base else ""
        return Drawn(masks if self.is_video else masks[0], row.is_group, parent, 1.0, model)

    def _clicks(self) -> int:
        """Clicks that the work took, from the log: those taken back as well."""
        items = self.items()
        ids = {item.item.id for item in items}
        first = min((seq for item in items for seq in item.ops), default=0)
        events = self.loop.session.log.read(max(first - 1, 0)) if ids else []
        bodies = [e.body for e in events]
        return sum(b.clicks for b in bodies if isinstance(b, FrameEdited) and b.item_id in ids)
