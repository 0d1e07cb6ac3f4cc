import numpy as np
import pytest
import torch

from samnb.models.training import things
from samnb.models.training.stock import Stock


def cutout(colour, height=30, width=20):
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[2:-2, 2:-2] = (*colour, 255)
    return pixels


@pytest.mark.parametrize("seed", range(6))
def test_two_things_that_hang_together_are_one(seed):
    stock = Stock([], [cutout((255, 0, 0)), cutout((0, 0, 255), 16, 24)])
    rng = np.random.default_rng(seed)
    red, blue = (torch.from_numpy(c).permute(2, 0, 1).float() / 255 for c in stock.cutouts)
    both = things._join(red, blue, rng)
    solid = both[3] > 0.5
    reds, blues = (solid & (both[i] > 0.5) for i in (0, 2))
    assert reds.any() and blues.any()
    # They touch, so that what is between them is nothing.
    grown = torch.nn.functional.max_pool2d(reds[None].float(), 5, 1, 2)[0] > 0
    assert (grown & blues).any()


def test_only_a_share_of_things_is_two(monkeypatch):
    monkeypatch.setattr(things, "_pick_one", lambda stock, rng: "thing")
    monkeypatch.setattr(things, "_join", lambda one, other, rng: "both")
    rng = np.random.default_rng(0)
    found = [things.pick(Stock([], []), rng, 0.3) for _ in range(400)]
    assert 90 < found.count("both") < 150
    assert "both" not in [things.pick(Stock([], []), rng, 0.0) for _ in range(50)]


def test_a_neighbour_is_what_lies_beside_and_not_inside():
    objects = np.zeros((4, 80, 80), bool)
    objects[0, 20:40, 20:40] = True
    objects[1, 25:35, 25:35] = True  # a part of it
    objects[2, 20:40, 42:60] = True  # beside it
    objects[3, 60:80, 60:80] = True  # far off
    rng = np.random.default_rng(0)
    found = things.with_neighbour(objects, 0, rng, 1.0)
    assert np.array_equal(found, objects[0] | objects[2])
    assert np.array_equal(things.with_neighbour(objects, 3, rng, 1.0), objects[3])
    assert np.array_equal(things.with_neighbour(objects, 0, rng, 0.0), objects[0])
