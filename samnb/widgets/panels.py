"""The studio's side: the object list, propagation with its bar, and the key page."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import replace

import ipywidgets

from samnb.engine.phases import PHASES
from samnb.widgets.buttons import action_button
from samnb.widgets.controller import Controller
from samnb.widgets.intents import GoTo, Pressed, SelectObject
from samnb.widgets.keys import Action, Desk, bindings, key_page
from samnb.widgets.snapshots import Feedback, ObjectRow, Progress, StudioSnapshot


class Row:
    """One line of the object list: choose, rename, hide, delete."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._row: ObjectRow | None = None
        self.pick = ipywidgets.Button().add_class("samnb-button").add_class("samnb-pick")
        self.name = ipywidgets.Text(continuous_update=False, placeholder="name")
        self.step = ipywidgets.HTML().add_class("samnb-faint")
        self.hide = ipywidgets.Button().add_class("samnb-button")
        self.delete = ipywidgets.Button(description="Delete", tooltip="Delete this object")
        self.delete.add_class("samnb-button")
        self.widget = ipywidgets.Box([self.pick, self.name, self.step, self.hide, self.delete])
        self.widget.add_class("samnb-row")
        self.pick.on_click(lambda _b: self._with(lambda r: self._pick(r.item_id)))
        self.hide.on_click(lambda _b: self._do(lambda r: controller.toggle_hidden(r.item_id)))
        self.delete.on_click(lambda _b: self._do(lambda r: controller.delete(r.item_id)))
        self.name.observe(lambda change: self._renamed(str(change["new"])), "value")

    def show(self, row: ObjectRow, is_locked: bool) -> None:
        """Draw one object."""
        self.name.disabled = self.delete.disabled = is_locked
        before, self._row = self._row, row
        if before == row:
            return
        self.pick.description = str(row.obj_id)
        self.pick.tooltip = f"Choose {row.name}"
        self.pick.style.button_color = row.colour
        self.pick.style.text_color = "#000000" if _is_light(row.colour) else "#ffffff"
        if before is None or before.name != row.name:
            self.name.value = row.name
        self.step.value = f'<span title="{html.escape(row.phase)}">{html.escape(row.step)}</span>'
        self.hide.description = "Show" if row.is_hidden else "Hide"
        self.hide.tooltip = f"{self.hide.description} the masks of {row.name}"
        (self.widget.add_class if row.is_chosen else self.widget.remove_class)("samnb-chosen")

    def _pick(self, item_id: str) -> None:
        self._controller.on_intent(SelectObject(item_id))

    def _renamed(self, name: str) -> None:
        row = self._row
        if row is not None and name.strip() not in ("", row.name):
            self._row = replace(row, name=name.strip())
            self._controller.do(lambda: self._controller.rename(row.item_id, name))

    def _with(self, act: Callable[[ObjectRow], None]) -> None:
        if self._row is not None:
            act(self._row)

    def _do(self, act: Callable[[ObjectRow], None]) -> None:
        row = self._row
        if row is not None:
            self._controller.do(lambda: act(row))


def _is_light(colour: str) -> bool:
    """Whether black text reads better on it (WCAG 2.1 relative luminance above 0.18)."""
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.18


class Objects:
    """The list of objects with the buttons that act on the whole of one."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._rows: list[Row] = []
        press = _presser(controller)
        self.heading = ipywidgets.HTML("<b>Objects</b>")
        self.rows = ipywidgets.Box([]).add_class("samnb-rows")
        self.new = action_button(Action.NEW_OBJECT, press)
        self.submit = action_button(Action.SUBMIT, press).add_class("samnb-primary")
        self.reopen = ipywidgets.Button(
            description="Reopen", tooltip="Take the object back to change it"
        ).add_class("samnb-button")
        self.reopen.on_click(lambda _b: controller.do(controller.reopen))
        self.next_object = action_button(Action.NEXT_OBJECT, press)
        self.previous_object = action_button(Action.PREVIOUS_OBJECT, press)
        self.phase = ipywidgets.Dropdown(
            options=[(phase.name, number) for number, phase in PHASES.items()],
            value=3,
            description="New in",
            tooltip="How new objects are annotated",
            layout=ipywidgets.Layout(width="100%"),
        )
        self.phase.observe(lambda change: self._phase_chosen(int(change["new"])), "value")
        self.feedback = ipywidgets.HTML().add_class("samnb-feedback")
        self.to_feedback = ipywidgets.Button(tooltip="Show the frame that the verifier means")
        self.to_feedback.add_class("samnb-button").on_click(lambda _b: self._go_to_feedback())
        self._feedback: Feedback | None = None
        self.buttons = ipywidgets.Box(
            [self.new, self.submit, self.reopen, self.previous_object, self.next_object, self.phase]
        ).add_class("samnb-stack")
        self.widget = ipywidgets.Box(
            [self.heading, self.rows, self.feedback, self.to_feedback, self.buttons]
        )
        self.widget.add_class("samnb-panel")

    def show(self, now: StudioSnapshot) -> None:
        """Draw the list."""
        is_verify = now.view.desk is Desk.VERIFY
        while len(self._rows) < len(now.objects):
            self._rows.append(Row(self._controller))
        for row, data in zip(self._rows, now.objects, strict=False):
            row.show(data, is_verify)
        shown = tuple(row.widget for row in self._rows[: len(now.objects)])
        if self.rows.children != shown:
            self.rows.children = shown
        self.heading.value = f'<b>Objects</b> <span class="samnb-faint">{now.counts}</span>'
        self.buttons.layout.display = "none" if is_verify else None
        self.new.disabled = now.media_id is None
        self.submit.disabled = now.view.item_id is None or now.can_reopen
        self.reopen.disabled = not now.can_reopen
        if self.phase.value != now.view.new_phase:
            self.phase.value = now.view.new_phase
        self._show_feedback(now.feedback)
        few = len(now.objects) < 2
        self.next_object.disabled = self.previous_object.disabled = few

    def _show_feedback(self, feedback: Feedback | None) -> None:
        self._feedback = feedback
        self.feedback.layout.display = None if feedback else "none"
        has_frame = feedback is not None and feedback.frame_idx is not None
        self.to_feedback.layout.display = None if has_frame else "none"
        if feedback is not None:
            self.feedback.value = f'<div class="samnb-info">{html.escape(feedback.text)}</div>'
            self.to_feedback.description = f"Go to frame {feedback.frame_idx}"

    def _go_to_feedback(self) -> None:
        if self._feedback is not None and self._feedback.frame_idx is not None:
            self._controller.on_intent(GoTo(self._feedback.frame_idx))

    def _phase_chosen(self, number: int) -> None:
        self._controller.do(lambda: self._controller.set_new_phase(number))


class Propagation:
    """Forward, back, cancel, and how far it is."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        press = _presser(controller)
        self.forward = action_button(Action.PROPAGATE_FORWARD, press)
        self.backward = action_button(Action.PROPAGATE_BACKWARD, press)
        self.cancel = action_button(Action.CANCEL, press)
        self.bar = ipywidgets.IntProgress(min=0, max=1).add_class("samnb-progress")
        self.text = ipywidgets.HTML().add_class("samnb-faint")
        self.only = ipywidgets.Checkbox(
            description="only the chosen object", indent=False, value=False
        )
        self.only.observe(lambda change: self._scope(bool(change["new"])), "value")
        buttons = ipywidgets.Box([self.forward, self.backward, self.cancel])
        self.widget = ipywidgets.Box(
            [
                ipywidgets.HTML("<b>Propagate</b>"),
                buttons.add_class("samnb-stack"),
                self.only,
                self.bar,
                self.text,
            ]
        ).add_class("samnb-panel")

    def _scope(self, is_only: bool) -> None:
        self._controller.do(lambda: self._controller.set_scope(is_only))

    def show(self, now: StudioSnapshot) -> None:
        """Draw bar and buttons."""
        progress: Progress | None = now.progress
        is_running = progress is not None
        has_objects = bool(now.objects) and len(now.view.frames) > 1
        is_off = is_running or not has_objects or bool(now.no_propagation)
        self.forward.disabled = self.backward.disabled = is_off
        self.cancel.disabled = not is_running
        self.bar.layout.display = None if is_running else "none"
        words = progress.text if progress is not None else now.no_propagation
        self.text.value = html.escape(words)
        self.text.layout.display = None if words else "none"
        if progress is not None:
            self.bar.max, self.bar.value = max(progress.total, 1), progress.done


def help_html(desk: Desk) -> str:
    """The key page, made from the key map."""
    rows = [b for b in bindings(desk) if not b.action.value.startswith("object_")]
    number = "<tr><td><kbd>1</kbd> … <kbd>0</kbd></td><td>choose objects 1 to 10</td></tr>"
    return key_page(rows, "studio", {"Objects": number})


def _presser(controller: Controller) -> Callable[[Action], None]:
    return lambda action: controller.on_gesture(Pressed(action))
