"""What SA-V's and DAVIS's folders have in common: numbered pictures, lists, media."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

from samnb.exports.files import frame_files, new_folder, write_file
from samnb.exports.records import VideoAnnotation
from samnb.exports.sav import unseen_media
from samnb.models.base import FrameSource
from samnb.store.media import encode_jpeg, open_media
from samnb.types import FormatError, Media

FramesOf: TypeAlias = Callable[[VideoAnnotation], FrameSource | None]
"""Gives the frames of an annotated video, or None when they are not to be written."""

FPS = 24.0
"""Frame rate of DAVIS and of the SA-V release, for folders that do not say theirs."""
_JPEG = (".jpg", ".jpeg")
_QUALITY = 95


def find_media(
    video: str, pictures: Path, size_hw: tuple[int, int], numbers: Sequence[int]
) -> tuple[Media, dict[int, int]]:
    """Find the medium of a video and the position of every annotated number in it.

    With a folder of pictures the frame number of the medium is the picture's position
    among them; without one it is the number itself.

    Args:
        video: name of the video.
        pictures: where its frames would be.
        size_hw: size of its masks.
        numbers: annotated frame numbers as the mask files name them, rising.

    Returns:
        the medium, and ``{number: frame_idx}``.

    Raises:
        FormatError: a mask has no picture, or picture and mask differ in size.
    """
    if not pictures.is_dir():
        n_frames = numbers[-1] + 1
        media = unseen_media(
            video, size_hw=size_hw, n_frames=n_frames, fps=FPS, duration_s=n_frames / FPS
        )
        return media, {n: n for n in numbers}
    position_of = {number: at for at, (number, _) in enumerate(frame_files(pictures, _JPEG))}
    lost = [n for n in numbers if n not in position_of]
    if lost:
        raise FormatError(f"{pictures}: expected a picture for frame {lost[0]}, found none")
    with open_media(pictures, folder_fps=FPS) as reader:
        media = reader.media
    if media.size_hw != size_hw:
        raise FormatError(f"{pictures}: expected size {size_hw} as the masks, got {media.size_hw}")
    return media, {n: position_of[n] for n in numbers}


def write_pictures(folder: Path, frames: FrameSource, *, overwrite: bool) -> None:
    """Write every frame as ``00000.jpg`` and so on, numbered as in the medium."""
    with new_folder(folder, overwrite=overwrite) as draft:
        for idx in range(len(frames)):
            (draft / f"{idx:05d}.jpg").write_bytes(encode_jpeg(frames.frame(idx), _QUALITY))


def add_to_list(path: Path, names: Iterable[str]) -> None:
    """Add video names to a list file, keeping what is there."""
    have = path.read_text(encoding="utf-8").split() if path.exists() else []
    fresh = [name for name in names if name not in have]
    if fresh or not have:
        write_file(path, "".join(f"{n}\n" for n in [*have, *fresh]).encode(), overwrite=True)
