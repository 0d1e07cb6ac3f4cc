"""What one engine's log amounts to: an account, computed from events and nothing else."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from samnb.comparison.engines import COMPUTE_TAG
from samnb.comparison.people import by_role, people_seconds
from samnb.comparison.scores import (
    Quality,
    distinct_masks,
    is_decided_by_models,
    score_concepts,
    score_masklets,
)
from samnb.comparison.world import CommonWorld
from samnb.engine import lineage
from samnb.engine.concepts import stats
from samnb.engine.concepts.policy import past_decisions
from samnb.engine.concepts.quality import decided_masks
from samnb.engine.concepts.state import ConceptState, PairState
from samnb.engine.effort import (
    IDLE_CUTOFF_S,
    Masks,
    Source,
    edited_frame_count,
    is_annotated,
)
from samnb.engine.history import History, read_history
from samnb.engine.phasestats import phases
from samnb.engine.state import ItemState, ProjectState
from samnb.events import Event, PropagationEnded, PropagationStarted, TrainingEnded
from samnb.events.concepts import (
    ConceptProposed,
    ConceptTask,
    Corrected,
    EvAnswered,
    MvAnswered,
    PairRouted,
    Route,
    RoutingMode,
    RoutingSwitched,
)
from samnb.masks import rle as rle_ops
from samnb.types import InputError, Step, WorkerKind

MASKLETS, CONCEPTS = "masklets", "concepts"
SAME_IOU: Final = 0.7
"""Masks of one picture that overlap at least so much show the same thing."""
NAN: Final = math.nan


@dataclass(frozen=True, slots=True)
class Account:
    """One engine's log in figures; NaN where the log has nothing to say.

    Attributes:
        engine: "masklets" or "concepts".
        media: people's seconds and items by medium, in the order in which they were begun.
        n_items: objects or pairs that came to an end.
        n_kept: of them, accepted masklets or final pairs.
        n_negatives: verified negatives.
        n_phrases: different phrases decided.
        n_frames: frames with an answer, summed over items.
        n_masks: verified masks that show something.
        n_distinct: different things among them, picture by picture.
        roles: people's seconds by role or task.
        touches: people's turns in all: an object picked, a masklet handed in, a verdict, an
            answer about a pair.
        clicks: clicks and strokes in all; NaN where none are told.
        n_ai_items: items that no person touched.
        n_untouched: verified masks that no hand made or changed.
        edited_share: mean over masklets of frames edited by hand; of pairs, share of final
            masks made by hand.
        started_share: items that a person started: picked the object, or drew the first masks.
        checked_share: items judged by somebody other than their maker, models included.
        audits: (wrong, all) decisions of models that people audited.
        promised: the greatest error bound in force; NaN where no model decides.
        s_positive: people's seconds per pair with masks: all by people, with models' help.
        s_negative: the same per negative.
        s_all: the same per pair of both kinds.
        speed_up: Phase 1's seconds per frame by those of the last phase; NaN without both.
        n_cycles: training runs that made a version; by learner.
        compute_s: seconds of the machine, training included; NaN where not told.
        quality: against the truth, where one was given.
    """

    engine: str
    media: Mapping[str, tuple[float, int]]
    n_items: int
    n_kept: int
    n_negatives: int
    n_phrases: int
    n_frames: int
    n_masks: int
    n_distinct: int
    roles: Mapping[str, float]
    touches: int
    clicks: float
    n_ai_items: int
    n_untouched: int
    edited_share: float
    started_share: float
    checked_share: float
    audits: tuple[int, int] = (0, 0)
    promised: float = NAN
    s_positive: tuple[float, float] = (NAN, NAN)
    s_negative: tuple[float, float] = (NAN, NAN)
    s_all: tuple[float, float] = (NAN, NAN)
    speed_up: float = NAN
    n_cycles: Mapping[str, int] = field(default_factory=dict)
    compute_s: float = NAN
    quality: Quality = field(default_factory=Quality)

    @property
    def people_s(self) -> float:
        """People's seconds in all."""
        return sum(self.roles.values())

    @property
    def costs(self) -> list[float]:
        """People's seconds per item of each medium, in the order of the media."""
        return [seconds / n for seconds, n in self.media.values()]


def account_of(
    source: Source,
    masks: Masks | None = None,
    *,
    world: CommonWorld | None = None,
    before: Source | None = None,
    idle_cutoff_s: float = IDLE_CUTOFF_S,
) -> Account:
    """Read an engine's account from its log.

    A log with pairs is the concept engine's, any other the masklet engine's.

    Args:
        source: a session, a log, or events (then give ``masks`` as well).
        masks: returns masks by id.
        world: the truth; None for no scores.
        before: the log of a warm-up in which people answered everything, for what models
            save; it is not part of the account.
        idle_cutoff_s: longer pauses in annotating masklets are breaks.

    Raises:
        InputError: events without a way to the masks.
    """
    events, masks_of = read_history(source, masks)
    if masks_of is None:
        raise InputError("masks: expected a way to the masks, got events alone; pass the session")
    state, pairs = events.project, events.pairs
    seconds = people_seconds(events, idle_cutoff_s)
    if pairs.pairs:
        earlier = stats.read_state(before) if before is not None else ConceptState()
        return _concepts(events, state, pairs, earlier, seconds, masks_of, world)
    return _masklets(events, state, seconds, masks_of, world, idle_cutoff_s)


_Seconds = Mapping[tuple[str, str], float]


def _by_media(media_of: Mapping[str, str], seconds: _Seconds) -> dict[str, tuple[float, int]]:
    """People's seconds and the items, by medium in the order in which items were added."""
    found = dict.fromkeys(media_of.values(), 0.0)
    for (item_id, _), value in seconds.items():
        if item_id in media_of:
            found[media_of[item_id]] += value
    return {m: (v, list(media_of.values()).count(m)) for m, v in found.items()}


# -- masklets --------------------------------------------------------------------------


def _masklets(
    events: History,
    state: ProjectState,
    seconds: _Seconds,
    masks_of: Masks,
    world: CommonWorld | None,
    idle_cutoff_s: float,
) -> Account:
    items = [s for s in state.items.values() if not s.is_deleted]
    costs = events.costs(idle_cutoff_s)
    done = [s for s in items if s.step in (Step.ACCEPTED, Step.REJECTED)]
    # Without verifiers (a project that skips that step) what was handed in is the product.
    kept = [s for s in done if s.step is Step.ACCEPTED] or [
        s for s in items if is_annotated(s, costs[s.item.id])
    ]
    shown: dict[tuple[str, int], list[str]] = defaultdict(list)
    n_untouched = n_frames = 0
    for item in kept:
        answers = {i: f for i, f in item.frames.items() if f.mask_id is not None}
        n_frames += len(answers)
        runs = masks_of(str(f.mask_id) for f in answers.values())
        for frame_idx, frame in answers.items():
            if rle_ops.area(runs[str(frame.mask_id)]):
                shown[item.item.media_id, frame_idx].append(str(frame.mask_id))
                n_untouched += not frame.is_edited
    made = [s for s in kept if costs[s.item.id].n_edits]
    edited = [edited_frame_count(s) / n for s in made if (n := _n_answers(s))]
    touches = sum(1 + len(s.proposals) + len(s.verdicts) for s in items if s.item.source != "auto")
    touches += sum(len(s.verdicts) for s in items if s.item.source == "auto")
    return Account(
        MASKLETS,
        _by_media({s.item.id: s.item.media_id for s in items}, seconds),
        n_items=len(done) or len(kept),
        n_kept=len(kept),
        n_negatives=0,
        n_phrases=len({s.item.phrase for s in kept if s.item.phrase}),
        n_frames=n_frames,
        n_masks=sum(len(ids) for ids in shown.values()),
        n_distinct=distinct_masks(shown, masks_of, SAME_IOU),
        roles=by_role(seconds),
        touches=touches,
        clicks=float(sum(c.clicks + c.strokes for c in costs.values())),
        n_ai_items=sum(not _is_touched(s, state) for s in done),
        n_untouched=n_untouched,
        edited_share=_mean(edited),
        started_share=_mean([float(s.item.source != "auto") for s in items]),
        checked_share=_mean([float(_is_checked(s)) for s in kept]),
        speed_up=_speed_up(events, masks_of),
        n_cycles=_cycles(events),
        compute_s=_compute_s(events, state),
        quality=score_masklets(state, masks_of, world) if world else Quality(),
    )


def _n_answers(item: ItemState) -> int:
    return sum(f.mask_id is not None for f in item.frames.values())


def _is_touched(item: ItemState, state: ProjectState) -> bool:
    who = {v.worker_id for v in item.verdicts} | item.makers
    workers = [state.workers.get(w) for w in who]
    return any(w is None or w.kind is not WorkerKind.MODEL for w in workers)


def _is_checked(item: ItemState) -> bool:
    return any(v.worker_id not in item.makers for v in item.verdicts)


def _speed_up(events: Sequence[Event], masks_of: Masks) -> float:
    rows = phases(events, masks_of).rows
    return rows[-1].speed_up if len({r.phase for r in rows}) > 1 else NAN


# -- pairs -----------------------------------------------------------------------------


def _concepts(
    events: Sequence[Event],
    project: ProjectState,
    state: ConceptState,
    earlier: ConceptState,
    seconds: _Seconds,
    masks_of: Masks,
    world: CommonWorld | None,
) -> Account:
    pairs = list(state.pairs.values())
    done = [p for p in pairs if p.is_done]
    final = [p for p in done if decided_masks(p) or p.is_negative]
    masks = [(p, m) for p in final for m in decided_masks(p)]
    shown: dict[tuple[str, int], list[str]] = defaultdict(list)
    for pair, mask in masks:
        for frame in mask.frames:
            shown[pair.item.media_id, frame.frame_idx].append(frame.mask_id)
    by_hand = sum(m.model == "" or bool(m.parent) for _, m in masks)
    audits = _audits(state, events)
    helped_ids = _helped(events)
    helped = [p for p in done if p.id in helped_ids]
    alone = [p for p in (*earlier.pairs.values(), *done) if p.is_done and p.id not in helped_ids]
    answers = [a for p in pairs for a in stats.person_answers(p)]
    clicks = [a.body.clicks for a in answers if isinstance(a.body, Corrected)]
    splits = [(_pair_s(alone, kind), _pair_s(helped, kind)) for kind in (False, True, None)]
    bounds = [b for s in state.routing.values() if s.mode is RoutingMode.ON for _, b in s.bounds]
    return Account(
        CONCEPTS,
        _by_media({p.id: p.item.media_id for p in pairs}, seconds),
        n_items=len(done),
        n_kept=len(final),
        n_negatives=sum(p.is_negative for p in final),
        n_phrases=len({p.phrase for p in final}),
        n_frames=len(shown),
        n_masks=sum(len(ids) for ids in shown.values()),
        n_distinct=distinct_masks(shown, masks_of, SAME_IOU),
        roles=by_role(seconds),
        touches=len(answers),
        clicks=float(sum(clicks)) if any(clicks) else NAN,
        n_ai_items=sum(is_decided_by_models(p) for p in done),
        n_untouched=len(masks) - by_hand,
        edited_share=by_hand / len(masks) if masks else NAN,
        started_share=_mean([float(not _first_model(p)) for p in pairs if p.proposal]),
        checked_share=_mean([float(bool(p.answers)) for p in final]),
        audits=(sum(audits), len(audits)),
        promised=max((b for b in bounds if b < 1), default=NAN),
        s_positive=splits[0],
        s_negative=splits[1],
        s_all=splits[2],
        n_cycles=_cycles(events),
        compute_s=_compute_s(events, project),
        quality=score_concepts(state, project, masks_of, world) if world else Quality(),
    )


def _first_model(pair: PairState) -> str:
    """The model that put the first masks forward; empty when a person did."""
    bodies = (e.event.body for e in pair.entries)
    return next((b.model for b in bodies if isinstance(b, ConceptProposed)), "")


def _audits(state: ConceptState, events: Sequence[Event]) -> list[bool]:
    """Whether each decision of a model that a person audited was wrong by that person."""
    names = {
        e.body.model for e in events if isinstance(e.body, MvAnswered | EvAnswered) and e.body.model
    }
    return [
        past.advice.outcome is not past.truth
        for name in sorted(names)
        for task in (ConceptTask.MV, ConceptTask.EV)
        for past in past_decisions(state, task, name)
        if past.route is Route.AUDIT and past.truth is not None
    ]


def _helped(events: Sequence[Event]) -> set[str]:
    """Pairs routed while a verifier had leave to decide: those it decided, and those for
    which it passed the question on."""
    on: dict[ConceptTask, bool] = {}
    found: set[str] = set()
    for event in events:
        body = event.body
        if isinstance(body, RoutingSwitched):
            on[body.task] = body.mode is RoutingMode.ON
        elif isinstance(body, PairRouted) and on.get(body.task):
            found.add(body.item_id)
    return found


def _pair_s(pairs: Sequence[PairState], negative: bool | None) -> float:
    """People's seconds per pair: of negatives, of positives, or (None) of both."""
    kept = [p for p in pairs if p.is_negative or decided_masks(p)]
    return _mean(
        [stats.seconds_of(p) for p in kept if negative is None or p.is_negative is negative]
    )


# -- both ------------------------------------------------------------------------------


def _cycles(events: Sequence[Event]) -> dict[str, int]:
    """Training runs that made a version, by what they train."""
    found: dict[str, int] = defaultdict(int)
    for run in lineage.runs(events).values():
        if run.model:
            found[lineage.learner_of(run.started)] += 1
    return dict(found)


def _compute_s(events: Sequence[Event], state: ProjectState) -> float:
    """Seconds of the machine: what simulated runs wrote down; else, among people, the time
    that propagations took; with training. NaN where the log tells neither."""
    training_s = sum(e.body.seconds_s for e in events if isinstance(e.body, TrainingEnded))
    told = [float(t[COMPUTE_TAG]) for t in state.tags.values() if COMPUTE_TAG in t]
    if told:
        return sum(told) + training_s
    if any(w.kind is WorkerKind.SIMULATED for w in state.workers.values()):
        return training_s or NAN  # a simulated clock stands still while the machine works
    began: dict[str, float] = {}
    spans: list[float] = []
    for event in events:
        if isinstance(event.body, PropagationStarted):
            began[event.body.run_id] = event.at_s
        elif isinstance(event.body, PropagationEnded) and event.body.run_id in began:
            spans.append(max(0.0, event.at_s - began[event.body.run_id]))
    return sum(spans) + training_s if spans else training_s or NAN


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else NAN
