"""How long a click and a frame take, beside what is aimed at, and what a session weighs.

Run it from the repository root::

    OMP_NUM_THREADS=2 python -m tests.benchmarks.bench_tracker [--image-size 256 448]

`--with-package` measures the `sam2` package's own code in the same run, in turns, and the ratio of
both. Wall and processor time are medians over all frames (clicks) of all repeats, with the least
one beside: on a machine that does other things the least wall time is the one to compare. The clip
is synthetic: rectangles that move over noise.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from contextlib import nullcontext
from statistics import median

import numpy as np

from samnb.models.base import FramePrompts
from samnb.models.registry import load_model
from samnb.models.threads import set_threads
from tests.models.packaged import package_code

NEW, AGAIN, ONE, MANY = (
    "first click on a new frame",
    "later click on it",
    "tracked frame, 1 object",
    "tracked frame, 5 objects",
)
AIMS_MS = {
    256: {NEW: 200.0, AGAIN: 25.0, ONE: 120.0, MANY: 1.6 * 120.0},
    448: {ONE: 360.0},
}
_CLICKS = 4  # new frames clicked on in each repeat


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


class Times:
    """Wall and processor milliseconds of one kind of step."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.processor: list[float] = []

    def take(self, step):
        wall, processor = time.perf_counter(), time.process_time()
        result = step()
        self.wall.append((time.perf_counter() - wall) * 1e3)
        self.processor.append((time.process_time() - processor) * 1e3)
        return result

    def row(self, name: str, aim: float | None) -> str:
        aimed = "" if aim is None else f"   aim {aim:5.0f}"
        return (
            f"  {name:27}{median(self.wall):8.1f} ({min(self.wall):6.1f}) ms wall"
            f"{median(self.processor):8.1f} ({min(self.processor):6.1f}) ms processor{aimed}"
        )


def click(*points_xy: tuple[float, float]) -> FramePrompts:
    return FramePrompts(np.array(points_xy, np.float32), np.ones(len(points_xy), np.int32))


def track(model, n_objects: int, n_frames: int, size_hw: tuple[int, int], times: Times) -> str:
    """Follow objects from one click each; says what the session holds in the end."""
    frames = Noise(n_frames, size_hw, n_objects)
    session = model.open(frames)
    for obj in range(n_objects):
        session.set_prompts(obj, 0, click(frames.centre(obj, 0)))
    run = session.propagate(start=0, stop=n_frames - 1)
    # The first frames have less of a past than all others.
    for _ in range(1 + n_frames // 4):
        next(run)
    for _ in range(n_frames - 1 - n_frames // 4):
        times.take(lambda: next(run))
    held = f"{session.nbytes / 2**20:.1f} MiB in {session.n_remembered} tracked outputs"
    session.close()
    return held


def clicks(model, size_hw: tuple[int, int], first: Times, later: Times) -> None:
    """Click on frames that nobody has looked at, each on an object of its own, and once more."""
    frames = Noise(_CLICKS + 1, size_hw, 1)
    session = model.open(frames)
    session.segment(0, click(frames.centre(0, 0)))
    for position in range(1, _CLICKS + 1):
        x, y = frames.centre(0, position)
        one, two = click((x, y)), click((x, y), (x + 9, y + 9))
        first.take(lambda o=one, p=position: session.set_prompts(p, p, o))
        later.take(lambda o=two, p=position: session.set_prompts(p, p, o))
    session.close()


def measure(
    model, options: argparse.Namespace, size_hw: tuple[int, int]
) -> tuple[dict[bool, dict[str, Times]], dict[str, str]]:
    """All steps: with this project's code (False) and, where asked, the package's (True)."""
    found: dict[bool, dict[str, Times]] = {}
    held: dict[str, str] = {}
    for _ in range(options.repeats):
        for is_package in (False, True)[: 1 + options.with_package]:
            with package_code() if is_package else nullcontext():
                steps = found.setdefault(is_package, {})
                clicks(
                    model,
                    size_hw,
                    steps.setdefault(NEW, Times()),
                    steps.setdefault(AGAIN, Times()),
                )
                for n in options.objects:
                    name = f"tracked frame, {n} object{'s' * (n > 1)}"
                    times = steps.setdefault(name, Times())
                    held[name] = track(model, n, options.frames, size_hw, times)
    return found, held


def report(
    found: dict[bool, dict[str, Times]], held: dict[str, str], aims: dict[str, float]
) -> None:
    for is_package, steps in found.items():
        if is_package:
            say("  the same with the sam2 package's own code:")
        for name, times in steps.items():
            say(times.row(name, None if is_package else aims.get(name)))
        if ONE in steps and MANY in steps:
            many, one = steps[MANY], steps[ONE]
            ratios = [part(of[0]) / part(of[1]) for of in ((many.wall, one.wall),
                      (many.processor, one.processor)) for part in (median, min)]  # fmt: skip
            say("  five objects / one{:17.2f} ({:6.2f}){:16.2f} ({:6.2f})".format(*ratios))
    for name in found[False] if True in found else ():
        ratio = median(found[True][name].wall) / median(found[False][name].wall)
        least = min(found[True][name].wall) / min(found[False][name].wall)
        say(f"  {name:27}{ratio:8.2f} ({least:6.2f}) times as fast as the package")
    for name, text in held.items():
        say(f"  {name:27}  holds {text}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="mobile")
    parser.add_argument(
        "--image-size", type=int, nargs="+", default=[256], help="builds of mobile, in pixels"
    )
    parser.add_argument("--device")
    parser.add_argument("--dtype")
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 5])
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--size", type=int, nargs=2, default=[960, 540], metavar=("W", "H"))
    parser.add_argument("--threads", type=int)
    parser.add_argument("--with-package", action="store_true", help="sam2's own code, too")
    options = parser.parse_args()
    threads = set_threads(options.threads)
    is_mobile = options.model == "mobile"
    for size in options.image_size if is_mobile else [0]:
        name = f"mobile@{size}" if is_mobile else options.model
        started = time.perf_counter()
        model = load_model(name, device=options.device, dtype=options.dtype)
        took = time.perf_counter() - started
        say(f"{model.name}, {threads} thread(s), frames of {options.size[0]} x {options.size[1]}, "
            f"loaded in {took:.1f} s; median (least)")  # fmt: skip
        report(*measure(model, options, (options.size[1], options.size[0])), AIMS_MS.get(size, {}))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say(f"peak resident memory {peak:.0f} MiB")


if __name__ == "__main__":
    main()
