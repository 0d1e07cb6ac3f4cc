"""Clips of the synthetic room as training and test material: exact masks, drawn in milliseconds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PilImage

from samnb.models.training.clips import MAX_TRACKED, MIN_VISIBLE, Clip
from samnb.synthetic import make_clip

TEST_SEEDS = 1_000_000
"""Seeds from here on are for tests: training never draws them."""

_HEIGHT = 270
_FPS = 6.0


def synthetic_clip(
    length: int, size: int, rng: np.random.Generator, *, seeds: range | None = None
) -> Clip:
    """Draw a clip of 1 to 3 tracked things, look-alikes among them, at a random difficulty.

    Args:
        length: frames.
        size: side of the square frames in pixels.
        rng: the only source of chance.
        seeds: where the scene's seed comes from; None takes those below `TEST_SEEDS`.
    """
    seeds = range(TEST_SEEDS) if seeds is None else seeds
    while True:
        made = make_clip(
            int(rng.choice(len(seeds))) + seeds.start,
            size_hw=(_HEIGHT, _HEIGHT * 4 // 3),
            n_frames=length,
            n_objects=int(rng.integers(1, 5)),
            difficulty=float(rng.uniform(0.1, 0.9)),
            fps=_FPS * float(rng.choice([0.5, 1.0, 1.0])),
        )
        labels = np.stack([fit_square(made.labels(i), size) for i in range(length)])
        share = np.bincount(labels[0].ravel(), minlength=256) / labels[0].size
        seen = [t.obj_id for t in (*made.objects, *made.distractors)]
        seen = [i for i in seen if share[i] > MIN_VISIBLE]
        if seen:
            picked = rng.permutation(seen)[:MAX_TRACKED]
            frames = np.stack([fit_square(made.frame(i), size) for i in range(length)])
            return Clip(frames, np.stack([labels == i for i in picked], axis=1))


def test_clips(count: int, length: int, size: int, seed: int = 0) -> Iterator[Clip]:
    """Clips that no training has seen; equal arguments give equal clips."""
    for index in range(count):
        first = TEST_SEEDS + seed + index
        yield synthetic_clip(
            length, size, np.random.default_rng([7, first]), seeds=range(first, first + 1)
        )


def fit_square(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Squeeze a frame (H, W, 3) (bilinear) or labels (H, W) (nearest) to a square."""
    how = PilImage.Resampling.BILINEAR if picture.ndim == 3 else PilImage.Resampling.NEAREST
    return np.asarray(PilImage.fromarray(picture).resize((size, size), how))
