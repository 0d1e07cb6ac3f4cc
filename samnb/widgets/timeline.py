"""The timeline: a slider, play, and one lane per object with everything worth a jump."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import ipywidgets
from ipycanvas import Canvas

from samnb.types import Step
from samnb.widgets.buttons import action_button
from samnb.widgets.canvas import held
from samnb.widgets.jobs import Runner
from samnb.widgets.keys import Action
from samnb.widgets.lanes import STEP_WORDS, Lane, Mark
from samnb.widgets.surface import Dragged, Sized, Surface, SurfaceEvent

GUTTER_PX: Final = 132
"""Width of the names' column; the slider above leaves the same margin."""
PAD_PX: Final = 14
RULER_PX: Final = 22
LANE_PX: Final = 24
_HIT_PX: Final = 6.0
_AMBER: Final = "#ff9800"


@dataclass(frozen=True, slots=True)
class TimelineSnapshot:
    """All that the timeline shows.

    Attributes:
        frames: frame numbers on show, ascending.
        times_s: their times from the start of the medium, in seconds.
        frame_idx: the frame on the stage.
        item_id: the chosen object.
    """

    frames: tuple[int, ...] = ()
    times_s: tuple[float, ...] = ()
    frame_idx: int = 0
    item_id: str | None = None
    lanes: tuple[Lane, ...] = ()
    is_playing: bool = False

    @property
    def position(self) -> int:
        """Position of the current frame among ``frames``."""
        distances = [abs(idx - self.frame_idx) for idx in self.frames]
        return distances.index(min(distances)) if distances else 0


@dataclass(frozen=True, slots=True)
class Hit:
    """What lies under a pointer: an object, a frame, or both."""

    item_id: str | None
    frame_idx: int | None


def time_text(seconds_s: float) -> str:
    """Minutes, seconds and hundredths: ``1:07.25``."""
    return f"{int(seconds_s // 60)}:{seconds_s % 60:05.2f}"


def ruler_digits(times_s: Sequence[float]) -> int:
    """Digits behind the point, 1 or 2, by which the times on the ruler differ."""
    words = [f"{t:.1f}" for t in times_s]
    return 1 if len(set(words)) == len(words) else 2


def x_of(position: float, n_frames: int, width: float) -> float:
    """Window x of a position among the frames; the slider's handle stands above it."""
    return GUTTER_PX + (width - GUTTER_PX - PAD_PX) * (position / max(n_frames - 1, 1))


def height_of(n_lanes: int) -> int:
    """Height of the lanes' canvas in window pixels."""
    return RULER_PX + max(n_lanes, 1) * LANE_PX + 4


def hit(now: TimelineSnapshot, width: float, uv: tuple[float, float]) -> Hit:
    """Find what is at a fraction of the canvas; near a mark, exactly that mark."""
    x, y = uv[0] * width, uv[1] * height_of(len(now.lanes))
    row = int((y - RULER_PX) // LANE_PX) if y >= RULER_PX else -1
    lane = now.lanes[row] if 0 <= row < len(now.lanes) else None
    item_id = lane.item_id if lane else None
    if not now.frames or x < GUTTER_PX - _HIT_PX:
        return Hit(item_id, None)
    n_frames = len(now.frames)
    span = max(width - GUTTER_PX - PAD_PX, 1.0)
    position = round((x - GUTTER_PX) / span * (n_frames - 1))
    frame_idx = now.frames[min(max(position, 0), n_frames - 1)]
    if lane is not None:
        at = {idx: x_of(i, n_frames, width) for i, idx in enumerate(now.frames)}
        marks = [m.frame_idx for m in lane.marks if m.doubts or m.is_edited]
        near = min(marks, key=lambda idx: abs(at[idx] - x), default=None)
        if near is not None and abs(at[near] - x) <= _HIT_PX:
            frame_idx = near
    return Hit(item_id, frame_idx)


def runs(now: TimelineSnapshot, lane: Lane) -> list[tuple[int, int, bool]]:
    """Stretches ``(first, last, is_present)`` of positions with an answer."""
    marks = {mark.frame_idx: mark.is_present for mark in lane.marks}
    found, at = [], 0
    for is_present, group in groupby(marks.get(idx) for idx in now.frames):
        size = len(list(group))
        if is_present is not None:
            found.append((at, at + size - 1, is_present))
        at += size
    return found


class Timeline:
    """Transport buttons, slider, lanes and legend.

    Args:
        page: the page thread.
        on_action: takes the action of a pressed button.
        on_hit: takes what was pointed at, on the page thread.
    """

    def __init__(
        self,
        page: Runner,
        on_action: Callable[[Action], None],
        on_hit: Callable[[Hit], None],
    ) -> None:
        self._page, self._on_hit = page, on_hit
        self._snapshot = TimelineSnapshot()
        self._width, self._ratio, self._is_dark = 640, 1.0, False
        self._is_open = False
        self.play = action_button(Action.PLAY, on_action)
        actions = (Action.FIRST, Action.BACK_10, Action.PREVIOUS)
        after = (Action.NEXT, Action.FORWARD_10, Action.LAST)
        doubts = (Action.PREVIOUS_SUSPICIOUS, Action.NEXT_SUSPICIOUS)
        self.time = ipywidgets.HTML().add_class("samnb-time")
        steps = [action_button(action, on_action) for action in actions]
        steps += [self.play, *(action_button(action, on_action) for action in after)]
        looks = [action_button(action, on_action) for action in doubts]
        groups = [ipywidgets.Box(group).add_class("samnb-group") for group in (steps, looks)]
        bar = ipywidgets.Box([*groups, self.time]).add_class("samnb-bar")
        self.slider = ipywidgets.IntSlider(min=0, max=0, readout=False, description="Frame")
        self.slider.add_class("samnb-slider")
        self.slider.observe(self._slid, "value")
        self.canvas = Canvas(width=640, height=height_of(0))
        self.canvas.layout = ipywidgets.Layout(width="100%", height=f"{height_of(0)}px")
        self.surface = Surface(self._listen, is_live=True, tool="none")
        lanes = ipywidgets.Box([self.canvas, self.surface]).add_class("samnb-lanes")
        self.legend = ipywidgets.HTML(_LEGEND).add_class("samnb-legend")
        self.widget = ipywidgets.Box([bar, self.slider, lanes, self.legend])
        self.widget.add_class("samnb-timeline")

    def show(self, snapshot: TimelineSnapshot) -> None:
        """Draw a snapshot."""
        before, self._snapshot = self._snapshot, snapshot
        if before == snapshot:
            return
        last, position = max(len(snapshot.frames) - 1, 0), snapshot.position
        if position <= self.slider.max:  # never let the slider clamp: that would be a gesture
            self.slider.value = position
        self.slider.max = last
        self.slider.value = position
        self.slider.disabled = len(snapshot.frames) < 2
        word = "Pause" if snapshot.is_playing else "Play"
        self.play.description = f"{word} · Space"
        self.time.value = _time_html(snapshot)
        self.redraw()

    def redraw(self) -> None:
        """Draw everything again, once there is a page to draw on."""
        if not self._is_open:
            return
        now, width = self._snapshot, self._width
        height = height_of(len(now.lanes))
        size = round(width * self._ratio), round(height * self._ratio)
        if (self.canvas.width, self.canvas.height) != size:
            self.canvas.width, self.canvas.height = size
        self.canvas.layout.height = f"{height}px"
        with held():
            self.canvas.reset_transform()
            self.canvas.clear()
            self.canvas.scale(self._ratio, self._ratio)
            _Painter(self.canvas, now, width, self._is_dark).paint()

    def _listen(self, event: SurfaceEvent) -> None:
        self._page.post(lambda: self._take(event))

    def _take(self, event: SurfaceEvent) -> None:
        if isinstance(event, Sized):
            self._width, self._ratio = event.width, min(event.ratio, 2.0)
            self._is_dark, self._is_open = event.is_dark, True
            self.redraw()
            self.surface.greeted = event.view
        elif isinstance(event, Dragged):
            self._on_hit(hit(self._snapshot, self._width, event.uv))

    def _slid(self, change: dict[str, Any]) -> None:
        position = int(change["new"])
        now = self._snapshot
        if position < len(now.frames) and position != now.position:  # else it is our own doing
            found = Hit(None, now.frames[position])
            self._page.post_latest("slide", lambda: self._on_hit(found))


class _Painter:
    """Draws one snapshot in window pixels."""

    def __init__(self, canvas: Canvas, now: TimelineSnapshot, width: int, is_dark: bool) -> None:
        self.canvas, self.now, self.width = canvas, now, width
        self.ink, self.faint = ("#e8eaed", "#9aa0a6") if is_dark else ("#202124", "#5f6368")
        self.chosen = "rgba(138,180,248,0.18)" if is_dark else "rgba(11,87,208,0.10)"
        self.line = "rgba(255,255,255,0.14)" if is_dark else "rgba(0,0,0,0.12)"
        self.at = {frame_idx: position for position, frame_idx in enumerate(now.frames)}

    def x(self, position: float) -> float:
        return x_of(position, len(self.now.frames), self.width)

    def paint(self) -> None:
        self.canvas.text_baseline = "middle"
        self._ruler()
        for row, lane in enumerate(self.now.lanes):
            self._lane(RULER_PX + row * LANE_PX, lane)
        if self.now.frames:
            self._playhead()

    def _ruler(self) -> None:
        now, canvas = self.now, self.canvas
        if not now.frames:
            return
        canvas.font = "11px system-ui, sans-serif"
        canvas.fill_style = self.faint
        room = max(int((self.width - GUTTER_PX - PAD_PX) // 64), 1)
        step = max(-(-(len(now.frames) - 1) // room), 1)
        digits = ruler_digits(now.times_s[::step])
        for position in range(0, len(now.frames), step):
            x = self.x(position)
            canvas.fill_rect(x, RULER_PX - 5, 1, 5)
            is_edge = x > self.width - PAD_PX - 16
            canvas.text_align = "right" if is_edge else "center"
            text_x = self.width - 2 if is_edge else x
            text = f"{now.times_s[position]:.{digits}f} s"
            canvas.fill_text(text, text_x, RULER_PX / 2 - 1)
        canvas.text_align = "left"
        canvas.fill_text("object", 8, RULER_PX / 2 - 1)

    def _lane(self, top: float, lane: Lane) -> None:
        canvas, middle = self.canvas, top + LANE_PX / 2
        if lane.item_id == self.now.item_id:
            canvas.fill_style = self.chosen
            canvas.fill_rect(0, top, self.width, LANE_PX)
        canvas.fill_style = self.line
        canvas.fill_rect(0, top, self.width, 1)
        canvas.fill_style = lane.colour
        canvas.fill_rect(8, middle - 5, 10, 10)
        canvas.fill_style = self.ink
        canvas.font = "12px system-ui, sans-serif"
        canvas.text_align = "left"
        canvas.fill_text(f"{lane.obj_id} {lane.name}", 23, middle, GUTTER_PX - 34)
        if lane.step is not Step.TRACK:
            canvas.fill_style = self.faint
        is_done = lane.step is Step.ACCEPTED
        half = 0.5 if len(self.now.frames) > 1 else 0.0
        for first, last, is_present in runs(self.now, lane):
            x0 = max(self.x(first - half), GUTTER_PX - 3)
            x1 = min(self.x(last + half), self.width - PAD_PX + 3)
            x1 = max(x1, x0 + 3)
            canvas.fill_style = lane.colour if is_present else self.faint
            tall = (12 if is_done else 8) if is_present else 1.5
            canvas.fill_rect(x0, middle - tall / 2, x1 - x0, tall)
        if is_done:
            self._tick(self.width - PAD_PX - 10, middle)
        for mark in lane.marks:
            self._mark(middle, mark)

    def _mark(self, middle: float, mark: Mark) -> None:
        canvas, x = self.canvas, self.x(self.at[mark.frame_idx])
        if mark.doubts:
            canvas.fill_style = _AMBER
            top = middle - LANE_PX / 2 + 2
            canvas.fill_polygon([(x - 4.5, top), (x + 4.5, top), (x, top + 7)])
        if mark.is_prompted:
            canvas.fill_style = "#ffffff"
            canvas.fill_circle(x, middle, 5)
            canvas.stroke_style = "#202124"
            canvas.line_width = 1.5
            canvas.stroke_circle(x, middle, 5)
        elif mark.is_edited:
            canvas.fill_style = "#ffffff"
            canvas.fill_rect(x - 4, middle - 4, 8, 8)
            canvas.stroke_style = "#202124"
            canvas.line_width = 1.5
            canvas.stroke_rect(x - 4, middle - 4, 8, 8)

    def _tick(self, x: float, y: float) -> None:
        self.canvas.stroke_style = "#202124"
        self.canvas.line_width = 2
        self.canvas.stroke_line(x, y, x + 3, y + 3)
        self.canvas.stroke_line(x + 3, y + 3, x + 9, y - 4)

    def _playhead(self) -> None:
        x, canvas = self.x(self.now.position), self.canvas
        canvas.fill_style = self.ink
        canvas.fill_rect(x - 0.75, RULER_PX - 6, 1.5, height_of(len(self.now.lanes)))


def _time_html(now: TimelineSnapshot) -> str:
    if not now.frames:
        return "no frames"
    at = now.position
    return (
        f"<b>frame {now.frame_idx}</b> · {at + 1} of {len(now.frames)} · "
        f"{time_text(now.times_s[at])}"
    )


def words_for(steps: Sequence[Step]) -> str:
    """How many objects wait where: ``"2 to track, 1 verified"``."""
    counts = [(sum(s is step for s in steps), word) for step, word in STEP_WORDS.items()]
    return ", ".join(f"{count} {word}" for count, word in counts if count) or "no objects yet"


_LEGEND: Final = (
    '<span class="k bar"></span>mask <span class="k thin"></span>absent '
    '<span class="k dot"></span>clicked <span class="k square"></span>drawn by hand '
    '<span class="k doubt"></span>deserves a look <span class="k done"></span>verified'
)
