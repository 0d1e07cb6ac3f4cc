"""Gather what ``concept`` learns from: where things are, and views of what is proposed there."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import distance_transform_edt
from torch.nn import functional as F

from samnb.models.backend import Features
from samnb.models.concept_proposals import Proposer, feature_maps, peaks, tidy
from samnb.models.concept_sight import sight_of
from samnb.models.concept_training.phrases import COMBINATIONS, Asked, ask
from samnb.models.concept_training.samples import Samples, join, sample_masks, spoil
from samnb.models.concept_training.settings import ConceptSettings, training_scene
from samnb.models.grid import grid_points
from samnb.models.griddecode import ClickDecoder
from samnb.models.tracker import MemoryTracker
from samnb.models.training.common import cosine
from samnb.synthetic.concepts import ConceptScene
from samnb.types import ModelError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """A picture with its features, held in half precision."""

    scene: ConceptScene
    features: Features

    def full(self) -> Features:
        """Return the features in single precision."""
        held = self.features
        return Features(tuple(m.float() for m in held.maps), held.code, held.sizes_hw)


@torch.no_grad()
def encode(tracker: MemoryTracker, scene: ConceptScene) -> Encoded:
    """Encode a picture once for all stages."""
    found = sight_of(tracker).encode(scene.image)
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
    """Samples of what is proposed: these are the masks met in use."""
    sight = sight_of(tracker)
    if not isinstance(sight, ClickDecoder):
        raise ModelError(f"tracker: expected one that decodes grids of clicks, got {tracker.name}")
    scene, features = picture.scene, picture.full()
    size_hw = scene.labels.shape[0], scene.labels.shape[1]
    heat = proposer(*feature_maps(features)).sigmoid()[0]
    grid = grid_points(size_hw, 4)
    clicks = np.concatenate([peaks(heat, size_hw, most=16), grid[rng.permutation(len(grid))[:6]]])
    logits, ious, _ = sight.decode_clicks(features, clicks, size_hw)
    found = tidy(logits.flatten(0, 1), ious.flatten())
    return sample_masks(scene.image, scene.labels, _rows(scene), found.maps)


def spoilt_samples(scene: ConceptScene, rng: np.random.Generator) -> Samples:
    """Samples of true masks, right and spoilt."""
    masks = np.stack([scene.labels == t.number for t in scene.things])
    return sample_masks(scene.image, scene.labels, _rows(scene), spoil(masks, rng))


def _rows(scene: ConceptScene) -> list[tuple[int, int]]:
    return [(t.number, COMBINATIONS.index(t.combination)) for t in scene.things]


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
        if (i + 1) % 1000 == 0:
            log.info("%d views of %d pictures", sum(len(p) for p in parts), i + 1)
    return join(parts), tuple(asked)


def gathered(
    tracker: MemoryTracker, folder: Path, settings: ConceptSettings
) -> tuple[Proposer, Samples, tuple[Asked, ...]]:
    """Read what :func:`gather` gave for a seed from a folder, gathering it first if need be.

    Args:
        tracker: whose eyes to use.
        folder: where it is kept; made when missing.
        settings: of the training; those of what is there are taken to be the same.
    """
    folder.mkdir(parents=True, exist_ok=True)
    views, weights = (folder / f"{settings.seed}.{end}" for end in ("views.npz", "proposer.pt"))
    told = folder / f"{settings.seed}.asked.json"
    torch.manual_seed(settings.seed)
    proposer = Proposer()
    if not told.exists():
        samples, asked = gather(tracker, proposer, settings)
        np.savez(views, **{name: getattr(samples, name) for name in Samples.__slots__})
        torch.save(proposer.state_dict(), weights)
        told.write_text(json.dumps([[one.there, one.near] for one in asked]))
    proposer.load_state_dict(torch.load(weights))
    with np.load(views) as held:
        samples = Samples(**{name: held[name] for name in Samples.__slots__})
    read = tuple(Asked(tuple(there), tuple(near)) for there, near in json.loads(told.read_text()))
    return proposer.eval(), samples, read
