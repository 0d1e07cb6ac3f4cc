"""The side of a concept desk: the answers with their keys, or the list of instances."""

from __future__ import annotations

import html
from collections.abc import Callable

import ipywidgets

from samnb.events.concepts import ConceptTask
from samnb.widgets.buttons import mark_pressed, show_if
from samnb.widgets.concept_keys import Act, Want, button_words, line_of, options, tooltip
from samnb.widgets.concept_snapshots import DeskSnapshot, InstanceRow
from samnb.widgets.keys import Action

OnAct = Callable[[Act], None]


def act_button(act: Act, task: ConceptTask, on_act: OnAct) -> ipywidgets.Button:
    """A button that asks for an act of the key map, and says its key."""
    line = line_of(act, task)
    button = ipywidgets.Button(description=button_words(line), tooltip=tooltip(line))
    button.add_class("samnb-button").add_class(f"samnb-do-{act.value.replace('_', '-')}")
    button.on_click(lambda _button: on_act(act))
    return button


def _box(children: list[ipywidgets.Widget], css: str) -> ipywidgets.Box:
    return ipywidgets.Box(children).add_class(css)


class AskPanel:
    """The options of MV or EV, each with its key and where it leads.

    Args:
        task: whose options.
        on_act: takes the act of a pressed button.
    """

    def __init__(self, task: ConceptTask, on_act: OnAct) -> None:
        self.task = task
        self.counter = ipywidgets.HTML().add_class("samnb-counter")
        self.options = {line.act: act_button(line.act, task, on_act) for line in options(task)}
        self.outcomes = {act: ipywidgets.HTML().add_class("samnb-faint") for act in self.options}
        rows = [_box([b, self.outcomes[act]], "samnb-option") for act, b in self.options.items()]
        self.skip = act_button(Want.SKIP, task, on_act)
        self.take_back = act_button(Want.TAKE_BACK, task, on_act)
        self.refuse = act_button(Want.REFUSE, task, on_act)
        self.hide = act_button(Action.HIDE_MASKS, task, on_act)
        more = _box([self.skip, self.take_back, self.refuse, self.hide], "samnb-stack")
        self.widget = _box([self.counter, _box(rows, "samnb-options"), more], "samnb-panel")

    def show(self, now: DeskSnapshot) -> None:
        """Draw a snapshot."""
        self.counter.value = html.escape(now.counter)
        outcomes = {row.want: row.outcome for row in now.options}
        for act, button in self.options.items():
            button.disabled = not now.is_open
            if isinstance(act, Want):
                self.outcomes[act].value = html.escape(outcomes.get(act, ""))
        self.skip.disabled = self.refuse.disabled = not now.phrase
        self.take_back.disabled = not now.can_take_back
        self.hide.disabled = not now.is_open
        mark_pressed(self.hide, now.view.is_hidden)


class InstanceLine:
    """One line of the list: choose, remove or put back."""

    def __init__(self, choose: Callable[[str], None], flip: Callable[[InstanceRow], None]) -> None:
        self._row: InstanceRow | None = None
        self.pick = ipywidgets.Button().add_class("samnb-button").add_class("samnb-pick")
        self.words = ipywidgets.HTML().add_class("samnb-instance")
        self.flip = ipywidgets.Button().add_class("samnb-button")
        self.widget = _box([self.pick, self.words, self.flip], "samnb-row")
        self.pick.on_click(lambda _b: self._with(lambda row: choose(row.id)))
        self.flip.on_click(lambda _b: self._with(flip))

    def show(self, row: InstanceRow) -> None:
        """Draw one instance."""
        if row == self._row:
            return
        self._row = row
        self.pick.description = str(row.number)
        self.pick.tooltip = f"Choose instance {row.number}"
        self.pick.style.button_color = row.colour
        self.pick.style.text_color = "#000000" if is_light(row.colour) else "#ffffff"
        self.words.value = html.escape(row.words)
        self.flip.description = "Put back" if row.is_removed else "Remove"
        self.flip.tooltip = f"{self.flip.description} instance {row.number}"
        mark = self.widget.add_class if row.is_chosen else self.widget.remove_class
        mark("samnb-chosen")

    def _with(self, act: Callable[[InstanceRow], None]) -> None:
        if self._row is not None:
            act(self._row)


def is_light(colour: str) -> bool:
    """Whether black text reads better on ``#rrggbb`` (WCAG 2.1 relative luminance > 0.18)."""
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.18


class CorrectPanel:
    """The instances of a pair, what is said of all of them, and handing in.

    Args:
        on_act: takes the act of a pressed button.
        choose: takes the id of an instance to choose.
        flip: takes a row to remove or to put back.
    """

    def __init__(
        self,
        on_act: OnAct,
        choose: Callable[[str], None],
        flip: Callable[[InstanceRow], None],
    ) -> None:
        self._choose, self._flip = choose, flip
        self._lines: list[InstanceLine] = []

        def button(act: Act) -> ipywidgets.Button:
            return act_button(act, ConceptTask.CORRECT, on_act)

        self.counter = ipywidgets.HTML().add_class("samnb-counter")
        self.rows = _box([], "samnb-rows")
        self.new, self.remove = button(Action.NEW_OBJECT), button(Want.REMOVE)
        self.group = button(Want.GROUP)
        self.before, self.after = button(Action.PREVIOUS_OBJECT), button(Action.NEXT_OBJECT)
        self.follow = [
            button(act)
            for act in (
                Action.PROPAGATE_FORWARD,
                Action.PROPAGATE_BACKWARD,
                Action.ABSENT,
                Action.CANCEL,
            )
        ]
        self.bar = ipywidgets.IntProgress().add_class("samnb-progress")
        self.progress = ipywidgets.HTML()
        self.apart, self.covered = button(Want.APART), button(Want.COVERED)
        self.summary = ipywidgets.HTML().add_class("samnb-summary")
        self.submit = button(Action.SUBMIT).add_class("samnb-primary")
        self.skip, self.take_back = button(Want.SKIP), button(Want.TAKE_BACK)
        self.refuse = button(Want.REFUSE)
        self.follow_box = _box(
            [_box(self.follow, "samnb-stack"), self.bar, self.progress], "samnb-panel"
        )
        instances = _box(
            [
                self.counter,
                ipywidgets.HTML("<b>Instances</b>"),
                self.rows,
                _box([self.new, self.remove, self.group, self.before, self.after], "samnb-stack"),
            ],
            "samnb-panel",
        )
        end = _box(
            [
                ipywidgets.HTML("<b>Is it complete?</b>"),
                _box([self.apart, self.covered], "samnb-stack"),
                self.summary,
                self.submit,
                _box([self.skip, self.take_back, self.refuse], "samnb-stack"),
            ],
            "samnb-panel",
        )
        self.widget = _box([instances, self.follow_box, end], "samnb-side")

    def show(self, now: DeskSnapshot) -> None:
        """Draw a snapshot."""
        self.counter.value = html.escape(now.counter)
        correct = now.correct
        rows = correct.rows if correct else ()
        while len(self._lines) < len(rows):
            self._lines.append(InstanceLine(self._choose, self._flip))
        for line, row in zip(self._lines, rows, strict=False):
            line.show(row)
        shown = tuple(line.widget for line in self._lines[: len(rows)])
        if self.rows.children != shown:
            self.rows.children = shown
        chosen = next((row for row in rows if row.is_chosen), None)
        can_change = chosen is not None and not chosen.is_removed
        self.remove.disabled = self.group.disabled = not can_change
        mark_pressed(self.group, chosen is not None and chosen.is_group)
        self.before.disabled = self.after.disabled = len(rows) < 2
        is_held = correct is not None
        for button in (self.new, self.apart, self.covered, self.submit, self.skip, self.refuse):
            button.disabled = not is_held
        self.take_back.disabled = not now.can_take_back
        show_if(self.follow_box, bool(now.frames))
        progress = correct.progress if correct else None
        show_if(self.bar, progress is not None)
        for button in self.follow[:3]:
            button.disabled = not can_change
        self.follow[3].disabled = progress is None
        self.progress.value = html.escape(progress.text) if progress else ""
        if progress is not None:
            self.bar.max, self.bar.value = max(progress.total, 1), progress.done
        mark_pressed(self.apart, correct is not None and correct.is_apart)
        mark_pressed(self.covered, correct is not None and correct.is_covered)
        self.summary.value = html.escape(correct.summary) if correct else ""
