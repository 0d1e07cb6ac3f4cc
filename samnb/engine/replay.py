"""Logged prompts run again with another model: how much work would it have saved?

Nothing is written into the project. A masklet's own final masks are the measure: where
the other model's mask agrees with them already, the correction that was made there would
not have been needed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from samnb.engine.effort import effort_of
from samnb.engine.handiwork import iou
from samnb.engine.phases import AFRESH, Phase, phase_of
from samnb.engine.session import Session
from samnb.engine.state import ItemState, OpStatus
from samnb.engine.tracking import ModelSlot, to_frame_prompts
from samnb.events import Event, FrameEdited
from samnb.masks import rle as rle_ops
from samnb.metrics.jf import masklet_jf
from samnb.models.base import BoolMask, Tracker, TrackSession
from samnb.store.media import AnnotationFrames
from samnb.types import InputError, MaskPrompt, Step

if TYPE_CHECKING:
    import pandas as pd

AGREES_IOU: Final = 0.75
"""A frame would not have been corrected when the other model's mask has at least this IoU
with the final one: the limit at which the SAM 2 paper's simulated annotator pauses."""
SATISFIED_IOU: Final = 0.85
"""Clicking on a frame would have ended at this IoU with the final mask."""


@dataclass(frozen=True, slots=True)
class ReplayRow:
    """One masklet: what it took, and what it would have taken.

    Attributes:
        edits: frames corrected or prompted by hand, as logged.
        edits_needed: those that the other model would have needed as well.
        clicks: clicks as logged, on edits that still count.
        clicks_needed: clicks of the needed edits until the mask was good.
        wrong_frames: frames that nobody had to correct and that the other model gets
            wrong: edits that it would have cost in addition.
        jf: J&F of the other model's masklet with the final one as truth; NaN for a
            masklet of two frames or fewer.
    """

    item_id: str
    media: str
    name: str
    phase: int
    model: str
    other_model: str
    frames: int
    edits: int
    edits_needed: int
    clicks: int
    clicks_needed: int
    wrong_frames: int
    jf: float

    @property
    def saved_edits(self) -> int:
        """Edits saved, less those that would have come in addition."""
        return self.edits - self.edits_needed - self.wrong_frames


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """All masklets replayed; ``status`` is "done" or "cancelled"."""

    status: str
    rows: tuple[ReplayRow, ...]
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def edits(self) -> int:
        """Edits as logged."""
        return sum(r.edits for r in self.rows)

    @property
    def saved_edits(self) -> int:
        """Edits that the other model would have saved; negative when it costs more."""
        return sum(r.saved_edits for r in self.rows)

    @property
    def saved_share(self) -> float:
        """Saved edits by logged edits; NaN without any."""
        return self.saved_edits / self.edits if self.edits else float("nan")

    def to_frame(self) -> pd.DataFrame:
        """One row per masklet, the fields of :class:`ReplayRow` and ``saved_edits``."""
        import pandas as pd

        columns = [*ReplayRow.__dataclass_fields__, "saved_edits"]
        rows = [{**asdict(r), "saved_edits": r.saved_edits} for r in self.rows]
        return pd.DataFrame(rows, columns=columns)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: ``status``, ``edits``, ``saved_edits``, ``masklets``."""
        return {
            "status": self.status,
            "edits": self.edits,
            "saved_edits": self.saved_edits,
            "masklets": [{**asdict(r), "saved_edits": r.saved_edits} for r in self.rows],
        }

    def __str__(self) -> str:
        table = self.to_frame().drop(columns=["item_id"]).to_string(index=False)
        share = f" ({100 * self.saved_share:.0f} %)" if self.edits else ""
        total = f"{self.saved_edits} of {self.edits} edits saved{share}"
        return "\n".join([table, total, *(f"{k}: {v}" for k, v in self.notes.items())])

    def _repr_html_(self) -> str:
        # One column a masklet: so many figures do not fit side by side on a notebook's page.
        table = self.to_frame().drop(columns=["item_id"]).T.to_html(header=False)
        return f"{table}<p>{self.saved_edits} of {self.edits} edits saved</p>"


def replay(
    session: Session,
    tracker: Tracker | str,
    *,
    item_ids: Sequence[str] | None = None,
    agrees_iou: float = AGREES_IOU,
    satisfied_iou: float = SATISFIED_IOU,
    on_progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> ReplayResult:
    """Run the logged prompts of masklets again with another model or version.

    The prompts are given in the order in which they were made. Before each correction the
    other model's propagated mask is compared with the final one: where it agrees, the
    correction is left out. Afterwards it propagates from there, as the annotator did.

    Args:
        session: the project.
        tracker: the other model, or its name.
        item_ids: which masklets; None for all accepted ones of Phases 2 and 3.
        agrees_iou: see :data:`AGREES_IOU`.
        satisfied_iou: see :data:`SATISFIED_IOU`.
        on_progress: called with (masklets done, masklets in all).
        cancel: set it from another thread to stop before the next masklet.

    Raises:
        InputError: an item that was never handed in, was not annotated here, or belongs
            to Phase 1, where no model carries anything from frame to frame.
    """
    state = session.refresh()
    events = session.log.read()
    if item_ids is None:
        chosen = [s for s in state.items.values() if s.step is Step.ACCEPTED and _is_fit(s)]
    else:
        chosen = [session.item(i) for i in item_ids]
        unfit = next((s.item.id for s in chosen if not _is_fit(s)), None)
        if unfit is not None:
            raise InputError(
                f"item_ids: expected masklets of Phase 2 or 3 that were annotated and handed in, "
                f"got {unfit!r}"
            )
    model = ModelSlot(tracker).get()
    costs = effort_of(events, state.items)
    rows = []
    for at, item in enumerate(chosen):
        if cancel is not None and cancel.is_set():
            break
        if on_progress:
            on_progress(at, len(chosen))
        again = _Replay(session, item, agrees_iou, satisfied_iou)
        rows.append(again.run(model, events, costs[item.item.id].model))
    if on_progress and len(rows) == len(chosen):
        on_progress(len(rows), len(chosen))
    notes = {
        "edit saved": f"the other model's mask has IoU >= {agrees_iou:g} with the final one",
        "clicks needed": f"until IoU >= {satisfied_iou:g} with the final mask",
    }
    return ReplayResult("done" if len(rows) == len(chosen) else "cancelled", tuple(rows), notes)


def _is_fit(state: ItemState) -> bool:
    has_prompts = any(f.is_edited and f.prompts for f in state.frames.values())
    return bool(state.proposals) and phase_of(state.item).has_tracker and has_prompts


@dataclass(slots=True)
class _Visit:
    """Gestures on one frame, one after another."""

    frame_idx: int
    edits: list[FrameEdited]


class _Replay:
    """One masklet and what the other model makes of its prompts."""

    def __init__(
        self, session: Session, state: ItemState, agrees_iou: float, satisfied_iou: float
    ) -> None:
        self._session, self._state = session, state
        self._agrees, self._satisfied = agrees_iou, satisfied_iou
        self._media_id = state.item.media_id
        self._grid = session.annotation_frames(self._media_id)
        self._position = {idx: at for at, idx in enumerate(self._grid)}
        final = {m.frame_idx: m.mask_id for m in state.proposals[-1].masks}
        stored = session.masks(final.values())
        self._final = {i: stored[m] for i, m in final.items() if i in self._position}
        self._found: dict[int, BoolMask] = {}

    def run(self, model: Tracker, events: Sequence[Event], old_model: str) -> ReplayRow:
        """Replay and count."""
        visits = self._visits(events)
        reader = self._session.reader(self._media_id)
        track = model.open(AnnotationFrames(reader, self._grid))
        needed = clicks = 0
        corrected: set[int] = set()
        try:
            for visit in visits:
                corrected.add(visit.frame_idx)
                if self._found and self._agrees_on(visit.frame_idx):
                    continue
                needed += 1
                clicks += self._prompt(track, visit, phase_of(self._state.item))
                self._propagate(track, visit.frame_idx, is_first=needed == 1)
        finally:
            track.close()
        wrong = [i for i in self._final if i not in corrected and not self._agrees_on(i)]
        item = self._state.item
        return ReplayRow(
            item_id=item.id,
            media=self._session.media(self._media_id).name,
            name=item.name,
            phase=item.phase,
            model=old_model,
            other_model=model.name,
            frames=len(self._final),
            edits=len(visits),
            edits_needed=needed,
            clicks=sum(e.clicks for v in visits for e in v.edits),
            clicks_needed=clicks,
            wrong_frames=len(wrong),
            jf=self._jf(),
        )

    def _visits(self, events: Sequence[Event]) -> list[_Visit]:
        """Edits that still count, those on one frame in a row taken together."""
        visits: list[_Visit] = []
        for event in events:
            body = event.body
            if not isinstance(body, FrameEdited) or body.item_id != self._state.item.id:
                continue
            op = self._state.ops.get(event.seq)
            is_void = op is None or op.status is not OpStatus.DONE or body.mask_id is None
            if is_void or body.frame_idx not in self._final:
                continue
            if not visits or visits[-1].frame_idx != body.frame_idx:
                visits.append(_Visit(body.frame_idx, []))
            visits[-1].edits.append(body)
        return visits

    def _prompt(self, track: TrackSession, visit: _Visit, phase: Phase) -> int:
        """Give a visit's prompts until the mask is good; return the clicks made."""
        idx, clicks = visit.frame_idx, 0
        edits = visit.edits if phase.has_memory else visit.edits[-1:]
        for edit in edits:
            given = edit.prompts
            is_refined = phase.has_memory and edit.tool != AFRESH
            if not is_refined and edit.mask_id is not None:
                given = (MaskPrompt(edit.mask_id),)
            prompts = to_frame_prompts(given, self._session.mask)
            answer = track.set_prompts(self._state.item.obj_id, self._position[idx], prompts)
            self._found[idx] = answer.mask
            clicks += edit.clicks
            if iou(answer.mask, rle_ops.decode(self._final[idx])) >= self._satisfied:
                break
        return clicks if phase.has_memory else sum(e.clicks for e in visit.edits)

    def _propagate(self, track: TrackSession, frame_idx: int, *, is_first: bool) -> None:
        start = self._position[frame_idx]
        ends = [len(self._grid) - 1] + ([0] if is_first and start > 0 else [])
        for end in ends:
            frames = track.propagate(start=start, stop=end, obj_ids=[self._state.item.obj_id])
            for position, answers in frames:
                if self._state.item.obj_id in answers:
                    self._found[self._grid[position]] = answers[self._state.item.obj_id].mask

    def _agrees_on(self, frame_idx: int) -> bool:
        final = rle_ops.decode(self._final[frame_idx])
        return iou(self._found.get(frame_idx), final) >= self._agrees

    def _jf(self) -> float:
        frames = sorted(self._final)
        is_shown = any(rle_ops.area(self._final[i]) for i in frames[1:-1])
        if not is_shown:
            return float("nan")
        size_hw = self._session.media(self._media_id).size_hw
        empty = rle_ops.decode(rle_ops.empty(size_hw))
        pred = [self._found.get(i, empty) for i in frames]
        return masklet_jf([rle_ops.decode(self._final[i]) for i in frames], pred).jf
