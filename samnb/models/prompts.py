"""Prompts checked at the door and turned into what SAM 2's prompt encoder reads.

Pure functions over arrays; nothing here imports a model framework.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from samnb.models.base import FramePrompts
from samnb.types import InputError

BOX_CORNER_LABELS = (2, 3)
"""Labels by which SAM's prompt encoder knows the first and second corner of a box."""


def check_prompts(prompts: FramePrompts, size_hw: tuple[int, int]) -> None:
    """Say what is wrong with prompts for a frame of ``size_hw`` pixels, if anything is.

    Raises:
        InputError: wrong shapes, dtypes or labels, coordinates outside of the frame, an empty box,
            a mask of another size or next to other prompts, or no prompt at all.
    """
    height, width = size_hw
    points, labels = prompts.points_xy, prompts.point_labels
    if points.ndim != 2 or points.shape[1] != 2:
        raise InputError(f"points_xy: expected (N, 2), got {points.shape}")
    if labels.shape != (len(points),):
        raise InputError(
            f"point_labels: expected ({len(points)},), one per point, got {labels.shape}"
        )
    if not np.isin(labels, (0, 1)).all():
        raise InputError(f"point_labels: expected 0 or 1, got {sorted(set(labels.tolist()))}")
    _check_inside("points_xy", points, width, height)
    box = prompts.box_xyxy
    if box is not None:
        if box.shape != (4,):
            raise InputError(f"box_xyxy: expected (4,), got {box.shape}")
        _check_inside("box_xyxy", box.reshape(2, 2), width, height)
        if not (box[0] < box[2] and box[1] < box[3]):
            raise InputError(f"box_xyxy: expected x0 < x1 and y0 < y1, got {box.tolist()}")
    mask = prompts.mask
    if mask is not None:
        if len(points) or box is not None:
            raise InputError("prompts: expected a mask alone, got a mask with other prompts")
        if mask.dtype != np.bool_ or mask.shape != (height, width):
            raise InputError(
                f"mask: expected ({height}, {width}) bool, got {mask.shape} {mask.dtype}"
            )
    elif not len(points) and box is None:
        raise InputError("prompts: expected points, a box or a mask, got none of them")


def _check_inside(name: str, xy: npt.NDArray[np.float32], width: int, height: int) -> None:
    # The right and bottom edges count as inside: a click may land on the very border.
    inside = (xy >= 0) & (xy <= np.array([width, height]))
    if not inside.all():
        raise InputError(
            f"{name}: expected coordinates within {width} x {height} pixels, got {xy.tolist()}"
        )


def encode_points(
    prompts: FramePrompts, size_hw: tuple[int, int], model_size: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Scale points and box to the model's square input; a box becomes two leading points.

    Returns:
        Coordinates (P, 2) float32 in model pixels, x first, and labels (P,) int32 with 1 positive,
        0 negative, 2 and 3 the box's corners (the order SAM 2 is trained with).
    """
    coords, labels = prompts.points_xy.astype(np.float32), prompts.point_labels.astype(np.int32)
    if prompts.box_xyxy is not None:
        corners = prompts.box_xyxy.astype(np.float32).reshape(2, 2)
        coords = np.concatenate([corners, coords])
        labels = np.concatenate([np.array(BOX_CORNER_LABELS, np.int32), labels])
    height, width = size_hw
    scaled = coords / np.array([width, height], np.float32) * np.float32(model_size)
    return scaled.astype(np.float32), labels
