"""Verified masklets as training data: who is trained on, who is held out, under what name.

A medium is wholly in one part. Which part depends on its content alone, so the same
project gives the same parts on every machine, and no medium that a model was trained on
is ever held out later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from samnb.engine.state import ProjectState
from samnb.masks import rle as rle_ops
from samnb.models.trainable import LabelledClip
from samnb.store.media import AnnotationFrames
from samnb.types import FlowError, InputError, Proposal, Step

if TYPE_CHECKING:
    from samnb.engine.core import Core

HELD_OUT_SHARE: Final = 0.25
"""Share of media that are held out, in expectation."""
REPLAY_CLIPS: Final = 8
"""Synthetic clips that a model rehearses unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a training run sees, as records.

    Attributes:
        id: content hash of both parts: the masks, the frames and which part they are in.
        train: accepted proposals to learn from.
        held_out: accepted proposals to measure on.
        missing: names of media whose files are not at hand; their masklets are left out.
    """

    id: str
    train: tuple[Proposal, ...]
    held_out: tuple[Proposal, ...]
    missing: tuple[str, ...] = ()


def take_snapshot(
    session: Core,
    *,
    held_out: Collection[str] | None = None,
    share: float = HELD_OUT_SHARE,
) -> Snapshot:
    """Gather the verified masklets of a project as they are now.

    Args:
        session: the project.
        held_out: ids of the media to hold out; None lets their hashes decide, and when
            they pick none takes the medium with the smallest.
        share: expected share of media held out by their hashes.

    Raises:
        InputError: a medium that the project does not have, or a share out of range.
        FlowError: too few accepted masklets to learn from and to measure on.
    """
    if not 0 < share < 1:
        raise InputError(f"share: expected a share between 0 and 1, got {share}")
    state = session.refresh()
    unknown = sorted(set(held_out or ()) - state.media.keys())
    if unknown:
        raise InputError(f"held_out: expected media of this project, got {unknown[0]!r}")
    found = accepted(state)
    media = {state.items[p.item_id].item.media_id for p in found}
    here = {m for m in media if state.media[m].path and Path(state.media[m].path).exists()}
    apart = set(held_out) & here if held_out is not None else _choose(here, share)
    if not apart or not here - apart:
        raise FlowError(
            f"retraining: expected accepted masklets on at least two media, one of them held "
            f"out, got {len(here - apart)} to learn from and {len(apart)} held out"
        )
    of = {p.id: state.items[p.item_id].item.media_id for p in found}
    train = tuple(p for p in found if of[p.id] in here - apart)
    tested = tuple(p for p in found if of[p.id] in apart)
    missing = tuple(sorted(state.media[m].name for m in media - here))
    return Snapshot(_content_hash(state, train, tested), train, tested, missing)


def accepted(state: ProjectState) -> tuple[Proposal, ...]:
    """The newest proposal of every accepted item, in the order of media and objects."""
    items = [
        s
        for s in state.items.values()
        if s.step is Step.ACCEPTED and not s.is_deleted and s.proposals
    ]
    items.sort(key=lambda s: (s.item.media_id, s.item.obj_id))
    return tuple(s.proposals[-1] for s in items)


def labelled_clips(session: Core, proposals: Sequence[Proposal]) -> list[LabelledClip]:
    """Turn proposals into one clip per medium, on its annotation frames.

    Frames are read when they are needed. A masklet keeps only frames on the grid.
    """
    state = session.state
    by_media: dict[str, list[Proposal]] = {}
    for proposal in proposals:
        by_media.setdefault(state.items[proposal.item_id].item.media_id, []).append(proposal)
    stored = session.masks([m.mask_id for p in proposals for m in p.masks])
    clips = []
    for media_id, rows in by_media.items():
        grid = session.annotation_frames(media_id)
        position_of = {idx: at for at, idx in enumerate(grid)}
        objects = tuple(
            {
                position_of[m.frame_idx]: stored[m.mask_id]
                for m in row.masks
                if m.frame_idx in position_of
            }
            for row in rows
        )
        frames = AnnotationFrames(session.reader(media_id), grid)
        clips.append(LabelledClip(media_id, frames, objects))
    return clips


def synthetic_clips(
    n_clips: int = REPLAY_CLIPS,
    *,
    seed: int = 0,
    n_frames: int = 12,
    difficulty: float = 0.5,
    theme: str | None = None,
) -> list[LabelledClip]:
    """Make up clips with exact masks, to rehearse and to measure forgetting with.

    They cost no download and are the same everywhere: what a retrained model can no
    longer do on them it has forgotten.

    Args:
        n_clips: how many; each has two objects.
        seed: equal seeds and arguments give equal clips.
        n_frames: length of each.
        difficulty: see :func:`samnb.synthetic.make_clip`.
        theme: likewise.
    """
    from samnb.synthetic import make_clip

    clips = []
    for at in range(n_clips):
        clip = make_clip(seed * 1000 + at, n_frames=n_frames, difficulty=difficulty, theme=theme)
        objects = tuple(
            {i: rle_ops.encode(clip.mask(thing.obj_id, i)) for i in range(n_frames)}
            for thing in clip.objects
        )
        clips.append(LabelledClip(f"synthetic:{theme or 'any'}:{seed}:{at}", clip, objects))
    return clips


def place(media_id: str) -> float:
    """A number in [0, 1) that is the medium's own."""
    digest = hashlib.sha256(f"held out?{media_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _choose(media: Collection[str], share: float) -> set[str]:
    by_hash = {m for m in media if place(m) < share}
    # One of a small project's media has to serve. It is always the smallest, so that a
    # medium which is held out once came from outside of every earlier training part.
    return by_hash or set(sorted(media, key=place)[:1])


def _content_hash(
    state: ProjectState, train: Sequence[Proposal], held_out: Sequence[Proposal]
) -> str:
    digest = hashlib.sha256()
    for part, proposals in (("train", train), ("held out", held_out)):
        for proposal in proposals:
            item = state.items[proposal.item_id].item
            digest.update(f"{part}:{item.media_id}:{item.obj_id}\n".encode())
            for mask in proposal.masks:
                digest.update(f"{mask.frame_idx}:{mask.mask_id}\n".encode())
    return digest.hexdigest()[:16]
