"""What a mask covers."""

from __future__ import annotations

import pytest
import torch

from samnb.models.backend import Output
from samnb.models.looks import Look, View, greatest_cosines, mean_features, soften

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


def look_at(maps: list[torch.Tensor], mask: torch.Tensor) -> Look:
    return tuple(rows[0] for rows in mean_features(maps, soften(mask[0])))


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
    owner = torch.zeros(1, dtype=torch.int64)
    assert greatest_cosines(rows, [[right]], owner).tolist() == [pytest.approx([0, 0])]
    assert greatest_cosines(rows, [[right, left]], owner).tolist() == [pytest.approx([1, 1])]


def test_cosines_are_taken_with_what_belongs_to_the_same_object():
    left, right = (look_at(MAPS, logits(c)) for c in (LEFT, RIGHT))
    rows = mean_features(MAPS, soften(torch.cat([logits(LEFT)[0], logits(LEFT)[0]])))
    found = greatest_cosines(rows, [[right], [left, right]], torch.tensor([0, 1]))
    assert found.tolist() == [pytest.approx([0, 0]), pytest.approx([1, 1])]


# Three strides of one picture: a thing in the left upper quarter that shares its first feature
# with a twin in the right lower quarter and has the second for itself.
FRAME = []
for _side in (8, 4, 2):
    _one = torch.zeros(1, 3, _side, _side)
    _half = _side // 2
    _one[:, 2] = 1.0
    _one[:, 0, :_half, :_half], _one[:, 1, :_half, :_half] = 2.0, 1.0
    _one[:, 0, _half:, _half:] = 2.0
    FRAME.append(_one)
THING = torch.zeros(1, 8, 8)
THING[:, :4, :4] = 1.0


def test_a_rule_says_yes_to_the_object_and_no_to_the_rest():
    view = View(FRAME)
    (said,) = view.respond(view.tell_apart(THING))
    inside = torch.zeros(4, 4, dtype=torch.bool)
    inside[:2, :2] = True
    assert float(said[inside].mean()) == pytest.approx(1, abs=1e-3)
    assert float(said[~inside].mean()) == pytest.approx(-1, abs=1e-3)


def test_a_rule_knows_the_object_from_what_a_cosine_takes_for_it():
    """The twin has most of the object's look, but in the rule's frame it was seen to be another."""
    view = View(FRAME)
    (said,) = view.respond(view.tell_apart(THING))
    rows = mean_features(FRAME, torch.stack([THING[0], THING[0].flip(0, 1)]))
    own, twin = (tuple(row[i] for row in rows) for i in (0, 1))
    owner = torch.zeros(1, dtype=torch.int64)
    assert float(greatest_cosines([v[None] for v in twin], [[own]], owner)[0, 1]) > 0.8
    assert float(said[2:, 2:].max()) < 0 < float(said[:2, :2].min())


def test_an_empty_mask_has_a_rule_that_says_nothing():
    view = View(FRAME)
    assert not view.tell_apart(torch.zeros(1, 8, 8)).any()


def test_several_rules_at_once_are_those_of_each_alone():
    view, other = View(FRAME), THING.flip(1)
    both = view.tell_apart(torch.cat([THING, other]))
    assert torch.allclose(both[1], View(FRAME).tell_apart(other)[0], atol=1e-5)


def test_outputs_learn_their_look_rule_and_place():
    view = View(FRAME)
    thing, nothing = (Output(m[None], 0.9, torch.ones(1, 1)) for m in (THING * 16 - 8, THING - 8))
    view.learn([thing, nothing])
    assert [len(v) for v in thing.look] == [3, 3, 3]
    assert thing.rule.shape == (10,)
    assert thing.place.tolist() == pytest.approx([0.25, 0.25, 0.25, 1], abs=1e-3)
    assert nothing.place[3] == 0
