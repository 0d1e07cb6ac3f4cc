"""Which frames a video holds, when each is shown, and where decoding can start.

The container's own index is used where it has one (MP4, MOV, AVI), so that a long
file opens at once; it is believed only after packets from the beginning and the end
of the file agreed with it. Everything else (MKV, WebM, MPEG-TS, fragmented MP4) is
read through once without decoding: that takes as long as reading the file does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.video.stream import VideoStream

from samnb.store.mp4 import read_sample_table
from samnb.types import MediaError

Int64s = npt.NDArray[np.int64]

_N_CHECKED = 48
"""Packets compared with the index at the beginning of the file."""


@dataclass(frozen=True, eq=False)
class FrameIndex:
    """The frames of one video stream in the order in which they are shown.

    Attributes:
        pts: (N,) int64, strictly rising presentation times in ticks.
        key_pts: (K,) int64, strictly rising presentation times of the key frames,
            among them some that are not shown but from which decoding can start.
        key_ticks: (K,) int64, what to seek to for each of them: decoding times in
            MPEG-TS, which looks for these, and presentation times elsewhere.
        time_base: seconds of one tick.
        last_ticks: how long the last frame is shown, in ticks.
        is_from_container: False when the file had to be read through.
        warnings: what is wrong with the file, one sentence each.
    """

    pts: Int64s
    key_pts: Int64s
    key_ticks: Int64s
    time_base: Fraction
    last_ticks: int
    is_from_container: bool
    warnings: tuple[str, ...] = ()

    @property
    def times_s(self) -> npt.NDArray[np.float64]:
        """(N,) float64, seconds from the first frame."""
        return np.asarray((self.pts - self.pts[0]) * float(self.time_base), np.float64)

    @property
    def duration_s(self) -> float:
        """From the first frame to the end of the last, in seconds."""
        return float((int(self.pts[-1] - self.pts[0]) + self.last_ticks) * self.time_base)

    def find(self, pts: int) -> int | None:
        """Return the number of the frame shown at ``pts``; None if there is none."""
        i = int(np.searchsorted(self.pts, pts))
        return i if i < len(self.pts) and self.pts[i] == pts else None

    def key_before(self, frame_idx: int) -> int:
        """Return the position in ``key_pts`` from which a frame can be decoded."""
        return max(0, int(np.searchsorted(self.key_pts, self.pts[frame_idx], "right")) - 1)


def build_index(path: Path, container: InputContainer, stream: VideoStream) -> FrameIndex:
    """Build the index of an opened video, moving its read position.

    Raises:
        MediaError: the stream holds no frames or no times.
    """
    index = _from_container(path, container, stream)
    return index if index is not None else _from_packets(path, stream.index)


def _from_container(
    path: Path, container: InputContainer, stream: VideoStream
) -> FrameIndex | None:
    entries = list(stream.index_entries)
    if len(entries) < 2:
        return None
    pos = np.array([e.pos for e in entries], np.int64)
    dts = np.array([e.timestamp for e in entries], np.int64)
    flags = np.array([e.flags for e in entries], np.int64)
    is_key, is_hidden = (flags & 1).astype(bool), (flags & 2).astype(bool)
    offset = np.zeros(len(pos), np.int64)
    if "mp4" in container.format.name:
        table = read_sample_table(path, stream.id)
        if table is None:
            return None
        order = np.argsort(table.pos, kind="stable")
        at = np.minimum(np.searchsorted(table.pos[order], pos), len(order) - 1)
        sample = order[at]
        if not np.array_equal(table.pos[sample], pos):
            return None
        offset = table.offset[sample]
        is_there = pos + table.size[sample] <= path.stat().st_size
    elif stream.codec_context.has_b_frames or stream.frames != len(entries):
        return None
    else:
        is_there = pos < path.stat().st_size
    shift = _check_entries(container, stream, pos, dts + offset, is_key, is_there)
    if shift is None:
        return None
    pts = dts + offset + shift
    found: list[str] = []
    is_shown = ~is_hidden
    n_promised = int(is_shown.sum())
    if not is_there.all():
        first_lost = pts[~is_there].min()
        is_shown &= is_there & (pts < first_lost)
        found.append(
            f"{path.name}: the file is cut short; {int(is_shown.sum())} of {n_promised} "
            "frames are there"
        )
    keys = pts[is_key & is_there]
    return _finish(path, pts[is_shown], keys, keys, stream, is_from_container=True, found=found)


def _check_entries(
    container: InputContainer,
    stream: VideoStream,
    pos: Int64s,
    base: Int64s,
    is_key: npt.NDArray[np.bool_],
    is_there: npt.NDArray[np.bool_],
) -> int | None:
    """Return the constant by which real packet times differ from ``base``.

    None says that there is no such constant: the index cannot be believed.
    """
    by_pos = {int(p): i for i, p in enumerate(pos)}
    seen: list[tuple[int, int]] = []
    keys = np.flatnonzero(is_key & is_there)
    if len(keys) == 0:
        return None
    try:
        container.seek(int(base[0]), stream=stream)
        packets = list(islice(container.demux(stream), _N_CHECKED))
        container.seek(int(base[keys[-1]]), stream=stream)
        packets += list(islice(container.demux(stream), 4))
    except av.FFmpegError:
        return None
    for packet in packets:
        if packet.pts is None or packet.pos is None or not packet.size:
            continue
        # AVI lists where the chunk header begins, 8 bytes before the packet.
        i = by_pos.get(packet.pos, by_pos.get(packet.pos - 8))
        if i is None or packet.is_keyframe != bool(is_key[i]):
            return None
        seen.append((packet.pts - int(base[i]), i))
    shifts = {shift for shift, _ in seen}
    return shifts.pop() if len(shifts) == 1 and any(i == 0 for _, i in seen) else None


def _from_packets(path: Path, stream_index: int) -> FrameIndex:
    """Read all packets of a fresh container without decoding them."""
    shown: list[int] = []
    keys: list[tuple[int, int]] = []
    has_error = False
    # Times that the container leaves out are derived from its decoding times.
    with av.open(str(path), options={"fflags": "+genpts"}) as container:
        stream = container.streams[stream_index]
        if not isinstance(stream, VideoStream):
            raise MediaError(str(path), "it has no picture", "give a video file")
        by_dts = container.format.name == "mpegts"
        is_vp8 = stream.codec_context.name == "vp8"
        try:
            for packet in container.demux(stream):
                if not packet.size:
                    continue
                if is_vp8 and not bytes(packet)[0] & 0x10:
                    continue  # a reference frame that is never shown (RFC 6386, 9.1)
                ticks = packet.pts
                if ticks is None:
                    raise MediaError(
                        str(path),
                        f"the {container.format.name} stream does not say when frames are shown",
                        "put it into an MP4 first (ffmpeg -i IN -c copy OUT.mp4)",
                    )
                if packet.is_keyframe:
                    keys.append((ticks, packet.dts if by_dts and packet.dts else ticks))
                if not packet.is_discard:
                    shown.append(ticks)
        except av.FFmpegError:
            has_error = True
        found: list[str] = []
        if has_error:
            found.append(f"{path.name}: the file is damaged after {len(shown)} frames")
        key_pts, key_dts = np.array(keys, np.int64).reshape(-1, 2).T
        pts = np.array(shown, np.int64)
        index = _finish(path, pts, key_pts, key_dts, stream, is_from_container=False, found=found)
        promised_s = (container.duration or 0) / 1e6
    if promised_s > 1.0 + 1.02 * index.duration_s:
        text = (
            f"{path.name}: the file is cut short or its sound is longer; pictures are there "
            f"for {index.duration_s:.1f} of {promised_s:.1f} s"
        )
        index = replace(index, warnings=(*index.warnings, text))
    return index


def _finish(
    path: Path,
    pts: Int64s,
    key_pts: Int64s,
    key_ticks: Int64s,
    stream: VideoStream,
    *,
    is_from_container: bool,
    found: list[str],
) -> FrameIndex:
    times = np.unique(pts)
    keys, at = np.unique(key_pts, return_index=True)
    n_doubled = len(pts) - len(times)
    if len(keys) and len(times) and times[0] < keys[0]:
        n_lost = int((times < keys[0]).sum())
        found.append(f"{path.name}: {n_lost} frames before the first key frame are left out")
        times = times[n_lost:]
    if len(times) == 0 or len(keys) == 0 or stream.time_base is None:
        raise MediaError(
            str(path), "it has no frame that can be decoded", "record or export it again"
        )
    if n_doubled:
        found.append(f"{path.name}: {n_doubled} frames share the time of another")
    if len(times) > 1:
        last = int(np.median(np.diff(times)))
    else:
        rate = stream.average_rate or stream.guessed_rate
        last = round(1 / (rate * stream.time_base)) if rate else 1
    ticks = key_ticks[at]
    return FrameIndex(times, keys, ticks, stream.time_base, last, is_from_container, tuple(found))
