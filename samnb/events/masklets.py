"""Bodies of the masklet loop: what is written when somebody does something to a project."""

from __future__ import annotations

from dataclasses import dataclass

from samnb.types import (
    Item,
    MaskId,
    Media,
    Prompt,
    Proposal,
    Role,
    Stroke,
    Verdict,
    Worker,
)


@dataclass(frozen=True, slots=True)
class ProjectCreated:
    """First line of every log. ``annotation_fps`` is the rate at which frames are
    annotated; SA-V used 6 (SAM 2 paper, section 5.2). A masklet found unsatisfactory
    ``round_limit`` times is dropped; the paper gives no limit."""

    name: str
    annotation_fps: float = 6.0
    round_limit: int = 5


@dataclass(frozen=True, slots=True)
class WorkerJoined:
    """A worker is known from here on, or works with other versions from here on.

    Attributes:
        software: ``(package, version)`` of what the worker's session runs with; empty in older
            logs, and where only a model's own name tells.
    """

    worker: Worker
    software: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class MediaAdded:
    """A medium belongs to the project."""

    media: Media


@dataclass(frozen=True, slots=True)
class MediaRelinked:
    """The file of a medium was found at another path."""

    media_id: str
    path: str


@dataclass(frozen=True, slots=True)
class MediaTagged:
    """Facts about a medium that no pixel tells, such as SA-V's environment and split."""

    media_id: str
    tags: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ItemAdded:
    """A target was selected; it waits to be tracked."""

    item: Item


@dataclass(frozen=True, slots=True)
class ItemRenamed:
    """A new name for people; ids never change."""

    item_id: str
    name: str


@dataclass(frozen=True, slots=True)
class ItemDeleted:
    """The object was taken away by hand. An operation: it can be undone."""

    item_id: str


@dataclass(frozen=True, slots=True)
class FrameEdited:
    """One gesture on one frame and its result. An operation: it can be undone.

    Attributes:
        tool: "points", "box", "brush", "eraser", "mask", "absent" or "clear"; "afresh" for points
            and boxes on a frame that is made from its own pixels in a phase with memory.
        prompts: all prompts of the object on this frame after the gesture.
        mask_id: the mask after the gesture; None when the frame was cleared.
        stroke: the stroke drawn, for brush and eraser.
        model: the model that answered; empty when none was asked.
        clicks: clicks (boxes count as one) that this gesture took; strokes count none.
    """

    item_id: str
    frame_idx: int
    tool: str
    prompts: tuple[Prompt, ...] = ()
    mask_id: MaskId | None = None
    stroke: Stroke | None = None
    model: str = ""
    clicks: int = 0
    confidence: float | None = None
    presence: float | None = None
    stability: float | None = None


@dataclass(frozen=True, slots=True)
class PropagationStarted:
    """A propagation began. An operation: undoing it takes back all its frames.

    ``start`` and ``stop`` are frame numbers of the medium, both included;
    ``stop < start`` means backward in time."""

    run_id: str
    media_id: str
    item_ids: tuple[str, ...]
    start: int
    stop: int
    model: str


@dataclass(frozen=True, slots=True)
class TrackedMask:
    """One object's mask on one propagated frame."""

    item_id: str
    mask_id: MaskId
    confidence: float
    presence: float
    stability: float


@dataclass(frozen=True, slots=True)
class FrameTracked:
    """A propagation finished one frame; committed at once, so a cancelled or killed
    run keeps what it had."""

    run_id: str
    frame_idx: int
    masks: tuple[TrackedMask, ...]


@dataclass(frozen=True, slots=True)
class PropagationEnded:
    """``status`` is "done", "cancelled" or "failed"; ``detail`` says why it failed."""

    run_id: str
    status: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Undone:
    """The operation with sequence number ``op_seq`` no longer counts for the item."""

    item_id: str
    op_seq: int


@dataclass(frozen=True, slots=True)
class Redone:
    """The undone operation ``op_seq`` counts again for the item."""

    item_id: str
    op_seq: int


@dataclass(frozen=True, slots=True)
class Looked:
    """What the worker has on the screen; restores the view and marks active time."""

    media_id: str
    item_id: str | None
    frame_idx: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """A worker took an item in a role; others leave it alone until ``until_s``."""

    item_id: str
    role: Role
    until_s: float


@dataclass(frozen=True, slots=True)
class Released:
    """A worker gave an item back without an answer."""

    item_id: str


@dataclass(frozen=True, slots=True)
class Submitted:
    """A proposal goes to verification. Masks on frames where the item has none yet are
    the proposal's own: a model's finished masklet arrives in this one event."""

    proposal: Proposal


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict was given."""

    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Reopened:
    """An item left verification or its end for further tracking."""

    item_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FailuresSampled:
    """Of the auto masklets found unsatisfactory, ``kept`` are refined by annotators and
    ``dropped`` are not; each was kept with probability ``rate``."""

    kept: tuple[str, ...]
    dropped: tuple[str, ...]
    rate: float
    seed: int


@dataclass(frozen=True, slots=True)
class Imported:
    """A finished masklet came from a file.

    Attributes:
        source: name of the file.
        is_accepted: the format promises verified masklets, so no verifier is asked.
        edited_frame_count: what the file says; the frames themselves it does not name.
    """

    proposal: Proposal
    source: str
    is_accepted: bool
    edited_frame_count: int | None = None
