"""Accuracy against effort: refining on the memory against drawing again.

The SAM 2 paper's interactive evaluation (arXiv 2408.00714, section 6.1 and its
appendix): J&F against the number of prompted frames and against time, offline and
online, for SAM 2 and for a decoupled baseline of an image model and a mask tracker.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from samnb.engine.effort import Masks, Source
from samnb.engine.experiment import Progress, simulated_project
from samnb.engine.flow import fold
from samnb.engine.groundtruth import GroundTruth, TrueObject
from samnb.engine.history import read_history
from samnb.engine.session import Session
from samnb.engine.simulation import (
    OFFLINE,
    ONLINE,
    Correction,
    Habits,
    Mode,
    SimulatedClock,
    TimeModel,
    seeded,
)
from samnb.engine.state import ItemState, ProjectState
from samnb.engine.workers import SimulatedAnnotator, simulated
from samnb.events import PropagationEnded
from samnb.masks import rle as rle_ops
from samnb.metrics.jf import masklet_jf
from samnb.models.base import Tracker
from samnb.types import InputError, Rle

if TYPE_CHECKING:
    import pandas as pd

MODES: Final[tuple[Mode, ...]] = ("offline", "online")
PROMPTED_FRAMES: Final = 8
"""The paper prompts 1 to 8 frames."""
PAPER_RATIO: Final = 3.0
"""The paper finds more than this many times fewer interactions for SAM 2."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of correcting.

    Attributes:
        phase: 3 refines on the memory, 2 gives the tracker masks only.
        correction: see :class:`samnb.engine.simulation.Habits`.
    """

    phase: int
    correction: Correction = "scratch"


ARMS: Final[Mapping[str, Arm]] = {
    "refine": Arm(3),
    "redraw": Arm(2),
    "reproduce": Arm(2, "reproduce"),
}
"""``refine`` is SAM 2; ``redraw`` is Phase 2, which draws a wrong frame from nothing;
``reproduce`` is the paper's baseline, which first clicks the tracked mask back."""
_HABITS: Final[Mapping[Mode, Habits]] = {"offline": OFFLINE, "online": ONLINE}


def run_curves(
    target: str | Path,
    truth: GroundTruth,
    *,
    tracker: Tracker | str | None = None,
    arms: Sequence[str] = ("refine", "redraw", "reproduce"),
    modes: Sequence[Mode] = MODES,
    n_prompted: int = PROMPTED_FRAMES,
    seed: int = 0,
    annotation_fps: float = 6.0,
    on_progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> pd.DataFrame:
    """Annotate every true object with every arm in every mode, each on its own.

    What the project's log already holds is not done again. The online runs propagate to
    the end after every prompted frame, so that the log has the result for each count;
    the masks are those of a single forward pass that pauses.

    Args:
        target: project file, made when missing.
        truth: videos with their objects.
        tracker: the model; None takes the version that the project promoted last, else
            ``mobile``.
        arms: keys of :data:`ARMS`.
        modes: "offline" and "online".
        n_prompted: prompted frames at most.
        seed: of the run.
        annotation_fps: frames annotated per second, for a new project.
        on_progress: called before each masklet and at the end.
        cancel: set it from another thread to stop.

    Returns:
        :func:`curve_points` of what there is.

    Raises:
        InputError: an unknown arm or mode.
    """
    for name, known, given in (("arms", tuple(ARMS), arms), ("modes", MODES, modes)):
        unknown = [x for x in given if x not in known]
        if unknown:
            raise InputError(f"{name}: expected some of {sorted(known)}, got {unknown}")
    todo = [(v, m, a, o) for v in truth for m in modes for a in arms for o in v.objects]
    with simulated_project(target, tracker, seed, annotation_fps) as (session, clock):
        hands: dict[str, Session] = {}
        path = Path()
        for at, (video, mode, arm, obj) in enumerate(todo):
            if cancel is not None and cancel.is_set():
                break
            if on_progress:
                on_progress(at, len(todo), f"{obj.target_id}, {mode} {arm}")
            if video.path != path:
                for hand in hands.values():
                    hand.free_model()
                path = video.path
            who = worker_of(mode, arm)
            if who not in hands:
                hands[who] = session.as_worker(simulated(who))
            habits = replace(
                _HABITS[mode], max_frames=n_prompted, correction=ARMS[arm].correction
            )  # fmt: skip
            _annotate(
                hands[who], clock, truth, video.path, obj, ARMS[arm].phase, habits, seed, cancel
            )
        if on_progress and not (cancel is not None and cancel.is_set()):
            on_progress(len(todo), len(todo), "")
        return curve_points(session, truth)


def worker_of(mode: str, arm: str) -> str:
    """Return the id of the worker who stands for an arm in a mode."""
    return f"curve-{mode}-{arm}"


def _annotate(
    session: Session,
    clock: SimulatedClock,
    truth: GroundTruth,
    path: Path,
    obj: TrueObject,
    phase: int,
    habits: Habits,
    seed: int,
    cancel: threading.Event | None,
) -> None:
    media = session.add_media(path)
    mine = [
        s
        for s in session.state.items_of(media.id)
        if s.item.target_id == obj.target_id and session.worker.id in s.makers
    ]
    if any(s.proposals for s in mine):
        return
    for state in mine:  # interrupted: its counts would not be those of one run
        session.delete_item(state.item.id)
    item = session.add_item(media.id, obj.name, phase=phase, target_id=obj.target_id)
    worker = SimulatedAnnotator(
        truth, habits, clock=clock, rng=seeded(seed, obj.target_id, session.worker.id)
    )
    done = worker.annotate(session, item.id, to_the_end=True, cancel=cancel)
    if done.status == "done":
        session.submit(item.id, allow_missing=True)


def curve_points(
    source: Source,
    truth: GroundTruth,
    masks: Masks | None = None,
    *,
    times: TimeModel | None = None,
) -> pd.DataFrame:
    """Score every finished propagation of the curve workers in a log.

    Columns: mode, arm, target, n_prompted, clicks (by hand so far), time_s (by the
    paper's formulas with the clicks really made), jf, j, f.

    Args:
        source: a session, a log, or events (then give ``masks``).
        truth: the true objects.
        masks: returns masks by id.
        times: the time model.
    """
    import pandas as pd

    events, masks_of = read_history(source, masks)
    if masks_of is None:
        raise InputError("masks: expected a way to the masks, got events alone; pass the session")
    times = times or TimeModel()
    objects = {o.target_id: o for v in truth for o in v.objects}
    rows: dict[tuple[str, str, str, int], dict[str, Any]] = {}
    submitted = _submitted(events.project)
    state, start = ProjectState(), 0
    for at, event in enumerate(events):
        if not isinstance(event.body, PropagationEnded):
            continue
        state, start = fold(state, events[start : at + 1]), at + 1
        run = state.runs[event.body.run_id]
        item = state.items[run.item_ids[0]]
        truth_of = objects.get(item.item.target_id)
        parts = event.worker_id.split("-")
        if item.item.id not in submitted or truth_of is None or parts[0] != "curve":
            continue
        row = _point(item, truth_of, parts[1], masks_of, times)
        rows[parts[1], parts[2], item.item.id, row["n_prompted"]] = {
            "mode": parts[1],
            "arm": parts[2],
            "target": item.item.target_id,
            **row,
        }
    columns = ["mode", "arm", "target", "n_prompted", "clicks", "time_s", "jf", "j", "f"]
    return pd.DataFrame(list(rows.values()), columns=columns)


def _submitted(state: ProjectState) -> set[str]:
    return {s.item.id for s in state.items.values() if s.proposals and not s.is_deleted}


def _point(
    item: ItemState, truth: TrueObject, mode: str, masks_of: Masks, times: TimeModel
) -> dict[str, Any]:
    frames = {i: f for i, f in sorted(item.frames.items()) if i in truth.masks}
    masks = masks_of(f.mask_id for f in frames.values() if f.mask_id is not None)
    known = sorted(i for i in truth.masks if i in frames)
    size_hw = next(iter(truth.masks.values())).size_hw
    nothing = rle_ops.empty(size_hw)
    pred: list[Rle] = [
        masks[str(frames[i].mask_id)] if frames[i].mask_id else nothing for i in known
    ]
    score = masklet_jf([truth.masks[i] for i in known], pred)
    prompted = [f for f in item.frames.values() if f.is_edited]
    clicks = sum(_clicks_by_hand(item, idx) for idx, f in item.frames.items() if f.is_edited)
    view_s = times.view_s * len(known) * (len(prompted) if mode == "offline" else 1)
    return {
        "n_prompted": len(prompted),
        "clicks": clicks,
        "time_s": view_s + times.locate_s * len(prompted) + times.click_s * clicks,
        "jf": score.jf,
        "j": score.j,
        "f": score.f,
    }


def _clicks_by_hand(item: ItemState, frame_idx: int) -> int:
    """Gestures on a frame: every click of a curve worker is one of its own."""
    return sum(layer.is_edited for layer in item.layers[frame_idx])


def summarise(points: pd.DataFrame, n_prompted: int = PROMPTED_FRAMES) -> pd.DataFrame:
    """Return the mean curve of each mode and arm.

    An object that was finished early keeps its result for every higher count.

    Columns: mode, arm, n_prompted (allowed), jf, clicks, time_s (means over objects),
    objects.
    """
    import pandas as pd

    rows = []
    for (mode, arm), group in points.groupby(["mode", "arm"], sort=False):
        for limit in range(1, n_prompted + 1):
            reached = group[group.n_prompted <= limit].sort_values("n_prompted")
            last = reached.groupby("target").last()
            rows.append(
                {
                    "mode": mode,
                    "arm": arm,
                    "n_prompted": limit,
                    "jf": last.jf.mean(),
                    "clicks": last.clicks.mean(),
                    "time_s": last.time_s.mean(),
                    "objects": len(last),
                }
            )
    columns = ["mode", "arm", "n_prompted", "jf", "clicks", "time_s", "objects"]
    return pd.DataFrame(rows, columns=columns)


def interactions_at_equal_jf(curves: pd.DataFrame, baseline: str = "redraw") -> pd.DataFrame:
    """Return how many times fewer clicks refinement needs for the baseline's J&F.

    For every point of the baseline's mean curve, the clicks at which refinement first
    reaches the same J&F, by straight lines between its own points; what it reaches with
    its first frame counts as that frame's clicks.

    Columns: mode, jf, baseline_clicks, refine_clicks (NaN where refinement never gets
    there), ratio.

    Args:
        curves: what :func:`summarise` returns.
        baseline: an arm other than "refine".
    """
    import pandas as pd

    rows = []
    for mode in curves["mode"].unique():
        part = curves[curves["mode"] == mode].sort_values("n_prompted")
        refine, other = part[part.arm == "refine"], part[part.arm == baseline]
        own = list(zip(refine.clicks, refine.jf, strict=True))
        for clicks, jf in zip(other.clicks, other.jf, strict=True):
            needed = _first_reach(own, jf)
            rows.append(
                {
                    "mode": mode,
                    "jf": jf,
                    "baseline_clicks": clicks,
                    "refine_clicks": needed,
                    "ratio": clicks / needed,
                }
            )
    columns = ["mode", "jf", "baseline_clicks", "refine_clicks", "ratio"]
    return pd.DataFrame(rows, columns=columns)


def _first_reach(curve: Sequence[tuple[float, float]], goal: float) -> float:
    """The abscissa at which a polyline of (clicks, J&F) first reaches a height."""
    if curve and curve[0][1] >= goal:
        return curve[0][0]
    for (x0, y0), (x1, y1) in pairwise(curve):
        if y1 >= goal:
            return x0 + (x1 - x0) * (goal - y0) / (y1 - y0)
    return float("nan")
