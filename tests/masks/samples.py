"""Many small masks: every shape from a single pixel up, from empty to full."""

import numpy as np


def masks(count, seed=0, largest=12):
    """Return ``count`` random masks, (H, W) bool."""
    return [pair[0] for pair in pairs(count, seed, largest)]


def pairs(count, seed=0, largest=12):
    """Return ``count`` pairs of random masks of one size."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        shape = tuple(rng.integers(1, largest + 1, 2))
        densities = rng.choice([0.0, 0.1, 0.5, 0.9, 1.0], 2)
        found.append(tuple(rng.random(shape) < d for d in densities))
    return found
