"""The statistics page: both engines from the log, as it grows."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import ipywidgets

from samnb.engine.concepts.policy import PastDecision, past_decisions, random_slice
from samnb.engine.history import read_history
from samnb.engine.routing import Group
from samnb.engine.routing_simulator import plot_reliability
from samnb.events.concepts import ConceptTask, EvAnswered, MvAnswered
from samnb.metrics.calibration import expected_calibration_error, reliability
from samnb.store.db import Log
from samnb.widgets.buttons import mark_pressed, show_if
from samnb.widgets.dashboards.page import Dashboard, empty, group, growth_text
from samnb.widgets.dashboards.reports import (
    Block,
    concept_blocks,
    masklet_blocks,
    model_blocks,
)
from samnb.widgets.dashboards.selection import Folded, Selection, choices, read_log
from samnb.widgets.dashboards.tables import Drawer, figure_svg
from samnb.widgets.jobs import Later, RunnerFactory, Thread, after
from samnb.widgets.routing import RoutingSlider

ALL: Final = {
    "worker": "everybody",
    "phase": "all phases",
    "model": "all models",
    "media": "all media",
}
_GROUP_WORDS: Final = {
    Group.ALL: "", Group.ABSENT: " without masks", Group.COVERED: " with masks"
}  # fmt: skip
TABS: Final = {
    "masklets": "Masklet loop (SAM 2)",
    "concepts": "Concept loop (SAM 3)",
    "routing": "Routing",
    "models": "Models",
}
NOTHING: Final = {
    "masklets": (
        "No objects yet",
        "Objects appear here as soon as somebody clicks one: <code>samnb dashboard annotate"
        "</code>.",
    ),
    "concepts": (
        "No pairs yet",
        "Pairs of a medium and a noun phrase come from <code>session.concepts.add_pairs(…)</code> "
        "or from mining captions on the engine page.",
    ),
    "routing": (
        "No verifier has answered yet",
        "Let a verifier answer on the engine page; what people then say about the same masks and "
        "pairs tells how far it may decide alone.",
    ),
    "models": (
        "Nothing was trained or proposed yet",
        "Retraining is a stage of the engine page; its runs and what they made appear here.",
    ),
}
NO_MATCH: Final = (
    "Nothing matches",
    "Nothing in this project is of the worker, phase, model and medium chosen. Press "
    "<b>Show all</b> to see everything again.",
)


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """One state of the page: the log, what is wanted of it, and what came of that so far."""

    log: Folded
    wanted: Selection
    tab: str
    blocks: tuple[Block, ...]
    checks: tuple[tuple[str, tuple[PastDecision, ...]], ...] = ()
    is_whole: bool = True


class Statistics(Dashboard):
    """Both engines' statistics from the log alone, filtered, drawn anew as it grows.

    The log is only read: nobody joins the project by looking at it.

    Args:
        log: of the project.
        where: the project, for people.
        note: something that is true of the whole page.
        runners: makes its threads; tests pass one that works in the caller.
        later: calls work after a delay.
    """

    def __init__(
        self,
        log: Log,
        *,
        where: str | Path = "",
        note: str = "",
        runners: RunnerFactory = Thread,
        later: Later = after,
    ) -> None:
        super().__init__("Statistics", str(where), note=note, runners=runners, later=later)
        self._log = log
        self._wanted, self._tab = Selection(), "masklets"
        self._shown: tuple[int, Selection, str] | None = None
        self._blocks: list[_Part] = []
        self._drawn_tab, self._drawer = "", Drawer()
        self.slider: RoutingSlider | None = None
        self._checks: dict[str, tuple[PastDecision, ...]] = {}
        self.body.children = (self._filters(), self._tabs(), self._routing_bar(), self._parts())
        self.start()

    # -- building ----------------------------------------------------------------

    def _filters(self) -> ipywidgets.Box:
        self.filters = {
            field: ipywidgets.Dropdown(options=[(words, "")], description=field.capitalize())
            for field, words in ALL.items()
        }
        for dropdown in self.filters.values():
            dropdown.observe(self._filtered, "value")
        self.reset = ipywidgets.Button(description="Show all", tooltip="Take the filter away")
        self.reset.add_class("samnb-button").on_click(lambda _b: self._show_all())
        return group([*self.filters.values(), self.reset]).add_class("samnb-filters")

    def _tabs(self) -> ipywidgets.Box:
        self.tabs = {tab: ipywidgets.Button(description=words) for tab, words in TABS.items()}
        for tab, button in self.tabs.items():
            button.add_class("samnb-button").add_class(f"samnb-tab-{tab}")
            button.on_click(lambda _b, tab=tab: self._set_tab(tab))
            mark_pressed(button, tab == self._tab)
        return group(list(self.tabs.values())).add_class("samnb-tabs")

    def _routing_bar(self) -> ipywidgets.Box:
        self.verifier = ipywidgets.Dropdown(options=[], description="Verifier")
        self.verifier.observe(lambda _c: self.do(self._show_routing), "value")
        self.reliability = ipywidgets.HTML()
        self.simulator = ipywidgets.Box([]).add_class("samnb-part")
        self.routing = ipywidgets.Box([self.verifier, self.reliability, self.simulator])
        show_if(self.routing.add_class("samnb-parts"), False)
        return self.routing

    def _parts(self) -> ipywidgets.Box:
        self.parts = ipywidgets.Box([]).add_class("samnb-parts")
        return self.parts

    # -- listening ---------------------------------------------------------------

    def _filtered(self, _change: dict[str, Any]) -> None:
        values = {field: str(d.value or "") for field, d in self.filters.items()}
        self.do(lambda: self._want(Selection(**values)))

    def _show_all(self) -> None:
        for dropdown in self.filters.values():
            dropdown.value = ""

    def _want(self, wanted: Selection) -> None:
        if wanted != self._wanted:
            self._wanted = wanted
            self._dim()
            self.work.post_latest("look", self.look)

    def _dim(self) -> None:
        """Tell what is of another selection from what is of the one chosen now."""
        for part in self._blocks:
            part.dim(part.wanted != self._wanted)

    def _set_tab(self, tab: str) -> None:
        def change() -> None:
            self._tab = tab
            for name, button in self.tabs.items():
                mark_pressed(button, name == tab)
            self.work.post_latest("look", self.look)

        self.do(change)

    # -- looking: off the page thread ---------------------------------------------

    def look(self) -> None:
        """Read what is new; draw when something is, or something else is wanted."""
        events, _ = read_history(self._log)
        wanted, tab = self._wanted, self._tab
        key = (len(events), wanted, tab)
        if key == self._shown:
            return
        self._shown = key
        log = read_log(events)
        if tab == "routing":
            self._post(_Look(log, wanted, tab, (), _checks(log)))
            return
        found: list[Block] = []
        for block in self._read(log, wanted, tab):
            found.append(block)
            self._post(_Look(log, wanted, tab, tuple(found), is_whole=False))
            if (wanted, tab) != (self._wanted, self._tab):
                return  # something else is wanted meanwhile
        self._post(_Look(log, wanted, tab, tuple(found)))

    def _read(self, log: Folded, wanted: Selection, tab: str) -> Iterator[Block]:
        if tab == "concepts":
            return concept_blocks(log, wanted, self._drawer)
        if tab == "models":
            return model_blocks(log, wanted)
        return masklet_blocks(log, wanted, self._log.masks, self._drawer)

    def _post(self, now: _Look) -> None:
        self.do(lambda: self._show(now))

    # -- showing: on the page thread -----------------------------------------------

    def _show(self, now: _Look) -> None:
        last = now.log.events[-1].at_s if now.log.events else None
        self.status.value = f"Live · {html.escape(growth_text(len(now.log.events), last))}"
        self._show_choices(now.log)
        if now.tab != self._tab:
            return
        is_routing = now.tab == "routing"
        show_if(self.routing, is_routing and bool(now.checks))
        if is_routing:
            self._offer_checks(now.checks)
        if now.blocks:
            self._show_blocks(now)
        elif is_routing and now.checks:
            self.parts.children = ()
        else:
            words = NOTHING[now.tab] if self._wanted.is_all or is_routing else NO_MATCH
            self.parts.children = (empty(*words),)

    def _show_blocks(self, now: _Look) -> None:
        while len(self._blocks) < len(now.blocks):
            self._blocks.append(_Part(self.sheet))
        for part, block in zip(self._blocks, now.blocks, strict=False):
            part.show(block, now.wanted)
        self._dim()
        # What is still being drawn keeps its place on the page.
        is_same = not now.is_whole and self._drawn_tab == now.tab
        n_shown = max(len(now.blocks), len(self.parts.children) if is_same else 0)
        shown = tuple(p.widget for p in self._blocks[:n_shown])
        if self.parts.children != shown:
            self.parts.children = shown
        self._drawn_tab = now.tab

    def _show_choices(self, log: Folded) -> None:
        for field, found in choices(log).items():
            dropdown = self.filters[field]
            options = [(ALL[field], ""), *found]
            if list(dropdown.options) != options:
                chosen = dropdown.value
                dropdown.unobserve(self._filtered, "value")  # new options choose the first
                dropdown.options = options
                dropdown.observe(self._filtered, "value")
                dropdown.value = chosen if chosen in [v for _, v in options] else ""

    def _offer_checks(self, checks: Sequence[tuple[str, tuple[PastDecision, ...]]]) -> None:
        before, self._checks = self._checks, dict(checks)
        if list(self.verifier.options) != list(self._checks):
            self.verifier.options = list(self._checks)
            self.verifier.value = next(iter(self._checks), None)
        elif {k: len(v) for k, v in before.items()} != {k: len(v) for k, v in checks}:
            self._show_routing()

    def _show_routing(self) -> None:
        past = self._checks.get(str(self.verifier.value), ())
        checked = [c for d in random_slice(past) if (c := d.checked())]
        if not checked:
            words = "Nobody was asked yet about a random slice of what this verifier answered."
            self.reliability.value = f'<p class="samnb-info">{words}</p>'
            self.simulator.children = ()
            return
        confidences = [c.confidence for c in checked]
        is_right = [not c.is_wrong for c in checked]
        ece = expected_calibration_error(confidences, is_right)
        table = reliability(confidences, is_right)
        words = (
            f"{len(checked)} answers that people checked without regard to confidence. Below: "
            "what would have happened, had answers stood from a confidence on."
        )
        drawing = figure_svg(lambda: plot_reliability(table, ece=ece), "reliability")
        self.reliability.value = f'<p class="samnb-faint">{words}</p>{drawing}'
        self.slider = RoutingSlider(checked)
        self.simulator.children = (self.slider.widget,)


def _checks(log: Folded) -> tuple[tuple[str, tuple[PastDecision, ...]], ...]:
    """What verifiers advised, by words for verifier and task."""
    names: dict[tuple[str, ConceptTask], None] = {}
    for event in log.events:
        body = event.body
        if isinstance(body, MvAnswered | EvAnswered) and body.model:
            task = ConceptTask.MV if isinstance(body, MvAnswered) else ConceptTask.EV
            names[body.model, task] = None
    return tuple(
        (f"{name}, {task.value.upper()}{_GROUP_WORDS[group]}", own)
        for name, task in names
        for past in [past_decisions(log.pairs, task, name)]
        for group in Group
        if (own := tuple(d for d in past if d.group is group))
    )


class _Part:
    """A block on the page, with the button that saves its table."""

    def __init__(self, sheet: Any) -> None:
        self._sheet, self._block = sheet, Block("", "")
        self.wanted = Selection()
        self.title, self.inside = ipywidgets.HTML(), ipywidgets.HTML()
        self.csv = ipywidgets.Button(description="CSV", tooltip="Download this table as CSV")
        self.csv.add_class("samnb-button").on_click(lambda _b: self._save())
        self.bar = ipywidgets.Box([self.title, self.csv]).add_class("samnb-part-bar")
        self.widget = ipywidgets.Box([self.bar, self.inside]).add_class("samnb-part")

    def dim(self, is_stale: bool) -> None:
        """Show that the block is being drawn anew, or that it is not."""
        (self.widget.add_class if is_stale else self.widget.remove_class)("samnb-stale")

    def show(self, block: Block, wanted: Selection) -> None:
        """Draw a block of a selection."""
        self.wanted = wanted
        if block is self._block:
            return
        self._block = block
        show_if(self.bar, bool(block.title))
        self.title.value = f"<h3>{html.escape(block.title)}</h3>"
        show_if(self.csv, block.table is not None)
        self.inside.value = block.html

    def _save(self) -> None:
        if self._block.table is not None:
            self._sheet.save(f"{self._block.file}.csv", self._block.table.to_csv(index=False))
