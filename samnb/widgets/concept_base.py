"""What every desk of the concept loop has: threads, a pair laid out, and a snapshot."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from samnb.engine.session import Session
from samnb.events.concepts import ConceptTask
from samnb.types import MvAnswer, SamnbError
from samnb.widgets.attendance import POLL_S
from samnb.widgets.concept_asking import Asking, reopened
from samnb.widgets.concept_correcting import Correcting
from samnb.widgets.concept_intake import Intake
from samnb.widgets.concept_scene import Fitted, Scene, build, fit
from samnb.widgets.concept_seen import Question, Seen
from samnb.widgets.concept_snapshots import DeskSnapshot
from samnb.widgets.concept_views import Darkroom, frames_of
from samnb.widgets.concept_words import DRAWING
from samnb.widgets.edits import Edits
from samnb.widgets.intents import View
from samnb.widgets.jobs import Later, RunnerFactory, Thread, Work, after
from samnb.widgets.player import Player
from samnb.widgets.projector import Projector
from samnb.widgets.snapshots import Banner
from samnb.widgets.tools import begin_to_play, play_on
from samnb.widgets.viewport import Viewport

_log = logging.getLogger("samnb.widgets")


class DeskBase:
    """A pair on the desk of one person, and how it is shown.

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
            for name in ("edits", "track", "shots", "pictures", "warm")
        }
        self.edits = Edits(
            session, self.page, make["edits"], make["track"], self.tell, self.refresh, clock
        )
        self._darkroom = Darkroom(session, self.page, make["shots"], self.refresh)
        self._projector = Projector(session, self.page, make["pictures"], self.refresh)
        self._warm = make["warm"]
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
        self._unsubscribe: Callable[[], None] = lambda: None

    @property
    def session(self) -> Session:
        """The session of the worker who is at it now."""
        return self.intake.loop.session

    # -- called from anywhere ------------------------------------------------------

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
        self._warm.close()
        self.page.close()

    # -- page thread: telling ------------------------------------------------------------

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

    # -- page thread: the pair on the desk -------------------------------------------------

    def _take_next(self) -> None:
        self.intake.take()
        self._put()

    def _put(self, given: Mapping[str, MvAnswer] | None = None) -> None:
        """Lay out what the intake holds now."""
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
            session = self.session
            self._warm.post_latest("model", lambda: session.tracker)  # loading it takes a while
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

    # -- page thread: what others do -----------------------------------------------------

    def _subscribe(self) -> Callable[[], None]:
        return self.session.subscribe(lambda _events: self.page.post_latest("log", self._news))

    def _poll(self) -> None:
        if not self._is_closed:
            self.edits.poll()
            self.page.post_latest("lease", self._keep)
            self._later(POLL_S, self._poll)

    def _keep(self) -> None:
        if not self._is_handing_in:
            self.intake.renew()

    def _news(self) -> None:
        if self._is_handing_in:
            return
        work = self.intake.work
        if work is not None and not self.intake.is_still_ours():
            self.intake.work = None
            self._banner = Banner(f"“{work.phrase}” was moved on by somebody else meanwhile")
            self._put()
        is_idle = self.intake.work is None and self._seen.is_watched(self._clock())
        if is_idle and self.intake.peek() is not None:
            self._take_next()
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
        self._seen.redrawn(tick, self._clock())
        if self.asking is not None and snapshot.stage.tiles:
            self._seen.drawn(self._question(), tick, self._clock())
