"""Clips for the media tests: every frame carries its number as sixteen black or white
blocks, so that a test can read off the pixels which frame it got."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

HEIGHT, WIDTH = 96, 160
_BLOCK = 20
_ROWS = (0, 32)


def numbered(number: int) -> npt.NDArray[np.uint8]:
    """Draw a frame (96, 160, 3) whose upper blocks are the bits of its number."""
    frame = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    frame[64:, :, 1] = (np.arange(WIDTH) + 3 * number) % 256
    for bit in range(16):
        top, left = _ROWS[bit // 8], bit % 8 * _BLOCK
        frame[top : top + 32, left : left + _BLOCK] = 255 if number >> bit & 1 else 0
    return frame


def read_number(frame: npt.NDArray[np.uint8]) -> int:
    """Read the number off a frame drawn by :func:`numbered`."""
    number = 0
    for bit in range(16):
        top, left = _ROWS[bit // 8] + 8, bit % 8 * _BLOCK + 6
        number |= int(frame[top : top + 16, left : left + 8].mean() > 128) << bit
    return number


def write_clip(
    path: Path,
    n_frames: int = 60,
    *,
    pts: Sequence[int] | None = None,
    tick: Fraction = Fraction(1, 24),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    rotation: int | None = None,
    b_frames: int = 2,
    gop: int = 12,
) -> Path:
    """Encode numbered frames; by default 24 fps H.264 with B-frames."""
    with av.open(str(path), "w", options=container or {}) as out:
        stream = out.add_stream(codec, rate=24)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pix_fmt
        stream.codec_context.time_base = tick
        stream.codec_context.gop_size, stream.codec_context.max_b_frames = gop, b_frames
        stream.options = options or {}
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for i in range(n_frames):
            frame = av.VideoFrame.from_ndarray(numbered(i), format="rgb24")
            frame.pts, frame.time_base = (i if pts is None else pts[i]), tick
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def write_sound(path: Path) -> Path:
    """Encode a second of silence without any picture."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=44100)
        for i in range(20):
            frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
            frame.sample_rate, frame.pts = 44100, i * 1024
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path
