"""DAVIS folders: one palette PNG per frame, the index says which object.

::

    root/ImageSets/2017/{split}.txt                       names of the videos
    root/JPEGImages/{resolution}/{video}/00000.jpg ...    every frame (optional)
    root/Annotations/{resolution}/{video}/00000.png ...   annotated frames

A pixel can hold one index only. Where objects overlap, the object with the smaller mean
visible area gets the pixel (a part stays whole on its whole, and the order is the same
on all frames); of equal ones the higher number. Every overlap is named in the notes.

``resolution`` is only the folder's name that loaders look for: nothing is resampled.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from samnb.exports.files import folders, frame_files, new_folder, refuse_existing, save_indices
from samnb.exports.layouts import FramesOf, add_to_list, find_media, write_pictures
from samnb.exports.records import Masklet, MaskletFrame, VideoAnnotation, Written
from samnb.masks import rle as rle_ops
from samnb.metrics.vos import read_indices
from samnb.types import FormatError, InputError, Item, Rle

MASKS: Final = "Annotations"
PICTURES: Final = "JPEGImages"
RESOLUTIONS: Final = ("480p", "Full-Resolution")


def palette() -> bytes:
    """The palette of DAVIS masks, which is that of PASCAL VOC: 256 RGB triples.

    Three bits of the index at a time become the highest bits left of red, green, blue.
    """
    entries = bytearray()
    for index in range(256):
        red = green = blue = 0
        for step in range(3):
            bits = index >> (3 * step)
            red |= (bits & 1) << (7 - step)
            green |= (bits >> 1 & 1) << (7 - step)
            blue |= (bits >> 2 & 1) << (7 - step)
        entries += bytes((red, green, blue))
    return bytes(entries)


# -- writing -------------------------------------------------------------------


def write_davis(
    annotations: Sequence[VideoAnnotation],
    root: str | os.PathLike[str],
    *,
    split: str = "train",
    resolution: str = "480p",
    frames_of: FramesOf | None = None,
    overwrite: bool = False,
) -> Written:
    """Write videos in the DAVIS layout; each video appears as a whole or not.

    The palette index is the object number when all of them fit (1 to 255), otherwise
    objects are numbered anew and the notes say how.

    Args:
        annotations: the videos.
        root: folder to write to, made when missing.
        split: names the list, ``ImageSets/2017/{split}.txt``.
        resolution: name of the folder inside ``Annotations`` and ``JPEGImages``.
        frames_of: gives the frames to write as JPEG; None writes masks only.
        overwrite: replace videos that are there.

    Raises:
        InputError: a video is there already and ``overwrite`` is False, or it has more
            than 255 objects.
    """
    base = Path(root)
    for annotation in annotations:
        refuse_existing(base / MASKS / resolution / annotation.video_id, overwrite)
    files: list[str] = []
    notes: list[str] = []
    for annotation in annotations:
        video = annotation.video_id
        place = base / MASKS / resolution / video
        with new_folder(place, overwrite=overwrite) as draft:
            notes += _write_video(annotation, draft)
        files.append(str(place))
        frames = frames_of(annotation) if frames_of else None
        if frames is not None:
            place = base / PICTURES / resolution / video
            write_pictures(place, frames, overwrite=overwrite)
            files.append(str(place))
    add_to_list(base / "ImageSets" / "2017" / f"{split}.txt", [a.video_id for a in annotations])
    return Written(tuple(files), sum(len(a.masklets) for a in annotations), tuple(notes))


def _write_video(annotation: VideoAnnotation, folder: Path) -> list[str]:
    video = annotation.video_id
    masklets = annotation.masklets
    index_of, notes = _indices(annotation)
    tracks = {index_of[m.item.id]: annotation.masks_of(m) for m in masklets}
    sizes = {index: _mean_area(track) for index, track in tracks.items()}
    order = sorted(tracks, key=lambda index: (-sizes[index], index))
    colours = palette()
    lost: Counter[tuple[int, int]] = Counter()
    frames: Counter[tuple[int, int]] = Counter()
    for at, idx in enumerate(annotation.frame_idxs):
        picture = np.zeros(annotation.media.size_hw, np.uint8)
        for index in order:
            mask = rle_ops.decode(tracks[index][at])
            under = np.bincount(picture[mask], minlength=256)
            for loser in np.flatnonzero(under[1:]) + 1:
                lost[int(loser), index] += int(under[loser])
                frames[int(loser), index] += 1
            picture[mask] = index
        save_indices(folder / f"{idx:05d}.png", picture, colours)
    notes += [
        f"{video}: objects {loser} and {winner} overlap on {frames[loser, winner]} frames "
        f"({count} px), which went to the smaller one, {winner}"
        for (loser, winner), count in sorted(lost.items())
    ]
    for masklet in masklets:
        missing = annotation.missing_of(masklet)
        if missing:
            notes.append(
                f"{video}, object {index_of[masklet.item.id]}: no answer on {len(missing)} "
                f"frames (first {missing[0]}), written as absent"
            )
    return notes


def _indices(annotation: VideoAnnotation) -> tuple[dict[str, int], list[str]]:
    items = [m.item for m in annotation.masklets]
    if len(items) > 255:
        raise InputError(
            f"{annotation.video_id}: expected at most 255 objects, the most a palette has room "
            f"for, got {len(items)}"
        )
    numbers = [item.obj_id for item in items]
    if len(set(numbers)) == len(numbers) and all(1 <= n <= 255 for n in numbers):
        return {item.id: item.obj_id for item in items}, []
    index_of = {item.id: at for at, item in enumerate(items, 1)}
    pairs = ", ".join(f"{item.obj_id} as {index_of[item.id]}" for item in items)
    return index_of, [f"{annotation.video_id}: objects are numbered anew: {pairs}"]


def _mean_area(track: Sequence[Rle]) -> float:
    areas = [area for area in map(rle_ops.area, track) if area]
    return sum(areas) / len(areas) if areas else 0.0


# -- reading -------------------------------------------------------------------


def read_davis(root: str | os.PathLike[str]) -> Iterator[VideoAnnotation]:
    """Read videos from the DAVIS layout, one at a time.

    A video whose only index is 255 is a binary mask of object 1, as in DAVIS 2016.

    Args:
        root: the folder that holds ``Annotations``; or ``Annotations``, with or without
            a folder ``480p`` or ``Full-Resolution`` in it; or one of these.

    Raises:
        FormatError: which file, and what was expected.
    """
    masks = Path(root)
    if (masks / MASKS).is_dir():
        masks = masks / MASKS
    masks = next((masks / name for name in RESOLUTIONS if (masks / name).is_dir()), masks)
    videos = folders(masks) if masks.is_dir() else []
    if not videos:
        raise FormatError(f"{masks}: expected one folder of PNG files per video, found none")
    # .../Annotations/480p has its pictures in .../JPEGImages/480p.
    if masks.name in RESOLUTIONS:
        pictures = masks.parent.parent / PICTURES / masks.name
    else:
        pictures = masks.parent / PICTURES
    for video in videos:
        yield _read_video(video, pictures / video.name)


def _read_video(folder: Path, pictures: Path) -> VideoAnnotation:
    files = frame_files(folder, (".png",))
    if not files:
        raise FormatError(f"{folder}: expected PNG files named by frame number, found none")
    found: dict[int, dict[int, Rle]] = {}
    size_hw: tuple[int, int] | None = None
    for number, path in files:
        indices = read_indices(path)
        shape = (indices.shape[0], indices.shape[1])
        size_hw = size_hw or shape
        if shape != size_hw:
            raise FormatError(f"{path}: expected size {size_hw} as before, got {shape}")
        for index in _present(indices):
            found.setdefault(index, {})[number] = rle_ops.encode(indices == index)
    if size_hw is None or not found:
        raise FormatError(f"{folder}: expected at least one object, found only index 0")
    if set(found) == {255}:
        found = {1: found[255]}
    numbers = [number for number, _ in files]
    media, frame_of = find_media(folder.name, pictures, size_hw, numbers)
    nothing = rle_ops.empty(size_hw)
    masklets = tuple(
        Masklet(
            Item(f"{media.id}:manual:{index}", media.id, index),
            index,
            tuple(MaskletFrame(frame_of[n], masks.get(n, nothing)) for n in numbers),
        )
        for index, masks in sorted(found.items())
    )
    return VideoAnnotation(media, tuple(frame_of[n] for n in numbers), masklets)


def _present(indices: npt.NDArray[np.integer]) -> list[int]:
    return [int(v) for v in np.unique(indices) if v != 0]
