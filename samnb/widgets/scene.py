"""Puts a studio snapshot together from the session's state and what is in hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from samnb.engine.queue import waiting
from samnb.engine.session import Session
from samnb.engine.state import FrameState, ItemState
from samnb.types import Prompt, Role, Step
from samnb.widgets.camera import Camera
from samnb.widgets.compose import MaskRow, Wanted, detail_for
from samnb.widgets.edits import Edits
from samnb.widgets.intents import Tool, View
from samnb.widgets.keys import Desk
from samnb.widgets.lanes import css_colour
from samnb.widgets.permits import phase_at, why_not_propagate
from samnb.widgets.projector import Projector
from samnb.widgets.review import ReviewSnapshot, clock_text
from samnb.widgets.snapshots import (
    NO_MEDIA,
    NOTHING_TO_VERIFY,
    Banner,
    StudioSnapshot,
    feedback_of,
    hint,
    object_rows,
)
from samnb.widgets.stage import REACH_PX, StageSnapshot
from samnb.widgets.timeline import TimelineSnapshot, words_for


@dataclass(frozen=True, slots=True)
class Scene:
    """Where to look for everything that a snapshot needs.

    Attributes:
        items: objects on show, in list order.
        hidden: ids of objects whose masks are not drawn.
        ratio: screen pixels per window pixel.
        has_deleted: the next undo brings a deleted object back.
    """

    session: Session
    media_id: str | None
    items: Sequence[ItemState]
    hidden: frozenset[str]
    camera: Camera | None
    ratio: float
    edits: Edits
    projector: Projector
    banner: Banner | None
    has_deleted: bool = False


def build(scene: Scene, view: View) -> tuple[View, StudioSnapshot]:
    """Return the view in line with the log, and what to show for it."""
    chosen = next((s for s in scene.items if s.item.id == view.item_id), None)
    item_id = chosen.item.id if chosen else None
    frame = chosen.frames.get(view.frame_idx) if chosen else None
    lanes = scene.projector.lanes
    lane = next((lane for lane in lanes if lane.item_id == item_id), None)
    view = replace(
        view,
        item_id=item_id,
        item_ids=tuple(s.item.id for s in scene.items),
        prompts=_prompts(scene, view, item_id, frame),
        suspicious=lane.suspicious if lane else (),
        reach=REACH_PX / scene.camera.scale if scene.camera else REACH_PX,
        is_running=scene.edits.is_running,
    )
    _ask(scene, view)
    session, state = scene.session, scene.session.state
    saved = session.saved
    at_s = saved.at_s
    snapshot = StudioSnapshot(
        view=view,
        stage=_stage(scene, view, chosen, frame),
        timeline=_timeline(scene, view),
        review=_review(scene, chosen),
        objects=object_rows(scene.items, item_id, scene.hidden),
        media=tuple((m.id, m.name) for m in state.media.values()),
        media_id=scene.media_id,
        worker=session.worker.id,
        saved="Saving …" if scene.edits.is_busy else _saved(at_s),
        counts=words_for([s.step for s in state.items.values() if not s.is_deleted]),
        hint=hint(view, chosen) if scene.media_id else "",
        banner=scene.banner,
        phase=phase_at(view, scene.items),
        no_propagation=why_not_propagate(view, scene.items),
        feedback=feedback_of(chosen) if chosen else None,
        progress=scene.edits.progress,
        can_undo=scene.has_deleted
        or (chosen is not None and chosen.op_to_undo(view.frame_idx) is not None),
        can_redo=chosen is not None and chosen.op_to_redo(view.frame_idx) is not None,
        can_reopen=chosen is not None and chosen.step is not Step.TRACK,
    )
    return view, snapshot


def _saved(at_s: float | None) -> str:
    return "Saved" if at_s is None else f"Saved · {clock_text(at_s)}"


def _prompts(
    scene: Scene, view: View, item_id: str | None, frame: FrameState | None
) -> tuple[Prompt, ...]:
    """Prompts waiting for an answer come before those in the log."""
    if item_id is not None and (item_id, view.frame_idx) in scene.edits.pending:
        return scene.edits.pending[item_id, view.frame_idx]
    return frame.prompts if frame else ()


def _ask(scene: Scene, view: View) -> None:
    """Ask for the pictures and lanes of this view; they arrive later."""
    if scene.media_id is None or scene.camera is None:
        scene.projector.want(None)
        return
    masks = []
    for state in scene.items:
        frame = state.frames.get(view.frame_idx)
        is_shown = not view.is_hidden and state.item.id not in scene.hidden
        if frame is not None and frame.mask_id is not None and is_shown:
            is_chosen = state.item.id == view.item_id
            masks.append(MaskRow(state.item.obj_id, frame.mask_id, is_chosen))
    detail = None if view.is_playing else detail_for(scene.camera, scene.ratio)
    scene.projector.want(Wanted(scene.media_id, view.frame_idx, tuple(masks), view.opacity, detail))
    scene.projector.follow(scene.session.state.seq, scene.items, view.frames)


def _stage(
    scene: Scene, view: View, chosen: ItemState | None, frame: FrameState | None
) -> StageSnapshot:
    if view.desk is Desk.VERIFY and chosen is None and scene.session.state.media:
        return StageSnapshot(message=NOTHING_TO_VERIFY, ratio=scene.ratio)
    if scene.media_id is None or scene.camera is None:
        return StageSnapshot(message=NO_MEDIA, ratio=scene.ratio)
    shown = scene.projector.shown
    is_here = shown is not None and shown.wanted.media_id == scene.media_id
    is_same_frame = is_here and shown is not None and shown.wanted.frame_idx == view.frame_idx
    return StageSnapshot(
        camera=scene.camera,
        tiles=shown.tiles if is_here and shown else (),
        masks=shown.masks if is_here and shown else (),
        prompts=view.prompts if is_same_frame and not view.is_hidden else (),
        colour=css_colour(chosen.item.obj_id if chosen else len(scene.items) + 1),
        badge=_badge(view, frame),
        tool=(Tool.NONE if view.desk is Desk.VERIFY else view.tool).value,
        is_negative=view.is_negative,
        radius=view.radius,
        is_busy=scene.edits.is_busy,
        ratio=scene.ratio,
    )


def _badge(view: View, frame: FrameState | None) -> str:
    words = []
    if frame is not None and frame.origin == "absent":
        words.append("absent here")
    if view.is_hidden:
        words.append("masks hidden · H")
    if view.is_negative and view.desk is Desk.ANNOTATE:
        words.append("sign flipped: left click means <b>not this</b> · T")
    return " · ".join(words)


def _timeline(scene: Scene, view: View) -> TimelineSnapshot:
    times_s: tuple[float, ...] = ()
    if scene.media_id is not None:
        media = scene.session.media(scene.media_id)
        times_s = tuple(i / media.fps if media.fps > 0 else 0.0 for i in view.frames)
    ids = set(view.item_ids)
    return TimelineSnapshot(
        frames=view.frames,
        times_s=times_s,
        frame_idx=view.frame_idx,
        item_id=view.item_id,
        lanes=tuple(lane for lane in scene.projector.lanes if lane.item_id in ids),
        is_playing=view.is_playing,
    )


def _review(scene: Scene, chosen: ItemState | None) -> ReviewSnapshot:
    session = scene.session
    rows = waiting(session.state, Role.VERIFIER, session.worker.id, session.clock())
    is_open = chosen is not None and chosen.step is Step.VERIFY
    why_not = ""
    if chosen is not None and session.worker.id in chosen.makers:
        is_open, why_not = False, "You made this one; somebody else has to verify it."
    return ReviewSnapshot(chosen, is_open, why_not, len(rows))
