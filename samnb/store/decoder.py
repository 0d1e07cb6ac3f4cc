"""Decoding video through PyAV: opening streams, jumping to a frame, making RGB.

Frames are shown as the file asks for: rotated and mirrored by its display matrix,
colours by its matrix (BT.709 for an untagged picture of 720 lines and more, else
BT.601). Pixels that are not square are *not* stretched: masks belong to stored
pixels. HDR is not tone-mapped and interlaced lines are not merged.

PyAV hands the display matrix over as side data of every decoded frame, whichever
container it stood in; ``VideoFrame.rotation`` reads the same matrix but loses mirroring.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter
from av.video.stream import VideoStream

from samnb.store.cache import Image
from samnb.store.frameindex import FrameIndex
from samnb.store.mp4 import top_boxes
from samnb.types import MediaError, MediaMissingError

_SEEK_COST = 8
"""A jump to a key frame costs about as much as decoding this many frames."""
_NOT_VIDEO = ("tty", "image2", "srt", "ass", "webvtt", "lrc", "txd", "bin", "xbin", "adf", "idf")
_UNTAGGED = 2
"""AVCOL_SPC_UNSPECIFIED."""


@dataclass(frozen=True)
class Picture:
    """How decoded pictures of a stream become frames.

    Attributes:
        stored_hw: height and width as stored.
        is_transposed, flips_x, flips_y: what the display matrix asks for, in this order.
        space: colour matrix of untagged pictures.
    """

    stored_hw: tuple[int, int]
    is_transposed: bool
    flips_x: bool
    flips_y: bool
    space: Colorspace

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width as shown."""
        height, width = self.stored_hw
        return (width, height) if self.is_transposed else (height, width)

    @classmethod
    def of(cls, frame: VideoFrame) -> Picture:
        """Read it off the first frame; angles between are taken to the nearest quarter."""
        a, b, c, d = 1, 0, 0, 1
        side_data = cast(Any, frame.side_data)  # its stub knows motion vectors only
        if SideDataType.DISPLAYMATRIX in side_data:
            raw = np.frombuffer(bytes(side_data[SideDataType.DISPLAYMATRIX]), np.int32)
            a, b, c, d = (int(raw[i]) for i in (0, 1, 3, 4))
        turned = abs(b) + abs(c) > abs(a) + abs(d)
        space = Colorspace.ITU709 if frame.height >= 720 else Colorspace.ITU601
        return cls(
            stored_hw=(frame.height, frame.width),
            is_transposed=turned,
            flips_x=(c if turned else a) < 0,
            flips_y=(b if turned else d) < 0,
            space=space,
        )


class Decoder:
    """One open file that decodes forward from wherever it stands.

    Attributes:
        position: number of the frame decoded last, or None after opening.
        run: reads in a row that needed no seek.
        step: how far the last of them went forward, in frames.
        n_seeks: seeks so far.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        index: FrameIndex,
        picture: Picture,
    ) -> None:
        self.position: int | None = None
        self.asked: int | None = None
        self.stride = 0
        self.run = 0
        self.step = 0
        self.n_seeks = 0
        self.used_at = 0
        self.is_busy = False
        self._index, self._picture = index, picture
        self._container, self._stream = container, stream
        self._reformatter = VideoReformatter()
        self._frames: Iterator[VideoFrame] = iter(())
        self._held: VideoFrame | None = None

    def reaches(self, frame_idx: int) -> bool:
        """Tell whether decoding on is cheaper than jumping to a key frame."""
        if self.position is None or self.position > frame_idx:
            return False
        key_pts = self._index.key_pts[self._index.key_before(frame_idx)]
        from_key = frame_idx - int(np.searchsorted(self._index.pts, key_pts))
        return frame_idx - self.position <= from_key + _SEEK_COST

    def read(self, frame_idx: int, also: range) -> tuple[dict[int, Image], int | None]:
        """Decode up to a frame.

        Args:
            frame_idx: the frame wanted.
            also: earlier frames to hand over when they come by.

        Returns:
            Frames by number, and the number of the last good frame if the wanted one
            could not be decoded (then the latter stands in its place in the result,
            if a later one could be decoded, and is absent if not).
        """
        if not self.reaches(frame_idx):
            self._seek(self._index.key_before(frame_idx))
            self.run = 0
        self.run += 1
        self.step = frame_idx - (frame_idx if self.position is None else self.position)
        got: dict[int, Image] = {}
        before = self._held, self.position
        if self._held is not None and self.position is not None:
            if self.position in also:
                got[self.position] = self._image(self._held)
            if self.position >= frame_idx:
                got[frame_idx] = self._image(self._held)
                return got, None if self.position == frame_idx else self.position
        for frame in self._frames:
            at = None if frame.pts is None else self._index.find(frame.pts)
            if at is None:
                continue
            self._held, self.position = frame, at
            if at in also and at < frame_idx:
                got[at] = self._image(frame)
            if at == frame_idx:
                got[at] = self._image(frame)
                return got, None
            if at > frame_idx:
                stand_in, good = before
                got[frame_idx] = self._image(frame if stand_in is None else stand_in)
                return got, at if good is None else good
            before = frame, at
        self.position = None
        return got, before[1]

    def close(self) -> None:
        """Close the file."""
        self._frames, self._held = iter(()), None
        self._container.close()

    def _seek(self, key: int) -> None:
        """Stand at a key frame, or at an earlier one where the container lands late."""
        back = 1
        while True:
            key_pts = int(self._index.key_pts[key])
            shown_from = int(self._index.pts[np.searchsorted(self._index.pts, key_pts)])
            self._container.seek(int(self._index.key_ticks[key]), stream=self._stream)
            if self._starts_at(key_pts) <= shown_from:
                return
            if key == 0:
                break
            key, back = max(0, key - back), 2 * back
        # Containers without an index (MPEG-TS) may miss even the first key frame.
        self._container.seek(0, unsupported_byte_offset=True)
        self._starts_at(key_pts)

    def _starts_at(self, key_pts: int) -> float:
        """Decode one frame after a seek and return its time; infinity if there is none."""
        self.n_seeks += 1
        self._held, self.position = None, None
        self._frames = self._decode(key_pts)
        for frame in self._frames:
            if frame.pts is not None and self._index.find(frame.pts) is not None:
                self._held, self.position = frame, self._index.find(frame.pts)
                return frame.pts
        return math.inf

    def _decode(self, first_pts: int) -> Iterator[VideoFrame]:
        """Yield shown frames; those before the key frame lack their references."""
        packets = self._container.demux(self._stream)
        is_good = False
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                if packet.is_corrupt:
                    continue  # cut short; decoding it would lose good frames held back
                frames = packet.decode()
            except (av.InvalidDataError, av.EOFError):
                continue
            for frame in frames:
                is_good = is_good or frame.pts is None or frame.pts >= first_pts or frame.key_frame
                if is_good:
                    yield frame

    def _image(self, frame: VideoFrame) -> Image:
        picture = self._picture
        height, width = picture.stored_hw
        untagged = int(frame.colorspace) == _UNTAGGED
        rgb = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="rgb24",
            src_colorspace=picture.space if untagged else None,
        )
        image: Image = np.asarray(rgb.to_ndarray(), np.uint8)
        if picture.is_transposed:
            image = image.transpose(1, 0, 2)
        if picture.flips_x:
            image = image[:, ::-1]
        if picture.flips_y:
            image = image[::-1]
        return np.ascontiguousarray(image)


def open_stream(path: Path, stream_index: int | None = None) -> tuple[InputContainer, VideoStream]:
    """Open a file and its (first) real video stream, ready for decoding.

    Raises:
        MediaError: no media file, no picture in it, or no decoder for it.
    """
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError, ValueError) as error:
        raise not_readable(path, error) from error
    name = container.format.name
    streams = container.streams.video
    moving = [s for s in streams if not s.disposition & Disposition.attached_pic]
    if stream_index is not None:
        moving = [s for s in moving if s.index == stream_index]
    if name in _NOT_VIDEO or name.endswith("_pipe"):
        container.close()
        raise MediaError(
            str(path),
            "this is not a media file, or a kind of image that cannot be read",
            "give a JPEG, PNG or WebP image, a video or a folder of frames",
        )
    if not moving:
        has_sound = len(container.streams.audio) > 0
        container.close()
        problem = "it holds sound but no picture" if has_sound else "it holds no picture"
        raise MediaError(str(path), problem, "give a video, an image or a folder of frames")
    stream = moving[0]
    if stream.codec_context is None:
        container.close()
        raise _unsupported(path, "of an unknown codec")
    stream.thread_type = "AUTO"
    # Every thread holds frames of its own; four keep memory bounded on large machines.
    stream.codec_context.thread_count = min(4, os.cpu_count() or 1)
    return container, stream


def first_frame(path: Path, container: InputContainer, stream: VideoStream) -> VideoFrame:
    """Decode the first picture from where the container stands.

    Raises:
        MediaError: none comes out.
    """
    packets = container.demux(stream)
    n_failed, text = 0, "no picture came out"
    while n_failed < 100:
        try:
            packet = next(packets, None)
            if packet is None:
                break
            for frame in packet.decode():
                return frame
        except av.InvalidDataError:
            n_failed += 1
        except av.FFmpegError as error:
            text = str(error.strerror)
            break
    raise _unsupported(path, f"as {stream.codec_context.name}: {text}")


def _unsupported(path: Path, what: str) -> MediaError:
    return MediaError(
        str(path),
        f"its picture cannot be decoded ({what})",
        "convert it to H.264 MP4 (ffmpeg -i IN -c:v libx264 -pix_fmt yuv420p OUT.mp4)",
    )


def not_readable(path: Path, error: Exception) -> MediaError:
    """Say in one line why libav could not open a file."""
    if not path.exists():
        return MediaMissingError(str(path), "the file is gone", "put it back or relink the medium")
    kinds = [kind for kind, _, _ in top_boxes(path)]
    if kinds[:1] in (["ftyp"], ["wide"], ["mdat"], ["free"]) and "moov" not in kinds:
        return MediaError(
            str(path),
            "the file is cut short: its index (moov) is missing",
            "copy or download it again, or repair the recording",
        )
    if isinstance(error, PermissionError):
        return MediaError(str(path), "the file may not be read", "check its permissions")
    return MediaError(
        str(path),
        "this is not a media file, or its beginning is damaged",
        "give an image, a video or a folder of frames",
    )
