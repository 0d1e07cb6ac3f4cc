"""Teach the foundation: first what words look like, then to judge what a segmenter proposes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from scipy import optimize
from torch import Tensor, nn

from samnb.models.concept_net import phrase_log_probability
from samnb.models.concept_training.phrases import COMBINATIONS, WORDS, PhraseBook, phrase_loss
from samnb.models.concept_training.settings import ConceptSettings, training_scene
from samnb.models.concepts import ConceptSegmenter
from samnb.models.training.common import cosine
from samnb.models.verifier_aids import segmenter_aids
from samnb.models.verifier_examples import EvExample, MvExample
from samnb.models.verifier_features import appearance
from samnb.models.verifier_foundation.world import roughen, verdicts
from samnb.models.verifier_learning import Learned, Learner, VerifierSettings
from samnb.models.verifier_net import VerifierNet, word_ids
from samnb.models.verifier_small import Describer, SmallVerifier, VerifierInfo, version_of
from samnb.models.verifier_tables import (
    MIN_CALIBRATION,
    Questions,
    Table,
    begin_with_shares,
    join_questions,
    join_tables,
)
from samnb.models.verifier_training import describe_examples
from samnb.synthetic.concepts import ConceptScene
from samnb.types import InputError

log = logging.getLogger(__name__)

FIRST_PICTURE: Final = 200_000
"""Pictures from here on are the foundation's, far from those that segmenters learn from."""
MOST_PICTURES: Final = 400
"""Words are learned from the pictures after so many, so that none is judged by a network that
has learned its words from it."""
ACCEPT: Final = 0
"""Column of Accept in both tasks."""
HONEST: Final = (("proposal",), ("pair", "no masks"))
"""Kinds of verdict, of MV and of EV, on which answers are made honest: what the loop asks, and
what is asked at inference, whether a phrase names anything (see ``ev_presence``)."""


@dataclass(frozen=True, slots=True)
class FoundationSettings:
    """How the foundation is taught.

    Attributes:
        words_pictures: pictures whose true masks teach what words look like.
        pictures: pictures that the segmenter proposes masks for.
        words_steps: optimiser steps of the first part.
        epochs: passes over the mask verdicts in the second.
        ev_epochs: passes over the verdicts on pairs.
        seed: of every random choice.
    """

    words_pictures: int = 1000
    pictures: int = 300
    words_steps: int = 1500
    epochs: int = 8
    ev_epochs: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 < self.pictures <= MOST_PICTURES or self.words_pictures < 1:
            raise InputError(
                f"pictures: expected 2 to {MOST_PICTURES}, and words_pictures from 1, got "
                f"{self.pictures} and {self.words_pictures}"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Lessons:
    """Verdicts in numbers, with their kinds.

    Attributes:
        mv_kinds: (N,) of the mask verdicts, see :class:`~.world.WorldVerdict`.
        ev_kinds: (M,) of the exhaustivity verdicts.
    """

    table: Table
    questions: Questions
    mv_kinds: npt.NDArray[np.str_]
    ev_kinds: npt.NDArray[np.str_]


def train_foundation(
    segmenter: ConceptSegmenter, settings: FoundationSettings | None = None
) -> SmallVerifier:
    """Teach a verifier on drawn pictures of the training split; no person is asked.

    Args:
        segmenter: proposes the masks that are judged, and helps to judge them.
        settings: how much of what.
    """
    settings = settings or FoundationSettings()
    describer = Describer(segmenter_aids(segmenter))
    lessons = gather(segmenter, describer, settings)
    return teach(lessons, *true_looks(settings), describer, settings)


def teach(
    lessons: Lessons, looks: Tensor, things: Tensor, describer: Describer,
    settings: FoundationSettings,
) -> SmallVerifier:  # fmt: skip
    """Learn words and then judging; the verifier asks what ``describer`` asks.

    Args:
        lessons: what :func:`gather` gave.
        looks: with ``things``, what :func:`true_looks` gave.
        things: rows of the looks in the table of things.
        describer: with the aids of the lessons.
        settings: how long.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        net = VerifierNet(lessons.table.n_extra)
        loss = teach_words(net, looks, things, settings)
        log.info("words: loss %.4f", loss)
        # Drawn phrases are all alike in this: with tones learned, some words are remembered as
        # those of pictures where something was missed.
        for tone in net.tone_parameters():
            nn.init.zeros_(tone)
        net.q_mean.copy_(lessons.table.fits.mean(dim=0))
        net.q_scale.copy_(lessons.table.fits.std(dim=0).clamp_min(1e-2))
        begin_with_shares(net.mv_head, lessons.table.answers)
        begin_with_shares(net.ev_head, lessons.questions.answers)
    usual = VerifierSettings(
        epochs=settings.epochs, ev_epochs=settings.ev_epochs, batch=128, lr=2e-3, folds=2
    )
    learner = Learner(
        usual,
        settings.seed,
        lambda loss: log.info("judging: loss %.4f", loss),
        keeps_words=True,
    )
    learned = learner.learn(lessons.table, lessons.questions, net)
    heat = calibrate(learned, lessons)
    info = VerifierInfo(
        version=version_of(learned.net),
        aids=describer.aids.name,
        n_mv=len(lessons.mv_kinds),
        n_ev=len(lessons.ev_kinds),
        mv_temperature=heat,
        seed=settings.seed,
    )
    return SmallVerifier(learned.net, info, describer)


def gather(
    segmenter: ConceptSegmenter, describer: Describer, settings: FoundationSettings
) -> Lessons:
    """Draw pictures, have masks proposed and turn the verdicts into numbers."""
    tables: list[Table] = []
    questions: list[Questions] = []
    kinds: tuple[list[str], list[str]] = ([], [])
    for number in range(settings.pictures):
        scene = _scene(settings, number)
        found = list(verdicts(scene, segmenter, seed=settings.seed))
        masks = [v for v in found if isinstance(v.example, MvExample)]
        if not masks:
            continue
        table, asked = describe_examples(
            describer, [v.example for v in found], folds=2, seed=settings.seed
        )
        tables.append(table)
        questions.append(asked)
        kinds[0].extend(v.kind for v in masks)
        kinds[1].extend(v.kind for v in found if isinstance(v.example, EvExample))
        if (number + 1) % 50 == 0:
            log.info("%d of %d pictures judged", number + 1, settings.pictures)
    return Lessons(
        join_tables(tables), join_questions(questions), np.array(kinds[0]), np.array(kinds[1])
    )


def true_looks(settings: FoundationSettings) -> tuple[Tensor, Tensor]:
    """Appearances of true masks, (N, N_APPEARANCE), each clean and with a rough edge, and
    their rows in the table of things."""
    looks: list[npt.NDArray[np.float32]] = []
    things: list[int] = []
    for number in range(settings.words_pictures):
        scene = _scene(settings, MOST_PICTURES + number)
        rng = np.random.default_rng([settings.seed, scene.seed, 8])
        for thing in scene.things:
            clean = np.asarray(scene.labels == thing.number)
            for mask in (clean, roughen(clean, rng)):
                looks.append(appearance(scene.image, mask if mask.any() else clean))
                things.append(COMBINATIONS.index(thing.combination))
        if (number + 1) % 100 == 0:
            log.info("%d of %d pictures looked at", number + 1, settings.words_pictures)
    return torch.from_numpy(np.stack(looks)), torch.tensor(things)


def teach_words(
    net: VerifierNet, looks: Tensor, things: Tensor, settings: FoundationSettings
) -> float:
    """Teach what each word looks like; returns the mean loss of the last tenth.

    A thing is told apart from every phrase of the vocabulary, as the default segmenter was
    taught; see :func:`samnb.models.concept_training.phrases.phrase_loss`.
    """
    book = PhraseBook()
    named, nearly = torch.from_numpy(book.named), torch.from_numpy(book.nearly)
    index = {word: at for at, word in enumerate(WORDS)}
    incidence = torch.zeros(len(book.phrases), len(WORDS) + 1)
    for row, phrase in enumerate(book.phrases):
        incidence[row, [index[word] for word in str(phrase).split()]] = 1.0
    rows = torch.tensor([word_ids(word)[0] for word in WORDS])
    net.a_mean.copy_(looks.mean(dim=0))
    net.a_scale.copy_(looks.std(dim=0).clamp_min(1e-2))
    net.known[rows] = True
    optimiser = torch.optim.AdamW(net.word_parameters(), lr=3e-3, weight_decay=0.02)
    losses: list[float] = []
    net.train()
    for step in range(settings.words_steps):
        for group in optimiser.param_groups:
            group["lr"] = 3e-3 * cosine(step / settings.words_steps)
        at = torch.randint(len(looks), (128,))
        seen = looks[at] + 0.2 * net.a_scale * torch.randn(len(at), looks.shape[1])
        log_p = phrase_log_probability(net.word_logits(seen, rows), incidence)
        loss = phrase_loss(log_p, named[things[at]], nearly[:, things[at]])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
        if (step + 1) % 500 == 0:
            log.info("words: step %d of %d: %.4f", step + 1, settings.words_steps,
                     np.mean(losses[-100:]))  # fmt: skip
    net.eval()
    return float(np.mean(losses[-max(1, len(losses) // 10) :]))


def calibrate(learned: Learned, lessons: Lessons) -> float:
    """Make the answers honest (see :data:`HONEST`); returns the temperature of MV.

    Platt scaling (Platt 1999) of the held-out answers: a temperature, and a shift of Accept
    that the network keeps. EV is two questions, with and without masks, and each has a shift
    and a temperature of its own.
    """
    net, (mv_kinds, ev_kinds) = learned.net, HONEST
    rows = torch.from_numpy(np.isin(lessons.mv_kinds, mv_kinds))
    heat, shift = platt(learned.mv_logits[rows], lessons.table.answers[rows])
    net.mv_shift.fill_(shift)
    is_empty = np.array([not pair.accepted for pair in lessons.questions.pairs])
    for at, group in enumerate((~is_empty, is_empty)):
        rows = torch.from_numpy(np.isin(lessons.ev_kinds, ev_kinds) & group)
        if int(rows.sum()) >= MIN_CALIBRATION:
            found = platt(learned.ev_logits[rows], lessons.questions.answers[rows])
            net.ev_heat[at], net.ev_shift[at] = found
    return heat


def platt(logits: Tensor, answers: Tensor) -> tuple[float, float]:
    """The temperature, and the shift of the first option's logit before it, under which the
    answers are likeliest."""
    table, right = logits.double().numpy(), answers.numpy()
    at = np.arange(len(right))

    def loss(free: npt.NDArray[np.float64]) -> float:
        scaled = table.copy()
        scaled[:, ACCEPT] += free[1]
        scaled /= np.exp(free[0])
        scaled -= scaled.max(axis=1, keepdims=True)
        return float((np.log(np.exp(scaled).sum(axis=1)) - scaled[at, right]).mean())

    found = optimize.minimize(loss, np.zeros(2), method="Nelder-Mead")
    return float(np.exp(found.x[0])), float(found.x[1])


def _scene(settings: FoundationSettings, number: int) -> ConceptScene:
    return training_scene(ConceptSettings(seed=settings.seed), FIRST_PICTURE + number)
