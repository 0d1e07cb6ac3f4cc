"""Frames of videos become pictures of their own, for the loop over pictures.

SAM 3 paper (arXiv 2511.16719), appendix on the video engine: one random frame per video, and
frames on which there are many objects, as the video's own masklets tell.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from PIL import Image as PilImage

from samnb.engine.concepts.acts import pair_bodies
from samnb.engine.concepts.state import ConceptState, PairState
from samnb.engine.simulation import seeded
from samnb.events import Body
from samnb.events.concepts import ConceptStep, FrameSampled, PairOrigin
from samnb.types import InputError

if TYPE_CHECKING:
    from samnb.engine.concepts.session import ConceptSession

Sampler: TypeAlias = Literal["random", "crowded"]
SAMPLERS: Final[tuple[Sampler, ...]] = ("random", "crowded")


@dataclass(frozen=True, slots=True)
class SampledFrame:
    """A frame that became a picture.

    Attributes:
        n_pairs: phrases that the picture is asked for.
    """

    media_id: str
    frame_idx: int
    picture_id: str
    n_pairs: int


def sample_frames(
    loop: ConceptSession,
    folder: str | Path,
    sampler: Sampler = "random",
    *,
    media_ids: Collection[str] | None = None,
    per_video: int = 1,
    seed: int = 0,
) -> tuple[SampledFrame, ...]:
    """Write frames of videos as PNG files, add them as pictures and ask them for the phrases
    of their video.

    Pictures are held out where their video is.

    Args:
        loop: the project.
        folder: where the pictures go, made when missing.
        sampler: "random": annotated frames drawn by chance; "crowded": those with most
            masks, of which "random" may give other ones.
        media_ids: which videos; None for all that have a phrase left.
        per_video: frames of each video at most; a frame that is a picture already, or on
            which "crowded" finds no mask, is not taken.
        seed: of the random frames.

    Raises:
        InputError: an unknown sampler, or fewer than one frame asked for.
    """
    if sampler not in SAMPLERS or per_video < 1:
        raise InputError(
            f"sampler, per_video: expected one of {', '.join(SAMPLERS)} and 1 or more, got "
            f"{sampler!r} and {per_video}"
        )
    place = Path(folder).expanduser()
    place.mkdir(parents=True, exist_ok=True)
    state = loop.refresh()
    taken = {
        (e.body.media_id, e.body.frame_idx)
        for e in loop.session.log.read()
        if isinstance(e.body, FrameSampled)
    }
    found: list[SampledFrame] = []
    for media_id in sorted(state.videos) if media_ids is None else media_ids:
        pairs = asked_pairs(state, media_id)
        if not pairs:
            continue
        counts = masks_by_frame(pairs)
        idxs = list(loop.session.annotation_frames(media_id))
        if sampler == "random":
            order = seeded(seed, "frame", media_id).permutation(len(idxs))
            idxs = [idxs[int(i)] for i in order]
        else:
            idxs = sorted((i for i in idxs if counts.get(i)), key=lambda i: -counts[i])
        fresh = [i for i in idxs if (media_id, i) not in taken][:per_video]
        found += [_made(loop, place, pairs, media_id, i, sampler) for i in fresh]
    return tuple(found)


def asked_pairs(state: ConceptState, media_id: str) -> list[PairState]:
    """The pairs of a video that were not rejected or dropped."""
    return [p for p in state.pairs_of(media_id) if p.step is not ConceptStep.REJECTED]


def masks_by_frame(pairs: Collection[PairState]) -> dict[int, int]:
    """How many masks of these pairs there are on each frame that has one."""
    counts: dict[int, int] = {}
    for pair in pairs:
        for mask in pair.masks:
            for frame in mask.frames:
                counts[frame.frame_idx] = counts.get(frame.frame_idx, 0) + 1
    return counts


def _made(
    loop: ConceptSession,
    folder: Path,
    pairs: Collection[PairState],
    media_id: str,
    frame_idx: int,
    sampler: Sampler,
) -> SampledFrame:
    video = loop.session.media(media_id)
    path = folder / frame_name(video.name, frame_idx)
    PilImage.fromarray(loop.image(media_id, frame_idx)).save(path)
    picture = loop.session.add_media(path)
    ids = {p.phrase: loop.session.new_id() for p in pairs}
    is_held_out = any(p.is_held_out for p in pairs)
    source = f"frame {frame_idx} of {video.name}"

    def make(state: ConceptState) -> list[Body]:
        return [
            FrameSampled(media_id, frame_idx, picture.id, sampler),
            *pair_bodies(
                state, picture.id, ids, PairOrigin.MINED, "", source, is_held_out
            ),
        ]  # fmt: skip

    n_pairs = len(loop.commit(make)) - 1
    return SampledFrame(media_id, frame_idx, picture.id, n_pairs)


def frame_name(video_name: str, frame_idx: int) -> str:
    """File name of a frame that became a picture."""
    return f"{Path(video_name).stem}-{frame_idx:05d}.png"
