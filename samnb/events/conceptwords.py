"""The words in which events of the concept loop speak: steps, tasks, routes, masks with keys."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from samnb.types import FrameMask, MaskId, MvAnswer


class PairOrigin(str, Enum):
    """Where a phrase came from."""

    MINED = "mined"
    HARD_NEGATIVE = "hard_negative"
    USER = "user"


class ConceptStep(str, Enum):
    """Where a pair of the concept loop stands; ``confirm`` is for videos alone."""

    PROPOSE = "propose"
    MV = "mv"
    EV = "ev"
    CORRECT = "correct"
    CONFIRM = "confirm"
    FINAL = "final"
    REJECTED = "rejected"


class ConceptTask(str, Enum):
    """What a worker is asked to do with a pair; each is also the step it is done at."""

    MV = "mv"
    EV = "ev"
    CORRECT = "correct"
    CONFIRM = "confirm"


class Route(str, Enum):
    """What becomes of a model's answer: it decides, a person is asked, or it would have
    decided but a person is asked to audit it."""

    AUTO = "auto"
    ASK = "ask"
    AUDIT = "audit"


class RoutingMode(str, Enum):
    """Whether a verifier may decide. ``advice`` is what a drifted one returns to."""

    OFF = "off"
    ADVICE = "advice"
    ON = "on"


class Apart(str, Enum):
    """How strictly tasks are kept apart among people (SAM 3 paper, section on the data
    engine: each human verifier works on one task type).

    ``task``: a worker has one task type in the whole project, as in the paper.
    ``pair``: a worker does at most one task on the same pair.
    ``off``: one person may do everything; whoever reads the log can see it.
    """

    TASK = "task"
    PAIR = "pair"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class ConceptMask:
    """One instance (or a group of them) that a phrase names.

    Attributes:
        key: unique in the project; never reused.
        frames: one mask for a picture, one per frame seen for a video.
        score: probability in [0, 1] that this is an instance; 1.0 for what a hand made.
        is_group: covers several instances that cannot be told apart.
        parent: key of the mask that this one is an edit of; else empty.
        model: the model that made it or helped a hand to; empty when none did.
    """

    key: str
    frames: tuple[FrameMask, ...]
    score: float = 1.0
    is_group: bool = False
    parent: str = ""
    model: str = ""

    @property
    def mask_id(self) -> MaskId:
        """The stored mask of the first frame: the only one of a picture."""
        return self.frames[0].mask_id


@dataclass(frozen=True, slots=True)
class MaskAnswer:
    """The MV answer for one mask; ``probabilities`` in the order of
    :class:`~samnb.types.MvAnswer`, empty when a person answered."""

    key: str
    answer: MvAnswer
    probabilities: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class RouteChoice:
    """What becomes of a verifier's answer about one mask, or (``key`` empty) the pair.

    Attributes:
        confidence: calibrated probability in [0, 1] that the answer is right.
    """

    key: str
    route: Route
    confidence: float
