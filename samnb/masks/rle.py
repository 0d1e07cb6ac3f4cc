"""Masks as COCO run lengths: encode, decode and arithmetic straight on the runs.

A mask of ``size_hw = (H, W)`` is read column by column (column-major); ``counts``
holds the lengths of its alternating runs, beginning with zeros. The compressed
string writes each length, from the fourth on as the difference to the length two
before it, in groups of five bits (least significant first, the sixth bit says that
another group follows, the last group is signed), each group plus 48 as a character.

The parser here checks every string before anything trusts it: the C code of
pycocotools reads past the end of a truncated string and returns whatever lies
there. Set operations are pycocotools' once both sides are known to be sound.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from pycocotools import mask as _coco

from samnb.types import FormatError, InputError, Rle

_MAX_GROUPS = 7  # 35 bits: more cannot belong to a run of a picture that COCO can hold
_MAX_PIXELS = 2**32 - 1  # COCO keeps lengths as unsigned 32-bit integers

BoolMask = npt.NDArray[np.bool_]
Runs = npt.NDArray[np.int64]


def check_mask(mask: npt.NDArray[np.generic], name: str = "mask") -> None:
    """Raise ``InputError`` unless ``mask`` is (H, W) bool with at least one pixel."""
    if not isinstance(mask, np.ndarray) or mask.ndim != 2 or mask.dtype != np.bool_:
        raise InputError(f"{name}: expected (H, W) bool, got {describe(mask)}")
    if mask.size == 0:
        raise InputError(f"{name}: expected at least one pixel, got shape {mask.shape}")


def describe(value: object) -> str:
    """Say shape and dtype of an array, or the type of anything else."""
    if isinstance(value, np.ndarray):
        return f"{value.shape} {value.dtype}"
    return type(value).__name__


def _check_size(size_hw: tuple[int, int], error: type[Exception]) -> None:
    height, width = size_hw
    if height < 1 or width < 1 or height * width > _MAX_PIXELS:
        raise error(
            f"size_hw: expected height and width of at least 1 and at most {_MAX_PIXELS} "
            f"pixels, got {height} x {width}"
        )


def to_runs(rle: Rle) -> Runs:
    """Parse and check a compressed string.

    Returns:
        (R,) int64, lengths of alternating runs beginning with zeros, column-major.

    Raises:
        FormatError: a character outside COCO's alphabet, a truncated or oversized
            number, a negative run, or runs that do not add up to ``H * W``.
    """
    _check_size(rle.size_hw, FormatError)
    try:
        raw = np.frombuffer(rle.counts.encode("ascii"), np.uint8)
    except UnicodeEncodeError as error:
        raise FormatError(f"counts: expected ASCII, got {rle.counts[error.start]!r}") from error
    if raw.size == 0:
        raise FormatError("counts: expected at least one run, got an empty string")
    if raw.min() < 48 or raw.max() > 111:
        at = int(np.flatnonzero((raw < 48) | (raw > 111))[0])
        raise FormatError(f"counts: character {chr(raw[at])!r} at {at} is not in '0'..'o'")
    groups = raw.astype(np.int64) - 48
    ends = np.flatnonzero((groups & 32) == 0)
    if ends.size == 0 or ends[-1] != raw.size - 1:
        raise FormatError("counts: the last number is cut off")
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if lengths.max() > _MAX_GROUPS:
        raise FormatError(f"counts: a number has {lengths.max()} groups, at most {_MAX_GROUPS}")
    shift = 5 * (np.arange(raw.size) - np.repeat(starts, lengths))
    values = np.add.reduceat((groups & 31) << shift, starts)
    is_negative = (groups[ends] & 16) != 0
    values[is_negative] -= np.int64(1) << (5 * lengths[is_negative])
    # From the fourth run on, differences to the run two before; the third (index 2)
    # is absolute in COCO's encoder, so the even chain starts there and not at 0.
    runs = values
    runs[1::2] = np.cumsum(values[1::2])
    runs[2::2] = np.cumsum(values[2::2])
    height, width = rle.size_hw
    if runs.min() < 0:
        raise FormatError(f"counts: run {int(np.argmin(runs))} is negative ({runs.min()})")
    total = int(runs.sum())
    if total != height * width:
        raise FormatError(
            f"counts: expected runs over {height} x {width} = {height * width} pixels, got {total}"
        )
    return runs


def from_runs(size_hw: tuple[int, int], runs: npt.ArrayLike) -> Rle:
    """Write uncompressed run lengths, (R,) int, as a compressed ``Rle``.

    Raises:
        FormatError: a negative run, or runs that do not add up to ``H * W``.
    """
    lengths = np.asarray(runs, dtype=np.int64)
    _check_size(size_hw, FormatError)
    if lengths.ndim != 1 or lengths.size == 0 or lengths.min() < 0:
        raise FormatError(f"runs: expected (R,) non-negative int, got {describe(lengths)}")
    if int(lengths.sum()) != size_hw[0] * size_hw[1]:
        raise FormatError(
            f"runs: expected a total of {size_hw[0] * size_hw[1]}, got {int(lengths.sum())}"
        )
    values = lengths.copy()
    values[3:] -= lengths[1:-2]
    # Signed width: the magnitude's bits plus a sign bit, in groups of five.
    magnitude = np.where(values < 0, ~values, values)
    bounds = np.int64(1) << (5 * np.arange(1, _MAX_GROUPS + 1) - 1)
    n_groups = np.searchsorted(bounds, magnitude, side="right") + 1
    widest = int(n_groups.max())
    place = np.arange(widest)
    chars = (values[:, None] >> (5 * place)) & 31
    chars += np.where(place < n_groups[:, None] - 1, 32 + 48, 48)
    used = chars[place < n_groups[:, None]]
    return Rle((int(size_hw[0]), int(size_hw[1])), used.astype(np.uint8).tobytes().decode("ascii"))


def encode(mask: BoolMask) -> Rle:
    """Encode one mask, (H, W) bool; the string equals pycocotools' byte for byte."""
    check_mask(mask)
    height, width = mask.shape
    x_any = np.flatnonzero(mask.any(axis=0))
    if x_any.size == 0:
        return empty((height, width))
    x0, x1 = int(x_any[0]), int(x_any[-1]) + 1
    y_any = np.flatnonzero(mask[:, x0:x1].any(axis=1))
    y0, y1 = int(y_any[0]), int(y_any[-1]) + 1
    # Only the bounding box is transposed and scanned. One row of zeros below it keeps
    # columns apart, unless the box is as tall as the picture and they do follow on.
    tall = y1 - y0 + (y1 - y0 < height)
    columns = np.zeros((x1 - x0, tall), np.bool_)
    columns[:, : y1 - y0] = mask[y0:y1, x0:x1].T
    flat = columns.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    if flat[0]:
        changes = np.concatenate(([0], changes))
    edges = (x0 + changes // tall) * height + y0 + changes % tall
    if flat[-1]:
        edges = np.append(edges, (x1 - 1) * height + y1)
    total = height * width
    runs = np.diff(edges, prepend=0)
    if edges[-1] < total:
        runs = np.append(runs, total - edges[-1])
    return from_runs((height, width), runs)


def decode(rle: Rle) -> BoolMask:
    """Decode to (H, W) bool, C-contiguous.

    Raises:
        FormatError: see :func:`to_runs`.
    """
    runs = to_runs(rle)
    height, width = rle.size_hw
    mask = np.zeros((height, width), np.bool_)
    ends = np.cumsum(runs)
    box = _box_of(ends, height)
    if box is None:
        return mask
    x0, y0, x1, y1 = box
    lo, hi = x0 * height, x1 * height
    clipped = np.clip(ends, lo, hi)
    clipped[1:] -= clipped[:-1].copy()
    clipped[0] -= lo
    is_object = np.zeros(runs.size, np.bool_)
    is_object[1::2] = True
    columns = np.repeat(is_object, clipped).reshape(x1 - x0, height)
    mask[y0:y1, x0:x1] = columns[:, y0:y1].T
    return mask


def encode_many(masks: npt.NDArray[np.bool_] | Iterable[BoolMask]) -> tuple[Rle, ...]:
    """Encode (N, H, W) bool, or any iterable of (H, W) bool."""
    if isinstance(masks, np.ndarray) and (masks.ndim != 3 or masks.dtype != np.bool_):
        raise InputError(f"masks: expected (N, H, W) bool, got {describe(masks)}")
    return tuple(encode(mask) for mask in masks)


def decode_many(rles: Sequence[Rle]) -> npt.NDArray[np.bool_]:
    """Decode masks of one size to (N, H, W) bool; at least one is needed."""
    if not rles:
        raise InputError("rles: expected at least one mask, got none")
    _check_sizes(rles)
    return np.stack([decode(rle) for rle in rles])


def empty(size_hw: tuple[int, int]) -> Rle:
    """The mask without a pixel: the object is absent."""
    _check_size(size_hw, InputError)
    return from_runs(size_hw, [size_hw[0] * size_hw[1]])


def area(rle: Rle) -> int:
    """Number of object pixels."""
    return int(to_runs(rle)[1::2].sum())


def bbox(rle: Rle) -> tuple[int, int, int, int] | None:
    """Tightest box ``(x0, y0, x1, y1)`` in pixels, x1 and y1 exclusive; None if empty."""
    return _box_of(np.cumsum(to_runs(rle)), rle.size_hw[0])


def _box_of(ends: Runs, height: int) -> tuple[int, int, int, int] | None:
    n_objects = ends.size // 2
    first, last = ends[0 : 2 * n_objects : 2], ends[1 : 2 * n_objects : 2] - 1
    is_real = last >= first  # runs of length zero are legal and cover nothing
    first, last = first[is_real], last[is_real]
    if first.size == 0:
        return None
    x_first, x_last = first // height, last // height
    x0, x1 = int(x_first.min()), int(x_last.max()) + 1
    if np.any(x_first != x_last):  # such a run covers the foot of one column, the head of the next
        return x0, 0, x1, height
    return x0, int((first % height).min()), x1, int((last % height).max()) + 1


def _check_sizes(rles: Sequence[Rle]) -> None:
    for rle in rles[1:]:
        if rle.size_hw != rles[0].size_hw:
            raise InputError(
                f"masks: expected one size, got {rles[0].size_hw} and {rle.size_hw} (height, width)"
            )


def _merge(rles: Sequence[Rle], intersect: bool) -> Rle:
    if not rles:
        raise InputError("rles: expected at least one mask, got none")
    _check_sizes(rles)
    for rle in rles:
        to_runs(rle)
    height, width = rles[0].size_hw
    merged = _coco.merge([to_coco(rle) for rle in rles], intersect=intersect)
    return Rle((height, width), merged["counts"].decode("ascii"))


def union(*rles: Rle) -> Rle:
    """Pixels that belong to at least one of the masks, all of one size."""
    return _merge(rles, intersect=False)


def intersection(*rles: Rle) -> Rle:
    """Pixels that belong to all of the masks, all of one size."""
    return _merge(rles, intersect=True)


def overlap(a: Rle, b: Rle) -> tuple[int, int]:
    """Pixels in both masks and pixels in either."""
    _check_sizes((a, b))
    total = area(a) + area(b)  # this also checks both strings before C code sees them
    both = int(_coco.area(_coco.merge([to_coco(a), to_coco(b)], intersect=True)))
    return both, total - both


def iou(a: Rle, b: Rle) -> float:
    """Intersection over union in [0, 1]; 1.0 when both are empty, as in the J measure."""
    both, either = overlap(a, b)
    return both / either if either else 1.0


def volume_iou(a: Sequence[Rle], b: Sequence[Rle]) -> float:
    """IoU of two masklets: intersections summed over frames by unions summed over frames.

    Source: the video mask IoU of YouTube-VIS (Yang et al., ICCV 2019, section 3.2).

    Args:
        a: one mask per frame.
        b: as many masks, of the same frames.
    """
    if len(a) != len(b):
        raise InputError(f"masklets: expected equal lengths, got {len(a)} and {len(b)}")
    pairs = [overlap(x, y) for x, y in zip(a, b, strict=True)]
    either = sum(pair[1] for pair in pairs)
    return sum(pair[0] for pair in pairs) / either if either else 1.0


def to_coco(rle: Rle) -> dict[str, object]:
    """The dict that pycocotools takes: ``size`` as a list, ``counts`` as bytes."""
    return {"size": list(rle.size_hw), "counts": rle.counts.encode("ascii")}


def from_coco(value: Mapping[str, object]) -> Rle:
    """Read a COCO dict; counts may be a string, bytes or a list of run lengths.

    Raises:
        FormatError: a key is missing, has the wrong type, or the runs are not sound.
    """
    size, counts = value.get("size"), value.get("counts")
    if (
        not isinstance(size, list | tuple)
        or len(size) != 2
        or not all(isinstance(n, int) and not isinstance(n, bool) for n in size)
    ):
        raise FormatError(f"size: expected [height, width] as integers, got {size!r}")
    size_hw = (int(size[0]), int(size[1]))
    if isinstance(counts, list | tuple):
        if not all(isinstance(n, int) and not isinstance(n, bool) for n in counts):
            raise FormatError("counts: expected integers in the list of runs")
        return from_runs(size_hw, counts)
    if isinstance(counts, bytes):
        counts = counts.decode("latin-1")
    if not isinstance(counts, str):
        raise FormatError(f"counts: expected a string or a list, got {describe(counts)}")
    rle = Rle(size_hw, counts)
    to_runs(rle)
    return rle
