"""A retraining cycle in one call: learn from what was verified, measure, promote or not.

SAM 2's engine retrained its model twice in Phase 2 and five times in Phase 3 (SAM 2
paper, section 5.1). Here a cycle takes the accepted masklets, fine-tunes the current
model, measures the old and the new version on held-out masklets and makes the new one
the project's model only if it is better. Everything is in the log, see
:mod:`samnb.engine.lineage`; weights lie in a folder beside the project.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from samnb.engine.dataset import (
    HELD_OUT_SHARE,
    Snapshot,
    labelled_clips,
    synthetic_clips,
    take_snapshot,
)
from samnb.engine.evaluation import EvalSettings, evaluate
from samnb.engine.gate import Gate, Metrics, is_better
from samnb.engine.lineage import promoted_file
from samnb.engine.promotion import versions_folder
from samnb.events import (
    ModelEvaluated,
    ModelKeptAside,
    ModelPromoted,
    TrainingEnded,
    TrainingStarted,
)
from samnb.models.base import Tracker
from samnb.models.trainable import (
    FinetuneSettings,
    LabelledClip,
    Trained,
    Trainer,
    checkpoint_path,
)
from samnb.types import InputError, Worker, WorkerKind

if TYPE_CHECKING:
    from samnb.engine.session import Session


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a cycle is.

    Attributes:
        stage: "train", "measure old", "measure new", "measure replay".
        done: steps or clips done.
        total: steps or clips in all.
        loss: mean loss of the last few steps; None outside of training.
    """

    stage: str
    done: int
    total: int
    loss: float | None = None


@dataclass(frozen=True, slots=True)
class RetrainResult:
    """How a cycle ended.

    Attributes:
        status: "promoted", "kept aside" or "cancelled".
        model: name of the new version; empty when cancelled.
        over: name of the version it was measured against.
        reason: the figures behind the decision.
        old: figures of ``over`` on the held-out masklets.
        new: figures of the new version on them.
        curve: ``(step, loss)``.
        old_replay: figures of ``over`` on the replay clips; empty without any.
        new_replay: figures of the new version on them.
    """

    run_id: str
    status: str
    model: str
    over: str
    reason: str
    snapshot: Snapshot
    old: Metrics
    new: Metrics
    curve: tuple[tuple[int, float], ...]
    old_replay: Metrics = field(default_factory=dict)
    new_replay: Metrics = field(default_factory=dict)


def retrain(
    session: Session,
    settings: FinetuneSettings | None = None,
    *,
    held_out: Collection[str] | None = None,
    held_out_share: float = HELD_OUT_SHARE,
    replay: Sequence[LabelledClip] | None = None,
    gate: Gate | None = None,
    evaluation: EvalSettings | None = None,
    seed: int = 0,
    folder: str | Path | None = None,
    trainer: Trainer | None = None,
    resume: bool = True,
    timer: Callable[[], float] = time.monotonic,
    on_progress: Callable[[Progress], None] | None = None,
    cancel: threading.Event | None = None,
) -> RetrainResult:
    """Run one retraining cycle on the accepted masklets of a project.

    A promoted version is the session's model when this returns; another session takes
    it up by :func:`use_promoted`. A cancelled or killed run leaves a checkpoint, and the
    same call goes on from there.

    Args:
        session: the project and its current model.
        settings: how to train.
        held_out: ids of media to measure on; None lets their content decide.
        held_out_share: expected share of held-out media, where content decides.
        replay: clips of what the model must not forget; None makes some up
            (:func:`~samnb.engine.dataset.synthetic_clips`), an empty list is for none. It
            is measured on the first, third, ... of them, from their first frames, and
            rehearses the others, for what one has just rehearsed tells nothing about
            forgetting.
        gate: when the new version is better.
        evaluation: how versions are measured.
        seed: of everything random.
        folder: where weights go; None is ``PROJECT.models`` beside the project file.
        trainer: turns model and clips into a new version; None fine-tunes SAM 2s.
        resume: go on from the checkpoint of an unfinished run; False begins anew.
        timer: seconds that pass, for the log.
        on_progress: called at every step and clip.
        cancel: set it from another thread to stop.

    Raises:
        FlowError: too few accepted masklets.
        ModelError: the model cannot be trained.
    """
    if trainer is None:
        from samnb.models.finetune import finetune

        trainer = finetune
    settings = settings or FinetuneSettings()
    snapshot = take_snapshot(session, held_out=held_out, share=held_out_share)
    place = models_folder(session) if folder is None else Path(folder)
    cycle = _Cycle(session, snapshot, place, seed, timer, on_progress, cancel)
    known = tuple(synthetic_clips() if replay is None else replay)
    return cycle.run(settings, known, gate or Gate(), evaluation, trainer, resume)


class _Cycle:
    """One retraining cycle; its events are signed by the model that learns."""

    def __init__(
        self,
        session: Session,
        snapshot: Snapshot,
        folder: Path,
        seed: int,
        timer: Callable[[], float],
        on_progress: Callable[[Progress], None] | None,
        cancel: threading.Event | None,
    ) -> None:
        self.session, self.snapshot, self.folder = session, snapshot, folder
        self.seed, self.timer, self.cancel = seed, timer, cancel
        self.on_progress = on_progress
        self.old = session.tracker
        # A person's active time must not grow by the machine's.
        name = f"trainer:{self.old.name}"
        self.hands = session.as_worker(Worker(name, WorkerKind.MODEL, "retraining"))
        self.run_id = session.new_id()

    def run(
        self,
        settings: FinetuneSettings,
        replay: Sequence[LabelledClip],
        gate: Gate,
        evaluation: EvalSettings | None,
        trainer: Trainer,
        resume: bool,
    ) -> RetrainResult:
        tag = self._tag(settings, replay)
        checkpoint = checkpoint_path(self.folder, tag)
        if not resume:
            checkpoint.unlink(missing_ok=True)
        earlier = self._earlier_run() if checkpoint.is_file() else ""
        self._write(
            TrainingStarted(
                self.run_id,
                self.old.name,
                self.snapshot.id,
                tuple(p.id for p in self.snapshot.train),
                tuple(p.id for p in self.snapshot.held_out),
                settings.pairs(),
                self.seed,
                earlier,
            )
        )
        trained = self._train(settings, replay[1::2], trainer, tag)
        new = trained.tracker
        if new is None or trained.file is None:
            return self._cancelled(trained.curve)
        held_out = labelled_clips(self.session, self.snapshot.held_out)
        figures: list[Metrics | None] = []
        for clips, data in ((held_out, "held_out"), (replay[::2], "replay")):
            for tracker in (self.old, new):
                figures.append(self._measure(tracker, clips, data, evaluation) if clips else None)
                if self._is_cancelled:
                    return self._cancelled(trained.curve)
        before, after, old_replay, new_replay = figures
        if before is None or after is None:
            raise InputError("held_out: expected masklets to measure on, got none")
        good, reason = is_better(after, before, gate, new_replay=new_replay, old_replay=old_replay)
        kind = ModelPromoted if good else ModelKeptAside
        self._write(kind(self.run_id, new.name, self.old.name, trained.file.name, reason))
        # Only now is the run beyond being cut off.
        checkpoint.unlink(missing_ok=True)
        if good:
            self.session.switch_model(new)
        status = "promoted" if good else "kept aside"
        return RetrainResult(
            self.run_id, status, new.name, self.old.name, reason, self.snapshot, before, after,
            trained.curve, old_replay or {}, new_replay or {},
        )  # fmt: skip

    def _train(
        self,
        settings: FinetuneSettings,
        replay: Sequence[LabelledClip],
        trainer: Trainer,
        tag: str,
    ) -> Trained:
        started = self.timer()
        steps = [0]

        def tell(done: int, total: int, loss: float) -> None:
            steps[0] = done
            self._tell(Progress("train", done, total, loss))

        try:
            trained = trainer(
                self.old,
                labelled_clips(self.session, self.snapshot.train),
                folder=self.folder,
                settings=settings,
                seed=self.seed,
                replay=replay,
                tag=tag,
                on_progress=tell,
                cancel=self.cancel,
            )
        except BaseException as error:
            detail = f"{type(error).__name__}: {error}"
            seconds_s = self.timer() - started
            self._write(TrainingEnded(self.run_id, "failed", steps[0], seconds_s, detail=detail))
            raise
        self._write(
            TrainingEnded(
                self.run_id,
                trained.status,
                trained.steps,
                self.timer() - started,
                trained.tracker.name if trained.tracker else "",
                trained.file.name if trained.file else "",
                trained.curve,
            )
        )
        return trained

    def _measure(
        self,
        tracker: Tracker,
        clips: Sequence[LabelledClip],
        data: str,
        settings: EvalSettings | None,
    ) -> Metrics:
        stage = "measure replay" if data == "replay" else (
            "measure old" if tracker is self.old else "measure new"
        )  # fmt: skip

        def tell(done: int, total: int) -> None:
            self._tell(Progress(stage, done, total))

        if data == "replay":  # only J&F counts there, which the first frame's clicks give
            settings = replace(settings or EvalSettings(), max_rounds=1)
        found = evaluate(tracker, clips, settings, on_progress=tell, cancel=self.cancel)
        if not self._is_cancelled:
            self._write(ModelEvaluated(self.run_id, tracker.name, data, tuple(found.items())))
        return found

    def _cancelled(self, curve: tuple[tuple[int, float], ...]) -> RetrainResult:
        return RetrainResult(
            self.run_id, "cancelled", "", self.old.name, "cancelled; the same call goes on",
            self.snapshot, {}, {}, curve,
        )  # fmt: skip

    @property
    def _is_cancelled(self) -> bool:
        return self.cancel is not None and self.cancel.is_set()

    def _tell(self, progress: Progress) -> None:
        if self.on_progress is not None:
            self.on_progress(progress)

    def _write(
        self,
        body: TrainingStarted | TrainingEnded | ModelEvaluated | ModelPromoted | ModelKeptAside,
    ) -> None:
        self.hands.commit(lambda _state: [body])
        self.session.refresh()

    def _tag(self, settings: FinetuneSettings, replay: Sequence[LabelledClip]) -> str:
        """Names what this run would compute, so that only the same run is continued."""
        parts = (self.old.name, self.snapshot.id, settings.pairs(), self.seed,
                 [clip.key for clip in replay])  # fmt: skip
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    def _earlier_run(self) -> str:
        """The run that left the checkpoint."""
        for event in reversed(self.session.log.read()):
            body = event.body
            if (
                isinstance(body, TrainingStarted)
                and (body.base, body.snapshot_id) == (self.old.name, self.snapshot.id)
                and body.seed == self.seed
            ):
                return body.run_id
        return ""


def models_folder(session: Session) -> Path:
    """The folder of a project's model versions: ``PROJECT.models`` beside its file.

    Raises:
        InputError: the project is a database without a place on disk.
    """
    url = session.log.url
    folder = versions_folder(url)
    if folder is None:
        raise InputError(
            f"folder: expected one for the versions, since the project is at {url.split(':')[0]}"
        )
    return folder


def use_promoted(
    session: Session,
    *,
    root: Tracker | None = None,
    folder: str | Path | None = None,
    load: Callable[[Path, Tracker | None], Tracker] | None = None,
) -> Tracker:
    """Make the version that was promoted last the session's model; without one the model
    stays as it is.

    Args:
        session: the project.
        root: the model that the version was trained from; None takes the session's own
            model where it fits, else the packaged one.
        folder: where the weights are; None is ``PROJECT.models``.
        load: reads a version; None reads what :func:`retrain` writes by itself.

    Raises:
        ModelError: the file is gone, or was trained from another model.
    """
    file = promoted_file(session.log.read())
    if file is None:
        return session.tracker
    place = models_folder(session) if folder is None else Path(folder)
    if load is None:
        load = _load
    tracker = load(place / file, root if root is not None else session.tracker)
    session.switch_model(tracker)
    return tracker


def _load(path: Path, root: Tracker | None) -> Tracker:
    from samnb.models.sam2 import Sam2Tracker
    from samnb.models.versions import load_version
    from samnb.types import ModelError

    if isinstance(root, Sam2Tracker):
        with suppress(ModelError):
            return load_version(path, root)
    return load_version(path)
