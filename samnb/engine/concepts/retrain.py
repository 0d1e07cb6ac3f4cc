"""A retraining cycle of the concept loop: learn from what was decided, measure, promote or not.

SAM 3's engine updated its segmenter six and seven times in two phases and its verifiers three
times (SAM 3 paper, table 19). Here a cycle takes the final pairs, trains, measures the old and
the new version on pairs that are held out, and makes the new one the project's only if it is
better. Runs are written with the training events of the masklet loop; the setting ``learner``
tells them apart.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from samnb.engine.concepts.examples import (
    PairExample,
    is_usable,
    pair_examples,
    snapshot_id,
    verifier_examples,
)
from samnb.engine.concepts.trainers import (
    NewVersion,
    SegmenterTrainer,
    VerifierTrainer,
    finetune_default,
    first_verifier,
    mean_accuracy,
    small_verifier_trainer,
)
from samnb.engine.gate import Metrics
from samnb.engine.retrain import Progress, models_folder
from samnb.events import (
    Event,
    ModelEvaluated,
    ModelKeptAside,
    ModelPromoted,
    TrainingEnded,
    TrainingStarted,
)
from samnb.masks import rle as rle_ops
from samnb.metrics.cgf1 import count_pair, mask_ious, total
from samnb.models.concepts import ConceptSegmenter, ConceptVerifier
from samnb.types import FlowError

if TYPE_CHECKING:
    from samnb.engine.concepts.session import ConceptSession

LEARNER: Final = "learner"
SEGMENTER: Final = "concept segmenter"
VERIFIER: Final = "concept verifier"
MIN_GAIN: Final = 0.0
"""How much cgF1 on held-out pairs has to rise, in points; a tie is no gain."""
MIN_PAIRS: Final = 4
"""Pairs to learn from and pairs to measure on, at least."""


@dataclass(frozen=True, slots=True, eq=False)
class Cycle:
    """How a cycle ended.

    Attributes:
        status: "promoted", "kept aside" or "cancelled".
        model: the version to go on with: the new one if it was promoted, else the old.
        name: of the new version; empty when cancelled.
        over: name of the version it was measured against; empty for a first verifier.
        reason: the figures behind the decision.
        old: figures of ``over``.
        new: figures of the new version.
        curve: ``(step, loss)``.
    """

    run_id: str
    status: str
    model: Any
    name: str
    over: str
    reason: str
    old: Metrics
    new: Metrics
    curve: tuple[tuple[int, float], ...]

    def __str__(self) -> str:
        return f"{self.name or 'no new version'}: {self.status}, {self.reason}"


def measure(
    segmenter: ConceptSegmenter,
    pairs: Sequence[PairExample],
    *,
    on_progress: Callable[[int, int], None] | None = None,
    cancel: threading.Event | None = None,
) -> Metrics:
    """Score a segmenter on decided pairs of pictures.

    Returns:
        ``cgf1`` (times 100), ``pmf1``, ``il_mcc`` and the numbers of ``pairs`` and
        ``negatives``.
    """
    groups: dict[str, list[PairExample]] = {}
    for pair in pairs:
        groups.setdefault(pair.media_id, []).append(pair)
    counts = []
    for done, group in enumerate(groups.values(), 1):
        if cancel is not None and cancel.is_set():
            return {}
        answers = segmenter.segment(group[0].image, [p.phrase for p in group])
        for pair, answer in zip(group, answers, strict=True):
            found = [rle_ops.encode(i.mask) for i in answer.kept() if i.mask.any()]
            counts.append(count_pair(mask_ious(found, rle_ops.encode_many(list(pair.masks)))))
        if on_progress is not None:
            on_progress(done, len(groups))
    score = total(counts)
    return {
        "cgf1": score.cgf1,
        "pmf1": score.pmf1,
        "il_mcc": score.il_mcc,
        "pairs": float(score.n_pairs),
        "negatives": float(score.il_fp + score.il_tn),
    }


def retrain_segmenter(
    loop: ConceptSession,
    segmenter: ConceptSegmenter,
    *,
    trainer: SegmenterTrainer | None = None,
    min_gain: float = MIN_GAIN,
    seed: int = 0,
    folder: str | Path | None = None,
    timer: Callable[[], float] = time.monotonic,
    on_progress: Callable[[Progress], None] | None = None,
    cancel: threading.Event | None = None,
) -> Cycle:
    """Train the segmenter on the final pairs, and promote it if cgF1 on held-out pairs rises.

    Args:
        loop: the project.
        segmenter: the current version; it stays as it is.
        trainer: trains; None fine-tunes the default segmenter.
        min_gain: by how many points cgF1 has to rise at least.
        seed: of everything random.
        folder: where weights go; None is ``PROJECT.models`` beside the project file.
        timer: seconds that pass, for the log.
        on_progress: called at every step and picture.
        cancel: set it from another thread to stop; the run is logged as cancelled.

    Raises:
        FlowError: too few final pairs to learn from or to measure on.
    """
    usable = [p for p in loop.refresh().pairs.values() if is_usable(p)]
    train = [p for p in usable if not p.is_held_out]
    held_out = [p for p in usable if p.is_held_out]
    if min(len(train), len(held_out)) < MIN_PAIRS:
        raise FlowError(
            f"retraining needs {MIN_PAIRS} final pairs to learn from and {MIN_PAIRS} held out; "
            f"there are {len(train)} and {len(held_out)}"
        )
    if len({p.is_negative for p in held_out}) < 2:
        raise FlowError(
            "retraining needs positives and negatives among the held-out pairs: without both "
            "cgF1 is 0 whatever a model does"
        )
    run = _Run(loop, segmenter.name, SEGMENTER, seed, timer, on_progress, cancel)
    run.start(snapshot_id([*train, *held_out]), [p.id for p in train], [p.id for p in held_out], {})
    place = models_folder(loop.session) if folder is None else Path(folder)
    teach = trainer or finetune_default
    examples = pair_examples(loop, train)
    made = run.train(
        lambda tell: teach(
            segmenter, examples, folder=place, seed=seed, on_progress=tell, cancel=cancel
        )
    )
    if made.model is None or made.file is None:
        return run.cancelled(segmenter, made)
    tests = pair_examples(loop, held_out)
    old = run.measure(segmenter, tests, "measure old")
    new = run.measure(made.model, tests, "measure new") if old else {}
    if not new:
        return run.cancelled(segmenter, made)
    gain = new["cgf1"] - old["cgf1"]
    is_good = gain > min_gain
    reason = (
        f"cgF1 {new['cgf1']:.1f} {'over' if is_good else 'against'} {old['cgf1']:.1f} on "
        f"{len(held_out)} held-out pairs (needed: more than {min_gain:+.1f})"
    ) + (f"; {made.note}" if made.note else "")
    return run.decide(is_good, segmenter, made, old, new, reason)


def retrain_verifier(
    loop: ConceptSession,
    parent: ConceptVerifier | None = None,
    *,
    trainer: VerifierTrainer | None = None,
    segmenter: ConceptSegmenter | None = None,
    seed: int = 0,
    folder: str | Path | None = None,
    timer: Callable[[], float] = time.monotonic,
    on_progress: Callable[[Progress], None] | None = None,
    cancel: threading.Event | None = None,
) -> Cycle:
    """Train the verifier on people's verdicts and the by-products of correction.

    Trainers measure on pictures that the measured network never saw. A new version is
    promoted if its mean accuracy of MV and EV is at least that of ``parent``: what the log has
    of it, or what it answers to the same verdicts where it learned elsewhere. One without a
    parent always is, and decides nothing before routing is switched on for it.

    Args:
        loop: the project.
        parent: the current verifier; None begins from the one that ships where the segmenter
            is the default one or a version of it, and afresh elsewhere.
        trainer: trains; None takes the small verifier.
        segmenter: what the small verifier may ask for candidates; None does without.
        seed: of everything random.
        folder: where weights go; None is ``PROJECT.models`` beside the project file.
        timer: seconds that pass, for the log.
        on_progress: called at every step.
        cancel: set it from another thread to stop; the run is logged as cancelled.

    Raises:
        FlowError: people have not answered yet.
    """
    examples = verifier_examples(loop)
    if not examples:
        raise FlowError("retraining a verifier needs answers of people; there are none")
    if parent is None and trainer is None:
        parent = first_verifier(segmenter)
    over = parent.name if parent is not None else ""
    answered = [p for p in loop.state.pairs.values() if p.people and not p.is_held_out]
    run = _Run(loop, over or "verifier", VERIFIER, seed, timer, on_progress, cancel)
    run.start(str(len(examples)), [p.id for p in answered], [], {"examples": str(len(examples))})
    place = models_folder(loop.session) if folder is None else Path(folder)
    teach = trainer or small_verifier_trainer(segmenter)
    made = run.train(
        lambda tell: teach(
            examples, parent=parent, folder=place, seed=seed, on_progress=tell, cancel=cancel
        )
    )
    if made.model is None or made.file is None:
        return run.cancelled(parent, made)
    old = evaluated(loop.session.log.read(), over)
    if made.base and over:
        old = dict(made.base)
        run.write(ModelEvaluated(run.id, over, "held_out", tuple(old.items())))
    new = dict(made.metrics or {})
    run.write(ModelEvaluated(run.id, made.model.name, "held_out", tuple(new.items())))
    before, after = mean_accuracy(old), mean_accuracy(new)
    is_good = not old or after >= before
    beside = f" {'over' if is_good else 'against'} {before:.3f}" if old else ", the first version"
    reason = f"mean accuracy {after:.3f} on unseen pictures{beside}"
    reason += f"; {made.note}" if made.note else ""
    return run.decide(is_good, parent, made, old, new, reason)


def evaluated(events: Sequence[Event], model: str) -> dict[str, float]:
    """The newest figures of a model on held-out data that the log has; empty without."""
    for event in reversed(events):
        body = event.body
        if isinstance(body, ModelEvaluated) and (body.model, body.data) == (model, "held_out"):
            return dict(body.metrics)
    return {}


class _Run:
    """One training run and its events, signed by the model that learns."""

    def __init__(
        self,
        loop: ConceptSession,
        base: str,
        learner: str,
        seed: int,
        timer: Callable[[], float],
        on_progress: Callable[[Progress], None] | None,
        cancel: threading.Event | None,
    ) -> None:
        self._loop, self.base, self._learner, self._seed = loop, base, learner, seed
        self._timer, self._on_progress, self._cancel = timer, on_progress, cancel
        self.id = loop.session.new_id()
        self._hands = loop.as_model(f"trainer:{base}")

    def write(
        self,
        body: TrainingStarted | TrainingEnded | ModelEvaluated | ModelPromoted | ModelKeptAside,
    ) -> None:
        self._hands.commit(lambda _state: [body])
        self._loop.refresh()

    def start(
        self,
        snapshot: str,
        train: Sequence[str],
        held_out: Sequence[str],
        settings: Mapping[str, str],
    ) -> None:
        pairs = ((LEARNER, self._learner), *settings.items())
        self.write(
            TrainingStarted(
                self.id, self.base, snapshot, tuple(train), tuple(held_out), pairs, self._seed
            )
        )

    def train(self, teach: Callable[[Callable[[int, int, float], None]], NewVersion]) -> NewVersion:
        """Run a trainer, and write down how it ended, also when it fails."""
        began, steps = self._timer(), [0]

        def tell(done: int, total_steps: int, loss: float) -> None:
            steps[0] = done
            if self._on_progress is not None:
                self._on_progress(Progress("train", done, total_steps, loss))

        try:
            made = teach(tell)
        except BaseException as error:
            detail = f"{type(error).__name__}: {error}"
            seconds_s = self._timer() - began
            self.write(TrainingEnded(self.id, "failed", steps[0], seconds_s, detail=detail))
            raise
        self.write(
            TrainingEnded(
                self.id,
                made.status,
                made.steps or steps[0],
                self._timer() - began,
                made.model.name if made.model is not None else "",
                made.file.name if made.file is not None else "",
                made.curve,
            )
        )
        return made

    def measure(
        self, segmenter: ConceptSegmenter, pairs: Sequence[PairExample], stage: str
    ) -> Metrics:
        def tell(done: int, n: int) -> None:
            if self._on_progress is not None:
                self._on_progress(Progress(stage, done, n))

        found = measure(segmenter, pairs, on_progress=tell, cancel=self._cancel)
        if found:
            self.write(ModelEvaluated(self.id, segmenter.name, "held_out", tuple(found.items())))
        return found

    def cancelled(self, old: Any, made: NewVersion) -> Cycle:
        return Cycle(self.id, "cancelled", old, "", self.base, "cancelled", {}, {}, made.curve)

    def decide(
        self, is_good: bool, old_model: Any, made: NewVersion, old: Metrics, new: Metrics,
        reason: str,
    ) -> Cycle:  # fmt: skip
        name, file = made.model.name, made.file.name if made.file else ""
        kind = ModelPromoted if is_good else ModelKeptAside
        self.write(kind(self.id, name, self.base, file, reason))
        status = "promoted" if is_good else "kept aside"
        model = made.model if is_good else old_model
        return Cycle(self.id, status, model, name, self.base, reason, old, new, made.curve)
