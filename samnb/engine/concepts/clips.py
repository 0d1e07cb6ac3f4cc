"""Which clips are worth a person's time: one shot that moves, and enough objects in it.

SAM 3 paper (arXiv 2511.16719), appendix on the video engine: single-shot clips of 5 to 30 s
that are not static, then at least M = 2 phrases with N = 3 objects each. What was dropped and
why goes into the log.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
from PIL import Image as PilImage

from samnb.engine.concepts.state import ConceptState, PairState
from samnb.events import Body, Event
from samnb.events.concepts import ClipChecked, ConceptStep, PairDropped, PairOrigin
from samnb.language.video import MIN_OBJECTS, MIN_PHRASES, ClipDecision, clip_table, drop_easy
from samnb.models.base import Image
from samnb.types import InputError

if TYPE_CHECKING:
    import pandas as pd

    from samnb.engine.concepts.session import ConceptSession

SHOT: Final = "shot and motion"
EASY: Final = "easy"

_THUMB_PX: Final = 64
_CHANGED: Final = 8.0
_BINS: Final = 4


@dataclass(frozen=True, slots=True)
class ClipRules:
    """What a clip has to be.

    The paper names the lengths. For cuts and motion it uses PySceneDetect and VMAF's motion
    score and gives no thresholds; the measures here are our own and simpler. On four filmed
    shots no two frames jumped by more than 0.09; between shots of different films it was
    0.38 to 0.79. Slow dissolves are not found.

    Attributes:
        min_s: shortest clip, in seconds.
        max_s: longest clip, in seconds.
        min_motion: least motion, see :class:`ClipFigures`.
        max_jump: a jump above this is a cut, see :class:`ClipFigures`.
    """

    min_s: float = 5.0
    max_s: float = 30.0
    min_motion: float = 0.01
    max_jump: float = 0.25


@dataclass(frozen=True, slots=True)
class ClipFigures:
    """What was measured of a clip.

    Attributes:
        duration_s: length in seconds.
        motion: share of the picture, in [0, 1], that changes visibly from one annotated
            frame to the next, changes of the light as a whole taken out; the mean over
            the clip.
        jumps: for each annotated frame but the first, the share of the picture's colours
            that are others than on the frame before, in [0, 1], where most of the picture
            has changed; else 0.
    """

    duration_s: float
    motion: float
    jumps: tuple[float, ...]

    def reason(self, rules: ClipRules) -> str:
        """Say why a clip does not go on; empty when it does."""
        # A clip of exactly the length may lack a fraction of its last frame.
        if self.duration_s < rules.min_s - 0.05:
            return f"{self.duration_s:.1f} s long, {rules.min_s:g} s are needed"
        if self.duration_s > rules.max_s + 0.05:
            return f"{self.duration_s:.1f} s long, {rules.max_s:g} s are allowed"
        n_cuts = sum(j > rules.max_jump for j in self.jumps)
        if n_cuts:
            return f"{n_cuts} {'cut' if n_cuts == 1 else 'cuts'}, expected a single shot"
        if self.motion < rules.min_motion:
            return (
                f"{100 * self.motion:.1f} % of the picture moves, {100 * rules.min_motion:g} % "
                "are needed"
            )
        return ""


def measure_frames(frames: Sequence[Image], duration_s: float) -> ClipFigures:
    """Measure a clip by its annotated frames, (H, W, 3) uint8 RGB each.

    Raises:
        InputError: there is no frame.
    """
    if not frames:
        raise InputError("frames: expected at least one, got none")
    small = [_thumb(frame) for frame in frames]
    changed = [_changed(a, b) for a, b in pairwise(small)]
    jumps = tuple(
        _other_colours(a, b) if share > 0.5 else 0.0
        for (a, b), share in zip(pairwise(small), changed, strict=True)
    )
    return ClipFigures(duration_s, float(np.mean(changed)) if changed else 0.0, jumps)


def _thumb(frame: Image) -> npt.NDArray[np.float32]:
    """The frame at about 64 px, where the noise of a sensor is averaged away."""
    height, width = frame.shape[:2]
    scale = _THUMB_PX / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = PilImage.fromarray(frame).resize(size, PilImage.Resampling.BOX)
    return np.asarray(small, np.float32)


def _changed(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    change = (b - a).mean(-1)
    return float((np.abs(change - np.median(change)) > _CHANGED).mean())


def _other_colours(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    edges = [np.linspace(0, 256, _BINS + 1)] * 3
    counts = [np.histogramdd(x.reshape(-1, 3), edges)[0] / (x.size / 3) for x in (a, b)]
    return float(1.0 - np.minimum(*counts).sum())


# -- in a project ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sifted:
    """What a filter of clips came to.

    Attributes:
        status: "done" or "cancelled".
        decisions: one for each clip and, where phrases were looked at, for each phrase.
    """

    status: str
    decisions: tuple[ClipDecision, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row per decision: see :func:`samnb.language.video.clip_table`."""
        return clip_table(self.decisions)

    def __str__(self) -> str:
        clips = [d for d in self.decisions if not d.phrase]
        phrases = [d for d in self.decisions if d.phrase]
        text = f"{sum(d.is_kept for d in clips)} of {len(clips)} clips kept"
        if phrases:
            text += f", {sum(d.is_kept for d in phrases)} of {len(phrases)} phrases"
        return f"{text} ({self.status})"


def check_clips(
    loop: ConceptSession,
    media_ids: Collection[str] | None = None,
    *,
    rules: ClipRules | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> Sifted:
    """Measure clips and say which go on; no phrase is mined on one that does not.

    Args:
        loop: the project.
        media_ids: which videos; None for all that were not measured yet.
        rules: what a clip has to be; None takes the usual ones.
        on_progress: called with (clips done, clips in all).
        cancel: set it from another thread to stop after the present clip.

    Raises:
        InputError: a medium is no video.
    """
    rules = rules or ClipRules()
    videos = loop.refresh().videos
    known = {c.media_id for c in checks(loop.session.log.read()) if c.filter == SHOT}
    todo = [m for m in loop.session.state.media if m in videos and m not in known]
    if media_ids is not None:
        todo = list(media_ids)
    decisions: list[ClipDecision] = []
    for done, media_id in enumerate(todo):
        if cancel is not None and cancel.is_set():
            break
        media = loop.session.media(media_id)
        if media_id not in videos:
            raise InputError(f"media_ids: expected videos, got the picture {media.name}")
        reader = loop.session.reader(media_id)
        idxs = loop.session.annotation_frames(media_id)
        figures = measure_frames([reader.frame(i) for i in idxs], media.duration_s)
        reason = figures.reason(rules)
        numbers = (
            ("duration_s", round(figures.duration_s, 3)),
            ("motion", round(figures.motion, 4)),
            ("largest_jump", round(max(figures.jumps, default=0.0), 4)),
        )
        _tell(loop, ClipChecked(media_id, SHOT, not reason, reason, numbers))
        decisions.append(ClipDecision(media.name, "", not reason, reason))
        if on_progress is not None:
            on_progress(done + 1, len(todo))
    return Sifted("done" if len(decisions) == len(todo) else "cancelled", tuple(decisions))


def _tell(loop: ConceptSession, body: Body) -> None:
    loop.commit(lambda _state: [body])


def checks(events: Sequence[Event]) -> list[ClipChecked]:
    """The newest check of every clip by every filter."""
    found: dict[tuple[str, str], ClipChecked] = {}
    for event in events:
        if isinstance(event.body, ClipChecked):
            found[event.body.media_id, event.body.filter] = event.body
    return list(found.values())


def unfit(events: Sequence[Event]) -> dict[str, str]:
    """Clips that a filter has taken out, with the reason."""
    return {c.media_id: c.reason for c in checks(events) if not c.is_kept}


def sift_easy(
    loop: ConceptSession,
    media_ids: Collection[str] | None = None,
    *,
    min_objects: int = MIN_OBJECTS,
    min_phrases: int = MIN_PHRASES,
) -> Sifted:
    """Drop easy phrases and clips after masklets were proposed: the N and M rule.

    Only phrases that were mined are counted and dropped: what a user asked for stays, and so
    do hard negatives, which are there to have no object. A phrase about which a person has
    answered stays too.

    Args:
        loop: the project.
        media_ids: which videos; None for all with a proposal for every phrase that was mined
            on them and no such check yet.
        min_objects: N, masklets that a phrase needs.
        min_phrases: M, such phrases that a clip needs.

    Raises:
        InputError: a bound is below 1.
    """
    state = loop.refresh()
    if media_ids is None:
        known = {c.media_id for c in checks(loop.session.log.read()) if c.filter == EASY}
        media_ids = [m for m in loop.session.state.media if m in state.videos and m not in known]
    rows = {m: _mined_pairs(state, m) for m in media_ids}
    rows = {
        m: pairs
        for m, pairs in rows.items()
        if pairs and all(p.step is not ConceptStep.PROPOSE for p in pairs)
    }
    counts = {m: {p.phrase: len(p.masks) for p in pairs} for m, pairs in rows.items()}
    decisions = drop_easy(counts, min_objects=min_objects, min_phrases=min_phrases)
    dropped = {(d.clip, d.phrase): d.reason for d in decisions if d.phrase and not d.is_kept}

    def make(state: ConceptState) -> list[Body]:
        bodies: list[Body] = []
        for media_id in rows:
            for pair in _mined_pairs(state, media_id):
                reason = dropped.get((media_id, pair.phrase))
                if reason is not None and _is_untouched(pair):
                    bodies.append(PairDropped(pair.id, EASY, reason))
        for one in decisions:
            if not one.phrase:
                left = sum(n >= min_objects for n in counts[one.clip].values())
                figures = (("phrases", float(len(counts[one.clip]))), ("left", float(left)))
                bodies.append(ClipChecked(one.clip, EASY, one.is_kept, one.reason, figures))
        return bodies

    loop.commit(make)
    names = {m: loop.session.media(m).name for m in rows}
    return Sifted(
        "done",
        tuple(ClipDecision(names[d.clip], d.phrase, d.is_kept, d.reason) for d in decisions),
    )


def _mined_pairs(state: ConceptState, media_id: str) -> list[PairState]:
    return [
        p for p in state.pairs_of(media_id) if p.origin is PairOrigin.MINED and not p.dropped_by
    ]


def _is_untouched(pair: PairState) -> bool:
    is_open = pair.step in (ConceptStep.MV, ConceptStep.EV)
    return is_open and not any(a.is_person for a in (*pair.past, *pair.answers))
