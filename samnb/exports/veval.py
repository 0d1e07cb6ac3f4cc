"""SA-Co VEval: videos with noun phrases, in and out.

``videos`` lists the frames, ``annotations`` holds one masklet each, ``categories`` maps
every phrase to a number, and ``video_np_pairs`` says which phrases were asked of which
video; a pair without masklets is a negative. Boxes (x, y, width, height) and areas are in
pixels, follow from the masks and are computed when writing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from samnb.exports.entries import (
    Entry,
    MaskCheck,
    Numbers,
    entries_of,
    load_json,
    no_collection,
    save_json,
)
from samnb.exports.saco import read_categories, read_info
from samnb.masks.rle import area, bbox
from samnb.types import FormatError, InputError, Rle

PairKey: TypeAlias = tuple[int, int]
"""Video id and category id."""


@dataclass(frozen=True, slots=True)
class VevalVideo:
    """A video as a folder of frames; ``file_names`` has one name per frame."""

    id: int
    name: str
    file_names: tuple[str, ...]
    size_hw: tuple[int, int]


@dataclass(frozen=True, slots=True)
class VevalMasklet:
    """One true object.

    Attributes:
        rles: one mask per frame of the video; None where the object is absent.
        is_group: covers several objects (``iscrowd``).
        id: number in the file; None lets the writer choose one.
    """

    rles: tuple[Rle | None, ...]
    is_group: bool = False
    id: int | None = None


@dataclass(frozen=True, slots=True)
class VevalPair:
    """A video with a noun phrase; without masklets it is a negative.

    Attributes:
        video_id: the video.
        category_id: the phrase's number in ``categories``.
        phrase: the noun phrase.
        masklets: its objects.
        id: number in the file; None lets the writer choose one.
    """

    video_id: int
    category_id: int
    phrase: str
    masklets: tuple[VevalMasklet, ...] = ()
    id: int | None = None

    @property
    def key(self) -> PairKey:
        """Video id and category id, which name the pair."""
        return self.video_id, self.category_id

    @property
    def is_negative(self) -> bool:
        """Whether the phrase names nothing in the video."""
        return not self.masklets


@dataclass(frozen=True, slots=True)
class VevalSet:
    """One file.

    Attributes:
        videos: in the file's order.
        pairs: in the file's order; every masklet lies in its pair.
        categories: phrases as (id, phrase), also of other files.
        info: facts about the file, as (key, text).
    """

    videos: tuple[VevalVideo, ...]
    pairs: tuple[VevalPair, ...]
    categories: tuple[tuple[int, str], ...] = ()
    info: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class VevalPrediction:
    """One predicted masklet.

    Attributes:
        rles: one mask per frame; None where the object is absent.
        score: confidence in [0, 1].
        is_there: per frame, whether it is a detection: there is a mask and the file gives
            it neither area zero nor a box of zeros. Empty: wherever there is a mask.
    """

    video_id: int
    category_id: int
    rles: tuple[Rle | None, ...]
    score: float
    is_there: tuple[bool, ...] = ()

    @property
    def key(self) -> PairKey:
        """Video id and category id of the pair it answers."""
        return self.video_id, self.category_id


@no_collection()
def read_veval(path: Path) -> VevalSet:
    """Read an annotation file.

    A masklet of a pair that ``video_np_pairs`` does not list makes that pair known.

    Raises:
        FormatError: the file, a key or a mask is not what the format promises.
    """
    root = Entry(load_json(Path(path)), str(path))
    videos = _read_videos(root)
    categories = read_categories(root)
    names = dict(categories)
    masklets: dict[PairKey, list[VevalMasklet]] = {}
    phrases: dict[PairKey, str] = {}
    numbers, check = Numbers(), MaskCheck()
    for entry in root.entries("annotations"):
        key = _read_key(entry, videos)
        phrases.setdefault(key, entry.label("noun_phrase") or names.get(key[1], ""))
        masklets.setdefault(key, []).append(
            VevalMasklet(
                rles=_read_masks(entry, videos[key[0]], check),
                is_group=entry.flag("iscrowd", False),
                id=numbers.take(entry),
            )
        )
    check.run()
    pairs: dict[PairKey, VevalPair] = {}
    numbers = Numbers()
    for entry in root.entries("video_np_pairs"):
        key = _read_key(entry, videos)
        if key in pairs:
            raise entry.error("category_id", "a pair that is new in this list")
        phrase = entry.label("noun_phrase") or names.get(key[1], "")
        number = numbers.take(entry) if entry.has("id") else None
        pairs[key] = VevalPair(*key, phrase, tuple(masklets.get(key, ())), number)
    for key, found in masklets.items():
        if key not in pairs:
            pairs[key] = VevalPair(*key, phrases[key], tuple(found))
    return VevalSet(tuple(videos.values()), tuple(pairs.values()), categories, read_info(root))


def _read_videos(root: Entry) -> dict[int, VevalVideo]:
    numbers = Numbers()
    found: dict[int, VevalVideo] = {}
    for entry in root.entries("videos"):
        names = entry.sequence("file_names")
        if not names or not all(isinstance(name, str) for name in names):
            raise entry.error("file_names", "at least one name, all of them text")
        number = numbers.take(entry)
        found[number] = VevalVideo(
            id=number,
            name=entry.label("video_name") or names[0].rpartition("/")[0],
            file_names=tuple(names),
            size_hw=entry.size_hw(),
        )
    return found


def _read_key(entry: Entry, videos: dict[int, VevalVideo]) -> PairKey:
    video_id = entry.integer("video_id")
    if video_id not in videos:
        raise entry.error("video_id", "the id of an entry of videos")
    return video_id, entry.integer("category_id")


def _read_masks(entry: Entry, video: VevalVideo, check: MaskCheck) -> tuple[Rle | None, ...]:
    values = entry.sequence("segmentations", len(video.file_names))
    masks = [
        None if value is None else entry.as_rle("segmentations", value, video.size_hw)
        for value in values
    ]
    check.add((rle for rle in masks if rle is not None), entry, "segmentations")
    return tuple(masks)


def write_veval(pairs: VevalSet, path: Path, *, overwrite: bool = False) -> Path:
    """Write an annotation file and return its path.

    Raises:
        InputError: a masklet does not fit its video, a video is unknown, or the file is
            there and ``overwrite`` was not asked for.
    """
    videos = {video.id: video for video in pairs.videos}
    fresh_masklet = _fresh(m.id for p in pairs.pairs for m in p.masklets)
    fresh_pair = _fresh(p.id for p in pairs.pairs)
    annotations: list[dict[str, Any]] = []
    listed: list[dict[str, Any]] = []
    for pair in pairs.pairs:
        video = videos.get(pair.video_id)
        if video is None:
            raise InputError(f"pair {pair.key}: expected a video of the set, got {pair.video_id}")
        for masklet in pair.masklets:
            number, fresh_masklet = _number(masklet.id, fresh_masklet)
            annotations.append(_annotation(pair, masklet, video, number))
        number, fresh_pair = _number(pair.id, fresh_pair)
        listed.append(
            {
                "id": number,
                "video_id": pair.video_id,
                "category_id": pair.category_id,
                "noun_phrase": pair.phrase,
                "num_masklets": len(pair.masklets),
            }
        )
    names = dict(pairs.categories)
    for pair in pairs.pairs:
        names.setdefault(pair.category_id, pair.phrase)
    data = {
        "info": dict(pairs.info),
        "videos": [
            {
                "id": video.id,
                "video_name": video.name,
                "file_names": list(video.file_names),
                "height": video.size_hw[0],
                "width": video.size_hw[1],
                "length": len(video.file_names),
            }
            for video in pairs.videos
        ],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in names.items()],
        "video_np_pairs": listed,
    }
    return save_json(path, data, overwrite=overwrite)


def _fresh(numbers: Iterable[int | None]) -> int:
    return max((n for n in numbers if n is not None), default=0) + 1


def _number(given: int | None, fresh: int) -> tuple[int, int]:
    return (fresh, fresh + 1) if given is None else (given, fresh)


def _annotation(
    pair: VevalPair, masklet: VevalMasklet, video: VevalVideo, number: int
) -> dict[str, Any]:
    _check_fit(masklet.rles, video)
    return {
        "id": number,
        **_tracks(masklet.rles),
        "iscrowd": int(masklet.is_group),
        "video_id": pair.video_id,
        "height": video.size_hw[0],
        "width": video.size_hw[1],
        "category_id": pair.category_id,
        "noun_phrase": pair.phrase,
    }


def _check_fit(rles: Sequence[Rle | None], video: VevalVideo) -> None:
    sizes = {rle.size_hw for rle in rles if rle is not None} - {video.size_hw}
    if sizes or len(rles) != len(video.file_names):
        raise InputError(
            f"masklet of video {video.id}: expected {len(video.file_names)} masks of size "
            f"{video.size_hw}, got {len(rles)} masks" + (f" of {sorted(sizes)}" if sizes else "")
        )


def _tracks(rles: Sequence[Rle | None], is_there: Sequence[bool] = ()) -> dict[str, list[Any]]:
    tracks: dict[str, list[Any]] = {"segmentations": [], "bboxes": [], "areas": []}
    for t, rle in enumerate(rles):
        row: tuple[Any, Any, Any] = (None, None, None)
        if rle is not None:
            box, pixels = bbox(rle), area(rle)
            if box is None or (is_there and not is_there[t]):
                box, pixels = (0, 0, 0, 0), 0
            x0, y0, x1, y1 = map(float, box)
            mask = {"counts": rle.counts, "size": list(rle.size_hw)}
            row = mask, [x0, y0, x1 - x0, y1 - y0], float(pixels)
        for key, value in zip(tracks, row, strict=True):
            tracks[key].append(value)
    return tracks


@no_collection()
def read_veval_predictions(path: Path, truth: VevalSet) -> tuple[VevalPrediction, ...]:
    """Read predicted masklets: a list in the YouTube-VIS result format.

    Args:
        path: the file.
        truth: the set the predictions answer; it knows the videos' sizes and lengths.

    Raises:
        FormatError: the file, a key or a mask is not what the format promises.
    """
    data = load_json(Path(path))
    if not isinstance(data, list):
        raise FormatError(f"{path}: expected a list of predictions, found {type(data).__name__}")
    videos = {video.id: video for video in truth.videos}
    check = MaskCheck()
    found: list[VevalPrediction] = []
    for entry in entries_of(data, f"{path}: predictions"):
        key = _read_key(entry, videos)
        rles = _read_masks(entry, videos[key[0]], check)
        found.append(VevalPrediction(*key, rles, entry.number("score"), _read_there(entry, rles)))
    check.run()
    return tuple(
        one
        if one.is_there
        else replace(one, is_there=tuple(rle is not None and area(rle) > 0 for rle in one.rles))
        for one in found
    )


def _read_there(entry: Entry, rles: tuple[Rle | None, ...]) -> tuple[bool, ...]:
    """Which frames count as detections; empty when the file leaves it to the masks."""
    if not entry.has("bboxes") and not entry.has("areas"):
        return ()
    boxes, areas = entry.sequence("bboxes", len(rles)), entry.sequence("areas", len(rles))
    there: list[bool] = []
    for t, (box, pixels, rle) in enumerate(zip(boxes, areas, rles, strict=True)):
        if box is not None and not isinstance(box, list):
            raise entry.error("bboxes", f"a box or null, found {box!r:.40} on frame {t}")
        is_there = pixels != 0 and box is not None and any(side != 0 for side in box)
        if is_there and (pixels is None or rle is None):
            raise entry.error(
                "areas" if pixels is None else "segmentations",
                f"a value on frame {t}, where bboxes has one, found null",
                is_said=True,
            )
        there.append(is_there)
    return tuple(there)


def write_veval_predictions(
    predictions: Iterable[VevalPrediction], path: Path, *, overwrite: bool = False
) -> Path:
    """Write predicted masklets in the YouTube-VIS result format and return the path.

    A frame that is no detection gets a box of zeros and area zero.
    """
    data = [
        {
            "video_id": one.video_id,
            "category_id": one.category_id,
            "score": one.score,
            **_tracks(one.rles, one.is_there),
        }
        for one in predictions
    ]
    return save_json(path, data, overwrite=overwrite)
