"""What a verifier is shown: two panels for one mask (MV), red boxes for all of them (EV).

Source: SAM 3 paper (arXiv 2511.16719), appendix on the AI verifiers. For mask verification
two crops stand side by side: left a wider view with a fuchsia box round the region, right
a zoomed view with the mask laid over in fuchsia, so that small objects are large enough
and a box next to a neighbour of the same colour says which one is meant. For
exhaustivity the accepted masks are drawn as red boxes, and with none the plain picture is
shown. How far the crops reach follows the zoom helper of the released SAM 3 agent: the
box is padded by a fifth or 16 px, and a panel grows until the mask fills at most a
quarter (zoomed) or a twentieth (wider) of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from PIL import Image as PilImage

from samnb.masks.ops import bounds
from samnb.masks.overlay import Image, Rgb, contour
from samnb.masks.rle import BoolMask, check_mask, describe
from samnb.types import InputError

FUCHSIA: Final[Rgb] = (255, 0, 255)
"""Colour of box and mask in the MV view."""
RED: Final[Rgb] = (255, 0, 0)
"""Colour of the boxes in the EV view."""
MAX_ZOOMED_SHARE: Final = 0.25
"""Greatest share of the zoomed panel that the mask fills."""
MAX_WIDER_SHARE: Final = 0.05
"""Greatest share of the wider panel that the mask fills."""
PANEL_PX: Final = 384
"""Side of each square MV panel."""

_PAD_SHARE: Final = 0.2
_PAD_PX: Final = 16
_GAP_PX: Final = 8
_BACKGROUND: Final = 128  # neither a hole nor a light: grey is read as "no picture here"
_GROWTH: Final = 1.1
_ALTERNATIVES: Final[tuple[Rgb, ...]] = (FUCHSIA, (0, 255, 255), (0, 255, 0), (255, 255, 0))

Window = tuple[int, int, int, int]
"""``y0, y1, x0, x1`` in media pixels, ends excluded."""


def mv_view(
    image: Image,
    mask: BoolMask,
    *,
    panel_px: int = PANEL_PX,
    colour: Rgb | None = FUCHSIA,
    alpha: float = 0.35,
) -> Image:
    """Draw the two-panel view of one mask.

    The paper's colour is fixed, and so is the default here: the question names it, and a
    verifier learns one way of marking. ``colour=None`` takes :func:`far_colour` instead.
    The reason to do so is an object that is itself fuchsia, where overlay and object
    cannot be told apart; the price is that the question must name another colour.

    Args:
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) bool, not empty.
        panel_px: side of each panel.
        colour: of box and mask; None picks the one farthest from the crop's own colours.
        alpha: opacity of the mask, 0 to 1; its outline is opaque.

    Returns:
        (panel_px, 2 * panel_px + 8, 3) uint8 RGB; a crop that is not square lies in the
        middle of its panel on grey.

    Raises:
        InputError: sizes differ, the mask is empty, or the panels are too small.
    """
    _check(image, [mask])
    if panel_px < 32:
        raise InputError(f"panel_px: expected at least 32, got {panel_px}")
    if not 0 <= alpha <= 1:
        raise InputError(f"alpha: expected a share from 0 to 1, got {alpha}")
    box = box_of(mask)
    if box is None:
        raise InputError("mask: expected at least one pixel, got an empty mask")
    area = int(np.count_nonzero(mask))
    zoomed = window(box, area, mask.shape, MAX_ZOOMED_SHARE)
    wider = window(box, area, mask.shape, MAX_WIDER_SHARE)
    marking = far_colour(_cut(image, zoomed)) if colour is None else colour
    left = _boxed_panel(image, wider, box, panel_px, marking)
    right = _masked_panel(image, zoomed, mask, panel_px, marking, alpha)
    gap = np.full((panel_px, _GAP_PX, 3), 255, np.uint8)
    return np.concatenate([left, gap, right], axis=1)


def ev_view(
    image: Image, masks: Sequence[BoolMask], *, colour: Rgb = RED, width_px: int | None = None
) -> Image:
    """Draw a box round each accepted mask; without any, a copy of the plain picture.

    Args:
        image: (H, W, 3) uint8 RGB.
        masks: (H, W) bool each; an empty one gets no box.
        colour: of the boxes.
        width_px: of their lines; by default 1 px per 200 of the longer side, at least 2.
            The line lies outside the mask's own box where the picture has room.

    Returns:
        (H, W, 3) uint8 RGB, a new array.
    """
    _check(image, masks)
    line = max(2, round(max(image.shape[:2]) / 200)) if width_px is None else width_px
    if line < 1:
        raise InputError(f"width_px: expected at least 1, got {width_px}")
    drawn = image.copy()
    for mask in masks:
        box = box_of(mask)
        if box is not None:
            _draw_box(drawn, box, colour, line)
    return drawn


def box_of(mask: BoolMask) -> Window | None:
    """The mask's bounding box as ``y0, y1, x0, x1``, ends excluded; None if empty."""
    found = bounds(mask)
    return None if found is None else (found[0].start, found[0].stop, found[1].start, found[1].stop)


def window(box: Window, area: int, size_hw: tuple[int, ...], max_share: float) -> Window:
    """The crop round a box in which ``area`` pixels fill at most ``max_share``.

    The padded box is made as square as the picture allows and then grows about its
    centre; at an edge of the picture it grows the other way. Where even the whole picture
    is too small, it is the whole picture.
    """
    y0, y1, x0, x1 = box
    height = y1 - y0 + 2 * max(_PAD_PX, round(_PAD_SHARE * (y1 - y0)))
    width = x1 - x0 + 2 * max(_PAD_PX, round(_PAD_SHARE * (x1 - x0)))
    side = float(max(height, width))
    while True:
        rows = _span((y0 + y1) / 2, side, size_hw[0])
        columns = _span((x0 + x1) / 2, side, size_hw[1])
        found = (rows[1] - rows[0]) * (columns[1] - columns[0])
        if area <= max_share * found or found == size_hw[0] * size_hw[1]:
            return (*rows, *columns)
        side *= _GROWTH


def far_colour(crop: Image) -> Rgb:
    """Of fuchsia, cyan, green and yellow, the one least like any colour of the crop.

    A colour's likeness is that of the nearest hundredth of the pixels (Euclidean, RGB): a
    few stray pixels do not matter, a small object does. Fuchsia wins a tie.
    """
    pixels = crop.reshape(-1, 3).astype(np.float32)
    distances = [
        float(np.quantile(np.linalg.norm(pixels - np.asarray(rgb, np.float32), axis=1), 0.01))
        for rgb in _ALTERNATIVES
    ]
    return _ALTERNATIVES[int(np.argmax(distances))]


def _span(centre: float, side: float, limit: int) -> tuple[int, int]:
    length = min(round(side), limit)
    start = min(max(round(centre - length / 2), 0), limit - length)
    return start, start + length


def _check(image: Image, masks: Sequence[BoolMask]) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise InputError(f"image: expected (H, W, 3) uint8, got {describe(image)}")
    for mask in masks:
        check_mask(mask)
        if mask.shape != image.shape[:2]:
            raise InputError(f"mask: expected the image's {image.shape[:2]}, got {mask.shape}")


def _cut(image: Image, at: Window) -> Image:
    return image[at[0] : at[1], at[2] : at[3]]


def _scaled(crop: Image, panel_px: int) -> tuple[Image, float, int, int]:
    """The crop at panel size, its scale, and where it lies in the panel (top, left)."""
    scale = panel_px / max(crop.shape[:2])
    height, width = (max(1, round(n * scale)) for n in crop.shape[:2])
    kind = PilImage.Resampling.BICUBIC if scale > 1 else PilImage.Resampling.LANCZOS
    picture = np.array(PilImage.fromarray(crop).resize((width, height), kind))
    return picture, scale, (panel_px - height) // 2, (panel_px - width) // 2


def _placed(picture: Image, top: int, left: int, panel_px: int) -> Image:
    panel = np.full((panel_px, panel_px, 3), _BACKGROUND, np.uint8)
    panel[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return panel


def _boxed_panel(image: Image, at: Window, box: Window, panel_px: int, colour: Rgb) -> Image:
    picture, scale, top, left = _scaled(_cut(image, at), panel_px)
    y0, y1, x0, x1 = (
        round((edge - start) * scale)
        for edge, start in zip(box, (at[0], at[0], at[2], at[2]), strict=True)
    )
    _draw_box(picture, (y0, max(y1, y0 + 1), x0, max(x1, x0 + 1)), colour, max(2, panel_px // 128))
    return _placed(picture, top, left, panel_px)


def _masked_panel(
    image: Image, at: Window, mask: BoolMask, panel_px: int, colour: Rgb, alpha: float
) -> Image:
    picture, _, top, left = _scaled(_cut(image, at), panel_px)
    size = picture.shape[1], picture.shape[0]
    cut = PilImage.fromarray(np.ascontiguousarray(mask[at[0] : at[1], at[2] : at[3]]))
    large = np.array(cut.resize(size, PilImage.Resampling.NEAREST))
    mixed = picture * (1 - alpha) + np.asarray(colour, np.float32) * alpha
    picture[large] = np.rint(mixed[large]).astype(np.uint8)
    # Drawn after scaling: a thin outline shows where the edge is without hiding it.
    picture[contour(large, max(1, panel_px // 256))] = colour
    return _placed(picture, top, left, panel_px)


def _draw_box(image: Image, box: Window, colour: Rgb, line: int) -> None:
    """Draw in place, outside the box where there is room."""
    y0, y1, x0, x1 = box
    top, bottom = max(y0 - line, 0), min(y1 + line, image.shape[0])
    left, right = max(x0 - line, 0), min(x1 + line, image.shape[1])
    image[top : top + line, left:right] = colour
    image[bottom - line : bottom, left:right] = colour
    image[top:bottom, left : left + line] = colour
    image[top:bottom, right - line : right] = colour
