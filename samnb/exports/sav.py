"""SA-V's training files: ``{video}_manual.json`` and ``{video}_auto.json``.

The form is that of the published SA-V release (SAM 2 paper, section 5, and the notes
that come with the data set). Every field that follows from masks and counts is
computed when a file is written:

=====================  ==============================================================
field                  rule
=====================  ==============================================================
``masklet``            per annotated frame, per object: COCO run lengths
``size_abs``           mean area in pixels over frames where the object is visible
``size_rel``           the same as a share of the picture
``size_bucket``        of ``size_abs``: small below 32^2, medium below 96^2, else large
``visibility_changes`` seen to unseen or back, after the first appearance
``first_appeared``     position among the annotated frames; always 0 in an auto file
``frame_count``        annotated frames
``edited_frame_count`` frames edited by hand; always 0 in an auto file
``stability_score``    auto: per frame, per object; manual: one null per object
``type``               auto when proposed automatically and never edited, else manual
=====================  ==============================================================

Manual files give sizes rounded to ten decimals and the first frame as a float, auto
files give them unrounded and as an integer; measures of the video are floats in both.

Frames are not named in this format: they are those of a 6 fps grid. When the annotated
frames are not that grid, the extra key ``annotated_frame_idx`` lists them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from samnb.exports.fields import Fields
from samnb.exports.files import refuse_existing, write_file
from samnb.exports.records import Masklet, MaskletFrame, VideoAnnotation, Written
from samnb.masks import rle as rle_ops
from samnb.store.media import annotation_frames
from samnb.types import UNSEEN, FormatError, InputError, Item, Media, MediaKind, Rle

RATE_FPS: Final = 6.0
"""SA-V's annotation rate."""
_SMALL, _LARGE = 32**2, 96**2
_EXTRA: Final = "annotated_frame_idx"


# -- reading -------------------------------------------------------------------


def read_train(path: str | os.PathLike[str]) -> VideoAnnotation:
    """Read one training file.

    Raises:
        FormatError: which file, which key, what was expected.
    """
    path = Path(path)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FormatError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # bad JSON and bad UTF-8 alike
        raise FormatError(f"{path}: expected JSON: {error}") from error
    return parse_train(data, str(path))


def parse_train(data: object, source: str = "SA-V file") -> VideoAnnotation:
    """Build the record from parsed JSON; ``source`` names it in errors."""
    fields = Fields(data, source)
    media = _parse_media(fields)
    rows = fields.sequence("masklet")
    numbers = [fields.as_int("masklet_id", n) for n in fields.sequence("masklet_id")]
    n_objects, n_frames = len(numbers), len(rows)
    if fields.integer("masklet_num") != n_objects:
        raise fields.error("masklet_num", f"{n_objects} as masklet_id has entries")
    if len(set(numbers)) != n_objects or any(n < 0 for n in numbers):
        raise fields.error("masklet_id", "different numbers of at least 0")
    frame_idxs = _parse_frames(fields, media, n_frames)
    types = fields.sequence("masklet_type", n_objects)
    if any(t not in ("manual", "auto") for t in types):
        raise fields.error("masklet_type", "'manual' or 'auto' for every masklet")
    edited = [
        fields.as_int("masklet_edited_frame_count", n)
        for n in fields.sequence("masklet_edited_frame_count", n_objects)
    ]
    stability = _parse_stability(fields, n_frames, n_objects)
    tracks: list[list[MaskletFrame]] = [[] for _ in numbers]
    for at, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != n_objects:
            raise fields.error(f"masklet[{at}]", f"a list of {n_objects} masks")
        for obj, value in enumerate(row):
            where = f"masklet[{at}][{obj}]"
            rle = _parse_rle(fields, where, value, media.size_hw)
            tracks[obj].append(MaskletFrame(frame_idxs[at], rle, stability=stability[at][obj]))
    masklets = tuple(
        Masklet(
            Item(f"{media.id}:{kind}:{number}", media.id, number + 1, "", "", kind),
            number,
            tuple(frames),
            count if kind == "manual" else None,
        )
        for number, kind, frames, count in zip(numbers, types, tracks, edited, strict=True)
    )
    tags = (
        ("environment", fields.text("video_environment", optional=True)),
        ("split", fields.text("video_split", optional=True)),
    )
    return VideoAnnotation(
        media, frame_idxs, masklets, tuple((k, v) for k, v in tags if v is not None)
    )


def _parse_media(fields: Fields) -> Media:
    name = fields.text("video_id")
    if not name:
        raise fields.error("video_id", "a name")
    n_frames = fields.integer("video_frame_count", at_least=1)
    height, width = (fields.integer(f"video_{k}", at_least=1) for k in ("height", "width"))
    duration_s = fields.number("video_duration", at_least=0)
    return unseen_media(
        name,
        size_hw=(height, width),
        n_frames=n_frames,
        fps=n_frames / duration_s if duration_s else 0.0,
        duration_s=duration_s,
    )


def unseen_media(
    name: str, *, size_hw: tuple[int, int], n_frames: int, fps: float, duration_s: float
) -> Media:
    """A medium that is known by its annotations only.

    Its id is made from name and measures, because there is no content to look at.
    """
    text = f"{name}:{size_hw[0]}x{size_hw[1]}:{n_frames}"
    mark = f"{UNSEEN}{hashlib.sha256(text.encode()).hexdigest()[:24]}"
    kind = MediaKind.VIDEO if n_frames > 1 else MediaKind.IMAGE
    return Media(mark, kind, name, "", size_hw, n_frames, fps, duration_s)


def _parse_frames(fields: Fields, media: Media, n_rows: int) -> tuple[int, ...]:
    if n_rows == 0:
        raise fields.error("masklet", "at least one annotated frame")
    if fields.has(_EXTRA):
        idxs = tuple(fields.as_int(_EXTRA, n) for n in fields.sequence(_EXTRA, n_rows))
        is_rising = all(b > a for a, b in pairwise(idxs))
        if not is_rising or idxs[0] < 0 or idxs[-1] >= media.n_frames:
            raise fields.error(_EXTRA, f"rising numbers from 0 to {media.n_frames - 1}")
        return idxs
    grid = annotation_frames(media, RATE_FPS)
    if n_rows > len(grid):
        raise fields.error(
            "masklet",
            f"at most {len(grid)} frames ({media.n_frames} frames in {media.duration_s:g} s, "
            f"annotated at {RATE_FPS:g} fps), found {n_rows}",
            is_said=True,
        )
    return grid[:n_rows]


def _parse_stability(fields: Fields, n_frames: int, n_objects: int) -> list[Sequence[float | None]]:
    key = "masklet_stability_score"
    unknown: list[Sequence[float | None]] = [[None] * n_objects] * n_frames
    rows = fields.sequence(key, optional=True)
    if rows is None or (len(rows) == n_objects and all(r is None for r in rows)):
        return unknown
    if len(rows) != n_frames or not all(isinstance(r, list) and len(r) == n_objects for r in rows):
        raise fields.error(key, f"{n_objects} nulls, or {n_frames} lists of {n_objects} scores")
    return [[None if v is None else fields.as_number(key, v, 0, 1) for v in r] for r in rows]


def _parse_rle(fields: Fields, where: str, value: object, size_hw: tuple[int, int]) -> Rle:
    if not isinstance(value, Mapping):
        raise fields.error(where, "a mask as {'size': [height, width], 'counts': text}")
    try:
        rle = rle_ops.from_coco(value)
    except FormatError as error:
        raise FormatError(f"{fields.source}: {where}.{error}") from error
    if rle.size_hw != size_hw:
        raise fields.error(f"{where}.size", f"{list(size_hw)} as the video, found {rle.size_hw}")
    return rle


# -- writing -------------------------------------------------------------------


def build_train(annotation: VideoAnnotation, kind: str) -> tuple[dict[str, Any], list[str]]:
    """Compute the JSON of one training file.

    Args:
        annotation: the video and its masklets.
        kind: "manual" or "auto"; masklets of the other type are left out.

    Returns:
        the JSON object in SA-V's order of keys, and notes on what was filled in.

    Raises:
        InputError: no masklet of this type.
    """
    if kind not in ("manual", "auto"):
        raise InputError(f"kind: expected 'manual' or 'auto', got {kind!r}")
    is_auto = kind == "auto"
    chosen = [m for m in annotation.masklets if m.is_auto == is_auto]
    if not chosen:
        raise InputError(f"{annotation.video_id}: expected a masklet of type {kind}, found none")
    numbers = [m.number for m in chosen]
    if len(set(numbers)) != len(numbers):
        raise InputError(f"{annotation.video_id}: expected different numbers, got {numbers}")
    media = annotation.media
    height, width = media.size_hw
    tracks = [annotation.masks_of(m) for m in chosen]
    facts = [_facts(track, height * width, is_auto) for track in tracks]
    scores = [_scores(annotation, m) for m in chosen] if is_auto else []
    data: dict[str, Any] = {
        "video_id": annotation.video_id,
        "video_duration": float(media.duration_s),
        "video_frame_count": float(media.n_frames),
        "video_height": float(height),
        "video_width": float(width),
        "video_resolution": float(height * width),
        "video_environment": annotation.tag("environment"),
        "video_split": annotation.tag("split"),
        "masklet": [
            [{"size": [height, width], "counts": rle.counts} for rle in row]
            for row in zip(*tracks, strict=True)
        ],
        "masklet_id": numbers,
        "masklet_size_rel": [f["rel"] for f in facts],
        "masklet_size_abs": [f["abs"] for f in facts],
        "masklet_size_bucket": [f["bucket"] for f in facts],
        "masklet_visibility_changes": [f["changes"] for f in facts],
        "masklet_first_appeared_frame": [f["first"] for f in facts],
        "masklet_frame_count": [len(track) for track in tracks],
        "masklet_edited_frame_count": [0 if is_auto else m.n_edited for m in chosen],
        "masklet_type": [kind] * len(chosen),
        "masklet_stability_score": (
            [list(row) for row in zip(*scores, strict=True)] if is_auto else [None] * len(chosen)
        ),
        "masklet_num": len(chosen),
    }
    if annotation.frame_idxs != annotation_frames(media, RATE_FPS)[: len(annotation.frame_idxs)]:
        data[_EXTRA] = list(annotation.frame_idxs)
    return data, _notes(annotation, chosen, facts, scores)


def _facts(track: Sequence[Rle], n_pixels: int, is_auto: bool) -> dict[str, Any]:
    areas = [rle_ops.area(rle) for rle in track]
    seen = [a > 0 for a in areas]
    n_seen = sum(seen)
    first = seen.index(True) if n_seen else 0
    size = sum(areas) / n_seen if n_seen else 0.0
    after = seen[first:]
    share = size / n_pixels
    return {
        "abs": size if is_auto else round(size, 10),
        "rel": share if is_auto else round(share, 10),
        "bucket": "small" if size < _SMALL else "medium" if size < _LARGE else "large",
        "changes": sum(a != b for a, b in pairwise(after)),
        "first": 0 if is_auto else float(first),
        "n_seen": n_seen,
    }


def _scores(annotation: VideoAnnotation, masklet: Masklet) -> list[float | None]:
    """Stability per annotated frame; an absent object is absent at either threshold."""
    have = {f.frame_idx: f for f in masklet.frames}
    scores: list[float | None] = []
    for idx in annotation.frame_idxs:
        frame = have.get(idx)
        if frame is not None and frame.stability is not None:
            scores.append(frame.stability)
        else:
            scores.append(1.0 if frame is None or rle_ops.area(frame.rle) == 0 else None)
    return scores


def _notes(
    annotation: VideoAnnotation,
    chosen: Sequence[Masklet],
    facts: Sequence[Mapping[str, Any]],
    scores: Sequence[Sequence[float | None]],
) -> list[str]:
    name = annotation.video_id
    notes = []
    for masklet, fact in zip(chosen, facts, strict=True):
        label = f"{name}, masklet {masklet.number}"
        missing = annotation.missing_of(masklet)
        if missing:
            notes.append(
                f"{label}: no answer on {len(missing)} frames (first {missing[0]}), "
                "written as absent"
            )
        if not fact["n_seen"]:
            notes.append(f"{label}: never visible, sizes are written as 0")
    if any(None in row for row in scores):
        notes.append(f"{name}: stability is not known for every mask, written as null there")
    for key in ("environment", "split"):
        if annotation.tag(key) is None:
            notes.append(f"{name}: video_{key} is not known, written as null")
    return notes


def write_train(
    annotation: VideoAnnotation, folder: str | os.PathLike[str], *, overwrite: bool = False
) -> Written:
    """Write ``{video}_manual.json`` and ``{video}_auto.json``, whichever has masklets.

    Raises:
        InputError: a file exists and ``overwrite`` is False.
    """
    paths = train_paths(annotation, folder)
    for path in paths.values():
        refuse_existing(path, overwrite)
    notes: list[str] = []
    for kind, path in paths.items():
        data, found = build_train(annotation, kind)
        write_file(path, json.dumps(data).encode("ascii"), overwrite=overwrite)
        notes += [note for note in found if note not in notes]
    files = tuple(str(path) for path in paths.values())
    return Written(files, len(annotation.masklets), tuple(notes))


def train_paths(annotation: VideoAnnotation, folder: str | os.PathLike[str]) -> dict[str, Path]:
    """Files that :func:`write_train` would write, by kind."""
    return {
        kind: Path(folder) / f"{annotation.video_id}_{kind}.json"
        for kind in ("manual", "auto")
        if any(m.is_auto == (kind == "auto") for m in annotation.masklets)
    }
