"""The picture: frame, masks and prompts on ipycanvas layers, listened to by a surface.

``Stage.show(snapshot)`` draws everything from one frozen record. Pixels live only in
the browser; when a page opens late (every Voila page does) the last snapshot is drawn
again. The surface says when: its first message comes after all widgets of the page are
there, whereas ipycanvas's own client-ready comes while they are still being made, and
a command that names a missing one ends all drawing in that page.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import ipywidgets
from ipycanvas import Canvas, MultiCanvas

from samnb.types import Box, Point, Prompt
from samnb.widgets.camera import Camera
from samnb.widgets.canvas import ImagePool, held
from samnb.widgets.intents import Clicked, DraggedOver
from samnb.widgets.jobs import Runner
from samnb.widgets.keys import all_keys
from samnb.widgets.pictures import Picture, Tile
from samnb.widgets.surface import Sized, StrokeMade, Surface, SurfaceEvent

POSITIVE, NEGATIVE = "#2e7d32", "#d32f2f"
_POINT_PX: Final = 7.0
"""Radius of a drawn point, in window pixels."""
REACH_PX: Final = 10.0
"""A click this close to a point, in window pixels, is meant for it."""


@dataclass(frozen=True, slots=True)
class MaskLayer:
    """One object's mask as a picture of the whole medium; ``opacity`` in [0, 1]."""

    picture: Picture
    opacity: float


@dataclass(frozen=True, slots=True)
class Label:
    """A short text at a media pixel, on a ground of ``colour``."""

    x: float
    y: float
    text: str
    colour: str


@dataclass(frozen=True, slots=True)
class StageSnapshot:
    """All that the stage shows.

    Attributes:
        camera: how the medium lies in the window; None when there is no medium.
        tiles: the frame, coarse first, sharper cut-outs after.
        masks: lowest first.
        prompts: of the chosen object on this frame, in media pixels.
        colour: of the chosen object.
        message: words instead of a picture, as HTML.
        badge: a few words in the corner, such as "absent here".
        tool: what the surface previews, see :class:`~samnb.widgets.intents.Tool`.
        radius: brush radius in media pixels.
        ratio: screen pixels per window pixel.
        labels: what the masks are called.
        ahead: pictures that will be wanted next; the browser gets them now.
    """

    camera: Camera | None = None
    tiles: tuple[Tile, ...] = ()
    masks: tuple[MaskLayer, ...] = ()
    prompts: tuple[Prompt, ...] = ()
    colour: str = "#1976d2"
    message: str = ""
    badge: str = ""
    tool: str = "none"
    is_negative: bool = False
    radius: float = 12.0
    is_busy: bool = False
    ratio: float = 1.0
    labels: tuple[Label, ...] = ()
    ahead: tuple[Picture, ...] = ()


def to_gesture(event: StrokeMade, camera: Camera) -> Clicked | DraggedOver | None:
    """Turn a stroke of the surface into a gesture in media pixels."""
    xy = tuple(camera.to_media(uv) for uv in event.uv)
    if not xy or event.button == 1:
        return None
    is_right = event.button == 2
    if event.is_click:
        return Clicked(*xy[0], is_right=is_right)
    return DraggedOver(xy, is_right, event.is_erase)


class Stage:
    """Canvas layers and the surface over them, in one grid cell.

    Args:
        page: the page thread, where everything is drawn.
        on_event: takes every surface event, on whatever thread it arrives.
        keys: chords to take, and those of them that fire again while held down; None for
            the studio's.
    """

    def __init__(
        self,
        page: Runner,
        on_event: Callable[[SurfaceEvent], None],
        keys: tuple[list[str], list[str]] | None = None,
    ) -> None:
        self._page, self._on_event, self._is_open = page, on_event, False
        self._snapshot = StageSnapshot()
        self._images = ImagePool()
        chords, repeats = keys or all_keys()
        self.canvas = MultiCanvas(3, width=640, height=360)
        self.canvas.layout = ipywidgets.Layout(width="100%", height="360px")
        self.surface = Surface(
            self._listen, has_keys=True, chords=chords, repeats=repeats, tool="none"
        )
        self.note = ipywidgets.HTML().add_class("samnb-note")
        self.badge = ipywidgets.HTML().add_class("samnb-badge")
        self.widget = ipywidgets.Box([self.canvas, self.note, self.badge, self.surface])
        self.widget.add_class("samnb-stage")

    @property
    def snapshot(self) -> StageSnapshot:
        """What is on show."""
        return self._snapshot

    def show(self, snapshot: StageSnapshot) -> None:
        """Draw a snapshot; layers that did not change are left alone."""
        before, self._snapshot = self._snapshot, snapshot
        self._draw(before)

    def redraw(self) -> None:
        """Draw everything again, for a page that has nothing yet."""
        self._is_open = True
        self._draw(None)

    def _listen(self, event: SurfaceEvent) -> None:
        self._on_event(event)
        if isinstance(event, Sized) and event.view != self.surface.greeted:
            self._page.post(lambda: self._greet(event.view))

    def _greet(self, view: str) -> None:
        self.redraw()
        self.surface.greeted = view

    def close(self) -> None:
        """Take the widgets out of the browser."""
        self._images.close()
        for widget in (*self.widget.children, self.widget):
            widget.close()

    def _draw(self, before: StageSnapshot | None) -> None:
        now = self._snapshot
        self.note.value = now.message
        self.badge.value = now.badge
        self.badge.layout.display = None if now.badge else "none"
        self.note.layout.display = None if now.message else "none"
        self._tell_surface(now)
        if not self._is_open:
            return
        is_moved = before is None or (before.camera, before.ratio) != (now.camera, now.ratio)
        if is_moved and now.camera is not None:
            self._resize(now.camera.window_wh, now.ratio)
        frames, masks, marks = (self.canvas[i] for i in range(3))
        for picture in now.ahead:
            self._images.get(picture)
        tiles = [(self._images.get(tile.picture), tile.xyxy) for tile in now.tiles]
        layers = [(self._images.get(mask.picture), mask.opacity) for mask in now.masks]
        with held():
            if is_moved or before is None or before.tiles != now.tiles:
                _aim(frames, now)
                for image, (x0, y0, x1, y1) in tiles:
                    frames.draw_image(image, x0, y0, x1 - x0, y1 - y0)
            if is_moved or before is None or before.masks != now.masks:
                _aim(masks, now)
                for image, opacity in layers:
                    masks.global_alpha = opacity
                    if now.camera is not None:
                        height, width = now.camera.size_hw
                        masks.draw_image(image, 0, 0, width, height)
            if (
                is_moved
                or before is None
                or replace(before, tiles=(), masks=(), ahead=())
                != replace(now, tiles=(), masks=(), ahead=())
            ):
                _draw_prompts(marks, now)
        self.surface.tick += 1

    def _tell_surface(self, now: StageSnapshot) -> None:
        with self.surface.hold_sync():
            self.surface.tool = now.tool
            self.surface.is_negative = now.is_negative
            self.surface.colour = now.colour
            self.surface.is_busy = now.is_busy
            if now.camera is not None:
                width = now.camera.window_wh[0]
                self.surface.radius = now.radius * now.camera.scale / width

    def _resize(self, window_wh: tuple[int, int], ratio: float) -> None:
        width, height = round(window_wh[0] * ratio), round(window_wh[1] * ratio)
        if (self.canvas.width, self.canvas.height) != (width, height):
            self.canvas.width, self.canvas.height = width, height
        self.canvas.layout.height = f"{window_wh[1]}px"


def _aim(canvas: Canvas, now: StageSnapshot) -> None:
    """Clear a layer and let it draw in media pixels."""
    canvas.reset_transform()
    canvas.clear()
    if now.camera is not None:
        scale = now.camera.scale * now.ratio
        left, top = now.camera.left * scale, now.camera.top * scale
        canvas.image_smoothing_enabled = now.camera.scale < 4
        canvas.set_transform(scale, 0, 0, scale, -left, -top)


def _draw_prompts(canvas: Canvas, now: StageSnapshot) -> None:
    """Draw prompts in window pixels, so that they keep their size at every zoom."""
    canvas.reset_transform()
    canvas.clear()
    if now.camera is None:
        return
    canvas.scale(now.ratio, now.ratio)
    for label in now.labels:
        _draw_label(canvas, now.camera.to_window((label.x, label.y)), label)
    for prompt in now.prompts:
        if isinstance(prompt, Box):
            _draw_box(canvas, now.camera, prompt, now.colour)
    for prompt in now.prompts:
        if isinstance(prompt, Point):
            _draw_point(canvas, now.camera.to_window((prompt.x, prompt.y)), prompt.label == 1)


def _draw_box(canvas: Canvas, camera: Camera, box: Box, colour: str) -> None:
    x0, y0 = camera.to_window((box.x0, box.y0))
    x1, y1 = camera.to_window((box.x1, box.y1))
    for style, width in (("#ffffff", 3.5), (colour, 2.0)):
        canvas.stroke_style = style
        canvas.line_width = width
        canvas.stroke_rect(x0, y0, x1 - x0, y1 - y0)


def _draw_point(canvas: Canvas, at: tuple[float, float], is_positive: bool) -> None:
    """A disc with a sign in it: colour alone would not do for everybody's eyes."""
    x, y = at
    canvas.fill_style = "#ffffff"
    canvas.fill_circle(x, y, _POINT_PX + 2)
    canvas.fill_style = POSITIVE if is_positive else NEGATIVE
    canvas.fill_circle(x, y, _POINT_PX)
    canvas.stroke_style = "#ffffff"
    canvas.line_width = 2
    canvas.stroke_line(x - 4, y, x + 4, y)
    if is_positive:
        canvas.stroke_line(x, y - 4, x, y + 4)


def _draw_label(canvas: Canvas, at: tuple[float, float], label: Label) -> None:
    """White on black with a rim of the colour: legible on every picture and colour."""
    width = 10.0 + 8.0 * len(label.text)
    x, y = max(at[0], 0.0), max(at[1] - 20.0, 0.0)
    for style, grown in (("#ffffff", 2.0), (label.colour, 1.0), ("#14161a", -1.0)):
        canvas.fill_style = style
        canvas.fill_rect(x - grown, y - grown, width + 2 * grown, 18.0 + 2 * grown)
    canvas.fill_style = "#ffffff"
    canvas.font = "bold 13px sans-serif"
    canvas.fill_text(label.text, x + 5.0, y + 14.0)
