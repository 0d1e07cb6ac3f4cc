"""Carries intents out against a session and says, as one snapshot, what to show.

All of its state belongs to the page thread. Predictions, propagation and pictures run
on runners of their own and come back as posted work, so the page answers while the
model thinks.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from samnb.engine.flow import label
from samnb.engine.session import Session
from samnb.engine.state import ItemState
from samnb.types import SamnbError, Worker
from samnb.widgets import intents as wants
from samnb.widgets.attendance import Attendance, last_seen
from samnb.widgets.concept_drafts import is_draft
from samnb.widgets.edits import Edits
from samnb.widgets.intents import Gesture, Intent, Tool, View
from samnb.widgets.jobs import Later, RunnerFactory, Thread, Work, after
from samnb.widgets.keys import Desk
from samnb.widgets.permits import refuse
from samnb.widgets.player import Player
from samnb.widgets.projector import Projector
from samnb.widgets.reviewing import Reviewing
from samnb.widgets.scene import Scene, build
from samnb.widgets.snapshots import Banner, StudioSnapshot
from samnb.widgets.stage import to_gesture
from samnb.widgets.surface import Acked, KeyPressed, Sized, StrokeMade, SurfaceEvent, ViewMoved
from samnb.widgets.tools import begin_to_play, nearest, play_on, press, reduce
from samnb.widgets.viewport import Viewport

_log = logging.getLogger("samnb.widgets")


class Controller:
    """One person at one project.

    Args:
        session: the worker's session.
        show: takes every new snapshot, on the page thread.
        read_note: returns the verifier's note.
        runners: makes the page thread and its helpers.
        later: calls work after a delay.
        clock: seconds, monotonic; for speed and time spent.
        max_height: tallest picture, in window pixels.
    """

    def __init__(
        self,
        session: Session,
        show: Callable[[StudioSnapshot], None],
        *,
        read_note: Callable[[], str] = str,
        runners: RunnerFactory = Thread,
        later: Later = after,
        clock: Callable[[], float] = time.monotonic,
        max_height: int = 560,
    ) -> None:
        self.session = session
        self._show, self._read_note = show, read_note
        self.page = runners("samnb-page", self.fail)
        make = [runners(f"samnb-{name}", self._fail_from_afar) for name in ("edits", "track")]
        self.edits = Edits(session, self.page, make[0], make[1], self.tell, self.refresh, clock)
        pictures = runners("samnb-pictures", self._fail_from_afar)
        self._projector = Projector(session, self.page, pictures, self.refresh)
        self._reviewing = Reviewing(session, clock)
        self._attendance = Attendance(self.edits, self.page, later)
        self._player = Player(self._play_on, self.page, later, clock)
        self.view = View()
        self.viewport = Viewport(max_height)
        self.media_id: str | None = None
        self._banner: Banner | None = None
        self._hidden: frozenset[str] = frozenset()
        self._deleted: tuple[str, int] | None = None
        self._unsubscribe: Callable[[], None] = lambda: None

    # -- called from anywhere ------------------------------------------------------

    def start(self) -> None:
        """Open where this worker left off and keep an eye on what others do."""
        # Not before: what takes the snapshots is built by now.
        self._unsubscribe = self.session.subscribe(lambda _events: self._log_grew())
        self.page.post(self._restore)
        self._attendance.start()

    def on_surface(self, event: SurfaceEvent) -> None:
        """Take an event of the stage's surface."""
        self.page.post(lambda: self._take(event))

    def on_gesture(self, gesture: Gesture) -> None:
        """Take a gesture: a button's action, or one made by a script."""
        self.page.post(lambda: self._reduce(reduce(self.view, gesture)))

    def on_intent(self, intent: Intent) -> None:
        """Take an intent from a widget that knows exactly what is wanted."""
        self.page.post(lambda: self._reduce((self.view, intent)))

    def do(self, work: Work) -> None:
        """Run ``work`` on the page thread, then show what it changed."""
        self.edits.on_page(work)

    def close(self) -> None:
        """Stop everything; a running propagation ends after its frame."""
        self._attendance.close()
        self._player.stop()
        self._unsubscribe()
        self.edits.close()
        self._projector.close()
        self.page.close()

    # -- page thread: choosing what to look at -------------------------------------

    def open_media(
        self, media_id: str | None, item_id: str | None = None, frame_idx: int | None = None
    ) -> None:
        """Show a medium, at the object and frame given or at its start."""
        frames: tuple[int, ...] = ()
        size_hw = (0, 0)
        self.media_id = media_id
        self.viewport.open(None)
        if media_id is not None:
            size_hw = self.session.media(media_id).size_hw
            self.viewport.open(size_hw)
            frames = self.session.annotation_frames(media_id)
            items = self.session.state.items_of(media_id)
            if item_id is None and items:
                item_id = items[0].item.id
        at = nearest(frames, frame_idx or 0)
        self.view = replace(
            self.view,
            frames=frames,
            frame_idx=frames[at] if frames else 0,
            item_id=item_id,
            size_hw=size_hw,
            radius=max(round(max(size_hw) / 60), 3),
            is_playing=False,
        )

    def set_desk(self, desk: Desk) -> None:
        """Change sides: annotate, or verify what others made."""
        self._reviewing.release()
        self._banner = None
        self.view = replace(self.view, desk=desk, tool=Tool.CLICK, is_playing=False)
        if desk is Desk.VERIFY:
            self._review(self._reviewing.take())
        else:
            media_id = self.media_id or next(iter(self.session.state.media), None)
            self.open_media(media_id, self.view.item_id)

    def set_worker(self, name: str) -> None:
        """Go on as somebody else, on the same project."""
        name = name.strip()
        if not name or name == self.session.worker.id:
            return
        self._reviewing.release()
        self._unsubscribe()
        if not self.edits.is_running:  # the model's memory of the video is not needed twice
            self.edits.run(self.session.free_model)
        self.session = self.session.as_worker(Worker(name))
        self._unsubscribe = self.session.subscribe(lambda _events: self._log_grew())
        self._projector.session = self.edits.session = self._reviewing.session = self.session
        self._banner = Banner(f"You are {name} now", "done")
        if self.view.desk is Desk.VERIFY:
            self._review(self._reviewing.take())

    def add_media(self, path: str) -> None:
        """Add a file or folder and show it; reading happens off the page thread."""

        def add() -> None:
            media = self.session.add_media(path.strip())
            self.do(lambda: self.open_media(media.id))

        self.edits.run(add)

    def rename(self, item_id: str, name: str) -> None:
        """Give an object a name."""
        self.session.rename_item(item_id, name.strip())

    def delete(self, item_id: str) -> None:
        """Take an object away; the next undo brings it back."""
        name = label(self.session.item(item_id).item)
        self.session.delete_item(item_id)
        self._deleted = (item_id, self.view.frame_idx)
        self._banner = Banner(f"{name} deleted", offer="Undo", act=lambda: self.do(self._undelete))

    def toggle_hidden(self, item_id: str) -> None:
        """Hide or show one object's masks."""
        self._hidden ^= {item_id}

    def set_opacity(self, opacity: float) -> None:
        """Draw masks fainter or stronger."""
        self.view = replace(self.view, opacity=opacity)

    def set_scope(self, is_only_chosen: bool) -> None:
        """Propagate the chosen object alone, or all."""
        self.view = replace(self.view, is_only_chosen=is_only_chosen)

    def set_new_phase(self, number: int) -> None:
        """Annotate new objects in another of the three phases."""
        self.view = replace(self.view, new_phase=number)

    def reopen(self) -> None:
        """Take the chosen object back to tracking."""
        if self.view.item_id is not None:
            self.session.reopen(self.view.item_id, "reopened in the studio")
            self._banner = None

    def tell(self, banner: Banner | None) -> None:
        """Show one line above the picture, or take it away."""
        self._banner = banner

    def fail(self, error: BaseException) -> None:
        """Show an error; what samnb did not raise on purpose is also logged."""
        text = str(error)
        if not isinstance(error, SamnbError):
            _log.error("studio: %s", error, exc_info=error)
            text = f"{type(error).__name__}: {error}"
        self._banner = Banner(text, "error")
        try:
            self.refresh()
        except Exception as broken:  # the page itself fails: the thread must live on
            _log.error("studio: cannot show an error: %s", broken, exc_info=broken)

    # -- page thread: events -----------------------------------------------------------

    def _take(self, event: SurfaceEvent) -> None:
        if isinstance(event, KeyPressed):
            self._reduce(press(self.view, event.key))
        elif isinstance(event, StrokeMade) and self.viewport.camera is not None:
            gesture = to_gesture(event, self.viewport.camera)
            if gesture is not None:
                self._reduce(reduce(self.view, gesture))
        elif isinstance(event, ViewMoved):
            self.viewport.move(event)
            self.refresh()
        elif isinstance(event, Sized):
            self.viewport.resize(event)
            self.refresh()
        elif isinstance(event, Acked):
            self._player.acked()

    def _reduce(self, result: tuple[View, Intent | None]) -> None:
        self.view, intent = result
        if intent is not None:
            if not isinstance(intent, wants.GoTo | wants.Zoom | wants.Play):
                self._banner = None
            refusal = refuse(intent, self.view, self._items())
            if refusal is None:
                self._carry_out(intent)
            else:
                self._banner = Banner(refusal.text)
                if refusal.can_reopen:
                    reopen = partial(self.do, self.reopen)
                    self._banner = Banner(refusal.text, offer="Reopen it", act=reopen)
        self.refresh()

    def _carry_out(self, intent: Intent) -> None:
        edits, session = self.edits, self.session
        match intent:
            case wants.GoTo(frame_idx):
                self.view = replace(self.view, frame_idx=frame_idx)
            case wants.SelectObject(item_id):
                self.view = replace(self.view, item_id=item_id)
            case wants.Zoom(factor):
                self.viewport.zoom(factor)
            case wants.Play(is_playing):
                self._play(is_playing)
            case wants.Say(text):
                self._banner = Banner(text)
            case wants.SetPrompts(item_id, frame_idx, prompts):
                edits.set_prompts(item_id or self._new_object(), frame_idx, prompts)
            case wants.PaintStroke(item_id, frame_idx, stroke):
                edits.paint(item_id or self._new_object(), frame_idx, stroke)
            case wants.MarkAbsent(absent_id, frame_idx):
                edits.run(lambda: session.mark_absent(absent_id, frame_idx))
            case wants.ClearFrame(clear_id, frame_idx):
                edits.run(lambda: session.clear_frame(clear_id, frame_idx))
            case wants.Undo(item_id, frame_idx):
                if self._deleted is not None:
                    self._undelete()
                elif item_id is None:
                    self._banner = Banner("Choose or make an object first")
                else:
                    edits.undo(item_id, frame_idx, is_redo=False)
            case wants.Redo(item_id, frame_idx):
                edits.undo(item_id, frame_idx, is_redo=True)
            case wants.NewObject():
                self._new_object()
            case wants.Propagate(start, stop) if self.media_id is not None:
                chosen = self.view.item_id if self.view.is_only_chosen else None
                edits.propagate(self.media_id, [chosen] if chosen else None, start, stop)
            case wants.Cancel():
                if not edits.cancel() and self.view.is_playing:
                    self._play(False)
            case wants.Submit(item_id):
                edits.submit(item_id, label(session.item(item_id).item))
            case wants.Judge(_, kind):
                self._review(self._reviewing.judge(kind, self._read_note(), self.view.frame_idx))
            case wants.Skip():
                self._review(self._reviewing.skip())
        if not isinstance(intent, wants.GoTo | wants.Play | wants.Zoom | wants.Say):
            self._deleted = None

    def _new_object(self) -> str:
        if self.media_id is None:
            raise SamnbError("add a video or an image first")
        item = self.session.add_item(self.media_id, phase=self.view.new_phase)
        self.view = replace(self.view, item_id=item.id, prompts=())
        return item.id

    def _undelete(self) -> None:
        if self._deleted is not None:
            item_id, frame_idx = self._deleted
            self._deleted = self._banner = None
            self.session.undo(item_id, frame_idx)
            self.view = replace(self.view, item_id=item_id)

    # -- page thread: playing, reviewing, restoring -------------------------------------

    def _play(self, is_playing: bool) -> None:
        self.view = begin_to_play(self.view, is_playing)
        if is_playing:
            project = self.session.state.project
            self._player.rate_fps = project.annotation_fps if project else 6.0
            self._player.start()
        else:
            self._player.stop()

    def _play_on(self) -> bool:
        self.view = play_on(self.view)
        self.refresh()
        return self.view.is_playing

    def _review(self, item: ItemState | None) -> None:
        if item is None:
            self.view = replace(self.view, item_id=None)
        else:
            self.open_media(item.item.media_id, item.item.id)

    def _restore(self) -> None:
        self.open_media(*last_seen(self.session.state, self.session.worker.id))
        if self.session.model_note:
            self._banner = Banner(self.session.model_note)
        self.refresh()

    def _log_grew(self) -> None:
        self.page.post_latest("log", self.refresh)

    def _fail_from_afar(self, error: BaseException) -> None:
        self.page.post(lambda: self.fail(error))

    # -- page thread: showing --------------------------------------------------------------

    def refresh(self) -> None:
        """Bring view, pictures and widgets in line with the log and what was done."""
        scene = Scene(
            session=self.session,
            media_id=self.media_id,
            items=self._items(),
            hidden=self._hidden,
            camera=self.viewport.camera,
            ratio=self.viewport.ratio,
            edits=self.edits,
            projector=self._projector,
            banner=self._banner,
            has_deleted=self._deleted is not None,
        )
        self.view, snapshot = build(scene, self.view)
        self._show(snapshot)
        self._attendance.seeing((self.media_id, self.view.item_id, self.view.frame_idx))

    def _items(self) -> tuple[ItemState, ...]:
        if self.media_id is None:
            return ()
        every = self.session.state.items_of(self.media_id)
        items = tuple(s for s in every if not is_draft(s.item))
        if self.view.desk is Desk.VERIFY:
            return tuple(s for s in items if s.item.id == self._reviewing.item_id)
        return items
