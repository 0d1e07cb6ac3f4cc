"""Pictures whose phrases are known: what simulated reviewers have in mind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from samnb.engine.simulation import seeded
from samnb.masks import rle as rle_ops
from samnb.metrics.cgf1 import Matrix
from samnb.models.base import BoolMask
from samnb.synthetic.concepts import ConceptScene, Split, hard_negatives, make_concept_scene
from samnb.synthetic.things import WORLD, Domain, parse_phrase
from samnb.types import InputError, Media, Rle


class ConceptTruth(Protocol):
    """Knows what every phrase names in every medium."""

    def find(self, media: Media, phrase: str) -> tuple[BoolMask, ...] | None:
        """Return the true masks, none for a negative: (H, W) bool each on a picture,
        (T, H, W) over the annotated frames of a video; None when the truth does not know
        the medium or what the phrase means."""


@dataclass(frozen=True, slots=True)
class AskedPicture:
    """A picture file with the phrases to ask of it.

    Attributes:
        positives: phrases that name something in it.
        negatives: phrases that name nothing, each with the positive that it was made from
            (empty for one that was not).
    """

    path: Path
    scene: ConceptScene
    positives: tuple[str, ...]
    negatives: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class ConceptWorld:
    """Made-up pictures as files, and their truth."""

    pictures: tuple[AskedPicture, ...]
    _masks: dict[tuple[str, str], tuple[BoolMask, ...]] = field(default_factory=dict)

    def find(self, media: Media, phrase: str) -> tuple[BoolMask, ...] | None:
        """See :class:`ConceptTruth`; media are known by their file's name."""
        key = (media.name, phrase)
        if key not in self._masks:
            picture = next((p for p in self.pictures if p.path.name == media.name), None)
            if picture is None or parse_phrase(phrase, picture.scene.domain) is None:
                return None
            self._masks[key] = picture.scene.truth(phrase)
        return self._masks[key]


def make_world(
    folder: str | Path,
    n_pictures: int,
    *,
    seed: int = 0,
    n_positives: int = 2,
    n_negatives: int = 4,
    difficulty: float = 0.5,
    size_hw: tuple[int, int] = (240, 320),
    split: Split = "train",
    domain: Domain = WORLD,
) -> ConceptWorld:
    """Make pictures up and write them as files; the same arguments give the same files.

    Args:
        folder: where the pictures go; those that are there are kept.
        n_pictures: how many.
        seed: of everything random.
        n_positives: phrases per picture that name something, drawn from all there are.
        n_negatives: phrases per picture that name nothing, one word away from a positive.
        difficulty: see :func:`samnb.synthetic.concepts.make_concept_scene`.
        size_hw: height and width in pixels.
        split: "train" or "test".
        domain: what the pictures show.

    Raises:
        InputError: no picture asked for.
    """
    if n_pictures < 1:
        raise InputError(f"n_pictures: expected at least 1, got {n_pictures}")
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    pictures = []
    for number in range(n_pictures):
        scene = make_concept_scene(
            1000 * seed + number, size_hw=size_hw, difficulty=difficulty, split=split,
            domain=domain,
        )  # fmt: skip
        kind = split if domain is WORLD else f"{domain.name}-{split}"
        path = place / f"{kind}-{seed}-{number:04d}.png"
        if not path.is_file():
            from PIL import Image

            Image.fromarray(scene.image).save(path)
        pictures.append(_asked(path, scene, seed, n_positives, n_negatives))
    return ConceptWorld(tuple(pictures))


def _asked(
    path: Path, scene: ConceptScene, seed: int, n_positives: int, n_negatives: int
) -> AskedPicture:
    rng = seeded(seed, "phrases", path.name)
    every = scene.phrases
    order = rng.permutation(len(every))[:n_positives]
    positives = tuple(every[i] for i in sorted(order))
    negatives: dict[str, str] = {}
    sources = [(parent, list(hard_negatives(scene, parent))) for parent in positives]
    while len(negatives) < n_negatives and any(left for _, left in sources):
        for parent, left in sources:
            if left and len(negatives) < n_negatives:
                negatives.setdefault(left.pop(0), parent)
    return AskedPicture(path, scene, positives, tuple(negatives.items()))


# -- comparing masks with the truth ----------------------------------------------


def ious(masks: Sequence[BoolMask], truth: Sequence[BoolMask]) -> Matrix:
    """IoU of every mask with every true one, (N, M) float64."""
    if not masks or not truth:
        return np.zeros((len(masks), len(truth)))
    a = np.stack([m.ravel() for m in masks]).astype(np.float32)
    b = np.stack([t.ravel() for t in truth]).astype(np.float32)
    both = (a @ b.T).astype(np.float64)
    either = a.sum(1)[:, None] + b.sum(1)[None, :] - both
    return np.asarray(both / np.maximum(either, 1.0), np.float64)


def encoded(masks: Sequence[BoolMask]) -> tuple[Rle, ...]:
    """The masks as runs."""
    return tuple(rle_ops.encode(mask) for mask in masks)
