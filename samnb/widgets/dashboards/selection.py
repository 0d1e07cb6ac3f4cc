"""Which part of a log a page looks at: workers, phases, model versions, media.

A part is a log again, so every statistic reads it as it is. Objects that are not wanted are
*taken away at the end* instead of left out from the start: so a person's pauses, which are
measured from one event to the next whatever it is about, stay as they were. Pairs of the
concept loop have times of their own and are left out wholly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Final

from samnb.engine.concepts.state import ConceptState, PairState
from samnb.engine.effort import Source
from samnb.engine.history import History, read_history
from samnb.engine.state import ItemState, ProjectState
from samnb.events import Event, ItemDeleted, item_ids_of
from samnb.events.concepts import ConceptProposed, EvAnswered, MvAnswered

_NOBODY: Final = "filter"
"""Signs what was taken away by a selection; such events are in no log."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What is wanted; an empty string is everything.

    Attributes:
        worker: made, verified or answered it.
        phase: number of the annotation phase; objects alone have one.
        model: helped, proposed or verified, by name and version.
        media: id of the medium.
    """

    worker: str = ""
    phase: str = ""
    model: str = ""
    media: str = ""

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return not any(getattr(self, f.name) for f in fields(self))


@dataclass(frozen=True, slots=True)
class Folded:
    """A log with what it amounts to.

    Attributes:
        models: by item id, the models that had a part in an object or a pair.
    """

    events: History
    models: dict[str, frozenset[str]]

    @property
    def project(self) -> ProjectState:
        """The state of the masklet loop."""
        return self.events.project

    @property
    def pairs(self) -> ConceptState:
        """The state of the concept loop."""
        return self.events.pairs


def read_log(source: Source) -> Folded:
    """Read a log for both loops."""
    events, _ = read_history(source)
    models: dict[str, frozenset[str]] = {}
    for item_id, cost in events.costs().items():
        made = {p.model for p in events.project.items[item_id].proposals}
        models[item_id] = frozenset({cost.model, *made} - {""})
    for pair in events.pairs.pairs.values():
        models[pair.id] = _models_of(pair)
    return Folded(events, models)


def _models_of(pair: PairState) -> frozenset[str]:
    bodies = (entry.event.body for entry in pair.entries)
    named = {b.model for b in bodies if isinstance(b, ConceptProposed | MvAnswered | EvAnswered)}
    return frozenset(named - {""})


def choices(log: Folded) -> dict[str, tuple[tuple[str, str], ...]]:
    """What can be wanted: by field of :class:`Selection`, words and value."""
    workers = sorted({e.worker_id for e in log.events})
    items = [s for s in log.project.items.values() if not s.is_deleted]
    phases = sorted({s.item.phase for s in items})
    models = sorted(set().union(*log.models.values()))
    media = [(m.name, m.id) for m in log.project.media.values()]
    return {
        "worker": tuple((w, w) for w in workers),
        "phase": tuple((f"Phase {p}", str(p)) for p in phases),
        "model": tuple((m, m) for m in models),
        "media": tuple(sorted(media)),
    }


def select(log: Folded, wanted: Selection) -> History:
    """Return the part of a log that is wanted, as a log."""
    if wanted.is_all or not log.events:
        return log.events
    kept_pairs = {p.id for p in log.pairs.pairs.values() if is_pair_wanted(p, wanted, log)}
    left_out = log.pairs.pairs.keys() - kept_pairs
    events = [e for e in log.events if not left_out.intersection(item_ids_of(e.body))]
    unwanted = [
        s.item.id
        for s in log.project.items.values()
        if not s.is_deleted and not is_object_wanted(s, wanted, log)
    ]
    return History((*events, *_taken_away(unwanted, log.events)))


def _taken_away(item_ids: Iterable[str], events: Sequence[Event]) -> Iterable[Event]:
    last = events[-1]
    for n, item_id in enumerate(item_ids, 1):
        yield Event(last.seq + n, last.at_s, _NOBODY, ItemDeleted(item_id))


def is_object_wanted(state: ItemState, wanted: Selection, log: Folded) -> bool:
    """Whether an object of the masklet loop is part of a selection."""
    people = {*state.makers, *(v.worker_id for v in state.verdicts)}
    return (
        wanted.worker in ("", *people)
        and wanted.phase in ("", str(state.item.phase))
        and wanted.model in ("", *log.models[state.item.id])
        and wanted.media in ("", state.item.media_id)
    )


def is_pair_wanted(pair: PairState, wanted: Selection, log: Folded) -> bool:
    """Whether a pair of the concept loop is part of a selection; it has no phase."""
    workers = {entry.event.worker_id for entry in pair.entries}
    return (
        wanted.worker in ("", *workers)
        and wanted.model in ("", *log.models[pair.id])
        and wanted.media in ("", pair.item.media_id)
    )
