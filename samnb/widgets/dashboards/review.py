"""The review page: everything that waits for a person's judgement, and the desk for each task."""

from __future__ import annotations

import html
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import ipywidgets

from samnb.engine import queue
from samnb.engine.session import Session
from samnb.events.concepts import ConceptTask
from samnb.types import Role, Worker
from samnb.widgets.buttons import mark_pressed, show_if
from samnb.widgets.concept_desk import ConceptDesk
from samnb.widgets.concept_words import TASK_WORDS
from samnb.widgets.dashboards.page import ROOT, Dashboard, empty, group, growth_text
from samnb.widgets.jobs import Later, RunnerFactory, Thread, after
from samnb.widgets.keys import Desk
from samnb.widgets.snapshots import Banner
from samnb.widgets.studio import Studio

MASKLETS: Final = "masklets"
"""The task of the masklet loop; the others are those of the concept loop."""
TASKS: Final = {MASKLETS: "Masklets", **{t.value: words for t, words in TASK_WORDS.items()}}
WHAT: Final = {
    MASKLETS: "Does the masklet follow its object well on all frames?",
    ConceptTask.MV.value: "Is each mask what the phrase names, and good?",
    ConceptTask.EV.value: "Is everything that the phrase names masked?",
    ConceptTask.CORRECT.value: "Repair what is not exhaustive.",
    ConceptTask.CONFIRM.value: "Videos once more after correction.",
}
NOTHING: Final = (
    "Nothing waits for you",
    "What you made yourself is verified by somebody else; what was decided is on the statistics "
    "page. This page looks again every few seconds and shows new work by itself.",
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for one worker.

    Attributes:
        counts: by task.
        has_videos: whether pairs are about videos, which are confirmed.
    """

    counts: dict[str, int]
    has_videos: bool = False

    @property
    def first(self) -> str | None:
        """The first task that has something, in the order of the page."""
        return next((task for task in TASKS if self.counts.get(task)), None)


def count_waiting(session: Session) -> Waiting:
    """Count what a worker could be handed now; nothing is claimed."""
    state, now_s, who = session.state, session.clock(), session.worker.id
    loop = session.concepts
    counts = {MASKLETS: len(queue.waiting(state, Role.VERIFIER, who, now_s))}
    counts |= {task.value: loop.waiting(task) for task in ConceptTask}
    return Waiting(counts, bool(loop.state.videos & {p.item.media_id for p in
                                                     loop.state.pairs.values()}))  # fmt: skip


class Review(Dashboard):
    """One place for verification of masklets, MV, EV and correction.

    The desks are those of ``samnb studio`` and ``samnb desk``; what is held is given back
    when another task is chosen.

    Args:
        session: the worker's session.
        where: the project, for people.
        note: something that is true of the whole page.
        max_height: tallest picture, in window pixels.
        runners: makes its threads; tests pass one that works in the caller.
        later: calls work after a delay.
    """

    def __init__(
        self,
        session: Session,
        *,
        where: str | Path = "",
        note: str = "",
        max_height: int = 480,
        runners: RunnerFactory = Thread,
        later: Later = after,
    ) -> None:
        super().__init__("Review", str(where), note=note, runners=runners, later=later)
        self.session, self._runners, self._max_height = session, runners, max_height
        self.task: str | None = None
        self._studio: Studio | None = None
        self._desk: ConceptDesk | None = None
        self.worker = ipywidgets.Text(
            value=session.worker.id, description="You are", continuous_update=False
        )
        self.worker.observe(self._worker_changed, "value")
        self.top.children = (self.heading, self.worker, self.status)
        self.buttons = {task: ipywidgets.Button() for task in TASKS}
        for task, button in self.buttons.items():
            button.add_class("samnb-button").add_class(f"samnb-task-{task}")
            button.tooltip = WHAT[task]
            button.on_click(lambda _b, task=task: self.do(lambda: self.choose(task)))
        self.what = ipywidgets.HTML().add_class("samnb-faint")
        self.place = ipywidgets.Box([]).add_class("samnb-body")
        tabs = group([*self.buttons.values(), self.what]).add_class("samnb-tabs")
        self.body.children = (tabs, self.place)
        self.widget.add_class("samnb-review")
        self.start()

    # -- listening ---------------------------------------------------------------

    def choose(self, task: str) -> None:
        """Go to the desk of a task; on the page thread."""
        if task == self.task:
            return
        self.task = task
        self.what.value = html.escape(WHAT[task])
        if task == MASKLETS:
            self._leave_desk()
            self.place.children = (self._verify().widget,)
        else:
            self._leave_studio()
            self.place.children = (self._sit_at(ConceptTask(task)).widget,)
        for name, button in self.buttons.items():
            mark_pressed(button, name == task)

    def _worker_changed(self, change: dict[str, Any]) -> None:
        name = str(change["new"]).strip()
        if name and name != self.session.worker.id:
            self.do(lambda: self._become(name))

    def _become(self, name: str) -> None:
        self.session = self.session.as_worker(Worker(name))
        for desk in (self._studio, self._desk):
            if desk is not None:
                desk.controller.do(partial(desk.controller.set_worker, name))
        self.tell(Banner(f"You are {name} now", "done"))
        self.work.post_latest("look", self.look)

    # -- desks: on the page thread --------------------------------------------------

    def _verify(self) -> Studio:
        if self._studio is None:
            self._studio = Studio(
                self.session,
                desk=Desk.VERIFY,
                max_height=self._max_height,
                runners=self._runners,
                later=self._later,
            )
            self._studio.stage.surface.root_class = ROOT
        else:
            controller = self._studio.controller
            controller.do(lambda: controller.set_desk(Desk.VERIFY))
        return self._studio

    def _leave_studio(self) -> None:
        if self._studio is not None:  # on its other side it holds nothing
            controller = self._studio.controller
            controller.do(lambda: controller.set_desk(Desk.ANNOTATE))

    def _sit_at(self, task: ConceptTask) -> ConceptDesk:
        if self._desk is None:
            self._desk = ConceptDesk(
                self.session,
                task,
                max_height=self._max_height,
                runners=self._runners,
                later=self._later,
            )
            self._desk.stage.surface.root_class = ROOT
        else:
            controller = self._desk.controller
            controller.do(lambda: controller.set_task(task))
        return self._desk

    def _leave_desk(self) -> None:
        if self._desk is not None:
            self.place.children = ()
            self._desk.close()
            self._desk = None

    # -- looking -------------------------------------------------------------------

    def look(self) -> None:
        """Count what waits."""
        self.session.refresh()
        found = count_waiting(self.session)
        saved = self.session.saved
        self.do(lambda: self._show(found, growth_text(saved.seq, saved.at_s)))

    def _show(self, now: Waiting, growth: str) -> None:
        for task, button in self.buttons.items():
            button.description = f"{TASKS[task]} · {now.counts[task]}"
        confirm = ConceptTask.CONFIRM.value
        show_if(self.buttons[confirm], now.has_videos or now.counts[confirm] > 0)
        self.status.value = html.escape(growth)
        if self.task is None and now.first is not None:
            self.choose(now.first)
        elif self.task is None and not self.place.children:
            self.place.children = (empty(*NOTHING),)

    def close(self) -> None:
        """Give back what is held, stop all threads and take the page away; the session
        stays open."""
        self._leave_desk()
        self._leave_studio()
        if self._studio is not None:
            self._studio.close()
        super().close()
