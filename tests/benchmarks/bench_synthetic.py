"""How long made-up clips take: per clip, per frame, and the demo video.

Run it from the repository root::

    python -m tests.benchmarks.bench_synthetic [--size 240x320] [--clips 20]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from samnb.synthetic import demo_clip, make_clip


def say(what: str, start: tuple[float, float], n: int) -> None:
    wall, cpu = time.perf_counter() - start[0], time.process_time() - start[1]
    sys.stdout.write(f"{what:32s}{wall / n * 1e3:10.1f} ms{cpu / n * 1e3:10.1f} ms of processor\n")


def now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", default="240x320")
    parser.add_argument("--clips", type=int, default=20)
    args = parser.parse_args()
    height, width = map(int, args.size.split("x"))
    make_clip(0).frame(0)  # reads the photographs
    for difficulty in (0.0, 0.5, 1.0):
        start = now()
        clips = [
            make_clip(seed, size_hw=(height, width), difficulty=difficulty)
            for seed in range(args.clips)
        ]
        say(f"difficulty {difficulty}: a clip", start, len(clips))
        start = now()
        for clip in clips:
            for i in range(len(clip)):
                clip.frame(i)
        say(f"difficulty {difficulty}: a frame", start, sum(map(len, clips)))
    with tempfile.TemporaryDirectory() as folder:
        start = now()
        demo_clip(Path(folder, "demo.mp4"))
        say("the demo video", start, 1)


if __name__ == "__main__":
    main()
