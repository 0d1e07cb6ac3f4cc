"""Simulated reviewers: they know the truth, err like people and take their time.

They go through :class:`~samnb.engine.concepts.session.ConceptSession` alone, so a
simulated run leaves the same log as people would. Chance depends on the seed, the worker,
the task and the pair, never on what happened before: an interrupted run goes on as it
would have.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from scipy import ndimage

from samnb.engine.concepts.acts import Drawn
from samnb.engine.concepts.queue import Work
from samnb.engine.concepts.session import ConceptSession
from samnb.engine.concepts.timing import Times
from samnb.engine.concepts.world import ConceptTruth, ious
from samnb.engine.simulation import SimulatedClock, seeded
from samnb.events.concepts import ConceptTask
from samnb.masks import ops as mask_ops
from samnb.metrics.cgf1 import Matrix, match_scores
from samnb.models.base import BoolMask
from samnb.types import EvAnswer, InputError, MvAnswer

MV_ACCURACY: Final = 0.75
"""Accuracy of a human MV answer against the majority of the others (SAM 3 paper, table 23,
average over seven domains)."""
EV_ACCURACY: Final = 0.818
"""The same for EV (same table)."""

UNKNOWN: Final = "unsure what it means"
"""The reason that a simulated reviewer gives for a phrase that the truth does not know."""


@dataclass(frozen=True, slots=True)
class Skill:
    """What a simulated reviewer is able to do.

    Attributes:
        mv_accuracy: probability of the right answer about a mask; else the opposite one.
        ev_accuracy: probability of the right answer about a pair; else the opposite one.
        good_iou: a mask is good from this IoU with a true instance on. The paper asks for
            "good, not pixel-perfect" and gives no value.
        found_iou: an instance counts as covered from this IoU on.
        found_rate: probability to see and draw a missing instance, and to see a wrong mask,
            in correction. The paper has no figure; its three raters agree with each other
            at a recall near this.
        redraw_iou: in correction a mask below this IoU is made anew.
        wobble_px: a drawn mask is off by up to this many pixels, in place and in size.
        times: what the tasks take.
    """

    mv_accuracy: float = MV_ACCURACY
    ev_accuracy: float = EV_ACCURACY
    good_iou: float = 0.7
    found_iou: float = 0.5
    found_rate: float = 0.9
    redraw_iou: float = 0.7
    wobble_px: int = 1
    times: Times = field(default_factory=Times)

    def __post_init__(self) -> None:
        """Refuse values that mean nothing."""
        for name in ("mv_accuracy", "ev_accuracy", "good_iou", "found_iou", "found_rate"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise InputError(f"{name}: expected 0 to 1, got {value}")
        if self.wobble_px < 0:
            raise InputError(f"wobble_px: expected at least 0, got {self.wobble_px}")


_LEASE_S: Final = 1e6  # nobody else comes along while simulated time passes
PERFECT: Final = Skill(mv_accuracy=1.0, ev_accuracy=1.0, found_rate=1.0, wobble_px=0)
"""A reviewer who never errs."""


class SimulatedReviewer:
    """Answers whatever waits, with ground truth in mind.

    Args:
        truth: what every phrase names.
        skill: how well it works, and how long.
        clock: the clock of the session, which it moves on.
        seed: of its errors.
    """

    def __init__(
        self,
        truth: ConceptTruth,
        skill: Skill | None = None,
        *,
        clock: SimulatedClock,
        seed: int = 0,
    ) -> None:
        self.truth, self.skill, self.clock, self.seed = truth, skill or Skill(), clock, seed

    def work(
        self,
        loop: ConceptSession,
        task: ConceptTask | str,
        *,
        limit: int | None = None,
        cancel: threading.Event | None = None,
    ) -> int:
        """Do what waits for this worker at a task; return how many pairs.

        Args:
            loop: the worker's own door.
            task: "mv", "ev", "correct" or "confirm".
            limit: at most this many pairs; None for all.
            cancel: set it from another thread to stop.
        """
        done = 0
        while (limit is None or done < limit) and not (cancel is not None and cancel.is_set()):
            work = loop.next(task, lease_s=_LEASE_S)
            if work is None:
                break
            self.answer(loop, work)
            done += 1
        return done

    def answer(self, loop: ConceptSession, work: Work) -> None:
        """Let the time pass that a task takes and answer it; a phrase that the truth does
        not know is rejected as not maskable."""
        media = loop.session.media(work.media_id)
        truth = self.truth.find(media, work.phrase)
        if truth is None:
            self.clock.advance(self.skill.times.ev(_length(loop, work)))
            loop.reject(work.pair_id, UNKNOWN)
            return
        masks = [loop.pixels(work.media_id, m) for m in work.masks]
        names = (loop.session.worker.id, work.task.value, media.name, work.phrase)
        rng = seeded(self.seed, *names, loop.pair(work.pair_id).n_rounds)
        if work.task is ConceptTask.MV:
            self._mv(loop, work, masks, truth, rng)
        elif work.task is ConceptTask.EV:
            self._ev(loop, work, masks, truth, rng)
        else:
            self._correct(loop, work, masks, truth, rng)

    def _mv(
        self,
        loop: ConceptSession,
        work: Work,
        masks: Sequence[BoolMask],
        truth: Sequence[BoolMask],
        rng: np.random.Generator,
    ) -> None:
        self.clock.advance(self.skill.times.mv(len(masks), _length(loop, work)))
        answers: dict[str, MvAnswer | str] = {}
        for mask, is_good in zip(work.masks, right_masks(masks, truth, self.skill), strict=True):
            if rng.random() >= self.skill.mv_accuracy:
                is_good = not is_good
            answers[mask.key] = MvAnswer.ACCEPT if is_good else MvAnswer.REJECT
        loop.answer_mv(work.pair_id, answers)

    def _ev(
        self,
        loop: ConceptSession,
        work: Work,
        masks: Sequence[BoolMask],
        truth: Sequence[BoolMask],
        rng: np.random.Generator,
    ) -> None:
        self.clock.advance(self.skill.times.ev(_length(loop, work)))
        is_complete = is_exhaustive(masks, truth, self.skill)
        if rng.random() >= self.skill.ev_accuracy:
            is_complete = not is_complete
        loop.answer_ev(work.pair_id, EvAnswer.ACCEPT if is_complete else EvAnswer.REJECT)

    def _correct(
        self,
        loop: ConceptSession,
        work: Work,
        masks: Sequence[BoolMask],
        truth: Sequence[BoolMask],
        rng: np.random.Generator,
    ) -> None:
        table = ious(masks, truth)
        owner = _owners(table, self.skill.found_iou)
        drawn: list[Drawn] = []
        removed: list[str] = []
        for at, mask in enumerate(work.masks):
            is_seen = rng.random() < self.skill.found_rate
            instance = owner.get(at)
            if instance is None:
                removed += [mask.key] if is_seen else []
            elif is_seen and table[at, instance] < self.skill.redraw_iou:
                drawn.append(self._draw(loop, work, truth[instance], rng, mask.key))
        for number, mask_of_one in enumerate(truth):
            if number not in owner.values() and rng.random() < self.skill.found_rate:
                drawn.append(self._draw(loop, work, mask_of_one, rng))
        n_drawn_frames = sum(len(d.masks) for d in drawn if isinstance(d.masks, dict))
        seconds_s = self.skill.times.correction(
            len(masks), len(drawn), len(removed), _length(loop, work), n_drawn_frames
        )
        self.clock.advance(seconds_s)
        loop.correct(work.pair_id, drawn=drawn, removed=removed)

    def _draw(
        self,
        loop: ConceptSession,
        work: Work,
        truth: BoolMask,
        rng: np.random.Generator,
        parent: str = "",
    ) -> Drawn:
        reach_px = self.skill.wobble_px
        if truth.ndim == 2:
            return Drawn(wobbled(truth, rng, reach_px), parent=parent)
        idxs = loop.session.annotation_frames(work.media_id)
        frames = {
            idx: wobbled(mask, rng, reach_px)
            for idx, mask in zip(idxs, truth, strict=True)
            if mask.any()
        }
        return Drawn(frames, parent=parent)


def _length(loop: ConceptSession, work: Work) -> int:
    """Annotated frames of what is worked on; 1 for a picture."""
    return len(loop.session.annotation_frames(work.media_id))


def right_masks(masks: Sequence[BoolMask], truth: Sequence[BoolMask], skill: Skill) -> list[bool]:
    """Whether each mask, by itself, is a good mask of an instance."""
    table = ious(masks, truth)
    return [bool(row.size and row.max() >= skill.good_iou) for row in table]


def is_exhaustive(masks: Sequence[BoolMask], truth: Sequence[BoolMask], skill: Skill) -> bool:
    """Whether every true instance is covered by a mask of its own."""
    found = (match_scores(ious(masks, truth)) >= skill.found_iou).sum()
    return int(found) == len(truth)


def _owners(table: Matrix, min_iou: float) -> dict[int, int]:
    """One instance for each mask that covers one, the best matches first."""
    owner: dict[int, int] = {}
    for flat in np.argsort(-table, axis=None, kind="stable"):
        at, instance = (int(i) for i in np.unravel_index(flat, table.shape))
        if table[at, instance] < min_iou:
            break
        if at not in owner and instance not in owner.values():
            owner[at] = instance
    return owner


def wobbled(mask: BoolMask, rng: np.random.Generator, reach_px: int) -> BoolMask:
    """Return a mask as a hand draws it: moved, grown or shrunk by up to ``reach_px``
    pixels, and never empty."""
    if reach_px == 0:
        return mask.copy()
    dy, dx, size = (int(n) for n in rng.integers(-reach_px, reach_px + 1, 3))
    out = np.asarray(ndimage.shift(mask, (dy, dx), order=0, cval=False), np.bool_)
    if size > 0:
        out = np.asarray(ndimage.binary_dilation(out, iterations=size), np.bool_)
    elif size < 0:
        thin = np.asarray(ndimage.binary_erosion(out, iterations=-size), np.bool_)
        out = thin if mask_ops.bounds(thin) is not None else out
    return out if out.any() else mask.copy()
