"""Choosing a tracked object's mask among candidates."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from samnb.models.backend import GONE_LOGIT, Bank, Output
from samnb.models.candidates import FEATURES, Candidates
from samnb.models.chooser import (
    SURE_FROM,
    TRUSTED_FROM,
    Choice,
    Chooser,
    Click,
    Net,
    Sought,
    load_chooser,
    save_chooser,
    sum_up,
)
from samnb.models.chooser import choose as choose_all
from samnb.models.chooser import settle as settle_sought
from samnb.models.looks import View
from tests.models.test_candidates import SIZE, VIEW, picture, seen, square

_COUNT = len(FEATURES)


def net(name: str, weight: float, bias: float) -> Net:
    """A network that reads one column: gelu passes large positive numbers through."""
    count = _COUNT + 2
    fresh = Net.fresh(torch.zeros(count), torch.ones(count), torch.Generator())
    state = {k: torch.zeros_like(v) for k, v in fresh.state.items()} | {"spread": torch.ones(count)}
    state["weight_0"][:, 0, FEATURES.index(name)] = 1.0
    state["bias_0"][:, 0] = 10.0
    state["weight_1"][:, 0, 0] = 1.0
    state["weight_2"][:, 0, 0] = weight
    state["bias_2"][:, 0] = bias - 10.0 * weight
    return Net(state)


def constant(probability: float) -> Net:
    return net("gap", 0.0, float(torch.tensor(probability).logit()))


def narrow(one: Net) -> Net:
    """The same for a candidate alone, without what is summed up."""
    cut = {"weight_0": one.state["weight_0"][..., :_COUNT]}
    ends = {k: one.state[k][:_COUNT] for k in ("middle", "spread")}
    return Net(one.state | cut | ends)


def rule(name: str, weight: float, bias: float, absent: float = 0.2) -> Chooser:
    return Chooser(narrow(net(name, weight, bias)), constant(absent))


def always(probability: float, absent: float = 0.2) -> Chooser:
    return Chooser(narrow(constant(probability)), constant(absent))


NUMBERS = torch.zeros(2, _COUNT)
NUMBERS[1, FEATURES.index("overlap")] = 1.0
LOGITS = torch.cat([square(0, 0)[0], square(20, 20)[0]])


def candidates(logits: torch.Tensor) -> Candidates:
    return Candidates(logits, torch.ones(len(logits)), torch.eye(len(logits)), 1.0)


def choose(chooser: Chooser, logits: torch.Tensor, numbers: torch.Tensor) -> Choice:
    (choice,) = choose_all(chooser, [candidates(logits)], [numbers])
    return choice


def settle(chooser: Chooser, view: View, pairs: list[tuple[Output, Bank]], click: Click) -> None:
    settle_sought(chooser, Sought.on(view, 1, pairs), SIZE, click)


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
    ("expected", "absent", "is_absent", "is_trusted"),
    [
        (0.5, 0.6, True, False),
        (TRUSTED_FROM - 0.02, 0.1, False, False),
        (TRUSTED_FROM + 0.02, 0.1, False, True),
    ],
)
def test_a_mask_is_taken_where_it_is_worth_more_than_none(expected, absent, is_absent, is_trusted):
    choice = choose(always(expected, absent), LOGITS, NUMBERS)
    assert (choice.index is None, choice.is_trusted) == (is_absent, is_trusted)


def test_each_object_chooses_among_its_own():
    chooser = rule("overlap", 4.0, -2.0)
    found = [candidates(LOGITS), candidates(LOGITS.flip(0))]
    choices = choose_all(chooser, found, [NUMBERS, NUMBERS.flip(0)])
    assert [c.index for c in choices] == [1, 0]
    assert choices[0].expected_iou == pytest.approx(choices[1].expected_iou)


def test_absence_is_judged_from_the_best_candidate_and_the_lead_of_it():
    told = sum_up(NUMBERS, torch.tensor([0.3, 0.7]))
    assert torch.equal(told[:-2], NUMBERS[1])
    assert told[-2:].tolist() == pytest.approx([0.7, 0.3])
    assert sum_up(NUMBERS[:1], torch.tensor([0.4]))[-2:].tolist() == pytest.approx([0.4, 0])


def tracked(own: torch.Tensor) -> list[tuple[Output, Bank]]:
    return [(seen(own, VIEW), Bank({0: seen(square(4, 4), VIEW)}, {}))]


def click_nowhere(points_xy: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    raise AssertionError("no click was needed")


def test_a_sure_memory_is_not_asked_for_more():
    pairs = tracked(square(4, 4))
    settle(always(SURE_FROM + 0.05), VIEW, pairs, click_nowhere)
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
    settle(rule("prompted_8", 8.0, -7.5), now, pairs, click)
    output = pairs[0][0]
    assert clicked == [7]
    assert torch.equal(output.logits, square(20, 16))
    assert float(output.score) >= 1


def test_an_object_that_nothing_looks_like_is_absent():
    ground = picture()

    def click(points_xy: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        return square(12, 12).expand(len(points_xy), -1, -1, -1), torch.ones(len(points_xy), 1)

    pairs = tracked(square(4, 4))
    settle(rule("prompted_8", 8.0, -7.5), ground, pairs, click)
    output = pairs[0][0]
    assert not bool((output.logits > 0).any())
    assert float(output.score) < 0 and not output.is_trusted


def test_doubtful_objects_share_one_batch_of_clicks():
    calls: list[int] = []

    def click(points_xy: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        calls.append(len(points_xy))
        return square(4, 4).expand(len(points_xy), -1, -1, -1), torch.ones(len(points_xy), 1)

    settle(always(0.3), VIEW, [*tracked(square(4, 4)), *tracked(square(9, 9))], click)
    assert calls == [14]


def test_a_file_gives_back_what_was_written(tmp_path):
    save_chooser(rule("overlap", 4.0, -2.0), tmp_path / "c.safetensors", {"clips": 3})
    again = load_chooser(tmp_path / "c.safetensors")
    assert torch.equal(again.quality(NUMBERS), rule("overlap", 4.0, -2.0).quality(NUMBERS))
    assert torch.equal(again.absence.state["bias_2"], constant(0.2).state["bias_2"])


def test_a_loaded_chooser_does_not_change_with_its_file(tmp_path):
    path = tmp_path / "c.safetensors"
    save_chooser(rule("overlap", 4.0, -2.0), path, {})
    loaded = load_chooser(path)
    before = loaded.quality(NUMBERS)
    path.write_bytes(bytes(path.stat().st_size))
    assert torch.equal(loaded.quality(NUMBERS), before)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="none"):
        load_chooser(tmp_path / "none")
