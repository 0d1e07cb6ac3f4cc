"""What a mask covers."""

from __future__ import annotations

import pytest
import torch

from samnb.models.looks import greatest_cosines, look_at, mean_features, soften

# Two maps; left half one thing, right half another.
MAPS = [torch.zeros(1, 3, 4, 4), torch.zeros(1, 2, 2, 2)]
for _map in MAPS:
    _map[:, 0, :, : _map.shape[-1] // 2] = 2.0
    _map[:, 1, :, _map.shape[-1] // 2 :] = 5.0

LEFT, RIGHT, NOTHING = slice(0, 2), slice(2, 4), slice(0, 0)


def logits(columns: slice) -> torch.Tensor:
    out = torch.full((1, 1, 4, 4), -8.0)
    out[..., columns] = 8.0
    return out


def test_a_look_is_the_direction_of_the_features_under_the_mask():
    for vector in look_at(MAPS, logits(RIGHT)):
        assert vector.tolist() == pytest.approx([0, 1, 0][: len(vector)])


def test_what_is_outside_of_the_mask_does_not_count():
    other = [m.clone() for m in MAPS]
    for one in other:
        one[..., one.shape[-1] // 2 :] = 77.0
    pairs = zip(look_at(MAPS, logits(LEFT)), look_at(other, logits(LEFT)), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_an_empty_mask_looks_like_nothing():
    assert not any(v.any() for v in look_at(MAPS, logits(NOTHING)))


def test_several_masks_at_once_look_as_they_do_alone():
    both = torch.cat([logits(LEFT)[0], logits(RIGHT)[0]])
    for level, rows in enumerate(mean_features(MAPS, soften(both))):
        assert torch.equal(rows[0], look_at(MAPS, logits(LEFT))[level])
        assert torch.equal(rows[1], look_at(MAPS, logits(RIGHT))[level])


def test_logits_that_are_not_above_zero_weigh_nothing():
    assert soften(torch.tensor([-3.0, 0.0, 50.0])).tolist() == pytest.approx([0, 0, 1], abs=1e-4)


def test_the_greatest_cosine_counts_map_by_map():
    left, right = (look_at(MAPS, logits(c)) for c in (LEFT, RIGHT))
    rows = mean_features(MAPS, soften(logits(LEFT)[0]))
    assert greatest_cosines(rows, [right]).tolist() == [pytest.approx([0, 0])]
    assert greatest_cosines(rows, [right, left]).tolist() == [pytest.approx([1, 1])]
