"""J&F of two folders of masks, in SA-V's layout or in DAVIS's.

SA-V: ``video/object/frame.png``, one binary picture per object and frame, because
objects may overlap. DAVIS: ``video/frame.png``, palette indices as objects. Which one
it is follows from the truth's folder, video by video.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from samnb.metrics.jf import BOUND, ObjectScore, Tally, VosScore, mean_score
from samnb.types import FormatError, InputError

_WORTH_PROCESSES: Final = 300
"""Fewer frames than this are scored sooner than a worker process starts."""
_ROOTS: Final = ("Annotations_6fps", "Annotations")
_RESOLUTIONS: Final = ("480p", "Full-Resolution")


@dataclass(frozen=True, slots=True)
class _Job:
    """One folder of PNGs: an object of an SA-V video, or a whole DAVIS video."""

    video: str
    obj: str | None
    gt_dir: Path
    pred_dir: Path
    frames: tuple[str, ...]
    bound: float

    @property
    def label(self) -> str:
        return self.video if self.obj is None else f"{self.video}/{self.obj}"


def eval_vos(
    gt_dir: str | os.PathLike[str],
    pred_dir: str | os.PathLike[str],
    *,
    skip_first_and_last: bool = True,
    strict: bool = True,
    bound: float = BOUND,
    processes: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> VosScore:
    """Score predicted masks against true ones, video by video and object by object.

    Predictions may have more frames than the truth; those are ignored.

    Args:
        gt_dir: folder of videos (or one holding it as ``Annotations_6fps`` or
            ``Annotations``).
        pred_dir: folder of the same structure.
        skip_first_and_last: leave out the first and the last annotated frame of every
            object, as the published SA-V and DAVIS numbers do.
        strict: every video must be in both folders; otherwise videos without a
            prediction are left out and named in ``notes``.
        bound: tolerance of F as a share of the diagonal.
        processes: how many to use; None for one per core, 1 for this one only.
        on_progress: called with (folders done, folders in all).

    Returns:
        scores as fractions; ``notes`` names whatever could not be scored.

    Raises:
        FormatError: a folder or picture is missing or has another form or size.
        InputError: there is nothing to score.
    """
    jobs, notes = _find_jobs(Path(gt_dir), Path(pred_dir), skip_first_and_last, strict, bound)
    scores: dict[str, list[ObjectScore]] = {}
    order = sorted(range(len(jobs)), key=lambda at: -len(jobs[at].frames))
    n_frames = sum(len(job.frames) for job in jobs)
    cores = processes or len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else [0])
    cores = min(cores, len(jobs))
    is_small = processes is None and n_frames < _WORTH_PROCESSES
    run = _run_here if cores <= 1 or is_small else _run_apart
    for done, (at, found) in enumerate(
        zip(order, run([jobs[i] for i in order], cores), strict=True), 1
    ):
        scores[jobs[at].label] = found
        if not found:
            notes.append(f"{jobs[at].label}: the truth shows no object on a counted frame")
        if on_progress:
            on_progress(done, len(jobs))
    return mean_score((s for job in jobs for s in scores[job.label]), sorted(notes))


def _run_here(jobs: list[_Job], _cores: int) -> Iterator[list[ObjectScore]]:
    return map(_score, jobs)


def _run_apart(jobs: list[_Job], cores: int) -> Iterator[list[ObjectScore]]:
    # "spawn" starts clean: forking a notebook's kernel with its threads can deadlock.
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(cores, context) as pool:
            yield from pool.map(_score, jobs)
    except BrokenProcessPool as error:
        raise InputError(
            "processes: the workers did not start; call eval_vos from code under "
            "'if __name__ == \"__main__\":' or with processes=1"
        ) from error


def _find_jobs(
    gt_dir: Path, pred_dir: Path, skip: bool, strict: bool, bound: float
) -> tuple[list[_Job], list[str]]:
    gt_root, pred_root = _root(gt_dir), _root(pred_dir)
    gt_videos, pred_videos = _folders(gt_root), _folders(pred_root)
    if not gt_videos:
        raise FormatError(f"{gt_root}: expected one folder per video, found none")
    missing = [v for v in gt_videos if v not in pred_videos]
    extra = [v for v in pred_videos if v not in gt_videos]
    if strict and (missing or extra):
        raise FormatError(
            f"{pred_root}: expected the videos of {gt_root}; missing {missing or 'none'}, "
            f"unknown {extra or 'none'}; strict=False leaves them out"
        )
    notes = [f"{video}: not in the predictions" for video in missing]
    notes += [f"{video}: not in the truth" for video in extra]
    jobs: list[_Job] = []
    for video in gt_videos:
        if video in missing:
            continue
        objects, pictures = _folders(gt_root / video), _pictures(gt_root / video)
        if bool(objects) == bool(pictures):
            raise FormatError(
                f"{gt_root / video}: expected either one folder per object or PNG files, found "
                f"{len(objects)} folders and {len(pictures)} PNG files"
            )
        parts: Sequence[str | None] = objects or (None,)
        for obj in parts:
            here = Path(video) if obj is None else Path(video, obj)
            frames = _pictures(gt_root / here)
            jobs.append(
                _Job(
                    video,
                    obj,
                    gt_root / here,
                    pred_root / here,
                    tuple(frames[1:-1] if skip else frames),
                    bound,
                )
            )
    return jobs, notes


def _root(folder: Path) -> Path:
    if not folder.is_dir():
        raise FormatError(f"{folder}: expected a folder of videos, found none there")
    for name in _ROOTS:
        if (folder / name).is_dir():
            folder = folder / name
            break
    inner = _folders(folder)
    if inner and all(name in _RESOLUTIONS for name in inner):
        folder = folder / inner[0]
    return folder


def _folders(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.is_dir() and p.name[0] != ".")


def _pictures(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.suffix == ".png" and p.name[0] != ".")


def read_indices(path: Path) -> npt.NDArray[np.integer]:
    """Read a PNG of object indices or a binary mask as (H, W) unsigned integers.

    Raises:
        FormatError: not there, not a picture, or a colour picture.
    """
    try:
        with Image.open(path) as picture:
            array = np.asarray(picture)
    except FileNotFoundError as error:
        raise FormatError(f"{path}: expected a mask for this frame, found no file") from error
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise FormatError(f"{path}: cannot be read as a picture: {error}") from error
    if array.ndim != 2:
        raise FormatError(
            f"{path}: expected one channel (palette, grey or binary), got shape {array.shape}"
        )
    return array.view(np.uint8) if array.dtype == np.bool_ else array


def _score(job: _Job) -> list[ObjectScore]:
    """Score one folder; runs in a worker process."""
    tallies: dict[int, Tally] = {}
    for name in job.frames:
        gt_path, pred_path = job.gt_dir / name, job.pred_dir / name
        gt, pred = read_indices(gt_path), read_indices(pred_path)
        if gt.shape != pred.shape:
            raise FormatError(
                f"{pred_path}: expected size {gt.shape} as in the truth, got {pred.shape}"
            )
        if job.obj is None:
            for index in {*_values(gt), *_values(pred)} - tallies.keys():
                tallies[index] = Tally(job.bound)
            for index, tally in tallies.items():
                tally.add(gt == index, pred == index)
        else:
            for path, array in ((gt_path, gt), (pred_path, pred)):
                if np.any((array != 0) & (array != array.max())):
                    raise FormatError(
                        f"{path}: expected one object per picture, got values {_values(array)}"
                    )
            tallies.setdefault(0, Tally(job.bound)).add(gt > 0, pred > 0)
    found: Iterable[tuple[int, ObjectScore | None]] = (
        (index, tally.score(job.video, str(index) if job.obj is None else job.obj))
        for index, tally in sorted(tallies.items())
    )
    return [score for _, score in found if score is not None]


def _values(array: npt.NDArray[np.integer]) -> list[int]:
    """Distinct values other than zero."""
    if array.dtype == np.uint8:
        return (np.flatnonzero(np.bincount(array.ravel(), minlength=256)[1:]) + 1).tolist()
    return [int(v) for v in np.unique(array) if v != 0]
