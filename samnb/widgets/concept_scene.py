"""Puts a desk snapshot together from the session's state and what is in hand."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from samnb.engine.concepts.queue import Work
from samnb.events.concepts import ConceptTask
from samnb.widgets import concept_words as words
from samnb.widgets.camera import Camera
from samnb.widgets.compose import MaskRow, Wanted, detail_for
from samnb.widgets.concept_asking import Asking
from samnb.widgets.concept_correcting import Correcting
from samnb.widgets.concept_drafts import Row, RowKind
from samnb.widgets.concept_intake import Intake, last_answer
from samnb.widgets.concept_keys import Want, options
from samnb.widgets.concept_snapshots import (
    CorrectSnapshot,
    DeskSnapshot,
    OptionRow,
    TaskTab,
    counter,
    instance_rows,
    summary,
)
from samnb.widgets.concept_views import Darkroom, Developed, Shot, first_frame, shot_of
from samnb.widgets.edits import Edits
from samnb.widgets.intents import Tool, View
from samnb.widgets.lanes import css_colour
from samnb.widgets.pictures import Tile
from samnb.widgets.projector import Projector
from samnb.widgets.review import clock_text
from samnb.widgets.snapshots import Banner
from samnb.widgets.stage import REACH_PX, Label, StageSnapshot
from samnb.widgets.viewport import Viewport

AHEAD_FRAMES = 3
"""So many frames of a video are made ready while one is looked at."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Where to look for everything that a snapshot needs.

    Attributes:
        asking: the question in hand at MV and EV.
        correcting: the pair in hand where masks are drawn.
        ratio: screen pixels per window pixel.
        note: something that is true of the whole page.
    """

    intake: Intake
    asking: Asking | None
    correcting: Correcting | None
    camera: Camera | None
    ratio: float
    edits: Edits
    projector: Projector
    darkroom: Darkroom
    banner: Banner | None
    note: str = ""

    @property
    def work(self) -> Work | None:
        """The pair on the desk."""
        return self.intake.work


def shots(scene: Scene, view: View) -> tuple[Shot, ...]:
    """What to have ready: what is asked now, the frames and masks after it, and the
    first question of the pair that comes next."""
    asking = scene.asking
    if asking is None:
        return ()
    work, mask = asking.work, asking.mask
    later = [i for i in view.frames if i > view.frame_idx][:AHEAD_FRAMES]
    frames = [view.frame_idx, *later]
    found = [shot_of(work, mask, idx, view.is_hidden) for idx in frames]
    if mask is not None:
        for other in work.masks[len(asking.answers) + 1 :][:2]:
            idx = first_frame(work, other)
            found.append(shot_of(work, other, idx, view.is_hidden))
    following = scene.intake.peek()
    if following is not None:
        first = Asking(following).mask
        idx = first_frame(following, first)
        found.append(shot_of(following, first, idx, view.is_hidden))
    return tuple(dict.fromkeys(found))


Fitted: TypeAlias = tuple[str, tuple[int, int]] | None
"""The question that the window was opened on, and the size of its picture."""


def fit(
    viewport: Viewport, darkroom: Darkroom, asking: Asking | None, view: View, fitted: Fitted
) -> Fitted:
    """Open the window on the picture of a question, once it is made; a zoom stays while
    the question does."""
    if asking is None:
        return fitted
    mask = asking.mask
    made = darkroom.get(shot_of(asking.work, mask, view.frame_idx, view.is_hidden))
    if made is None or made.picture is None:
        return fitted
    wanted = (f"{asking.work.pair_id}:{mask.key if mask else ''}", made.size_hw)
    if wanted != fitted:
        viewport.open(made.size_hw)
    return wanted


def build(scene: Scene, view: View) -> tuple[View, DeskSnapshot]:
    """Return the view in line with the log, and what to show for it."""
    rows: tuple[Row, ...] = ()
    if scene.correcting is not None:
        rows = scene.correcting.rows()
        view = _drawing_view(scene, scene.correcting, rows, view)
    wanted = shots(scene, view)
    scene.darkroom.want(wanted)
    made = scene.darkroom.get(wanted[0]) if wanted else None
    session, intake = scene.intake.loop.session, scene.intake
    counts = intake.counts()
    work = scene.work
    has_videos = bool(intake.loop.state.videos)
    tabs = tuple(
        TaskTab(task, words.TASK_WORDS[task], counts.waiting[task], task is intake.task)
        for task in ConceptTask
        if task is not ConceptTask.CONFIRM or has_videos
    )
    at_s = session.saved.at_s
    saved = "Saving …" if scene.edits.is_busy else "Saved"
    if at_s is not None and not scene.edits.is_busy:
        saved = f"Saved · {clock_text(at_s)}"
    n_answers = len(scene.asking.answers) if scene.asking else 0
    if work is not None and n_answers:
        saved = f"{n_answers} of {len(work.masks)} masks answered, saved with the last"
    stage = _asking_stage(scene, view, wanted, made)
    if scene.correcting is not None:
        stage = _drawing_stage(scene, scene.correcting, rows, view)
    snapshot = DeskSnapshot(
        task=intake.task,
        tabs=tabs,
        worker=session.worker.id,
        saved=saved,
        phrase=work.phrase if work else "",
        question=words.question(work, n_answers) if work else "",
        counter=counter(counts.waiting[intake.task], counts.done),
        is_open=work is not None and (made is None or not made.problem),
        options=_options(scene),
        correct=_correct(scene, scene.correcting, rows, view) if scene.correcting else None,
        stage=stage,
        view=view,
        frames=_frames(view),
        hint=_hint(scene, rows, view),
        banner=scene.banner,
        note=scene.note,
        can_take_back=bool(n_answers)
        or last_answer(intake.loop.state, session.worker.id) is not None,
    )
    return view, snapshot


def _options(scene: Scene) -> tuple[OptionRow, ...]:
    task, work, state = scene.intake.task, scene.work, scene.intake.loop.state
    n_masks, n_people = 1, state.rules.n_reviewers
    if work is not None:
        n_masks = len(work.masks)
        n_people = words.asked_people(state, state.pairs[work.pair_id], task)
    return tuple(
        OptionRow(want, words.outcome(task, want, n_masks, n_people))
        for want in (line.act for line in options(task))
        if isinstance(want, Want)
    )


def _frames(view: View) -> str:
    if len(view.frames) < 2:
        return ""
    at = min(range(len(view.frames)), key=lambda i: abs(view.frames[i] - view.frame_idx))
    return f"frame {view.frame_idx} · {at + 1} of {len(view.frames)}"


def _hint(scene: Scene, rows: Sequence[Row], view: View) -> str:
    if scene.work is None:
        return ""
    standing = [row for row in rows if row.kind is not RowKind.REMOVED]
    return words.hint(
        scene.intake.task,
        has_row=view.item_id is not None,
        n_rows=len(standing),
        is_running=scene.edits.is_running,
    )


# -- MV and EV -----------------------------------------------------------------------


def _asking_stage(
    scene: Scene, view: View, wanted: Sequence[Shot], made: Developed | None
) -> StageSnapshot:
    intake = scene.intake
    if scene.work is None:
        now_s = intake.loop.session.clock()
        text = words.nothing_html(intake.loop.state, intake.task, intake.worker_id, now_s)
        return StageSnapshot(message=text, ratio=scene.ratio)
    if made is None:
        return StageSnapshot(ratio=scene.ratio, message="<p>The picture is being made …</p>")
    if made.picture is None:
        return StageSnapshot(message=problem_html(made.problem), ratio=scene.ratio)
    ahead = [scene.darkroom.get(shot) for shot in wanted[1:]]
    tile = Tile(made.picture, (0, 0, made.size_hw[1], made.size_hw[0]))
    return StageSnapshot(
        camera=scene.camera,
        tiles=(tile,) if scene.camera is not None else (),
        badge="marks hidden · H" if view.is_hidden else "",
        ratio=scene.ratio,
        ahead=tuple(found.picture for found in ahead if found is not None and found.picture),
    )


def problem_html(problem: str) -> str:
    """A picture that cannot be shown, in words."""
    return (
        f"<h3>This picture cannot be shown</h3><p>{html.escape(problem)}</p>"
        "<p>Skip it, or bring the file back and press Escape to try again.</p>"
    )


# -- correction -----------------------------------------------------------------------


def _drawing_view(scene: Scene, correcting: Correcting, rows: Sequence[Row], view: View) -> View:
    ids = tuple(row.id for row in rows)
    pending = {item_id for item_id, _ in scene.edits.pending}
    is_known = view.item_id in ids or view.item_id in pending or scene.edits.is_busy
    chosen = next((row for row in rows if row.id == view.item_id), None)
    prompts = correcting.prompts(chosen, view.frame_idx) if chosen else ()
    held_id = correcting.item_id_of(view.item_id) if view.item_id else None
    if held_id is not None:
        prompts = scene.edits.pending.get((held_id, view.frame_idx), prompts)
    return replace(
        view,
        item_id=view.item_id if is_known else None,
        item_ids=ids,
        prompts=prompts if is_known else (),
        reach=REACH_PX / scene.camera.scale if scene.camera else REACH_PX,
        is_running=scene.edits.is_running,
    )


def _drawing_stage(
    scene: Scene, correcting: Correcting, rows: Sequence[Row], view: View
) -> StageSnapshot:
    camera, media_id = scene.camera, correcting.work.media_id
    if camera is None:
        return StageSnapshot(ratio=scene.ratio)
    masks = tuple(
        MaskRow(row.number, row.masks[view.frame_idx], view.item_id in (None, row.id))
        for row in rows
        if view.frame_idx in row.masks and not view.is_hidden
    )
    detail = None if view.is_playing else detail_for(camera, scene.ratio)
    wanted = Wanted(media_id, view.frame_idx, masks, view.opacity, detail)
    scene.projector.want(wanted)
    shown = scene.projector.shown
    is_here = shown is not None and shown.wanted.media_id == media_id
    is_same_frame = is_here and shown is not None and shown.wanted.frame_idx == view.frame_idx
    chosen = next((row for row in rows if row.id == view.item_id), None)
    number = chosen.number if chosen else len(rows) + 1
    return StageSnapshot(
        camera=camera,
        tiles=shown.tiles if is_here and shown else (),
        masks=shown.masks if is_here and shown else (),
        prompts=view.prompts if is_same_frame and not view.is_hidden else (),
        colour=css_colour(number),
        badge=_badge(view, chosen),
        tool=(view.tool if scene.work else Tool.NONE).value,
        is_negative=view.is_negative,
        radius=view.radius,
        is_busy=scene.edits.is_busy,
        ratio=scene.ratio,
        labels=_labels(correcting, rows, view) if is_same_frame else (),
    )


def _labels(correcting: Correcting, rows: Sequence[Row], view: View) -> tuple[Label, ...]:
    """The number of each instance at its corner, as the list has it."""
    found = []
    for row in rows:
        mask_id = None if view.is_hidden else row.masks.get(view.frame_idx)
        corner = correcting.corner(mask_id) if mask_id is not None else None
        if corner is not None:
            text = f"{row.number} group" if row.is_group else str(row.number)
            found.append(Label(*corner, text, css_colour(row.number)))
    return tuple(found)


def _badge(view: View, chosen: Row | None) -> str:
    parts = []
    if chosen is not None and chosen.kind is RowKind.REMOVED:
        parts.append(f"instance {chosen.number} is removed")
    elif chosen is not None and chosen.is_group:
        parts.append(f"instance {chosen.number} is a group")
    if view.is_hidden:
        parts.append("masks hidden · H")
    if view.is_negative:
        parts.append("sign flipped: left click means <b>not this</b> · T")
    return " · ".join(parts)


def _correct(
    scene: Scene, correcting: Correcting, rows: Sequence[Row], view: View
) -> CorrectSnapshot:
    found, flags = correcting.hand_in_of(rows), correcting.flags
    is_apart = flags.apart(found.has_group)
    return CorrectSnapshot(
        rows=instance_rows(rows, view.item_id),
        is_apart=is_apart,
        is_covered=flags.is_covered,
        summary=summary(
            found.n_masks, correcting.work.phrase, is_apart=is_apart, is_covered=flags.is_covered
        ),
        can_undo=correcting.can_undo(view.frame_idx, is_redo=False),
        can_redo=correcting.can_undo(view.frame_idx, is_redo=True),
        progress=scene.edits.progress,
    )
