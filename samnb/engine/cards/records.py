"""What a card says, as records: plain values, ready for JSON. None is "the log does not say"."""

from __future__ import annotations

from dataclasses import dataclass, field

PEOPLE = "people"
SIMULATED = "simulated workers"
MODELS = "models"
BY = (PEOPLE, SIMULATED, MODELS)
"""Who gave an answer, in the order in which a card tells it."""


@dataclass(frozen=True, slots=True)
class LogFacts:
    """Which log the card was made from.

    Attributes:
        project: its name.
        n_events: lines.
        layout: version of the line layout that this package reads.
        digest: SHA-256 of all lines, so that a card can be held against a log.
        first_s: time of the first line, in seconds since the epoch; None without lines.
        last_s: time of the last line, likewise.
        annotation_fps: frames annotated per second of media.
        round_limit: a masklet found unsatisfactory this often is dropped; 0 for never.
    """

    project: str
    n_events: int
    layout: int
    digest: str
    first_s: float | None
    last_s: float | None
    annotation_fps: float | None
    round_limit: int | None


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """One medium.

    Attributes:
        content_hash: fingerprint of its content; None where only an annotation file told
            of it.
        annotated_frames: frames on which a masklet has an answer or a final pair a mask.
        masklets: objects that were not deleted.
        is_missing: not at its recorded path; None where nobody looked.
    """

    name: str
    kind: str
    content_hash: str | None
    size_hw: tuple[int, int]
    n_frames: int
    duration_s: float
    annotated_frames: int
    masklets: int
    pairs: int
    tags: tuple[tuple[str, str], ...] = ()
    is_missing: bool | None = None


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One version of a model, by what it did; work that was undone counts as done.

    Attributes:
        version_hash: of its weights; None where its name does not say.
        uses: "tracker", "segmenter", "verifier", "captioner", "negatives", in this order.
        prompts: gestures that it answered.
        tracked_masks: masks that it propagated.
        masklets: masklets handed in with it as the newest model.
        proposals: sets of masks that it put forward for pairs.
        proposed_masks: masks in them.
        answers: MV answers (one a mask) and EV answers (one a pair).
    """

    name: str
    version_hash: str | None
    uses: tuple[str, ...]
    prompts: int = 0
    tracked_masks: int = 0
    masklets: int = 0
    proposals: int = 0
    proposed_masks: int = 0
    answers: int = 0


@dataclass(frozen=True, slots=True)
class TrainingFacts:
    """One training run: from what, on what, how good, what became of it.

    Attributes:
        learner: "tracker", or what the run says it trains.
        made: proposals or answers that the version gave since.
        metrics: ``(model, data, name, value)``.
        settings: name and value of every setting of the trainer.
    """

    run: str
    learner: str
    base: str
    version: str
    status: str
    snapshot: str
    n_train: int
    n_held_out: int
    seconds_s: float
    made: int
    reason: str
    seed: int
    metrics: tuple[tuple[str, str, str, float], ...]
    settings: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """One worker.

    Attributes:
        kind: "person", "simulated" or "model".
        roles: what the log shows the worker doing, not what anybody was hired for.
        active_s: work on masklets, breaks left out.
        task_s: work on pairs, from being shown one to its answer.
    """

    name: str
    kind: str
    roles: tuple[str, ...]
    masklets: int
    verdicts: int
    answers: int
    active_s: float
    task_s: float


@dataclass(frozen=True, slots=True)
class Count:
    """How often something happened, and by whom: one of :data:`BY`."""

    what: str
    by: str
    n: int


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What became of the masklets of one source: "manual" or "auto"; shares are None where
    there is nothing to take a share of."""

    source: str
    masklets: int
    accepted: int
    rejected: int
    open: int
    rounds_until_accepted: float | None
    disappearance_rate: float | None


@dataclass(frozen=True, slots=True)
class PhaseFacts:
    """What masklets of one of SAM 2's phases cost, see :mod:`samnb.engine.phasestats`."""

    phase: int
    masklets: int
    frames: int
    s_per_frame: float | None
    edited_share: float | None
    clicks_per_clicked_frame: float | None
    aligned_share: float | None
    aligned_of: int


@dataclass(frozen=True, slots=True)
class MaskletFacts:
    """The masklet loop.

    Attributes:
        items: objects that were not deleted; ``deleted`` are those that were.
        handed_in: of them, those for which a masklet was handed in or imported.
        masks: masks of accepted masklets, empty ones (the object is absent) included.
        first_pass: masklets satisfactory at their first verdict, ``first_pass_of`` those
            with any verdict.
        imported: ``(file, masklets, taken as verified)``.
        sampled: unsatisfactory auto masklets kept for refinement, dropped.
        sample_rates: the shares with which they were drawn.
    """

    items: int
    deleted: int
    handed_in: int
    masks: int
    clicks: int
    strokes: int
    undos: int
    sources: tuple[SourceFacts, ...]
    phases: tuple[PhaseFacts, ...]
    verdicts: tuple[Count, ...]
    first_pass: int
    first_pass_of: int
    imported: tuple[tuple[str, int, bool], ...] = ()
    sampled: tuple[int, int] = (0, 0)
    sample_rates: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class SwitchFacts:
    """One setting of the routing: who may decide from when on.

    Attributes:
        thresholds: ``(outcome, confidence, checked, wrong, bound)``; a confidence of None
            means that the outcome never stands.
        bounds_again: the bounds computed anew from the logged counts; None where nothing
            stands or the log does not say at which level.
    """

    task: str
    mode: str
    verifier: str
    target_error: float
    audit_rate: float
    delta: float | None
    look: int | None
    method: str
    reason: str
    thresholds: tuple[tuple[str, float | None, int, int, float], ...]
    bounds_again: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class VerifierFacts:
    """What one version of a verifier advised, what of it decided, and how often it erred.

    Attributes:
        advised: answers, one a mask in MV and one a pair in EV.
        decided: of them, those that decided without a person.
        asked: a person was asked because the confidence did not suffice.
        audited: a person was asked at random, and has answered, where the answer would
            have decided; ``audited_wrong`` of them differ from the person's.
        bound: upper bound of the error among what decided (Clopper-Pearson at 95 %, one
            sided, from the audited); None without an audit.
        checked: all answers about which people answered as well.
        agreed: of them, those with the same outcome.
    """

    verifier: str
    task: str
    advised: int
    decided: int
    asked: int
    audited: int
    audited_wrong: int
    bound: float | None
    checked: int
    agreed: int


@dataclass(frozen=True, slots=True)
class CostFacts:
    """What decided pairs of one kind cost, see :func:`samnb.engine.concepts.stats.summary`."""

    kind: str
    pairs: int
    seen_share: float | None
    touches: float | None
    seconds_s: float | None
    masks: float | None
    corrected_share: float | None


@dataclass(frozen=True, slots=True)
class ConceptFacts:
    """The concept loop.

    Attributes:
        by_origin: pairs mined, made as hard negatives, or asked for by users.
        by_step: where pairs stand.
        without_people: decided pairs about which no person answered and no file told.
        masks: of the first account of every final pair.
        versions: final pairs by number of accounts (three in SA-Co Gold).
        rules: ``(name, value)`` of how pairs are reviewed.
        answers: MV answers by option, one a mask; EV answers by option; corrections;
            refusals. Answers that were taken back do not count.
        corrections: masks kept, removed, added and edited by hand, and the clicks.
        captions: ``(captioner, captions, phrases kept, dropped)``.
        negatives: ``(proposer, model, phrases kept, dropped)``.
        imported: ``(file, pairs)``.
        clips: ``(filter, clips that go on, clips that do not)``.
        dropped: ``(filter, pairs taken out before anybody was asked)``.
        sampled: ``(sampler, frames of videos that became pictures of their own)``.
        agreement: ``(worker, task, answers, agreement with the other reviewers)``.
    """

    pairs: int
    phrases: int
    held_out: int
    by_origin: tuple[tuple[str, int], ...]
    by_step: tuple[tuple[str, int], ...]
    positives: int
    negatives_final: int
    without_people: int
    decided: int
    masks: int
    versions: tuple[tuple[int, int], ...]
    rules: tuple[tuple[str, str], ...]
    answers: tuple[Count, ...]
    corrections: tuple[tuple[str, int], ...]
    costs: tuple[CostFacts, ...]
    switches: tuple[SwitchFacts, ...]
    verifiers: tuple[VerifierFacts, ...]
    captions: tuple[tuple[str, int, int, int], ...] = ()
    negatives: tuple[tuple[str, str, int, int], ...] = ()
    imported: tuple[tuple[str, int], ...] = ()
    clips: tuple[tuple[str, int, int], ...] = ()
    dropped: tuple[tuple[str, int], ...] = ()
    sampled: tuple[tuple[str, int], ...] = ()
    agreement: tuple[tuple[str, str, int, float | None], ...] = ()


@dataclass(frozen=True, slots=True)
class CardFacts:
    """Everything that a card says.

    Attributes:
        masklets: None in a project without any object.
        concepts: None in a project without any pair.
        software: packages that made the card.
        used: packages that workers' sessions ran with, and the versions seen of each.
        is_used_known: whether the log tells so of every worker.
        licence: what its maker says; None where nobody did.
    """

    log: LogFacts
    media: tuple[MediaFacts, ...]
    models: tuple[ModelFacts, ...]
    trainings: tuple[TrainingFacts, ...]
    workers: tuple[WorkerFacts, ...]
    masklets: MaskletFacts | None
    concepts: ConceptFacts | None
    software: tuple[tuple[str, str], ...] = field(default=())
    licence: str | None = None
    is_pseudonymous: bool = True
    used: tuple[tuple[str, tuple[str, ...]], ...] = ()
    is_used_known: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing annotated and nothing to annotate."""
        return self.masklets is None and self.concepts is None
