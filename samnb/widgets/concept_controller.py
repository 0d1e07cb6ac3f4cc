"""One person at the pairs: acts in, snapshots out.

All of its state belongs to the page thread; what it holds is a claimed pair, the answers
in hand and a view. Everything else is read from the log.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from samnb.engine.session import Session
from samnb.events.concepts import ConceptTask, Corrected
from samnb.types import EvAnswer, MvAnswer, SamnbError, Worker
from samnb.widgets.attendance import POLL_S
from samnb.widgets.concept_asking import Asking, answered, reopened, stepped_back
from samnb.widgets.concept_correcting import Correcting
from samnb.widgets.concept_drawing import draw
from samnb.widgets.concept_intake import Intake
from samnb.widgets.concept_keys import Act, Want, act_of
from samnb.widgets.concept_scene import Fitted, Scene, build, fit
from samnb.widgets.concept_seen import Question, Seen
from samnb.widgets.concept_snapshots import DeskSnapshot
from samnb.widgets.concept_views import Darkroom, frames_of
from samnb.widgets.concept_words import DRAWING, TASK_WORDS, answer_words
from samnb.widgets.edits import Edits
from samnb.widgets.intents import Gesture, GoTo, Intent, Play, Pressed, Say, View
from samnb.widgets.intents import Zoom as ZoomBy
from samnb.widgets.jobs import Later, RunnerFactory, Thread, Work, after
from samnb.widgets.keys import Action, Desk
from samnb.widgets.player import Player
from samnb.widgets.projector import Projector
from samnb.widgets.snapshots import Banner
from samnb.widgets.stage import to_gesture
from samnb.widgets.surface import Acked, KeyPressed, Sized, StrokeMade, SurfaceEvent, ViewMoved
from samnb.widgets.tools import begin_to_play, play_on, reduce
from samnb.widgets.viewport import Viewport

_log = logging.getLogger("samnb.widgets")


class ConceptController:
    """One person at one desk of the concept loop.

    Args:
        session: the worker's session.
        show: takes every new snapshot, on the page thread, and returns the number of the
            drawing that the browser will acknowledge.
        task: "mv", "ev", "correct" or "confirm".
        runners: makes the page thread and its helpers; ``later`` calls work after a delay.
        clock: seconds, monotonic.
        max_height: tallest picture, in window pixels.
        note: something that is true of the whole page, shown on top of it.
    """

    def __init__(
        self,
        session: Session,
        show: Callable[[DeskSnapshot], int],
        task: ConceptTask | str = ConceptTask.MV,
        *,
        runners: RunnerFactory = Thread,
        later: Later = after,
        clock: Callable[[], float] = time.monotonic,
        max_height: int = 560,
        note: str = "",
    ) -> None:
        self._show, self._later, self._clock, self._note = show, later, clock, note
        self.page = runners("samnb-page", self.fail)
        make = {
            name: runners(f"samnb-{name}", self._fail_from_afar)
            for name in ("edits", "track", "shots", "pictures")
        }
        self.edits = Edits(
            session, self.page, make["edits"], make["track"], self.tell, self.refresh, clock
        )
        self._darkroom = Darkroom(session, self.page, make["shots"], self.refresh)
        self._projector = Projector(session, self.page, make["pictures"], self.refresh)
        self._player = Player(self._play_on, self.page, later, clock)
        self.intake = Intake(session.concepts, ConceptTask(task))
        self.asking: Asking | None = None
        self.correcting: Correcting | None = None
        self.view = View()
        self.viewport = Viewport(max_height)
        self._banner: Banner | None = None
        self._is_handing_in = self._is_closed = False
        self._fitted: Fitted = None
        self._seen = Seen()
        self._unsubscribe = self._subscribe()

    @property
    def session(self) -> Session:
        """The session of the worker who is at it now."""
        return self.intake.loop.session

    # -- called from anywhere ------------------------------------------------------

    def start(self) -> None:
        """Take the first pair and keep an eye on what others do."""
        self.do(lambda: self._put(self.intake.take()))
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

    def do(self, work: Work) -> None:
        """Run ``work`` on the page thread, then show what it changed."""
        self.edits.on_page(work)

    def close(self) -> None:
        """Stop everything and give the pair back."""
        self._is_closed = True
        self._player.stop()
        self._unsubscribe()
        self.intake.release()
        self.edits.close()
        self._darkroom.close()
        self._projector.close()
        self.page.close()

    # -- page thread: who and what ---------------------------------------------------

    def set_task(self, task: ConceptTask) -> None:
        """Go to another desk."""
        if task is not self.intake.task:
            self.intake.release()
            self.intake.task, self._banner = task, None
            self.intake.passed.clear()
            self._put(self.intake.take())

    def set_worker(self, name: str) -> None:
        """Go on as somebody else, on the same project."""
        name = name.strip()
        if not name or name == self.session.worker.id:
            return
        self.intake.release()
        self._unsubscribe()
        session = self.session.as_worker(Worker(name))
        self.intake = Intake(session.concepts, self.intake.task)
        self._darkroom.session = self._projector.session = self.edits.session = session
        self._unsubscribe = self._subscribe()
        self._banner = Banner(f"You are {name} now", "done")
        self._put(self.intake.take())

    def put_back(self, row_id: str) -> None:
        """Bring a removed instance back."""
        if self.correcting is not None:
            self.correcting.put_back(row_id, self.view.frame_idx)

    def tell(self, banner: Banner | None) -> None:
        """Show one line above the picture, or take it away."""
        self._banner = banner

    def fail(self, error: BaseException) -> None:
        """Show an error; what samnb did not raise on purpose is also logged."""
        text = str(error)
        if not isinstance(error, SamnbError):
            _log.error("desk: %s", error, exc_info=error)
            text = f"{type(error).__name__}: {error}"
        self._banner, self._is_handing_in = Banner(text, "error"), False
        try:
            self.refresh()
        except Exception as broken:  # the page itself fails: the thread must live on
            _log.error("desk: cannot show an error: %s", broken, exc_info=broken)

    # -- page thread: events -----------------------------------------------------------

    def _take(self, event: SurfaceEvent) -> None:
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
            return
        self.refresh()

    def _press(self, act: Act) -> None:
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
        if want is Want.TAKE_BACK:
            self._take_back()
        elif self.intake.work is None:
            self._banner = Banner("Nothing is on the desk to answer")
        elif want is Want.SKIP:
            self._banner = None
            self._put(self.intake.skip())
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
        self._put(self.intake.take())

    def hand_in(self) -> None:
        """Hand the correction in; it answers when the edits under way are done."""
        if self.correcting is not None and not self._is_handing_in:
            self._is_handing_in = True
            self.correcting.hand_in(self.finish)

    def _take_back(self) -> None:
        if self.asking is not None and self.asking.answers:
            self.asking = stepped_back(self.asking)
            self._look_at_mask()
            return
        taken = self.intake.take_back()
        if taken is None:
            self._banner = Banner("You have no answer to take back")
            return
        body = taken.answer.body
        self._put(self.intake.work, taken.given)
        if isinstance(body, Corrected) and self.correcting is not None:
            self.correcting.bring_back(body)
        where = TASK_WORDS[taken.answer.task]
        text = f"Took back {answer_words(taken.answer)} on “{taken.pair.phrase}” at {where}"
        if self.intake.work is None:
            text += "; it is on somebody else's desk now"
        self._banner = Banner(text, "done")

    # -- page thread: the pair on the desk -------------------------------------------------

    def _put(self, _work: object, given: Mapping[str, MvAnswer] | None = None) -> None:
        """Lay out the pair that the intake holds."""
        self._player.stop()
        held = self.intake.work
        self.asking = self.correcting = None
        self._projector.want(None)
        self.viewport.open(None)
        self._fitted = None
        self._seen.forget()
        keep = self.view
        self.view = View(radius=keep.radius, opacity=keep.opacity, is_help_open=keep.is_help_open)
        if held is None:
            return
        if held.task in DRAWING:
            self.correcting = Correcting(self.intake.loop, held, self.edits)
            size_hw = self.session.media(held.media_id).size_hw
            self.viewport.open(size_hw)
            self.view = replace(self.view, size_hw=size_hw, radius=max(round(max(size_hw) / 60), 3))
        else:
            self.asking = reopened(held, given) if given else Asking(held)
        self._look_at_mask()

    def _look_at_mask(self) -> None:
        """Show the frame where the present question is looked at first."""
        work = self.intake.work
        if work is None:
            return
        mask = self.asking.mask if self.asking else None
        frames, idx = frames_of(self.session, work, mask)
        self.view = replace(self.view, frames=frames, frame_idx=idx, is_playing=False)

    def _question(self) -> Question | None:
        """What is asked now."""
        work = self.intake.work
        if work is None:
            return None
        n_answers = len(self.asking.answers) if self.asking else 0
        return work.pair_id, n_answers, int(work.until_s * 1000)

    def _play(self, is_playing: bool) -> None:
        self.view = begin_to_play(self.view, is_playing)
        project = self.session.state.project
        self._player.rate_fps = project.annotation_fps if project else 6.0
        (self._player.start if is_playing else self._player.stop)()

    def _play_on(self) -> bool:
        self.view = play_on(self.view)
        self.refresh()
        return self.view.is_playing

    # -- page thread: what others do ---------------------------------------------------------

    def _subscribe(self) -> Callable[[], None]:
        return self.session.subscribe(lambda _events: self.page.post_latest("log", self._news))

    def _poll(self) -> None:
        if not self._is_closed:
            self.edits.poll()
            self._later(POLL_S, self._poll)

    def _news(self) -> None:
        if self._is_handing_in:
            return
        work = self.intake.work
        if work is not None and not self.intake.is_still_ours():
            self.intake.work = None
            self._banner = Banner(f"“{work.phrase}” was moved on by somebody else meanwhile")
            self._put(self.intake.take())
        elif work is None and self.intake.peek() is not None:
            self._put(self.intake.take())
        self.refresh()

    def _fail_from_afar(self, error: BaseException) -> None:
        self.page.post(lambda: self.fail(error))

    # -- page thread: showing --------------------------------------------------------------

    def _fit(self) -> bool:
        """Open the window on the picture of a new question; True when it changed."""
        before, self._fitted = (
            self._fitted,
            fit(self.viewport, self._darkroom, self.asking, self.view, self._fitted),
        )
        return before != self._fitted

    def refresh(self) -> None:
        """Bring view, pictures and widgets in line with the log and what was done."""
        self._fit()
        scene = Scene(
            self.intake, self.asking, self.correcting, self.viewport.camera,
            self.viewport.ratio, self.edits, self._projector, self._darkroom, self._banner,
            self._note,
        )  # fmt: skip
        self.view, snapshot = build(scene, self.view)
        if self._fit():  # the picture has just been made, or changed its size
            self.view, snapshot = build(replace(scene, camera=self.viewport.camera), self.view)
        tick = self._show(snapshot)
        if self.asking is not None and snapshot.stage.tiles:
            self._seen.drawn(self._question(), tick, self._clock())
