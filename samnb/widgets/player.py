"""Playing: one step, wait until the browser has shown it, then the next when it is due."""

from __future__ import annotations

from collections.abc import Callable

from samnb.widgets.jobs import Later, Runner


class Player:
    """Steps at a steady rate, but never faster than the browser can show.

    A browser tab in the background answers nothing, so playing pauses there by itself.

    Args:
        step: shows the next frame; returns False at the end.
        page: the page thread, where ``step`` runs.
        later: calls work after a delay.
        clock: seconds, monotonic.
    """

    def __init__(
        self, step: Callable[[], bool], page: Runner, later: Later, clock: Callable[[], float]
    ) -> None:
        self._step, self._page, self._later, self._clock = step, page, later, clock
        self.rate_fps = 6.0
        self._is_playing = self._is_waiting = False
        self._due_s = 0.0

    def start(self) -> None:
        """Begin to play."""
        self._is_playing = True
        self._due_s = self._clock()
        self._advance()

    def stop(self) -> None:
        """Stop where it is."""
        self._is_playing = self._is_waiting = False

    def acked(self) -> None:
        """The browser has shown what was drawn last; on the page thread."""
        if self._is_playing and self._is_waiting:
            self._is_waiting = False
            delay_s = self._due_s - self._clock()
            self._later(delay_s, lambda: self._page.post(self._advance))

    def _advance(self) -> None:
        if not self._is_playing:
            return
        self._due_s = max(self._due_s, self._clock() - 0.1) + 1 / self.rate_fps
        self._is_waiting = True
        if not self._step():
            self.stop()
