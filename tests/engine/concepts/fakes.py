"""Models that know the made-up world and err at a known rate."""

import numpy as np

from samnb.engine.concepts.reviewers import PERFECT, is_exhaustive, right_masks
from samnb.engine.simulation import seeded
from samnb.models.concepts import ConceptPrediction, Instance
from samnb.types import EvAnswer, MvAnswer
from tests.engine.concepts.world import spread


class Knowing:
    """Knows which made-up picture an image is."""

    def __init__(self, world):
        self.by_bytes = {p.scene.image.tobytes(): p for p in world.pictures}

    def scene(self, image):
        return self.by_bytes[np.ascontiguousarray(image).tobytes()]


class WorldSegmenter(Knowing):
    """Misses every third instance, and fires on one negative in ``fooled``."""

    name = "world@1"

    def __init__(self, world, fooled=3):
        super().__init__(world)
        self.fooled = fooled

    def segment(self, image, phrases, exemplars=None):
        picture = self.scene(image)
        answers = []
        for phrase in phrases:
            rng = seeded(0, phrase, picture.path.name)
            masks = [m for m in picture.scene.truth(phrase) if rng.integers(3)]
            if not masks and not picture.scene.truth(phrase) and rng.integers(self.fooled) == 0:
                masks = [picture.scene.labels == picture.scene.things[0].number]
            answers.append(ConceptPrediction(0.9, tuple(Instance(m, 0.9) for m in masks)))
        return tuple(answers)

    def segment_video(self, frames, phrase):
        raise NotImplementedError


class WorldVerifier(Knowing):
    """Right with probability ``accuracy``, and then surer."""

    name = "world-judge@1"

    def __init__(self, world, accuracy=0.95):
        super().__init__(world)
        self.accuracy = accuracy

    def _row(self, options, is_good, rng):
        is_right = rng.random() < self.accuracy
        at = options.index(options[0].__class__.ACCEPT if is_good == is_right
                           else options[0].__class__.REJECT)  # fmt: skip
        return spread(len(options), at, 0.97 if is_right else 0.6)

    def verify_masks(self, image, phrase, masks):
        picture = self.scene(image)
        rng = seeded(1, phrase, picture.path.name, "mv")
        good = right_masks(masks, picture.scene.truth(phrase), PERFECT)
        return np.stack([self._row(list(MvAnswer), g, rng) for g in good])

    def verify_exhaustive(self, image, phrase, masks):
        picture = self.scene(image)
        rng = seeded(1, phrase, picture.path.name, "ev")
        good = is_exhaustive(masks, picture.scene.truth(phrase), PERFECT)
        return self._row(list(EvAnswer), good, rng)
