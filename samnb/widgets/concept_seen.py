"""Whether the browser has shown what is asked: fast fingers must not answer the next."""

from __future__ import annotations

from typing import Final, TypeAlias

UNSEEN_S: Final = 3.0
"""A browser that does not say what it shows is believed after so many seconds."""
AWAY_S: Final = 10.0
"""Nobody looks at a page that has not shown what was drawn so many seconds ago."""
Question: TypeAlias = tuple[str, int, int]
"""Pair, answers in hand, and a number that tells two rounds with a pair apart."""


class Seen:
    """Keeps the question on show and the drawing that shows it."""

    def __init__(self) -> None:
        self._question: Question | None = None
        self._tick, self._since_s, self._is_acked = 0, 0.0, False
        self._last = (0, 0.0)
        self._acked_tick = 0

    def drawn(self, question: Question | None, tick: int, now_s: float) -> None:
        """The question was drawn; the browser will acknowledge ``tick``."""
        if question != self._question:
            self._question, self._tick = question, tick
            self._since_s, self._is_acked = now_s, False

    def redrawn(self, tick: int, now_s: float) -> None:
        """Something was drawn."""
        if tick != self._last[0]:
            self._last = (tick, now_s)

    def acked(self, tick: int) -> None:
        """The browser shows what was drawn at ``tick``."""
        self._acked_tick = max(self._acked_tick, tick)
        self._is_acked = self._is_acked or tick >= self._tick

    def forget(self) -> None:
        """Nothing is on show."""
        self._question = None

    def is_seen(self, question: Question | None, now_s: float) -> bool:
        """Whether an answer that arrives now can be about this question."""
        if question is None or question != self._question:
            return False
        return self._is_acked or now_s - self._since_s > UNSEEN_S

    def is_watched(self, now_s: float) -> bool:
        """Whether a page shows the desk. A closed page, or one behind others, does not,
        and must not be handed pairs that others wait for."""
        tick, since_s = self._last
        return self._acked_tick >= tick or now_s - since_s < AWAY_S
