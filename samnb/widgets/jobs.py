"""Where the studio's work runs: one thread for the page, one for each kind of work.

Jupyter may deliver widget messages on the main thread, on a subshell's thread or,
under Voila, wherever the kernel runs. The studio therefore owns one page thread: every
gesture is handled and every widget changed there, one after the other, and nothing
slow happens there. Slow work runs on runners of its own; of what is posted under one
key only the newest waits, so a burst of scrubbing costs one frame, not thirty.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol, TypeAlias

Work: TypeAlias = Callable[[], object]
OnError: TypeAlias = Callable[[BaseException], None]


class Runner(Protocol):
    """Runs work in order, now or later."""

    def post(self, work: Work) -> None:
        """Run ``work`` after everything posted before it."""

    def post_latest(self, key: str, work: Work) -> None:
        """Like :meth:`post`, but replace what waits under the same key."""

    def close(self) -> None:
        """Stop after the work in hand."""


class Inline:
    """A runner without threads: work runs at once, in the caller. For tests and scripts.

    Work posted while work is running waits for its turn, as it would on a thread.
    """

    def __init__(self, on_error: OnError | None = None) -> None:
        self._waiting: deque[Work] = deque()
        self._latest: dict[str, Work] = {}
        self._is_running = False
        self._on_error = on_error

    def post(self, work: Work) -> None:
        """Run ``work``, or queue it when called from running work."""
        self._waiting.append(work)
        if self._is_running:
            return
        self._is_running = True
        try:
            while self._waiting:
                _guarded(self._waiting.popleft(), self._on_error)
        finally:
            self._is_running = False

    def post_latest(self, key: str, work: Work) -> None:
        """Like :meth:`post`; work of the same key that still waits is replaced."""
        is_waiting = key in self._latest
        self._latest[key] = work
        if not is_waiting:
            self.post(lambda: self._latest.pop(key)())

    def close(self) -> None:
        """Nothing to stop."""


class Thread:
    """A daemon thread with a queue; it starts with the first work.

    Args:
        name: shown in stack dumps.
        on_error: takes exceptions of posted work; without it they reach
            ``threading.excepthook``.
    """

    def __init__(self, name: str, on_error: OnError | None = None) -> None:
        self._name, self._on_error = name, on_error
        self._queue: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._latest: dict[str, Work] = {}
        self._is_closed = False

    def post(self, work: Work) -> None:
        """Run ``work`` on the thread."""
        with self._lock:
            if self._is_closed:
                return
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
        self._queue.put(work)

    def post_latest(self, key: str, work: Work) -> None:
        """Run ``work`` unless newer work under ``key`` comes before its turn."""
        with self._lock:
            is_waiting = key in self._latest
            self._latest[key] = work
        if not is_waiting:
            self.post(lambda: self._run_latest(key))

    def close(self) -> None:
        """Let the thread end after the work in hand; later posts are ignored."""
        with self._lock:
            self._is_closed = True
        self._queue.put(None)

    def _run_latest(self, key: str) -> None:
        with self._lock:
            work = self._latest.pop(key)
        work()

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            _guarded(work, self._on_error)


def _guarded(work: Work, on_error: OnError | None) -> None:
    if on_error is None:
        work()
        return
    try:
        work()
    except Exception as error:  # the thread must outlive any one piece of work
        on_error(error)


RunnerFactory: TypeAlias = Callable[[str, OnError], Runner]
"""``(name, on_error) -> Runner``; :class:`Thread` is one."""


def inline(_name: str, on_error: OnError) -> Runner:
    """A :data:`RunnerFactory` whose runners work in the caller."""
    return Inline(on_error)


Later: TypeAlias = Callable[[float, Work], None]
"""``(delay_s, work)``: call ``work`` after a while, on any thread."""


def after(delay_s: float, work: Work) -> None:
    """A :data:`Later` made of a daemon timer."""
    timer = threading.Timer(max(delay_s, 0.0), work)
    timer.daemon = True
    timer.start()
