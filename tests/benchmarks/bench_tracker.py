"""How long a click and a frame take, and what a session weighs.

Run it from the repository root::

    python tests/benchmarks/bench_tracker.py [--model mobile] [--objects 1 5] [--frames 40]

Times are wall and processor time of one process; on a machine that does other things the second
is the one to compare. The clip is synthetic: rectangles that move over noise.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time

import numpy as np

from samnb.models.base import FramePrompts
from samnb.models.registry import load_model
from samnb.models.threads import set_threads


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Noise:
    """Frames of noise with as many moving rectangles as there are objects."""

    def __init__(self, n_frames: int, size_hw: tuple[int, int], n_objects: int) -> None:
        self.n_frames, self.size_hw, self.n_objects = n_frames, size_hw, n_objects
        rng = np.random.default_rng(0)
        self._ground = rng.integers(60, 120, (*size_hw, 3), dtype=np.uint8)
        self._colours = rng.integers(0, 255, (n_objects, 3), dtype=np.uint8)

    def __len__(self) -> int:
        return self.n_frames

    def centre(self, obj: int, index: int) -> tuple[int, int]:
        height, width = self.size_hw
        x = (width * (2 * obj + 1)) // (2 * self.n_objects) + index
        return x % width, height // 3 + (obj % 2) * height // 4

    def frame(self, index: int) -> np.ndarray:
        image = self._ground.copy()
        half = min(self.size_hw) // 10
        for obj in range(self.n_objects):
            x, y = self.centre(obj, index)
            image[max(y - half, 0) : y + half, max(x - half, 0) : x + half] = self._colours[obj]
        return image


class Watch:
    """Wall and processor milliseconds since it was made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def per(self, n: int = 1) -> str:
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        return f"{wall / n * 1e3:8.1f} ms wall {cpu / n * 1e3:8.1f} ms processor"


def click(x: float, y: float, label: int = 1) -> FramePrompts:
    return FramePrompts(np.array([[x, y]], np.float32), np.array([label], np.int32))


def measure(model, n_objects: int, n_frames: int, size_hw: tuple[int, int]) -> None:
    frames = Noise(n_frames, size_hw, n_objects)
    session = model.open(frames)
    say(f"\n{n_objects} object(s), {n_frames} frames of {size_hw[1]} x {size_hw[0]}")
    watch = Watch()
    session.set_prompts(0, 0, click(*frames.centre(0, 0)))
    say(f"  first click on a frame     {watch.per()}")
    watch = Watch()
    for obj in range(n_objects):
        session.set_prompts(obj, 0, click(*frames.centre(obj, 0)))
    say(f"  click on an encoded frame  {watch.per(n_objects)}")
    next(session.propagate(start=0, stop=0))
    watch = Watch()
    for _ in session.propagate(start=0, stop=n_frames - 1):
        pass
    say(f"  propagated frame           {watch.per(n_frames - 1)}")
    watch = Watch()
    session.set_prompts(0, n_frames // 2, click(*frames.centre(0, n_frames // 2)))
    say(f"  correction in the middle   {watch.per()}")
    outputs = session.n_remembered
    say(f"  held: {session.nbytes / 2**20:.1f} MiB in {outputs} tracked outputs")
    session.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="mobile")
    parser.add_argument("--device")
    parser.add_argument("--dtype")
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 5])
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--size", type=int, nargs=2, default=[960, 540], metavar=("W", "H"))
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    threads = set_threads(options.threads)
    watch = Watch()
    model = load_model(options.model, device=options.device, dtype=options.dtype)
    say(f"{model.name}, {threads} thread(s)\n  loaded                     {watch.per()}")
    for n_objects in options.objects:
        measure(model, n_objects, options.frames, (options.size[1], options.size[0]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say(f"\npeak resident memory {peak:.0f} MiB")


if __name__ == "__main__":
    main()
