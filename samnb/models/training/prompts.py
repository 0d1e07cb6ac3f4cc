"""Prompts that a person might give, drawn from true masks: clicks, boxes, corrections."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from samnb.masks.ops import error_centre

Points = tuple[torch.Tensor, torch.Tensor]
"""Coordinates (B, P, 2) float32 in pixels, x first, and labels (B, P) int32."""


def click_inside(masks: torch.Tensor, rng: Any, *, centre: bool = False) -> Points:
    """One positive click on each mask (B, S, S) bool: at its centre, or anywhere on it."""
    xy: list[tuple[float, float]] = []
    for mask in masks.numpy():
        if centre:
            x, y, _ = error_centre(mask)
            xy.append((float(x), float(y)))
            continue
        ys, xs = np.nonzero(mask)
        at = int(rng.integers(len(ys)))
        xy.append((float(xs[at]), float(ys[at])))
    return torch.tensor(xy)[:, None], torch.ones(len(xy), 1, dtype=torch.int32)


def box_around(masks: torch.Tensor, rng: Any, *, noise: float = 0.1) -> Points:
    """A loose box around each mask (B, S, S) bool, as SAM 2's pair of points 2 and 3."""
    boxes: list[NDArray[np.float64]] = []
    for mask in masks.numpy():
        ys, xs = np.nonzero(mask)
        box = np.array([[xs.min(), ys.min()], [xs.max() + 1, ys.max() + 1]], float)
        jitter = np.clip(rng.normal(0, noise / 2, (2, 2)), -noise, noise)
        boxes.append((box + jitter * (box[1] - box[0])).clip(0, mask.shape[1] - 1))
    labels = torch.tensor([[2, 3]], dtype=torch.int32).expand(len(boxes), -1)
    return torch.from_numpy(np.stack(boxes)).float(), labels


def correction_click(
    truth: torch.Tensor, predicted: torch.Tensor, rng: Any, *, centre: bool = False
) -> Points:
    """One click per object where prediction and truth (B, S, S) bool differ.

    With `centre` it is the middle of the larger error; otherwise any wrong pixel, and once in ten
    times a pixel of the object whatever the error is. Perfect predictions get a click on the
    object, or on nothing at all (label -1) if there is no object.
    """
    xy: list[tuple[float, float]] = []
    labels: list[int] = []
    for mask, guess in zip(truth.numpy(), predicted.numpy(), strict=True):
        missed, extra = mask & ~guess, guess & ~mask
        if centre and (missed.any() or extra.any()):
            x, y, label = error_centre(mask, guess)
            xy.append((float(x), float(y)))
            labels.append(label)
            continue
        wrong = missed | extra
        if not wrong.any() or (mask.any() and rng.random() < 0.1):
            wrong = mask
        ys, xs = np.nonzero(wrong)
        if len(ys) == 0:
            xy.append((0.0, 0.0))
            labels.append(-1)
            continue
        at = int(rng.integers(len(ys)))
        xy.append((float(xs[at]), float(ys[at])))
        labels.append(int(mask[ys[at], xs[at]]))
    return torch.tensor(xy)[:, None], torch.tensor(labels, dtype=torch.int32)[:, None]


def join(a: Points, b: Points) -> Points:
    """All points of two prompts of the same objects."""
    return torch.cat([a[0], b[0]], 1), torch.cat([a[1], b[1]], 1)
