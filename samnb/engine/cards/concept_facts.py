"""The concept loop's part of a card, from its events."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from enum import Enum
from typing import Final

from samnb.engine.bounds import error_bound, level_of
from samnb.engine.cards.masklet_facts import known
from samnb.engine.cards.names import Names
from samnb.engine.cards.records import (
    BY,
    ConceptFacts,
    CostFacts,
    Count,
    SwitchFacts,
    VerifierFacts,
)
from samnb.engine.concepts import stats
from samnb.engine.concepts.policy import PastDecision, past_decisions, policy_of
from samnb.engine.concepts.state import ConceptState, PairState
from samnb.engine.history import History
from samnb.engine.routing import RoutingPolicy
from samnb.events import Event
from samnb.events.concepts import (
    ClipChecked,
    ConceptRulesSet,
    ConceptStep,
    ConceptTask,
    Corrected,
    EvAnswered,
    FrameSampled,
    MvAnswered,
    NegativesChecked,
    PairDropped,
    PairImported,
    PairOrigin,
    PairRefused,
    PhrasesMined,
    Route,
    RoutingMode,
    RoutingSwitched,
)

AUDIT_DELTA: Final = 0.05
"""Chance that the bound on the audited error does not hold."""
_DONE: Final = (ConceptStep.FINAL, ConceptStep.REJECTED)


def concept_facts(events: History, names: Names) -> ConceptFacts | None:
    """Return what the log says about pairs; None when it names none.

    Args:
        events: the whole log.
        names: what workers are called and whom they belong to.
    """
    state = events.pairs
    if not state.pairs:
        return None
    pairs = list(state.pairs.values())
    final = [p for p in pairs if p.step is ConceptStep.FINAL]
    brought = {p.id for p in pairs if _import_of(p)}
    by_origin = Counter(p.origin for p in pairs)
    by_step = Counter(p.step for p in pairs)
    versions = Counter(len(p.versions) for p in final)
    return ConceptFacts(
        pairs=len(pairs),
        phrases=len({p.phrase for p in pairs}),
        held_out=sum(p.is_held_out for p in pairs),
        by_origin=tuple((o.value, by_origin[o]) for o in PairOrigin if by_origin[o]),
        by_step=tuple((s.value, by_step[s]) for s in ConceptStep if by_step[s]),
        positives=sum(not p.is_negative for p in final),
        negatives_final=sum(p.is_negative for p in final),
        without_people=sum(
            p.step in _DONE and not stats.person_answers(p) and p.id not in brought for p in pairs
        ),
        decided=sum(p.step in _DONE for p in pairs),
        masks=sum(len(p.masks) for p in final),
        versions=tuple(sorted(versions.items())),
        rules=_rules(state.rules),
        answers=_answers(pairs, names),
        corrections=_corrections(pairs),
        costs=_costs(events),
        switches=tuple(_switch(e.body) for e in events if isinstance(e.body, RoutingSwitched)),
        verifiers=_verifiers(events, state),
        captions=_captions(events, names),
        negatives=_negatives(events, names),
        imported=_tally(s for p in pairs if (s := _import_of(p))),
        clips=_clips(events),
        dropped=_tally(b.filter for e in events if isinstance(b := e.body, PairDropped)),
        sampled=_tally(b.sampler for e in events if isinstance(b := e.body, FrameSampled)),
        agreement=_agreement(events, names),
    )


def _import_of(pair: PairState) -> str:
    bodies = (entry.event.body for entry in pair.entries)
    return next((b.source for b in bodies if isinstance(b, PairImported)), "")


def _rules(rules: ConceptRulesSet) -> tuple[tuple[str, str], ...]:
    values = ((f.name, getattr(rules, f.name)) for f in fields(rules))
    return tuple((n, str(v.value if isinstance(v, Enum) else v)) for n, v in values)


def _answers(pairs: Iterable[PairState], names: Names) -> tuple[Count, ...]:
    found: Counter[tuple[str, str]] = Counter()
    for pair in pairs:
        for answer in (*pair.past, *pair.answers):
            by = names.by(answer.worker_id)
            body = answer.body
            if isinstance(body, MvAnswered):
                found.update((f"mv {one.answer.value}", by) for one in body.answers)
            elif isinstance(body, EvAnswered):
                found[f"ev {body.answer.value}", by] += 1
            elif isinstance(body, PairRefused):
                found[f"{body.task.value} refused", by] += 1
            else:
                found[body.task.value, by] += 1
    options = list(dict.fromkeys(what for what, _ in sorted(found)))
    return tuple(Count(w, by, found[w, by]) for w in options for by in BY if found[w, by])


def _corrections(pairs: Iterable[PairState]) -> tuple[tuple[str, int], ...]:
    counts = dict.fromkeys(("kept", "removed", "added", "edited", "clicks"), 0)
    for pair in pairs:
        for answer in (*pair.past, *pair.answers):
            if isinstance(answer.body, Corrected):
                counts["kept"] += len(answer.body.kept)
                counts["removed"] += len(answer.body.removed)
                counts["added"] += len(answer.body.added)
                counts["edited"] += len(answer.body.edited)
                counts["clicks"] += answer.body.clicks
    return tuple(counts.items())


def _costs(events: Sequence[Event]) -> tuple[CostFacts, ...]:
    names = ("seen_share", "touches", "seconds_s", "masks", "corrected_share")
    return tuple(
        CostFacts(row["kind"], int(row["pairs"]), *(known(row[name]) for name in names))
        for row in stats.summary(events).to_dict("records")
    )


def _captions(events: Sequence[Event], names: Names) -> tuple[tuple[str, int, int, int], ...]:
    found: dict[str, list[int]] = {}
    for body in (e.body for e in events):
        if isinstance(body, PhrasesMined):
            row = found.setdefault(names(body.captioner), [0, 0, 0])
            for at, n in enumerate((1, len(body.kept), len(body.dropped))):
                row[at] += n
    return tuple((who, n, kept, dropped) for who, (n, kept, dropped) in found.items())


def _negatives(events: Sequence[Event], names: Names) -> tuple[tuple[str, str, int, int], ...]:
    found: dict[tuple[str, str], list[int]] = {}
    for body in (e.body for e in events):
        if isinstance(body, NegativesChecked):
            row = found.setdefault((names(body.proposer), body.model), [0, 0])
            row[0] += len(body.kept)
            row[1] += len(body.dropped)
    return tuple((who, model, kept, dropped) for (who, model), (kept, dropped) in found.items())


def _clips(events: Sequence[Event]) -> tuple[tuple[str, int, int], ...]:
    newest: dict[tuple[str, str], bool] = {}
    for body in (e.body for e in events):
        if isinstance(body, ClipChecked):
            newest[body.filter, body.media_id] = body.is_kept
    kept = Counter(name for (name, _), is_kept in newest.items() if is_kept)
    seen = Counter(name for name, _ in newest)
    return tuple((name, kept[name], n - kept[name]) for name, n in seen.items())


def _tally(words: Iterable[str]) -> tuple[tuple[str, int], ...]:
    return tuple(Counter(words).items())


def _agreement(
    events: Sequence[Event], names: Names
) -> tuple[tuple[str, str, int, float | None], ...]:
    return tuple(
        (names(row["worker"]), row["task"], int(row["touches"]), known(row["agreement"]))
        for row in stats.reviewers(events).to_dict("records")
    )


# -- routing and its error -------------------------------------------------------


def _switch(body: RoutingSwitched) -> SwitchFacts:
    details = dict(body.details)
    # Read as if on: a switch to advice may carry the counts that were not enough.
    policy = policy_of(replace(body, mode=RoutingMode.ON))
    return SwitchFacts(
        body.task.value,
        body.mode.value,
        body.verifier,
        body.target_error,
        body.audit_rate,
        float(details["delta"]) if "delta" in details else None,
        int(details["look"]) if "look" in details else None,
        body.method,
        body.reason,
        tuple(
            (
                t.words,
                t.confidence if t.confidence <= 1 else None,
                t.n_checked,
                t.n_wrong,
                t.bound,
            )
            for t in policy.thresholds
        ),
        _bounds_again(policy, details.get("look")),
    )


def _bounds_again(policy: RoutingPolicy, look: str | None) -> tuple[float | None, ...]:
    """The promised bounds from the counts that were logged with them."""
    if look is None or int(look) < 1:
        return (None,) * len(policy.thresholds)
    level = level_of(policy.delta, int(look), max(1, len(policy.thresholds)))
    return tuple(
        error_bound(t.n_wrong, t.n_checked, level) if t.confidence <= 1 else None
        for t in policy.thresholds
    )


def _verifiers(events: Sequence[Event], state: ConceptState) -> tuple[VerifierFacts, ...]:
    wanted: dict[tuple[str, ConceptTask], None] = {}
    switches: dict[ConceptTask, list[tuple[int, RoutingSwitched]]] = {}
    for event in events:
        body = event.body
        if isinstance(body, MvAnswered | EvAnswered) and body.model:
            task = ConceptTask.MV if isinstance(body, MvAnswered) else ConceptTask.EV
            wanted[body.model, task] = None
        elif isinstance(body, RoutingSwitched):
            switches.setdefault(body.task, []).append((event.seq, body))
    return tuple(
        _verifier(name, task, past_decisions(state, task, name), switches.get(task, []))
        for name, task in wanted
    )


def _verifier(
    name: str,
    task: ConceptTask,
    decisions: Sequence[PastDecision],
    switches: Sequence[tuple[int, RoutingSwitched]],
) -> VerifierFacts:
    checked = [d for d in decisions if d.truth is not None]
    audited = [d for d in checked if d.route is Route.AUDIT and _would_stand(d, name, switches)]
    wrong = sum(d.advice.outcome is not d.truth for d in audited)
    return VerifierFacts(
        verifier=name,
        task=task.value,
        advised=len(decisions),
        decided=sum(d.route is Route.AUTO for d in decisions),
        asked=sum(d.route is Route.ASK for d in decisions),
        audited=len(audited),
        audited_wrong=wrong,
        bound=error_bound(wrong, len(audited), AUDIT_DELTA) if audited else None,
        checked=len(checked),
        agreed=sum(d.advice.outcome is d.truth for d in checked),
    )


def _would_stand(
    decision: PastDecision, verifier: str, switches: Sequence[tuple[int, RoutingSwitched]]
) -> bool:
    """Whether an audited answer would have decided by the policy of its day."""
    at = bisect_right([seq for seq, _ in switches], decision.seq)
    if not at:
        return False
    switch = switches[at - 1][1]
    if switch.verifier != verifier or switch.mode is not RoutingMode.ON:
        return False
    advice = decision.advice
    return advice.confidence >= policy_of(switch).threshold(advice.outcome, decision.group)
