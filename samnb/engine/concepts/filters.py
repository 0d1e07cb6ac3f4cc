"""What every filter took out, from the log alone: clips, phrases, masks, pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from samnb.engine.concepts.clips import EASY, SHOT
from samnb.engine.concepts.proposing import WHOLE
from samnb.engine.concepts.state import ConceptState
from samnb.engine.effort import Source
from samnb.engine.history import read_history
from samnb.events import Event
from samnb.events.concepts import (
    ClipChecked,
    ConceptProposed,
    NegativesChecked,
    PairDropped,
    PairOrigin,
    PhrasesMined,
)

if TYPE_CHECKING:
    import pandas as pd

_SHOWN: Final = 3


@dataclass(slots=True)
class _Row:
    filter: str
    what: str
    seen: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def dropped(self) -> int:
        return self.reasons.total()


def filters(source: Source) -> pd.DataFrame:
    """Return one row per filter in the order in which they come.

    Columns: filter, what (clips, phrases, candidates or pairs), seen, dropped, reasons (the
    three most frequent ones with their counts). A phrase of a video counts once, however many
    captions hold it. Filters that saw nothing are left out.
    """
    import pandas as pd

    events, _ = read_history(source)
    state = events.pairs
    rows = [
        _clips(events, SHOT),
        _phrases(events),
        _hard_negatives(events),
        _candidates(events),
        _pairs(state, events, WHOLE),
        _pairs(state, events, EASY),
        _clips(events, EASY),
    ]
    columns = ["filter", "what", "seen", "dropped", "reasons"]
    data = [
        (row.filter, row.what, row.seen, row.dropped, _words(row.reasons))
        for row in rows
        if row.seen
    ]
    return pd.DataFrame(data, columns=columns)


def _words(reasons: Counter[str]) -> str:
    return ", ".join(f"{reason} ({n})" for reason, n in reasons.most_common(_SHOWN))


def _clips(events: Sequence[Event], name: str) -> _Row:
    newest = {
        e.body.media_id: e.body
        for e in events
        if isinstance(e.body, ClipChecked) and e.body.filter == name
    }
    row = _Row(name, "clips", len(newest))
    row.reasons.update(c.reason for c in newest.values() if not c.is_kept)
    return row


def _phrases(events: Sequence[Event]) -> _Row:
    """Phrases of captions; one that another frame let through is not dropped."""
    kept: set[tuple[str, str]] = set()
    lost: dict[tuple[str, str], str] = {}
    for event in events:
        body = event.body
        if isinstance(body, PhrasesMined):
            kept |= {(body.media_id, phrase) for phrase in body.kept}
            for phrase, reason in body.dropped:
                lost.setdefault((body.media_id, phrase), reason)
    lost = {key: reason for key, reason in lost.items() if key not in kept}
    row = _Row("phrases of captions", "phrases", len(kept) + len(lost))
    row.reasons.update(lost.values())
    return row


def _hard_negatives(events: Sequence[Event]) -> _Row:
    row = _Row("hard negatives", "phrases")
    for event in events:
        if isinstance(event.body, NegativesChecked):
            row.seen += len(event.body.kept) + len(event.body.dropped)
            row.reasons.update(reason for _, reason in event.body.dropped)
    return row


def _candidates(events: Sequence[Event]) -> _Row:
    row = _Row("proposals", "candidates")
    for event in events:
        if isinstance(event.body, ConceptProposed):
            counts = dict(event.body.left_out)
            row.seen += len(event.body.masks) + sum(counts.values())
            row.reasons.update(counts)
    return row


def _pairs(state: ConceptState, events: Sequence[Event], name: str) -> _Row:
    """Pairs of videos with a proposal; the easy ones are sought among mined phrases alone."""
    dropped = {
        e.body.item_id: e.body.reason
        for e in events
        if isinstance(e.body, PairDropped) and e.body.filter == name
    }
    proposed = {e.body.item_id for e in events if isinstance(e.body, ConceptProposed)}
    pairs = [state.pairs[i] for i in proposed if i in state.pairs and state.pairs[i].is_video]
    if name == EASY:
        pairs = [p for p in pairs if p.origin is PairOrigin.MINED and p.dropped_by != WHOLE]
        if not any(isinstance(e.body, ClipChecked) and e.body.filter == EASY for e in events):
            pairs = []
    row = _Row(name, "pairs of videos", len(pairs))
    row.reasons.update(dropped.values())
    return row
