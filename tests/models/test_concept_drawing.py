"""Drawing a finer mask; the network is untrained."""

import pytest
import torch

from samnb.models.concept_drawing import JUDGED, Drawer, mean_under


@pytest.fixture
def drawer():
    torch.manual_seed(0)
    return Drawer().eval()


def test_a_drawing_has_the_size_of_its_view_and_numbers_to_judge_it_by(drawer):
    mask, judged = drawer(torch.rand(2, 4, 32, 32))
    assert mask.shape == (2, 32, 32) and judged.shape == (2, JUDGED)


def test_what_is_drawn_begins_at_the_rough_mask(drawer):
    views = torch.zeros(1, 4, 32, 32)
    views[:, 3, 8:24, 8:24] = 1.0
    torch.nn.init.zeros_(drawer.up0[1].weight)
    torch.nn.init.zeros_(drawer.up0[1].bias)
    with torch.no_grad():
        mask, _ = drawer(views)
    assert torch.equal(mask[0] > 0, views[0, 3] > 0.5)


def test_an_empty_mask_is_judged_by_finite_numbers(drawer):
    views = torch.rand(1, 4, 32, 32)
    views[:, 3] = 0.0
    assert torch.isfinite(drawer(views)[1]).all()


def test_a_mean_under_a_mask_leaves_out_the_rest():
    features = torch.tensor([[[[1.0, 3.0], [100.0, 100.0]]]])
    cover = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    assert mean_under(features, cover).tolist() == [[2.0]]
