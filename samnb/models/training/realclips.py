"""Stretches of real video with labels that a model gave, as clips to train and measure on.

What is kept here was labelled by :mod:`samnb.models.training.pseudo`. A label counts only where
following the object forward and backward in time gave the same mask; clips are cut so that every
object in them has labels that count on all of its frames, so no loss needs to leave any out.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

from samnb.models.training.clips import MAX_TRACKED, MIN_VISIBLE, Clip
from samnb.models.training.synthetics import fit_square

MANIFEST = "manifest.json"
_QUALITY = 92  # of the stored JPEGs: a third of the bytes of lossless frames, no visible loss
_TRIES = 200


@dataclass(frozen=True, eq=False)
class RealWindow:
    """A stretch of a video, squeezed to squares, and the objects followed through it.

    Frames and masks stay packed until a clip is cut: a hundred windows fit into memory.

    Attributes:
        name: unique name; the part before the first ``@`` names the video it is from.
        pictures: T JPEG files, S x S pixels.
        bits: (T, N, S, ceil(S / 8)) uint8, the masks' rows packed to bits.
        agreed: (T, N) bool, the frames on which an object's label counts.
        share: (T, N) float32, share of the frame that each mask covers.
    """

    name: str
    pictures: tuple[bytes, ...]
    bits: NDArray[np.uint8]
    agreed: NDArray[np.bool_]
    share: NDArray[np.float32]

    @classmethod
    def pack(
        cls,
        name: str,
        frames: NDArray[np.uint8],
        masks: NDArray[np.bool_],
        agreed: NDArray[np.bool_],
    ) -> RealWindow:
        """Pack frames (T, S, S, 3) uint8 and masks (T, N, S, S) bool."""
        pictures = []
        for frame in frames:
            file = io.BytesIO()
            Image.fromarray(frame).save(file, "JPEG", quality=_QUALITY, subsampling=0)
            pictures.append(file.getvalue())
        share = masks.mean((2, 3), dtype=np.float64).astype(np.float32)
        return cls(name, tuple(pictures), np.packbits(masks, axis=-1), agreed, share)

    @property
    def source(self) -> str:
        """The video this was taken from."""
        return self.name.split("@", 1)[0]

    @property
    def size(self) -> int:
        """Side of the square frames in pixels."""
        return self.bits.shape[2]

    def __len__(self) -> int:
        return len(self.pictures)

    def save(self, path: Path) -> None:
        """Write a compressed `.npz`; an interrupted write leaves nothing of that name."""
        part = path.with_suffix(".part.npz")
        np.savez_compressed(
            part,
            pictures=np.frombuffer(b"".join(self.pictures), np.uint8),
            ends=np.cumsum([len(p) for p in self.pictures]),
            bits=self.bits,
            agreed=self.agreed,
            share=self.share,
        )
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> RealWindow:
        """Read what `save` wrote; the name is the file's stem."""
        with np.load(path) as data:
            stored, ends = data["pictures"].tobytes(), [0, *data["ends"].tolist()]
            pictures = tuple(stored[a:b] for a, b in pairwise(ends))
            return cls(path.stem, pictures, data["bits"], data["agreed"], data["share"])

    def clip(
        self, frames: Sequence[int], objects: Sequence[int], size: int, *, mirrored: bool = False
    ) -> Clip:
        """Unpack a clip.

        Args:
            frames: which, in playing order; T of them.
            objects: which; N of them.
            size: side of the clip's frames in pixels.
            mirrored: left and right change places.

        Returns:
            Frames (T, size, size, 3), masks (T, N, size, size).
        """
        opened = [Image.open(io.BytesIO(self.pictures[t])) for t in frames]
        images = np.stack([fit_square(np.asarray(image), size) for image in opened])
        packed = self.bits[np.asarray(frames)][:, np.asarray(objects)]
        masks = np.unpackbits(packed, axis=-1, count=self.size).astype(np.bool_)
        if size != self.size:
            soft = torch.from_numpy(masks).float()
            fine = F.interpolate(soft, (size, size), mode="bilinear", antialias=True)
            masks = (fine > 0.5).numpy()
        if mirrored:
            images, masks = images[:, :, ::-1], masks[..., ::-1]
        return Clip(np.ascontiguousarray(images), np.ascontiguousarray(masks))


def read_manifest(folder: Path) -> dict[str, Any]:
    """What is known of the windows in a folder.

    Raises:
        FileNotFoundError: there is no manifest.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no labelled videos; run the pseudo step first")
    manifest: dict[str, Any] = json.loads(path.read_text())
    return manifest


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest; an interrupted write leaves the previous one in place."""
    part = folder / f"{MANIFEST}.part"
    part.write_text(json.dumps(manifest, indent=1) + "\n")
    part.replace(folder / MANIFEST)


def load_windows(
    folder: Path, held_out: Sequence[str] = ()
) -> tuple[list[RealWindow], list[RealWindow]]:
    """Read a folder of labelled videos, split by the videos' names.

    Returns:
        Windows to train on, and those of the held-out videos. Only what the manifest names.

    Raises:
        FileNotFoundError: there is no manifest, or a window that it names is missing.
    """
    entries = read_manifest(folder)["windows"]
    kept = sorted(name for name, entry in entries.items() if entry["kept"])
    windows = [RealWindow.load(folder / f"{name}.npz") for name in kept]
    held = set(held_out)
    train = [w for w in windows if w.source not in held]
    return train, [w for w in windows if w.source in held]


def cut_clip(
    windows: Sequence[RealWindow], length: int, size: int, rng: np.random.Generator
) -> Clip:
    """Cut a clip out of one of the windows.

    Time runs in either direction and sometimes at double speed; half of the clips are mirrored.

    Args:
        windows: where to cut.
        length: frames, at least 2.
        size: side of the square frames in pixels.
        rng: the only source of chance.

    Returns:
        A clip with 1 to 3 objects, each visible in the first frame and with labels that count on
        all frames; a mask that is empty says that the object is away.

    Raises:
        ValueError: no window holds such a clip.
    """
    for _ in range(_TRIES if windows else 0):
        window = windows[int(rng.integers(len(windows)))]
        if len(window) < length:
            continue
        fastest = min(2, (len(window) - 1) // max(length - 1, 1))
        speed = int(rng.integers(1, fastest + 1))
        start = int(rng.integers(0, len(window) - speed * (length - 1)))
        frames = start + speed * np.arange(length)
        if rng.random() < 0.5:
            frames = frames[::-1]
        usable = _usable(window, frames)
        mirrored = bool(rng.random() < 0.5)
        if len(usable):
            chosen = rng.permutation(usable)[:MAX_TRACKED]
            return window.clip(frames.tolist(), chosen.tolist(), size, mirrored=mirrored)
    raise ValueError(
        f"windows: expected one with an object followed through {length} frames, got none in "
        f"{len(windows)}"
    )


def whole_clips(windows: Sequence[RealWindow], length: int, size: int) -> Iterator[Clip]:
    """The first frames of each window, to measure on: all objects whose labels count there.

    The truth is what the model that labelled them followed both ways: objects it loses are not
    among them, so figures say how near a model comes to that one on what that one can do.

    Args:
        windows: which; those without such an object are left out.
        length: frames at most.
        size: side of the square frames in pixels.
    """
    for window in windows:
        frames = np.arange(min(length, len(window)))
        usable = _usable(window, frames)
        if len(usable):
            yield window.clip(frames.tolist(), usable.tolist(), size)


def _usable(window: RealWindow, frames: NDArray[np.int_]) -> NDArray[np.int_]:
    """Objects that are visible in the first of the frames and whose labels count on all."""
    good = window.agreed[frames].all(0) & (window.share[frames[0]] > MIN_VISIBLE)
    return np.flatnonzero(good)
