"""SA-V's validation and test folders: one binary PNG per object and frame.

::

    root/sav_val.txt                                  names of the videos
    root/JPEGImages_24fps/{video}/00000.jpg ...       every frame (optional)
    root/Annotations_6fps/{video}/000/00000.png ...   object 000, annotated frames

An object's folder is its number less one, as numbers start at 1 and folders at 000.
Objects have folders of their own because they may overlap (a whole and its part). A
picture's number is the frame number of the medium.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from samnb.exports.files import folders, frame_files, new_folder, refuse_existing, save_binary
from samnb.exports.layouts import FramesOf, add_to_list, find_media, write_pictures
from samnb.exports.records import Masklet, MaskletFrame, VideoAnnotation, Written
from samnb.masks import rle as rle_ops
from samnb.metrics.vos import read_indices
from samnb.types import FormatError, InputError, Item, Rle

MASKS: Final = "Annotations_6fps"
PICTURES: Final = "JPEGImages_24fps"


def write_val(
    annotations: Sequence[VideoAnnotation],
    root: str | os.PathLike[str],
    *,
    split: str = "val",
    frames_of: FramesOf | None = None,
    overwrite: bool = False,
) -> Written:
    """Write videos in SA-V's validation layout; each video appears as a whole or not.

    Args:
        annotations: the videos.
        root: folder to write to, made when missing.
        split: names the list, ``sav_{split}.txt``.
        frames_of: gives the frames to write as JPEG; None writes masks only.
        overwrite: replace videos that are there.

    Raises:
        InputError: a video is there already and ``overwrite`` is False.
    """
    base = Path(root)
    for annotation in annotations:
        refuse_existing(base / MASKS / annotation.video_id, overwrite)
        numbers = [m.item.obj_id for m in annotation.masklets]
        if len(set(numbers)) != len(numbers):
            raise InputError(
                f"{annotation.video_id}: expected different object numbers, got {numbers}"
            )
    files: list[str] = []
    notes: list[str] = []
    for annotation in annotations:
        video = annotation.video_id
        with new_folder(base / MASKS / video, overwrite=overwrite) as draft:
            for masklet in annotation.masklets:
                name = f"{masklet.item.obj_id - 1:03d}"  # folders count from 0
                place = draft / name
                place.mkdir()
                masks = annotation.masks_of(masklet)
                for idx, rle in zip(annotation.frame_idxs, masks, strict=True):
                    save_binary(place / f"{idx:05d}.png", rle_ops.decode(rle))
                missing = annotation.missing_of(masklet)
                if missing:
                    notes.append(
                        f"{video}, object {name}: no answer on {len(missing)} "
                        f"frames (first {missing[0]}), written as absent"
                    )
        files.append(str(base / MASKS / video))
        frames = frames_of(annotation) if frames_of else None
        if frames is not None:
            write_pictures(base / PICTURES / video, frames, overwrite=overwrite)
            files.append(str(base / PICTURES / video))
    add_to_list(base / f"sav_{split}.txt", [a.video_id for a in annotations])
    return Written(tuple(files), sum(len(a.masklets) for a in annotations), tuple(notes))


def read_val(root: str | os.PathLike[str]) -> Iterator[VideoAnnotation]:
    """Read videos from SA-V's validation layout, one at a time.

    Args:
        root: the folder that holds ``Annotations_6fps``, or that folder itself.

    Raises:
        FormatError: which file, and what was expected.
    """
    base = Path(root)
    masks = base / MASKS if (base / MASKS).is_dir() else base
    if not masks.is_dir():
        raise FormatError(f"{base}: expected a folder with {MASKS}, found none")
    home = masks.parent
    split_of = {
        name: split
        for split in ("val", "test")
        if (home / f"sav_{split}.txt").is_file()
        for name in (home / f"sav_{split}.txt").read_text(encoding="utf-8").split()
    }
    videos = folders(masks)
    if not videos:
        raise FormatError(f"{masks}: expected one folder per video, found none")
    for video in videos:
        split = split_of.get(video.name)
        yield _read_video(video, home / PICTURES / video.name, split)


def _read_video(folder: Path, pictures: Path, split: str | None) -> VideoAnnotation:
    tracks: dict[int, list[tuple[int, Rle]]] = {}
    for place in folders(folder):
        if not (place.name.isascii() and place.name.isdigit()):
            raise FormatError(f"{place}: expected an object number as name, such as 000")
        masks = [(number, _read_mask(path)) for number, path in frame_files(place, (".png",))]
        if not masks:
            raise FormatError(f"{place}: expected PNG files, found none")
        tracks[int(place.name)] = masks
    sizes = {rle.size_hw for masks in tracks.values() for _, rle in masks}
    if len(sizes) != 1:
        raise FormatError(
            f"{folder}: expected object folders with masks of one size, found sizes {sorted(sizes)}"
        )
    numbers = sorted({number for masks in tracks.values() for number, _ in masks})
    media, frame_of = find_media(folder.name, pictures, sizes.pop(), numbers)
    masklets = tuple(
        Masklet(
            Item(f"{media.id}:manual:{obj}", media.id, obj + 1),
            obj,
            tuple(MaskletFrame(frame_of[n], rle) for n, rle in masks),
        )
        for obj, masks in sorted(tracks.items())
    )
    tags = (("split", split),) if split else ()
    return VideoAnnotation(media, tuple(frame_of[n] for n in numbers), masklets, tags)


def _read_mask(path: Path) -> Rle:
    indices = read_indices(path)
    if np.any((indices != 0) & (indices != indices.max())):
        raise FormatError(f"{path}: expected one object per picture, found several values")
    return rle_ops.encode(indices > 0)
