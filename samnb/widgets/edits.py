"""Everything that changes an object, in the order it was asked for, off the page thread."""

from __future__ import annotations

import threading
from collections.abc import Callable

from samnb.engine.session import Session
from samnb.types import FlowError, Prompt, Stroke
from samnb.widgets.jobs import Runner, Work
from samnb.widgets.snapshots import Banner, Progress, progress_of

Tell = Callable[[Banner | None], None]


class Edits:
    """Queues edits behind one another; of click lists for one frame the newest wins.

    Args:
        session: carries the edits out.
        page: results are posted there.
        work: runs edits, one at a time.
        track: runs propagation.
        tell: shows a banner; on the page thread.
        changed: something is new to show; on the page thread.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        session: Session,
        page: Runner,
        work: Runner,
        track: Runner,
        tell: Tell,
        changed: Work,
        clock: Callable[[], float],
    ) -> None:
        self.session = session
        self._page, self._work, self._track = page, work, track
        self._tell, self._changed, self._clock = tell, changed, clock
        self.pending: dict[tuple[str, int], tuple[Prompt, ...]] = {}
        self.progress: Progress | None = None
        self._cancel: threading.Event | None = None
        self._n_running = 0

    @property
    def is_busy(self) -> bool:
        """Whether an answer is being waited for (propagation has its own bar)."""
        return bool(self.pending) or self._n_running > 0

    @property
    def is_running(self) -> bool:
        """Whether a propagation is under way."""
        return self._cancel is not None

    def run(self, work: Work) -> None:
        """Run ``work`` after all edits before it."""
        self._n_running += 1

        def act() -> None:
            try:
                work()
            finally:
                self.on_page(self._ended)

        self._work.post(act)

    def on_page(self, work: Work) -> None:
        """Run ``work`` on the page thread and show what it changed."""

        def act() -> None:
            work()
            self._changed()

        self._page.post(act)

    def set_prompts(self, item_id: str, frame_idx: int, prompts: tuple[Prompt, ...]) -> None:
        """Show the prompts at once and predict; clicks made meanwhile go together."""
        session, key = self.session, (item_id, frame_idx)
        self.pending[key] = prompts

        def predict() -> None:
            newest = self.pending.get(key, prompts)
            try:
                session.set_prompts(item_id, frame_idx, newest)
            finally:
                self.on_page(lambda: self._settle(key, newest))

        self._work.post_latest(f"{item_id}:{frame_idx}", predict)

    def paint(self, item_id: str, frame_idx: int, stroke: Stroke) -> None:
        """Draw or erase."""
        session = self.session
        self.run(lambda: session.paint(item_id, frame_idx, stroke))

    def undo(self, item_id: str, frame_idx: int, is_redo: bool) -> None:
        """Take the newest change back, or do it again."""
        session = self.session

        def act() -> None:
            flip = session.redo if is_redo else session.undo
            if not flip(item_id, frame_idx):
                word = "redo" if is_redo else "undo"
                banner = Banner(f"Nothing to {word} for this object on this frame")
                self.on_page(lambda: self._tell(banner))

        self.run(act)

    def submit(self, item_id: str, name: str, allow_missing: bool = False) -> None:
        """Hand an object in; when frames lack an answer, offer to do it all the same."""
        session = self.session

        def act() -> None:
            try:
                session.submit(item_id, allow_missing=allow_missing)
            except FlowError as error:
                banner = Banner(str(error), "error")
                missing = session.missing_frames(item_id)
                n_frames = len(session.annotation_frames(session.item(item_id).item.media_id))
                if 0 < len(missing) < n_frames:
                    banner = Banner(
                        str(error),
                        "error",
                        "Hand in without them",
                        lambda: self._page.post(lambda: self.submit(item_id, name, True)),
                    )
            else:
                banner = Banner(f"{name} is handed in; somebody else verifies it now", "done")
            self.on_page(lambda: self._tell(banner))

        self.run(act)

    def propagate(self, media_id: str, item_ids: list[str] | None, start: int, stop: int) -> None:
        """Follow objects from ``start`` to ``stop``; finished frames appear as they come."""
        session, cancel = self.session, threading.Event()
        self._cancel, self.progress = cancel, Progress(0, 1, "Starting …")

        def tick(done: int, total: int) -> None:
            elapsed_s = self._clock() - began_s[0]
            news = progress_of(done, total, elapsed_s)
            self._page.post_latest("progress", lambda: self._step(news))

        began_s = [self._clock()]

        def follow() -> None:
            began_s[0] = self._clock()
            try:
                result = session.propagate(
                    media_id, item_ids, start=start, stop=stop, cancel=cancel, on_progress=tick
                )
            except BaseException:
                self.on_page(lambda: self._stopped(None))
                raise
            spent_s = self._clock() - began_s[0]
            word = "Stopped" if result.status == "cancelled" else "Done"
            text = f"{word}: {result.n_frames} frames in {spent_s:.1f} s, all kept"
            self.on_page(lambda: self._stopped(Banner(text, "done")))

        self._work.post(lambda: self._track.post(follow))  # after the clicks before it

    def remember(self, media_id: str, item_id: str | None, frame_idx: int) -> None:
        """Write down what is on the screen, so that the next visit opens there."""
        session = self.session
        self._work.post_latest("look", lambda: session.look(media_id, item_id, frame_idx))

    def poll(self) -> None:
        """Fetch what others wrote."""
        session = self.session

        def fetch() -> None:
            session.refresh()

        self._work.post_latest("poll", fetch)

    def cancel(self) -> bool:
        """Stop the propagation after its frame; False when none runs."""
        if self._cancel is None:
            return False
        self._cancel.set()
        if self.progress is not None:
            progress = self.progress
            self.progress = Progress(progress.done, progress.total, "Stopping …")
        return True

    def close(self) -> None:
        """Stop everything."""
        self.cancel()
        self._work.close()
        self._track.close()

    def _step(self, news: Progress) -> None:
        if self._cancel is not None and not self._cancel.is_set():
            self.progress = news
        self._changed()

    def _stopped(self, banner: Banner | None) -> None:
        self._cancel, self.progress = None, None
        if banner is not None:
            self._tell(banner)

    def _settle(self, key: tuple[str, int], prompts: tuple[Prompt, ...]) -> None:
        """A prediction is in the log or failed: its prompts need no preview any more."""
        if self.pending.get(key) is prompts:
            del self.pending[key]

    def _ended(self) -> None:
        self._n_running -= 1
