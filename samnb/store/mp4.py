"""The few tables of an MP4 or MOV file that say when each frame is shown.

libav hands out the container's index with *decoding* times only. To know when a
frame is *shown* without reading the whole file, the composition offsets are needed,
and these stand in the ``moov`` box (ISO/IEC 14496-12: ``ctts`` in 8.6.1.3, ``stsz``
in 8.7.3, ``stsc`` in 8.7.4, ``stco`` and ``co64`` in 8.7.5). Each sample is found
again by its position in the file, so edit lists need no care here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]

_MAX_MOOV_BYTES = 2**29


@dataclass(frozen=True, eq=False)
class SampleTable:
    """Every sample of one track in decoding order.

    Attributes:
        pos: (N,) int64, where the sample begins in the file, in bytes.
        size: (N,) int64, its length in bytes.
        offset: (N,) int64, presentation minus decoding time, in track ticks.
    """

    pos: Int64s
    size: Int64s
    offset: Int64s


def top_boxes(path: Path) -> list[tuple[str, int, int]]:
    """Return ``(type, start, end)`` of the outermost boxes, bodies only.

    ``end`` may lie beyond the file, where that was cut short. A file of another kind
    gives an empty list or nonsense types; nothing is raised.
    """
    found: list[tuple[str, int, int]] = []
    with path.open("rb") as file:
        n_bytes = file.seek(0, 2)
        at = 0
        while at + 8 <= n_bytes and len(found) < 10_000:
            file.seek(at)
            head = file.read(16)
            size, start = int.from_bytes(head[:4], "big"), at + 8
            if size == 1:
                size, start = int.from_bytes(head[8:16], "big"), at + 16
            elif size == 0:
                size = n_bytes - at
            if size < start - at or not head[4:8].isascii():
                break
            found.append((head[4:8].decode("ascii"), start, at + size))
            at += size
    return found


def read_sample_table(path: Path, track_id: int) -> SampleTable | None:
    """Return the samples of a track.

    None says that the file does not list them: it is fragmented, its header is
    compressed or damaged, or it is no MP4 at all.
    """
    moov = next((b for b in top_boxes(path) if b[0] == "moov"), None)
    if moov is None or moov[2] - moov[1] > _MAX_MOOV_BYTES:
        return None
    with path.open("rb") as file:
        file.seek(moov[1])
        body = memoryview(file.read(moov[2] - moov[1]))
    for kind, trak in _boxes(body):
        if kind == b"trak" and _track_id(trak) == track_id:
            table = _find(trak, b"mdia", b"minf", b"stbl")
            return None if table is None else _read_table(table)
    return None


def _boxes(body: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    at = 0
    while at + 8 <= len(body):
        size, start = int.from_bytes(body[at : at + 4], "big"), at + 8
        if size == 1:
            size, start = int.from_bytes(body[at + 8 : at + 16], "big"), at + 16
        elif size == 0:
            size = len(body) - at
        if size < start - at:
            return
        yield bytes(body[at + 4 : at + 8]), body[start : at + size]
        at += size


def _find(body: memoryview, *names: bytes) -> memoryview | None:
    found: memoryview | None = body
    for name in names:
        if found is None:
            return None
        found = next((inner for kind, inner in _boxes(found) if kind == name), None)
    return found


def _track_id(trak: memoryview) -> int:
    head = _find(trak, b"tkhd")
    if head is None or len(head) < 24:
        return -1
    at = 20 if head[0] == 1 else 12
    return int.from_bytes(head[at : at + 4], "big")


def _array(box: memoryview, skip: int, count: int, dtype: str) -> Int64s:
    n_bytes = count * np.dtype(dtype).itemsize
    if skip + n_bytes > len(box):
        raise ValueError("table is shorter than it says")
    return np.frombuffer(box[skip : skip + n_bytes], dtype).astype(np.int64)


def _count(box: memoryview, at: int = 4) -> int:
    return int.from_bytes(box[at : at + 4], "big")


def _read_table(stbl: memoryview) -> SampleTable | None:
    boxes = dict(_boxes(stbl))
    try:
        sizes, chunk_map = boxes[b"stsz"], boxes[b"stsc"]
        n_samples, fixed = _count(sizes, 8), _count(sizes)
        listed = 0 if fixed else n_samples
        size = np.full(n_samples, fixed, np.int64)
        size[:listed] = _array(sizes, 12, listed, ">u4")
        if b"co64" in boxes:
            chunks = _array(boxes[b"co64"], 8, _count(boxes[b"co64"]), ">u8")
        else:
            chunks = _array(boxes[b"stco"], 8, _count(boxes[b"stco"]), ">u4")
        runs = _array(chunk_map, 8, 3 * _count(chunk_map), ">u4").reshape(-1, 3)
        n_chunks = np.diff(np.append(runs[:, 0] - 1, len(chunks)))
        per_chunk = np.repeat(runs[:, 1], n_chunks)
        if per_chunk.sum() != n_samples or n_samples == 0:
            return None
        before = np.concatenate([[0], np.cumsum(size)[:-1]])
        firsts = np.concatenate([[0], np.cumsum(per_chunk)[:-1]])
        pos = np.repeat(chunks - before[firsts], per_chunk) + before
        offset = np.zeros(n_samples, np.int64)
        if b"ctts" in boxes:
            ctts = boxes[b"ctts"]
            # Read as signed in either version, as every player does.
            pairs = _array(ctts, 8, 2 * _count(ctts), ">i4").reshape(-1, 2)
            steps = np.repeat(pairs[:, 1], pairs[:, 0])[:n_samples]
            offset[: len(steps)] = steps
    except (KeyError, ValueError, IndexError):
        return None
    return SampleTable(pos, size, offset)
