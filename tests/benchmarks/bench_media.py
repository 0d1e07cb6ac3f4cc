"""How fast an hour of 1080p opens, how fast its frames come, and what it weighs.

Run it from the repository root::

    python -m tests.benchmarks.bench_media [--hours 1] [--gop 250] [--noise 0] [--mkv]

A group of pictures is encoded once and its packets are repeated with shifted times
until the file is an hour long, so the file is real H.264 with B-frames and takes a few
seconds to make. ``--noise`` adds grain, and with it bytes; ``--vfr`` gives every second
frame another duration.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path

import av
import numpy as np

from samnb.store.media import FrameCache, annotation_frames, open_media

FPS = 30
TICKS = 512
"""Ticks of one frame in the repeated stream."""


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def make_group(path: Path, gop: int, noise: int) -> None:
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:1080, 0:1920]
    base = np.stack([columns % 256, rows % 256, (rows + columns) % 256], -1).astype(np.int16)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        stream.options = {
            "preset": "ultrafast",
            "crf": "32",
            "x264-params": f"keyint={gop}:scenecut=0:bframes=2",
        }
        stream.codec_context.thread_count = 0
        for _ in range(gop):
            picture = base
            if noise:
                picture = base + rng.integers(-noise, noise, (1080, 1920, 1), np.int16)
            array = np.clip(picture, 0, 255).astype(np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(array, format="rgb24")))
        out.mux(stream.encode())


def repeat_group(source: Path, target: Path, n_frames: int, gop: int, is_vfr: bool) -> None:
    with av.open(str(source)) as group, av.open(str(target), "w") as out:
        stream = group.streams.video[0]
        packets = [
            (bytes(p), p.pts, p.dts, p.is_keyframe)
            for p in group.demux(stream)
            if p.pts is not None and p.dts is not None
        ]
        ticks = round(1 / (FPS * stream.time_base))
        copy = out.add_stream_from_template(stream)
        for i in range(n_frames // gop):
            shift = i * gop
            for data, pts, dts, is_key in packets:
                packet = av.Packet(data)
                shown, read = pts // ticks + shift, dts // ticks + shift
                late = ticks // 3 if is_vfr else 0
                packet.pts = shown * ticks + late * (shown % 2)
                packet.dts = read * ticks + late * (read % 2) - late
                packet.is_keyframe, packet.time_base = is_key, stream.time_base
                packet.stream = copy
                out.mux(packet)


def rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def timed_ms(reader_frame, frame_idxs) -> np.ndarray:  # type: ignore[no-untyped-def]
    spent = []
    for frame_idx in frame_idxs:
        start = time.perf_counter()
        reader_frame(frame_idx)
        spent.append((time.perf_counter() - start) * 1e3)
    return np.array(spent)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--gop", type=int, default=250)
    parser.add_argument("--noise", type=int, default=0)
    parser.add_argument("--vfr", action="store_true")
    parser.add_argument("--mkv", action="store_true")
    args = parser.parse_args()
    n_frames = round(args.hours * 3600 * FPS / args.gop) * args.gop
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "hour.mkv" if args.mkv else "hour.mp4")
        start = time.perf_counter()
        make_group(Path(folder, "group.mp4"), args.gop, args.noise)
        repeat_group(Path(folder, "group.mp4"), target, n_frames, args.gop, args.vfr)
        say(
            f"made {n_frames} frames, {target.stat().st_size / 1e6:.0f} MB "
            f"in {time.perf_counter() - start:.1f} s"
        )
        say(f"resident before opening     {rss_mb():8.0f} MB")
        start = time.perf_counter()
        reader = open_media(target, cache=FrameCache())
        say(f"open                        {time.perf_counter() - start:8.3f} s")
        say(f"frames, rate                {len(reader)}, {reader.media.fps:.3f}")
        start = time.perf_counter()
        chosen = annotation_frames(reader)
        say(f"choose {len(chosen)} frames         {time.perf_counter() - start:8.3f} s")
        spent = timed_ms(reader.frame, [0])
        say(f"first frame                 {spent[0]:8.1f} ms")
        spent = timed_ms(reader.frame, range(1000, 1300))
        say(f"in order, each              {np.median(spent):8.1f} ms (median)")
        spent = timed_ms(reader.frame, chosen[2000:2100])
        say(f"in order at 6 fps           {np.mean(spent[1:]):8.1f} ms (mean)")
        spent = timed_ms(reader.frame, chosen[3100:3000:-1])
        say(f"backward at 6 fps           {np.mean(spent):8.1f} ms (mean), {spent.max():.0f} worst")
        chance = random.Random(0)
        places = [chance.randrange(len(reader)) for _ in range(20)]
        spent = timed_ms(reader.frame, places)
        say(f"anywhere                    {np.mean(spent):8.1f} ms (mean), {spent.max():.0f} worst")
        key_frames = [p // args.gop * args.gop for p in places]
        spent = timed_ms(reader.frame, key_frames)
        say(f"at key frames               {np.mean(spent):8.1f} ms (mean), {spent.max():.0f} worst")
        scrub = threading.Thread(target=timed_ms, args=(reader.frame, places[::-1]))
        scrub.start()
        spent = timed_ms(reader.frame, range(50_000 % len(reader), 50_000 % len(reader) + 200))
        scrub.join()
        say(f"in order beside scrubbing   {np.median(spent):8.1f} ms (median)")
        spent = timed_ms(lambda i: reader.jpeg(i), chosen[2000:2020])
        say(f"JPEG for the browser        {np.mean(spent):8.1f} ms (mean, with decoding)")
        held_mb = reader.cache.used_bytes / 1e6
        say(f"resident at the end         {rss_mb():8.0f} MB (cache {held_mb:.0f})")
        reader.close()


if __name__ == "__main__":
    main()
