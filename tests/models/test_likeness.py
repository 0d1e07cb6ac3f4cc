"""Recognising a tracked object by what its mask covers."""

from __future__ import annotations

import pytest
import torch

from samnb.models.likeness import (
    ABSENT_BELOW,
    TRUSTED_FROM,
    Likeness,
    cosines,
    load_likeness,
    look_at,
    recognise,
    save_likeness,
)

# Two maps; left half one thing, right half another.
MAPS = [torch.zeros(1, 3, 4, 4), torch.zeros(1, 2, 2, 2)]
for _map in MAPS:
    _map[:, 0, :, : _map.shape[-1] // 2] = 2.0
    _map[:, 1, :, _map.shape[-1] // 2 :] = 5.0
RULE = Likeness((1.0, 1.0), (4.0, 4.0), -5.0)


def logits(columns: slice) -> torch.Tensor:
    out = torch.full((1, 1, 4, 4), -8.0)
    out[..., columns] = 8.0
    return out


LEFT, RIGHT, NOTHING = slice(0, 2), slice(2, 4), slice(0, 0)


def look(columns: slice):
    return look_at(MAPS, logits(columns))


def test_a_look_is_the_direction_of_the_features_under_the_mask():
    for vector in look(RIGHT):
        assert vector.tolist() == pytest.approx([0, 1, 0][: len(vector)])


def test_what_is_outside_of_the_mask_does_not_count():
    other = [m.clone() for m in MAPS]
    for one in other:
        one[..., one.shape[-1] // 2 :] = 77.0
    for a, b in zip(look(LEFT), look_at(other, logits(LEFT)), strict=True):
        assert torch.equal(a, b)


def test_an_empty_mask_looks_like_nothing():
    assert not any(v.any() for v in look(NOTHING))


def test_the_greatest_cosine_counts_map_by_map():
    assert cosines(look(LEFT), [look(RIGHT)]).tolist() == pytest.approx([0, 0])
    assert cosines(look(LEFT), [look(RIGHT), look(LEFT)]).tolist() == pytest.approx([1, 1])


def test_log_odds_follow_the_regression():
    assert RULE.log_odds(look(LEFT), [look(LEFT)], []) == pytest.approx(2 + 8 - 5)
    assert RULE.log_odds(look(LEFT), [look(RIGHT)], [look(LEFT)]) == pytest.approx(8 - 5)
    assert RULE.log_odds(look(LEFT), [look(RIGHT)], []) == pytest.approx(-5)


def test_recent_frames_do_not_stand_in_for_prompted_ones():
    only_recent = RULE.log_odds(look(LEFT), [look(RIGHT)], [look(LEFT)])
    assert only_recent < RULE.log_odds(look(LEFT), [look(LEFT)], [])


@pytest.mark.parametrize(
    ("bias", "is_absent", "is_trusted"),
    [(0.0, False, True), (-1.5, False, False), (-3.0, True, False)],
)
def test_the_two_limits(bias, is_absent, is_trusted):
    said = recognise(Likeness((0.0, 0.0), (0.0, 0.0), bias), look(LEFT), [look(LEFT)], [])
    assert ABSENT_BELOW < TRUSTED_FROM
    assert (said.is_absent, said.is_trusted) == (is_absent, is_trusted)


def test_an_empty_mask_is_absent_whatever_the_weights_say():
    said = recognise(Likeness((0.0, 0.0), (0.0, 0.0), 99.0), look(NOTHING), [look(LEFT)], [])
    assert said.is_absent and not said.is_trusted


def test_a_file_gives_back_what_was_written(tmp_path):
    save_likeness(RULE, tmp_path / "l.json", {"clips": 3})
    assert load_likeness(tmp_path / "l.json") == RULE
