"""Filmed clips that people outlined, in the layout of DAVIS: what tracking is measured on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from samnb.metrics.vos import read_indices
from samnb.models.training.clips import Clip

_PICTURES, _TRUTH = "JPEGImages", "Annotations"
_RESOLUTION: Final = "480p"


def filmed_clips(
    folder: Path, *, length: int | None = None, every: int = 1, names: tuple[str, ...] = ()
) -> Iterator[Clip]:
    """Read clips and their masks as they are, at their own size.

    Args:
        folder: with ``JPEGImages/480p/CLIP/00000.jpg`` and ``Annotations/480p/CLIP/00000.png``,
            object numbers as pixels; ``480p`` may be missing.
        length: frames a clip at most; None for all.
        every: takes every so manieth frame.
        names: of the clips; empty for all.

    Yields:
        Clips, by name. Only objects that the first frame shows are in them.

    Raises:
        FileNotFoundError: no such folder, clip or frame.
        ValueError: nothing to measure in it.
    """
    pictures, truth = (_inside(folder / part) for part in (_PICTURES, _TRUTH))
    found = sorted(p.name for p in truth.iterdir() if p.is_dir())
    missing = sorted(set(names) - set(found))
    if missing or not found:
        raise FileNotFoundError(f"{truth}: expected clips {missing or 'in it'}, found {found}")
    for name in names or found:
        masks = sorted((truth / name).glob("*.png"))[::every][:length]
        labels = np.stack([read_indices(path) for path in masks])
        numbers = [n for n in np.unique(labels[0]) if n]
        if not numbers:
            raise ValueError(f"{truth / name}: expected an object on the first frame, found none")
        frames = np.stack([_read(pictures / name / f"{path.stem}.jpg") for path in masks])
        yield Clip(frames, np.stack([labels == n for n in numbers], axis=1))


def _inside(folder: Path) -> Path:
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} does not exist")
    return folder / _RESOLUTION if (folder / _RESOLUTION).is_dir() else folder


def _read(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))
