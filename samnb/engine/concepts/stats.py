"""Statistics of the concept loop from the log alone: DataFrames, nothing stored.

Each function takes a session, a log, or events, folded at most once (see
:mod:`samnb.engine.history`). *Seen* is a pair about which at least one person answered; a
*touch* is one such answer; seconds run from being shown the pair to the answer (see
:data:`~samnb.engine.concepts.flow.MAX_TASK_S`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from samnb.engine.concepts.policy import PastDecision, past_decisions, policy_of
from samnb.engine.concepts.state import Answer, ConceptState, PairState
from samnb.engine.effort import Source
from samnb.engine.history import read_history
from samnb.engine.routing import Group, Outcome
from samnb.events.concepts import (
    ConceptProposed,
    ConceptStep,
    ConceptTask,
    EvAnswered,
    MvAnswered,
    Route,
)

if TYPE_CHECKING:
    import pandas as pd

NAN: Final = float("nan")


def read_state(source: Source) -> ConceptState:
    """Return what a session, a log or events say about pairs."""
    return read_history(source)[0].pairs


def person_answers(pair: PairState) -> tuple[Answer, ...]:
    """Everything people answered about a pair, earlier rounds included."""
    return tuple(a for a in (*pair.past, *pair.answers) if a.is_person)


def seconds_of(pair: PairState) -> float:
    """Seconds that people spent on a pair."""
    return sum(a.seconds_s or 0.0 for a in person_answers(pair))


def pairs(source: Source) -> pd.DataFrame:
    """Return one row per pair: where it stands and what it cost.

    Columns: media_id, phrase, origin, parent, step, reason, negative (None while open),
    masks, versions, rounds, model (of the newest proposal), touches, seconds_s, mv, ev,
    corrections (answers of people), models (verifiers that answered), seen, held_out.
    """
    import pandas as pd

    state = read_state(source)
    columns = [
        "media_id", "phrase", "origin", "parent", "step", "reason", "negative", "masks",
        "versions", "rounds", "model", "touches", "seconds_s", "mv", "ev", "corrections",
        "models", "seen", "held_out",
    ]  # fmt: skip
    return pd.DataFrame([_pair_row(p) for p in state.pairs.values()], columns=columns)


def _pair_row(pair: PairState) -> dict[str, Any]:
    answers = person_answers(pair)
    tasks = [a.task for a in answers]
    models = [a.worker_id for a in (*pair.past, *pair.answers) if not a.is_person]
    return {
        "media_id": pair.item.media_id,
        "phrase": pair.phrase,
        "origin": pair.origin.value,
        "parent": pair.parent_phrase,
        "step": pair.step.value,
        "reason": pair.reason,
        "negative": pair.is_negative if pair.step is ConceptStep.FINAL else None,
        "masks": len(pair.masks),
        "versions": len(pair.versions),
        "rounds": pair.n_rounds,
        "model": pair.proposal.model if pair.proposal else "",
        "touches": len(answers),
        "seconds_s": seconds_of(pair),
        "mv": tasks.count(ConceptTask.MV),
        "ev": tasks.count(ConceptTask.EV),
        "corrections": tasks.count(ConceptTask.CORRECT) + tasks.count(ConceptTask.CONFIRM),
        "models": ", ".join(dict.fromkeys(models)),
        "seen": bool(answers),
        "held_out": pair.is_held_out,
    }


def summary(source: Source) -> pd.DataFrame:
    """Return what decided pairs cost: one row each for positives, negatives, dropped pairs
    and all.

    Columns: kind, pairs, seen_share, touches (per pair), seconds_s (per pair), masks (per
    pair), corrected_share.
    """
    import pandas as pd

    done = [p for p in read_state(source).pairs.values() if p.is_done]
    groups = {
        "positive": [p for p in done if p.step is ConceptStep.FINAL and not p.is_negative],
        "negative": [p for p in done if p.is_negative],
        "dropped": [p for p in done if p.step is ConceptStep.REJECTED],
        "all": done,
    }
    return pd.DataFrame([_summary_row(name, rows) for name, rows in groups.items()])


def _summary_row(kind: str, rows: Sequence[PairState]) -> dict[str, Any]:
    return {
        "kind": kind,
        "pairs": len(rows),
        "seen_share": _mean(float(bool(person_answers(p))) for p in rows),
        "touches": _mean(len(person_answers(p)) for p in rows),
        "seconds_s": _mean(seconds_of(p) for p in rows),
        "masks": _mean(len(p.masks) for p in rows),
        "corrected_share": _mean(float(any(v.worker_id for v in p.versions)) for p in rows),
    }


@dataclass(slots=True)
class _Segmenter:
    proposals: int = 0
    masks: int = 0
    judged: int = 0
    kept: int = 0
    ev: int = 0
    exhaustive: int = 0
    touches: int = 0
    seen: int = 0
    seconds: list[float] = field(default_factory=list)


def segmenters(source: Source) -> pd.DataFrame:
    """Return one row per version of the segmenter, in the order of their first proposal.

    Columns: model, pairs (proposals), masks, mask_acceptance (of masks through MV),
    exhaustive_share (of pairs through EV), seen_share, touches and seconds_s per pair.
    Pairs that got a newer proposal count for each version up to its own decision.
    """
    import pandas as pd

    rows: dict[str, _Segmenter] = {}
    for pair in read_state(source).pairs.values():
        for body in (e.event.body for e in pair.entries):
            if isinstance(body, ConceptProposed):
                one = rows.setdefault(body.model, _Segmenter())
                one.proposals += 1
                one.masks += len(body.masks)
        if pair.proposal is None:
            continue
        one = rows[pair.proposal.model]
        if pair.step not in (ConceptStep.MV, ConceptStep.REJECTED):
            one.judged += len(pair.proposal.masks)
            one.kept += len(pair.accepted)
        if pair.is_done and pair.step is ConceptStep.FINAL:
            one.ev += 1
            one.exhaustive += not pair.versions[0].worker_id
        if pair.is_done:
            one.seen += any(a.is_person for a in pair.answers)
            one.touches += sum(a.is_person for a in pair.answers)
            one.seconds.append(sum(a.seconds_s or 0.0 for a in pair.answers if a.is_person))
    return pd.DataFrame(
        [
            {
                "model": name or "by hand",
                "pairs": one.proposals,
                "masks": one.masks,
                "mask_acceptance": _share(one.kept, one.judged),
                "exhaustive_share": _share(one.exhaustive, one.ev),
                "seen_share": _share(one.seen, len(one.seconds)),
                "touches": _share(one.touches, len(one.seconds)),
                "seconds_s": _mean(one.seconds),
            }
            for name, one in rows.items()
        ],
        columns=[
            "model", "pairs", "masks", "mask_acceptance", "exhaustive_share", "seen_share",
            "touches", "seconds_s",
        ],
    )  # fmt: skip


def verifiers(source: Source) -> pd.DataFrame:
    """Return one row per version of a verifier, task and group of questions.

    Columns: verifier, task, group ("all" for MV; EV is "absent" for pairs without masks and
    "covered" for those with), answers (per mask in MV, per pair in EV), auto, asked, audited
    (shares), checked (answers of people about the same), agreement (of them, accept
    against the rest), audit_error (wrong among the audited that people answered), bound
    (promised, newest).
    """
    import pandas as pd

    events, _ = read_history(source)
    state = events.pairs
    names: dict[tuple[str, ConceptTask], None] = {}
    for event in events:
        if isinstance(event.body, MvAnswered | EvAnswered) and event.body.model:
            is_mv = isinstance(event.body, MvAnswered)
            names[event.body.model, ConceptTask.MV if is_mv else ConceptTask.EV] = None
    rows = []
    asked = [
        (name, task, group, [d for d in every if d.group is group])
        for name, task in names
        for every in [past_decisions(state, task, name)]
        for group in sorted({d.group for d in every})
    ]
    for verifier, task, group, decisions in asked:
        switch = state.routing.get(task)
        own = switch if switch and switch.verifier == verifier else None
        policy = None if own is None else policy_of(own)
        bounds = [
            t.bound for t in (policy.thresholds if policy else ())
            if t.group in (group, Group.ALL) and t.confidence <= 1
        ]  # fmt: skip
        checked = [d for d in decisions if d.truth is not None]
        audited = [d for d in checked if d.route is Route.AUDIT]
        rows.append(
            {
                "verifier": verifier,
                "task": task.value,
                "group": group.value,
                "answers": len(decisions),
                "auto": _routed(decisions, Route.AUTO),
                "asked": _routed(decisions, Route.ASK),
                "audited": _routed(decisions, Route.AUDIT),
                "checked": len(checked),
                "agreement": _mean(float(d.advice.outcome is d.truth) for d in checked),
                "audit_error": _mean(float(d.advice.outcome is not d.truth) for d in audited),
                "bound": max(bounds, default=NAN),
            }
        )
    columns = [
        "verifier", "task", "group", "answers", "auto", "asked", "audited", "checked", "agreement",
        "audit_error", "bound",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _routed(decisions: Sequence[PastDecision], way: Route) -> float:
    return _share(sum(d.route is way for d in decisions), len(decisions))


def reviewers(source: Source) -> pd.DataFrame:
    """Return one row per person and task.

    Columns: worker, task, touches, seconds_s (in all), agreement: share of answers that a
    majority of the other reviewers of the same pair shares (accept against the rest; MV by
    mask), NaN without others.
    """
    import pandas as pd

    state = read_state(source)
    rows: dict[tuple[str, ConceptTask], list[Answer]] = {}
    agreed: dict[tuple[str, ConceptTask], list[float]] = {}
    for pair in state.pairs.values():
        for answer in person_answers(pair):
            rows.setdefault((answer.worker_id, answer.task), []).append(answer)
        for task in (ConceptTask.MV, ConceptTask.EV):
            for who, is_shared in _agreements(pair.of(task, by_person=True)):
                agreed.setdefault((who, task), []).append(is_shared)
    return pd.DataFrame(
        [
            {
                "worker": who,
                "task": task.value,
                "touches": len(answers),
                "seconds_s": sum(a.seconds_s or 0.0 for a in answers),
                "agreement": _mean(agreed.get((who, task), ())),
            }
            for (who, task), answers in rows.items()
        ],
        columns=["worker", "task", "touches", "seconds_s", "agreement"],
    )


def _agreements(answers: Sequence[Answer]) -> Iterable[tuple[str, float]]:
    from samnb.engine.routing import OUTCOMES

    votes: dict[str, dict[str, bool]] = {}
    for answer in answers:
        if isinstance(answer.body, MvAnswered):
            for one in answer.body.answers:
                is_accepted = OUTCOMES[one.answer] is Outcome.ACCEPT
                votes.setdefault(one.key, {})[answer.worker_id] = is_accepted
        elif isinstance(answer.body, EvAnswered):
            is_accepted = OUTCOMES[answer.body.answer] is Outcome.ACCEPT
            votes.setdefault("", {})[answer.worker_id] = is_accepted
    for given in votes.values():
        for who, vote in given.items():
            others = [v for w, v in given.items() if w != who]
            if others and 2 * sum(others) != len(others):
                yield who, float(vote is (2 * sum(others) > len(others)))


def _mean(values: Iterable[float]) -> float:
    rows = list(values)
    return sum(rows) / len(rows) if rows else NAN


def _share(part: int, whole: int) -> float:
    return part / whole if whole else NAN
