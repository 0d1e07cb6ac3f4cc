"""Bodies of the concept loop: phrases mined, masks proposed, answers given, ways taken.

A pair of a medium and a noun phrase is an :class:`~samnb.types.Item` with a phrase. Its
masks carry keys, so that an answer, a route or a correction can name one of them for
ever. Answers of people, of simulations and of models are the same bodies; who gave one
is told by the event's worker. A model's answers decide nothing by themselves: a
:class:`PairRouted` says which of them do, and under which promise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from samnb.events.conceptfilters import ClipChecked, FrameSampled, PairDropped
from samnb.events.conceptwords import (
    Apart,
    ConceptMask,
    ConceptStep,
    ConceptTask,
    MaskAnswer,
    PairOrigin,
    Route,
    RouteChoice,
    RoutingMode,
)
from samnb.types import EvAnswer, Item

__all__ = [
    "CONCEPT_KINDS",
    "AnswerUndone",
    "Apart",
    "ClipChecked",
    "ConceptBody",
    "ConceptMask",
    "ConceptProposed",
    "ConceptRulesSet",
    "ConceptStep",
    "ConceptTask",
    "Corrected",
    "EvAnswered",
    "FrameSampled",
    "MaskAnswer",
    "MvAnswered",
    "NegativesChecked",
    "PairAdded",
    "PairClaimed",
    "PairDropped",
    "PairImported",
    "PairOrigin",
    "PairRefused",
    "PairReleased",
    "PairReopened",
    "PairRouted",
    "PhrasesMined",
    "Route",
    "RouteChoice",
    "RoutingMode",
    "RoutingSwitched",
]


@dataclass(frozen=True, slots=True)
class ConceptRulesSet:
    """How pairs are reviewed from here on.

    Attributes:
        n_reviewers: people asked for MV, for EV with masks and for correction: 1 as in
            SA-Co Silver, 3 as in SA-Co Gold.
        n_negative: people asked for EV without any mask; the paper's Gold has one label
            for a negative.
        apart: how strictly tasks are kept apart among people.
        has_confirmation: videos go through one more round after correction, in which
            another person adds what is still missing.
        audit_seed: orders the audit slice among the questions.
    """

    n_reviewers: int = 1
    n_negative: int = 1
    apart: Apart = Apart.TASK
    has_confirmation: bool = True
    audit_seed: int = 0


@dataclass(frozen=True, slots=True)
class PhrasesMined:
    """Noun phrases were taken from a caption and cleaned.

    Attributes:
        captioner: who wrote the caption: a model's name, or where it was read.
        kept: phrases that became or already were pairs.
        dropped: ``(phrase, reason)`` of the others.
        frame_idx: the frame that the caption describes; 0 for a picture.
    """

    media_id: str
    captioner: str
    caption: str
    kept: tuple[str, ...]
    dropped: tuple[tuple[str, str], ...] = ()
    frame_idx: int = 0


@dataclass(frozen=True, slots=True)
class NegativesChecked:
    """Candidates for hard negatives were tried on the current model.

    Attributes:
        parent_phrase: the positive that they are easily confused with.
        proposer: who proposed them.
        model: the segmenter that was tried.
        kept: ``(phrase, overlap)``: the model fired, and its masks overlap those of the
            parent by this much, in [0, 1].
        dropped: ``(phrase, reason)`` of the others.
    """

    media_id: str
    parent_phrase: str
    proposer: str
    model: str
    kept: tuple[tuple[str, float], ...]
    dropped: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class PairAdded:
    """A medium is asked for a phrase from here on.

    Attributes:
        item: its ``phrase`` is not empty.
        parent_phrase: the positive that a hard negative was made from; else empty.
        source: who or what proposed the phrase, as text.
        is_held_out: never trained on; measured on.
    """

    item: Item
    origin: PairOrigin
    parent_phrase: str = ""
    source: str = ""
    is_held_out: bool = False


@dataclass(frozen=True, slots=True)
class ConceptProposed:
    """Masks were put forward for a pair, none or more.

    Attributes:
        masks: candidates that count, best first.
        presence: probability in [0, 1] that the concept is there at all.
        model: the segmenter; empty when a person or a file brought the masks.
        threshold: what score times presence had to exceed.
        n_left_out: candidates dropped as doubles of better ones.
        left_out: why candidates were dropped, as ``(reason, how many)``, doubles included.
        asked: the wider phrase that the model was asked for in place of the pair's own;
            empty when it was asked for that.
    """

    item_id: str
    proposal_id: str
    masks: tuple[ConceptMask, ...]
    presence: float
    model: str
    threshold: float = 0.5
    n_left_out: int = 0
    left_out: tuple[tuple[str, int], ...] = ()
    asked: str = ""


@dataclass(frozen=True, slots=True)
class MvAnswered:
    """A worker verified masks of a pair, each by itself. An answer: it can be undone.

    Attributes:
        proposal_id: whose masks they are.
        model: the verifier; empty when a person answered.
    """

    item_id: str
    proposal_id: str
    answers: tuple[MaskAnswer, ...]
    model: str = ""


@dataclass(frozen=True, slots=True)
class EvAnswered:
    """A worker said whether the accepted masks, none or more, are all there is. An
    answer: it can be undone.

    Attributes:
        shown: keys of the masks that were shown as accepted.
        probabilities: in the order of :class:`~samnb.types.EvAnswer`; empty for a person.
        model: the verifier; empty when a person answered.
    """

    item_id: str
    proposal_id: str
    answer: EvAnswer
    shown: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()
    model: str = ""


@dataclass(frozen=True, slots=True)
class Corrected:
    """A worker completed a pair by hand. An answer: it can be undone.

    The result is what was kept, added and edited; nothing at all says that the phrase
    names nothing here.

    Attributes:
        task: correction, or the confirmation after it.
        kept: keys of masks left as they were.
        removed: keys of masks taken away.
        added: new masks.
        edited: changed masks; each names its ``parent``.
        is_instance_exhaustive: every instance has a mask of its own.
        is_pixel_exhaustive: the masks together cover all that the phrase names.
        clicks: clicks that the work took.
    """

    item_id: str
    task: ConceptTask
    kept: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    added: tuple[ConceptMask, ...] = ()
    edited: tuple[ConceptMask, ...] = ()
    is_instance_exhaustive: bool = True
    is_pixel_exhaustive: bool = True
    clicks: int = 0


@dataclass(frozen=True, slots=True)
class PairRefused:
    """A worker says that the pair cannot be masked: "it", "blue", too complex. An
    answer: it can be undone."""

    item_id: str
    task: ConceptTask
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PairRouted:
    """It was decided who decides.

    Attributes:
        verifier: whose answers these are about.
        target_error: the error that the user allows among what is decided automatically.
        bound: upper bound on it that held when the decision was made.
    """

    item_id: str
    task: ConceptTask
    proposal_id: str
    verifier: str
    choices: tuple[RouteChoice, ...]
    target_error: float
    bound: float


@dataclass(frozen=True, slots=True)
class RoutingSwitched:
    """A verifier was allowed to decide, or no longer is.

    Attributes:
        verifier: name and version; another version has to earn its place anew.
        target_error: the error that the user allows among what is decided automatically.
        audit_rate: share of automatic decisions that a person is asked about all the same.
        thresholds: ``(answer, calibrated confidence)`` from which an answer decides.
        method: the guarantee, in words.
        bounds: ``(answer, upper bound of the error)``.
        reason: who or what made the switch.
        details: what the guarantee needs to be recomputed, as name and value.
    """

    task: ConceptTask
    mode: RoutingMode
    verifier: str
    target_error: float = 0.0
    audit_rate: float = 0.0
    thresholds: tuple[tuple[str, float], ...] = ()
    bounds: tuple[tuple[str, float], ...] = ()
    method: str = ""
    seed: int = 0
    reason: str = ""
    details: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class PairClaimed:
    """A worker was shown a pair; the slot is kept until ``until_s``. Time spent on a
    task counts from here to its answer. Said again before that moment, it keeps the slot
    for longer and the time goes on."""

    item_id: str
    task: ConceptTask
    until_s: float


@dataclass(frozen=True, slots=True)
class PairReleased:
    """A worker gave a pair back without an answer."""

    item_id: str
    task: ConceptTask


@dataclass(frozen=True, slots=True)
class AnswerUndone:
    """The answer with sequence number ``answer_seq`` no longer counts, nor do the model
    answers and routes that followed it."""

    item_id: str
    answer_seq: int


@dataclass(frozen=True, slots=True)
class PairReopened:
    """A pair was put at a step by hand: back, where what was answered from there on counts
    no longer, or ahead to correction without MV and EV."""

    item_id: str
    step: ConceptStep
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PairImported:
    """A finished pair came from a file, with one version per rater.

    Attributes:
        versions: masks by rater.
        instance_exhaustive: one flag per rater.
        pixel_exhaustive: one flag per rater.
        source: name of the file.
    """

    item_id: str
    versions: tuple[tuple[ConceptMask, ...], ...]
    instance_exhaustive: tuple[bool, ...]
    pixel_exhaustive: tuple[bool, ...]
    source: str


ConceptBody: TypeAlias = (
    ConceptRulesSet
    | ClipChecked
    | FrameSampled
    | PhrasesMined
    | NegativesChecked
    | PairAdded
    | PairDropped
    | ConceptProposed
    | MvAnswered
    | EvAnswered
    | Corrected
    | PairRefused
    | PairRouted
    | RoutingSwitched
    | PairClaimed
    | PairReleased
    | AnswerUndone
    | PairReopened
    | PairImported
)

CONCEPT_KINDS: Final[Mapping[str, type]] = {
    "concept_rules_set": ConceptRulesSet,
    "clip_checked": ClipChecked,
    "frame_sampled": FrameSampled,
    "phrases_mined": PhrasesMined,
    "negatives_checked": NegativesChecked,
    "pair_added": PairAdded,
    "pair_dropped": PairDropped,
    "concept_proposed": ConceptProposed,
    "mv_answered": MvAnswered,
    "ev_answered": EvAnswered,
    "corrected": Corrected,
    "pair_refused": PairRefused,
    "pair_routed": PairRouted,
    "routing_switched": RoutingSwitched,
    "pair_claimed": PairClaimed,
    "pair_released": PairReleased,
    "answer_undone": AnswerUndone,
    "pair_reopened": PairReopened,
    "pair_imported": PairImported,
}
