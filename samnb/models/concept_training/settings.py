"""How the default concept segmenter is trained, and on which pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from samnb.synthetic.concepts import ConceptScene, make_concept_scene


@dataclass(frozen=True, slots=True)
class ConceptSettings:
    """How the default concept segmenter is trained.

    Attributes:
        scenes: pictures that masks are proposed for.
        extra: further pictures, of which true and spoilt masks are taken.
        proposer_steps: optimiser steps of the proposer, 8 pictures each.
        steps: optimiser steps of the image-text model.
        drawing_steps: further steps on masks alone.
        more_steps: further steps on what is read from drawn masks, which are then fixed.
        batch: views per step.
        lr: greatest learning rate.
        seed: of every random choice; pictures have seeds of their own from it.
        hard_negatives: phrases a picture that are one word away from what is there, and false;
            with these, a picture teaches by its own few pairs alone. None takes every false
            phrase of the vocabulary as a lesson of every thing.
    """

    scenes: int = 180
    extra: int = 1200
    proposer_steps: int = 500
    steps: int = 1200
    drawing_steps: int = 600
    more_steps: int = 1500
    batch: int = 32
    lr: float = 2e-3
    seed: int = 0
    hard_negatives: int | None = None


def training_scene(settings: ConceptSettings, index: int) -> ConceptScene:
    """Return picture ``index`` of a run, of any difficulty."""
    seed = settings.seed * 1_000_003 + index
    difficulty = float(np.random.default_rng([seed, 3]).uniform(0.2, 0.9))
    return make_concept_scene(seed, difficulty=difficulty, split="train")
