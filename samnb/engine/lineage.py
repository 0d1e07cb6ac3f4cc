"""Lineage from the log: data snapshot, training run, model version, every proposal.

Nothing here is stored: the tables are computed from events, so a copy of the project
file answers years later which model made a mask, what that model had been trained on,
and how it had been measured. What a masklet costs with each version is told by
:func:`samnb.engine.stats.effort`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from samnb.engine.effort import Source
from samnb.engine.history import read_history
from samnb.events import (
    Event,
    ModelEvaluated,
    ModelKeptAside,
    ModelPromoted,
    TrainingEnded,
    TrainingStarted,
)

if TYPE_CHECKING:
    import pandas as pd


@dataclass(slots=True)
class TrainingRun:
    """One retraining cycle, as the log tells it.

    Attributes:
        status: "running", "cancelled", "failed", "done" (measured not or not wholly),
            "promoted" or "kept aside".
        metrics: figures by model name and kind of data ("held_out", "replay").
    """

    started: TrainingStarted
    at_s: float
    ended: TrainingEnded | None = None
    verdict: ModelPromoted | ModelKeptAside | None = None
    metrics: dict[tuple[str, str], dict[str, float]] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """How far the run came."""
        if isinstance(self.verdict, ModelPromoted):
            return "promoted"
        if isinstance(self.verdict, ModelKeptAside):
            return "kept aside"
        return self.ended.status if self.ended else "running"

    @property
    def model(self) -> str:
        """The version that the run made; empty when it made none."""
        return self.ended.model if self.ended else ""


def runs(events: Iterable[Event]) -> dict[str, TrainingRun]:
    """Return every training run by its id, in the order of their start."""
    found: dict[str, TrainingRun] = {}
    for event in events:
        body = event.body
        if isinstance(body, TrainingStarted):
            found[body.run_id] = TrainingRun(body, event.at_s)
        elif isinstance(body, TrainingEnded):
            found[body.run_id].ended = body
        elif isinstance(body, ModelEvaluated):
            found[body.run_id].metrics[body.model, body.data] = dict(body.metrics)
        elif isinstance(body, ModelPromoted | ModelKeptAside):
            found[body.run_id].verdict = body
    return found


TRACKER: Final = "tracker"
"""What a run trains when its settings name no other ``learner``."""


def learner_of(started: TrainingStarted) -> str:
    """What a run trains: the tracker, or what its setting ``learner`` names."""
    return dict(started.settings).get("learner", TRACKER)


def promoted_file(events: Iterable[Event], learner: str = TRACKER) -> str | None:
    """Name of the weights of a learner that were promoted last; None when there are none."""
    learners: dict[str, str] = {}
    found = None
    for event in events:
        if isinstance(event.body, TrainingStarted):
            learners[event.body.run_id] = learner_of(event.body)
        elif (
            isinstance(event.body, ModelPromoted)
            and learners.get(event.body.run_id, TRACKER) == learner
        ):
            found = event.body.file
    return found


def versions(source: Source) -> pd.DataFrame:
    """Return one row per training run of the tracker, oldest first.

    Columns: run, snapshot, base, version (empty when the run was cut off), status,
    n_train, n_held_out, steps, seconds_s (resumed parts included), loss, old_jf, new_jf,
    old_clicks, new_clicks, replay_loss (J&F lost on the replay clips), proposals (that
    the version made since), reason.
    """
    import pandas as pd

    history, _ = read_history(source)
    found = runs(history)
    made: dict[str, int] = {}
    for state in history.project.items.values():
        for proposal in state.proposals:
            made[proposal.model] = made.get(proposal.model, 0) + 1
    rows = [
        _run_row(run_id, run, found, made)
        for run_id, run in found.items()
        if learner_of(run.started) == TRACKER
    ]
    columns = [
        "run", "snapshot", "base", "version", "status", "n_train", "n_held_out", "steps",
        "seconds_s", "loss", "old_jf", "new_jf", "old_clicks", "new_clicks", "replay_loss",
        "proposals", "reason",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _run_row(
    run_id: str, run: TrainingRun, found: dict[str, TrainingRun], made: dict[str, int]
) -> dict[str, Any]:
    started, ended = run.started, run.ended
    nan = float("nan")
    old = run.metrics.get((started.base, "held_out"), {})
    new = run.metrics.get((run.model, "held_out"), {})
    replayed = [
        run.metrics.get((name, "replay"), {}).get("jf", nan) for name in (started.base, run.model)
    ]
    seconds_s, earlier = (ended.seconds_s if ended else 0.0), started.resumes
    while earlier in found:
        before = found[earlier]
        seconds_s += before.ended.seconds_s if before.ended else 0.0
        earlier = before.started.resumes
    return {
        "run": run_id,
        "snapshot": started.snapshot_id,
        "base": started.base,
        "version": run.model,
        "status": run.status,
        "n_train": len(started.train),
        "n_held_out": len(started.held_out),
        "steps": ended.steps if ended else 0,
        "seconds_s": seconds_s,
        "loss": ended.curve[-1][1] if ended and ended.curve else nan,
        "old_jf": old.get("jf", nan),
        "new_jf": new.get("jf", nan),
        "old_clicks": old.get("clicks", nan),
        "new_clicks": new.get("clicks", nan),
        "replay_loss": replayed[0] - replayed[1],
        "proposals": made.get(run.model, 0) if run.model else 0,
        "reason": run.verdict.reason if run.verdict else (ended.detail if ended else ""),
    }


def lineage(source: Source) -> pd.DataFrame:
    """Return one row per proposal: who made it, with which version, trained on what.

    Columns: proposal, item, media, object, source, worker, version, run and snapshot
    (empty for models that were not trained here), base, trained_on (number of proposals
    the version learned from), used_by (runs that learned from this very proposal),
    verdict, step.
    """
    import pandas as pd

    history, _ = read_history(source)
    state, found = history.project, runs(history)
    run_of = {run.model: run_id for run_id, run in found.items() if run.model}
    rows = []
    for item in state.items.values():
        verdicts = {v.proposal_id: v.kind.value for v in item.verdicts}
        for proposal in item.proposals:
            run_id = run_of.get(proposal.model, "")
            started = found[run_id].started if run_id else None
            used_by = [i for i, run in found.items() if proposal.id in run.started.train]
            rows.append(
                {
                    "proposal": proposal.id,
                    "item": proposal.item_id,
                    "media": state.media[item.item.media_id].name,
                    "object": item.item.obj_id,
                    "source": item.item.source,
                    "worker": proposal.worker_id,
                    "version": proposal.model,
                    "run": run_id,
                    "snapshot": started.snapshot_id if started else "",
                    "base": started.base if started else "",
                    "trained_on": len(started.train) if started else 0,
                    "used_by": ", ".join(used_by),
                    "verdict": verdicts.get(proposal.id, ""),
                    "step": item.step.value,
                }
            )
    columns = [
        "proposal", "item", "media", "object", "source", "worker", "version", "run", "snapshot",
        "base", "trained_on", "used_by", "verdict", "step",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)
