"""Teach ``concept`` what was decided: pairs of a picture and a phrase, with all their masks.

What the model sees of a picture is computed once and kept; only what reads it is trained: the
words, the embedding and the judgement of quality. That takes seconds, leaves the masks as they
are, and is enough for new words and for shifted meanings, not for shapes that the frozen part
cannot tell apart. The base itself, in memory and on disk, stays as it is.

A few dozen pictures are soon known by heart, and people err in a good part of what they decide.
So the version is kept from getting worse:

* What is taught is what is used: the loss is that of the calibrated probabilities by which
  instances are kept, not of the raw ones that the calibration corrects.
* About phrases that the base knows, what was decided and what the base believes are both told
  (soft bootstrapping; Reed et al., arXiv 1412.6596), and about every word that it knows its
  belief (learning without forgetting; Li and Hoiem, ECCV 2016).
* Made-up pictures of the world that it was taught on are rehearsed beside the decided ones
  (Robins, Connection Science 1995).
* New words are learned in closed form from their exemplars first, anew with every version, and each
  only if pictures left out find it (:mod:`samnb.models.concept_words`). Nothing else moves for
  that. A word that no positive has is not learned.
* All else is moved, in small steps, only where that helps: versions taught on some of the pictures
  are asked about the others first (cross-validation), as far as the base did not learn from these
  before. Where they do not answer them clearly better (cgF1) than the base with the new words does,
  the version is that: clearly is by more than the standard error (Breiman, Friedman, Olshen and
  Stone, Classification and Regression Trees, 1984, section 3.4.3).
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from samnb.metrics.cgf1 import PairCount
from samnb.models.checkpoints import file_version
from samnb.models.concept import LearnedSegmenter, load_segmenter, save_segmenter
from samnb.models.concept_calibration import Calibration
from samnb.models.concept_check import Check, checked
from samnb.models.concept_lessons import (
    TRAINED,
    DecidedPair,
    Lesson,
    Told,
    answers,
    by_picture,
    look_at_pairs,
    rehearsals,
    tell,
)
from samnb.models.concept_net import ConceptNet, phrase_log_probability
from samnb.models.concept_words import learn_rules, new_words, with_rules
from samnb.models.trainable import StepProgress
from samnb.models.training.common import cosine
from samnb.types import InputError

__all__ = [
    "Check", "ConceptFinetuneSettings", "ConceptTrained", "DecidedPair", "finetune_concept",
]  # fmt: skip

FOLDS: Final = 3
"""Parts that the pictures are put into for cross-validation."""
RARE: Final = -4.0
"""Logit that a new word fits anything, before it is learned."""
_POSITIVE: Final = 1 / 3
"""Share of positive phrases in the loss, however many negatives there are."""
_KEEP: Final = 0.2
"""Weight of known words and of quality beside that of phrases."""
_SHRINK: Final = 0.05
"""Weight of the squared length of new words' vectors: they are known from few pictures."""


@dataclass(frozen=True, slots=True)
class ConceptFinetuneSettings:
    """How the default segmenter learns from decided pairs.

    Attributes:
        steps: optimiser steps.
        pictures: pictures looked at in one step, and as many that are rehearsed.
        most_pictures: pictures learned from in all, drawn from the seed; looking at one takes
            about half a second on one core.
        lr: learning rate of what the base knows.
        words_lr: learning rate of words that could not be learned in closed form.
        belief: how much the base's belief about a phrase that it knows counts beside what was
            decided, in [0, 1].
        rehearsed: made-up pictures that are rehearsed, at most two for each decided one.
        is_checked: whether to cross-validate first.
    """

    steps: int = 150
    pictures: int = 12
    most_pictures: int = 100
    lr: float = 1e-5
    words_lr: float = 1e-2
    belief: float = 0.25
    rehearsed: int = 24
    is_checked: bool = True

    def __post_init__(self) -> None:
        for name in ("steps", "pictures", "most_pictures"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if not 0 <= self.belief <= 1:
            raise InputError(f"belief: expected 0 to 1, got {self.belief}")
        if self.rehearsed < 0:
            raise InputError(f"rehearsed: expected 0 or more, got {self.rehearsed}")


@dataclass(frozen=True, slots=True)
class ConceptTrained:
    """What fine-tuning gives back.

    Attributes:
        status: "done" or "cancelled".
        steps: optimiser steps that are done; none where the check found no gain.
        segmenter: the new version, read back from its file; None when cancelled.
        file: its weights, to be loaded by name; None when cancelled.
        curve: ``(step, loss)``, rising.
        words: pictures with an exemplar of each word that was learned in closed form.
        check: what cross-validation found; None where it was not asked for, was cancelled, or
            there is one picture only, or none that the base did not learn from.
    """

    status: str
    steps: int
    segmenter: LearnedSegmenter | None
    file: Path | None
    curve: tuple[tuple[int, float], ...]
    words: Mapping[str, int] = field(default_factory=dict)
    check: Check | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Course:
    """Everything a training needs beside the pictures to learn from."""

    base: LearnedSegmenter
    rehearsed: Sequence[tuple[Lesson, Told]]
    settings: ConceptFinetuneSettings
    seed: int
    is_cancelled: Callable[[], bool]


def finetune_concept(
    segmenter: LearnedSegmenter,
    pairs: Sequence[DecidedPair],
    *,
    folder: Path,
    settings: ConceptFinetuneSettings | None = None,
    seed: int = 0,
    on_progress: StepProgress | None = None,
    cancel: threading.Event | None = None,
) -> ConceptTrained:
    """Fine-tune the default segmenter; words that it does not know yet are learned.

    Args:
        segmenter: the version to start from; it stays as it is.
        pairs: positives with all their masks, and verified negatives.
        folder: where the new version goes; made when missing.
        settings: how to train.
        seed: of every random choice.
        on_progress: called with (steps done, steps in all, mean loss of the last few).
            Looking at the pictures and cross-validation come first and are told as step 0.
        cancel: set it from another thread to stop; nothing is written then.

    Raises:
        InputError: no pairs, or masks that are not of their picture.
    """
    settings = settings or ConceptFinetuneSettings()

    def stopped() -> bool:
        if on_progress is not None:
            on_progress(0, settings.steps, 0.0)
        return cancel is not None and cancel.is_set()

    groups = by_picture(pairs)
    order = np.random.default_rng([seed, 21]).permutation(len(groups))[: settings.most_pictures]
    lessons: list[Lesson] = []
    for at in order:
        lessons.append(look_at_pairs(segmenter, groups[int(at)]))
        if stopped():
            return ConceptTrained("cancelled", 0, None, None, ())
    if not any(len(lesson.pooled) for lesson in lessons):
        raise InputError("pairs: expected pictures in which something is proposed, got none")
    own = [(one, _told(segmenter, one, settings.belief)) for one in lessons]
    rehearsed = rehearsals(segmenter, min(settings.rehearsed, 2 * len(own)), stopped)
    old = [(one, _told(segmenter, one, None)) for one in rehearsed]
    course = _Course(segmenter, old, settings, seed, stopped)
    check = _cross_validated(course, own) if settings.is_checked and len(own) > 1 else None
    if stopped():
        return ConceptTrained("cancelled", 0, None, None, ())
    rules = learn_rules(segmenter.net, lessons)
    net = with_rules(segmenter.net, rules).eval()
    curve: list[float] = []
    if check is None or check.is_better:
        net, curve = _taught(course, own, on_progress, cancel)
        if len(curve) < settings.steps:
            return ConceptTrained("cancelled", len(curve), None, None, tuple(enumerate(curve, 1)))
    fresh = copy.copy(segmenter)
    fresh.net = net
    learned = set() if net is segmenter.net else {one.picture for one in lessons}
    info = {
        "parent": segmenter.name, "seed": seed, "settings": asdict(settings),
        "learned": sorted(learned | segmenter.learned),
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "concept.part"
    save_segmenter(fresh, part, info, precision="float16")
    file = folder / f"concept-{file_version([part])}.safetensors"
    part.replace(file)
    # Read back, so that what is measured and used is what the file holds.
    loaded = load_segmenter(file, segmenter.tracker)
    loaded.grid, loaded.every = segmenter.grid, segmenter.every
    words = {word: rule.pictures for word, rule in rules.items()}
    steps = tuple(enumerate(curve, 1))
    return ConceptTrained("done", len(curve), loaded, file, steps, words, check)


def _told(segmenter: LearnedSegmenter, lesson: Lesson, belief: float | None) -> Told:
    return tell(segmenter.net, segmenter.calibration, lesson, belief)


def _cross_validated(course: _Course, own: Sequence[tuple[Lesson, Told]]) -> Check | None:
    """Ask about every picture that the base never saw a version that did not see it either;
    None when cancelled, or where there is no such picture."""
    base, folds = course.base, min(FOLDS, len(own))
    before: list[list[PairCount]] = []
    after: list[list[PairCount]] = []
    taught = copy.copy(base)
    unseen = {lesson.picture for lesson, _ in own} - base.learned
    for fold in range(folds):
        asked = [one for one, _ in own[fold::folds] if one.picture in unseen]
        if not asked:
            continue
        rest = [one for at, one in enumerate(own) if at % folds != fold]
        trained, curve = _taught(course, rest, None, None)
        if len(curve) < course.settings.steps:
            return None
        for taught.net, counts in ((_with_words(base, rest), before), (trained, after)):
            counts += [answers(taught, lesson) for lesson in asked]
    if not before:
        return None
    return checked(before, after, np.random.default_rng([course.seed, 23]))


def _with_words(base: LearnedSegmenter, own: Sequence[tuple[Lesson, Told]]) -> ConceptNet:
    """The base's net with the new words that can be learned in closed form."""
    net = base.net
    return with_rules(net, learn_rules(net, [lesson for lesson, _ in own])).eval()


def _taught(
    course: _Course,
    own: Sequence[tuple[Lesson, Told]],
    on_progress: StepProgress | None,
    cancel: threading.Event | None,
) -> tuple[ConceptNet, list[float]]:
    """Teach a copy of the base; returns it with the loss of every step, fewer if cancelled."""
    settings, base = course.settings, course.base
    start = _with_words(base, own)
    n_known = len(start.words)
    left = [w for w in new_words(start, [one for one, _ in own]) if w not in start.words]
    rng = np.random.default_rng([course.seed, 22])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(course.seed)
        net = start.with_words(left, is_wide=start.is_wide or bool(left)).eval()
        net.to(base.net.vectors.device)
        fresh = net.vectors[n_known:]
        with torch.no_grad():  # not zero, so that they do not all learn the same
            fresh.copy_(torch.randn(fresh.shape, device=fresh.device) * 0.05)
            net.bias[n_known:] = RARE
    named = dict(net.named_parameters())
    trained = [v for k, v in named.items() if k.startswith(TRAINED)]
    words = [net.vectors, net.bias]
    for value in named.values():
        value.requires_grad_(False)
    for value in (*trained, *words):
        value.requires_grad_(True)
    rates = (settings.lr, settings.words_lr)
    optimizer = torch.optim.AdamW(
        [{"params": trained, "lr": rates[0]}, {"params": words, "lr": rates[1]}], weight_decay=0.0
    )
    curve: list[float] = []
    for step in range(settings.steps):
        if (cancel is not None and cancel.is_set()) or (on_progress is None and
                                                        course.is_cancelled()):  # fmt: skip
            break
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * cosine(step / settings.steps)
        loss = _loss(net, base.calibration, _some(own, settings.pictures, rng))
        if course.rehearsed:
            old = _some(course.rehearsed, min(settings.pictures, len(own)), rng)
            loss = loss + _loss(net, base.calibration, old)
        loss = loss + _SHRINK * net.vectors[n_known:].square().sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([*trained, *words], 1.0)
        before = [w[:n_known].detach().clone() for w in words]
        optimizer.step()
        with torch.no_grad():  # known words stay near, new ones have nowhere to stay
            for value, was in zip(words, before, strict=True):
                value[:n_known].lerp_(was, 1 - min(1.0, settings.lr / settings.words_lr))
        curve.append(float(loss.detach()))
        if on_progress is not None:
            on_progress(step + 1, settings.steps, float(np.mean(curve[-10:])))
    for value in named.values():
        value.requires_grad_(True)
    return net, curve


def _some(
    every: Sequence[tuple[Lesson, Told]], n: int, rng: np.random.Generator
) -> list[tuple[Lesson, Told]]:
    return [every[int(i)] for i in rng.permutation(len(every))[:n]]


def _loss(
    net: ConceptNet,
    calibration: Calibration,
    lessons: Sequence[tuple[Lesson, Told]],
    keep: float = _KEEP,
) -> Tensor:
    """Cross-entropy of what is told: summed over the views of a phrase, mean over phrases, where
    positives have a fixed share; and, weighted with ``keep``, of known words and of being one
    whole thing, mean over pictures."""
    embeddings, wholes = net.read(torch.cat([lesson.pooled for lesson, _ in lessons]))
    sizes = [len(lesson.pooled) for lesson, _ in lessons]
    phrases: list[Tensor] = []
    signs: list[Tensor] = []
    rest: list[Tensor] = []
    for (lesson, said), embedding, whole in zip(
        lessons, embeddings.split(sizes), wholes.split(sizes), strict=True
    ):
        logits = net.word_logits(embedding)
        log_p = phrase_log_probability(logits, net.incidence(lesson.phrases)).clamp(max=-1e-5)
        seen = calibration.instance_logits(whole.sigmoid(), log_p)
        each = F.binary_cross_entropy_with_logits(seen, said.named, reduction="none")
        phrases.append((each * said.counts).sum(0))
        signs.append((lesson.target == 1).any(0).to(each.device))
        if said.words is not None:
            known = logits[:, : said.words.shape[1]]
            told = F.binary_cross_entropy_with_logits(known, said.words, reduction="none")
            rest.append(told.mean(1).sum())
        thing = lesson.whole.to(whole.device).float()
        judged = F.binary_cross_entropy_with_logits(whole, thing.clamp(min=0), reduction="none")
        rest.append((judged * (thing >= 0)).sum())
    loss, sign = torch.cat(phrases), torch.cat(signs)
    # A fixed share: else many negatives teach that nothing is ever there.
    parts = [(part.mean(), share) for part, share in
             ((loss[sign], _POSITIVE), (loss[~sign], 1 - _POSITIVE)) if len(part)]  # fmt: skip
    told = torch.stack([mean * share for mean, share in parts]).sum()
    told = told / sum(share for _, share in parts)
    return told + keep * torch.stack(rest).sum() / len(lessons)
