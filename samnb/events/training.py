"""Bodies of retraining: what a model was trained on, how good it became, what became of it.

With ``Proposal.model`` they close the lineage: data snapshot, run, version, every proposal
that the version made.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrainingStarted:
    """A model began to learn from verified masklets.

    Attributes:
        base: name of the model it starts from.
        snapshot_id: content hash of all masks it is trained and measured on.
        train: ids of the accepted proposals it learns from.
        held_out: ids of the accepted proposals it is measured on; none of the same medium
            is in ``train``.
        settings: name and value of every setting of the trainer.
        resumes: id of the interrupted run that this one continues; else empty.
    """

    run_id: str
    base: str
    snapshot_id: str
    train: tuple[str, ...]
    held_out: tuple[str, ...]
    settings: tuple[tuple[str, str], ...]
    seed: int
    resumes: str = ""


@dataclass(frozen=True, slots=True)
class TrainingEnded:
    """A training run is over.

    Attributes:
        status: "done", "cancelled" or "failed".
        steps: optimiser steps that are done, those of resumed runs included.
        seconds_s: how long this run took.
        model: name of the new version; empty unless done.
        file: name of its weights in the project's folder of models; empty unless done.
        curve: ``(step, loss)`` at some steps, rising.
        detail: why it failed.
    """

    run_id: str
    status: str
    steps: int
    seconds_s: float
    model: str = ""
    file: str = ""
    curve: tuple[tuple[int, float], ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ModelEvaluated:
    """A model was measured.

    Attributes:
        data: "held_out" for the run's held-out masklets, "replay" for what the model
            must not forget.
        metrics: name and value of each figure.
    """

    run_id: str
    model: str
    data: str
    metrics: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class ModelPromoted:
    """A new version is better than ``over`` and is the project's model from here on."""

    run_id: str
    model: str
    over: str
    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class ModelKeptAside:
    """A new version is not better than ``over``, which stays the project's model."""

    run_id: str
    model: str
    over: str
    file: str
    reason: str
