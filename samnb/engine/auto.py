"""Auto masklets: a grid of clicks on the first frame, tracked, cleaned, sent to verifiers.

SAM 2's engine adds them for coverage beyond what people pick, and to find where the
model fails (SAM 2 paper, section 5.1 and its appendix on the data engine). They enter
the loop at verification, made by a worker of kind MODEL and without a single edit.
Satisfactory ones fill the video for selectors, unsatisfactory ones are sampled into
Phase 3, see :func:`sample_failures`. What the paper leaves open is a named constant.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from samnb.engine.effort import edited_frame_count
from samnb.engine.state import ItemState, ProjectState
from samnb.events import Body, FailuresSampled, ItemAdded, Submitted
from samnb.masks import ops as mask_ops
from samnb.masks import rle as rle_ops
from samnb.models.base import BoolMask, FramePrompts, Tracker, TrackSession
from samnb.models.grid import Candidate, GridSettings, propose_masks
from samnb.types import (
    FrameMask,
    InputError,
    Item,
    MaskPrompt,
    Proposal,
    Rle,
    Step,
    VerdictKind,
    Worker,
    WorkerKind,
)

if TYPE_CHECKING:
    from samnb.engine.session import Session

CLEAN_PX: Final = 200
"""Parts and holes of fewer pixels are repaired on every frame (SAM 2 paper)."""
SAME_OBJECT_IOU: Final = 0.7
"""A masklet that overlaps another by more than this, on the first frame or over all
frames together, is the same object and is dropped; a part lies well below it and stays,
for a whole and its parts are all valid targets. The paper gives no rule."""
FAILURE_RATE: Final = 0.25
"""Share of unsatisfactory auto masklets that annotators refine. The paper says only that
it is a sample."""
HARD_EDITED_FRAMES: Final = 2
"""Edited frames from which an object counts as challenging (SAM 2 paper, appendix)."""
AT_ONCE: Final = 16
"""Masklets tracked side by side; after each such group what is finished is committed."""

_FIRST_OBJ_ID: Final = 1_000_000  # beyond any object number that the model session may hold
Track: TypeAlias = dict[int, tuple[FrameMask, Rle]]
Progress: TypeAlias = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class AutoSettings:
    """How auto masklets are made.

    Attributes:
        grid: clicks and filters on the first frame.
        clean_px: size below which parts and holes are repaired.
        same_object_iou: overlap above which two masklets are one object.
        limit: most masklets proposed, the most confident ones; None for all.
    """

    grid: GridSettings = field(default_factory=GridSettings)
    clean_px: int = CLEAN_PX
    same_object_iou: float = SAME_OBJECT_IOU
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class AutoResult:
    """What :func:`propose_masklets` did.

    Attributes:
        status: "done" or "cancelled".
        n_candidates: masks that the grid found on the first frame.
        n_small: candidates of which the clean-up left nothing.
        n_known: candidates or masklets dropped as another of the medium.
        item_ids: the proposed items, now waiting for a verifier.
    """

    status: str
    n_candidates: int
    n_small: int
    n_known: int
    item_ids: tuple[str, ...]


def propose_masklets(
    session: Session,
    media_id: str,
    settings: AutoSettings | None = None,
    *,
    on_progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> AutoResult:
    """Propose the objects of a video, found on its first annotation frame.

    The model is held for as long as this runs. Masklets are committed in groups as they
    are finished: a cancelled or killed run keeps them.

    Args:
        session: whose model and media are used; the items are the model's own work, so
            that everybody may verify them.
        media_id: the medium.
        settings: None for the paper's.
        on_progress: called with the stage ("grid" or "track"), clicks or frames done,
            and their number.
        cancel: set it from another thread to stop.

    Raises:
        FlowError: the model is busy.
    """
    settings = settings or AutoSettings()
    grid = session.annotation_frames(media_id)
    with session.model(media_id) as tracking:
        run = _Run(session, media_id, grid, tracking.tracker, settings, cancel)

        def tell(done: int, total: int) -> None:
            if on_progress is not None:
                on_progress("grid", done, total)

        first = session.reader(media_id).frame(grid[0])
        found = propose_masks(
            tracking.tracker, first, settings.grid, on_progress=tell, cancel=cancel
        )
        chosen = run.choose(found)
        groups = [chosen[i : i + AT_ONCE] for i in range(0, len(chosen), AT_ONCE)]
        for at, group in enumerate(groups):
            if run.is_cancelled:
                break

            def tell_frame(done: int, before: int = at * len(grid)) -> None:
                if on_progress is not None:
                    on_progress("track", before + done, len(groups) * len(grid))

            run.keep(group, run.track(tracking.open_track(media_id), group, tell_frame))
    session.refresh()
    status = "cancelled" if run.is_cancelled else "done"
    return AutoResult(status, len(found), run.n_small, run.n_known, tuple(run.item_ids))


class _Run:
    """One run of :func:`propose_masklets` on one medium."""

    def __init__(
        self,
        session: Session,
        media_id: str,
        grid: Sequence[int],
        tracker: Tracker,
        settings: AutoSettings,
        cancel: threading.Event | None,
    ) -> None:
        self.session, self.media_id, self.grid = session, media_id, grid
        self.tracker, self.settings, self.cancel = tracker, settings, cancel
        worker = Worker(f"auto:{tracker.name}", WorkerKind.MODEL, f"grid of {tracker.name}")
        self.hands = session.as_worker(worker)
        self.known = [_masks_of(session, s) for s in session.refresh().items_of(media_id)]
        self.n_small = self.n_known = 0
        self.item_ids: list[str] = []

    @property
    def is_cancelled(self) -> bool:
        return self.cancel is not None and self.cancel.is_set()

    def choose(self, found: Sequence[Candidate]) -> list[tuple[Candidate, BoolMask]]:
        """Clean the candidates and drop those that are objects of the medium already."""
        chosen: list[tuple[Candidate, BoolMask]] = []
        taken = [known[self.grid[0]] for known in self.known if self.grid[0] in known]
        for candidate in sorted(found, key=lambda c: -c.confidence):
            mask = mask_ops.clean(rle_ops.decode(candidate.rle), self.settings.clean_px)
            if not mask.any():
                self.n_small += 1
                continue
            rle = rle_ops.encode(mask)
            if any(rle_ops.iou(rle, other) > self.settings.same_object_iou for other in taken):
                self.n_known += 1
                continue
            # Two cleaned masks may have become one although their boxes passed the grid's NMS.
            taken.append(rle)
            chosen.append((candidate, mask))
        return chosen[: self.settings.limit]

    def track(
        self,
        track: TrackSession,
        group: Sequence[tuple[Candidate, BoolMask]],
        tell: Callable[[int], None],
    ) -> list[Track] | None:
        """Track a group from the first frame to the last; None when cancelled on the way."""
        ids = [_FIRST_OBJ_ID + i for i in range(len(group))]
        masklets: list[Track] = [{} for _ in group]
        try:
            for obj_id, (_, mask) in zip(ids, group, strict=True):
                track.set_prompts(obj_id, 0, FramePrompts(mask=mask))
            frames = track.propagate(start=0, stop=len(self.grid) - 1, obj_ids=ids)
            with closing(frames):
                for position, answers in frames:
                    if self.is_cancelled:
                        return None
                    for masklet, obj_id in zip(masklets, ids, strict=True):
                        answer = answers[obj_id]
                        rle = rle_ops.encode(mask_ops.clean(answer.mask, self.settings.clean_px))
                        frame = FrameMask(
                            self.grid[position],
                            rle.id,
                            False,
                            answer.confidence,
                            answer.presence,
                            answer.stability,
                        )
                        masklet[frame.frame_idx] = frame, rle
                    tell(position + 1)
        finally:
            for obj_id in ids:
                track.remove_object(obj_id)
        return masklets

    def keep(
        self, group: Sequence[tuple[Candidate, BoolMask]], masklets: list[Track] | None
    ) -> None:
        """Commit the masklets that are new objects, all in one transaction."""
        kept: list[tuple[str, str, Track]] = []
        for (candidate, _), masklet in zip(group, masklets or (), strict=masklets is not None):
            rles = {idx: rle for idx, (_, rle) in masklet.items()}
            if any(_overlap(rles, other) > self.settings.same_object_iou for other in self.known):
                self.n_known += 1
                continue
            self.known.append(rles)
            first, rle = masklet[self.grid[0]]
            # The tracker is certain of a mask it was given; the grid was only so sure.
            sure = FrameMask(
                first.frame_idx, rle.id, False, candidate.confidence, 1.0, candidate.stability
            )
            masklet[first.frame_idx] = sure, rle
            kept.append((self.hands.new_id(), self.hands.new_id(), masklet))

        def make(project: ProjectState) -> list[Body]:
            taken = [s.item.obj_id for s in project.items_of(self.media_id, with_deleted=True)]
            number = max(taken, default=0)
            bodies: list[Body] = []
            for at, (item_id, proposal_id, masklet) in enumerate(kept, 1):
                item = Item(item_id, self.media_id, number + at, source="auto")
                prompt = MaskPrompt(masklet[self.grid[0]][0].mask_id)
                proposal = Proposal(
                    proposal_id,
                    item_id,
                    self.hands.worker.id,
                    self.tracker.name,
                    tuple(frame for frame, _ in masklet.values()),
                    ((self.grid[0], prompt),),
                )
                bodies += [ItemAdded(item), Submitted(proposal)]
            return bodies

        self.hands.commit(make, masks=[rle for _, _, m in kept for _, rle in m.values()])
        self.item_ids += [item_id for item_id, _, _ in kept]
        self.session.refresh()


def _masks_of(session: Session, state: ItemState) -> dict[int, Rle]:
    """An item's masks by frame number."""
    ids = {idx: f.mask_id for idx, f in state.frames.items() if f.mask_id is not None}
    stored = session.masks(ids.values())
    return {idx: stored[mask_id] for idx, mask_id in ids.items()}


def _overlap(a: Mapping[int, Rle], b: Mapping[int, Rle]) -> float:
    """Volume IoU over the frames that both have; 0 where no frame is shared or both are
    empty, which says nothing about being the same object."""
    shared = sorted(a.keys() & b.keys())
    if not any(rle_ops.area(a[i]) or rle_ops.area(b[i]) for i in shared):
        return 0.0
    return rle_ops.volume_iou([a[i] for i in shared], [b[i] for i in shared])


# -- what becomes of them ------------------------------------------------------


def is_failure(state: ItemState) -> bool:
    """Whether an item is an auto masklet that a verifier found unsatisfactory and that
    nobody has drawn, dropped or worked on since."""
    if state.item.source != "auto" or state.is_deleted or state.step is not Step.TRACK:
        return False
    verdicts = state.verdicts
    return (
        bool(verdicts)
        and state.history[-1].what is verdicts[-1]
        and verdicts[-1].kind is VerdictKind.UNSATISFACTORY
        and len(state.proposals) == 1
        and not any(f.is_edited for f in state.frames.values())
    )


def sample_failures(
    session: Session,
    media_id: str | None = None,
    *,
    rate: float = FAILURE_RATE,
    seed: int = 0,
) -> FailuresSampled:
    """Keep a sample of the unsatisfactory auto masklets for Phase 3, drop the others.

    Whether one is drawn depends on the seed, the medium and its object number alone, so
    that it makes no difference when, or how often, this is called.

    Args:
        session: who decides.
        media_id: the medium; None for all.
        rate: probability with which each is kept, from 0 to 1.
        seed: of the draw.

    Returns:
        what was written into the log; nothing is written without failures.
    """
    if not 0 <= rate <= 1:
        raise InputError(f"rate: expected a number from 0 to 1, got {rate}")
    result = [FailuresSampled((), (), rate, seed)]

    def make(project: ProjectState) -> list[Body]:
        found = [
            s
            for s in project.items.values()
            if is_failure(s) and media_id in (None, s.item.media_id)
        ]
        kept = tuple(s.item.id for s in found if _draw(s.item, seed) < rate)
        dropped = tuple(s.item.id for s in found if s.item.id not in kept)
        result[0] = FailuresSampled(kept, dropped, rate, seed)
        return [result[0]] if found else []

    session.commit(make)
    return result[0]


def _draw(item: Item, seed: int) -> float:
    """A number in [0, 1) that is the item's own."""
    digest = hashlib.sha256(f"{seed}:{item.media_id}:{item.obj_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def prefilled(project: ProjectState, media_id: str) -> tuple[ItemState, ...]:
    """The satisfactory auto masklets of a video, which a selector finds there already."""
    return tuple(
        s for s in project.items_of(media_id) if s.item.source == "auto" and s.step is Step.ACCEPTED
    )


def covered(session: Session, media_id: str, frame_idx: int) -> BoolMask:
    """What needs no selector any more: the union of all masks on a frame, (H, W) bool.

    Rejected objects do not count: somebody may select them again, better defined.
    """
    if frame_idx not in session.annotation_frames(media_id):
        raise InputError(f"frame_idx: expected a frame on the annotation grid, got {frame_idx}")
    union: BoolMask = np.zeros(session.media(media_id).size_hw, np.bool_)
    for state in session.state.items_of(media_id):
        frame = state.frames.get(frame_idx)
        if frame is not None and frame.mask_id is not None and state.step is not Step.REJECTED:
            union |= rle_ops.decode(session.mask(frame.mask_id))
    return union


def is_hard(state: ItemState, at_least: int = HARD_EDITED_FRAMES) -> bool:
    """Whether an object needed so many edited frames that it is worth keeping: with the
    model in the loop, edited frames measure difficulty."""
    return edited_frame_count(state) >= at_least


def hard_items(
    project: ProjectState, media_id: str | None = None, at_least: int = HARD_EDITED_FRAMES
) -> tuple[ItemState, ...]:
    """The challenging objects of a project or of one medium."""
    return tuple(
        s
        for s in project.items.values()
        if not s.is_deleted and media_id in (None, s.item.media_id) and is_hard(s, at_least)
    )
