"""The append-only log's lines: event bodies, their JSON codec, upcasts.

The bodies of the masklet loop and of training can be imported from here, those of the
concept loop from :mod:`samnb.events.concepts`.

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

from samnb.events.concepts import CONCEPT_KINDS, ConceptBody, PairAdded
from samnb.events.masklets import (
    Claimed,
    FailuresSampled,
    FrameEdited,
    FrameTracked,
    Imported,
    ItemAdded,
    ItemDeleted,
    ItemRenamed,
    Judged,
    Looked,
    MediaAdded,
    MediaRelinked,
    MediaTagged,
    ProjectCreated,
    PropagationEnded,
    PropagationStarted,
    Redone,
    Released,
    Reopened,
    Submitted,
    TrackedMask,
    Undone,
    WorkerJoined,
)
from samnb.events.training import (
    ModelEvaluated,
    ModelKeptAside,
    ModelPromoted,
    TrainingEnded,
    TrainingStarted,
)
from samnb.types import Box, LogError, MaskPrompt, Point, Prompt

__all__ = [
    "KINDS",
    "UPCASTS",
    "VERSION",
    "Body",
    "Claimed",
    "Event",
    "FailuresSampled",
    "FrameEdited",
    "FrameTracked",
    "Imported",
    "ItemAdded",
    "ItemDeleted",
    "ItemRenamed",
    "Judged",
    "Looked",
    "MediaAdded",
    "MediaRelinked",
    "MediaTagged",
    "ModelEvaluated",
    "ModelKeptAside",
    "ModelPromoted",
    "ProjectCreated",
    "PropagationEnded",
    "PropagationStarted",
    "Redone",
    "Released",
    "Reopened",
    "Submitted",
    "TrackedMask",
    "TrainingEnded",
    "TrainingStarted",
    "Undone",
    "WorkerJoined",
    "decode",
    "encode",
    "item_ids_of",
    "kind_of",
]

VERSION: Final = 1
"""Version of the body layout that this release writes."""

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
    | FailuresSampled
    | Imported
    | TrainingStarted
    | TrainingEnded
    | ModelEvaluated
    | ModelPromoted
    | ModelKeptAside
    | ConceptBody
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
    "failures_sampled": FailuresSampled,
    "imported": Imported,
    "training_started": TrainingStarted,
    "training_ended": TrainingEnded,
    "model_evaluated": ModelEvaluated,
    "model_promoted": ModelPromoted,
    "model_kept_aside": ModelKeptAside,
    **CONCEPT_KINDS,
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
    if isinstance(body, ItemAdded | PairAdded):
        return (body.item.id,)
    if isinstance(body, Submitted | Imported):
        return (body.proposal.item_id,)
    if isinstance(body, Judged):
        return (body.verdict.item_id,)
    if isinstance(body, FailuresSampled):
        return body.kept + body.dropped
    item_id = getattr(body, "item_id", None)
    return () if item_id is None else (item_id,)
