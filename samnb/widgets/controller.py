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

from samnb.engine.flow import label
from samnb.engine.session import Session
from samnb.engine.state import ItemState
from samnb.types import SamnbError, Step, Worker
from samnb.widgets import intents as wants
from samnb.widgets.attendance import Attendance
from samnb.widgets.camera import Camera, window_for
from samnb.widgets.edits import Edits
from samnb.widgets.intents import Gesture, Intent, Tool, View
from samnb.widgets.jobs import Later, RunnerFactory, Thread, Work, after
from samnb.widgets.keys import Desk
from samnb.widgets.player import Player
from samnb.widgets.projector import Projector
from samnb.widgets.reviewing import Reviewing
from samnb.widgets.scene import Scene, build
from samnb.widgets.snapshots import Banner, StudioSnapshot
from samnb.widgets.stage import to_gesture
from samnb.widgets.surface import Acked, KeyPressed, Sized, StrokeMade, SurfaceEvent, ViewMoved
from samnb.widgets.tools import nearest, press, reduce

_log = logging.getLogger("samnb.widgets")


class Controller:
    """One person at one project.

    Args:
        session: the worker's session.
        show: takes every new snapshot, on the page thread.
        take_note: returns the verifier's note and empties the field.
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
        take_note: Callable[[], str] = str,
        runners: RunnerFactory = Thread,
        later: Later = after,
        clock: Callable[[], float] = time.monotonic,
        max_height: int = 560,
    ) -> None:
        self.session = session
        self._show, self._take_note, self._tallest = show, take_note, max_height
        self.page = runners("samnb-page", self.fail)
        make = [runners(f"samnb-{name}", self._fail_from_afar) for name in ("edits", "track")]
        self.edits = Edits(session, self.page, make[0], make[1], self.tell, self.refresh, clock)
        pictures = runners("samnb-pictures", self._fail_from_afar)
        self._projector = Projector(session, self.page, pictures, self.refresh)
        self._reviewing = Reviewing(session, clock)
        self._attendance = Attendance(self.edits, self.page, later)
        self._player = Player(self._play_on, self.page, later, clock)
        self.view = View()
        self.camera: Camera | None = None
        self.media_id: str | None = None
        self.is_only_chosen = False
        self._width, self._ratio, self._room = 640, 1.0, max_height
        self._banner: Banner | None = None
        self._hidden: frozenset[str] = frozenset()
        self._deleted: tuple[str, int] | None = None
        self._unsubscribe = session.subscribe(lambda _events: self._log_grew())

    # -- called from anywhere ------------------------------------------------------

    def start(self) -> None:
        """Open where this worker left off and keep an eye on what others do."""
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
        self.media_id, self.camera = media_id, None
        if media_id is not None:
            size_hw = self.session.media(media_id).size_hw
            self.camera = Camera.fitted(self._window(size_hw), size_hw)
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
            self.open_media(self.media_id or self._first_media(), self.view.item_id)

    def set_worker(self, name: str) -> None:
        """Go on as somebody else, on the same project."""
        name = name.strip()
        if not name or name == self.session.worker.id:
            return
        self._reviewing.release()
        self._unsubscribe()
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
        elif isinstance(event, StrokeMade) and self.camera is not None:
            gesture = to_gesture(event, self.camera)
            if gesture is not None:
                self._reduce(reduce(self.view, gesture))
        elif isinstance(event, ViewMoved) and self.camera is not None:
            self.camera = self.camera.zoomed(event.factor, event.uv).moved(event.duv)
            self.refresh()
        elif isinstance(event, Sized):
            self._width, self._ratio = max(event.width, 200), min(event.ratio, 2.0)
            self._room = min(self._tallest, max(round(event.room * 0.55), 280))
            if self.camera is not None:
                self.camera = self.camera.resized(self._window(self.camera.size_hw))
            self.refresh()
        elif isinstance(event, Acked):
            self._player.acked()

    def _reduce(self, result: tuple[View, Intent | None]) -> None:
        self.view, intent = result
        if intent is not None:
            if not isinstance(intent, wants.GoTo | wants.Zoom | wants.Play):
                self._banner = None
            self._carry_out(intent)
        self.refresh()

    def _carry_out(self, intent: Intent) -> None:
        edits, session = self.edits, self.session
        match intent:
            case wants.GoTo(frame_idx):
                self.view = replace(self.view, frame_idx=frame_idx)
            case wants.SelectObject(item_id):
                self.view = replace(self.view, item_id=item_id)
            case wants.Zoom(factor) if self.camera is not None:
                self.camera = self.camera.zoomed(factor)  # 0 ends at the whole picture
            case wants.Play(is_playing):
                self._play(is_playing)
            case wants.Say(text):
                self._banner = Banner(text)
            case wants.SetPrompts(item_id, frame_idx, prompts):
                if self._may_predict(item_id):
                    edits.set_prompts(item_id or self._new_object(), frame_idx, prompts)
            case wants.PaintStroke(item_id, frame_idx, stroke):
                if self._may_edit(item_id):
                    edits.paint(item_id or self._new_object(), frame_idx, stroke)
            case wants.MarkAbsent(absent_id, frame_idx):
                if self._may_edit(absent_id):
                    edits.run(lambda: session.mark_absent(absent_id, frame_idx))
            case wants.ClearFrame(clear_id, frame_idx):
                if self._may_edit(clear_id):
                    edits.run(lambda: session.clear_frame(clear_id, frame_idx))
            case wants.Undo(item_id, frame_idx):
                if self._deleted is not None:
                    self._undelete()
                else:
                    edits.undo(item_id, frame_idx, is_redo=False)
            case wants.Redo(item_id, frame_idx):
                edits.undo(item_id, frame_idx, is_redo=True)
            case wants.NewObject():
                self._new_object()
            case wants.Propagate(start, stop) if self.media_id is not None:
                chosen = self.view.item_id if self.is_only_chosen else None
                edits.propagate(self.media_id, [chosen] if chosen else None, start, stop)
            case wants.Cancel():
                if not edits.cancel() and self.view.is_playing:
                    self._play(False)
            case wants.Submit(item_id):
                edits.submit(item_id, label(session.item(item_id).item))
            case wants.Judge(_, kind):
                self._review(self._reviewing.judge(kind, self._take_note(), self.view.frame_idx))
            case wants.Skip():
                self._review(self._reviewing.skip())
        if not isinstance(intent, wants.GoTo | wants.Play | wants.Zoom | wants.Say):
            self._deleted = None

    def _may_edit(self, item_id: str | None) -> bool:
        if self.media_id is None:
            return False
        if item_id is None or self.session.item(item_id).step is Step.TRACK:
            return True
        name = label(self.session.item(item_id).item)
        self._banner = Banner(
            f"{name} was handed in already", "info", "Reopen it", lambda: self.do(self.reopen)
        )
        return False

    def _may_predict(self, item_id: str | None) -> bool:
        if self.edits.is_running:
            self._banner = Banner("The model is following objects. Esc stops it; the brush works")
            return False
        return self._may_edit(item_id)

    def _new_object(self) -> str:
        if self.media_id is None:
            raise SamnbError("add a video or an image first")
        item = self.session.add_item(self.media_id)
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
        view = self.view
        is_at_end = bool(view.frames) and view.frame_idx >= view.frames[-1]
        start = view.frames[0] if is_playing and is_at_end else view.frame_idx
        self.view = replace(view, is_playing=is_playing, frame_idx=start)
        if is_playing:
            project = self.session.state.project
            self._player.rate_fps = project.annotation_fps if project else 6.0
            self._player.start()
        else:
            self._player.stop()

    def _play_on(self) -> bool:
        view = self.view
        at = nearest(view.frames, view.frame_idx) + 1
        is_more = at < len(view.frames)
        goal = view.frames[at] if is_more else view.frame_idx
        self.view = replace(view, frame_idx=goal, is_playing=is_more and at + 1 < len(view.frames))
        self.refresh()
        return self.view.is_playing

    def _review(self, item: ItemState | None) -> None:
        if item is None:
            self.view = replace(self.view, item_id=None)
        else:
            self.open_media(item.item.media_id, item.item.id)

    def _restore(self) -> None:
        cursor = self.session.state.cursors.get(self.session.worker.id)
        if cursor is None or cursor.media_id not in self.session.state.media:
            self.open_media(self._first_media())
        else:
            item = self.session.state.items.get(cursor.item_id or "")
            chosen = None if item is None or item.is_deleted else item.item.id
            self.open_media(cursor.media_id, chosen, cursor.frame_idx)
        self.refresh()

    def _first_media(self) -> str | None:
        return next(iter(self.session.state.media), None)

    def _log_grew(self) -> None:
        self.page.post_latest("log", self.refresh)

    def _window(self, size_hw: tuple[int, int]) -> tuple[int, int]:
        return window_for(self._width, size_hw, self._room)

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
            camera=self.camera,
            ratio=self._ratio,
            edits=self.edits,
            projector=self._projector,
            banner=self._banner,
        )
        self.view, snapshot = build(scene, self.view)
        self._show(snapshot)
        self._attendance.seeing((self.media_id, self.view.item_id, self.view.frame_idx))

    def _items(self) -> tuple[ItemState, ...]:
        if self.media_id is None:
            return ()
        items = self.session.state.items_of(self.media_id)
        if self.view.desk is Desk.VERIFY:
            return tuple(s for s in items if s.item.id == self._reviewing.item_id)
        return items
