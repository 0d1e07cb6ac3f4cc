"""What the command line calls: files in, files out, one result record each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from samnb.engine.flow import fold
from samnb.engine.session import Session
from samnb.engine.state import ProjectState
from samnb.exports.bridge import all_from_project, into_project
from samnb.exports.concept_bridge import export_concepts, import_saco, import_veval
from samnb.exports.davis import read_davis, write_davis
from samnb.exports.files import folders, refuse_existing
from samnb.exports.layouts import FramesOf
from samnb.exports.records import VideoAnnotation, Written, gather
from samnb.exports.sav import read_train, train_paths, write_train
from samnb.exports.sav_folders import MASKS, read_val, write_val
from samnb.store.db import Log
from samnb.types import FormatError, InputError, LogError, MediaError, Worker

READS: Final = ("sav", "davis", "saco", "veval")
WRITES: Final = ("sav", "sav-val", "davis", "saco", "veval")
_VIDEOS: Final = (".mp4", ".mov", ".mkv", ".webm", ".avi")


@dataclass(frozen=True, slots=True)
class ImportedFiles:
    """What an import brought into a project.

    Attributes:
        videos: media that got masklets.
        n_masklets: new masklets.
        notes: what was not found, left out or numbered anew.
    """

    videos: tuple[str, ...]
    n_masklets: int
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "videos": list(self.videos),
            "n_masklets": self.n_masklets,
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [f"{_many(self.n_masklets, 'masklet')} for {_many(len(self.videos), 'video')}"]
        lines += self.videos
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def _many(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def import_files(
    format: str,
    files: Sequence[str | Path],
    project: str | Path | Session,
    *,
    worker: str = "me",
    is_accepted: bool = True,
) -> ImportedFiles:
    """Take annotation files into a project, which is made when it is not there.

    Every file is read and checked before the first one is taken in.

    Args:
        format: "sav" (training JSON, or folders in the validation layout), "davis", or
            "saco" (one rater's file, or several over the same pairs; the pictures lie
            beside the first one) or "veval" (one file; the videos, or folders of their
            frames, lie beside it).
        files: files, or folders of them; a video of the same name beside a JSON file is
            taken along.
        project: project file, database URL or an open session.
        worker: who imports.
        is_accepted: take the masklets as verified; False hands them to a verifier.

    Raises:
        InputError: unknown format or no file.
        FormatError: a file does not have the promised form.
    """
    if format not in READS:
        raise InputError(f"format: expected one of {', '.join(READS)}, got {format!r}")
    if not files:
        raise InputError("files: expected at least one, got none")
    if format in ("saco", "veval"):
        return _import_pairs(format, [Path(f).expanduser() for f in files], project, worker)
    read = _read_sav if format == "sav" else _read_davis
    found = [entry for file in files for entry in read(Path(file).expanduser())]
    is_ours = not isinstance(project, Session)
    session = project if isinstance(project, Session) else Session.open(project, worker=worker)
    videos: dict[str, None] = {}
    notes: list[str] = []
    count = 0
    try:
        for source, annotation, video in found:
            taken = into_project(
                session, annotation, source=source, media_path=video, is_accepted=is_accepted
            )
            videos[annotation.video_id] = None
            count += len(taken.item_ids)
            notes += [note for note in taken.notes if note not in notes]
    finally:
        if is_ours:
            session.close()
    return ImportedFiles(tuple(videos), count, tuple(notes))


def _import_pairs(
    format: str, paths: list[Path], project: str | Path | Session, worker: str
) -> ImportedFiles:
    if format == "veval" and len(paths) > 1:
        raise InputError(f"files: expected one VEval file at a time, got {len(paths)}")
    is_ours = not isinstance(project, Session)
    session = project if isinstance(project, Session) else Session.open(project, worker=worker)
    try:
        if format == "saco":
            taken = import_saco(session, paths, paths[0].parent)
        else:
            taken = import_veval(session, paths[0], paths[0].parent)
        pairs = [session.concepts.pair(pair_id) for pair_id in taken]
        names = dict.fromkeys(session.media(p.item.media_id).name for p in pairs)
    finally:
        if is_ours:
            session.close()
    n_masks = sum(len(p.masks) for p in pairs)
    negatives = sum(p.is_negative for p in pairs)
    note = f"{len(pairs)} pairs, {negatives} of them negative"
    return ImportedFiles(tuple(names), n_masks, (note,))


_Entry = tuple[str, VideoAnnotation, Path | None]


def _read_sav(path: Path) -> Iterator[_Entry]:
    if not path.is_dir():
        annotation = read_train(path)
        yield path.name, annotation, _video_beside(path, annotation.video_id)
        return
    files = sorted(p for p in path.iterdir() if p.name.endswith(("_manual.json", "_auto.json")))
    # Manual first, so that its objects keep their numbers.
    for file in sorted(files, key=lambda p: p.name.endswith("_auto.json")):
        yield from _read_sav(file)
    if (path / MASKS).is_dir() or (not files and folders(path)):
        for annotation in read_val(path):
            yield path.name, annotation, None
    elif not files:
        raise FormatError(
            f"{path}: expected *_manual.json, *_auto.json or a folder {MASKS}, found none"
        )


def _read_davis(path: Path) -> Iterator[_Entry]:
    if not path.is_dir():
        raise FormatError(f"{path}: expected a folder in DAVIS's layout, found none there")
    for annotation in read_davis(path):
        yield path.name, annotation, None


def _video_beside(path: Path, video_id: str) -> Path | None:
    candidates = (path.with_name(video_id + suffix) for suffix in _VIDEOS)
    return next((c for c in candidates if c.is_file()), None)


def export_project(
    format: str,
    project: str | Path | Session,
    out: str | Path,
    *,
    accepted_only: bool = True,
    overwrite: bool = False,
    with_pictures: bool = False,
) -> Written:
    """Write a project's masklets, or its final pairs, to files.

    Args:
        format: "sav" (training JSON), "sav-val" (validation folders) or "davis" for
            masklets; "saco" (pairs of pictures) or "veval" (of videos) for the concept loop.
        project: project file, database URL or an open session.
        out: folder to write to, made when missing.
        accepted_only: leave out what no verifier has accepted.
        overwrite: replace files that are there.
        with_pictures: also write every frame as JPEG ("sav-val" and "davis").

    Raises:
        InputError: unknown format, nothing to export, or a file is there already.
        LogError: no such project.
    """
    if format not in WRITES:
        raise InputError(f"format: expected one of {', '.join(WRITES)}, got {format!r}")
    is_ours = not isinstance(project, Session)
    session = project if isinstance(project, Session) else _open_known(project)
    out = Path(out).expanduser()
    try:
        session.refresh()  # somebody else may have accepted a masklet meanwhile
        if format in ("saco", "veval"):
            return export_concepts(format, session, out, overwrite=overwrite)
        annotations, notes = all_from_project(session, accepted_only=accepted_only)
        if not annotations:
            wanted = "an accepted masklet (--all takes the others too)" if accepted_only else "one"
            raise InputError(f"project: expected {wanted}, found none")
        frames_of, lacking = _frames(session) if with_pictures else (None, [])
        if format == "sav":
            for annotation in annotations:
                for path in train_paths(annotation, out).values():
                    refuse_existing(path, overwrite)
            written = gather(write_train(a, out, overwrite=overwrite) for a in annotations)
        else:
            write = write_val if format == "sav-val" else write_davis
            written = write(annotations, out, frames_of=frames_of, overwrite=overwrite)
    finally:
        if is_ours:
            session.close()
    return Written(written.files, written.n_masklets, (*notes, *lacking, *written.notes))


def _frames(session: Session) -> tuple[FramesOf, list[str]]:
    lacking: list[str] = []

    def frames_of(annotation: VideoAnnotation) -> Any:
        try:
            return session.reader(annotation.media.id)
        except MediaError as error:
            lacking.append(f"{annotation.video_id}: no pictures written: {error}")
            return None

    return frames_of, lacking


def _open_known(project: str | Path) -> Session:
    """Open a project that must be there, as somebody it knows: exporting writes no event."""
    if "://" not in str(project) and not Path(project).expanduser().is_file():
        raise LogError(f"{project}: no such project file")
    log = Log(project)
    try:
        state = fold(ProjectState(), log.read())
    finally:
        log.close()
    worker = next(iter(state.workers.values()), Worker("me"))
    software = state.software.get(worker.id)  # those at work then, whatever is installed now
    return Session.open(project, worker=worker, software=software)
