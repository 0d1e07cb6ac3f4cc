"""Everything that a card says, gathered from events.

Pure functions: the same events give the same facts. Whoever knows more than the log (that
a file has moved, which licence holds, which packages are installed) passes it in.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from samnb.engine.cards.concept_facts import concept_facts
from samnb.engine.cards.masklet_facts import masklet_facts
from samnb.engine.cards.names import Names
from samnb.engine.cards.records import (
    CardFacts,
    LogFacts,
    MediaFacts,
    ModelFacts,
    TrainingFacts,
    WorkerFacts,
)
from samnb.engine.concepts.state import ConceptState
from samnb.engine.effort import Masks
from samnb.engine.history import History, read_history
from samnb.engine.lineage import learner_of, runs
from samnb.engine.state import ProjectState
from samnb.events import (
    VERSION,
    Body,
    Event,
    FrameEdited,
    FrameTracked,
    ItemAdded,
    PropagationStarted,
    Submitted,
    TrainingStarted,
    WorkerJoined,
    encode,
)
from samnb.events.concepts import (
    ConceptProposed,
    ConceptStep,
    ConceptTask,
    EvAnswered,
    MvAnswered,
    NegativesChecked,
    PairAdded,
    PhrasesMined,
)

USES: Final = ("tracker", "segmenter", "verifier", "captioner", "negatives")
_HASH: Final = re.compile(r"@([0-9a-f]{6,})$")
_TASK_ROLES: Final = {
    ConceptTask.MV: "mask verifier",
    ConceptTask.EV: "exhaustivity verifier",
    ConceptTask.CORRECT: "corrector",
    ConceptTask.CONFIRM: "confirmer",
}


def gather_facts(
    events: Iterable[Event],
    masks: Masks | None = None,
    *,
    is_pseudonymous: bool = True,
    missing: Collection[str] | None = None,
    software: Mapping[str, str] | None = None,
    licence: str | None = None,
) -> CardFacts:
    """Return what a log says about itself.

    Args:
        events: the whole log.
        masks: returns masks by id; without it shares that need pixels stay unknown.
        is_pseudonymous: people are numbered, not named.
        missing: ids of media whose files somebody looked for and did not find; None when
            nobody looked.
        software: version by package.
        licence: of the data, as dataset hubs name it.
    """
    rows, _ = read_history(events)
    state, pairs = rows.project, rows.pairs
    names = Names(state.workers, dict.fromkeys(e.worker_id for e in rows), is_pseudonymous)
    return CardFacts(
        log=_log(rows, state),
        media=_media(state, pairs, missing),
        models=_models(rows, names),
        trainings=_trainings(rows),
        workers=_workers(rows, state, pairs, names),
        masklets=masklet_facts(rows, masks, names),
        concepts=concept_facts(rows, names),
        software=tuple((software or {}).items()),
        licence=licence,
        is_pseudonymous=is_pseudonymous,
        used=_used(rows),
        is_used_known=bool(state.software) and all(state.software.values()),
    )


def _used(events: Iterable[Event]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Every version of every package that sessions ran with, in the order of the log."""
    found: dict[str, dict[str, None]] = {}
    for body in (e.body for e in events):
        for package, version in body.software if isinstance(body, WorkerJoined) else ():
            found.setdefault(package, {})[version] = None
    return tuple((package, tuple(versions)) for package, versions in found.items())


def _log(events: Sequence[Event], state: ProjectState) -> LogFacts:
    digest = hashlib.sha256()
    for e in events:
        line = f"{e.seq}|{e.at_s!r}|{e.worker_id}|{e.kind}|{encode(e.body)}\n"
        digest.update(line.encode())
    times = [e.at_s for e in events]
    project = state.project
    return LogFacts(
        project=_short(project.name) if project else "",
        n_events=len(events),
        layout=VERSION,
        digest=digest.hexdigest(),
        first_s=min(times, default=None),
        last_s=max(times, default=None),
        annotation_fps=project.annotation_fps if project else None,
        round_limit=project.round_limit if project else None,
    )


def _short(name: str) -> str:
    """A project in a database is named by its address, which may hold a password."""
    return name.rsplit("/", 1)[-1].partition("?")[0] if "://" in name else name


def _media(
    state: ProjectState, pairs: ConceptState, missing: Collection[str] | None
) -> tuple[MediaFacts, ...]:
    found = []
    for media in state.media.values():
        items = state.items_of(media.id)
        mine = pairs.pairs_of(media.id)
        frames = {i for s in items for i, f in s.frames.items() if f.mask_id is not None}
        final = [p for p in mine if p.step is ConceptStep.FINAL]
        frames |= {f.frame_idx for p in final for m in p.masks for f in m.frames}
        found.append(
            MediaFacts(
                name=media.name,
                kind=media.kind.value,
                content_hash=None if media.is_unseen else media.id,
                size_hw=media.size_hw,
                n_frames=media.n_frames,
                duration_s=media.duration_s,
                annotated_frames=len(frames),
                masklets=len(items),
                pairs=len(mine),
                tags=tuple(sorted(state.tags.get(media.id, {}).items())),
                is_missing=None if missing is None else media.id in missing,
            )
        )
    return tuple(found)


# -- models ----------------------------------------------------------------------


@dataclass(slots=True)
class _Use:
    uses: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)


def _models(events: Sequence[Event], names: Names) -> tuple[ModelFacts, ...]:
    found: dict[str, _Use] = {}
    run_model: dict[str, str] = {}

    def used(model: str, use: str, **counts: int) -> None:
        if model:
            row = found.setdefault(model, _Use())
            row.uses.add(use)
            row.counts.update(counts)

    for body in (e.body for e in events):
        if isinstance(body, FrameEdited):
            used(body.model, "tracker", prompts=1)
        elif isinstance(body, PropagationStarted):
            run_model[body.run_id] = body.model
            used(body.model, "tracker")
        elif isinstance(body, FrameTracked):
            used(run_model.get(body.run_id, ""), "tracker", tracked_masks=len(body.masks))
        elif isinstance(body, Submitted):
            used(body.proposal.model, "tracker", masklets=1)
        elif isinstance(body, ConceptProposed):
            n = len(body.masks)
            used(body.model, "segmenter", proposals=1, proposed_masks=n)
        elif isinstance(body, MvAnswered | EvAnswered):
            n = len(body.answers) if isinstance(body, MvAnswered) else 1
            used(body.model, "verifier", answers=n)
        elif isinstance(body, PhrasesMined):
            used(_of_no_person(body.captioner, names), "captioner")
        elif isinstance(body, NegativesChecked):
            used(_of_no_person(body.proposer, names), "negatives")
            used(body.model, "segmenter")
    return tuple(
        ModelFacts(
            name,
            version_hash(name),
            tuple(u for u in USES if u in row.uses),
            **{key: row.counts[key] for key in _COUNTS},
        )
        for name, row in found.items()
    )


_COUNTS: Final = (
    "prompts", "tracked_masks", "masklets", "proposals", "proposed_masks", "answers",
)  # fmt: skip


def _of_no_person(name: str, names: Names) -> str:
    """A captioner's or proposer's name; empty where it is a worker of the project."""
    return "" if name in names.workers else name


def version_hash(name: str) -> str | None:
    """The hash of a model's weights that its name ends in, as in ``mobile-512@1a2b3c4d``;
    None where it has none."""
    found = _HASH.search(name)
    return found[1] if found else None


def _trainings(events: Sequence[Event]) -> tuple[TrainingFacts, ...]:
    made: Counter[str] = Counter(
        model for body in (e.body for e in events) if (model := _made_by(body))
    )
    found = []
    for run_id, run in runs(events).items():
        started, ended = run.started, run.ended
        found.append(
            TrainingFacts(
                run=run_id,
                learner=learner_of(started),
                base=started.base,
                version=run.model,
                status=run.status,
                snapshot=started.snapshot_id,
                n_train=len(started.train),
                n_held_out=len(started.held_out),
                seconds_s=ended.seconds_s if ended else 0.0,
                made=made[run.model] if run.model else 0,
                reason=run.verdict.reason if run.verdict else (ended.detail if ended else ""),
                seed=started.seed,
                metrics=tuple(
                    (model, data, name, value)
                    for (model, data), figures in run.metrics.items()
                    for name, value in figures.items()
                ),
                settings=started.settings,
            )
        )
    return tuple(found)


def _made_by(body: Body) -> str:
    """The model whose proposal or answer an event is; empty for other events."""
    if isinstance(body, Submitted):
        return body.proposal.model
    return body.model if isinstance(body, ConceptProposed | MvAnswered | EvAnswered) else ""


# -- workers ---------------------------------------------------------------------


def _workers(
    events: History, state: ProjectState, pairs: ConceptState, names: Names
) -> tuple[WorkerFacts, ...]:
    seconds: defaultdict[str, float] = defaultdict(float)
    for (who, item_id), active_s in events.seconds().items():
        if item_id in state.items:
            seconds[who] += active_s
    roles = _roles(events, state, pairs)
    answers = [a for p in pairs.pairs.values() for a in (*p.past, *p.answers)]
    task_s: defaultdict[str, float] = defaultdict(float)
    for answer in answers:
        task_s[answer.worker_id] += answer.seconds_s or 0.0
    verdicts = Counter(v.worker_id for s in state.items.values() for v in s.verdicts)
    return tuple(
        WorkerFacts(
            name=names(who),
            kind=worker.kind.value,
            roles=tuple(roles.get(who, ())),
            masklets=sum(who in s.makers for s in state.items.values()),
            verdicts=verdicts[who],
            answers=sum(a.worker_id == who for a in answers),
            active_s=seconds[who],
            task_s=task_s[who],
        )
        for who, worker in names.workers.items()
    )


def _roles(
    events: Sequence[Event], state: ProjectState, pairs: ConceptState
) -> dict[str, dict[str, None]]:
    """What each worker was seen doing, in a fixed order."""
    acts: dict[str, list[str]] = {}
    for event in events:
        if isinstance(event.body, ItemAdded):
            acts.setdefault("selector", []).append(event.worker_id)
        elif isinstance(event.body, PairAdded):
            acts.setdefault("phrase selector", []).append(event.worker_id)
        elif isinstance(event.body, TrainingStarted):
            acts.setdefault("trainer", []).append(event.worker_id)
        elif isinstance(event.body, ConceptProposed):
            acts.setdefault("proposer", []).append(event.worker_id)
    for item in state.items.values():
        acts.setdefault("annotator", []).extend(sorted(item.makers))
        acts.setdefault("verifier", []).extend(v.worker_id for v in item.verdicts)
    for pair in pairs.pairs.values():
        for answer in (*pair.past, *pair.answers):
            acts.setdefault(_TASK_ROLES[answer.task], []).append(answer.worker_id)
    order = ("selector", "annotator", "verifier", "phrase selector", "proposer", "trainer")
    found: dict[str, dict[str, None]] = {}
    for role in (*order, *_TASK_ROLES.values()):
        for who in acts.get(role, ()):
            found.setdefault(who, {})[role] = None
    return found
