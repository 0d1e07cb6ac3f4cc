"""Gestures to intents: pure reducers, no widget and no engine.

``reduce(view, gesture) -> (view, intent)``. All coordinates are media pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeAlias

from samnb.types import Box, MaskPrompt, Point, Stroke, VerdictKind
from samnb.widgets.intents import (
    Cancel,
    ClearFrame,
    Clicked,
    DraggedOver,
    Gesture,
    GoTo,
    Intent,
    Judge,
    MarkAbsent,
    NewObject,
    PaintStroke,
    Play,
    Pressed,
    Propagate,
    Redo,
    Say,
    SelectObject,
    SetPrompts,
    Skip,
    Submit,
    Tool,
    Undo,
    View,
    Zoom,
)
from samnb.widgets.keys import Action, Desk, action_of

MIN_RADIUS, MAX_RADIUS = 1.0, 400.0
"""Brush radius in media pixels."""

Result: TypeAlias = tuple[View, Intent | None]


def reduce(view: View, gesture: Gesture) -> Result:
    """Return the next view and what the gesture asks for, if anything."""
    if isinstance(gesture, Pressed):
        return _ACTIONS[gesture.action](view)
    if view.tool is Tool.NONE or view.desk is Desk.VERIFY:
        return view, None
    if isinstance(gesture, Clicked):
        return _click(view, gesture)
    return _drag(view, gesture)


def press(view: View, key: str) -> Result:
    """Reduce a key by the key map; a key without a meaning at this desk does nothing."""
    action = action_of(key, view.desk)
    return (view, None) if action is None else reduce(view, Pressed(action))


# -- pointer -------------------------------------------------------------------


def point_at(view: View, x: float, y: float) -> Point | None:
    """The nearest point prompt within reach of (x, y)."""
    points = [p for p in view.prompts if isinstance(p, Point)]
    near = min(points, key=lambda p: math.hypot(p.x - x, p.y - y), default=None)
    if near is None or math.hypot(near.x - x, near.y - y) > view.reach:
        return None
    return near


def _is_inside(view: View, x: float, y: float) -> bool:
    height, width = view.size_hw
    return 0 <= x < width and 0 <= y < height


def _click(view: View, gesture: Clicked) -> Result:
    x, y = gesture.x, gesture.y
    if not _is_inside(view, x, y):
        return view, None
    if view.tool in (Tool.BRUSH, Tool.ERASER):
        return _drag(view, DraggedOver(((x, y),), gesture.is_right))
    if view.tool is Tool.BOX:
        return view, Say("Box: press at one corner, drag to the other")
    near = point_at(view, x, y)
    if near is not None:
        rest = tuple(p for p in view.prompts if p is not near)
        return view, SetPrompts(view.item_id, view.frame_idx, rest)
    point = Point(x, y, int(gesture.is_right == view.is_negative))
    return view, SetPrompts(view.item_id, view.frame_idx, (*view.prompts, point))


def _drag(view: View, gesture: DraggedOver) -> Result:
    height, width = view.size_hw
    if view.tool in (Tool.BRUSH, Tool.ERASER):
        is_erase = view.tool is Tool.ERASER or gesture.is_right or gesture.is_erase
        if is_erase and view.item_id is None:
            return view, Say("Nothing to erase yet: make an object first")
        stroke = Stroke(gesture.xy, view.radius, is_erase)
        return view, PaintStroke(view.item_id, view.frame_idx, stroke)
    (xa, ya), (xb, yb) = gesture.xy[0], gesture.xy[-1]
    x0, x1 = sorted((min(max(xa, 0.0), width), min(max(xb, 0.0), width)))
    y0, y1 = sorted((min(max(ya, 0.0), height), min(max(yb, 0.0), height)))
    if x1 - x0 < 2 or y1 - y0 < 2:
        return view, Say("That box is too thin to hold anything")
    # One box per object and frame: a new one replaces box and hand-drawn mask; points stay.
    kept = tuple(p for p in view.prompts if not isinstance(p, Box | MaskPrompt))
    return view, SetPrompts(view.item_id, view.frame_idx, (Box(x0, y0, x1, y1), *kept))


# -- playing -------------------------------------------------------------------


def begin_to_play(view: View, is_playing: bool) -> View:
    """Play or pause; at the end, playing begins again at the first frame."""
    is_at_end = bool(view.frames) and view.frame_idx >= view.frames[-1]
    start = view.frames[0] if is_playing and is_at_end else view.frame_idx
    return replace(view, is_playing=is_playing, frame_idx=start)


def play_on(view: View) -> View:
    """One frame further; playing ends at the last one."""
    at = nearest(view.frames, view.frame_idx) + 1
    if at >= len(view.frames):
        return replace(view, is_playing=False)
    return replace(view, frame_idx=view.frames[at], is_playing=at + 1 < len(view.frames))


# -- actions -------------------------------------------------------------------

_Reducer: TypeAlias = Callable[[View], Result]


def _tool(tool: Tool) -> _Reducer:
    return lambda view: (replace(view, tool=tool), None)


def _scaled_radius(factor: float) -> _Reducer:
    def act(view: View) -> Result:
        radius = min(max(view.radius * factor, MIN_RADIUS), MAX_RADIUS)
        return replace(view, radius=radius), None

    return act


def _opacity(step: float) -> _Reducer:
    def act(view: View) -> Result:
        return replace(view, opacity=round(min(max(view.opacity + step, 0.1), 1.0), 2)), None

    return act


def nearest(frames: tuple[int, ...], frame_idx: int) -> int:
    """Position in ``frames`` of the frame closest to ``frame_idx``; 0 if there are none."""
    return min(range(len(frames)), key=lambda i: abs(frames[i] - frame_idx), default=0)


def _step(count: int) -> _Reducer:
    def act(view: View) -> Result:
        if not view.frames:
            return view, None
        at = nearest(view.frames, view.frame_idx)
        goal = view.frames[min(max(at + count, 0), len(view.frames) - 1)]
        return view, GoTo(goal) if goal != view.frame_idx else None

    return act


def _end(position: int) -> _Reducer:
    return lambda view: (view, GoTo(view.frames[position]) if view.frames else None)


def _suspicious(is_forward: bool) -> _Reducer:
    def act(view: View) -> Result:
        if is_forward:
            found = [i for i in view.suspicious if i > view.frame_idx][:1]
        else:
            found = [i for i in view.suspicious if i < view.frame_idx][-1:]
        if found:
            return view, GoTo(found[0])
        where = "after" if is_forward else "before"
        return view, Say(f"No doubtful frame {where} this one")

    return act


def _object(number: int) -> _Reducer:
    def act(view: View) -> Result:
        if number > len(view.item_ids):
            return view, Say(f"There is no object {number}")
        return view, SelectObject(view.item_ids[number - 1])

    return act


def _neighbour(step: int) -> _Reducer:
    def act(view: View) -> Result:
        ids = view.item_ids
        if not ids:
            return view, None
        at = ids.index(view.item_id) + step if view.item_id in ids else 0
        return view, SelectObject(ids[at % len(ids)])

    return act


def _propagate(position: int) -> _Reducer:
    def act(view: View) -> Result:
        if view.is_running:
            return view, Say("Propagation is running; Esc stops it")
        if not view.frames:
            return view, None
        return view, Propagate(view.frame_idx, view.frames[position])

    return act


def _of_object(make: Callable[[View, str], Intent]) -> _Reducer:
    def act(view: View) -> Result:
        if view.item_id is None:
            return view, Say("Choose or make an object first")
        return view, make(view, view.item_id)

    return act


def _cancel(view: View) -> Result:
    if view.is_help_open:
        return replace(view, is_help_open=False), None
    return view, Cancel()


def _play(view: View) -> Result:
    return replace(view, is_playing=not view.is_playing), Play(not view.is_playing)


def _verdict(kind: VerdictKind) -> _Reducer:
    return _of_object(lambda _view, item_id: Judge(item_id, kind))


def _only(intent: Intent) -> _Reducer:
    return lambda view: (view, intent)


_ACTIONS: Final[dict[Action, _Reducer]] = {
    Action.CLICK: _tool(Tool.CLICK),
    Action.BOX: _tool(Tool.BOX),
    Action.BRUSH: _tool(Tool.BRUSH),
    Action.ERASER: _tool(Tool.ERASER),
    Action.FLIP_SIGN: lambda view: (replace(view, is_negative=not view.is_negative), None),
    Action.BRUSH_SMALLER: _scaled_radius(0.8),
    Action.BRUSH_LARGER: _scaled_radius(1.25),
    Action.PREVIOUS: _step(-1),
    Action.NEXT: _step(1),
    Action.BACK_10: _step(-10),
    Action.FORWARD_10: _step(10),
    Action.FIRST: _end(0),
    Action.LAST: _end(-1),
    Action.PLAY: _play,
    Action.PREVIOUS_SUSPICIOUS: _suspicious(is_forward=False),
    Action.NEXT_SUSPICIOUS: _suspicious(is_forward=True),
    Action.NEW_OBJECT: _only(NewObject()),
    Action.NEXT_OBJECT: _neighbour(1),
    Action.PREVIOUS_OBJECT: _neighbour(-1),
    **{Action(f"object_{number}"): _object(number) for number in range(1, 11)},
    Action.PROPAGATE_FORWARD: _propagate(-1),
    Action.PROPAGATE_BACKWARD: _propagate(0),
    Action.CANCEL: _cancel,
    Action.ABSENT: _of_object(lambda view, item_id: MarkAbsent(item_id, view.frame_idx)),
    Action.CLEAR_FRAME: _of_object(lambda view, item_id: ClearFrame(item_id, view.frame_idx)),
    Action.UNDO: lambda view: (view, Undo(view.item_id, view.frame_idx)),
    Action.REDO: _of_object(lambda view, item_id: Redo(item_id, view.frame_idx)),
    Action.SUBMIT: _of_object(lambda _view, item_id: Submit(item_id)),
    Action.SATISFACTORY: _verdict(VerdictKind.SATISFACTORY),
    Action.UNSATISFACTORY: _verdict(VerdictKind.UNSATISFACTORY),
    Action.REJECT: _verdict(VerdictKind.REJECT),
    Action.SKIP: _of_object(lambda _view, item_id: Skip(item_id)),
    Action.HIDE_MASKS: lambda view: (replace(view, is_hidden=not view.is_hidden), None),
    Action.OPACITY_DOWN: _opacity(-0.1),
    Action.OPACITY_UP: _opacity(0.1),
    Action.ZOOM_IN: _only(Zoom(1.25)),
    Action.ZOOM_OUT: _only(Zoom(0.8)),
    Action.ZOOM_FIT: _only(Zoom(0.0)),
    Action.SAVED: _only(Say("Everything is saved as you go")),
    Action.HELP: lambda view: (replace(view, is_help_open=not view.is_help_open), None),
}
