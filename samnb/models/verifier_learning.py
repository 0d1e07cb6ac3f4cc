"""How the small verifier's network learns from tables: in folds, and then from everything.

The pictures are cut into folds. For each fold a network learns from the others and answers
it, so that every verdict has an answer of a network that never saw its picture. From those
answers come the calibration, the figures that are reported, and what the exhaustivity head
learns from: it must know the matching as it is on new pictures, which is less sure than on old
ones. The network that is kept learns from all pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from samnb.models.verifier_net import VerifierNet
from samnb.models.verifier_small import cover_of
from samnb.models.verifier_tables import (
    EV_OPTIONS,
    MV_OPTIONS,
    Questions,
    Table,
    batches_of,
    begin_with_shares,
    mean_loss,
)
from samnb.types import InputError


@dataclass(frozen=True, slots=True)
class VerifierSettings:
    """How the small verifier learns.

    Attributes:
        epochs: passes over the mask verdicts.
        ev_epochs: passes over the exhaustivity verdicts.
        batch: verdicts of a step.
        lr: greatest learning rate of AdamW; it falls to zero as a cosine.
        weight_decay: of AdamW.
        noise: spread of the noise laid over the scaled numbers.
        folds: into how many parts pictures are cut.
        min_word_count: examples from which on a word is known.
        min_steps: least steps of each network, for projects with few verdicts.
    """

    epochs: int = 12
    ev_epochs: int = 20
    batch: int = 64
    lr: float = 3e-3
    weight_decay: float = 0.05
    noise: float = 0.1
    folds: int = 4
    min_word_count: int = 3
    min_steps: int = 240

    def __post_init__(self) -> None:
        if min(self.epochs, self.ev_epochs, self.batch, self.min_word_count) < 1 or self.folds < 2:
            raise InputError(f"settings: expected counts from 1 and folds from 2, got {self}")


GENTLE = VerifierSettings(epochs=6, ev_epochs=8, lr=3e-4, min_steps=60)
"""For going on from a verifier that knows something: a few hundred verdicts shall add to it,
not take its place."""


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """A network and its answers to what it learned from, by networks that did not see it.

    Attributes:
        net: learned from everything; not calibrated.
        mv_logits: (N, 5) float32, the held-out answers to the mask verdicts.
        ev_logits: (M, 6) float32, those to the exhaustivity verdicts.
    """

    net: VerifierNet
    mv_logits: Tensor
    ev_logits: Tensor


class Learner:
    """One training.

    Args:
        settings: how to learn.
        seed: of everything random.
        tick: called with the loss after each pass; what it raises ends the training.
        keeps_words: leave what words look like as it is, and what they say by themselves, and
            learn judging alone.
    """

    def __init__(
        self,
        settings: VerifierSettings,
        seed: int,
        tick: Callable[[float], None],
        *,
        keeps_words: bool = False,
    ) -> None:
        self.settings, self.seed, self._tick = settings, seed, tick
        self._keeps_words = keeps_words

    def learn(
        self, table: Table, questions: Questions, start: VerifierNet | None = None
    ) -> Learned:
        """Learn in folds and then from all.

        Args:
            table: mask verdicts.
            questions: exhaustivity verdicts; may be none.
            start: a network to begin from; it keeps its scales. None begins afresh.
        """
        folds = self.settings.folds
        mv_logits = torch.zeros(len(table.answers), len(MV_OPTIONS))
        covers = torch.zeros(len(questions.pairs), VerifierNet(table.n_extra).n_cover)
        for fold in range(folds):
            rest, own = (np.flatnonzero(table.folds != fold), np.flatnonzero(table.folds == fold))
            asked = np.flatnonzero(questions.folds == fold)
            if len(rest) == 0 or len(own) + len(asked) == 0:
                continue
            net = self._fit_mv(table.take(rest), start, fold)
            mv_logits[torch.from_numpy(own)] = answers_to(net, table.take(own))
            for at in asked.tolist():
                covers[at] = cover_of(net, questions.pairs[at])
        net = self._fit_mv(table, start, folds)
        ev_logits = torch.zeros(len(covers), len(EV_OPTIONS))
        if not questions.pairs:
            return Learned(net, mv_logits, ev_logits)
        for fold in range(folds):
            rest, own = (np.flatnonzero(test) for test in
                         (questions.folds != fold, questions.folds == fold))  # fmt: skip
            if len(rest) == 0 or len(own) == 0:
                continue
            rows = torch.from_numpy(own)
            probe = VerifierNet(net.n_extra)
            probe.load_state_dict(net.state_dict())
            self._fit_ev(probe, covers, questions, rest, fold, is_fresh=start is None)
            with torch.no_grad():
                ev_logits[rows] = probe.ev(covers[rows], questions.words[rows])
        self._fit_ev(net, covers, questions, np.arange(len(covers)), folds, is_fresh=start is None)
        return Learned(net, mv_logits, ev_logits)

    def _fit_mv(self, table: Table, start: VerifierNet | None, stream: int) -> VerifierNet:
        torch_seed = int(np.random.default_rng([self.seed, stream]).integers(2**31))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch_seed)
            net = VerifierNet(table.n_extra)
            if start is None:
                net.learn_scale(table.looks, table.fits)
                begin_with_shares(net.mv_head, table.answers)
            else:
                net.load_state_dict(start.state_dict())
            net.learn_words(table.words, min_count=self.settings.min_word_count)
            apart = {id(p) for p in net.ev_parameters()}
            chosen = [p for p in net.parameters() if id(p) not in apart | self._fixed(net)]

            def loss_of(rows: Tensor) -> Tensor:
                noise = self.settings.noise
                looks = table.looks[rows]
                looks = looks + noise * net.a_scale * torch.randn_like(looks)
                fits = table.fits[rows]
                fits = fits + noise * net.q_scale * torch.randn_like(fits)
                logits = net.mv(looks, fits, table.words[rows])
                return mean_loss(logits, table.answers[rows], table.weights[rows])

            self._descend(net, chosen, len(table.answers), self.settings.epochs, loss_of)
        return net.eval()

    def _fit_ev(
        self,
        net: VerifierNet,
        covers: Tensor,
        questions: Questions,
        rows: npt.NDArray[np.int64],
        stream: int,
        *,
        is_fresh: bool,
    ) -> None:
        words, within = questions.words, torch.from_numpy(rows)

        def loss_of(chosen: Tensor) -> Tensor:
            at = within[chosen]
            inputs = covers[at] + 0.3 * self.settings.noise * torch.randn(len(at), net.n_cover)
            return mean_loss(
                net.ev(inputs, words[at]), questions.answers[at], questions.weights[at]
            )

        torch_seed = int(np.random.default_rng([self.seed, 1000 + stream]).integers(2**31))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch_seed)
            if is_fresh:
                begin_with_shares(net.ev_head, questions.answers[within])
            chosen = [p for p in net.ev_parameters() if id(p) not in self._fixed(net)]
            self._descend(net, chosen, len(rows), self.settings.ev_epochs, loss_of)
        net.eval()

    def _fixed(self, net: VerifierNet) -> set[int]:
        """What is not learned, by identity."""
        fixed = [*net.word_parameters(), *net.tone_parameters()] if self._keeps_words else []
        return {id(p) for p in fixed}

    def _descend(
        self,
        net: VerifierNet,
        parameters: Sequence[Tensor],
        n_rows: int,
        epochs: int,
        loss_of: Callable[[Tensor], Tensor],
    ) -> None:
        settings = self.settings
        # Each round is an epoch, or longer where there are few verdicts.
        each = max(-(-n_rows // settings.batch), -(-settings.min_steps // epochs))
        optimiser = torch.optim.AdamW(
            parameters, lr=settings.lr, weight_decay=settings.weight_decay
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, settings.lr, total_steps=each * epochs + 1, pct_start=0.1
        )
        batches = batches_of(n_rows, settings.batch)
        net.train()
        for _ in range(epochs):
            last = 0.0
            for rows in islice(batches, each):
                loss = loss_of(rows)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                last = float(loss.detach())
            self._tick(last)


@torch.no_grad()
def answers_to(net: VerifierNet, table: Table) -> Tensor:
    """Logits of a network about mask verdicts, (N, 5)."""
    return net.mv(table.looks, table.fits, table.words)


@torch.no_grad()
def answers_about(net: VerifierNet, questions: Questions) -> Tensor:
    """Logits of a network about exhaustivity verdicts, (M, 6)."""
    if not questions.pairs:
        return torch.zeros(0, len(EV_OPTIONS))
    covers = torch.stack([cover_of(net, pair) for pair in questions.pairs])
    return net.ev(covers, questions.words)
