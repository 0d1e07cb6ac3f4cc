"""The desks of the concept loop: mask and exhaustivity verification, and correction."""

from __future__ import annotations

import html
from typing import Any

import ipywidgets

from samnb.engine.session import Session
from samnb.events.concepts import ConceptTask
from samnb.widgets.banner import BannerBar
from samnb.widgets.buttons import mark_pressed, show_if
from samnb.widgets.concept_controller import ConceptController
from samnb.widgets.concept_keys import Act, Want, chords_of, help_html
from samnb.widgets.concept_panels import AskPanel, CorrectPanel, act_button
from samnb.widgets.concept_snapshots import DeskSnapshot, InstanceRow
from samnb.widgets.concept_words import DRAWING, TASK_WORDS
from samnb.widgets.intents import SelectObject, Tool
from samnb.widgets.jobs import Later, RunnerFactory, Thread, after
from samnb.widgets.keys import Action
from samnb.widgets.stage import Stage
from samnb.widgets.surface import ROOT_CLASS

_DRAW, _ASK = ConceptTask.CORRECT, ConceptTask.MV
_TOOLS = {
    Tool.CLICK: Action.CLICK,
    Tool.BOX: Action.BOX,
    Tool.BRUSH: Action.BRUSH,
    Tool.ERASER: Action.ERASER,
}
_STEPS = (Action.BACK_10, Action.PREVIOUS, Action.PLAY, Action.NEXT, Action.FORWARD_10)


class ConceptDesk:
    """A queue of pairs and everything one person needs to answer about them.

    Show it by leaving it as the last line of a cell. What is asked first is what the
    models were least sure of, and nothing tells an audit from any other question. Three
    reviewers each open a desk of their own on the same project; none sees what the
    others said.

    Args:
        session: the worker's session.
        task: "mv", "ev", "correct" or "confirm".
        note: something that is true of the whole page, such as where its data come from.
        max_height: tallest picture, in window pixels.
        runners: makes its threads; tests pass one that works in the caller.
        later: calls work after a delay.
    """

    def __init__(
        self,
        session: Session,
        task: ConceptTask | str = ConceptTask.MV,
        *,
        note: str = "",
        max_height: int = 560,
        runners: RunnerFactory = Thread,
        later: Later = after,
    ) -> None:
        self.controller = ConceptController(
            session,
            self._show,
            task,
            runners=runners,
            later=later,
            max_height=max_height,
            note=note,
        )
        press = self.controller.press
        self.stage = Stage(
            self.controller.page, self.controller.on_surface, chords_of(ConceptTask(task))
        )
        self.asks = {t: AskPanel(t, press) for t in (ConceptTask.MV, ConceptTask.EV)}
        self.correct = CorrectPanel(press, self._choose, self._flip)
        self._snapshot = DeskSnapshot(task=self.controller.intake.task)
        self.widget = self._build()
        self.controller.start()

    @property
    def session(self) -> Session:
        """The session of the worker who is at it now."""
        return self.controller.session

    @property
    def snapshot(self) -> DeskSnapshot:
        """What is on show."""
        return self._snapshot

    def close(self) -> None:
        """Give the pair back, stop its threads and take it off the page. The session
        stays open."""
        self.controller.close()
        self.stage.close()
        self.widget.close()

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.widget._repr_mimebundle_(**kwargs)

    # -- building ------------------------------------------------------------------

    def _build(self) -> ipywidgets.Box:
        self.banner = BannerBar(lambda: self.controller.do(lambda: self.controller.tell(None)))
        self.note = ipywidgets.HTML().add_class("samnb-faint")
        self.title = ipywidgets.HTML().add_class("samnb-title")
        self.hint = ipywidgets.HTML().add_class("samnb-hint")
        # Messages come below the picture: one above would move it under the pointer.
        below = [self._frame_bar(), self.banner.widget, self.hint]
        left = ipywidgets.Box([self.title, self.stage.widget, *below])
        left.add_class("samnb-left")
        panels = [panel.widget for panel in self.asks.values()]
        side = ipywidgets.Box([*panels, self.correct.widget]).add_class("samnb-side")
        main = ipywidgets.Box([left, side]).add_class("samnb-main")
        self.help = ipywidgets.HTML().add_class("samnb-help")
        root = ipywidgets.Box([self._header(), self.note, self._toolbar(), main, self.help])
        return root.add_class(ROOT_CLASS).add_class("samnb-desk")

    def _header(self) -> ipywidgets.Box:
        self.tabs = {task: ipywidgets.Button() for task in ConceptTask}
        for task, tab in self.tabs.items():
            tab.add_class("samnb-button").add_class(f"samnb-task-{task.value}")
            tab.tooltip = f"Go to the desk {TASK_WORDS[task]}"
            tab.on_click(lambda _b, task=task: self._set_task(task))
        self.worker = ipywidgets.Text(description="You are", continuous_update=False)
        self.worker.observe(self._worker_changed, "value")
        self.saved = ipywidgets.HTML().add_class("samnb-saved")
        keys = act_button(Action.HELP, _ASK, self.controller.press)
        switch = ipywidgets.Box(list(self.tabs.values())).add_class("samnb-group")
        header = ipywidgets.Box([switch, self.worker, self.saved, keys])
        return header.add_class("samnb-header")

    def _toolbar(self) -> ipywidgets.Box:
        press = self.controller.press

        def group(*acts: Act, task: ConceptTask = _DRAW) -> list[ipywidgets.Button]:
            return [act_button(act, task, press) for act in acts]

        self.tools = {tool: act_button(act, _DRAW, press) for tool, act in _TOOLS.items()}
        self.brush = group(Action.BRUSH_SMALLER, Action.BRUSH_LARGER)
        self.flip, self.undo, self.redo = group(Action.FLIP_SIGN, Action.UNDO, Action.REDO)
        (self.hide,) = group(Action.HIDE_MASKS)
        zoom = group(Action.ZOOM_OUT, Action.ZOOM_IN, Action.ZOOM_FIT)
        groups = [
            list(self.tools.values()),
            self.brush,
            [self.flip, self.undo, self.redo],
            [self.hide],
            zoom,
        ]
        boxes = [ipywidgets.Box(members).add_class("samnb-group") for members in groups]
        self.toolbar = ipywidgets.Box(boxes).add_class("samnb-bar")
        return self.toolbar

    def _frame_bar(self) -> ipywidgets.Box:
        buttons = [act_button(act, _ASK, self.controller.press) for act in _STEPS]
        self.time = ipywidgets.HTML().add_class("samnb-time")
        self.frames = ipywidgets.Box([*buttons, self.time]).add_class("samnb-bar")
        return self.frames

    # -- listening -----------------------------------------------------------------

    def _set_task(self, task: ConceptTask) -> None:
        self.controller.do(lambda: self.controller.set_task(task))

    def _choose(self, row_id: str) -> None:
        self.controller.on_intent(SelectObject(row_id))

    def _flip(self, row: InstanceRow) -> None:
        if row.is_removed:
            self.controller.do(lambda: self.controller.put_back(row.id))
        else:
            self._choose(row.id)
            self.controller.press(Want.REMOVE)

    def _worker_changed(self, change: dict[str, Any]) -> None:
        name = str(change["new"])
        if name != self._snapshot.worker:
            self.controller.do(lambda: self.controller.set_worker(name))

    # -- showing -------------------------------------------------------------------

    def _show(self, now: DeskSnapshot) -> int:
        """Draw a snapshot; returns the number of the drawing."""
        before, self._snapshot = self._snapshot, now
        is_drawing = now.task in DRAWING
        for tab in now.tabs:
            button = self.tabs[tab.task]
            button.description = f"{tab.words} · {tab.n_waiting}"
            mark_pressed(button, tab.is_chosen)
        for task, button in self.tabs.items():
            show_if(button, any(tab.task is task for tab in now.tabs))
        self.worker.value = now.worker
        self.saved.value = html.escape(now.saved)
        self.note.value = html.escape(now.note)
        show_if(self.note, bool(now.note))
        self.banner.show(now.banner)
        show_if(self.title, bool(now.phrase))
        self.title.value = (
            f'<h2 class="samnb-phrase">{html.escape(now.phrase)}</h2>'
            f'<p class="samnb-question">{html.escape(now.question)}</p>'
        )
        if before.task is not now.task:
            self.stage.surface.chords, self.stage.surface.repeats = chords_of(now.task)
        self.stage.show(now.stage)
        for task, panel in self.asks.items():
            show_if(panel.widget, task is now.task)
        show_if(self.correct.widget, is_drawing)
        if is_drawing:
            self.correct.show(now)
        else:
            self.asks[now.task].show(now)
        show_if(self.toolbar, is_drawing)
        self._show_tools(now)
        show_if(self.frames, bool(now.frames))
        self.time.value = html.escape(now.frames)
        self.hint.value = html.escape(now.hint)
        show_if(self.help, now.view.is_help_open)
        if now.view.is_help_open or before.task is not now.task:
            self.help.value = help_html(now.task, has_frames=bool(now.frames))
        return int(self.stage.surface.tick)

    def _show_tools(self, now: DeskSnapshot) -> None:
        view, correct = now.view, now.correct
        for tool, button in self.tools.items():
            mark_pressed(button, tool is view.tool)
            button.disabled = correct is None
        mark_pressed(self.flip, view.is_negative)
        mark_pressed(self.hide, view.is_hidden)
        for button in self.brush:
            button.disabled = view.tool not in (Tool.BRUSH, Tool.ERASER)
        self.undo.disabled = correct is None or not correct.can_undo
        self.redo.disabled = correct is None or not correct.can_redo
