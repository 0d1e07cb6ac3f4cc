"""The annotation page: the next object from the queue, the studio, hand in, the next one."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ipywidgets

from samnb.engine import queue
from samnb.engine.session import Session
from samnb.engine.state import ItemState, ProjectState
from samnb.events import Event, item_ids_of
from samnb.types import Role, Step
from samnb.widgets.concept_drafts import is_draft
from samnb.widgets.dashboards.page import ROOT, Dashboard, growth_text
from samnb.widgets.dashboards.tables import steps_html
from samnb.widgets.jobs import Later, RunnerFactory, Thread, after
from samnb.widgets.lanes import STEP_WORDS, title
from samnb.widgets.snapshots import Banner, feedback_of
from samnb.widgets.studio import Studio


@dataclass(frozen=True, slots=True)
class Supply:
    """What there is for one annotator.

    Attributes:
        n_waiting: objects that he or she could be handed.
        n_back: of them, those that a verifier sent back.
        n_mine: objects that this worker handed in.
        steps: words and number of all objects at each step.
    """

    n_waiting: int
    n_back: int
    n_mine: int
    steps: tuple[tuple[str, int], ...]


def count_supply(session: Session) -> Supply:
    """Count what waits for an annotator; nothing is claimed."""
    state, who = session.state, session.worker.id
    waiting = queue.waiting(state, Role.ANNOTATOR, who, session.clock())
    rows = [row for row in waiting if not is_draft(row.item)]
    items = objects(state)
    return Supply(
        len(rows),
        sum(feedback_of(row) is not None for row in rows),
        sum(any(p.worker_id == who for p in s.proposals) for s in items),
        tuple((words, sum(s.step is step for s in items)) for step, words in STEP_WORDS.items()),
    )


def objects(state: ProjectState) -> list[ItemState]:
    """The objects of a project that people see."""
    return [s for s in state.items.values() if not s.is_deleted and not is_draft(s.item)]


class Annotate(Dashboard):
    """The masklet loop for an annotator.

    What a verifier sent back comes first, then what others began or a grid proposed and a
    person has to finish; where nothing waits, the annotator picks objects by clicking them.

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
        max_height: int = 460,
        runners: RunnerFactory = Thread,
        later: Later = after,
    ) -> None:
        super().__init__("Annotate", str(where), note=note, runners=runners, later=later)
        self.studio = Studio(session, max_height=max_height, runners=runners, later=later)
        self.studio.stage.surface.root_class = ROOT
        self._passed: set[str] = set()
        self.item_id: str | None = None
        self.take = ipywidgets.Button(
            description="Next object", tooltip="Take the most urgent object of the queue"
        )
        self.take.add_class("samnb-button").add_class("samnb-primary").add_class("samnb-take")
        self.take.on_click(lambda _b: self.do(self.take_next))
        self.skip = ipywidgets.Button(
            description="Leave it", tooltip="Give the object back to the queue and take another"
        )
        self.skip.add_class("samnb-button").on_click(lambda _b: self.do(self.pass_on))
        self.in_hand = ipywidgets.HTML().add_class("samnb-in-hand")
        self.steps = ipywidgets.HTML()
        bar = ipywidgets.Box([self.take, self.skip, self.in_hand, self.steps])
        self.body.children = (bar.add_class("samnb-queue"), self.studio.widget)
        self.widget.add_class("samnb-annotate")
        self._unsubscribe = session.subscribe(self._log_grew)
        self.start()

    @property
    def session(self) -> Session:
        """The session of the worker who is at it now."""
        return self.studio.session

    # -- on the page thread ----------------------------------------------------------

    def take_next(self) -> None:
        """Claim the most urgent object and open it in the studio."""
        self._give_back()
        # What people draw while they correct pairs is an object too, but no work of this queue.
        every = self.session.state.items.values()
        drafts = {s.item.id for s in every if is_draft(s.item)}
        item = self.session.next(Role.ANNOTATOR, but=self._passed | drafts)
        if item is None and self._passed:  # all the rest was left: offer it again
            self._passed.clear()
            item = self.session.next(Role.ANNOTATOR, but=drafts)
        self.item_id = item.item.id if item else None
        if item is None:
            self.tell(Banner("Nothing waits for you: click an object in the picture to begin one"))
        else:
            self.tell(None)
            self._open(item)
        self.work.post_latest("look", self.look)

    def pass_on(self) -> None:
        """Leave the object to somebody else and take another."""
        if self.item_id is not None:
            self._passed.add(self.item_id)
        self.take_next()

    def _open(self, item: ItemState) -> None:
        controller = self.studio.controller
        feedback = feedback_of(item)
        frame_idx = feedback.frame_idx if feedback else None
        target = (item.item.media_id, item.item.id, frame_idx)
        controller.do(lambda: controller.open_media(*target))

    def _give_back(self) -> None:
        held, self.item_id = self.item_id, None
        if held is not None and self.session.state.items[held].step is Step.TRACK:
            self.session.release(held)

    # -- looking -----------------------------------------------------------------------

    def _log_grew(self, events: Sequence[Event]) -> None:
        held, me = self.item_id, self.session.worker.id
        if held and any(e.worker_id == me and held in item_ids_of(e.body) for e in events):
            self.work.post_latest("renew", lambda: self._renew(held))
        self.work.post_latest("look", self.look)

    def _renew(self, held: str) -> None:
        """Work on the object in hand keeps it in hand."""
        if held == self.item_id:
            self.session.renew(held, Role.ANNOTATOR)

    def look(self) -> None:
        """Count what waits, and see whether the object in hand was handed in."""
        session = self.session
        session.refresh()
        found = count_supply(session)
        saved = session.saved
        self.do(lambda: self._show(found, growth_text(saved.seq, saved.at_s)))

    def _show(self, now: Supply, growth: str) -> None:
        held = self.session.state.items.get(self.item_id or "")
        if held is not None and (held.step is not Step.TRACK or held.is_deleted):
            done = title(held)
            self.item_id = None
            if now.n_waiting:
                self.take_next()
            words = "taken away" if held.is_deleted else "handed in; somebody else verifies it"
            self.tell(Banner(f"{done} is {words}", "done"))
            held = self.session.state.items.get(self.item_id or "")
        self.status.value = html.escape(growth)
        self.take.description = f"Next object · {now.n_waiting}"
        self.take.disabled = now.n_waiting == 0
        self.skip.disabled = held is None
        back = f", {now.n_back} came back" if now.n_back else ""
        if held is not None:
            media = self.session.media(held.item.media_id)
            in_hand = f"In hand: <b>{html.escape(title(held))}</b> in {html.escape(media.name)}"
        elif now.n_waiting:
            in_hand = "Nothing in hand: take the next object, or click a new one in the picture"
        elif self.session.state.media:
            in_hand = "Nothing waits for you: click an object in the picture to begin one"
        else:
            in_hand = "Nothing waits for you: add a video or a picture first, at the right below"
        waiting = f"{now.n_waiting} waiting{back} · {now.n_mine} handed in by you"
        self.in_hand.value = f'{in_hand}<br><span class="samnb-faint">{waiting}</span>'
        self.steps.value = steps_html(now.steps, label="objects at each step")

    def close(self) -> None:
        """Give the object back, stop all threads and take the page away; the session stays
        open."""
        self._unsubscribe()
        self._give_back()
        self.studio.close()
        super().close()
