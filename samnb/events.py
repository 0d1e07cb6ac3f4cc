"""The append-only log's lines: event bodies, their JSON codec, upcasts.

An :class:`Event` is a numbered, timed and signed :data:`Body`. Bodies are frozen
records; their class is told in the log by a tag, so a rename of a Python class
does not break a stored log. When a body changes its fields, :data:`VERSION` goes
up and a function in :data:`UPCASTS` lifts the older JSON: every log of a released
version keeps replaying.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

import cattrs
from cattrs.errors import BaseValidationError
from cattrs.preconf.json import make_converter
from cattrs.strategies import configure_tagged_union

from samnb.types import (
    Box,
    Item,
    LogError,
    MaskId,
    MaskPrompt,
    Media,
    Point,
    Prompt,
    Proposal,
    Role,
    Stroke,
    Verdict,
    Worker,
)

VERSION: Final = 1
"""Version of the body layout that this release writes."""


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
    """A worker is known from here on."""

    worker: Worker


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
        tool: "points", "box", "brush", "eraser", "mask", "absent" or "clear".
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
    """A proposal goes to verification."""

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


Body: TypeAlias = (
    ProjectCreated
    | WorkerJoined
    | MediaAdded
    | MediaRelinked
    | MediaTagged
    | ItemAdded
    | ItemRenamed
    | ItemDeleted
    | FrameEdited
    | PropagationStarted
    | FrameTracked
    | PropagationEnded
    | Undone
    | Redone
    | Looked
    | Claimed
    | Released
    | Submitted
    | Judged
    | Reopened
    | Imported
)

KINDS: Final[Mapping[str, type]] = {
    "project_created": ProjectCreated,
    "worker_joined": WorkerJoined,
    "media_added": MediaAdded,
    "media_relinked": MediaRelinked,
    "media_tagged": MediaTagged,
    "item_added": ItemAdded,
    "item_renamed": ItemRenamed,
    "item_deleted": ItemDeleted,
    "frame_edited": FrameEdited,
    "propagation_started": PropagationStarted,
    "frame_tracked": FrameTracked,
    "propagation_ended": PropagationEnded,
    "undone": Undone,
    "redone": Redone,
    "looked": Looked,
    "claimed": Claimed,
    "released": Released,
    "submitted": Submitted,
    "judged": Judged,
    "reopened": Reopened,
    "imported": Imported,
}
_TAGS: Final = {cls: tag for tag, cls in KINDS.items()}

UPCASTS: Final[dict[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]]] = {}
"""``(kind, version) -> function`` lifting a body's JSON from that version to the next."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log.

    Attributes:
        seq: position in the log, from 1, without gaps.
        at_s: wall-clock time in seconds since the epoch, by the session's clock.
        worker_id: who did it.
    """

    seq: int
    at_s: float
    worker_id: str
    body: Body

    @property
    def kind(self) -> str:
        """The tag under which the body is stored."""
        return kind_of(self.body)


def _make_converter() -> cattrs.Converter:
    converter = make_converter(forbid_extra_keys=True)
    configure_tagged_union(
        Prompt,
        converter,
        tag_name="type",
        tag_generator=lambda cls: {Point: "point", Box: "box", MaskPrompt: "mask"}[cls],
    )
    return converter


_CONVERTER: Final = _make_converter()


def kind_of(body: Body) -> str:
    """Return the tag of a body's class."""
    return _TAGS[type(body)]


def encode(body: Body) -> str:
    """Return a body as compact JSON."""
    return json.dumps(_CONVERTER.unstructure(body), separators=(",", ":"), ensure_ascii=False)


def decode(kind: str, version: int, text: str) -> Body:
    """Read a body back.

    Args:
        kind: the stored tag.
        version: the body layout under which it was written.
        text: the stored JSON.

    Raises:
        LogError: an unknown tag, a log from a newer release, or broken JSON.
    """
    if version > VERSION:
        raise LogError(
            f"log: written by a newer samnb (layout {version}), this one reads up to {VERSION}; "
            "update samnb"
        )
    if kind not in KINDS:
        raise LogError(f"log: unknown event kind {kind!r}")
    try:
        data = json.loads(text)
        for step in range(version, VERSION):
            data = UPCASTS.get((kind, step), lambda same: same)(data)
        return cast(Body, _CONVERTER.structure(data, KINDS[kind]))
    except (ValueError, TypeError, KeyError, BaseValidationError) as error:
        raise LogError(f"log: an event of kind {kind!r} cannot be read: {error}") from error


def item_ids_of(body: Body) -> tuple[str, ...]:
    """Return the ids of the items a body is about, for indexing and filtering."""
    if isinstance(body, PropagationStarted):
        return body.item_ids
    if isinstance(body, FrameTracked):
        return tuple(mask.item_id for mask in body.masks)
    if isinstance(body, ItemAdded):
        return (body.item.id,)
    if isinstance(body, Submitted | Imported):
        return (body.proposal.item_id,)
    if isinstance(body, Judged):
        return (body.verdict.item_id,)
    item_id = getattr(body, "item_id", None)
    return () if item_id is None else (item_id,)
