"""Choosing a tracked object's mask among candidates."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from samnb.models.backend import GONE_LOGIT, Bank, Output
from samnb.models.candidates import FEATURES
from samnb.models.chooser import (
    ABSENT_BELOW,
    SURE_FROM,
    TRUSTED_FROM,
    Chooser,
    choose,
    load_chooser,
    save_chooser,
    settle,
)
from tests.models.test_candidates import MAPS, SIZE, picture, seen, square

_COUNT = len(FEATURES)


def rule(name: str, weight: float, bias: float) -> Chooser:
    """A chooser that reads one column: gelu passes large positive numbers through."""
    fresh = Chooser.fresh(torch.zeros(_COUNT), torch.ones(_COUNT), torch.Generator())
    state = {k: torch.zeros_like(v) for k, v in fresh.state.items()} | {
        "spread": torch.ones(_COUNT)
    }
    state["weight_0"][0, FEATURES.index(name)] = 1.0
    state["bias_0"][0] = 10.0
    state["weight_1"][0, 0] = 1.0
    state["weight_2"][0, 0] = weight
    state["bias_2"][0] = bias - 10.0 * weight
    return Chooser(state)


def always(probability: float) -> Chooser:
    return rule("gap", 0.0, float(torch.tensor(probability).logit()))


NUMBERS = torch.zeros(2, _COUNT)
NUMBERS[1, FEATURES.index("overlap")] = 1.0
LOGITS = torch.cat([square(0, 0)[0], square(20, 20)[0]])


def test_the_highest_expected_iou_is_chosen():
    choice = choose(rule("overlap", 4.0, -2.0), LOGITS, NUMBERS)
    assert choice.index == 1
    assert choice.expected_iou == pytest.approx(1 / (1 + np.exp(-2)), abs=1e-4)


def test_an_empty_mask_is_never_chosen():
    logits = LOGITS.clone()
    logits[1] = GONE_LOGIT
    assert choose(rule("overlap", 4.0, 0.0), logits, NUMBERS).index == 0
    assert choose(always(0.9), torch.full_like(LOGITS, -1.0), NUMBERS).index is None


@pytest.mark.parametrize(
    ("expected", "is_absent", "is_trusted"),
    [
        (ABSENT_BELOW - 0.01, True, False),
        ((ABSENT_BELOW + TRUSTED_FROM) / 2, False, False),
        (TRUSTED_FROM + 0.01, False, True),
    ],
)
def test_the_two_limits(expected, is_absent, is_trusted):
    choice = choose(always(expected), LOGITS, NUMBERS)
    assert (choice.index is None, choice.is_trusted) == (is_absent, is_trusted)


def tracked(own: torch.Tensor) -> list[tuple[Output, Bank]]:
    return [(seen(own, MAPS), Bank({0: seen(square(4, 4), MAPS)}, {}))]


def click_nowhere(points_xy: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    raise AssertionError("no click was needed")


def test_a_sure_memory_is_not_asked_for_more():
    pairs = tracked(square(4, 4))
    settle(always(SURE_FROM + 0.05), MAPS, 1, pairs, SIZE, click_nowhere)
    output = pairs[0][0]
    assert torch.equal(output.logits, square(4, 4))
    assert output.confidence == pytest.approx(SURE_FROM + 0.05, abs=1e-4) and output.is_trusted


def test_a_lost_object_is_taken_up_where_a_click_finds_it():
    """Memory points at plain ground; the thing itself has moved."""
    now = picture((20, 16))
    clicked: list[int] = []

    def click(points_xy: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        clicked.append(len(points_xy))
        right = square(20, 16)
        return right.expand(len(points_xy), -1, -1, -1), torch.full((len(points_xy), 1), 0.5)

    pairs = tracked(square(4, 20))
    settle(rule("prompted_8", 8.0, -7.5), now, 1, pairs, SIZE, click)
    output = pairs[0][0]
    assert clicked == [7]
    assert torch.equal(output.logits, square(20, 16))
    assert float(output.score) >= 1


def test_an_object_that_nothing_looks_like_is_absent():
    ground = picture()

    def click(points_xy: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        return square(12, 12).expand(len(points_xy), -1, -1, -1), torch.ones(len(points_xy), 1)

    pairs = tracked(square(4, 4))
    settle(rule("prompted_8", 8.0, -7.5), ground, 1, pairs, SIZE, click)
    output = pairs[0][0]
    assert not bool((output.logits > 0).any())
    assert float(output.score) < 0 and not output.is_trusted


def test_doubtful_objects_share_one_batch_of_clicks():
    calls: list[int] = []

    def click(points_xy: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        calls.append(len(points_xy))
        return square(4, 4).expand(len(points_xy), -1, -1, -1), torch.ones(len(points_xy), 1)

    settle(always(0.3), MAPS, 1, [*tracked(square(4, 4)), *tracked(square(9, 9))], SIZE, click)
    assert calls == [14]


def test_a_file_gives_back_what_was_written(tmp_path):
    save_chooser(rule("overlap", 4.0, -2.0), tmp_path / "c.safetensors", {"clips": 3})
    again = load_chooser(tmp_path / "c.safetensors")
    assert torch.equal(again(NUMBERS), rule("overlap", 4.0, -2.0)(NUMBERS))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="none"):
        load_chooser(tmp_path / "none")
