"""A session's hands: objects, gestures on frames, undo, and the model behind them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from samnb.engine import masklets
from samnb.engine.core import Clock, Core, new_id
from samnb.engine.flow import require_step
from samnb.engine.phases import PHASES, phase_of, require_tool
from samnb.engine.software import Software
from samnb.engine.state import FrameState, OpStatus, ProjectState
from samnb.engine.tracking import ModelSlot, Tracking
from samnb.events import (
    Body,
    FrameEdited,
    ItemAdded,
    ItemDeleted,
    ItemRenamed,
    ProjectCreated,
    Redone,
    Undone,
)
from samnb.masks import ops as mask_ops
from samnb.masks import rle as rle_ops
from samnb.models.base import BoolMask, Tracker
from samnb.store.db import Log
from samnb.store.media import AnnotationFrames, FrameCache
from samnb.types import (
    FlowError,
    InputError,
    Item,
    MaskPrompt,
    Prompt,
    Rle,
    Step,
    Stroke,
    Worker,
)


class Drawing(Core):
    """What a worker does to masks; :class:`~samnb.engine.session.Session` adds the loop.

    Args:
        log: the project's log.
        worker: who acts.
        project: name and annotation rate for a new project.
        model: the model, loaded when it is first needed; sessions may share one.
        clock: wall-clock time in seconds since the epoch.
        ids: source of fresh ids.
        cache: decoded frames.
    """

    def __init__(
        self,
        log: Log,
        *,
        worker: Worker,
        project: ProjectCreated,
        model: ModelSlot,
        clock: Clock = time.time,
        ids: Callable[[], str] = new_id,
        cache: FrameCache | None = None,
        owns_log: bool = True,
        software: Software | None = None,
    ) -> None:
        super().__init__(
            log,
            worker=worker,
            project=project,
            clock=clock,
            ids=ids,
            cache=cache,
            owns_log=owns_log,
            software=software,
        )
        self._model = model
        self._tracking: Tracking | None = None
        self._model_lock = threading.Lock()

    # -- the model -------------------------------------------------------------

    @property
    def tracker(self) -> Tracker:
        """The model, loaded at first use.

        Raises:
            ModelError: it cannot be loaded.
        """
        return self._model.get()

    @property
    def model_note(self) -> str:
        """Which model the project chose and why, in one sentence; empty when the caller
        chose it, or there was no choice."""
        return self._model.note

    @contextmanager
    def model(self, media_id: str) -> Iterator[Tracking]:
        """Hold the model with ``media_id`` open, alone, for as long as the block runs.

        Raises:
            FlowError: a propagation is running.
        """
        if not self._model_lock.acquire(timeout=0.5):
            raise FlowError("the model is busy: wait for the propagation to end or cancel it")
        try:
            if self._tracking is None:
                self._tracking = Tracking(self.tracker, self.mask)
            self._tracking.open(
                media_id,
                lambda: AnnotationFrames(self.reader(media_id), self.annotation_frames(media_id)),
            )
            yield self._tracking
        finally:
            self._model_lock.release()

    @property
    def is_model_busy(self) -> bool:
        """Whether a prediction or propagation is running."""
        return self._model_lock.locked()

    def switch_model(self, tracker: Tracker | str) -> None:
        """Use another model from now on; prompts stay, they live in the log."""
        self.free_model()
        self._model = ModelSlot(tracker)

    def free_model(self) -> None:
        """Close the model's open videos and give their memory back."""
        with self._model_lock:
            if self._tracking is not None:
                self._tracking.close()
                self._tracking = None

    # -- objects ---------------------------------------------------------------

    def add_item(
        self,
        media_id: str,
        name: str = "",
        *,
        source: str = "manual",
        phase: int = 3,
        target_id: str = "",
    ) -> Item:
        """Select a new target in a medium; it gets the next object number.

        Args:
            media_id: the medium.
            name: for people.
            source: "manual" or "auto".
            phase: SAM 2's annotation phase, 1, 2 or 3.
            target_id: shared by items that annotate the same real object.
        """
        self.media(media_id)
        if phase not in PHASES:
            raise InputError(f"phase: expected one of {sorted(PHASES)}, got {phase!r}")
        item_id = self.new_id()

        def make(state: ProjectState) -> list[Body]:
            taken = [s.item.obj_id for s in state.items_of(media_id, with_deleted=True)]
            number = max(taken, default=0) + 1
            return [ItemAdded(Item(item_id, media_id, number, name, "", source, phase, target_id))]

        self.commit(make)
        return self.item(item_id).item

    def rename_item(self, item_id: str, name: str) -> None:
        """Give an object another name."""
        self.item(item_id)
        self.commit(lambda _s: [ItemRenamed(item_id, name)])

    def delete_item(self, item_id: str) -> None:
        """Take an object away; ``undo`` brings it back with everything it had."""

        def make(state: ProjectState) -> list[Body]:
            return [] if state.items[item_id].is_deleted else [ItemDeleted(item_id)]

        self.item(item_id)
        self.commit(make)

    # -- gestures --------------------------------------------------------------

    def set_prompts(
        self,
        item_id: str,
        frame_idx: int,
        prompts: Sequence[Prompt],
        *,
        clicks: int | None = None,
        is_alone: bool = False,
    ) -> FrameState | None:
        """Set all prompts of an object on a frame and commit the model's answer.

        A mask prompt may be followed by points: each positive one adds what the model
        sees there to the mask, each negative one takes it away. No prompts at all
        clears the frame.

        Args:
            item_id: the object.
            frame_idx: a frame of the annotation grid.
            prompts: all prompts that hold on this frame from now on.
            clicks: how many of them the worker made by hand in this gesture, when a
                machine placed others; None counts what is new or gone.
            is_alone: in Phase 3, start the frame afresh: predict from its own pixels as in
                Phase 2, and hand the tracker the mask. For frames where what the model
                remembers misleads it and no click helps. Clearing a tracked frame by
                ``clear_frame`` does the same for the clicks that follow there.

        Returns:
            the frame's new state.

        Raises:
            FlowError: the item is not being tracked now, or the model is busy.
            InputError: a frame outside the annotation grid, or an impossible mixture.
        """
        if not prompts:
            return self.clear_frame(item_id, frame_idx)
        self._check_frame(item_id, frame_idx)
        edit, rle = masklets.predict(self, item_id, frame_idx, tuple(prompts), is_alone=is_alone)
        if clicks is not None:
            edit = replace(edit, clicks=clicks)
        return self._edit(edit, rle)

    def paint(self, item_id: str, frame_idx: int, stroke: Stroke) -> FrameState | None:
        """Draw or erase with a round brush on the object's mask."""
        tool = "eraser" if stroke.is_erase else "brush"
        self._check_frame(item_id, frame_idx)
        require_tool(self.item(item_id).item, tool)
        before = self._mask_to_paint_on(item_id, frame_idx)
        rle = rle_ops.encode(mask_ops.draw_strokes(before, stroke))
        edit = FrameEdited(item_id, frame_idx, tool, (MaskPrompt(rle.id),), rle.id, stroke)
        return self._edit(edit, rle)

    def set_mask(self, item_id: str, frame_idx: int, rle: Rle) -> FrameState | None:
        """Give a whole mask drawn elsewhere as the answer and the prompt of a frame."""
        media = self._check_frame(item_id, frame_idx)
        if rle.size_hw != media:
            raise InputError(f"mask: expected size {media}, got {rle.size_hw}")
        edit = FrameEdited(item_id, frame_idx, "mask", (MaskPrompt(rle.id),), rle.id)
        return self._edit(edit, rle)

    def mark_absent(self, item_id: str, frame_idx: int) -> FrameState | None:
        """Say that the object is not in the picture on this frame."""
        rle = rle_ops.empty(self._check_frame(item_id, frame_idx))
        edit = FrameEdited(item_id, frame_idx, "absent", (MaskPrompt(rle.id),), rle.id)
        return self._edit(edit, rle)

    def clear_frame(self, item_id: str, frame_idx: int) -> FrameState | None:
        """Remove prompts and mask of an object on a frame; propagation may fill it.

        Clicks on a tracked frame that was cleared start it afresh, see ``set_prompts``.
        """
        self._check_frame(item_id, frame_idx)
        return self._edit(FrameEdited(item_id, frame_idx, "clear"), None)

    def _edit(self, edit: FrameEdited, rle: Rle | None) -> FrameState | None:
        def make(state: ProjectState) -> list[Body]:
            require_step(state.items[edit.item_id], Step.TRACK, "edit")
            return [edit]

        self.commit(make, masks=() if rle is None else (rle,))
        return self.item(edit.item_id).frames.get(edit.frame_idx)

    def _check_frame(self, item_id: str, frame_idx: int) -> tuple[int, int]:
        """Refuse what cannot be edited; return the medium's (height, width)."""
        state = self.item(item_id)
        require_step(state, Step.TRACK, "edit")
        if frame_idx not in self.annotation_frames(state.item.media_id):
            raise InputError(f"frame_idx: expected a frame on the annotation grid, got {frame_idx}")
        return self.media(state.item.media_id).size_hw

    def _mask_to_paint_on(self, item_id: str, frame_idx: int) -> BoolMask:
        """Return the (H, W) bool mask a stroke starts from; empty where the phase wants
        an edit from scratch and the frame holds only the tracker's answer."""
        state = self.item(item_id)
        frame = state.frames.get(frame_idx)
        is_scratch = phase_of(state.item).is_from_scratch
        if frame is None or frame.mask_id is None or (is_scratch and not frame.is_edited):
            return rle_ops.decode(rle_ops.empty(self.media(state.item.media_id).size_hw))
        return rle_ops.decode(self.mask(frame.mask_id))

    # -- undo ------------------------------------------------------------------

    def can_undo(self, item_id: str, frame_idx: int) -> bool:
        """Whether ``undo`` would do something here."""
        return self.item(item_id).op_to_undo(frame_idx) is not None

    def can_redo(self, item_id: str, frame_idx: int) -> bool:
        """Whether ``redo`` would do something here."""
        return self.item(item_id).op_to_redo(frame_idx) is not None

    def undo(self, item_id: str, frame_idx: int) -> bool:
        """Take back the newest gesture, deletion or propagation that reaches this frame
        of this object. Returns False when there is none."""
        return self._flip(item_id, frame_idx, OpStatus.DONE)

    def redo(self, item_id: str, frame_idx: int) -> bool:
        """Do again what ``undo`` took back last on this frame of this object."""
        return self._flip(item_id, frame_idx, OpStatus.UNDONE)

    def _flip(self, item_id: str, frame_idx: int, status: OpStatus) -> bool:
        def make(state: ProjectState) -> list[Body]:
            item = state.items[item_id]
            if not item.is_deleted:
                require_step(item, Step.TRACK, "undo changes of")
            if status is OpStatus.DONE:
                op = item.op_to_undo(frame_idx)
                return [Undone(item_id, op.seq)] if op else []
            op = item.op_to_redo(frame_idx)
            return [Redone(item_id, op.seq)] if op else []

        self.item(item_id)
        return bool(self.commit(make))

    def close(self) -> None:
        """Give the model's memory back and close the files, and the log where it is this
        session's own: one from ``as_worker`` leaves it open."""
        self.free_model()
        super().close()
