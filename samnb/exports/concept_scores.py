"""Scores of SA-Co and VEval files, as the released evaluation computes them.

The kernels are in :mod:`samnb.metrics.cgf1` and :mod:`samnb.metrics.hota`; here it is
decided which pairs and predictions take part. Pairs that need no mask compared (nothing
predicted, or nothing there) are counted at once, the others are spread over the cores
when there are enough of them.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np

from samnb.exports.saco import (
    SacoPair,
    SacoPrediction,
    SacoSet,
    read_raters,
    read_saco_predictions,
)
from samnb.exports.veval import (
    PairKey,
    VevalMasklet,
    VevalPrediction,
    VevalSet,
    read_veval,
    read_veval_predictions,
)
from samnb.metrics import cgf1, hota, human
from samnb.metrics.cgf1 import MIN_SCORE, CgScore, PairCount
from samnb.metrics.hota import HotaCount, HotaScore
from samnb.metrics.human import HumanScore
from samnb.metrics.runs import check_all
from samnb.types import InputError, Rle

_Job = TypeVar("_Job")
_Count = TypeVar("_Count")
_Size: TypeAlias = tuple[int, int]
_ImageJob: TypeAlias = tuple[_Size, list[list[str]], list[str]]
_VideoJob: TypeAlias = tuple[
    _Size, list[list[str | None]], list[bool], list[list[str | None]], list[bool], list[list[bool]]
]

_WORTH_PROCESSES: Final = 30_000_000
"""Characters of run lengths below which starting processes costs more than it saves."""


@dataclass(frozen=True, slots=True)
class VevalScore:
    """Scores of a set of video and phrase pairs.

    Attributes:
        phrases: how well the objects of a phrase, and its absence, are found.
        tracks: how well they are detected and kept apart over time.
    """

    phrases: CgScore
    tracks: HotaScore

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: ``cgf1`` times 100, all others as fractions and counts."""
        found = self.phrases.to_dict()
        return {
            "cgf1": found.pop("cgf1"),
            "pmf1": found.pop("pmf1"),
            "vl_mcc": found.pop("il_mcc"),
            "phota": self.tracks.hota,
            "pdeta": self.tracks.deta,
            "passa": self.tracks.assa,
            **{key.replace("il_", "vl_"): value for key, value in found.items()},
        }

    def __str__(self) -> str:
        first, *rest = str(self.phrases).replace("IL_MCC", "VL_MCC").split("\n")
        tracks = self.tracks
        second = f"pHOTA {tracks.hota:.4f}   pDetA {tracks.deta:.4f}   pAssA {tracks.assa:.4f}"
        return "\n".join([first, second, *rest])


def eval_saco(gt: Sequence[Path], pred: Path, *, processes: int | None = None) -> CgScore:
    """Score a prediction file against one or several raters' annotation files.

    Args:
        gt: Gold or Silver files over the same pairs; with several the most favourable
            rater counts, pair by pair (oracle).
        pred: a list in COCO's result format.
        processes: worker processes; None takes all cores for large files, else one.

    Raises:
        FormatError: a file does not have the promised form.
    """
    raters = read_raters(gt)
    found = read_saco_predictions(pred, raters[0])
    return score_saco(raters, found, processes=processes, is_checked=True)


def score_saco(
    raters: Sequence[SacoSet],
    predictions: Iterable[SacoPrediction],
    *,
    processes: int | None = None,
    is_checked: bool = False,
) -> CgScore:
    """Score predictions; see :func:`eval_saco`.

    Pairs that any rater calls not instance-exhaustive are left out. Predictions below
    0.5, for other pairs or of an unknown category do not count. ``is_checked`` says that
    all masks are sound and as large as their pictures, as the readers make sure.
    """
    by_id, scored = _select(raters)
    if not is_checked:
        predictions = list(predictions)
        sizes = {number: pair.size_hw for number, pair in by_id[0].items()}
        _check((sizes[p.pair_id], p.rle) for p in predictions if p.pair_id in sizes)
        _check((sizes[n], m.rle) for one in by_id for n in scored for m in one[n].masks)
    rank = {number: at for at, number in enumerate(sorted(n for n, _ in raters[0].categories))}
    guesses: dict[int, list[SacoPrediction]] = {number: [] for number in scored}
    n_elsewhere = n_unknown = 0
    for one in predictions:
        if one.pair_id not in by_id[0]:
            n_elsewhere += 1
        elif one.category_id not in rank:
            n_unknown += 1
        elif one.score >= MIN_SCORE and one.pair_id in guesses:
            guesses[one.pair_id].append(one)
    counts: list[PairCount] = []
    jobs: list[_ImageJob] = []
    for number in scored:
        pairs = [one[number] for one in by_id]
        pred = guesses[number]
        gts = [[mask for mask in pair.masks if not mask.is_group] for pair in pairs]
        if not pred or not any(gts):
            counts.append(cgf1.pick_oracle([PairCount(len(gt), len(pred)) for gt in gts]))
            continue
        if len(rank) > 1:  # of matchings with one total, which is found depends on the order
            pred = sorted(pred, key=lambda one: rank[one.category_id])
            gts = [sorted(gt, key=lambda mask: rank[mask.category_id]) for gt in gts]
        strings = [[mask.rle.counts for mask in gt] for gt in gts]
        jobs.append((pairs[0].size_hw, strings, [one.rle.counts for one in pred]))
    counts += _spread(_count_image, jobs, processes)
    notes = []
    if n_elsewhere:
        notes.append(f"{n_elsewhere} predictions are for pairs that the annotations do not have")
    if n_unknown:
        notes.append(f"{n_unknown} predictions have a category that the annotations do not have")
    return cgf1.total(counts, n_left_out=len(raters[0].pairs) - len(scored), notes=notes)


def _select(raters: Sequence[SacoSet]) -> tuple[list[dict[int, SacoPair]], list[int]]:
    """Each rater's pairs by number, and the numbers of those that all call exhaustive."""
    if not raters:
        raise InputError("raters: expected at least one, got none")
    by_id = [{pair.id: pair for pair in one.pairs} for one in raters]
    for one in by_id:
        missing = by_id[0].keys() - one.keys()
        if missing:
            raise InputError(f"raters: expected the same pairs, got none for {min(missing)}")
    return by_id, [
        pair.id
        for pair in raters[0].pairs
        if all(one[pair.id].is_instance_exhaustive for one in by_id)
    ]


def score_raters(
    raters: Sequence[SacoSet], rng: np.random.Generator, *, n_repeats: int = human.N_REPEATS
) -> HumanScore:
    """Score people against each other; see :mod:`samnb.metrics.human`.

    Args:
        raters: at least two annotations of the same pairs; those that any rater calls
            not instance-exhaustive are left out.
        rng: draws random pairs of raters.
        n_repeats: how often.
    """
    by_id, scored = _select(raters)
    _check((one[n].size_hw, m.rle) for one in by_id for n in scored for m in one[n].masks)
    agreements = (
        human.count_agreement(
            [[m.rle for m in one[number].masks if not m.is_group] for one in by_id],
            is_checked=True,
        )
        for number in scored
    )
    n_left_out = len(raters[0].pairs) - len(scored)
    return human.score_human(agreements, rng, n_repeats=n_repeats, n_left_out=n_left_out)


def _check(masks: Iterable[tuple[_Size, Rle]]) -> None:
    """Raise unless every mask is sound and has the size given with it."""
    rles: list[Rle] = []
    for size_hw, rle in masks:
        if rle.size_hw != size_hw:
            raise InputError(f"masks: expected size {size_hw} as its picture, got {rle.size_hw}")
        rles.append(rle)
    check_all(rles)


def _count_image(job: _ImageJob) -> PairCount:
    size_hw, gts, pred = job
    masks = [Rle(size_hw, counts) for counts in pred]
    truth = [Rle(size_hw, counts) for gt in gts for counts in gt]
    # All raters at once, so that the predictions are unpacked once.
    ious = cgf1.mask_ious(masks, truth, is_checked=True)
    stops = np.cumsum([len(gt) for gt in gts])
    return cgf1.pick_oracle([cgf1.count_pair(part) for part in np.split(ious, stops[:-1], 1)])


def eval_veval(gt: Path, pred: Path, *, processes: int | None = None) -> VevalScore:
    """Score a file of predicted masklets against a VEval annotation file.

    Args:
        gt: annotations with ``video_np_pairs``.
        pred: a list in the YouTube-VIS result format.
        processes: worker processes; None takes all cores for large files, else one.

    Raises:
        FormatError: a file does not have the promised form.
    """
    truth = read_veval(gt)
    found = read_veval_predictions(pred, truth)
    return score_veval(truth, found, processes=processes, is_checked=True)


def score_veval(
    truth: VevalSet,
    predictions: Iterable[VevalPrediction],
    *,
    processes: int | None = None,
    is_checked: bool = False,
) -> VevalScore:
    """Score predicted masklets; see :func:`eval_veval`.

    cgF1 takes predictions from a score of 0.5, pHOTA those above it. A pair that was
    predicted without being asked for is one more negative. Group masklets are no objects
    for cgF1, but are for pHOTA. ``is_checked`` as in :func:`score_saco`.
    """
    sizes = {video.id: video.size_hw for video in truth.videos}
    guesses: dict[PairKey, list[VevalPrediction]] = defaultdict(list)
    for one in predictions:
        if one.video_id not in sizes:
            raise InputError(f"predictions: expected a video of the set, got {one.video_id}")
        guesses[one.key].append(one)
    objects = {pair.key: pair.masklets for pair in truth.pairs}
    if not is_checked:
        tracks = [(key[0], one.rles) for key, found in objects.items() for one in found]
        tracks += [(key[0], one.rles) for key, found in guesses.items() for one in found]
        _check((sizes[number], rle) for number, rles in tracks for rle in rles if rle is not None)
    found: list[tuple[PairCount, HotaCount]] = []
    jobs: list[_VideoJob] = []
    for key in [*objects, *(key for key in guesses if key not in objects)]:
        gt = objects.get(key, ())
        pred = [one for one in guesses.get(key, ()) if one.score >= MIN_SCORE]
        if gt and pred:
            jobs.append(_pack(sizes[key[0]], gt, pred))
        else:
            n_gt = sum(rle is not None for masklet in gt for rle in masklet.rles)
            n_pred = sum(sum(_there(one)) for one in pred if one.score > MIN_SCORE)
            n_objects = sum(not masklet.is_group for masklet in gt)
            found.append((PairCount(n_objects, len(pred)), HotaCount(n_gt, n_pred)))
    found += _spread(_count_video, jobs, processes)
    notes = []
    n_unasked = sum(key not in objects for key in guesses)
    if n_unasked:
        notes.append(f"{n_unasked} pairs were predicted but not asked for and count as negatives")
    phrases = cgf1.total((count for count, _ in found), notes=notes)
    return VevalScore(phrases, hota.total(count for _, count in found))


def _there(one: VevalPrediction) -> list[bool]:
    return list(one.is_there) or [rle is not None for rle in one.rles]


def _pack(size_hw: _Size, gt: Sequence[VevalMasklet], pred: Sequence[VevalPrediction]) -> _VideoJob:
    return (
        size_hw,
        [_strings(one.rles) for one in gt],
        [one.is_group for one in gt],
        [_strings(one.rles) for one in pred],
        [one.score > MIN_SCORE for one in pred],
        [_there(one) for one in pred],
    )


def _strings(rles: Iterable[Rle | None]) -> list[str | None]:
    return [None if rle is None else rle.counts for rle in rles]


def _count_video(job: _VideoJob) -> tuple[PairCount, HotaCount]:
    size_hw, gt_counts, is_group, pred_counts, is_above, is_there = job
    gt, pred = (
        [[None if text is None else Rle(size_hw, text) for text in one] for one in masklets]
        for masklets in (gt_counts, pred_counts)
    )
    ious, volume = cgf1.frame_ious(pred, gt, is_checked=True)
    tracked = np.array(is_above)
    gt_there = np.array([[rle is not None for rle in one] for one in gt]).T
    return (
        cgf1.count_pair(volume[:, ~np.array(is_group)]),
        hota.count_masklets(ious[:, tracked], np.array(is_there).T[:, tracked], gt_there),
    )


def _spread(
    count: Callable[[_Job], _Count], jobs: list[_Job], processes: int | None
) -> Iterator[_Count]:
    cores = processes or len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else [0])
    if processes is None and sum(map(_weight, jobs)) < _WORTH_PROCESSES:
        cores = 1
    if min(cores, len(jobs)) <= 1:
        yield from map(count, jobs)
        return
    heavy_first = sorted(jobs, key=_weight, reverse=True)
    # "spawn" starts clean: forking a notebook's kernel with its threads can deadlock.
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(cores, context) as pool:
            chunk = max(1, len(jobs) // (8 * cores))
            yield from pool.map(count, heavy_first, chunksize=chunk)
    except BrokenProcessPool as error:
        raise InputError(
            "processes: the workers did not start; call this from code under "
            "'if __name__ == \"__main__\":' or with processes=1"
        ) from error


def _weight(job: object) -> int:
    """Characters of run lengths in a job."""
    if isinstance(job, str):
        return len(job)
    return sum(map(_weight, job)) if isinstance(job, list | tuple) else 0
