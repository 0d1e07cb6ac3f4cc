"""The masklet loop as a table, and ``fold``: events in, state out.

The loop is ``track -> verify -> accepted | track | rejected`` (SAM 2 paper, appendix
on the annotation workflow). The table below is all there is to know about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from samnb.engine.state import (
    Claim,
    Cursor,
    FrameState,
    HistoryEntry,
    ItemState,
    Op,
    OpStatus,
    ProjectState,
    Returned,
    Run,
)
from samnb.events import (
    Body,
    Claimed,
    Event,
    FailuresSampled,
    FrameEdited,
    FrameTracked,
    Imported,
    ItemAdded,
    ItemDeleted,
    ItemRenamed,
    Judged,
    Looked,
    MediaAdded,
    MediaRelinked,
    MediaTagged,
    ProjectCreated,
    PropagationEnded,
    PropagationStarted,
    Redone,
    Released,
    Reopened,
    Submitted,
    Undone,
    WorkerJoined,
)
from samnb.types import FlowError, Item, Media, Proposal, Role, Step, VerdictKind, Worker

ALL_FRAMES: Final = 2**31 - 1
"""Upper end of an operation that reaches over the whole medium."""

STEP_AFTER_VERDICT: Final[Mapping[VerdictKind, Step]] = {
    VerdictKind.SATISFACTORY: Step.ACCEPTED,
    VerdictKind.UNSATISFACTORY: Step.TRACK,
    VerdictKind.REJECT: Step.REJECTED,
}
STEP_OF_ROLE: Final[Mapping[Role, Step]] = {
    Role.ANNOTATOR: Step.TRACK,
    Role.VERIFIER: Step.VERIFY,
}
"""In which step an item waits for a worker in this role."""


def require_step(state: ItemState, step: Step, act: str) -> None:
    """Refuse an act in the wrong step.

    Raises:
        FlowError: the item is elsewhere in the loop, or deleted.
    """
    name = label(state.item)
    if state.is_deleted:
        raise FlowError(f"{name} was deleted; undo the deletion before you {act} it")
    if state.step is not step:
        cure = "" if state.step is Step.TRACK else "; reopen it first"
        raise FlowError(f"{name} is at step {state.step.value!r}, you can {act} it only "
                        f"at {step.value!r}{cure}")  # fmt: skip


def require_other_worker(state: ItemState, worker_id: str) -> None:
    """Refuse a verifier who had a hand in the masklet (SAM 2 paper: each step is done
    by a different annotator).

    Raises:
        FlowError: the worker made, edited or submitted the item.
    """
    if worker_id in state.makers:
        raise FlowError(f"{worker_id} made {label(state.item)} and cannot verify it; "
                        "somebody else has to")  # fmt: skip


def label(item: Item) -> str:
    """Return the name by which an item is called in messages."""
    return item.name or f"object {item.obj_id}"


@dataclass(slots=True)
class _Draft:
    """A state under construction; containers are copied once per fold."""

    seq: int
    project: ProjectCreated | None
    media: dict[str, Media]
    tags: dict[str, Mapping[str, str]]
    items: dict[str, ItemState]
    workers: dict[str, Worker]
    runs: dict[str, Run]
    cursors: dict[str, Cursor]
    software: dict[str, tuple[tuple[str, str], ...]]
    fresh: set[str]

    def item(self, item_id: str) -> ItemState:
        """Return an item's state, copied before its first change in this fold."""
        if item_id not in self.fresh:
            self.items[item_id] = self.items[item_id].copy()
            self.fresh.add(item_id)
        return self.items[item_id]


def fold(state: ProjectState, events: Iterable[Event]) -> ProjectState:
    """Return the state after ``events``; ``state`` itself stays as it was."""
    draft = _Draft(
        state.seq,
        state.project,
        dict(state.media),
        dict(state.tags),
        dict(state.items),
        dict(state.workers),
        dict(state.runs),
        dict(state.cursors),
        dict(state.software),
        set(),
    )
    for event in events:
        apply = _APPLY.get(type(event.body))
        if apply is not None:
            apply(draft, event, event.body)
        draft.seq = event.seq
    return ProjectState(
        draft.seq,
        draft.project,
        draft.media,
        draft.tags,
        draft.items,
        draft.workers,
        draft.runs,
        draft.cursors,
        draft.software,
    )


def _project_created(draft: _Draft, _event: Event, body: ProjectCreated) -> None:
    draft.project = body


def _worker_joined(draft: _Draft, _event: Event, body: WorkerJoined) -> None:
    draft.workers[body.worker.id] = body.worker
    draft.software[body.worker.id] = body.software


def _media_added(draft: _Draft, _event: Event, body: MediaAdded) -> None:
    draft.media[body.media.id] = body.media


def _media_relinked(draft: _Draft, _event: Event, body: MediaRelinked) -> None:
    draft.media[body.media_id] = replace(draft.media[body.media_id], path=body.path)


def _media_tagged(draft: _Draft, _event: Event, body: MediaTagged) -> None:
    draft.tags[body.media_id] = {**draft.tags.get(body.media_id, {}), **dict(body.tags)}


def _item_added(draft: _Draft, event: Event, body: ItemAdded) -> None:
    draft.items[body.item.id] = ItemState(body.item)
    draft.fresh.add(body.item.id)
    draft.cursors[event.worker_id] = replace(
        draft.cursors.get(event.worker_id, Cursor(body.item.media_id, None, 0)),
        media_id=body.item.media_id,
        item_id=body.item.id,
    )


def _item_renamed(draft: _Draft, _event: Event, body: ItemRenamed) -> None:
    item = draft.item(body.item_id)
    item.item = replace(item.item, name=body.name)


def _begin_op(item: ItemState, op: Op) -> None:
    """Put an operation on the stack; what was undone under it cannot be redone."""
    for seq in item.undone:
        if item.ops[seq].is_touching(op.lo, op.hi):
            item.ops[seq] = replace(item.ops[seq], status=OpStatus.DEAD)
            item.undone -= {seq}
    item.ops[op.seq] = op
    item.makers |= {op.worker_id}


def _write(item: ItemState, frame_idx: int, layer: FrameState) -> None:
    item.layers[frame_idx] = (*item.layers.get(frame_idx, ()), layer)
    item.frames[frame_idx] = layer


def _item_deleted(draft: _Draft, event: Event, body: ItemDeleted) -> None:
    item = draft.item(body.item_id)
    _begin_op(item, Op(event.seq, "delete", 0, ALL_FRAMES, event.worker_id))
    item.is_deleted = True


def _frame_edited(draft: _Draft, event: Event, body: FrameEdited) -> None:
    item = draft.item(body.item_id)
    frame = body.frame_idx
    _begin_op(item, Op(event.seq, body.tool, frame, frame, event.worker_id))
    layer = FrameState(
        event.seq,
        body.tool,
        body.mask_id,
        body.prompts,
        body.tool != "clear",
        body.confidence,
        body.presence,
        body.stability,
    )
    _write(item, frame, layer)
    draft.cursors[event.worker_id] = Cursor(item.item.media_id, body.item_id, frame)


def _propagation_started(draft: _Draft, event: Event, body: PropagationStarted) -> None:
    draft.runs[body.run_id] = Run(
        event.seq,
        body.media_id,
        body.item_ids,
        body.start,
        body.stop,
        body.model,
        event.worker_id,
    )
    lo, hi = sorted((body.start, body.stop))
    for item_id in body.item_ids:
        _begin_op(draft.item(item_id), Op(event.seq, "propagate", lo, hi, event.worker_id))


def _frame_tracked(draft: _Draft, _event: Event, body: FrameTracked) -> None:
    run = draft.runs[body.run_id]
    draft.runs[body.run_id] = replace(run, n_frames=run.n_frames + 1)
    for mask in body.masks:
        item = draft.item(mask.item_id)
        current = item.frames.get(body.frame_idx)
        layer = FrameState(
            run.op_seq,
            "propagated",
            mask.mask_id,
            confidence=mask.confidence,
            presence=mask.presence,
            stability=mask.stability,
        )
        # What a hand corrected or a prompt made survives every later propagation.
        if current is None or not (current.is_edited or current.prompts):
            _write(item, body.frame_idx, layer)


def _propagation_ended(draft: _Draft, _event: Event, body: PropagationEnded) -> None:
    draft.runs[body.run_id] = replace(draft.runs[body.run_id], status=body.status)


def _undone(draft: _Draft, _event: Event, body: Undone) -> None:
    _set_status(draft.item(body.item_id), body.op_seq, OpStatus.UNDONE)


def _redone(draft: _Draft, _event: Event, body: Redone) -> None:
    _set_status(draft.item(body.item_id), body.op_seq, OpStatus.DONE)


def _set_status(item: ItemState, op_seq: int, status: OpStatus) -> None:
    op = replace(item.ops[op_seq], status=status)
    item.ops[op_seq] = op
    item.undone = item.undone | {op_seq} if status is OpStatus.UNDONE else item.undone - {op_seq}
    if op.kind == "delete":
        item.is_deleted = status is OpStatus.DONE
        return
    for frame_idx, layers in item.layers.items():
        if not op.lo <= frame_idx <= op.hi:
            continue
        valid = [layer for layer in layers if _counts(item, layer)]
        if valid:
            item.frames[frame_idx] = valid[-1]
        else:
            item.frames.pop(frame_idx, None)


def _counts(item: ItemState, layer: FrameState) -> bool:
    op = item.ops.get(layer.op_seq)
    return op is None or op.status is OpStatus.DONE


def _looked(draft: _Draft, event: Event, body: Looked) -> None:
    draft.cursors[event.worker_id] = Cursor(body.media_id, body.item_id, body.frame_idx)


def _claimed(draft: _Draft, event: Event, body: Claimed) -> None:
    draft.item(body.item_id).claim = Claim(event.worker_id, body.role, body.until_s)


def _released(draft: _Draft, _event: Event, body: Released) -> None:
    draft.item(body.item_id).claim = None


def _note(item: ItemState, event: Event, what: Any) -> None:
    item.history = (*item.history, HistoryEntry(event.seq, event.at_s, event.worker_id, what))
    item.claim = None


def _submitted(draft: _Draft, event: Event, body: Submitted) -> None:
    item = draft.item(body.proposal.item_id)
    _take_over(item, event, body.proposal, "proposed")
    _note(item, event, body.proposal)
    item.makers |= {event.worker_id}
    item.step = Step.VERIFY


def _take_over(item: ItemState, event: Event, proposal: Proposal, origin: str) -> None:
    """Fill the frames on which the item has nothing yet from a proposal."""
    for mask in proposal.masks:
        if mask.frame_idx in item.frames:
            continue
        layer = FrameState(
            event.seq,
            origin,
            mask.mask_id,
            tuple(p for idx, p in proposal.prompts if idx == mask.frame_idx),
            mask.is_edited,
            mask.confidence,
            mask.presence,
            mask.stability,
        )
        _write(item, mask.frame_idx, layer)


def _judged(draft: _Draft, event: Event, body: Judged) -> None:
    item = draft.item(body.verdict.item_id)
    _note(item, event, body.verdict)
    item.step = STEP_AFTER_VERDICT[body.verdict.kind]
    limit = draft.project.round_limit if draft.project else 0
    returned = sum(v.kind is VerdictKind.UNSATISFACTORY for v in item.verdicts)
    if item.step is Step.TRACK and 0 < limit <= returned:
        _note(item, event, Returned(f"dropped after {returned} unsatisfactory rounds"))
        item.step = Step.REJECTED


def _reopened(draft: _Draft, event: Event, body: Reopened) -> None:
    item = draft.item(body.item_id)
    _note(item, event, Returned(body.reason or "reopened"))
    item.step = Step.TRACK


def _imported(draft: _Draft, event: Event, body: Imported) -> None:
    item = draft.item(body.proposal.item_id)
    _note(item, event, Returned(f"imported from {body.source}"))
    _note(item, event, body.proposal)
    item.edited_frame_count = body.edited_frame_count
    item.step = Step.ACCEPTED if body.is_accepted else Step.VERIFY
    _take_over(item, event, body.proposal, "imported")


def _failures_sampled(draft: _Draft, event: Event, body: FailuresSampled) -> None:
    for item_id in body.kept:
        _note(draft.item(item_id), event, Returned("auto masklet drawn for refinement"))
    for item_id in body.dropped:
        _note(draft.item(item_id), event, Returned("auto masklet not drawn for refinement"))
        draft.item(item_id).step = Step.REJECTED


_APPLY: Final[Mapping[type[Body], Callable[[_Draft, Event, Any], None]]] = {
    ProjectCreated: _project_created,
    WorkerJoined: _worker_joined,
    MediaAdded: _media_added,
    MediaRelinked: _media_relinked,
    MediaTagged: _media_tagged,
    ItemAdded: _item_added,
    ItemRenamed: _item_renamed,
    ItemDeleted: _item_deleted,
    FrameEdited: _frame_edited,
    PropagationStarted: _propagation_started,
    FrameTracked: _frame_tracked,
    PropagationEnded: _propagation_ended,
    Undone: _undone,
    Redone: _redone,
    Looked: _looked,
    Claimed: _claimed,
    Released: _released,
    Submitted: _submitted,
    Judged: _judged,
    Reopened: _reopened,
    FailuresSampled: _failures_sampled,
    Imported: _imported,
}
