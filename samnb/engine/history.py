"""A log with what it amounts to: folded once, for everything that is computed from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final, overload
from weakref import WeakKeyDictionary

from samnb.engine.concepts.flow import fold as fold_pairs
from samnb.engine.concepts.state import ConceptState
from samnb.engine.core import Core
from samnb.engine.effort import (
    IDLE_CUTOFF_S,
    Effort,
    Masks,
    Source,
    active_time,
    effort_of,
)
from samnb.engine.flow import fold
from samnb.engine.state import ProjectState
from samnb.events import Event
from samnb.store.db import Log


class History(Sequence[Event]):
    """Events in the order of the log; what they amount to is computed when first asked for.

    Statistics take it wherever they take events, and do not fold it again.

    Args:
        events: the whole log, or a part that is a log again.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.events: Final = tuple(events)
        self._costs: dict[float, Mapping[str, Effort]] = {}
        self._seconds: dict[float, Mapping[tuple[str, str], float]] = {}

    @cached_property
    def project(self) -> ProjectState:
        """The state of the masklet loop."""
        return fold(ProjectState(), self.events)

    @cached_property
    def pairs(self) -> ConceptState:
        """The state of the concept loop."""
        return fold_pairs(ConceptState(), self.events)

    def costs(self, idle_cutoff_s: float = IDLE_CUTOFF_S) -> Mapping[str, Effort]:
        """Effort by item id, see :func:`samnb.engine.effort.effort_of`."""
        if idle_cutoff_s not in self._costs:
            items, seconds = self.project.items, self.seconds(idle_cutoff_s)
            self._costs[idle_cutoff_s] = effort_of(self.events, items, seconds=seconds)
        return self._costs[idle_cutoff_s]

    def seconds(self, idle_cutoff_s: float = IDLE_CUTOFF_S) -> Mapping[tuple[str, str], float]:
        """Active seconds by worker id and item id, see
        :func:`samnb.engine.effort.active_time`."""
        if idle_cutoff_s not in self._seconds:
            self._seconds[idle_cutoff_s] = active_time(self.events, idle_cutoff_s)
        return self._seconds[idle_cutoff_s]

    def followed_by(self, events: Sequence[Event]) -> History:
        """This history with what was appended since; states known so far are carried on."""
        if not events:
            return self
        longer = History((*self.events, *events))
        if "project" in self.__dict__:
            longer.__dict__["project"] = fold(self.project, events)
        if "pairs" in self.__dict__:
            longer.__dict__["pairs"] = fold_pairs(self.pairs, events)
        return longer

    @overload
    def __getitem__(self, at: int) -> Event: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Event]: ...
    def __getitem__(self, at: int | slice) -> Event | Sequence[Event]:
        return self.events[at]

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)


_READ: Final[WeakKeyDictionary[Log, History]] = WeakKeyDictionary()
"""What was read of each open log so far: a log only grows, so only the rest is read."""


def read_history(source: Source, masks: Masks | None = None) -> tuple[History, Masks | None]:
    """Return the events, folded at most once, and a way to the masks they name; None when
    there is none.

    What an open log amounted to is kept with its position, and only what was appended since
    is read and folded.

    Args:
        source: a session, a log, or events.
        masks: for events alone: returns masks by id.
    """
    if isinstance(source, History):
        return source, masks
    log = source.log if isinstance(source, Core) else source
    if not isinstance(log, Log):
        return History(log), masks
    known = _READ.get(log, History())
    history = known.followed_by(log.read(known[-1].seq if known else 0))
    _READ[log] = history
    return history, masks or log.masks
