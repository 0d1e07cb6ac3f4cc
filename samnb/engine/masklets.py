"""Masklets: predicting, propagating, freezing into a proposal, taking in from a file."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from samnb.engine.flow import require_step
from samnb.engine.phases import (
    AFRESH,
    is_afresh,
    phase_of,
    require_start,
    require_tool,
    require_tracker,
)
from samnb.engine.state import ItemState, ProjectState
from samnb.engine.tracking import to_frame_prompts
from samnb.events import (
    Body,
    FrameEdited,
    FrameTracked,
    Imported,
    ItemAdded,
    PropagationEnded,
    PropagationStarted,
    TrackedMask,
)
from samnb.masks import rle as rle_ops
from samnb.models.base import Prediction, TrackSession
from samnb.types import (
    Box,
    FlowError,
    FrameMask,
    InputError,
    Item,
    MaskPrompt,
    Point,
    Prompt,
    Proposal,
    Rle,
    Step,
)

if TYPE_CHECKING:
    from samnb.engine.drawing import Drawing


@dataclass(frozen=True, slots=True)
class PropagationResult:
    """How a propagation ended: ``status`` is "done" or "cancelled"."""

    run_id: str
    status: str
    n_frames: int
    start: int
    stop: int


def count_clicks(before: Sequence[Prompt], after: Sequence[Prompt]) -> int:
    """Return how many clicks lie between two prompt lists of a frame.

    A new point and a new box count one each; removing one counts as a click as well,
    since it takes one. Masks count none: strokes are edits, not clicks (the SAM 2 paper
    does not say whether they are, see its table 1).
    """
    kinds = (Point, Box)
    old = {p for p in before if isinstance(p, kinds)}
    new = {p for p in after if isinstance(p, kinds)}
    return len(old ^ new)


def predict(
    session: Drawing,
    item_id: str,
    frame_idx: int,
    prompts: tuple[Prompt, ...],
    *,
    is_alone: bool = False,
) -> tuple[FrameEdited, Rle]:
    """Ask the model for the mask that ``prompts`` give on a frame; commits nothing.

    With ``is_alone`` the frame's own pixels decide in every phase, see ``set_prompts``.
    """
    state = session.item(item_id)
    is_alone = is_alone or is_afresh(state, frame_idx)
    media_id = state.item.media_id
    position_of = {idx: at for at, idx in enumerate(session.annotation_frames(media_id))}
    before = state.frames.get(frame_idx)
    clicks = count_clicks(before.prompts if before else (), prompts)
    phase = phase_of(state.item)
    tool = "box" if any(isinstance(p, Box) for p in prompts) else "points"
    require_tool(state.item, tool)
    require_start(state.item, prompts, is_alone=is_alone)
    with session.model(media_id) as tracking:
        name = tracking.tracker.name
        if isinstance(prompts[0], MaskPrompt):
            track = tracking.open_track(media_id)
            rle = _retouch(session, track, position_of[frame_idx], prompts)
            tool = "mask" if len(prompts) == 1 else "points"
            edit = FrameEdited(
                item_id, frame_idx, tool, (MaskPrompt(rle.id),), rle.id, model=name, clicks=clicks
            )
            return edit, rle
        key = (state.item.obj_id, position_of[frame_idx])
        if phase.has_memory and not is_alone:
            tracking.sync(media_id, [state], position_of, but=key)
            answer = tracking.give(media_id, key, prompts, phase)
        else:
            probe = to_frame_prompts(prompts, session.mask)
            answer = tracking.open_track(media_id).segment(position_of[frame_idx], probe)
    rle = rle_ops.encode(answer.mask)
    edit = FrameEdited(
        item_id,
        frame_idx,
        AFRESH if is_alone and phase.has_memory else tool,
        prompts,
        rle.id,
        model=name,
        clicks=clicks,
        confidence=answer.confidence,
        presence=answer.presence,
        stability=answer.stability,
    )
    return edit, rle


def _retouch(
    session: Drawing, track: TrackSession, position: int, prompts: tuple[Prompt, ...]
) -> Rle:
    """Add to or take from a given mask what the model sees under each further click."""
    first = prompts[0]
    if not isinstance(first, MaskPrompt) or not all(isinstance(p, Point) for p in prompts[1:]):
        raise InputError("prompts: a mask may be followed by points only")
    mask = rle_ops.decode(session.mask(first.mask_id))
    for point in prompts[1:]:
        if isinstance(point, Point):
            probe = to_frame_prompts([Point(point.x, point.y, 1)], session.mask)
            seen = track.segment(position, probe).mask
            mask = mask | seen if point.label else mask & ~seen
    return rle_ops.encode(mask)


def propagate(
    session: Drawing,
    media_id: str,
    item_ids: Sequence[str] | None,
    start: int | None,
    stop: int | None,
    cancel: threading.Event | None,
    on_progress: Callable[[int, int], None] | None,
) -> PropagationResult:
    """Run the tracker over a range of frames; see ``Session.propagate``."""
    grid = session.annotation_frames(media_id)
    with session.model(media_id) as tracking:
        items = _items_to_track(session.refresh(), media_id, item_ids)
        prompted = sorted(i for s in items for i, f in s.frames.items() if f.prompts)
        first = _nearest(grid, prompted[0] if start is None else start)
        last = _nearest(grid, grid[-1] if stop is None else stop)
        position_of = {idx: at for at, idx in enumerate(grid)}
        run_id = session.new_id()
        ids = tuple(s.item.id for s in items)
        name = tracking.tracker.name

        def begin(project: ProjectState) -> list[Body]:
            for item_id in ids:
                require_step(project.items[item_id], Step.TRACK, "propagate")
                require_tracker(project.items[item_id].item)
            return [PropagationStarted(run_id, media_id, ids, first, last, name)]

        session.commit(begin)
        done = 0
        total = abs(position_of[last] - position_of[first]) + 1
        status, detail = "done", ""
        try:
            if on_progress:
                on_progress(0, total)
            tracking.sync(media_id, items, position_of)
            frames = tracking.open_track(media_id).propagate(
                start=position_of[first],
                stop=position_of[last],
                obj_ids=[s.item.obj_id for s in items],
            )
            with closing(frames):
                for position, answers in frames:
                    if cancel is not None and cancel.is_set():
                        status = "cancelled"
                        break
                    _commit_frame(session, run_id, grid[position], answers, items)
                    done += 1
                    if on_progress:
                        on_progress(done, total)
        except BaseException as error:
            status, detail = "failed", f"{type(error).__name__}: {error}"
            raise
        finally:
            ended = PropagationEnded(run_id, status, detail)
            session.commit(lambda _s: [ended])
    return PropagationResult(run_id, status, done, first, last)


def _items_to_track(
    state: ProjectState, media_id: str, item_ids: Sequence[str] | None
) -> list[ItemState]:
    if item_ids is None:
        rows = [
            s
            for s in state.items_of(media_id)
            if s.step is Step.TRACK and phase_of(s.item).has_tracker
        ]
    else:
        unknown = [i for i in item_ids if i not in state.items]
        if unknown:
            raise InputError(f"item_ids: expected items of this project, got {unknown[0]!r}")
        rows = [state.items[i] for i in item_ids]
    rows = [s for s in rows if any(f.prompts for f in s.frames.values())]
    if not rows:
        raise FlowError("nothing to propagate: click an object on some frame first")
    return rows


def _commit_frame(
    session: Drawing,
    run_id: str,
    frame_idx: int,
    answers: Mapping[int, Prediction],
    items: Sequence[ItemState],
) -> None:
    masks: list[TrackedMask] = []
    rles: list[Rle] = []
    for state in items:
        answer = answers.get(state.item.obj_id)
        held = state.frames.get(frame_idx)
        if answer is None or (held is not None and (held.is_edited or held.prompts)):
            continue
        rle = rle_ops.encode(answer.mask)
        rles.append(rle)
        masks.append(
            TrackedMask(state.item.id, rle.id, answer.confidence, answer.presence, answer.stability)
        )
    body = FrameTracked(run_id, frame_idx, tuple(masks))
    session.commit(lambda _s: [body], masks=rles)


def _nearest(grid: Sequence[int], frame_idx: int) -> int:
    return min(grid, key=lambda idx: abs(idx - frame_idx))


IMPORTED_BY: Final = "import"
"""Stands as the model of masklets that came from a file."""


def proposal_of(
    state: ItemState,
    proposal_id: str,
    worker_id: str,
    grid: Sequence[int],
    project: ProjectState,
) -> Proposal:
    """Freeze what an item has now into a proposal."""
    kept = [(idx, state.frames[idx]) for idx in grid if idx in state.frames]
    models = [r.model for r in project.runs.values() if state.item.id in r.item_ids]
    earlier = state.proposals
    return Proposal(
        proposal_id,
        state.item.id,
        worker_id,
        models[-1] if models else "",
        tuple(
            FrameMask(idx, f.mask_id, f.is_edited, f.confidence, f.presence, f.stability)
            for idx, f in kept
            if f.mask_id is not None
        ),
        tuple((idx, prompt) for idx, f in kept for prompt in f.prompts),
        earlier[-1].id if earlier else None,
    )


def import_masklet(
    session: Drawing,
    media_id: str,
    masks: Sequence[tuple[FrameMask, Rle]],
    source: str,
    name: str,
    is_accepted: bool,
    is_auto: bool,
    obj_id: int | None,
    edited_frame_count: int | None,
) -> Item:
    """Take a finished masklet into the project; see ``Session.import_masklet``."""
    size_hw = session.media(media_id).size_hw
    wrong = next((r.size_hw for _, r in masks if r.size_hw != size_hw), None)
    if wrong:
        raise InputError(f"masks: expected the medium's size {size_hw}, got {wrong}")
    item_id, proposal_id = session.new_id(), session.new_id()

    def make(project: ProjectState) -> list[Body]:
        taken = {s.item.obj_id for s in project.items_of(media_id, with_deleted=True)}
        number = obj_id if obj_id is not None else max(taken, default=0) + 1
        if number in taken:
            raise InputError(f"obj_id: expected a free object number, {number} is taken")
        item = Item(item_id, media_id, number, name, "", "auto" if is_auto else "manual")
        proposal = Proposal(
            proposal_id, item_id, session.worker.id, IMPORTED_BY, tuple(m for m, _ in masks)
        )
        return [ItemAdded(item), Imported(proposal, source, is_accepted, edited_frame_count)]

    session.commit(make, masks=[r for _, r in masks])
    return session.item(item_id).item
