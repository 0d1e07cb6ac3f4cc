"""Verdicts on coloured blocks: a world small enough to learn in a second or two."""

from __future__ import annotations

import numpy as np

from samnb.models.concepts import Instance
from samnb.models.verifier_examples import EvExample, MvExample
from samnb.types import EvAnswer, MvAnswer

COLOURS = {"red": (210, 40, 40), "green": (40, 190, 60), "blue": (50, 70, 220)}
SIZE_HW = (64, 96)


def draw(rng):
    """A picture of two or three blocks, and their colours with masks."""
    image = rng.integers(90, 110, (*SIZE_HW, 3)).astype(np.uint8)
    things = []
    for x in rng.permutation([6, 36, 66])[: rng.integers(2, 4)]:
        colour = list(COLOURS)[rng.integers(3)]
        y, h, w = rng.integers(6, 20), rng.integers(18, 36), rng.integers(14, 22)
        mask = np.zeros(SIZE_HW, np.bool_)
        mask[y : y + h, x : x + w] = True
        image[mask] = np.clip(rng.normal(COLOURS[colour], 9, (int(mask.sum()), 3)), 0, 255)
        things.append((colour, mask))
    return image, things


def make_examples(n, seed=0):
    """Verdicts on ``n`` pictures, and the candidates of each by its first pixel's address."""
    rng = np.random.default_rng(seed)
    found, candidates = [], {}
    for at in range(n):
        image, things = draw(rng)
        key, load = f"{seed}-{at}", (lambda image=image: image)
        candidates[id(image)] = [Instance(mask, 0.0) for _, mask in things]
        for colour, mask in things:
            asked = list(COLOURS)[rng.integers(3)]
            half = mask.copy()
            half[:, : int(np.median(np.nonzero(mask)[1]))] = False
            shown = half if rng.random() < 0.2 else mask
            good = asked == colour and shown is mask
            answer = MvAnswer.ACCEPT if good else MvAnswer.REJECT
            found.append(MvExample(key, load, f"{asked} block", shown, answer))
        asked = list(COLOURS)[rng.integers(3)]
        every = [mask for colour, mask in things if colour == asked]
        kept = tuple(every[: rng.integers(len(every) + 1)])
        answer = EvAnswer.ACCEPT if len(kept) == len(every) else EvAnswer.REJECT
        found.append(EvExample(key, load, f"{asked} block", kept, answer))
    return found, candidates
