"""Training the small verifier: describe once, learn in folds, calibrate, learn from all.

The pictures are cut into folds. For each fold a network learns from the others and answers
it, so that every verdict has an answer of a network that never saw its picture. From those
answers come the temperatures (Guo et al., ICML 2017), the figures that are reported, and
what the exhaustivity head learns from: it must know the matching as it is on new pictures,
which is less sure than on old ones. The network that is kept learns from all pictures.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from samnb.models.trainable import StepProgress
from samnb.models.verifier_aids import Aids
from samnb.models.verifier_examples import EvExample, Example, MvExample
from samnb.models.verifier_net import N_COVER, VerifierNet, pad_words
from samnb.models.verifier_small import (
    Describer,
    Pair,
    SmallVerifier,
    VerifierInfo,
    check_parent,
    cover_of,
    describe_pair,
    version_of,
)
from samnb.models.verifier_tables import (
    EV_OPTIONS,
    MV_OPTIONS,
    HeldOut,
    Questions,
    Table,
    batches_of,
    begin_with_shares,
    fold_of,
    held_out,
    mean_loss,
)
from samnb.types import InputError

__all__ = ["HeldOut", "TrainedVerifier", "VerifierSettings", "fold_of", "train_verifier"]


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
    """

    status: str
    verifier: SmallVerifier | None
    mv: HeldOut | None = None
    ev: HeldOut | None = None
    describe_s: float = 0.0
    train_s: float = 0.0


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

    Args:
        examples: verdicts on masks and on pairs, mixed; from at least two pictures.
        aids: other models that may be asked, now and at inference.
        settings: how to learn.
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
    masks = [one for one in used if isinstance(one, MvExample)]
    pairs = [one for one in used if isinstance(one, EvExample)]
    if not masks or len({one.key for one in used}) < 2:
        raise InputError("examples: expected mask verdicts and at least two pictures")
    run = _Run(
        settings or VerifierSettings(),
        describer or Describer(aids),
        len(used),
        seed,
        on_progress,
        cancel,
    )
    begin = timer()
    try:
        table, questions = run.describe(masks, pairs)
        if parent is not None:
            check_parent(parent, run.n_extra(table))
        middle = timer()
        net, mv, ev, heats = run.learn(table, questions, parent)
    except _Cancelled:
        return TrainedVerifier("cancelled", None)
    info = VerifierInfo(
        version=version_of(net),
        parent="" if parent is None else parent.name,
        aids=run.describer.aids.name,
        n_mv=len(masks),
        n_ev=len(pairs),
        mv_temperature=heats[0],
        ev_temperature=heats[1],
        seed=seed,
    )
    verifier = SmallVerifier(net, info, run.describer)
    return TrainedVerifier("done", verifier, mv, ev, middle - begin, timer() - middle)


class _Run:
    """One training with its settings, progress and ways to stop."""

    def __init__(
        self,
        settings: VerifierSettings,
        describer: Describer,
        n_examples: int,
        seed: int,
        on_progress: StepProgress | None,
        cancel: threading.Event | None,
    ) -> None:
        self.settings, self.describer, self.seed = settings, describer, seed
        self._tell, self._cancel = on_progress, cancel
        nets = settings.folds + 1
        self._total = n_examples + nets * (settings.epochs + settings.ev_epochs)
        self._done = 0

    def tick(self, loss: float = 0.0) -> None:
        if self._cancel is not None and self._cancel.is_set():
            raise _Cancelled
        self._done += 1
        if self._tell is not None:
            self._tell(min(self._done, self._total), self._total, loss)

    @staticmethod
    def n_extra(table: Table) -> int:
        return table.fits.shape[1] - len(VerifierNet().q_mean)

    def describe(
        self, masks: Sequence[MvExample], pairs: Sequence[EvExample]
    ) -> tuple[Table, Questions]:
        """Look at every picture once, one after the other, all its questions together."""
        every: dict[str, list[tuple[int, Example]]] = {}
        for at, one in enumerate(masks):
            every.setdefault(one.key, []).append((at, one))
        for at, two in enumerate(pairs):
            every.setdefault(two.key, []).append((at, two))
        rows: dict[int, tuple[Tensor, Tensor]] = {}
        found: dict[int, Pair] = {}
        for group in every.values():
            image = group[0][1].image()
            # Phrase by phrase: aids keep the answer for the pair last asked.
            for at, example in sorted(group, key=lambda entry: entry[1].phrase):
                if isinstance(example, MvExample):
                    rows[at] = self.describer.describe(image, example.phrase, [example.mask])
                else:
                    found[at] = describe_pair(self.describer, image, example.phrase, example.masks)
                self.tick()
        table = Table(
            torch.cat([rows[at][0] for at in range(len(masks))]),
            torch.cat([rows[at][1] for at in range(len(masks))]),
            pad_words(one.phrase for one in masks),
            torch.tensor([MV_OPTIONS.index(one.answer) for one in masks]),
            torch.tensor([one.weight for one in masks]),
            self._folds(masks),
        )
        questions = Questions(
            [found[at] for at in range(len(pairs))],
            torch.tensor([EV_OPTIONS.index(one.answer) for one in pairs], dtype=torch.int64),
            torch.tensor([one.weight for one in pairs]),
            self._folds(pairs),
        )
        return table, questions

    def learn(
        self, table: Table, questions: Questions, parent: SmallVerifier | None
    ) -> tuple[VerifierNet, HeldOut, HeldOut | None, tuple[float, float]]:
        """Learn in folds and then from all; the temperatures come from the folds."""
        folds = self.settings.folds
        mv_logits = torch.zeros(len(table.answers), len(MV_OPTIONS))
        covers = torch.zeros(len(questions.pairs), N_COVER)
        for fold in range(folds):
            rest, own = (np.flatnonzero(table.folds != fold), np.flatnonzero(table.folds == fold))
            asked = np.flatnonzero(questions.folds == fold)
            if len(rest) == 0 or len(own) + len(asked) == 0:
                continue
            net = self._fit_mv(table.take(rest), parent, fold)
            part = table.take(own)
            with torch.no_grad():
                mv_logits[torch.from_numpy(own)] = net.mv(part.looks, part.fits, part.words)
            for at in asked.tolist():
                covers[at] = cover_of(net, questions.pairs[at])
        net = self._fit_mv(table, parent, folds)
        mv, mv_heat = held_out(mv_logits, table.answers)
        if not questions.pairs:
            return net, mv, None, (mv_heat, 1.0)
        ev_logits = torch.zeros(len(covers), len(EV_OPTIONS))
        for fold in range(folds):
            rest, own = (np.flatnonzero(test) for test in
                         (questions.folds != fold, questions.folds == fold))  # fmt: skip
            if len(rest) == 0 or len(own) == 0:
                continue
            rows = torch.from_numpy(own)
            probe = VerifierNet(net.n_extra)
            probe.load_state_dict(net.state_dict())
            self._fit_ev(probe, covers, questions, rest, fold, has_parent=parent is not None)
            with torch.no_grad():
                ev_logits[rows] = probe.ev(covers[rows], questions.words[rows])
        self._fit_ev(
            net, covers, questions, np.arange(len(covers)), folds, has_parent=parent is not None
        )
        ev, ev_heat = held_out(ev_logits, questions.answers)
        return net, mv, ev, (mv_heat, ev_heat)

    def _fit_mv(self, table: Table, parent: SmallVerifier | None, stream: int) -> VerifierNet:
        torch_seed = int(np.random.default_rng([self.seed, stream]).integers(2**31))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch_seed)
            net = VerifierNet(self.n_extra(table))
            if parent is not None:
                net.load_state_dict(parent.net.state_dict())
            seen = net.known.clone()
            net.learn_scale(
                table.looks, table.fits, table.words, min_count=self.settings.min_word_count
            )
            net.known |= seen
            if parent is None:
                begin_with_shares(net.mv_head, table.answers)
            apart = {id(p) for p in net.ev_parameters()}
            chosen = [p for p in net.parameters() if id(p) not in apart]

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
        has_parent: bool,
    ) -> None:
        words, within = questions.words, torch.from_numpy(rows)

        def loss_of(chosen: Tensor) -> Tensor:
            at = within[chosen]
            inputs = covers[at] + 0.3 * self.settings.noise * torch.randn(len(at), N_COVER)
            return mean_loss(
                net.ev(inputs, words[at]), questions.answers[at], questions.weights[at]
            )

        torch_seed = int(np.random.default_rng([self.seed, 1000 + stream]).integers(2**31))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch_seed)
            if not has_parent:
                begin_with_shares(net.ev_head, questions.answers[within])
            self._descend(net, net.ev_parameters(), len(rows), self.settings.ev_epochs, loss_of)
        net.eval()

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
            self.tick(last)

    def _folds(self, examples: Sequence[Example]) -> npt.NDArray[np.int64]:
        return np.array(
            [fold_of(one.key, self.settings.folds, self.seed) for one in examples], np.int64
        )
