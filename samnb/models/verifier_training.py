"""Training the small verifier on a project's verdicts: describe once, learn, calibrate.

Learning itself, with its folds, is :mod:`samnb.models.verifier_learning`. The held-out answers
that it gives are calibrated by a temperature (Guo et al., ICML 2017) and reported.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from samnb.models.trainable import StepProgress
from samnb.models.verifier_aids import Aids
from samnb.models.verifier_examples import EvExample, Example, MvExample
from samnb.models.verifier_learning import (
    GENTLE,
    Learner,
    VerifierSettings,
    answers_about,
    answers_to,
)
from samnb.models.verifier_net import pad_words
from samnb.models.verifier_small import (
    Describer,
    Pair,
    SmallVerifier,
    VerifierInfo,
    check_parent,
    describe_pair,
    version_of,
)
from samnb.models.verifier_tables import (
    EV_OPTIONS,
    MV_OPTIONS,
    HeldOut,
    Questions,
    Table,
    fold_of,
    held_out,
    judged,
)
from samnb.types import InputError

__all__ = [
    "HeldOut", "TrainedVerifier", "VerifierSettings", "describe_examples", "fold_of",
    "train_verifier",
]  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class TrainedVerifier:
    """How a training ended.

    Attributes:
        status: "done" or "cancelled".
        verifier: the new version; None when cancelled.
        mv: held-out answers to the mask verdicts, in the order of the examples.
        ev: held-out answers to the exhaustivity verdicts.
        describe_s: seconds spent on looking at pictures.
        train_s: seconds spent on learning.
        parent_mv: the parent's answers to the same mask verdicts; None without one. They are
            held out where the parent learned elsewhere.
        parent_ev: the parent's answers to the exhaustivity verdicts.
    """

    status: str
    verifier: SmallVerifier | None
    mv: HeldOut | None = None
    ev: HeldOut | None = None
    describe_s: float = 0.0
    train_s: float = 0.0
    parent_mv: HeldOut | None = None
    parent_ev: HeldOut | None = None


class _Cancelled(Exception):
    """Somebody set the event."""


def train_verifier(
    examples: Sequence[Example],
    *,
    aids: Aids | None = None,
    settings: VerifierSettings | None = None,
    parent: SmallVerifier | None = None,
    describer: Describer | None = None,
    seed: int = 0,
    timer: Callable[[], float] = time.monotonic,
    on_progress: StepProgress | None = None,
    cancel: threading.Event | None = None,
) -> TrainedVerifier:
    """Train a small verifier on verdicts.

    Phrases of which its aids know nothing teach it nothing but that its aids err, and are left
    out where there are others.

    Args:
        examples: verdicts on masks and on pairs, mixed; from at least two pictures.
        aids: other models that may be asked, now and at inference.
        settings: how to learn; None is the usual, or gently where there is a parent.
        parent: a verifier to go on from; None starts afresh.
        describer: remembers the vectors of masks seen before; its aids go before ``aids``.
        seed: of everything random.
        timer: seconds that pass, for the result.
        on_progress: called with (steps done, steps in all, loss of the last step; 0.0
            while pictures are looked at).
        cancel: set it from another thread to stop.

    Raises:
        InputError: no mask verdicts, fewer than two pictures, or a parent with other aids.
    """
    used = [one for one in examples if one.weight > 0]
    if not _suffices(used):
        raise InputError("examples: expected mask verdicts and at least two pictures")
    settings = settings or (VerifierSettings() if parent is None else GENTLE)
    describer = describer or Describer(aids)
    known = [one for one in used if describer.experience(one.phrase) > 0]
    used = known if _suffices(known) else used
    n_masks = sum(isinstance(one, MvExample) for one in used)
    total = len(used) + (settings.folds + 1) * (settings.epochs + settings.ev_epochs)
    done = 0

    def tick(loss: float = 0.0) -> None:
        nonlocal done
        if cancel is not None and cancel.is_set():
            raise _Cancelled
        done += 1
        if on_progress is not None:
            on_progress(min(done, total), total, loss)

    begin = timer()
    try:
        table, questions = describe_examples(
            describer, used, folds=settings.folds, seed=seed, tick=tick
        )
        if parent is not None:
            check_parent(parent, table.n_extra)
        middle = timer()
        start = None if parent is None else parent.net
        learned = Learner(settings, seed, tick).learn(table, questions, start)
    except _Cancelled:
        return TrainedVerifier("cancelled", None)
    mv, mv_heat = held_out(learned.mv_logits, table.answers)
    ev, ev_heat = None, 1.0
    if questions.pairs:
        ev, ev_heat = held_out(learned.ev_logits, questions.answers)
    info = VerifierInfo(
        version=version_of(learned.net),
        parent="" if parent is None else parent.name,
        aids=describer.aids.name,
        n_mv=n_masks,
        n_ev=len(questions.pairs),
        mv_temperature=mv_heat,
        ev_temperature=ev_heat,
        seed=seed,
    )
    verifier = SmallVerifier(learned.net, info, describer)
    before: list[HeldOut | None] = [None, None]
    if parent is not None:
        heats = parent.info.mv_temperature, parent.info.ev_temperature
        before[0] = judged(answers_to(parent.net, table), table.answers, heats[0])
        if questions.pairs:
            logits = answers_about(parent.net, questions)
            before[1] = judged(logits, questions.answers, heats[1])
    seconds = middle - begin, timer() - middle
    return TrainedVerifier("done", verifier, mv, ev, *seconds, *before)


def describe_examples(
    describer: Describer,
    examples: Sequence[Example],
    *,
    folds: int,
    seed: int,
    tick: Callable[[], None] | None = None,
) -> tuple[Table, Questions]:
    """Turn verdicts into numbers, looking at every picture once.

    Args:
        describer: looks.
        examples: verdicts on masks, at least one, and on pairs, mixed.
        folds: into how many parts pictures are cut.
        seed: of the cut.
        tick: called after each verdict.
    """
    masks = [one for one in examples if isinstance(one, MvExample)]
    pairs = [one for one in examples if isinstance(one, EvExample)]
    every: dict[str, list[tuple[int, Example]]] = {}
    for at, mask in enumerate(masks):
        every.setdefault(mask.key, []).append((at, mask))
    for at, pair in enumerate(pairs):
        every.setdefault(pair.key, []).append((at, pair))
    rows: dict[int, tuple[Tensor, Tensor]] = {}
    found: dict[int, Pair] = {}
    for group in every.values():
        image = group[0][1].image()
        phrases = dict.fromkeys(one.phrase for _, one in group)
        # Phrase by phrase: aids keep the answer for the pair last asked.
        for phrase in phrases:
            here = [(at, one) for at, one in group if one.phrase == phrase]
            shown = [(at, one.mask) for at, one in here if isinstance(one, MvExample)]
            looks, fits = describer.describe(image, phrase, [mask for _, mask in shown])
            for row, (at, _) in enumerate(shown):
                rows[at] = (looks[row : row + 1], fits[row : row + 1])
            for at, one in here:
                if isinstance(one, EvExample):
                    found[at] = describe_pair(describer, image, phrase, one.masks)
                if tick is not None:
                    tick()
    table = Table(
        torch.cat([rows[at][0] for at in range(len(masks))]),
        torch.cat([rows[at][1] for at in range(len(masks))]),
        pad_words(one.phrase for one in masks),
        torch.tensor([MV_OPTIONS.index(one.answer) for one in masks]),
        torch.tensor([one.weight for one in masks]),
        _folds(masks, folds, seed),
    )
    questions = Questions(
        [found[at] for at in range(len(pairs))],
        torch.tensor([EV_OPTIONS.index(one.answer) for one in pairs], dtype=torch.int64),
        torch.tensor([one.weight for one in pairs]),
        _folds(pairs, folds, seed),
    )
    return table, questions


def _suffices(examples: Sequence[Example]) -> bool:
    has_masks = any(isinstance(one, MvExample) for one in examples)
    return has_masks and len({one.key for one in examples}) > 1


def _folds(examples: Sequence[Example], folds: int, seed: int) -> npt.NDArray[np.int64]:
    return np.array([fold_of(one.key, folds, seed) for one in examples], np.int64)
