"""Verdicts as tables of numbers, and the small steps of training on them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from samnb.metrics.calibration import (
    apply_temperature,
    expected_calibration_error,
    fit_temperature,
    top_label,
)
from samnb.models.concepts import Probabilities
from samnb.models.verifier_features import N_QUALITY
from samnb.models.verifier_small import Pair
from samnb.types import EvAnswer, MvAnswer

MV_OPTIONS: Final = tuple(MvAnswer)
EV_OPTIONS: Final = tuple(EvAnswer)
MIN_CALIBRATION: Final = 20
"""With fewer answers a temperature is a guess, and stays 1."""


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Calibrated answers to the training verdicts, each by a network that did not see it.

    Attributes:
        probabilities: (N, K) float64.
        answers: (N,) int64, what was answered.
        accuracy: share of verdicts whose likeliest option was the answer.
        ece: expected calibration error of it, 15 bins.
    """

    probabilities: Probabilities
    answers: npt.NDArray[np.int64]
    accuracy: float
    ece: float


def fold_of(key: str, folds: int, seed: int) -> int:
    """The fold of a picture; every verdict about it is in the same."""
    return zlib.crc32(f"{seed}:{key}".encode()) % folds


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Verdicts in numbers, one row each."""

    looks: Tensor
    fits: Tensor
    words: Tensor
    answers: Tensor
    weights: Tensor
    folds: npt.NDArray[np.int64]

    @property
    def n_extra(self) -> int:
        """Numbers from aids that each row has."""
        return self.fits.shape[1] - N_QUALITY

    def take(self, rows: npt.NDArray[np.int64]) -> Table:
        """Some of the rows."""
        at = torch.from_numpy(rows)
        return Table(
            self.looks[at], self.fits[at], self.words[at], self.answers[at], self.weights[at],
            self.folds[rows],
        )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Questions:
    """Exhaustivity verdicts before any network saw them."""

    pairs: list[Pair]
    answers: Tensor
    weights: Tensor
    folds: npt.NDArray[np.int64]

    @property
    def words(self) -> Tensor:
        """Word rows of all phrases, (N, MAX_WORDS)."""
        return torch.cat([pair.words for pair in self.pairs])


def join_tables(parts: Sequence[Table]) -> Table:
    """Put tables one under the other."""
    return Table(
        torch.cat([part.looks for part in parts]),
        torch.cat([part.fits for part in parts]),
        torch.cat([part.words for part in parts]),
        torch.cat([part.answers for part in parts]),
        torch.cat([part.weights for part in parts]),
        np.concatenate([part.folds for part in parts]),
    )


def join_questions(parts: Sequence[Questions]) -> Questions:
    """Put questions one after the other."""
    return Questions(
        [pair for part in parts for pair in part.pairs],
        torch.cat([part.answers for part in parts]),
        torch.cat([part.weights for part in parts]),
        np.concatenate([part.folds for part in parts]),
    )


def batches_of(n_rows: int, size: int) -> Iterator[Tensor]:
    """Rows in random order, again and again."""
    while True:
        yield from torch.randperm(n_rows).split(size)


@torch.no_grad()
def begin_with_shares(head: nn.Sequential, answers: Tensor) -> None:
    """Let a fresh head answer how often each option was given, whatever it sees."""
    last = head[-1]
    if isinstance(last, nn.Linear):
        counts = torch.bincount(answers, minlength=last.out_features) + 0.5
        last.bias.copy_((counts / counts.sum()).log())
        last.weight.mul_(0.1)


def mean_loss(logits: Tensor, answers: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy, weighted."""
    each = functional.cross_entropy(logits, answers, reduction="none")
    return (each * weights).sum() / weights.sum()


def held_out(logits: Tensor, answers: Tensor) -> tuple[HeldOut, float]:
    """Calibrate held-out answers; also returns the temperature."""
    table = logits.double().softmax(dim=1).numpy()
    right = answers.numpy()
    heat = fit_temperature(table, right) if len(right) >= MIN_CALIBRATION else 1.0
    return judged(logits, answers, heat), heat


def judged(logits: Tensor, answers: Tensor, heat: float) -> HeldOut:
    """Answers at a temperature beside what was answered."""
    right = answers.numpy()
    calibrated = apply_temperature(logits.double().softmax(dim=1).numpy(), heat)
    confidences, is_correct = top_label(calibrated, right)
    error = expected_calibration_error(confidences, is_correct)
    return HeldOut(calibrated, right, float(is_correct.mean()), error)
