"""Ground truth for simulated workers: from arrays, synthetic clips or data set folders.

Layouts read: DAVIS (``JPEGImages/480p/VIDEO``, ``Annotations/480p/VIDEO/00000.png`` with
palette indices), SA-V validation (``JPEGImages_24fps/VIDEO``,
``Annotations_6fps/VIDEO/OBJECT/00000.png``, binary) and SA-V training (``VIDEO.mp4`` next
to ``VIDEO_manual.json``). Masks are read when a video is first asked for its objects.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from samnb.engine.core import Core
from samnb.engine.state import ItemState
from samnb.masks import rle as rle_ops
from samnb.masks.rle import BoolMask
from samnb.metrics.vos import read_indices
from samnb.types import FormatError, InputError, Rle

if TYPE_CHECKING:
    from samnb.synthetic import Clip

SAV_STEP: Final = 4
"""SA-V annotates every fourth frame: 6 of 24 per second."""
MATCH_IOU: Final = 0.5
"""An item without a target id is taken for the true object that it overlaps most, if by
at least this mean IoU over its frames."""
SPECK_PX: Final = 16
"""Of a made-up object that shows fewer pixels on a frame nobody can tell what it is: there
it counts as absent."""
_IMAGES: Final = (("JPEGImages_24fps", "Annotations_6fps"), ("JPEGImages", "Annotations"))
_RESOLUTIONS: Final = ("480p", "Full-Resolution", "1080p")


@dataclass(frozen=True, slots=True)
class TrueObject:
    """One object as it really is.

    Attributes:
        target_id: what items that annotate it carry as ``Item.target_id``.
        name: for people.
        masks: by the medium's frame number; an empty mask says absent, a frame that is
            not named is not known.
    """

    target_id: str
    name: str
    masks: Mapping[int, Rle]

    def mask(self, frame_idx: int) -> BoolMask:
        """Return the true mask of a known frame, (H, W) bool."""
        return rle_ops.decode(self.masks[frame_idx])

    def first_frame(self, grid: Sequence[int]) -> int | None:
        """The first of these frames that shows the object."""
        known = (i for i in grid if i in self.masks)
        return next((i for i in known if rle_ops.area(self.masks[i]) > 0), None)


class TrueVideo:
    """A video or folder of frames with its true objects.

    Args:
        name: unique among the videos used together.
        path: the file or folder that a project opens.
        load: returns the objects; called once, when they are first needed.
    """

    def __init__(
        self, name: str, path: str | Path, load: Callable[[], Sequence[TrueObject]]
    ) -> None:
        self.name, self.path, self._load = name, Path(path), load

    @cached_property
    def objects(self) -> tuple[TrueObject, ...]:
        """The objects, in the order of the source."""
        return tuple(self._load())

    def __repr__(self) -> str:
        return f"TrueVideo({self.name!r}, {str(self.path)!r})"


class GroundTruth:
    """Videos with true masks; finds the object that an item means."""

    def __init__(self, videos: Sequence[TrueVideo]) -> None:
        names = [v.name for v in videos]
        if len(set(names)) != len(names):
            raise InputError("videos: expected different names")
        self.videos = tuple(videos)
        self._by_name = {v.name: v for v in videos}

    def __len__(self) -> int:
        return len(self.videos)

    def __iter__(self) -> Iterator[TrueVideo]:
        return iter(self.videos)

    def find(self, session: Core, state: ItemState) -> TrueObject | None:
        """Return the object that an item annotates, or None when there is none.

        The item's target id decides; an item without one (an auto masklet, or something
        that a person clicked) is matched by overlap.
        """
        if state.item.target_id:
            video = self._by_name.get(state.item.target_id.rpartition("/")[0])
            objects = video.objects if video else ()
            return next((o for o in objects if o.target_id == state.item.target_id), None)
        where = Path(session.media(state.item.media_id).path)
        videos = [v for v in self.videos if v.path.resolve() == where.resolve()]
        scored = [
            (_overlap(session, state, o), o) for v in videos for o in v.objects
        ]  # fmt: skip
        best = max(scored, key=lambda pair: pair[0], default=None)
        return best[1] if best and best[0] >= MATCH_IOU else None


def _overlap(session: Core, state: ItemState, truth: TrueObject) -> float:
    frames = {i: f.mask_id for i, f in state.frames.items() if f.mask_id and i in truth.masks}
    masks = session.masks(m for m in frames.values() if m)
    found = [rle_ops.iou(masks[str(m)], truth.masks[i]) for i, m in frames.items()]
    return sum(found) / len(found) if found else 0.0


def target_id_of(video: str, obj: str | int) -> str:
    """Return the target id of an object of a video."""
    return f"{video}/{obj}"


def from_masks(
    name: str,
    path: str | Path,
    masks: Mapping[str, Mapping[int, BoolMask] | Sequence[BoolMask]],
) -> TrueVideo:
    """Make ground truth from arrays.

    Args:
        name: of the video.
        path: the file or folder that a project opens.
        masks: by object name, (H, W) bool masks by frame number or one per frame.
    """

    def load() -> list[TrueObject]:
        return [
            TrueObject(
                target_id_of(name, at),
                label,
                {
                    int(i): rle_ops.encode(m)
                    for i, m in (per.items() if isinstance(per, Mapping) else enumerate(per))
                },
            )
            for at, (label, per) in enumerate(masks.items(), 1)
        ]

    return TrueVideo(name, path, load)


def make_truth(
    folder: str | Path,
    n_clips: int,
    *,
    seed: int = 0,
    n_objects: int = 2,
    n_frames: int = 24,
    size_hw: tuple[int, int] = (240, 320),
    difficulty: float = 0.5,
    theme: str | None = None,
    speck_px: int = SPECK_PX,
) -> GroundTruth:
    """Make synthetic clips as video files, with their exact masks.

    A file that is there already is taken as it is; its name says how it was made.

    Args:
        folder: where the videos go, made when missing.
        n_clips: how many.
        seed: of the first clip; the others follow on.
        n_objects: objects per clip.
        n_frames: frames per clip, at the annotation rate of 6 per second.
        size_hw: height and width in pixels.
        difficulty: 0 to 1, see :func:`samnb.synthetic.make_clip`.
        theme: the one place they are set in; None draws one for each.
        speck_px: an object of fewer pixels on a frame counts as absent there.
    """
    from samnb.synthetic import make_clip, write_video

    root = Path(folder).expanduser()
    root.mkdir(parents=True, exist_ok=True)
    how = f"{n_frames}f-{size_hw[0]}x{size_hw[1]}-{n_objects}o-d{difficulty:g}"
    if theme is not None:
        how += f"-{theme.replace(' ', '_')}"
    videos = []
    for number in range(seed, seed + n_clips):
        clip = make_clip(
            number,
            size_hw=size_hw,
            n_frames=n_frames,
            n_objects=n_objects,
            difficulty=difficulty,
            theme=theme,
        )
        name = f"clip{number:04d}-{how}"
        path = root / f"{name}.mp4"
        if not path.exists():
            # Written beside and moved, so that an interrupted run leaves no half a video.
            write_video(clip, path.with_suffix(".part")).replace(path)
        videos.append(TrueVideo(name, path, _clip_loader(name, clip, speck_px)))
    return GroundTruth(videos)


def _clip_loader(name: str, clip: Clip, speck_px: int) -> Callable[[], list[TrueObject]]:
    def mask(obj_id: int, frame_idx: int) -> Rle:
        rle = rle_ops.encode(clip.mask(obj_id, frame_idx))
        return rle if rle_ops.area(rle) >= speck_px else rle_ops.empty(rle.size_hw)

    def load() -> list[TrueObject]:
        return [
            TrueObject(
                target_id_of(name, thing.obj_id),
                thing.phrase,
                {i: mask(thing.obj_id, i) for i in range(len(clip))},
            )
            for thing in clip.objects
        ]

    return load


def read_truth(folder: str | Path, videos: Sequence[str] | None = None) -> GroundTruth:
    """Read a DAVIS- or SA-V-layout folder.

    Args:
        folder: the data set's root.
        videos: names to take; None for all.

    Raises:
        FormatError: neither layout, or a named video is not there.
    """
    root = Path(folder).expanduser()
    found = _frame_folders(root) or _json_videos(root)
    if not found:
        raise FormatError(
            f"{root}: expected JPEGImages and Annotations (DAVIS), JPEGImages_24fps and "
            "Annotations_6fps (SA-V), or .mp4 files with _manual.json beside them; found none"
        )
    if videos is not None:
        names = {v.name for v in found}
        lost = [name for name in videos if name not in names]
        if lost:
            raise FormatError(f"{root}: expected videos {lost}, found {sorted(names)[:10]}")
        found = [v for v in found if v.name in set(videos)]
    return GroundTruth(found)


def _frame_folders(root: Path) -> list[TrueVideo]:
    for image_folder, label_folder in _IMAGES:
        pictures, labels = _inner(root / image_folder), _inner(root / label_folder)
        if pictures and labels:
            return [
                TrueVideo(d.name, pictures / d.name, _png_loader(d))
                for d in sorted(p for p in labels.iterdir() if p.is_dir())
                if (pictures / d.name).is_dir()
            ]
    return []


def _inner(folder: Path) -> Path | None:
    """Step over DAVIS's folder of one resolution."""
    if not folder.is_dir():
        return None
    return next((folder / r for r in _RESOLUTIONS if (folder / r).is_dir()), folder)


def _png_loader(folder: Path) -> Callable[[], list[TrueObject]]:
    def load() -> list[TrueObject]:
        objects = sorted(p for p in folder.iterdir() if p.is_dir())
        if objects:
            return [
                TrueObject(
                    target_id_of(folder.name, d.name),
                    f"object {d.name}",
                    {_number(p): rle_ops.encode(read_indices(p) > 0) for p in _pngs(d)},
                )
                for d in objects
            ]
        return _indexed(folder)

    return load


def _indexed(folder: Path) -> list[TrueObject]:
    pictures = {_number(p): read_indices(p) for p in _pngs(folder)}
    indices = sorted({int(i) for a in pictures.values() for i in np.unique(a)} - {0, 255})
    return [
        TrueObject(
            target_id_of(folder.name, index),
            f"object {index}",
            {i: rle_ops.encode(a == index) for i, a in pictures.items()},
        )
        for index in indices
    ]


def _pngs(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.png"))


def _number(path: Path) -> int:
    if not path.stem.isdecimal():
        raise FormatError(f"{path}: expected a frame number as the file's name")
    return int(path.stem)


def _json_videos(root: Path) -> list[TrueVideo]:
    if not root.is_dir():
        return []
    pairs = [(p, root / f"{p.stem}_manual.json") for p in sorted(root.glob("*.mp4"))]
    return [TrueVideo(p.stem, p, _json_loader(p.stem, j)) for p, j in pairs if j.exists()]


def _json_loader(video: str, path: Path) -> Callable[[], list[TrueObject]]:
    def load() -> list[TrueObject]:
        try:
            data: dict[str, Any] = json.loads(path.read_text())
            ids, frames = data["masklet_id"], data["masklet"]
            return [
                TrueObject(
                    target_id_of(video, number),
                    f"object {number}",
                    {SAV_STEP * i: rle_ops.from_coco(row[at]) for i, row in enumerate(frames)},
                )
                for at, number in enumerate(ids)
            ]
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise FormatError(f"{path}: expected an SA-V annotation file: {error}") from error

    return load
