"""Frame-accurate, lazy reading of video files.

A reader keeps up to three decoders. One that is being read in order (a propagation)
is left alone while another serves the jumps of somebody scrubbing, so neither throws
the other back to a key frame. Stepping backward decodes a stretch once and keeps
the frames that the same step will ask for next.
"""

from __future__ import annotations

import itertools
import threading
from pathlib import Path

import av

from samnb.store.cache import FrameCache, Image
from samnb.store.decoder import Decoder, Picture, first_frame, not_readable, open_stream
from samnb.store.fingerprint import fingerprint_file
from samnb.store.frameindex import build_index
from samnb.store.reader import MediaReader, check_size
from samnb.types import Media, MediaError, MediaKind

MAX_DECODERS = 3
"""Decoders of one reader: one for a long pass, one for scrubbing, one to spare."""
LONG_RUN = 3
"""After so many reads in order a decoder counts as busy with a pass."""

_SHORT_STEP = 16
"""A step forward of so many frames may always belong to a pass."""
_MAX_BACKWARD = 32
"""Frames kept at most when stepping backward."""


class VideoReader(MediaReader):
    """A video file. Use :func:`samnb.store.media.open_media`.

    Attributes:
        pixel_aspect: width of a stored pixel over its height; frames are not stretched.
        codec: name of the codec.
    """

    def __init__(self, path: Path, cache: FrameCache | None = None) -> None:
        container, stream = open_stream(path)
        try:
            index = build_index(path, container, stream)
            container.seek(int(index.key_pts[0]), stream=stream)
            self._picture = Picture.of(first_frame(path, container, stream))
            check_size(str(path), self._picture.size_hw)
            media_id = fingerprint_file(path)
        except av.FFmpegError as error:
            container.close()
            raise not_readable(path, error) from error
        except BaseException:
            container.close()
            raise
        self._path, self._index, self._stream_index = path, index, stream.index
        self.codec = stream.codec_context.name
        self.pixel_aspect = float(stream.sample_aspect_ratio or 1)
        n_frames, duration_s = len(index.pts), index.duration_s
        media = Media(
            id=media_id,
            kind=MediaKind.VIDEO,
            name=path.name,
            path=str(path),
            size_hw=self._picture.size_hw,
            n_frames=n_frames,
            fps=n_frames / duration_s if duration_s > 0 else 0.0,
            duration_s=duration_s,
        )
        super().__init__(media, index.times_s, cache, index.warnings)
        self._decoders = [Decoder(container, stream, index, self._picture)]
        self._replaced: set[int] = set()
        self._free = threading.Condition()
        self._clock = itertools.count()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Defects found so far that did not stop the reading, one sentence each."""
        with self._warnings_lock:
            replaced = sorted(self._replaced)
        if not replaced:
            return super().warnings
        some = ", ".join(map(str, replaced[:5])) + (", ..." if len(replaced) > 5 else "")
        text = (
            f"{self.media.name}: {len(replaced)} damaged frames ({some}) are shown as the "
            "last good frame before them"
        )
        return (*super().warnings, text)

    @property
    def n_seeks(self) -> int:
        """Jumps to key frames so far, over all decoders."""
        return sum(decoder.n_seeks for decoder in self._decoders)

    @property
    def n_decoders(self) -> int:
        """Decoders open now."""
        return len(self._decoders)

    def close(self) -> None:
        """Close all decoders, waiting for reads under way."""
        super().close()
        with self._free:
            while any(decoder.is_busy for decoder in self._decoders):
                self._free.wait()
            while self._decoders:
                self._decoders.pop().close()

    def _read(self, frame_idx: int) -> Image:
        decoder, also = self._take(frame_idx)
        try:
            images, good = decoder.read(frame_idx, also)
        except av.FFmpegError as error:
            raise not_readable(self._path, error) from error
        finally:
            with self._free:
                decoder.is_busy = False
                self._free.notify_all()
        name = self.media.name
        if frame_idx not in images:
            last = "" if good is None else f" and the last good one is {good}"
            text = f"frame {frame_idx} of {len(self)} cannot be decoded{last}"
            self._warn(f"{name}: {text}")
            raise MediaError(
                str(self._path), text, "work on the frames before it or repair the file"
            )
        if good is not None:
            with self._warnings_lock:
                self._replaced.add(frame_idx)
        for at in also:
            if at in images:
                self.cache.put_frame(self.media.id, at, images[at])
        return images[frame_idx]

    def _take(self, frame_idx: int) -> tuple[Decoder, range]:
        """Reserve the decoder that disturbs least, and say what else it should keep."""
        with self._free:
            while True:
                self._check(frame_idx)
                free = [d for d in self._decoders if not d.is_busy]
                found = self._choose(free, frame_idx)
                if found is not None:
                    break
                self._free.wait()
            decoder, also = found
            decoder.is_busy, decoder.used_at = True, next(self._clock)
            decoder.stride = also.step if len(also) else 0
            decoder.asked = frame_idx
            return decoder, also

    def _choose(self, free: list[Decoder], frame_idx: int) -> tuple[Decoder, range] | None:
        nothing = range(0)
        onward = [d for d in free if d.reaches(frame_idx) and _stays_in_pass(d, frame_idx)]
        if onward:
            return max(onward, key=lambda d: d.position or 0), nothing
        room = self.cache.frame_bytes // 2 // max(1, 3 * self.size_hw[0] * self.size_hw[1])
        n_kept = min(_MAX_BACKWARD, room)
        for decoder in free:
            back = 0 if decoder.asked is None else decoder.asked - frame_idx
            stride = decoder.stride or back
            if 0 < back <= stride * (n_kept + 1) and back % stride == 0 and stride <= 64:
                first = max(frame_idx % stride, frame_idx - stride * n_kept)
                return decoder, range(first, frame_idx, stride)
        idle = [d for d in free if d.run < LONG_RUN]
        if not idle and len(self._decoders) < MAX_DECODERS:
            container, stream = open_stream(self._path, self._stream_index)
            decoder = Decoder(container, stream, self._index, self._picture)
            self._decoders.append(decoder)
            return decoder, nothing
        if idle or free:
            return min(idle or free, key=lambda d: d.used_at), nothing
        return None


def _stays_in_pass(decoder: Decoder, frame_idx: int) -> bool:
    """Tell whether a step forward looks like the next one of the pass a decoder is on."""
    if decoder.run < LONG_RUN or decoder.position is None:
        return True
    return frame_idx - decoder.position <= max(_SHORT_STEP, 2 * decoder.step)
