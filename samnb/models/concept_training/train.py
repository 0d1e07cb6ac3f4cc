"""Teach the proposer and the image-text model on the synthetic concept world.

What the model is told is what decided pairs tell as well: views, phrases, and whether a
phrase names what the view shows. Attributes as such are never given.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn import functional as F

from samnb.models.backend import Features
from samnb.models.concept_net import ConceptNet, phrase_log_probability
from samnb.models.concept_proposals import Proposer, feature_maps, peaks, tidy
from samnb.models.concept_training.phrases import (
    COMBINATIONS,
    Asked,
    PhraseBook,
    ask,
    phrase_loss,
)
from samnb.models.concept_training.samples import GOOD_IOU, Samples, join, sample_masks, spoil
from samnb.models.grid import grid_points
from samnb.models.griddecode import ClickDecoder
from samnb.models.tracker import MemoryTracker
from samnb.models.training.common import cosine
from samnb.synthetic.concepts import ConceptScene, make_concept_scene
from samnb.types import ModelError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ConceptSettings:
    """How the default concept segmenter is trained.

    Attributes:
        scenes: pictures that the tracker proposes masks for.
        extra: further pictures, of which true and spoilt masks are taken.
        proposer_steps: optimiser steps of the proposer, 8 pictures each.
        steps: optimiser steps of the image-text model.
        batch: views per step.
        head_steps: further steps of what reads the pooled features, which are then fixed.
        lr: greatest learning rate.
        seed: of every random choice; pictures have seeds of their own from it.
        hard_negatives: phrases a picture that are one word away from what is there, and false;
            with these, a picture teaches by its own few pairs alone. None takes every false
            phrase of the vocabulary as a lesson of every thing.
    """

    scenes: int = 180
    extra: int = 700
    proposer_steps: int = 220
    steps: int = 1000
    batch: int = 32
    head_steps: int = 500
    lr: float = 2e-3
    seed: int = 0
    hard_negatives: int | None = None


HEAD_DROPOUT = 0.3
"""More than in the first part, because features no longer vary from step to step."""
GOOD_SHARE = 0.65
"""Share of the views in a step that show a thing; the others teach what is none."""


def training_scene(settings: ConceptSettings, index: int) -> ConceptScene:
    """Return picture ``index`` of a run, of any difficulty."""
    seed = settings.seed * 1_000_003 + index
    difficulty = float(np.random.default_rng([seed, 3]).uniform(0.2, 0.9))
    return make_concept_scene(seed, difficulty=difficulty, split="train")


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """A picture with the tracker's features, held in half precision."""

    scene: ConceptScene
    features: Features

    def full(self) -> Features:
        """Return the features in single precision."""
        held = self.features
        return Features(tuple(m.float() for m in held.maps), held.code, held.sizes_hw)


@torch.no_grad()
def encode(tracker: MemoryTracker, scene: ConceptScene) -> Encoded:
    """Encode a picture once for all stages."""
    found = tracker.backend.encode(scene.image)
    half = Features(tuple(m.half() for m in found.maps), found.code, found.sizes_hw)
    return Encoded(scene, half)


def heat_target(scene: ConceptScene, size_hw: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Draw a soft spot at the innermost point of each thing, (h, w) float32 in [0, 1]."""
    height, width = size_hw
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32) + 0.5
    target = np.zeros(size_hw, np.float32)
    scale = np.array(size_hw) / scene.labels.shape
    for thing in scene.things:
        mask = scene.labels == thing.number
        depth = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
        y, x = np.unravel_index(int(depth.argmax()), depth.shape)
        spread = max(0.7, 0.22 * float(np.sqrt(mask.sum() * scale.prod())))
        far = (rows - (y + 0.5) * scale[0]) ** 2 + (columns - (x + 0.5) * scale[1]) ** 2
        target = np.maximum(target, np.exp(-far / (2 * spread**2)))
        target[int(y * scale[0]), int(x * scale[1])] = 1.0
    return target


def train_proposer(
    proposer: Proposer, pictures: Sequence[Encoded], settings: ConceptSettings
) -> float:
    """Teach where things are; returns the mean loss of the last tenth.

    The loss is the focal one for soft spots of CornerNet (Law and Deng, ECCV 2018, eq. 1).
    """
    maps = [feature_maps(p.features) for p in pictures]
    targets = [
        torch.from_numpy(heat_target(p.scene, (int(f.shape[-2]), int(f.shape[-1]))))
        for p, (f, _) in zip(pictures, maps, strict=True)
    ]
    optimizer = torch.optim.AdamW(proposer.parameters(), lr=2e-3, weight_decay=1e-3)
    rng = np.random.default_rng([settings.seed, 11])
    losses: list[float] = []
    for step in range(settings.proposer_steps):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * cosine(step / settings.proposer_steps)
        rows = rng.integers(len(pictures), size=8)
        fine, coarse = (torch.cat([maps[i][k].float() for i in rows]) for k in (0, 1))
        logits, target = proposer(fine, coarse), torch.stack([targets[i] for i in rows])
        hit = target >= 1.0
        p = logits.sigmoid()
        positive = -F.logsigmoid(logits) * (1 - p) ** 2
        negative = -F.logsigmoid(-logits) * p**2 * (1 - target) ** 4
        loss = torch.where(hit, positive, negative).sum() / hit.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return float(np.mean(losses[-max(1, len(losses) // 10) :]))


@torch.no_grad()
def proposal_samples(
    tracker: MemoryTracker, proposer: Proposer, picture: Encoded, rng: np.random.Generator
) -> Samples:
    """Samples of what the tracker itself proposes: these are the masks met in use."""
    backend = tracker.backend
    if not isinstance(backend, ClickDecoder):
        raise ModelError(f"tracker: expected one that decodes grids of clicks, got {tracker.name}")
    scene, features = picture.scene, picture.full()
    size_hw = scene.labels.shape[0], scene.labels.shape[1]
    heat = proposer(*feature_maps(features)).sigmoid()[0]
    grid = grid_points(size_hw, 4)
    clicks = np.concatenate([peaks(heat, size_hw, most=16), grid[rng.permutation(len(grid))[:6]]])
    logits, ious, _ = backend.decode_clicks(features, clicks, size_hw)
    found = tidy(logits.flatten(0, 1), ious.flatten())
    return sample_masks(scene.image, scene.labels, _rows(scene), found.maps)


def spoilt_samples(scene: ConceptScene, rng: np.random.Generator) -> Samples:
    """Samples of true masks, right and spoilt."""
    masks = np.stack([scene.labels == t.number for t in scene.things])
    return sample_masks(scene.image, scene.labels, _rows(scene), spoil(masks, rng))


def _rows(scene: ConceptScene) -> list[tuple[int, int]]:
    return [(t.number, COMBINATIONS.index(t.combination)) for t in scene.things]


@dataclass(frozen=True, slots=True)
class _Lessons:
    """The book as tensors, and what of it each picture asks for."""

    incidence: Tensor
    named: Tensor
    nearly: Tensor
    asked: Tensor | None

    def loss(self, log_p: Tensor, things: Tensor, pictures: Tensor) -> Tensor:
        """:func:`~.phrases.phrase_loss` of views (N, P) of things (N,) in pictures (N,)."""
        asked = None if self.asked is None else self.asked[pictures]
        return phrase_loss(log_p, self.named[things], self.nearly[:, things], asked)


def _lessons(net: ConceptNet, settings: ConceptSettings, asked: Sequence[Asked]) -> _Lessons:
    book = PhraseBook()
    table = None
    if settings.hard_negatives is not None:
        table = torch.from_numpy(book.asked(asked, settings.hard_negatives))
    incidence = net.incidence([str(p) for p in book.phrases])
    return _Lessons(incidence, torch.from_numpy(book.named), torch.from_numpy(book.nearly), table)


def train_net(
    net: ConceptNet, samples: Samples, settings: ConceptSettings, asked: Sequence[Asked] = ()
) -> list[float]:
    """Teach masks, quality and words together; returns the loss of every step.

    Args:
        net: is changed.
        samples: views of all pictures.
        settings: steps and rates.
        asked: what each picture is asked for; read where ``settings.hard_negatives`` is given.
    """
    lessons = _lessons(net, settings, asked)
    good, rest = (np.flatnonzero(m) for m in (samples.iou >= GOOD_IOU, samples.iou < GOOD_IOU))
    optimizer = torch.optim.AdamW(net.parameters(), lr=settings.lr, weight_decay=0.01)
    rng = np.random.default_rng([settings.seed, 12])
    losses: list[float] = []
    net.train()
    for step in range(settings.steps):
        for group in optimizer.param_groups:
            group["lr"] = settings.lr * cosine(step / settings.steps)
        n_good = round(GOOD_SHARE * settings.batch)
        rows = np.concatenate([rng.choice(good, n_good), rng.choice(rest, settings.batch - n_good)])
        loss = _loss(net, samples, rows, lessons, rng)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        losses.append(float(loss.detach()))
        if (step + 1) % 50 == 0:
            log.info("step %d of %d: %.4f", step + 1, settings.steps, np.mean(losses[-50:]))
    net.eval()
    return losses


def _loss(
    net: ConceptNet,
    samples: Samples,
    rows: npt.NDArray[np.int64],
    lessons: _Lessons,
    rng: np.random.Generator,
) -> Tensor:
    views, truth = samples.views(rows), torch.from_numpy(samples.truth[rows]).float()
    if rng.random() < 0.5:
        views, truth = views.flip(-1), truth.flip(-1)
    gain = torch.from_numpy(rng.uniform(0.85, 1.15, (len(rows), 1, 1, 1)).astype(np.float32))
    views[:, :3] = ((views[:, :3] + 1) * gain - 1).clamp(-1, 1)
    seen = net(views)
    iou = torch.from_numpy(samples.iou[rows])
    wanted = ((iou - 0.35) / 0.3).clamp(0, 1)
    quality = F.binary_cross_entropy_with_logits(seen.quality, wanted)
    shown = iou > 0.3
    mask = mask_loss(seen.mask[shown], truth[shown])
    shows = iou >= GOOD_IOU
    things = torch.from_numpy(samples.thing[rows])[shows]
    pictures = torch.from_numpy(samples.picture[rows])[shows]
    log_p = phrase_log_probability(net.word_logits(seen.embedding[shows]), lessons.incidence)
    return mask + quality + lessons.loss(log_p, things, pictures)


def train_head(
    net: ConceptNet, samples: Samples, settings: ConceptSettings, asked: Sequence[Asked] = ()
) -> list[float]:
    """Go on with what reads the pooled features, computed once; cheap enough for many steps."""
    lessons = _lessons(net, settings, asked)
    net.eval()
    with torch.no_grad():
        parts = np.array_split(np.arange(len(samples)), max(1, len(samples) // 64))
        pooled = torch.cat([net.pool(samples.views(rows))[0] for rows in parts])
    log.info("features of %d views pooled", len(pooled))
    iou, thing = torch.from_numpy(samples.iou), torch.from_numpy(samples.thing)
    picture = torch.from_numpy(samples.picture)
    good, rest = (torch.nonzero(m)[:, 0] for m in (iou >= GOOD_IOU, iou < GOOD_IOU))
    heads = (net.trunk, net.to_embedding, net.to_quality)
    weights = [*(p for m in heads for p in m.parameters()), net.vectors, net.bias]
    optimizer = torch.optim.AdamW(weights, lr=1.5e-3, weight_decay=0.03)
    rng = np.random.default_rng([settings.seed, 14])
    losses: list[float] = []
    net.trunk.train()
    dropout: Any = net.trunk[-1]
    usual, dropout.p = dropout.p, HEAD_DROPOUT
    for step in range(settings.head_steps):
        for group in optimizer.param_groups:
            group["lr"] = 1.5e-3 * cosine(step / settings.head_steps)
        rows = torch.cat([s[torch.from_numpy(rng.integers(len(s), size=n))]
                          for s, n in ((good, 96), (rest, 48))])  # fmt: skip
        embedding, quality = net.read(pooled[rows])
        wanted = ((iou[rows] - 0.35) / 0.3).clamp(0, 1)
        shown = rows[:96]
        log_p = phrase_log_probability(net.word_logits(embedding[:96]), lessons.incidence)
        loss = F.binary_cross_entropy_with_logits(quality, wanted)
        loss = loss + lessons.loss(log_p, thing[shown], picture[shown])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
        if (step + 1) % 100 == 0:
            log.info("head: step %d of %d: %.4f", step + 1, settings.head_steps,
                     np.mean(losses[-100:]))  # fmt: skip
    dropout.p = usual
    net.eval()
    return losses


def mask_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Binary cross-entropy plus dice, mean over masks (N, h, w); 0 for none."""
    if len(logits) == 0:
        return logits.sum()
    bce = F.binary_cross_entropy_with_logits(logits, truth)
    p = logits.sigmoid()
    dice = 1 - (2 * (p * truth).sum((1, 2)) + 1) / (p.sum((1, 2)) + truth.sum((1, 2)) + 1)
    return 2 * bce + dice.mean()


def gather(
    tracker: MemoryTracker, proposer: Proposer, settings: ConceptSettings
) -> tuple[Samples, tuple[Asked, ...]]:
    """Make pictures, teach the proposer on some of them, and collect all samples.

    Returns:
        The views, and what each picture is asked for.
    """
    rng = np.random.default_rng([settings.seed, 13])
    pictures = [encode(tracker, training_scene(settings, i)) for i in range(settings.scenes)]
    log.info("%d pictures encoded", len(pictures))
    found = train_proposer(proposer, pictures, settings)
    log.info("proposer: loss %.4f", found)
    parts = [proposal_samples(tracker, proposer, p, rng) for p in pictures]
    asked = [ask(p.scene) for p in pictures]
    log.info("%d views of proposals", sum(len(p) for p in parts))
    for i in range(settings.scenes, settings.scenes + settings.extra):
        scene = training_scene(settings, i)
        parts.append(spoilt_samples(scene, rng))
        asked.append(ask(scene))
    return join(parts), tuple(asked)
