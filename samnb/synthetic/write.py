"""Clips as files: a video to open, or the folders of the DAVIS layout."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import Colorspace, VideoReformatter
from PIL import Image as PilImage

from samnb.synthetic.clip import Clip
from samnb.types import InputError, MediaError

_CODECS = (
    # Without the flag x264's faster code gives the same pictures other bytes from time to time.
    ("libx264", {"preset": "veryfast", "crf": "18", "x264-params": "cpu-independent=1"}),
    ("libopenh264", {"b": "6M"}),
    ("mpeg4", {"qscale": "3", "flags": "+qscale"}),
)
"""Encoders to try, best first: what is there depends on how PyAV was built."""


class Film(Protocol):
    """Frames to write: a :class:`~samnb.synthetic.clip.Clip`, or anything that has these."""

    @property
    def fps(self) -> float:
        """Frames per second."""

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""

    def __len__(self) -> int: ...

    def frame(self, index: int) -> npt.NDArray[np.uint8]:
        """Return a frame as (H, W, 3) uint8 RGB."""


def write_video(clip: Film, path: str | Path) -> Path:
    """Write a clip as an MP4: H.264 where PyAV has an encoder for it, else MPEG-4.

    Colours are tagged BT.709 from 720 lines on and BT.601 below, as players assume. Sides of
    odd length keep full colour resolution, which not every browser plays.

    Args:
        clip: to be drawn.
        path: of the file; its folder must exist.

    Returns:
        ``path``.

    Raises:
        MediaError: the file cannot be written.
    """
    height, width = clip.size_hw
    codec, options = next(c for c in _CODECS if c[0] in av.codecs_available)
    space = Colorspace.ITU709 if height >= 720 else Colorspace.ITU601
    pix_fmt = "yuv420p" if height % 2 == 0 and width % 2 == 0 else "yuv444p"
    rate = Fraction(clip.fps).limit_denominator(1001)
    reformatter = VideoReformatter()
    try:
        with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as out:
            stream = out.add_stream(codec, rate=rate, options=options)
            stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
            stream.codec_context.colorspace = int(space)
            for i in range(len(clip)):
                rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(clip.frame(i)))
                frame = reformatter.reformat(rgb, format=pix_fmt, dst_colorspace=space)
                frame.pts = i
                out.mux(stream.encode(frame))
            out.mux(stream.encode())
    except (av.FFmpegError, OSError) as error:
        raise MediaError(
            str(path), f"the clip cannot be written ({error.strerror})", "choose another place"
        ) from error
    return Path(path)


def write_davis(clip: Clip, folder: str | Path, *, name: str | None = None) -> Path:
    """Write a clip in the layout of DAVIS 2017.

    Frames go to ``JPEGImages/480p/NAME/00000.jpg`` and masks to
    ``Annotations/480p/NAME/00000.png``, whose pixel values are object numbers and whose
    palette is that of DAVIS. Look-alikes are left out of the masks, as bystanders are there.

    Args:
        clip: to be drawn.
        folder: the root of the data set; made where missing.
        name: of the video; None for the clip's own.

    Returns:
        The folder of frames.

    Raises:
        InputError: the name is no plain folder name.
    """
    name = clip.name if name is None else name
    if not name or Path(name).name != name:
        raise InputError(f"name: expected a plain folder name, got {name!r}")
    images = Path(folder) / "JPEGImages" / "480p" / name
    annotations = Path(folder) / "Annotations" / "480p" / name
    for place in (images, annotations):
        place.mkdir(parents=True, exist_ok=True)
    wanted = np.zeros(256, np.uint8)
    for thing in clip.objects:
        wanted[thing.obj_id] = thing.obj_id
    colours = davis_palette().ravel().tolist()
    for i in range(len(clip)):
        frame = PilImage.fromarray(clip.frame(i))
        frame.save(images / f"{i:05d}.jpg", quality=95)
        indexed = PilImage.fromarray(wanted[clip.labels(i)])
        indexed.putpalette(colours)
        indexed.save(annotations / f"{i:05d}.png")
    return images


def davis_palette() -> npt.NDArray[np.uint8]:
    """Return DAVIS' palette, (256, 3) uint8: the bits of the index spread over the channels.

    Bit 0 of the index gives the top bit of red, bit 1 of green, bit 2 of blue, bit 3 the next
    one of red, and so on (the colour map of PASCAL VOC, which DAVIS took over).
    """
    index = np.arange(256)
    palette = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        palette[:, bit % 3] |= ((index >> bit & 1) << (7 - bit // 3)).astype(np.uint8)
    return palette
