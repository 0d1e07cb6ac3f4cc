"""Between a project's log and :class:`~samnb.exports.records.VideoAnnotation`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from samnb.engine.session import Session
from samnb.engine.state import ItemState
from samnb.exports.records import Masklet, MaskletFrame, VideoAnnotation, video_id_of
from samnb.types import FormatError, FrameMask, Media, MediaError, Step


@dataclass(frozen=True, slots=True)
class Taken:
    """What one annotation became in a project.

    Attributes:
        media_id: the medium it was attached to.
        item_ids: the new items, in the file's order.
        notes: what was found, left out or numbered anew.
    """

    media_id: str
    item_ids: tuple[str, ...]
    notes: tuple[str, ...] = ()


# -- out -----------------------------------------------------------------------


def from_project(
    session: Session, media_id: str, *, accepted_only: bool = True
) -> VideoAnnotation | None:
    """Describe the masklets of one medium as they stand in the log.

    Annotated frames are the project's annotation grid and whatever else the masklets
    have. Masklets are numbered from 0 in the order of their object numbers, manual and
    automatic ones apart, as SA-V's two files are.

    Args:
        session: the project.
        media_id: the medium.
        accepted_only: leave out what no verifier has accepted.

    Returns:
        the annotation, or None when there is no such masklet.
    """
    media = session.media(media_id)
    states = [
        state
        for state in session.state.items_of(media_id)
        if (state.step is Step.ACCEPTED or (not accepted_only and state.step is not Step.REJECTED))
        and any(frame.mask_id is not None for frame in state.frames.values())
    ]
    if not states:
        return None
    masklets: list[Masklet] = []
    counts = {True: 0, False: 0}
    for state in states:
        masklet = _masklet(session, state)
        masklets.append(replace(masklet, number=counts[masklet.is_auto]))
        counts[masklet.is_auto] += 1
    frame_idxs = {f.frame_idx for m in masklets for f in m.frames} | set(_grid(session, media_id))
    tags = session.state.tags.get(media_id, {})
    return VideoAnnotation(media, tuple(sorted(frame_idxs)), tuple(masklets), tuple(tags.items()))


def _grid(session: Session, media_id: str) -> tuple[int, ...]:
    try:
        return session.annotation_frames(media_id)
    except MediaError:
        return ()  # the file changed or broke; that must not keep anybody from their masks


def _masklet(session: Session, state: ItemState) -> Masklet:
    kept = [(i, f, f.mask_id) for i, f in sorted(state.frames.items()) if f.mask_id is not None]
    rles = session.masks(mask_id for _, _, mask_id in kept)
    frames = tuple(
        MaskletFrame(idx, rles[mask_id], f.is_edited, f.confidence, f.presence, f.stability)
        for idx, f, mask_id in kept
    )
    return Masklet(state.item, 0, frames, state.edited_frame_count)


def all_from_project(
    session: Session, *, accepted_only: bool = True
) -> tuple[list[VideoAnnotation], list[str]]:
    """Describe every medium that has masklets; see :func:`from_project`.

    Media that share a name are told apart by the start of their id.

    Returns:
        the annotations in the order in which media were added, and notes.
    """
    found: list[VideoAnnotation] = []
    notes: list[str] = []
    names: set[str] = set()
    for media_id, media in session.state.media.items():
        annotation = from_project(session, media_id, accepted_only=accepted_only)
        if annotation is None:
            notes.append(
                f"{media.name}: no {'accepted ' if accepted_only else ''}masklet, left out"
            )
            continue
        if annotation.video_id in names:
            name = f"{annotation.video_id}-{media_id[:8]}"
            notes.append(f"{media.name}: the name is taken, written as {name}")
            annotation = replace(annotation, media=replace(annotation.media, name=name))
        names.add(annotation.video_id)
        found.append(annotation)
    return found, notes


# -- in ------------------------------------------------------------------------


def into_project(
    session: Session,
    annotation: VideoAnnotation,
    *,
    source: str,
    media_path: str | Path | None = None,
    is_accepted: bool = True,
) -> Taken:
    """Take all masklets of an annotation into a project.

    The medium is, in this order: the file given here, the one the annotation names, a
    medium of the project with the same name and size, or else a medium without a file.
    Masklets that the project has already, mask for mask, are not taken twice.

    Args:
        session: the project.
        annotation: what was read.
        source: name of the file, for the history.
        media_path: the video itself, when it is at hand.
        is_accepted: the format promises verified masklets; False sends them to a verifier.

    Raises:
        FormatError: the annotation does not fit the video.
        MediaError: the video cannot be used.
    """
    notes: list[str] = []
    media = _media(session, annotation, source, media_path)
    if annotation.tags:
        session.add_known_media(media, dict(annotation.tags))
    if not media.path:
        notes.append(
            f"{annotation.video_id}: its video was not found, so masks are kept but no picture "
            "can be shown"
        )
    states = session.state.items_of(media.id, with_deleted=True)
    taken = {s.item.obj_id for s in states}
    known = {tuple(_signature(s)) for s in states if not s.is_deleted}
    item_ids: list[str] = []
    moved: list[str] = []
    known_numbers: list[str] = []
    for masklet in annotation.masklets:
        if tuple((f.frame_idx, f.rle.id) for f in masklet.frames) in known:
            known_numbers.append(str(masklet.number))
            continue
        wanted = masklet.item.obj_id
        item = session.import_masklet(
            media.id,
            [(_frame_mask(f), f.rle) for f in masklet.frames],
            source=source,
            name=masklet.item.name,
            is_accepted=is_accepted,
            is_auto=masklet.item.source == "auto",
            obj_id=None if wanted in taken else wanted,
            edited_frame_count=masklet.declared_edited,
        )
        taken.add(item.obj_id)
        item_ids.append(item.id)
        if item.obj_id != wanted:
            moved.append(f"{wanted} as {item.obj_id}")
    if known_numbers:
        notes.append(
            f"{annotation.video_id}: the project has masklets {', '.join(known_numbers)} already, "
            "left out"
        )
    if moved:
        notes.append(f"{annotation.video_id}: object numbers were taken, now {', '.join(moved)}")
    return Taken(media.id, tuple(item_ids), tuple(notes))


def _frame_mask(frame: MaskletFrame) -> FrameMask:
    return FrameMask(
        frame.frame_idx,
        frame.rle.id,
        frame.is_edited,
        frame.confidence,
        frame.presence,
        frame.stability,
    )


def _signature(state: ItemState) -> Iterator[tuple[int, str]]:
    for idx, frame in sorted(state.frames.items()):
        if frame.mask_id is not None:
            yield idx, frame.mask_id


def _media(
    session: Session, annotation: VideoAnnotation, source: str, media_path: str | Path | None
) -> Media:
    path = media_path or annotation.media.path
    if path:
        media = session.add_media(path)
        if not _is_fitting(media, annotation):
            raise FormatError(
                f"{source}: expected masks for {path} ({media.size_hw[0]} x {media.size_hw[1]} px, "
                f"{media.n_frames} frames), got {annotation.media.size_hw[0]} x "
                f"{annotation.media.size_hw[1]} px up to frame {annotation.frame_idxs[-1]}"
            )
        return media
    same = [
        media
        for media in session.state.media.values()
        if video_id_of(media) == annotation.video_id and _is_fitting(media, annotation)
    ]
    return same[0] if len(same) == 1 else session.add_known_media(annotation.media)


def _is_fitting(media: Media, annotation: VideoAnnotation) -> bool:
    return media.size_hw == annotation.media.size_hw and annotation.frame_idxs[-1] < media.n_frames
