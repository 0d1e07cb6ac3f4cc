"""Tiny pictures with squares, and models whose answers can be computed by hand."""

import numpy as np
from PIL import Image

from samnb.models.concepts import ConceptPrediction, Instance
from samnb.types import EvAnswer, MvAnswer

SIZE_HW = (24, 32)
BOXES = [(2, 2), (2, 12), (2, 22), (14, 2)]  # (y, x) of up to four squares of 6 px


def square(at):
    mask = np.zeros(SIZE_HW, bool)
    y, x = BOXES[at]
    mask[y : y + 6, x : x + 6] = True
    return mask


def write_picture(path, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 255, (*SIZE_HW, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


class Segmenter:
    """Finds the squares that it is told to, by phrase: ``{phrase: [(square, score), ...]}``."""

    def __init__(self, finds, presence=None, name="squares@1"):
        self.finds, self.presence, self.name = finds, presence or {}, name

    def segment(self, image, phrases, exemplars=None):
        assert image.shape == (*SIZE_HW, 3)
        return tuple(
            ConceptPrediction(
                self.presence.get(phrase, 0.9),
                tuple(Instance(square(at), score) for at, score in self.finds.get(phrase, ())),
            )
            for phrase in phrases
        )


def spread(n, at, p):
    row = np.full(n, (1 - p) / (n - 1))
    row[at] = p
    return row


class Verifier:
    """Answers as told, ``{phrase: option}``, with probability ``sure``."""

    def __init__(self, mv=None, ev=None, sure=0.9, name="judge@1"):
        self.mv, self.ev, self.sure, self.name = mv or {}, ev or {}, sure, name

    def verify_masks(self, image, phrase, masks):
        options = list(MvAnswer)
        at = options.index(self.mv.get(phrase, MvAnswer.ACCEPT))
        return np.stack([spread(len(options), at, self.sure) for _ in masks])

    def verify_exhaustive(self, image, phrase, masks):
        options = list(EvAnswer)
        at = options.index(self.ev.get(phrase, EvAnswer.ACCEPT))
        return spread(len(options), at, self.sure)


class Router:
    """Lets every answer above ``above`` decide, and audits what ``audited`` names."""

    def __init__(self, above=0.5, audited=()):
        self.above, self.audited = above, audited

    def target_error(self, task, group=None):
        return 0.1

    def bound(self, task, group=None):
        return 0.08

    def route(self, task, key, probabilities, group=None):
        from samnb.events.concepts import Route

        p = max(probabilities)
        if p <= self.above:
            return Route.ASK, p
        return (Route.AUDIT if key in self.audited else Route.AUTO), p
