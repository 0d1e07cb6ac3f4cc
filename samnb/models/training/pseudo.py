"""Real video, labelled by the model itself and kept where it agrees with itself.

Objects are proposed on the first frame of a window, followed to its end, and from the mask found
there followed back again. A track that lost its object, or took another one up, hardly ever finds
the way back to where it began, so both directions agreeing is evidence that both are right (the
forward-backward error of Kalal et al., ICPR 2010; as a training signal Wang et al., CVPR 2019,
arXiv 1903.07593). It is no proof: what stands still is always found again, and what the model
cannot follow is not there to learn from.

The label is the forward mask. Where the directions disagree on a frame, the object's label does
not count there, and clips are cut around it; the same holds for frames after its last sighting.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from samnb.masks import rle as rle_ops
from samnb.models.base import FramePrompts, FrameSource, Tracker
from samnb.models.grid import GridLevel, GridSettings, propose_masks
from samnb.models.mobile import QUALITY_SIZE
from samnb.models.training.clips import MIN_VISIBLE
from samnb.models.training.common import mask_iou
from samnb.models.training.cutouts import count_borders
from samnb.models.training.realclips import (
    MANIFEST,
    RealWindow,
    read_manifest,
    write_manifest,
)
from samnb.models.training.stock import read_footage
from samnb.models.training.synthetics import fit_square
from samnb.models.training.tracking import ClipFrames

log = logging.getLogger(__name__)

Masks = NDArray[np.bool_]

_LARGEST = 0.35  # share of the frame; above it are mostly walls and floors, as among cut-outs
_ALIKE = 0.6  # of two proposals with a greater IoU one is left out; parts of things stay
_LOOKED_AT = 6  # frames that tell how much a place moves


@dataclass(frozen=True)
class PseudoSettings:
    """How videos are labelled.

    Attributes:
        length: frames of a window.
        fps: of the frames.
        hop: frames from the start of a window to that of the next.
        objects: most objects followed in a window.
        grid: clicks along each side that propose them.
        min_confidence: least predicted IoU of a proposal.
        min_stability: least stability of a proposal, see :mod:`samnb.models.grid`.
        min_motion: least change of a proposal over the window, of 255: the median of its pixels'
            mean differences to later frames. What is stiller teaches nothing, and what passes
            before a still thing changes less than half of it.
        first_iou: least IoU, on the first frame, of where an object began and where the way back
            has led.
        mean_iou: least mean IoU of both directions, over the frames in between.
        frame_iou: an object's label counts on frames where both directions have at least this IoU.
        size: side of the squares that are labelled and stored, in pixels.
        seed: of every random choice.
    """

    length: int = 24
    fps: float = 6.0
    hop: int = 12
    objects: int = 5
    grid: int = 14
    min_confidence: float = 0.7
    min_stability: float = 0.7
    min_motion: float = 4.0
    first_iou: float = 0.75
    mean_iou: float = 0.75
    frame_iou: float = 0.7
    size: int = QUALITY_SIZE
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Cycle:
    """One object followed forward and back.

    Attributes:
        forward: (T, S, S) bool.
        backward: (T, S, S) bool, empty after `end`.
        end: the last frame that shows the object on the way forward: where the way back begins.
        first_iou: IoU of both on the first frame.
        mean_iou: mean IoU between the first frame and `end`, over frames that show the object in
            either direction; 0 when there are none.
        agreed: (T,) bool, the frames on which the label counts; all False for a dropped object.
        is_kept: whether the object passed.
    """

    forward: Masks
    backward: Masks
    end: int
    first_iou: float
    mean_iou: float
    agreed: NDArray[np.bool_]
    is_kept: bool


def judge_cycle(forward: Masks, backward: Masks, end: int, settings: PseudoSettings) -> Cycle:
    """Compare both directions (T, S, S) of one object.

    An object passes when it is followed through at least half of the window and both IoUs reach
    what the settings ask for.
    """
    length = len(forward)
    there, back = torch.from_numpy(forward), torch.from_numpy(backward)
    ious = mask_iou(there, back).numpy()
    shown = (there | back).flatten(1).any(1).numpy()
    between = np.flatnonzero(shown[:end])
    first = float(ious[0])
    # The frame at the end agrees by construction, empty ones say little.
    mean = float(ious[between].mean()) if len(between) else 0.0
    is_kept = 2 * (end + 1) >= length and first >= settings.first_iou and mean >= settings.mean_iou
    agreed = (ious >= settings.frame_iou) & (np.arange(length) <= end) & is_kept
    return Cycle(forward, backward, end, first, mean, agreed, bool(is_kept))


def follow_both_ways(
    tracker: Tracker, frames: FrameSource, first: Masks, settings: PseudoSettings
) -> list[Cycle]:
    """Follow objects forward from their masks (N, S, S) on the first frame, and back again.

    The way back knows nothing of the way there but the mask of the last frame on which the object
    was seen.
    """
    length = len(frames)
    forward = np.zeros((length, *first.shape), np.bool_)
    with closing(tracker.open(frames)) as track:
        for n, mask in enumerate(first):
            track.set_prompts(n, 0, FramePrompts(mask=mask))
        for t, found in track.propagate(start=0, stop=length - 1):
            for n, prediction in found.items():
                forward[t, n] = prediction.mask
    # A sliver is no mask to start from.
    seen = forward.mean((2, 3)) > MIN_VISIBLE
    ends = [int(np.flatnonzero(column)[-1]) if column.any() else 0 for column in seen.T]
    backward = np.zeros_like(forward)
    with closing(tracker.open(frames)) as track:
        for end in sorted(set(ends)):
            members = [n for n, its in enumerate(ends) if its == end]
            for n in members:
                track.set_prompts(n, end, FramePrompts(mask=forward[end, n]))
            for t, found in track.propagate(start=end, stop=0, obj_ids=members):
                for n, prediction in found.items():
                    backward[t, n] = prediction.mask
    return [judge_cycle(forward[:, n], backward[:, n], end, settings) for n, end in enumerate(ends)]


def propose_objects(tracker: Tracker, frames: NDArray[np.uint8], settings: PseudoSettings) -> Masks:
    """Objects on the first of the frames (T, S, S, 3) that move, as masks (N, S, S).

    Confident answers to a grid of clicks, without those that cover too much, touch two borders or
    hardly change. The best, largest and most moving come first.
    """
    grid = GridSettings(
        levels=(GridLevel(settings.grid),),
        min_confidence=settings.min_confidence,
        min_stability=settings.min_stability,
        max_area_share=_LARGEST,
    )
    change = _changes(frames)
    rated: list[tuple[float, Masks]] = []
    for candidate in propose_masks(tracker, frames[0], grid):
        mask = rle_ops.decode(candidate.rle)
        share, motion = float(mask.mean()), float(np.median(change[mask]))
        is_whole = count_borders(mask) < 2
        if is_whole and share > MIN_VISIBLE and motion >= settings.min_motion:
            good = candidate.confidence * candidate.stability
            rated.append((good * motion * math.sqrt(share), mask))
    kept: list[Masks] = []
    for _, mask in sorted(rated, key=lambda pair: -pair[0]):
        if len(kept) < settings.objects and not any(_iou(mask, k) > _ALIKE for k in kept):
            kept.append(mask)
    return np.stack(kept) if kept else np.zeros((0, *frames.shape[1:3]), np.bool_)


def _changes(frames: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How much each pixel (S, S) differs from itself on later frames, 0 to 255."""
    later = frames[np.linspace(1, len(frames) - 1, min(_LOOKED_AT, len(frames) - 1)).astype(int)]
    changes: NDArray[np.float64] = np.abs(later.astype(float) - frames[0]).mean((0, 3))
    return changes


def _iou(a: Masks, b: Masks) -> float:
    return float(mask_iou(torch.from_numpy(a), torch.from_numpy(b)))


def label_window(
    tracker: Tracker, name: str, frames: NDArray[np.uint8], settings: PseudoSettings
) -> list[Cycle]:
    """Propose objects on the first of the frames (T, S, S, 3) and follow them both ways.

    Args:
        tracker: the model.
        name: names the frames, so that they are encoded once for both directions.
        frames: the window.
        settings: see there.
    """
    first = propose_objects(tracker, frames, settings)
    if not len(first):
        return []
    return follow_both_ways(tracker, ClipFrames(frames, name), first, settings)


def cut_windows(
    path: Path, settings: PseudoSettings, rng: np.random.Generator
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield (name, (T, S, S, 3) uint8) of a video's windows; names are like ``clip@w0012``.

    A video that is shorter than a window is one window. One of a single frame has none.
    """
    film = read_footage(path, settings.fps, side=2 * settings.size)
    length = min(settings.length, len(film))
    if length < 2:
        return
    offset = int(rng.integers(0, (len(film) - length) % settings.hop + 1))
    for start in range(offset, len(film) - length + 1, settings.hop):
        frames = [fit_square(frame, settings.size) for frame in film[start : start + length]]
        yield f"{path.stem}@w{start:04d}", np.stack(frames)


def label_videos(
    tracker: Tracker,
    paths: Sequence[Path],
    folder: Path,
    settings: PseudoSettings,
    *,
    minutes: float = math.inf,
    clock: Callable[[], float] = time.monotonic,
    on_window: Callable[[str, list[Cycle]], None] | None = None,
) -> dict[str, float]:
    """Label every window of the videos that is not in `folder` yet.

    The folder gets a `.npz` for each window with a kept object and `manifest.json`, which tells of
    all windows what was found; videos are known by their names alone.

    Args:
        tracker: the model.
        paths: videos.
        folder: see above; an interrupted run goes on where it was.
        settings: those that the folder was begun with.
        minutes: no window is begun after so many.
        clock: seconds.
        on_window: called with each window's name and all its objects, dropped ones too.

    Returns:
        Of all windows in the folder: ``windows``, ``windows_kept``, ``objects`` and
        ``objects_kept``, ``agreed``, the share of frames of kept objects whose labels count,
        ``copied``, the mean IoU that their first mask has with the last one that counts, and
        ``seconds``, the time that labelling took; ``left``, 1 when time ran out.

    Raises:
        FileNotFoundError: a video is missing.
        ValueError: two videos of one name, or a folder of other settings or another model.
    """
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such video")
    if len({path.stem for path in paths}) < len(paths):
        raise ValueError(f"media: expected different names, got {[p.stem for p in paths]}")
    folder.mkdir(parents=True, exist_ok=True)
    manifest = _begin(folder, tracker.name, settings)
    windows: dict[str, Any] = manifest["windows"]
    begun, is_late = clock(), False
    for path in paths:
        rng = np.random.default_rng([settings.seed, *path.stem.encode()])
        for name, frames in cut_windows(path, settings, rng) if not is_late else ():
            if name in windows:
                continue
            is_late = clock() - begun > minutes * 60
            if is_late:
                break
            started = clock()
            cycles = label_window(tracker, name, frames, settings)
            kept = [cycle for cycle in cycles if cycle.is_kept]
            if kept:
                masks = np.stack([cycle.forward for cycle in kept], axis=1)
                agreed = np.stack([cycle.agreed for cycle in kept], axis=1)
                RealWindow.pack(name, frames, masks, agreed).save(folder / f"{name}.npz")
            windows[name] = {
                "source": path.stem,
                "frames": len(frames),
                "kept": len(kept),
                "seconds": round(clock() - started, 1),
                "objects": [_describe(cycle) for cycle in cycles],
            }
            write_manifest(folder, manifest)
            log.info(
                "%s: %d of %d objects kept, %.0f s",
                *(name, len(kept), len(cycles), windows[name]["seconds"]),
            )
            if on_window is not None:
                on_window(name, cycles)
    return _summary(windows) | {"left": float(is_late)}


def _begin(folder: Path, model: str, settings: PseudoSettings) -> dict[str, Any]:
    wanted = {"model": model, "settings": dataclasses.asdict(settings)}
    if not (folder / MANIFEST).exists():
        return {**wanted, "windows": {}}
    manifest = read_manifest(folder)
    found = {key: manifest[key] for key in wanted}
    if found != wanted:
        raise ValueError(f"{folder}: expected windows labelled with {wanted}, got {found}")
    return manifest


def _describe(cycle: Cycle) -> dict[str, float | int | bool]:
    """What the manifest tells of an object; `copied`: how far its first mask alone gets."""
    counted = np.flatnonzero(cycle.agreed)
    last = int(counted[-1]) if len(counted) else cycle.end
    first, final = (torch.from_numpy(cycle.forward[t]) for t in (0, last))
    return {
        "kept": cycle.is_kept,
        "first_iou": round(cycle.first_iou, 3),
        "mean_iou": round(cycle.mean_iou, 3),
        "end": cycle.end,
        "agreed": len(counted),
        "share": round(float(cycle.forward[0].mean()), 4),
        "copied": round(float(mask_iou(first, final)), 3),
    }


def _summary(windows: dict[str, Any]) -> dict[str, float]:
    objects = [(window, found) for window in windows.values() for found in window["objects"]]
    kept = [(window, found) for window, found in objects if found["kept"]]
    frames = sum(window["frames"] for window, _ in kept)
    return {
        "windows": float(len(windows)),
        "windows_kept": float(sum(window["kept"] > 0 for window in windows.values())),
        "objects": float(len(objects)),
        "objects_kept": float(len(kept)),
        "agreed": sum(found["agreed"] for _, found in kept) / max(frames, 1),
        "copied": float(np.mean([found["copied"] for _, found in kept])) if kept else 0.0,
        "seconds": float(sum(window["seconds"] for window in windows.values())),
    }
