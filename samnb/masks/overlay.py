"""Masks as pictures: palette PNGs for a canvas, blends, contact sheets.

Every object keeps one of :data:`COLOURS` by its number. The twelve were chosen so that
any two stay apart (CIE76 distance of at least 20 in Lab) for normal sight and under
full protanopia, deuteranopia and tritanopia as simulated after Machado et al. (2009);
none is close to grey, so they stand out from most footage.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image as PilImage
from PIL import ImageDraw, ImageFont

from samnb.masks.ops import bounds
from samnb.masks.rle import BoolMask, check_mask, describe
from samnb.types import InputError

Rgb: TypeAlias = tuple[int, int, int]
Image: TypeAlias = npt.NDArray[np.uint8]
"""(H, W, 3) uint8, RGB."""

COLOURS: tuple[Rgb, ...] = (
    (30, 120, 240),  # blue
    (240, 135, 15),  # orange
    (120, 255, 255),  # ice
    (195, 0, 150),  # magenta
    (240, 240, 120),  # straw
    (120, 15, 255),  # violet
    (75, 105, 15),  # moss
    (180, 255, 0),  # lime
    (165, 75, 105),  # plum
    (255, 75, 75),  # coral
    (225, 165, 255),  # lilac
    (45, 195, 120),  # jade
)
"""RGB, 0 to 255, by object number from 1, again from the start after the last."""

_MAX_COLOURS = 127  # a palette has 256 entries: one transparent, two for every colour


def colour(obj_id: int) -> Rgb:
    """Colour of an object number; numbers start at 1."""
    return COLOURS[(obj_id - 1) % len(COLOURS)]


def contour(mask: BoolMask, width_px: int = 1) -> BoolMask:
    """Pixels of ``mask`` within ``width_px`` steps (4-neighbours) of its outside.

    The edge of the picture counts as outside, so that an object cut off by it is closed.
    """
    check_mask(mask)
    line = np.zeros_like(mask)
    box = bounds(mask)
    if box is None or width_px < 1:
        return line
    inner = np.pad(mask[box], 1)
    for _ in range(width_px):
        kept = inner[1:-1, 1:-1] & inner[:-2, 1:-1]
        kept &= inner[2:, 1:-1]
        kept &= inner[1:-1, :-2]
        kept &= inner[1:-1, 2:]
        inner[1:-1, 1:-1] = kept
    line[box] = mask[box] & ~inner[1:-1, 1:-1]
    return line


def _largest_first(masks: Mapping[int, BoolMask]) -> list[tuple[int, BoolMask]]:
    for obj_id, mask in masks.items():
        check_mask(mask, f"mask of object {obj_id}")
    return sorted(masks.items(), key=lambda pair: (-int(np.count_nonzero(pair[1])), pair[0]))


def _check_alpha(alpha: float, name: str) -> None:
    if not 0 <= alpha <= 1:
        raise InputError(f"{name}: expected a share from 0 to 1, got {alpha}")


def mask_png(
    masks_by_obj: Mapping[int, BoolMask],
    colours: Mapping[int, Rgb] | Callable[[int], Rgb] = colour,
    *,
    size_hw: tuple[int, int] | None = None,
    alpha: float = 0.5,
    contour_alpha: float = 1.0,
    contour_px: int | None = None,
) -> bytes:
    """Draw masks into one small palette PNG, transparent where no object is.

    Where objects overlap, the smaller one lies on top, so that a part stays visible on
    its whole.

    Args:
        masks_by_obj: (H, W) bool by object number, all of one size.
        colours: RGB by object number, as a mapping or a function.
        size_hw: size of the picture; needed only when there is no mask at all.
        alpha: opacity of the fill, 0 to 1.
        contour_alpha: opacity of the outline, 0 to 1.
        contour_px: width of the outline in media pixels, 0 for none; by default one
            pixel for every 600 px of the longer side, at least one.

    Returns:
        the PNG file's bytes.
    """
    _check_alpha(alpha, "alpha")
    _check_alpha(contour_alpha, "contour_alpha")
    ordered = _largest_first(masks_by_obj)
    sizes = {mask.shape for _, mask in ordered} | ({size_hw} if size_hw else set())
    if len(sizes) != 1:
        raise InputError(f"masks: expected one size (height, width), got {sorted(sizes) or 'none'}")
    height, width = sizes.pop()
    line_px = max(1, round(max(height, width) / 600)) if contour_px is None else contour_px
    get = colours if callable(colours) else colours.__getitem__
    slots: dict[Rgb, int] = {}
    index = np.zeros((height, width), np.uint8)
    for obj_id, mask in ordered:
        slot = slots.setdefault(get(obj_id), len(slots))
        if slot >= _MAX_COLOURS:
            raise InputError(f"colours: expected at most {_MAX_COLOURS} different ones")
        box = bounds(mask)
        if box is not None:
            np.copyto(index[box], 2 * slot + 1, where=mask[box])
            np.copyto(index[box], 2 * slot + 2, where=contour(mask[box], line_px))
    picture = PilImage.fromarray(index)
    palette = [0, 0, 0] + [channel for rgb in slots for channel in (*rgb, *rgb)]
    picture.putpalette(palette)
    opacity = [0] + [round(255 * a) for _ in slots for a in (alpha, contour_alpha)]
    file = io.BytesIO()
    n_entries = 2 * len(slots) + 1
    bits = next(b for b in (1, 2, 4, 8) if n_entries <= 2**b)
    picture.save(file, "PNG", transparency=bytes(opacity), bits=bits, compress_level=1)
    return file.getvalue()


def blend(
    frame: Image,
    masks: Mapping[int, BoolMask],
    colours: Mapping[int, Rgb] | Callable[[int], Rgb] = colour,
    alpha: float = 0.5,
    *,
    contour_px: int = 1,
) -> Image:
    """Lay masks over a frame.

    Args:
        frame: (H, W, 3) uint8 RGB.
        masks: (H, W) bool by object number.
        colours: RGB by object number, as a mapping or a function.
        alpha: opacity of the fill, 0 to 1; the outline is opaque.
        contour_px: width of the outline, 0 for none.

    Returns:
        (H, W, 3) uint8 RGB, a new array.
    """
    _check_alpha(alpha, "alpha")
    _check_frame(frame)
    get = colours if callable(colours) else colours.__getitem__
    mixed = frame.copy()
    for obj_id, mask in _largest_first(masks):
        if mask.shape != frame.shape[:2]:
            raise InputError(
                f"mask of object {obj_id}: expected {frame.shape[:2]}, got {mask.shape}"
            )
        box = bounds(mask)
        if box is None:
            continue
        inside, line = mask[box], contour(mask[box], contour_px)
        for channel, value in enumerate(get(obj_id)):
            # 256 possible results: looking them up is faster than computing each pixel.
            table = np.rint(np.arange(256) * (1 - alpha) + value * alpha).astype(np.uint8)
            plane = mixed[box][..., channel]
            np.copyto(plane, table[plane], where=inside)
            np.copyto(plane, np.uint8(value), where=line)
    return mixed


def _check_frame(frame: Image) -> None:
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        raise InputError(f"frame: expected (H, W, 3) uint8, got {describe(frame)}")


def contact_sheet(
    frames: Sequence[Image],
    *,
    frame_idxs: Sequence[int] | None = None,
    masks: Sequence[Mapping[int, BoolMask]] | None = None,
    colours: Mapping[int, Rgb] | Callable[[int], Rgb] = colour,
    columns: int = 5,
    cell_width: int = 320,
    alpha: float = 0.5,
) -> Image:
    """Put frames side by side, each with its number, to look at a whole masklet at once.

    Args:
        frames: (H, W, 3) uint8 RGB, all of one size.
        frame_idxs: the numbers to write; by default 0, 1, 2 and so on.
        masks: per frame, (H, W) bool by object number, drawn over the frame.
        colours: RGB by object number.
        columns: frames in a row.
        cell_width: width of one frame on the sheet, in pixels.
        alpha: opacity of the masks.

    Returns:
        (H', W', 3) uint8 RGB.
    """
    if not frames:
        raise InputError("frames: expected at least one, got none")
    if columns < 1 or cell_width < 1:
        raise InputError(f"columns, cell_width: expected at least 1, got {columns}, {cell_width}")
    numbers = list(range(len(frames))) if frame_idxs is None else list(frame_idxs)
    if len(numbers) != len(frames) or (masks is not None and len(masks) != len(frames)):
        raise InputError(
            f"frame_idxs, masks: expected one for each of {len(frames)} frames, got "
            f"{len(numbers)} and {'none' if masks is None else len(masks)}"
        )
    cells = []
    for at, frame in enumerate(frames):
        _check_frame(frame)
        if frame.shape != frames[0].shape:
            raise InputError(f"frames: expected {frames[0].shape}, got {frame.shape} at {at}")
        thin = max(1, round(frame.shape[1] / cell_width))  # one pixel once it is scaled down
        drawn = blend(frame, masks[at], colours, alpha, contour_px=thin) if masks else frame
        cells.append(_cell(drawn, str(numbers[at]), cell_width))
    columns = min(columns, len(cells))
    rows = -(-len(cells) // columns)
    height, width = cells[0].shape[:2]
    sheet = np.zeros((rows * height, columns * width, 3), np.uint8)
    for at, cell in enumerate(cells):
        y, x = at // columns * height, at % columns * width
        sheet[y : y + height, x : x + width] = cell
    return sheet


def _cell(frame: Image, text: str, width: int) -> Image:
    height = max(1, round(frame.shape[0] * width / frame.shape[1]))
    picture = PilImage.fromarray(frame).resize((width, height), PilImage.Resampling.BILINEAR)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=max(10, width // 16))
    box = draw.textbbox((4, 2), text, font=font)
    draw.rectangle((0, 0, box[2] + 4, box[3] + 3), fill=(0, 0, 0))
    draw.text((4, 2), text, fill=(255, 255, 255), font=font)
    return np.asarray(picture)
