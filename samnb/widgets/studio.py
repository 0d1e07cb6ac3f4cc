"""The studio: picture, timeline, objects, propagation and review in one place."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import ipywidgets

from samnb.engine.session import Session
from samnb.widgets.banner import BannerBar
from samnb.widgets.buttons import action_button, mark_pressed
from samnb.widgets.controller import Controller
from samnb.widgets.intents import GoTo, Pressed, SelectObject, Tool
from samnb.widgets.jobs import Later, RunnerFactory, Thread, after
from samnb.widgets.keys import Action, Desk
from samnb.widgets.panels import Objects, Propagation, help_html
from samnb.widgets.permits import TOOL_NAMES
from samnb.widgets.review import Review
from samnb.widgets.snapshots import StudioSnapshot
from samnb.widgets.stage import Stage
from samnb.widgets.surface import ROOT_CLASS
from samnb.widgets.timeline import Hit, Timeline

_TOOLS = {
    Tool.CLICK: Action.CLICK,
    Tool.BOX: Action.BOX,
    Tool.BRUSH: Action.BRUSH,
    Tool.ERASER: Action.ERASER,
}
_DESKS = {Desk.ANNOTATE: "Annotate", Desk.VERIFY: "Verify"}


class Studio:
    """Everything one person needs to annotate and verify, as one widget.

    Show it by leaving it as the last line of a cell. Everything done in it is in the
    project's log at once; closing the page or killing the kernel loses nothing.

    Args:
        session: the worker's session.
        media: files or folders to add before it opens.
        desk: "annotate" or "verify".
        max_height: tallest picture, in window pixels.
        runners: makes its threads; tests pass one that works in the caller.
        later: calls work after a delay.
    """

    def __init__(
        self,
        session: Session,
        *media: str | Path,
        desk: Desk | str = Desk.ANNOTATE,
        max_height: int = 560,
        runners: RunnerFactory = Thread,
        later: Later = after,
    ) -> None:
        for path in media:
            session.add_media(path)
        self.controller = Controller(
            session,
            self._show,
            read_note=lambda: self.review.read_note(),
            runners=runners,
            later=later,
            max_height=max_height,
        )
        controller = self.controller
        self.stage = Stage(controller.page, controller.on_surface)
        self.timeline = Timeline(controller.page, self._press, self._pointed_at)
        self.review = Review(self._press)
        self.objects = Objects(controller)
        self.propagation = Propagation(controller)
        self._snapshot = StudioSnapshot()
        self.widget = self._build()
        controller.start()
        if Desk(desk) is not Desk.ANNOTATE:
            controller.do(lambda: controller.set_desk(Desk(desk)))

    @property
    def session(self) -> Session:
        """The session of the worker who is at it now."""
        return self.controller.session

    @property
    def snapshot(self) -> StudioSnapshot:
        """What is on show."""
        return self._snapshot

    def close(self) -> None:
        """Stop its threads and take it off the page. The session stays open."""
        self.controller.close()
        self.stage.close()
        self.widget.close()

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.widget._repr_mimebundle_(**kwargs)

    # -- building ------------------------------------------------------------------

    def _build(self) -> ipywidgets.Box:
        self.banner = BannerBar(lambda: self.controller.do(lambda: self.controller.tell(None)))
        self.hint = ipywidgets.HTML().add_class("samnb-hint")
        left = ipywidgets.Box([self.stage.widget, self.hint, self.timeline.widget])
        left.add_class("samnb-left")
        side = ipywidgets.Box(
            [self.review.widget, self.objects.widget, self.propagation.widget, self._media_panel()]
        ).add_class("samnb-side")
        main = ipywidgets.Box([left, side]).add_class("samnb-main")
        self.help = ipywidgets.HTML().add_class("samnb-help")
        root = ipywidgets.Box(
            [self._header(), self.banner.widget, self._toolbar(), main, self.help]
        )
        return root.add_class(ROOT_CLASS)

    def _header(self) -> ipywidgets.Box:
        self.media = ipywidgets.Dropdown(options=[], description="Media")
        self.media.observe(self._media_chosen, "value")
        self.desks = {desk: ipywidgets.Button(description=word) for desk, word in _DESKS.items()}
        for desk, button in self.desks.items():
            button.add_class("samnb-button")
            button.on_click(lambda _b, desk=desk: self._set_desk(desk))
        self.worker = ipywidgets.Text(description="You are", continuous_update=False)
        self.worker.observe(self._worker_changed, "value")
        self.saved = ipywidgets.HTML().add_class("samnb-saved")
        keys = action_button(Action.HELP, self._press)
        switch = ipywidgets.Box(list(self.desks.values())).add_class("samnb-group")
        header = ipywidgets.Box([self.media, switch, self.worker, self.saved, keys])
        return header.add_class("samnb-header")

    def _toolbar(self) -> ipywidgets.Box:
        self.tools = {tool: action_button(act, self._press) for tool, act in _TOOLS.items()}
        self.flip = action_button(Action.FLIP_SIGN, self._press)
        self.undo = action_button(Action.UNDO, self._press)
        self.redo = action_button(Action.REDO, self._press)
        self.edit_buttons = [
            self.flip,
            action_button(Action.ABSENT, self._press),
            action_button(Action.CLEAR_FRAME, self._press),
        ]
        self.hide = action_button(Action.HIDE_MASKS, self._press)
        self.opacity = ipywidgets.FloatSlider(
            min=0.1, max=1.0, step=0.1, description="Opacity", readout=False
        ).add_class("samnb-small")
        self.opacity.observe(self._opacity_changed, "value")
        size = [Action.BRUSH_SMALLER, Action.BRUSH_LARGER]
        self.brush = [action_button(act, self._press) for act in size]
        groups = [
            list(self.tools.values()),
            self.brush,
            [*self.edit_buttons, self.undo, self.redo],
            [self.hide, self.opacity],
            [
                action_button(act, self._press)
                for act in (Action.ZOOM_OUT, Action.ZOOM_IN, Action.ZOOM_FIT)
            ],
        ]
        boxes = [ipywidgets.Box(group).add_class("samnb-group") for group in groups]
        self.edit_groups = boxes[:3]
        return ipywidgets.Box(boxes).add_class("samnb-bar")

    def _media_panel(self) -> ipywidgets.Box:
        self.path = ipywidgets.Text(placeholder="path of a video, image or folder")
        add = ipywidgets.Button(description="Add", tooltip="Add this file or folder")
        add.add_class("samnb-button")
        add.on_click(lambda _b: self._add_media())
        self.path.on_msg(self._path_entered)
        line = ipywidgets.Box([self.path, add]).add_class("samnb-line")
        return ipywidgets.Box([ipywidgets.HTML("<b>Add media</b>"), line]).add_class("samnb-panel")

    # -- listening -----------------------------------------------------------------

    def _press(self, action: Action) -> None:
        self.controller.on_gesture(Pressed(action))

    def _pointed_at(self, found: Hit) -> None:
        controller = self.controller
        if found.item_id is not None:
            controller.on_intent(SelectObject(found.item_id))
        if found.frame_idx is not None:
            controller.on_intent(GoTo(found.frame_idx))

    def _media_chosen(self, change: dict[str, Any]) -> None:
        media_id = change["new"]
        if media_id not in (None, self._snapshot.media_id):  # else it is our own doing
            self.controller.do(lambda: self.controller.open_media(media_id))

    def _set_desk(self, desk: Desk) -> None:
        self.controller.do(lambda: self.controller.set_desk(desk))

    def _worker_changed(self, change: dict[str, Any]) -> None:
        name = str(change["new"])
        if name != self._snapshot.worker:
            self.controller.do(lambda: self.controller.set_worker(name))

    def _opacity_changed(self, change: dict[str, Any]) -> None:
        opacity = round(float(change["new"]), 1)
        if opacity != self._snapshot.view.opacity:
            self.controller.do(lambda: self.controller.set_opacity(opacity))

    def _add_media(self) -> None:
        path, self.path.value = str(self.path.value).strip(), ""
        if path:
            self.controller.do(lambda: self.controller.add_media(path))

    def _path_entered(self, _widget: object, content: dict[str, Any], _buffers: object) -> None:
        if content.get("event") == "submit":
            self._add_media()

    # -- showing -------------------------------------------------------------------

    def _show(self, now: StudioSnapshot) -> None:
        self._snapshot = now
        self._show_header(now)
        self._show_tools(now)
        self.banner.show(now.banner)
        self.stage.show(now.stage)
        self.timeline.show(now.timeline)
        self.review.show(now.review)
        self.objects.show(now)
        self.propagation.show(now)
        self.hint.value = html.escape(now.hint)
        is_verify = now.view.desk is Desk.VERIFY
        self.review.widget.layout.display = None if is_verify else "none"
        self.propagation.widget.layout.display = "none" if is_verify else None
        self.help.layout.display = None if now.view.is_help_open else "none"
        self.help.value = help_html(now.view.desk)

    def _show_header(self, now: StudioSnapshot) -> None:
        options = [(name, media_id) for media_id, name in now.media]
        if list(self.media.options) != options:
            self.media.unobserve(self._media_chosen, "value")  # new options choose the first
            self.media.options = options
            self.media.value = now.media_id
            self.media.observe(self._media_chosen, "value")
        self.media.value = now.media_id
        self.media.disabled = not options
        for desk, button in self.desks.items():
            mark_pressed(button, desk is now.view.desk)
        self.worker.value = now.worker
        self.saved.value = html.escape(now.saved)

    def _show_tools(self, now: StudioSnapshot) -> None:
        view = now.view
        for tool, button in self.tools.items():
            mark_pressed(button, tool is view.tool)
            button.disabled = TOOL_NAMES[tool] not in now.phase.tools
        mark_pressed(self.flip, view.is_negative)
        mark_pressed(self.hide, view.is_hidden)
        self.opacity.value = view.opacity
        for button in self.brush:
            button.disabled = view.tool not in (Tool.BRUSH, Tool.ERASER)
        for button, name in zip(self.edit_buttons[1:], ("absent", "clear"), strict=True):
            button.disabled = view.item_id is None or name not in now.phase.tools
        self.undo.disabled = not now.can_undo
        self.redo.disabled = not now.can_redo
        for box in self.edit_groups:
            box.layout.display = "none" if view.desk is Desk.VERIFY else None
