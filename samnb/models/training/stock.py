"""What clips are composed of: pictures, things cut out of them, and footage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samnb.models.training.cutouts import Picture, TaughtPicture, count_borders, shrink

_CUTOUT_SIDE = 224


@dataclass(frozen=True, eq=False)
class Stock:
    """What clips are made of.

    Attributes:
        pictures: taught pictures, backgrounds and the objects in them.
        cutouts: RGBA images (h, w, 4) uint8, alpha is the mask.
        footage: real clips as (T, h, w, 3) uint8, used as moving backgrounds.
    """

    pictures: Sequence[TaughtPicture]
    cutouts: Sequence[NDArray[np.uint8]]
    footage: Sequence[NDArray[np.uint8]] = field(default_factory=tuple)


def make_stock(
    pictures: Sequence[TaughtPicture],
    footage: Iterable[Picture] = (),
    stamps: Iterable[NDArray[np.uint8]] = (),
) -> Stock:
    """Cut every compact object out of taught pictures, and add `stamps`, cut out already.

    Objects that touch two or more borders are left out: they are mostly walls and floors.
    """
    cutouts = [np.array(shrink(stamp, _CUTOUT_SIDE)) for stamp in stamps]
    for picture in pictures:
        for mask in picture.objects:
            ys, xs = np.nonzero(mask)
            if count_borders(mask) > 1 or len(ys) < 150 or mask.mean() > 0.35:
                continue
            margin = 3
            top, bottom = max(ys.min() - margin, 0), min(ys.max() + margin + 1, mask.shape[0])
            left, right = max(xs.min() - margin, 0), min(xs.max() + margin + 1, mask.shape[1])
            alpha = (mask[top:bottom, left:right, None] * 255).astype(np.uint8)
            patch = np.concatenate([picture.image[top:bottom, left:right], alpha], axis=-1)
            cutouts.append(np.array(shrink(patch, _CUTOUT_SIDE)))
    return Stock(pictures=pictures, cutouts=cutouts, footage=tuple(footage))


def read_stamps(folder: Path) -> list[NDArray[np.uint8]]:
    """Read all PNG pictures with transparent parts below a folder: (h, w, 4) uint8 each, without
    margins."""
    found = []
    for path in sorted(folder.rglob("*.png")):
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGBA"))
        solid = pixels[..., 3] > 127
        if solid.any() and not solid.all():
            rows, columns = (np.flatnonzero(solid.any(axis)) for axis in (1, 0))
            part = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            found.append(np.ascontiguousarray(part))
    return found


def read_footage(path: Path, fps: float, side: int = 448) -> NDArray[np.uint8]:
    """Decode a video at about `fps` frames a second to (T, h, w, 3) uint8, longer side `side`."""
    import av

    frames: list[Picture] = []
    with av.open(str(path)) as container:
        rate = float(container.streams.video[0].average_rate or fps)
        step = max(1, round(rate / fps))
        for index, frame in enumerate(container.decode(video=0)):
            if index % step == 0:
                frames.append(shrink(frame.to_ndarray(format="rgb24"), side))
    return np.stack(frames)
