"""The masklet loop's part of a card, from its events."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from samnb.engine.cards.names import Names
from samnb.engine.cards.records import BY, Count, MaskletFacts, PhaseFacts, SourceFacts
from samnb.engine.effort import Masks
from samnb.engine.history import History
from samnb.engine.phasestats import phases
from samnb.engine.rates import acceptance
from samnb.engine.state import ItemState, ProjectState
from samnb.events import Event, FailuresSampled, Imported
from samnb.types import Step, VerdictKind


def known(value: float) -> float | None:
    """A figure as JSON has it: None where it does not exist."""
    return None if math.isnan(value) else float(value)


def masklet_facts(events: History, masks: Masks | None, names: Names) -> MaskletFacts | None:
    """Return what the log says about objects; None when it names none.

    Args:
        events: the whole log.
        masks: returns masks by id; None leaves shares that need pixels unknown.
        names: whom a worker belongs to.
    """
    state = events.project
    if not state.items:
        return None
    items = [s for s in state.items.values() if not s.is_deleted]
    costs = events.costs()
    judged = [s for s in items if s.verdicts]
    sampled = [e.body for e in events if isinstance(e.body, FailuresSampled)]
    return MaskletFacts(
        items=len(items),
        deleted=len(state.items) - len(items),
        handed_in=sum(bool(s.proposals) for s in items),
        masks=sum(_answered(s) for s in items if s.step is Step.ACCEPTED),
        clicks=sum(costs[s.item.id].clicks for s in items),
        strokes=sum(costs[s.item.id].strokes for s in items),
        undos=sum(costs[s.item.id].undos for s in items),
        sources=_sources(events, masks),
        phases=_phases(events, masks),
        verdicts=_verdicts(items, names),
        first_pass=sum(s.verdicts[0].kind is VerdictKind.SATISFACTORY for s in judged),
        first_pass_of=len(judged),
        imported=_imports(events, state),
        sampled=(sum(len(b.kept) for b in sampled), sum(len(b.dropped) for b in sampled)),
        sample_rates=tuple(sorted({b.rate for b in sampled})),
    )


def _answered(item: ItemState) -> int:
    return sum(frame.mask_id is not None for frame in item.frames.values())


def _sources(events: Sequence[Event], masks: Masks | None) -> tuple[SourceFacts, ...]:
    table = acceptance(events, masks, by="source")
    return tuple(
        SourceFacts(
            row["group"],
            int(row["masklets"]),
            int(row["accepted"]),
            int(row["rejected"]),
            int(row["open"]),
            known(row["rounds_until_accepted"]),
            known(row["disappearance_rate"]),
        )
        for row in table.to_dict("records")
    )


def _phases(events: Sequence[Event], masks: Masks | None) -> tuple[PhaseFacts, ...]:
    return tuple(
        PhaseFacts(
            row.phase,
            row.n_masklets,
            row.n_frames,
            known(row.s_per_frame),
            known(row.edited_share),
            known(row.clicks_per_clicked_frame),
            known(row.aligned.get("all", math.nan)),
            row.n_aligned.get("all", 0),
        )
        for row in phases(events, masks).rows
    )


def _verdicts(items: Sequence[ItemState], names: Names) -> tuple[Count, ...]:
    found = Counter((v.kind, names.by(v.worker_id)) for s in items for v in s.verdicts)
    return tuple(
        Count(kind.value, by, found[kind, by])
        for kind in VerdictKind
        for by in BY
        if found[kind, by]
    )


def _imports(events: Sequence[Event], state: ProjectState) -> tuple[tuple[str, int, bool], ...]:
    found = Counter(
        (e.body.source, e.body.is_accepted)
        for e in events
        if isinstance(e.body, Imported) and not _is_gone(state, e.body.proposal.item_id)
    )
    return tuple((source, n, is_accepted) for (source, is_accepted), n in found.items())


def _is_gone(state: ProjectState, item_id: str) -> bool:
    return item_id not in state.items or state.items[item_id].is_deleted
