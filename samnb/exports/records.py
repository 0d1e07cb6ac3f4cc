"""What an annotation file says about one video, whatever its format.

Readers return a :class:`VideoAnnotation`, writers take one; neither knows of projects.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from samnb.masks import rle as rle_ops
from samnb.types import InputError, Item, Media, Rle


@dataclass(frozen=True, slots=True)
class MaskletFrame:
    """One object's mask on one frame.

    Attributes:
        frame_idx: frame number of the medium.
        rle: the mask; area zero says that the object is absent.
        is_edited: made or corrected by hand.
        confidence: the model's predicted IoU in [0, 1], or None.
        presence: probability in [0, 1] that the object is in the picture, or None.
        stability: IoU of the masks at logit -1 and +1, in [0, 1], or None.
    """

    frame_idx: int
    rle: Rle
    is_edited: bool = False
    confidence: float | None = None
    presence: float | None = None
    stability: float | None = None


@dataclass(frozen=True, slots=True)
class Masklet:
    """One object's masks through a video.

    Attributes:
        item: the object; its ``source`` is "manual" or "auto".
        number: the object's number in its file: SA-V's masklet id, a palette index.
        frames: in time order; a frame left out has no answer.
        declared_edited: hand-edited frames as a file gives them, without saying which;
            None when ``is_edited`` of the frames says it all.
    """

    item: Item
    number: int
    frames: tuple[MaskletFrame, ...]
    declared_edited: int | None = None

    def __post_init__(self) -> None:
        numbers = [f.frame_idx for f in self.frames]
        if any(b <= a for a, b in pairwise(numbers)):
            raise InputError(f"masklet {self.number}: expected rising frame numbers, got {numbers}")

    @property
    def n_edited(self) -> int:
        """Frames edited by hand: those marked here, and those a file declared."""
        marked = sum(f.is_edited for f in self.frames)
        return min(len(self.frames), marked + (self.declared_edited or 0))

    @property
    def is_auto(self) -> bool:
        """Proposed automatically and never edited; a corrected proposal is manual work."""
        return self.item.source == "auto" and self.n_edited == 0


@dataclass(frozen=True, slots=True)
class VideoAnnotation:
    """All that a file holds about one video.

    Attributes:
        media: the video; ``path`` is empty when its file is not at hand.
        frame_idxs: the frames that were annotated, rising.
        masklets: the objects.
        tags: facts that pixels do not tell, such as ``("environment", "Indoor")`` and
            ``("split", "train")``.
    """

    media: Media
    frame_idxs: tuple[int, ...]
    masklets: tuple[Masklet, ...]
    tags: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if any(b <= a for a, b in pairwise(self.frame_idxs)):
            raise InputError(f"frame_idxs: expected rising numbers, got {self.frame_idxs}")
        known = set(self.frame_idxs)
        for masklet in self.masklets:
            for frame in masklet.frames:
                if frame.frame_idx not in known:
                    raise InputError(
                        f"masklet {masklet.number}: frame {frame.frame_idx} is not annotated"
                    )
                if frame.rle.size_hw != self.media.size_hw:
                    raise InputError(
                        f"masklet {masklet.number}, frame {frame.frame_idx}: expected size "
                        f"{self.media.size_hw}, got {frame.rle.size_hw}"
                    )

    @property
    def video_id(self) -> str:
        """The medium's name without a file extension."""
        return video_id_of(self.media)

    def tag(self, key: str) -> str | None:
        """Return a tag's value, or None."""
        return dict(self.tags).get(key)

    def masks_of(self, masklet: Masklet) -> tuple[Rle, ...]:
        """One mask per annotated frame; an empty one where there is no answer."""
        have = {f.frame_idx: f.rle for f in masklet.frames}
        nothing = rle_ops.empty(self.media.size_hw)
        return tuple(have.get(idx, nothing) for idx in self.frame_idxs)

    def missing_of(self, masklet: Masklet) -> tuple[int, ...]:
        """Annotated frames on which a masklet has no answer."""
        have = {f.frame_idx for f in masklet.frames}
        return tuple(idx for idx in self.frame_idxs if idx not in have)


_SUFFIXES = (
    ".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".wmv",
    ".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif",
)  # fmt: skip


def video_id_of(media: Media) -> str:
    """The medium's name without the extension of a video or picture file."""
    stem, dot, suffix = media.name.rpartition(".")
    return stem if stem and f"{dot}{suffix}".lower() in _SUFFIXES else media.name


@dataclass(frozen=True, slots=True)
class Written:
    """What an export wrote.

    Attributes:
        files: files and folders, as paths.
        n_masklets: masklets in them.
        notes: what the format could not hold and how it was solved.
    """

    files: tuple[str, ...] = ()
    n_masklets: int = 0
    notes: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "files": list(self.files),
            "n_masklets": self.n_masklets,
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [f"{self.n_masklets} masklets in {len(self.files)} files", *self.files]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def gather(parts: Iterable[Written]) -> Written:
    """Join several results into one."""
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    count = 0
    for part in parts:
        files += part.files
        notes += part.notes
        count += part.n_masklets
    return Written(files, count, notes)
