"""Lineage of the concept loop from the log: what was learned, how good it was, what it made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from samnb.engine.concepts.retrain import SEGMENTER, VERIFIER
from samnb.engine.effort import Source
from samnb.engine.history import read_history
from samnb.engine.lineage import TrainingRun, learner_of, promoted_file, runs
from samnb.engine.retrain import models_folder
from samnb.events.concepts import ConceptProposed, EvAnswered, MvAnswered

if TYPE_CHECKING:
    import pandas as pd

    from samnb.engine.concepts.session import ConceptSession


def versions(source: Source) -> pd.DataFrame:
    """Return one row per training run of the concept loop, oldest first.

    Columns: run, learner, base, version (empty when cut off), status, snapshot, n_train,
    n_held_out (pairs), steps, seconds_s, loss, old and new (cgF1 times 100 of a segmenter,
    mean accuracy of a verifier, on held-out data), made (proposals or answers that the
    version gave since), reason.
    """
    import pandas as pd

    events, _ = read_history(source)
    made: dict[str, int] = {}
    for pair in events.pairs.pairs.values():
        for body in (entry.event.body for entry in pair.entries):
            if isinstance(body, ConceptProposed | MvAnswered | EvAnswered) and body.model:
                made[body.model] = made.get(body.model, 0) + 1
    rows = [
        _row(run_id, run, made)
        for run_id, run in runs(events).items()
        if learner_of(run.started) in (SEGMENTER, VERIFIER)
    ]
    columns = [
        "run", "learner", "base", "version", "status", "snapshot", "n_train", "n_held_out",
        "steps", "seconds_s", "loss", "old", "new", "made", "reason",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _row(run_id: str, run: TrainingRun, made: dict[str, int]) -> dict[str, Any]:
    started, ended = run.started, run.ended
    learner = learner_of(started)
    return {
        "run": run_id,
        "learner": learner,
        "base": started.base,
        "version": run.model,
        "status": run.status,
        "snapshot": started.snapshot_id,
        "n_train": len(started.train),
        "n_held_out": len(started.held_out),
        "steps": ended.steps if ended else 0,
        "seconds_s": ended.seconds_s if ended else 0.0,
        "loss": ended.curve[-1][1] if ended and ended.curve else float("nan"),
        "old": _figure(run, started.base, learner),
        "new": _figure(run, run.model, learner),
        "made": made.get(run.model, 0) if run.model else 0,
        "reason": run.verdict.reason if run.verdict else (ended.detail if ended else ""),
    }


def _figure(run: TrainingRun, model: str, learner: str) -> float:
    metrics = run.metrics.get((model, "held_out"), {})
    if learner == SEGMENTER:
        return metrics.get("cgf1", float("nan"))
    rows = [value for name, value in metrics.items() if name.endswith("accuracy")]
    return sum(rows) / len(rows) if rows else float("nan")


def promoted_path(
    loop: ConceptSession, learner: str, folder: str | Path | None = None
) -> Path | None:
    """The weights of the segmenter or verifier that was promoted last; None without.

    Args:
        loop: the project.
        learner: :data:`~samnb.engine.concepts.retrain.SEGMENTER` or ``VERIFIER``.
        folder: where weights are; None is ``PROJECT.models`` beside the project file.
    """
    file = promoted_file(loop.session.log.read(), learner)
    if file is None:
        return None
    place = models_folder(loop.session) if folder is None else Path(folder)
    return place / file
