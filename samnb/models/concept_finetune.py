"""Teach ``concept`` what was decided: pairs of a picture and a phrase, with all their masks.

What the model sees of a picture is computed once and kept; only what reads it is trained: the
words, the embedding and the judgement of quality. That takes seconds, leaves the masks as they
are, and is enough for new words and for shifted meanings, not for shapes that the frozen part
cannot tell apart. The base itself, in memory and on disk, stays as it is.

A few dozen pictures are soon known by heart, and people err in a good part of what they decide.
Three things keep a version from getting worse by that. About phrases that the base knows, what
was decided and what the base believes are both told, half and half (soft bootstrapping; Reed et
al., arXiv 1412.6596), and about every word that it knows its belief alone (learning without
forgetting; Li and Hoiem, ECCV 2016). What is known moves in small steps, and only new words in
large ones. And some pictures are not learned from: the step at which these were answered best is
the version (early stopping); that may be the base.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from samnb.models.base import BoolMask, Image
from samnb.models.checkpoints import file_version
from samnb.models.concept import LearnedSegmenter, check_image, load_segmenter, save_segmenter
from samnb.models.concept_crops import Pyramid, squares_around, view_labels, view_maps
from samnb.models.concept_net import ConceptNet, log_not, phrase_log_probability
from samnb.models.concept_proposals import propose
from samnb.models.concept_text import learn_words
from samnb.models.trainable import StepProgress
from samnb.types import InputError

SAME: Final = 0.5
"""A proposal that overlaps a decided mask at least so much shows that instance."""
OTHER: Final = 0.3
"""One that overlaps all of them less than this does not; in between nothing is learned."""
APART: Final = 5
"""Of so many pictures one is not learned from, and tells when to stop."""
LOOKS: Final = 10
"""How often in a training these are asked."""
_TRAINED: Final = ("trunk", "to_embedding", "to_quality")
_MAP: Final = 64


@dataclass(frozen=True, slots=True, eq=False)
class DecidedPair:
    """A picture and a phrase that were decided.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        phrase: the noun phrase.
        masks: all instances, (H, W) bool each; none for a verified negative, hard or not.
    """

    image: Image
    phrase: str
    masks: tuple[BoolMask, ...] = ()


@dataclass(frozen=True, slots=True)
class ConceptFinetuneSettings:
    """How the default segmenter learns from decided pairs.

    Attributes:
        steps: optimiser steps.
        pictures: pictures looked at in one step.
        most_pictures: pictures learned from in all, drawn from the seed; looking at one takes
            about half a second on one core.
        lr: learning rate of what the base knows.
        words_lr: learning rate of the words that it does not know.
        belief: how much the base's belief about a phrase that it knows counts beside what was
            decided, in [0, 1].
    """

    steps: int = 200
    pictures: int = 12
    most_pictures: int = 60
    lr: float = 3e-5
    words_lr: float = 5e-3
    belief: float = 0.5

    def __post_init__(self) -> None:
        for name in ("steps", "pictures", "most_pictures"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if not 0 <= self.belief <= 1:
            raise InputError(f"belief: expected 0 to 1, got {self.belief}")


@dataclass(frozen=True, slots=True)
class ConceptTrained:
    """What fine-tuning gives back.

    Attributes:
        status: "done" or "cancelled".
        steps: optimiser steps that are done.
        best: the step whose weights the version has; 0 for those of the base.
        segmenter: the new version, read back from its file; None when cancelled.
        file: its weights, to be loaded by name; None when cancelled.
        curve: ``(step, loss)``, rising.
    """

    status: str
    steps: int
    segmenter: LearnedSegmenter | None
    file: Path | None
    curve: tuple[tuple[int, float], ...]
    best: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Lesson:
    """One picture: its views, and for each phrase which of them it names.

    ``target`` is (N views, P phrases): 1, 0, or -1 where nothing is known. ``whole`` is (N,):
    1 for a view of a decided instance, 0 for a part of one, -1 for others.
    """

    pooled: Tensor
    phrases: tuple[str, ...]
    target: Tensor
    whole: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class _Told:
    """What is told about a lesson, probabilities all: of its phrases (N, P), of each word that
    the base knows (N, W) and of being one whole thing (N,); ``counts`` is (N, P), 0 where
    nothing is told about a phrase."""

    named: Tensor
    counts: Tensor
    words: Tensor
    whole: Tensor


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
            Looking at the pictures comes first and is told as step 0.
        cancel: set it from another thread to stop; nothing is written then.

    Raises:
        InputError: no pairs, or masks that are not of their picture.
    """
    settings = settings or ConceptFinetuneSettings()
    rng = np.random.default_rng([seed, 21])
    groups = _by_picture(pairs)
    order = rng.permutation(len(groups))[: settings.most_pictures]
    lessons: list[_Lesson] = []
    for at in order:
        if cancel is not None and cancel.is_set():
            return ConceptTrained("cancelled", 0, None, None, ())
        lessons.append(_look(segmenter, groups[int(at)]))
        if on_progress is not None:
            on_progress(0, settings.steps, 0.0)
    held = [p.phrase for p in pairs]
    index = {w: i for i, w in enumerate(segmenter.words)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = segmenter.net.with_words(learn_words(held, index)).eval()
        net.to(segmenter.net.vectors.device)
        _start_words(net, len(index))
        told = [_tell(segmenter.net, lesson, settings.belief) for lesson in lessons]
        curve, at = _train(net, len(index), lessons, told, settings, rng, on_progress, cancel)
    if len(curve) < settings.steps:
        return ConceptTrained("cancelled", len(curve), None, None, tuple(enumerate(curve, 1)))
    fresh = copy.copy(segmenter)
    fresh.net = net
    info = {"parent": segmenter.name, "seed": seed, "settings": asdict(settings)}
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "concept.part"
    save_segmenter(fresh, part, info, precision="float16")
    file = folder / f"concept-{file_version([part])}.safetensors"
    part.replace(file)
    # Read back, so that what is measured and used is what the file holds.
    loaded = load_segmenter(file, segmenter.tracker)
    loaded.grid, loaded.every = segmenter.grid, segmenter.every
    return ConceptTrained("done", len(curve), loaded, file, tuple(enumerate(curve, 1)), at)


def _by_picture(pairs: Sequence[DecidedPair]) -> list[list[DecidedPair]]:
    if not pairs:
        raise InputError("pairs: expected at least one decided pair, got none")
    groups: dict[int, list[DecidedPair]] = {}
    for pair in pairs:
        check_image(pair.image)
        for mask in pair.masks:
            if mask.shape != pair.image.shape[:2] or mask.dtype != np.bool_:
                raise InputError(
                    f"masks of {pair.phrase!r}: expected {pair.image.shape[:2]} bool, "
                    f"got {mask.shape} {mask.dtype}"
                )
        groups.setdefault(hash((pair.image.shape, pair.image.tobytes())), []).append(pair)
    return list(groups.values())


@torch.no_grad()
def _look(segmenter: LearnedSegmenter, pairs: Sequence[DecidedPair]) -> _Lesson:
    """Compute what the frozen part sees of the proposals and of the decided masks."""
    image, net = pairs[0].image, segmenter.net
    size_hw = image.shape[0], image.shape[1]
    _, found = propose(segmenter.tracker, segmenter.proposer, image, grid=segmenter.grid)
    masks = [m for p in pairs for m in p.masks if m.any()]
    maps = found.maps
    if masks:
        own = torch.from_numpy(np.stack(masks)).float()[:, None]
        side = maps.shape[-1] if len(maps) else _MAP
        small = F.interpolate(own, size=(side, side), mode="area")[:, 0]
        small = small / small.amax((1, 2), keepdim=True)  # even a speck reaches 0.5
        maps = torch.cat([maps, small]) if len(maps) else small
    squares = squares_around(maps > 0.5, size_hw)
    prior = view_maps(maps, squares, size_hw)
    views = torch.cat([Pyramid(image).views(squares), prior[:, None]], 1)
    pooled, _ = net.pool(views.to(net.vectors.device))
    shown = (prior > 0.5).numpy()
    scale = (shown.shape[-1] / squares[:, 2]) ** 2
    overlap: dict[int, np.ndarray] = {}
    for pair in pairs:
        for mask in pair.masks:
            seen = view_labels(mask.astype(np.uint8), squares) > 0
            inter = (seen & shown).sum((1, 2))
            union = shown.sum((1, 2)) + mask.sum() * scale - inter
            overlap[id(mask)] = inter / np.maximum(union, 1)
    none = np.zeros(len(maps))
    target = np.full((len(maps), len(pairs)), -1, np.int64)
    for column, pair in enumerate(pairs):
        best = np.max([none, *(overlap[id(m)] for m in pair.masks)], axis=0)
        target[best < OTHER, column] = 0
        target[best >= SAME, column] = 1
    best = np.max([none, *overlap.values()], axis=0)
    whole = np.where(best >= SAME, 1, np.where((best > 0.1) & (best < OTHER), 0, -1))
    return _Lesson(
        pooled, tuple(p.phrase for p in pairs), torch.from_numpy(target), torch.from_numpy(whole)
    )


def _start_words(net: ConceptNet, n_known: int) -> None:
    """Give new words a small vector each, so that they do not all learn the same."""
    fresh = net.vectors[n_known:]
    with torch.no_grad():
        fresh.copy_(torch.randn(fresh.shape, device=fresh.device) * 0.05)


@torch.no_grad()
def _tell(base: ConceptNet, lesson: _Lesson, belief: float) -> _Told:
    """Mix what was decided with what the base believes, where it believes anything."""
    embedding, whole = base.read(lesson.pooled)
    logits = base.word_logits(embedding)
    incidence = base.incidence(lesson.phrases)
    believed = phrase_log_probability(logits, incidence).exp()
    is_known = (incidence[:, -1] == 0).expand_as(believed)
    is_decided = (lesson.target >= 0).to(believed.device)
    decided = lesson.target.to(believed.device).float()
    mixed = torch.where(is_known, (1 - belief) * decided + belief * believed, decided)
    seen, thing = whole.sigmoid(), lesson.whole.to(whole.device)
    return _Told(
        torch.where(is_decided, mixed, believed),
        (is_decided | is_known).float(),
        logits.sigmoid(),
        torch.where(thing >= 0, (1 - belief) * thing.float() + belief * seen, seen),
    )


def _train(
    net: ConceptNet,
    n_known: int,
    lessons: Sequence[_Lesson],
    told: Sequence[_Told],
    settings: ConceptFinetuneSettings,
    rng: np.random.Generator,
    on_progress: StepProgress | None,
    cancel: threading.Event | None,
) -> tuple[list[float], int]:
    """Train in place; returns the loss of every step, and the step that is kept."""
    named = dict(net.named_parameters())
    trained = [v for k, v in named.items() if k.startswith(_TRAINED)]
    words = [net.vectors, net.bias]
    for value in named.values():
        value.requires_grad_(False)
    for value in (*trained, *words):
        value.requires_grad_(True)
    optimizer = torch.optim.AdamW(
        [{"params": trained, "lr": settings.lr}, {"params": words, "lr": settings.words_lr}],
        weight_decay=0.0,
    )
    order = rng.permutation(len(lessons))
    apart, own = order[: len(order) // APART], order[len(order) // APART :]
    best, kept, at = float("inf"), {}, 0
    curve: list[float] = []
    for step in range(settings.steps + 1):
        if step % max(1, settings.steps // LOOKS) == 0 or step == settings.steps:
            found = _judged(net, [lessons[i] for i in apart], [told[i] for i in apart])
            if found < best or not len(apart):
                best, at = found, step
                kept = {k: v.detach().clone() for k, v in named.items()}
        if step == settings.steps or (cancel is not None and cancel.is_set()):
            break
        chosen = own[rng.permutation(len(own))[: settings.pictures]]
        loss = _loss(net, [lessons[i] for i in chosen], [told[i] for i in chosen])
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
    net.load_state_dict(kept, strict=False)
    for value in named.values():
        value.requires_grad_(True)
    return curve, at


@torch.no_grad()
def _judged(net: ConceptNet, lessons: Sequence[_Lesson], told: Sequence[_Told]) -> float:
    return float(_loss(net, lessons, told)) if len(lessons) else 0.0


def _loss(net: ConceptNet, lessons: Sequence[_Lesson], told: Sequence[_Told]) -> Tensor:
    """Cross-entropy of what is told: summed over the views of a phrase, mean over phrases; and
    likewise of the known words and of being one whole thing."""
    phrases: list[Tensor] = []
    words: list[Tensor] = []
    quality: list[Tensor] = []
    for lesson, said in zip(lessons, told, strict=True):
        embedding, whole = net.read(lesson.pooled)
        logits = net.word_logits(embedding)
        log_p = phrase_log_probability(logits, net.incidence(lesson.phrases)).clamp(max=-1e-5)
        each = -(said.named * log_p + (1 - said.named) * log_not(log_p)) * said.counts
        phrases.append(each.sum(0))
        known = logits[:, : said.words.shape[1]]
        words.append(F.binary_cross_entropy_with_logits(known, said.words, reduction="none"))
        quality.append(F.binary_cross_entropy_with_logits(whole, said.whole, reduction="none"))
    if not sum(len(q) for q in quality):
        raise InputError("pairs: expected pictures in which something is proposed, got none")
    parts = (torch.cat(phrases), torch.cat(words).sum(1), torch.cat(quality))
    return torch.stack([part.mean() for part in parts]).sum()
