"""Frozen records and the error tree: the words every other module speaks.

Six concepts make up the engine: :class:`Media`, :class:`Item`, :class:`Proposal`,
:class:`Verdict`, ``Event`` (see :mod:`samnb.events`) and :class:`Worker`.
Records are frozen, hashable and hold no arrays: a mask travels as :class:`Rle`
or, inside the log, as the :data:`MaskId` under which its runs are stored.

Errors::

    SamnbError
    ├── InputError      an argument is wrong (shape, dtype, range, unknown name)
    ├── MediaError      a file cannot be used: which, what is wrong, what to do
    │   └── MediaMissingError   the file is not where the project last saw it
    ├── LogError        the log cannot be read or written
    │   └── LogConflictError    somebody else appended first; read on and retry
    ├── FlowError       this step is not allowed now, or not to this worker
    ├── ModelError      weights missing or a prompt the model cannot take
    └── FormatError     an import or export file does not have the promised form
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias


class SamnbError(Exception):
    """Root of every error that samnb raises on purpose."""


class InputError(SamnbError, ValueError):
    """An argument is wrong; the message says what was expected and what came."""


class MediaError(SamnbError):
    """A media file cannot be used.

    Args:
        path: the file or folder concerned.
        problem: what is wrong with it, in one clause.
        remedy: what the user can do about it, in one clause.
    """

    def __init__(self, path: str, problem: str, remedy: str) -> None:
        super().__init__(f"{path}: {problem}; {remedy}")
        self.path, self.problem, self.remedy = path, problem, remedy


class MediaMissingError(MediaError):
    """The file of a known medium is no longer at its recorded path."""


class LogError(SamnbError):
    """The log cannot be opened, read or written."""


class LogConflictError(LogError):
    """Another writer appended after the position this write was based on."""


class FlowError(SamnbError):
    """The flow table does not allow this step now, or not to this worker."""


class ModelError(SamnbError):
    """A model cannot be loaded or cannot do what was asked of it."""


class FormatError(SamnbError):
    """A file does not have the form its format promises."""


MaskId: TypeAlias = str
"""Content hash of an :class:`Rle`; the key under which the store keeps it once."""


@dataclass(frozen=True, slots=True)
class Rle:
    """One binary mask as compressed COCO run lengths.

    Attributes:
        size_hw: height and width in pixels.
        counts: COCO's compressed string, column-major runs beginning with zeros.
    """

    size_hw: tuple[int, int]
    counts: str

    @property
    def id(self) -> MaskId:
        """Content hash: equal runs on an equal size give an equal id."""
        text = f"{self.size_hw[0]}x{self.size_hw[1]}:{self.counts}"
        return hashlib.sha256(text.encode("ascii")).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Point:
    """A click in media pixels; ``label`` is 1 for positive, 0 for negative."""

    x: float
    y: float
    label: int = 1


@dataclass(frozen=True, slots=True)
class Box:
    """A box prompt in media pixels, corners ordered ``x0 < x1`` and ``y0 < y1``."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class MaskPrompt:
    """A whole mask given as a prompt (drawn, brushed or imported)."""

    mask_id: MaskId


Prompt: TypeAlias = Point | Box | MaskPrompt


@dataclass(frozen=True, slots=True)
class Stroke:
    """One brush or eraser stroke: a polyline in media pixels with a round tip."""

    xy: tuple[tuple[float, float], ...]
    radius: float
    is_erase: bool = False


UNSEEN: Final = "unseen-"
"""Beginning of the ids of media whose file was not at hand when they were added."""


class MediaKind(str, Enum):
    """An image is a video of one frame; the kind only steers how it is read."""

    IMAGE = "image"
    VIDEO = "video"
    FRAMES = "frames"


@dataclass(frozen=True, slots=True)
class Media:
    """An image, a video file or a folder of frames, known by its content.

    Attributes:
        id: content fingerprint; the same bytes under another name have the same id.
        name: file or folder name without its directory, for people.
        path: where it was last seen.
        size_hw: height and width in pixels as shown, after any rotation.
        n_frames: number of frames; 1 for an image.
        fps: mean frame rate of the medium itself; 0.0 for an image.
        duration_s: time between the first frame and the end of the last.
    """

    id: str
    kind: MediaKind
    name: str
    path: str
    size_hw: tuple[int, int]
    n_frames: int
    fps: float
    duration_s: float

    @property
    def is_unseen(self) -> bool:
        """Whether only an annotation file told of it, so that its content is not known."""
        return self.id.startswith(UNSEEN)


class WorkerKind(str, Enum):
    """Who answers: a person at a widget, a simulation with ground truth, a model."""

    PERSON = "person"
    SIMULATED = "simulated"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class Worker:
    """Somebody or something that answers; ``id`` is what every event names."""

    id: str
    kind: WorkerKind = WorkerKind.PERSON
    name: str = ""


class Role(str, Enum):
    """What a worker is doing at the moment; one item never meets one person twice
    in the roles of annotator and verifier (SAM 2 paper, appendix on annotation)."""

    SELECTOR = "selector"
    ANNOTATOR = "annotator"
    VERIFIER = "verifier"


class Step(str, Enum):
    """Where an item of the masklet loop stands."""

    TRACK = "track"
    VERIFY = "verify"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to decide.

    In the masklet loop an item is an object in a video. In the concept loop it is
    a media and noun-phrase pair; ``phrase`` is empty for a plain object.

    Attributes:
        obj_id: number of the object within its medium, from 1, never reused.
        source: "manual" when a person picked the target, "auto" for a grid proposal.
        phase: SAM 2's annotation phase 1, 2 or 3, see :mod:`samnb.engine.phases`.
        target_id: the same for items that annotate the same real object, as in a
            controlled comparison of phases; empty when there is no other.
    """

    id: str
    media_id: str
    obj_id: int
    name: str = ""
    phrase: str = ""
    source: str = "manual"
    phase: int = 3
    target_id: str = ""


@dataclass(frozen=True, slots=True)
class FrameMask:
    """The answer for one object on one frame inside a proposal.

    Attributes:
        mask_id: stored mask; a mask of area zero says the object is absent.
        is_edited: a worker made or corrected this frame by hand.
        confidence: the model's predicted IoU in [0, 1]; None where no model spoke.
        presence: probability in [0, 1] that the object is in the picture.
        stability: IoU between the masks at logit thresholds -1 and +1; None if unknown.
    """

    frame_idx: int
    mask_id: MaskId
    is_edited: bool = False
    confidence: float | None = None
    presence: float | None = None
    stability: float | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A masklet somebody put forward for an item; a correction names its parent."""

    id: str
    item_id: str
    worker_id: str
    model: str
    masks: tuple[FrameMask, ...]
    prompts: tuple[tuple[int, Prompt], ...] = ()
    parent_id: str | None = None


class VerdictKind(str, Enum):
    """Masklet verification (SAM 2 paper, annotation workflow, step 5)."""

    SATISFACTORY = "satisfactory"
    UNSATISFACTORY = "unsatisfactory"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer about a proposal, by a worker other than its maker."""

    proposal_id: str
    item_id: str
    worker_id: str
    kind: VerdictKind
    note: str = ""
    frame_idx: int | None = None
    seconds_s: float | None = field(default=None, compare=False)


class MvAnswer(str, Enum):
    """Mask verification, one answer per mask (SAM 3 paper, appendix on the data engine)."""

    ACCEPT = "accept"
    ACCEPT_AS_TEXT = "accept_as_text"
    REJECT = "reject"
    WHOLE_IMAGE = "whole_image"
    FLAG_LABEL = "flag_label"


class EvAnswer(str, Enum):
    """Exhaustivity verification, one answer per media and phrase (same appendix)."""

    ACCEPT = "accept"
    REJECT = "reject"
    REJECT_UNSEPARATED = "reject_unseparated"
    WHOLE_IMAGE = "whole_image"
    FLAG_LABEL = "flag_label"
    UNGROUNDABLE = "ungroundable"
