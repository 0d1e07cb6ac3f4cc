"""Between a project's pairs and the SA-Co layouts: Gold or Silver, and VEval for videos."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias

from samnb.engine.concepts.session import ConceptSession
from samnb.engine.concepts.state import PairState, Version
from samnb.engine.session import Session
from samnb.events.concepts import ConceptMask, ConceptStep, PairImported
from samnb.exports.files import refuse_existing
from samnb.exports.records import Written
from samnb.exports.saco import (
    RATERS,
    SacoMask,
    SacoPair,
    SacoPrediction,
    SacoSet,
    read_raters,
    write_raters,
    write_saco,
    write_saco_predictions,
)
from samnb.exports.veval import (
    VevalMasklet,
    VevalPair,
    VevalSet,
    VevalVideo,
    read_veval,
    write_veval,
)
from samnb.store.images import DEFAULT_FOLDER_FPS, list_frames
from samnb.store.media import DEFAULT_RATE_FPS, open_media
from samnb.types import UNSEEN, FrameMask, InputError, Media, MediaKind, Rle

# -- out -----------------------------------------------------------------------


def final_pairs(session: Session, *, is_video: bool) -> list[PairState]:
    """The final pairs of pictures or of videos, in the order in which they were added."""
    state = session.concepts.refresh()
    return [
        p for p in state.pairs.values() if p.step is ConceptStep.FINAL and p.is_video is is_video
    ]


def saco_sets(session: Session) -> tuple[SacoSet, ...]:
    """Return one set per rater: one, or three where three people made versions.

    A pair with a single account, such as a negative or one that all reviewers found
    exhaustive, says the same with every rater.
    """
    pairs = final_pairs(session, is_video=False)
    n_raters = max((len(p.versions) for p in pairs), default=0)
    phrases = {phrase: str(n) for n, phrase in enumerate(dict.fromkeys(p.phrase for p in pairs), 1)}
    return tuple(
        SacoSet(
            tuple(
                _saco_pair(session, n, p, _version(p, rater), phrases[p.phrase])
                for n, p in enumerate(pairs, 1)
            ),
            info=(("description", f"pairs of {_name(session)}, rater {RATERS[rater]}"),),
        )
        for rater in range(min(n_raters, len(RATERS)))
    )


def _version(pair: PairState, rater: int) -> Version:
    return pair.versions[rater] if rater < len(pair.versions) else pair.versions[0]


def _saco_pair(
    session: Session,
    number: int,
    pair: PairState,
    version: Version,
    category: str,
) -> SacoPair:
    media = session.media(pair.item.media_id)
    masks = session.masks(m.mask_id for m in version.masks)
    return SacoPair(
        number,
        media.name,
        pair.phrase,
        media.size_hw,
        tuple(SacoMask(masks[m.mask_id], m.is_group, _source(m, version)) for m in version.masks),
        category,
        version.is_instance_exhaustive,
        version.is_pixel_exhaustive,
    )


def _source(mask: ConceptMask, version: Version) -> str:
    return mask.model or version.worker_id or "by hand"


def _name(session: Session) -> str:
    project = session.state.project
    return project.name if project else "project"


def saco_predictions(session: Session) -> tuple[SacoPrediction, ...]:
    """Return what the segmenter proposed for the pairs of :func:`saco_sets`, each mask with
    its score times presence: what ``samnb eval saco`` scores."""
    found: list[SacoPrediction] = []
    for number, pair in enumerate(final_pairs(session, is_video=False), 1):
        proposal = pair.proposal
        for mask in proposal.masks if proposal else ():
            rle = session.mask(mask.mask_id)
            presence = proposal.presence if proposal else 1.0
            found.append(SacoPrediction(number, rle, mask.score * presence))
    return tuple(found)


def veval_set(session: Session) -> VevalSet:
    """Return the final pairs of videos at the project's annotation rate."""
    pairs = final_pairs(session, is_video=True)
    media_ids = list(dict.fromkeys(p.item.media_id for p in pairs))
    phrases = {phrase: n for n, phrase in enumerate(dict.fromkeys(p.phrase for p in pairs), 1)}
    videos = []
    for number, media_id in enumerate(media_ids, 1):
        media = session.media(media_id)
        names = _file_names(session, media)
        videos.append(VevalVideo(number, _video_name(session, media), names, media.size_hw))
    listed = tuple(
        VevalPair(
            media_ids.index(p.item.media_id) + 1,
            phrases[p.phrase],
            p.phrase,
            tuple(_masklet(session, p, mask) for mask in p.versions[0].masks),
            number,
        )
        for number, p in enumerate(pairs, 1)
    )
    categories = tuple((number, phrase) for phrase, number in phrases.items())
    info = (("description", f"pairs of {_name(session)}"),)
    return VevalSet(tuple(videos), listed, categories, info)


def _file_names(session: Session, media: Media) -> tuple[str, ...]:
    """Names of the annotated frames: those of the file that the video came from, if any."""
    grid = session.annotation_frames(media.id)
    told = session.state.tags.get(media.id, {}).get(FILE_NAMES, "").split("\n")
    if len(told) == len(grid):
        return tuple(told)
    return tuple(f"{media.name}/{i:05d}.jpg" for i in grid)


def _video_name(session: Session, media: Media) -> str:
    return session.state.tags.get(media.id, {}).get(VIDEO_NAME, media.name)


def _masklet(session: Session, pair: PairState, mask: ConceptMask) -> VevalMasklet:
    runs = session.masks(f.mask_id for f in mask.frames)
    by_frame = {f.frame_idx: runs[f.mask_id] for f in mask.frames}
    grid = session.annotation_frames(pair.item.media_id)
    return VevalMasklet(tuple(by_frame.get(idx) for idx in grid), mask.is_group)


def export_concepts(
    format: str, session: Session, out: Path, *, overwrite: bool = False
) -> Written:
    """Write a project's final pairs.

    Args:
        format: "saco" (pictures: one file, or three named as Gold's raters are; and the
            proposals as predictions) or "veval" (videos).
        session: the project.
        out: folder, made when missing.
        overwrite: replace files that are there.

    Raises:
        InputError: no final pair, or a file is there already.
    """
    name = _name(session)
    is_video = format == "veval"
    if not final_pairs(session, is_video=is_video):
        what = "videos" if is_video else "pictures"
        raise InputError(f"project: expected a final pair of {what}, found none")
    out.mkdir(parents=True, exist_ok=True)
    if is_video:
        path = out / f"{name}.json"
        refuse_existing(path, overwrite)
        found = veval_set(session)
        n_masks = sum(len(p.masklets) for p in found.pairs)
        return Written((str(write_veval(found, path, overwrite=overwrite)),), n_masks)
    sets, predicted = saco_sets(session), out / f"{name}_proposals.json"
    refuse_existing(predicted, overwrite)
    if len(sets) > 1:
        paths = write_raters(sets, out, name, overwrite=overwrite)
    else:
        paths = (write_saco(sets[0], out / f"silver_{name}.json", overwrite=overwrite),)
    write_saco_predictions(saco_predictions(session), predicted, overwrite=overwrite)
    n_masks = sum(len(p.masks) for p in sets[0].pairs)
    negatives = sum(p.is_negative for p in sets[0].pairs)
    note = f"{len(sets[0].pairs)} pairs, {negatives} of them negative, {len(sets)} raters"
    return Written((*map(str, paths), str(predicted)), n_masks, (note,))


# -- in ------------------------------------------------------------------------


def import_saco(
    session: Session, paths: Sequence[Path], media_folder: Path | None = None
) -> tuple[str, ...]:
    """Take pairs of one or several raters' files into a project as final.

    Args:
        session: the project.
        paths: one file, or Gold's a, b and c.
        media_folder: where the pictures lie; those not found there are known by the file
            alone and can be relinked later.

    Returns:
        ids of the pairs; a phrase that a medium is asked for already is left as it is.

    Raises:
        FormatError: a file does not have the promised form.
        InputError: a picture has another size than the file says.
    """
    sets = read_raters(paths)
    twins = [{pair.id: pair for pair in one.pairs} for one in sets]
    loop = session.concepts
    taken: list[str] = []
    for first in sets[0].pairs:
        media = _media(session, first, media_folder)
        if media.size_hw != first.size_hw:
            raise InputError(
                f"{first.file_name}: expected a picture of size {first.size_hw}, got "
                f"{media.size_hw}"
            )
        if loop.state.find(media.id, first.phrase) is not None:
            continue
        said = [rater[first.id] for rater in twins]
        versions = [[([(0, m.rle)], m.is_group) for m in one.masks] for one in said]
        exhaustive = [(one.is_instance_exhaustive, one.is_pixel_exhaustive) for one in said]
        taken.append(_take(loop, media.id, first.phrase, paths[0].name, versions, exhaustive))
    return tuple(taken)


_Told: TypeAlias = tuple[Sequence[tuple[int, Rle]], bool]
"""Masks of an instance by frame, and whether it is a group."""


def _take(
    loop: ConceptSession,
    media_id: str,
    phrase: str,
    source: str,
    versions: Sequence[Sequence[_Told]],
    exhaustive: Sequence[tuple[bool, bool]],
) -> str:
    """Add a finished pair with one version per rater; returns its id."""
    (pair,) = loop.add_pairs(media_id, [phrase], source=source)
    key = loop.session.new_id()
    masks = tuple(
        tuple(
            ConceptMask(
                f"{key}.{r}.{n}",
                tuple(FrameMask(idx, rle.id) for idx, rle in frames),
                1.0,
                is_group,
            )
            for n, (frames, is_group) in enumerate(version)
        )
        for r, version in enumerate(versions)
    )
    instance, pixel = (tuple(flags) for flags in zip(*exhaustive, strict=True))
    body = PairImported(pair.id, masks, instance, pixel, source)
    rles = [rle for version in versions for frames, _ in version for _, rle in frames]
    loop.commit(lambda _state: [body], masks=rles)
    return pair.id


def import_veval(session: Session, path: Path, media_folder: Path | None = None) -> tuple[str, ...]:
    """Take the pairs of a VEval file into a project as final, those without a masklet as
    verified negatives.

    A frame of the file is the frame of the video that its name numbers, or the file of that
    name in the video's folder; of a video that is not at hand, only the listed frames are
    known.

    Args:
        session: the project.
        path: the file.
        media_folder: where the videos, or folders of their frames, lie.

    Returns:
        ids of the pairs; a phrase that a video is asked for already is left as it is.

    Raises:
        FormatError: the file does not have the promised form.
        InputError: a video has another size than the file says, or lacks a frame of it.
    """
    found = read_veval(path)
    loop = session.concepts
    places = {video.id: _video(session, video, media_folder) for video in found.videos}
    taken: list[str] = []
    for pair in found.pairs:
        media, idxs = places[pair.video_id]
        if loop.state.find(media.id, pair.phrase) is not None:
            continue
        version = [
            (
                [(i, rle) for i, rle in zip(idxs, m.rles, strict=True) if rle is not None],
                m.is_group,
            )
            for m in pair.masklets
        ]
        version = [told for told in version if told[0]]
        flag = not any(is_group for _, is_group in version)
        taken.append(_take(loop, media.id, pair.phrase, path.name, [version], [(flag, True)]))
    return tuple(taken)


FILE_NAMES: Final = "veval_file_names"
VIDEO_NAME: Final = "veval_video_name"
_SUFFIXES: Final = ("", ".mp4", ".mov", ".mkv", ".webm", ".avi")


def _video(
    session: Session, video: VevalVideo, folder: Path | None
) -> tuple[Media, tuple[int, ...]]:
    """The medium of a video and the frame numbers of its listed frames."""
    project = session.state.project
    rate_fps = project.annotation_fps if project else DEFAULT_RATE_FPS
    n_frames = len(video.file_names)
    names = [Path(video.file_names[0]).parent.name, video.name]
    paths = [folder / f"{name}{end}" for name in names for end in _SUFFIXES] if folder else []
    path = next((p for p in paths if p.exists() and p != folder), None)
    if path is None:
        digest = hashlib.sha256("\n".join(video.file_names).encode()).hexdigest()[:16]
        media = Media(
            f"{UNSEEN}{digest}", MediaKind.FRAMES, video.name, "", video.size_hw, n_frames,
            rate_fps, n_frames / rate_fps,
        )  # fmt: skip
        idxs = tuple(range(n_frames))
    elif path.is_dir():
        files = [file.stem for file in list_frames(path)]
        # A folder of nothing but the annotated frames runs at their rate.
        own_fps = rate_fps if len(files) == n_frames else DEFAULT_FOLDER_FPS
        with open_media(path, folder_fps=own_fps) as reader:
            media = reader.media
        known = {name: idx for idx, name in enumerate(files)}
        idxs = tuple(known.get(Path(name).stem, -1) for name in video.file_names)
    else:
        media = session.add_media(path)
        stems = [Path(name).stem for name in video.file_names]
        idxs = tuple(int(stem) if stem.isdecimal() else -1 for stem in stems)
    lacking = [
        n for n, i in zip(video.file_names, idxs, strict=True) if not 0 <= i < media.n_frames
    ]
    if media.size_hw != video.size_hw or lacking:
        raise InputError(
            f"{video.name}: expected a video of size {video.size_hw} with the frames of the file, "
            f"got {media.size_hw}" + (f" without {lacking[0]}" if lacking else "")
        )
    tags = {VIDEO_NAME: video.name, FILE_NAMES: "\n".join(video.file_names)}
    return session.add_known_media(media, tags), idxs


def _media(session: Session, pair: SacoPair, folder: Path | None) -> Media:
    path = folder / pair.file_name if folder else None
    if path is not None and path.is_file():
        return session.add_media(path)
    for media in session.state.media.values():
        if media.name == Path(pair.file_name).name and media.size_hw == pair.size_hw:
            return media
    digest = hashlib.sha256(pair.file_name.encode()).hexdigest()[:16]
    name = Path(pair.file_name).name
    unseen = Media(f"{UNSEEN}{digest}", MediaKind.IMAGE, name, "", pair.size_hw, 1, 0.0, 0.0)
    return session.add_known_media(unseen)
