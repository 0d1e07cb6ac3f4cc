"""What a simulated worker is made of: a clock that it moves itself, a time model, habits.

The time model and the two evaluation modes are those of the SAM 2 paper (arXiv
2408.00714, section 6.1 and its appendix on the interactive evaluation). What the paper
leaves open is a named value here.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

import numpy as np

from samnb.types import InputError

Mode: TypeAlias = Literal["offline", "online"]
Correction: TypeAlias = Literal["scratch", "reproduce"]

SECONDS_PER_HOUR: Final = 3600.0
LONGEST_LOOK_S: Final = 5.0
"""A simulated worker watching a video signs on in the log at least this often, so that
long stretches of watching stay below the idle cut-off of the statistics."""


class SimulatedClock:
    """Time that passes only when a simulated worker lets it; pass it to ``Session.open``.

    Args:
        start_s: first reading, in seconds since the epoch.
    """

    def __init__(self, start_s: float = 0.0) -> None:
        self.now_s = start_s

    def __call__(self) -> float:
        """Return the time in seconds since the epoch, to the microsecond."""
        return round(self.now_s, 6)

    def advance(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            InputError: time cannot run backward.
        """
        if not seconds >= 0:
            raise InputError(f"seconds: expected at least 0, got {seconds}")
        self.now_s += seconds


class CountedIds:
    """Ids in a fixed order, for runs that replay bit for bit.

    Args:
        seed: runs with different seeds do not share ids.
    """

    def __init__(self, seed: int) -> None:
        self._prefix = f"s{seed:x}-"
        self._n = 0

    def skip(self, n: int) -> None:
        """Leave out the first ``n`` ids, which an earlier run may have given out."""
        self._n = max(self._n, n)

    def __call__(self) -> str:
        """Return the next id."""
        self._n += 1
        return f"{self._prefix}{self._n:06d}"


def seeded(seed: int, *names: str | int) -> np.random.Generator:
    """Return a generator that depends on the seed and on what it is for, and on nothing
    that happened before: so a run that was interrupted goes on as it would have."""
    return np.random.default_rng([seed, *(zlib.crc32(str(name).encode()) for name in names)])


@dataclass(frozen=True, slots=True)
class TimeModel:
    """What a worker's actions take, in seconds. The model's own run time never counts.

    Attributes:
        locate_s: to find a frame and the object on it, per prompted frame (``T_loc``).
        click_s: per click (``T_click``).
        view_s: per frame watched; 30 s per 300 frames (``T_exam``).
        stroke_s: per brush stroke. The paper has no figure; charged like a click, which
            is too cheap and so favours the phases with brush against Phase 3.
        absent_s: to mark an object absent; one gesture, charged like a click.
        undo_s: to take a gesture back, charged like a click.
    """

    locate_s: float = 1.0
    click_s: float = 1.5
    view_s: float = 0.1
    stroke_s: float = 1.5
    absent_s: float = 1.5
    undo_s: float = 1.5

    def offline_s(self, n_frames: int, n_prompted: int, n_clicks: int = 3) -> float:
        """Seconds to prompt ``n_prompted`` frames, watching all frames after each."""
        return (self.view_s * n_frames + self.locate_s + self.click_s * n_clicks) * n_prompted

    def per_frame_s(self, edited_share: float, clicks: float, *, is_watched: bool = True) -> float:
        """Seconds per frame of a video that is watched once while a share of it is clicked.

        Fed with the counts of the paper's table 1 this gives 8.2, 1.6 and 1.1 s: speed-ups
        of 5.2 and 7.8, where its people reached 5.1 and 8.4. They took 4.6, 4.7 and 4.3
        times as long in the three phases, so the model's pace is too fast and its ratios
        hold.

        Args:
            edited_share: of the frames, 0 to 1.
            clicks: per edited frame.
            is_watched: whether frames are looked at beside those that are edited.
        """
        edit_s = self.locate_s + self.click_s * clicks
        return edited_share * edit_s + (self.view_s if is_watched else 0.0)

    def online_s(self, n_frames: int, n_prompted: int, n_clicks: int = 3) -> float:
        """Seconds to prompt ``n_prompted`` frames while watching the video once."""
        return self.view_s * n_frames + (self.locate_s + self.click_s * n_clicks) * n_prompted


@dataclass(frozen=True, slots=True)
class Habits:
    """How a simulated annotator works. The defaults are the paper's online evaluation.

    Attributes:
        mode: "online" watches the video once, pauses at the first wrong frame, corrects
            it and goes on from there; "offline" watches it all, corrects the worst frame
            and has everything propagated again.
        max_frames: frames prompted per masklet at most; None for no limit.
        max_clicks: clicks per prompted frame at most.
        max_refining: clicks per frame at most in a phase with memory; None as
            ``max_clicks``.
        satisfied_iou: clicking ends at this IoU with the truth; 1.0 uses all clicks.
        pause_iou: a frame below this IoU is seen to be wrong.
        patience: clicks in a row without ``least_gain``, or strokes without any, after
            which they are given up, those since the best mask are taken back, and the next
            tool is tried; None uses all of them whether they help or not, as the paper does.
        least_gain: IoU by which a click must better the best mask so far.
        object_first_iou: a frame below this IoU gets its first click on the object itself,
            since the mask is on something else, and is painted from nothing; 0 clicks the
            larger error always, as the paper does.
        starts_afresh: in Phase 3, where the tracked mask is on something else (below
            ``object_first_iou``) or clicks made it worse and left it wrong, clears the
            frame and clicks on its own pixels, which hands the tracker the mask.
        brush_phases: phases in which strokes follow when the clicks did not satisfy; in a
            phase with memory, whose tool is the click, only where the clicks left the
            frame wrong (below ``pause_iou``).
        max_strokes: strokes per frame at most.
        marks_absent: says "absent" where the object is not in the picture; otherwise the
            surplus is clicked away.
        correction: how a phase that edits from scratch corrects a tracked frame:
            "scratch" begins with nothing; "reproduce" first lets the machine place
            clicks until the image model gives the tracked mask again (the decoupled
            baseline of the paper's appendix), then adds its own.
        click_jitter_px: standard deviation of a click around its goal, per axis.
        missed_error_rate: probability to overlook a wrong frame.
        fatigue: by which share times, jitter and misses grow per hour of work.
        times: the time model.
    """

    mode: Mode = "online"
    max_frames: int | None = 8
    max_clicks: int = 3
    max_refining: int | None = None
    satisfied_iou: float = 1.0
    pause_iou: float = 0.75
    patience: int | None = None
    least_gain: float = 0.02
    object_first_iou: float = 0.0
    starts_afresh: bool = False
    brush_phases: frozenset[int] = frozenset()
    max_strokes: int = 10
    marks_absent: bool = False
    correction: Correction = "scratch"
    click_jitter_px: float = 0.0
    missed_error_rate: float = 0.0
    fatigue: float = 0.0
    times: TimeModel = field(default_factory=TimeModel)

    def __post_init__(self) -> None:
        """Refuse values that mean nothing."""
        for name in (
            "satisfied_iou", "pause_iou", "missed_error_rate", "least_gain", "object_first_iou"
        ):  # fmt: skip
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise InputError(f"{name}: expected 0 to 1, got {value}")
        if self.mode not in ("offline", "online"):
            raise InputError(f"mode: expected 'offline' or 'online', got {self.mode!r}")
        if self.correction not in ("scratch", "reproduce"):
            raise InputError(
                f"correction: expected 'scratch' or 'reproduce', got {self.correction!r}"
            )
        for name in ("max_clicks", "max_refining", "max_frames", "patience"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise InputError(f"{name}: expected at least 1, got {number}")
        if self.click_jitter_px < 0 or self.fatigue < 0:
            raise InputError("click_jitter_px, fatigue: expected at least 0")

    def describe(self) -> str:
        """Say in a line what a table needs to name: when a mask is good enough and when a
        frame is wrong, what is tried, and what it takes."""
        times, refining = self.times, self.max_refining or self.max_clicks
        strokes = f"; then at most {self.max_strokes} strokes" if self.brush_phases else ""
        return (
            f"simulated with the truth: a mask is worked on until IoU {self.satisfied_iou:g}, by "
            f"at most {self.max_clicks} clicks, {refining} in Phase 3{strokes}; a tracked frame "
            f"is seen to be wrong below IoU {self.pause_iou:g}; {times.locate_s:g} s to find a "
            f"frame, {times.click_s:g} s a click, {times.stroke_s:g} s a stroke, "
            f"{times.undo_s:g} s to take one back or clear, {times.view_s:g} s a frame watched"
        )


ONLINE: Final = Habits()
"""The paper's online evaluation: 3 clicks on each frame found below IoU 0.75, up to 8."""
OFFLINE: Final = Habits(mode="offline", pause_iou=1.0)
"""The paper's offline evaluation: 3 clicks on the worst frame, in each of 8 rounds."""
CAREFUL: Final = Habits(
    max_frames=None,
    max_clicks=8,
    max_refining=3,
    satisfied_iou=0.9,
    patience=2,
    object_first_iou=0.5,
    starts_afresh=True,
    brush_phases=frozenset({1, 2, 3}),
    max_strokes=20,
    marks_absent=True,
)
"""The annotators of the controlled comparison.

A mask made from scratch is worked on with clicks, then brush and eraser, until IoU 0.9 with
the truth: the paper calls Phase 1's tools pixel-precise and gives no figure; people agree
with each other to an IoU of 0.85 to 0.91 (Segment Anything paper, section 5, mask quality).
Clicks are given up after 8, or after two in a row that do not help, which are taken back.
Phase 3 refines by at most 3 clicks a frame, as in the paper's interactive evaluation; a mask
on something else is cleared first, and what is still wrong after the clicks is painted: the
paper names clicks alone, but masks are prompts of that phase too. In Phases 2 and 3 a frame
is seen to be wrong below IoU 0.75, the paper's figure for its simulated annotators; its
people left 13.6 % and 10.9 % of the masks below that (table 1)."""


class Tiredness:
    """How long a worker has worked, and what that does.

    Args:
        fatigue: growth per hour of work, see :class:`Habits`.
        clock: moved on by :meth:`spend`.
    """

    def __init__(self, fatigue: float, clock: Callable[[float], None]) -> None:
        self._fatigue, self._advance = fatigue, clock
        self.worked_s = 0.0

    @property
    def factor(self) -> float:
        """What times, jitter and misses are multiplied with now; 1.0 when fresh."""
        return 1.0 + self._fatigue * self.worked_s / SECONDS_PER_HOUR

    def spend(self, seconds: float) -> float:
        """Let a fresh worker's ``seconds`` pass at the present speed; return how many
        that took."""
        taken = seconds * self.factor
        self.worked_s += taken
        self._advance(taken)
        return taken
