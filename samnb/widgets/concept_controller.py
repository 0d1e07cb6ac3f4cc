"""One person at the pairs: acts in, snapshots out.

All of its state belongs to the page thread; what it holds is a claimed pair, the answers
in hand and a view. Everything else is read from the log.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from samnb.events.concepts import ConceptTask, Corrected
from samnb.types import EvAnswer, MvAnswer, SamnbError, Worker
from samnb.widgets.attendance import POLL_S
from samnb.widgets.concept_asking import Asking, answered, stepped_back
from samnb.widgets.concept_base import DeskBase
from samnb.widgets.concept_drawing import draw
from samnb.widgets.concept_intake import Intake, last_answer
from samnb.widgets.concept_keys import Act, Want, act_of
from samnb.widgets.concept_words import TASK_WORDS, answer_words
from samnb.widgets.intents import Gesture, GoTo, Intent, Play, Pressed, Say
from samnb.widgets.intents import Zoom as ZoomBy
from samnb.widgets.keys import Action, Desk
from samnb.widgets.snapshots import Banner
from samnb.widgets.stage import to_gesture
from samnb.widgets.surface import Acked, KeyPressed, Sized, StrokeMade, SurfaceEvent, ViewMoved
from samnb.widgets.tools import reduce


class ConceptController(DeskBase):
    """One person at one desk of the concept loop; made as :class:`DeskBase` is."""

    # -- called from anywhere ------------------------------------------------------

    def start(self) -> None:
        """Take the first pair and keep an eye on what others do."""
        self._unsubscribe = self._subscribe()  # not before: what is shown is built by now
        self.do(self._take_next)
        self._later(POLL_S, self._poll)

    def on_surface(self, event: SurfaceEvent) -> None:
        """Take an event of the stage's surface."""
        self.page.post(lambda: self._take(event))

    def press(self, act: Act) -> None:
        """Take an act of the key map."""
        self.do(lambda: self._press(act))

    def on_intent(self, intent: Intent) -> None:
        """Take an intent from a widget that knows exactly what is wanted."""
        self.do(lambda: self._carry_out(intent))

    # -- page thread: who and what ---------------------------------------------------

    def set_task(self, task: ConceptTask) -> None:
        """Go to another desk."""
        if task is not self.intake.task and not self._is_handing_in:
            self.intake.release()
            self.intake.task, self._banner = task, None
            self.intake.passed.clear()
            self._take_next()

    def set_worker(self, name: str) -> None:
        """Go on as somebody else, on the same project."""
        name = name.strip()
        if not name or name == self.session.worker.id or self._is_handing_in:
            return
        self.intake.release()
        self._unsubscribe()
        session = self.session.as_worker(Worker(name))
        self.intake = Intake(session.concepts, self.intake.task)
        self._darkroom.session = self._projector.session = self.edits.session = session
        self._unsubscribe = self._subscribe()
        self._banner = Banner(f"You are {name} now", "done")
        self._take_next()

    def put_back(self, row_id: str) -> None:
        """Bring a removed instance back."""
        if self.correcting is not None:
            self.correcting.put_back(row_id, self.view.frame_idx)

    # -- page thread: events -----------------------------------------------------------

    def _take(self, event: SurfaceEvent) -> None:
        if not isinstance(event, Acked | Sized):  # those come by themselves
            self.intake.touch()
        if isinstance(event, KeyPressed):
            act = act_of(event.key, self.intake.task)
            if act is not None:
                self._press(act)
        elif isinstance(event, StrokeMade):
            gesture = to_gesture(event, self.viewport.camera) if self.viewport.camera else None
            if gesture is not None:
                self._reduce(gesture)
        elif isinstance(event, ViewMoved):
            self.viewport.move(event)
        elif isinstance(event, Sized):
            self.viewport.resize(event)
        elif isinstance(event, Acked):
            self._player.acked()
            self._seen.acked(event.tick)
            if self.intake.work is not None:
                return
            self._news()
        self.refresh()

    def _press(self, act: Act) -> None:
        self.intake.touch()
        if isinstance(act, Want):
            self._want(act)
            return
        if act is Action.CANCEL and not self.view.is_help_open:
            self._darkroom.forget_problems()
            self._banner = None
        if self.correcting is not None and act in (Action.SUBMIT, Action.UNDO, Action.REDO):
            draw(self, Pressed(act), self.correcting)
        else:
            self._reduce(Pressed(act))

    def _reduce(self, gesture: Gesture) -> None:
        is_drawing = self.correcting is not None
        desk = Desk.ANNOTATE if is_drawing else Desk.VERIFY
        self.view, intent = reduce(replace(self.view, desk=desk), gesture)
        self._carry_out(intent)

    def _carry_out(self, intent: Intent | None) -> None:
        self.intake.touch()
        if isinstance(intent, Say):
            self._banner = Banner(intent.text)
        elif isinstance(intent, GoTo):
            self.view = replace(self.view, frame_idx=intent.frame_idx)
        elif isinstance(intent, ZoomBy):
            self.viewport.zoom(intent.factor)
        elif isinstance(intent, Play):
            self._play(intent.is_playing)
        elif intent is not None and self.correcting is not None:
            draw(self, intent, self.correcting)

    # -- page thread: answers ------------------------------------------------------------

    def _want(self, want: Want) -> None:
        if self._is_handing_in:
            self._banner = Banner("Handing in; one moment")
        elif want is Want.TAKE_BACK:
            self._take_back()
        elif self.intake.work is None:
            self._banner = Banner("Nothing is on the desk to answer")
        elif want is Want.SKIP:
            self._banner = None
            self.intake.skip()
            self._put()
        elif want is Want.REFUSE:
            self._refuse()
        elif self.correcting is not None:
            draw(self, want, self.correcting)
        elif self._seen.is_seen(self._question(), self._clock()) and self.asking is not None:
            self._answer(self.asking, want)
        else:
            self._banner = Banner("That key came before the picture; it did not count")

    def _answer(self, asking: Asking, want: Want) -> None:
        loop, pair_id = self.intake.loop, asking.work.pair_id
        self._banner = None
        if asking.work.task is ConceptTask.EV:
            loop.answer_ev(pair_id, EvAnswer(want.value))
        else:
            self.asking = answered(asking, MvAnswer(want.value))
            if not self.asking.is_complete:
                self._look_at_mask()
                return
            try:
                loop.answer_mv(pair_id, self.asking.by_key)
            except SamnbError:
                self.asking = asking
                raise
        self.finish()

    def _refuse(self) -> None:
        work = self.intake.work
        if work is not None:
            self.intake.loop.reject(work.pair_id, "cannot be masked")
            self._banner = Banner(f"“{work.phrase}” is rejected", "done")
            self.finish()

    def finish(self) -> None:
        """The pair on the desk has its answer: take the next."""
        self.intake.work, self._is_handing_in = None, False
        self._take_next()

    def hand_in(self) -> None:
        """Hand the correction in; it answers when the edits under way are done."""
        if self.correcting is not None and not self._is_handing_in:
            self._is_handing_in = True
            self.correcting.hand_in(self.finish)

    def _take_back(self, is_sure: bool = False) -> None:
        if self.asking is not None and self.asking.answers:
            self.asking = stepped_back(self.asking)
            self._look_at_mask()
            return
        last = last_answer(self.intake.loop.refresh(), self.session.worker.id)
        if last is None:
            self._banner = Banner("You have no answer to take back")
            return
        where = f"{answer_words(last.answer)} on “{last.pair.phrase}” at "
        where += TASK_WORDS[last.answer.task]
        if last.answer.task is not self.intake.task and not is_sure:
            act = partial(self.do, partial(self._take_back, True))
            self._banner = Banner(f"Your last answer was {where}", "info", "Take it back", act)
            return
        taken = self.intake.take_back()
        if taken is None:
            return
        body = taken.answer.body
        self._put(taken.given)
        if isinstance(body, Corrected) and self.correcting is not None:
            self.correcting.bring_back(body)
        text = f"Took back {where}"
        if self.intake.work is None:
            text += "; it is on somebody else's desk now"
        self._banner = Banner(text, "done")
