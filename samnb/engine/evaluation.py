"""How good a model is for the people who work with it: J&F, and prompts to a target.

Both are measured through the contract that annotators use, so whatever helps or harms
them is in the figures. Clicks follow the simulated annotator of the SAM 2 paper
(section 6.1): each at the centre of the larger error, a fresh frame is always the one
with the lowest IoU.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np

from samnb.engine.simulation import TimeModel
from samnb.masks import ops as mask_ops
from samnb.masks import rle as rle_ops
from samnb.metrics.jf import frame_jf
from samnb.models.base import BoolMask, FramePrompts, Tracker, TrackSession
from samnb.models.trainable import LabelledClip
from samnb.types import InputError, Rle

Progress: TypeAlias = Callable[[int, int], None]

CLICKS_PER_FRAME: Final = 3
"""Clicks on every prompted frame (SAM 2 paper, section 6.1)."""
TARGET_J: Final = 0.75
"""A masklet is good enough when its mean IoU reaches this: the bar that the paper sets
for a mask to be aligned, and for its online annotator to pause."""
MAX_ROUNDS: Final = 4
"""Most frames prompted on the way to the target; the paper goes to 8."""


@dataclass(frozen=True, slots=True)
class EvalSettings:
    """How a model is measured.

    Attributes:
        clicks: clicks on a prompted frame.
        target_j: mean IoU at which the simulated annotator is content.
        max_rounds: frames prompted at most; 1 measures J&F from the first frame only.
    """

    clicks: int = CLICKS_PER_FRAME
    target_j: float = TARGET_J
    max_rounds: int = MAX_ROUNDS

    def __post_init__(self) -> None:
        if self.clicks < 1 or self.max_rounds < 1:
            raise InputError(
                f"settings: expected at least 1 click and 1 round, got {self.clicks} and "
                f"{self.max_rounds}"
            )


@dataclass(slots=True)
class _Target:
    """One object on its way to the target."""

    obj_id: int
    truth: Mapping[int, Rle]
    masks: dict[int, BoolMask] = field(default_factory=dict)
    prompted: set[int] = field(default_factory=set)
    n_clicks: int = 0

    @property
    def start(self) -> int:
        return min(p for p, rle in self.truth.items() if rle_ops.area(rle))

    def time_s(self) -> float:
        """Seconds that the prompts made so far took."""
        model, n_prompted = TimeModel(), len(self.prompted)
        watching_s = model.offline_s(len(self.truth), n_prompted, n_clicks=0)
        return watching_s + model.click_s * self.n_clicks

    def gt(self, position: int) -> BoolMask:
        return rle_ops.decode(self.truth[position])

    def ious(self) -> dict[int, float]:
        """IoU by labelled position from the first visible one on; 1 where both are empty."""
        found = {}
        for position in self.truth:
            if position >= self.start:
                gt, pred = self.gt(position), self.masks[position]
                union = np.count_nonzero(gt | pred)
                found[position] = np.count_nonzero(gt & pred) / union if union else 1.0
        return found


def evaluate(
    tracker: Tracker,
    clips: Sequence[LabelledClip],
    settings: EvalSettings | None = None,
    *,
    on_progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> dict[str, float]:
    """Measure a model on clips with true masks.

    Args:
        tracker: the model.
        clips: what to measure it on.
        settings: None for the defaults.
        on_progress: called with (clips done, clips in all).
        cancel: set it from another thread to stop; the figures are then of the clips
            that were finished.

    Returns:
        ``j``, ``f`` and ``jf``, means over objects of the means over labelled frames,
        after clicks on the first frame alone (that frame counts); ``clicks``, the mean
        number until the mean IoU reaches the target, or until the last round for those
        that do not; ``time_s``, what that takes an annotator who watches the clip after
        every prompted frame (the paper's offline time model); ``reached``, the share of
        objects that reach the target; ``objects``.

    Raises:
        InputError: no object is visible on any clip.
    """
    settings = settings or EvalSettings()
    js: list[float] = []
    fs: list[float] = []
    clicks: list[int] = []
    times: list[float] = []
    reached: list[bool] = []
    for done, clip in enumerate(clips):
        if cancel is not None and cancel.is_set():
            break
        if on_progress is not None:
            on_progress(done, len(clips))
        groups: dict[int, list[_Target]] = defaultdict(list)
        for at, truth in enumerate(clip.objects):
            if any(rle_ops.area(rle) for rle in truth.values()):
                target = _Target(at + 1, truth)
                groups[target.start].append(target)
        for targets in groups.values():
            with closing(tracker.open(clip.frames)) as track:
                _prompt_and_track(track, targets, settings)
                for target in targets:
                    rows = [frame_jf(target.gt(p), target.masks[p]) for p in target.ious()]
                    js.append(float(np.mean([j for j, _ in rows])))
                    fs.append(float(np.mean([f for _, f in rows])))
                _correct(track, targets, settings)
            clicks += [t.n_clicks for t in targets]
            times += [t.time_s() for t in targets]
            reached += [_mean(t) >= settings.target_j for t in targets]
    if not js:
        raise InputError("clips: expected at least one visible object, got none")
    if on_progress is not None:
        on_progress(len(clips), len(clips))
    j, f = float(np.mean(js)), float(np.mean(fs))
    return {
        "jf": (j + f) / 2,
        "j": j,
        "f": f,
        "clicks": float(np.mean(clicks)),
        "time_s": float(np.mean(times)),
        "reached": float(np.mean(reached)),
        "objects": float(len(js)),
    }


def _mean(target: _Target) -> float:
    return float(np.mean(list(target.ious().values())))


def _prompt_and_track(track: TrackSession, targets: list[_Target], settings: EvalSettings) -> None:
    for target in targets:
        _click(track, target, target.start, None, settings)
    _propagate(track, targets)


def _correct(track: TrackSession, targets: list[_Target], settings: EvalSettings) -> None:
    """Prompt the worst frames of those that are not good enough, round by round."""
    for _ in range(1, settings.max_rounds):
        waiting = [t for t in targets if _mean(t) < settings.target_j]
        chosen = []
        for target in waiting:
            left = {p: v for p, v in target.ious().items() if p not in target.prompted}
            if left:
                worst = min(left, key=lambda p: left[p])
                _click(track, target, worst, target.masks[worst], settings)
                chosen.append(target)
        if not chosen:
            break
        _propagate(track, chosen)


def _click(
    track: TrackSession,
    target: _Target,
    position: int,
    mask: BoolMask | None,
    settings: EvalSettings,
) -> None:
    """Click at error centres of one frame until the clicks are used up or it is right."""
    points: list[tuple[int, int]] = []
    labels: list[int] = []
    gt = target.gt(position)
    for _ in range(settings.clicks):
        if mask is not None and np.array_equal(gt, mask):
            break
        x, y, label = mask_ops.error_centre(gt, mask)
        points.append((x, y))
        labels.append(label)
        prompts = FramePrompts(np.array(points, np.float32), np.array(labels, np.int32))
        mask = track.set_prompts(target.obj_id, position, prompts).mask
    target.n_clicks += len(points)
    target.prompted.add(position)


def _propagate(track: TrackSession, targets: list[_Target]) -> None:
    start = targets[0].start
    last = max(max(t.truth) for t in targets)
    ids = [t.obj_id for t in targets]
    with closing(track.propagate(start=start, stop=last, obj_ids=ids)) as frames:
        for position, answers in frames:
            for target in targets:
                if position in target.truth:
                    target.masks[position] = answers[target.obj_id].mask
