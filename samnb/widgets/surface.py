"""The listener over the picture: real mouse buttons, strokes, wheel, touch and keys.

ipycanvas draws but reports neither button nor modifier, and sends every mouse move.
:class:`Surface` is a transparent widget in the same grid cell. It sends one message
per stroke and measures in fractions of its own size, so that a stretched or second
view of the same canvas still points at the right pixel.

The first surface of a studio also guards it: keys pressed anywhere inside belong to
the studio and never reach the notebook's own shortcuts.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import anywidget
import traitlets

ROOT_CLASS: Final = "samnb-studio"
"""CSS class of the element whose inside the surface guards."""
_HERE: Final = pathlib.Path(__file__).parent


@dataclass(frozen=True, slots=True)
class StrokeMade:
    """One press, move and release.

    Attributes:
        uv: (u, v) fractions of the surface's width and height, one pair for a click.
        button: 0 left or touch, 1 middle, 2 right.
        is_click: the pointer hardly moved.
        is_erase: the right button or the pen's eraser end was used, or the eraser tool.
    """

    uv: tuple[tuple[float, float], ...]
    button: int = 0
    is_click: bool = True
    is_erase: bool = False
    shift: bool = False
    ctrl: bool = False
    alt: bool = False


@dataclass(frozen=True, slots=True)
class ViewMoved:
    """Wheel, pinch or pan: scale by ``factor`` at ``uv``, then shift by ``duv``."""

    uv: tuple[float, float]
    factor: float = 1.0
    duv: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """A key of the key map, modifiers first: ``"Ctrl+Shift+z"``."""

    key: str


@dataclass(frozen=True, slots=True)
class Dragged:
    """Pointer position on a live surface; ``is_done`` at the release."""

    uv: tuple[float, float]
    is_done: bool = False


@dataclass(frozen=True, slots=True)
class Sized:
    """The surface is this wide, in CSS pixels.

    Attributes:
        ratio: screen pixels per CSS pixel.
        is_dark: light text on a dark page.
        room: height of the browser's window in CSS pixels.
        view: the view in the page that speaks; a new one has nothing drawn for it yet.
    """

    width: int
    ratio: float = 1.0
    is_dark: bool = False
    view: str = ""
    room: int = 1000


@dataclass(frozen=True, slots=True)
class Acked:
    """The browser has shown what was drawn at ``tick``."""

    tick: int


SurfaceEvent: TypeAlias = StrokeMade | ViewMoved | KeyPressed | Dragged | Sized | Acked


def _uv(value: Any) -> tuple[float, float]:
    return float(value[0]), float(value[1])


def parse(content: Mapping[str, Any]) -> SurfaceEvent | None:
    """Turn a browser message into a record; None for one that this release does not know."""
    kind = content.get("kind")
    try:
        if kind == "stroke":
            return StrokeMade(
                tuple(_uv(pair) for pair in content["uv"]),
                int(content["button"]),
                bool(content["is_click"]),
                bool(content["is_erase"]),
                bool(content["shift"]),
                bool(content["ctrl"]),
                bool(content["alt"]),
            )
        if kind == "view":
            shift = (float(content["du"]), float(content["dv"]))
            return ViewMoved(_uv(content["uv"]), float(content["factor"]), shift)
        if kind == "key":
            return KeyPressed(str(content["key"]))
        if kind in ("drag", "drop"):
            return Dragged(_uv(content["uv"]), kind == "drop")
        if kind == "size":
            return Sized(
                int(content["width"]),
                float(content["ratio"]),
                bool(content["is_dark"]),
                str(content["view"]),
                int(content["room"]),
            )
        if kind == "ack":
            return Acked(int(content["tick"]))
    except (KeyError, TypeError, ValueError, IndexError):
        return None
    return None


class Surface(anywidget.AnyWidget):
    """A transparent, focusable layer that turns pointer and keyboard into records.

    Attributes:
        tool: "click", "box", "brush", "eraser" or "none"; decides the live preview.
        radius: brush radius as a fraction of the surface's width.
        colour: CSS colour of the stroke preview.
        is_negative: the left button means "not this"; only the echo's colour.
        is_busy: shows that an answer is being computed.
        is_live: report every pointer position (sliders) instead of whole strokes.
        has_keys: guard the studio around it and take its keys.
        chords: keys to take; all others stay with the browser.
        repeats: those of ``chords`` that fire again while held down.
        greeted: the view that was drawn for last; a new view asks until it is its turn,
            because what a page sends while it loads may be lost.
        tick: raise it after drawing; the browser drops its preview and answers.
    """

    _esm = "\n".join((_HERE / name).read_text("utf-8") for name in ("keyboard.js", "surface.js"))
    _css = _HERE / "studio.css"
    tool = traitlets.Unicode("click").tag(sync=True)
    radius = traitlets.Float(0.01).tag(sync=True)
    colour = traitlets.Unicode("#1976d2").tag(sync=True)
    is_negative = traitlets.Bool(False).tag(sync=True)
    is_busy = traitlets.Bool(False).tag(sync=True)
    is_live = traitlets.Bool(False).tag(sync=True)
    has_keys = traitlets.Bool(False).tag(sync=True)
    chords = traitlets.List(traitlets.Unicode()).tag(sync=True)
    repeats = traitlets.List(traitlets.Unicode()).tag(sync=True)
    root_class = traitlets.Unicode(ROOT_CLASS).tag(sync=True)
    tick = traitlets.Int(0).tag(sync=True)
    greeted = traitlets.Unicode("").tag(sync=True)

    def __init__(self, on_event: Callable[[SurfaceEvent], None], **traits: Any) -> None:
        super().__init__(**traits)
        self._on_event = on_event
        self.on_msg(self._receive)

    def _receive(self, _widget: object, content: Mapping[str, Any], _buffers: object) -> None:
        event = parse(content)
        if event is not None:
            self._on_event(event)
