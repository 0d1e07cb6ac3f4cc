"""Learning to recognise a tracked object."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from samnb.models.mobile import build_mobile
from samnb.models.training.likeness import fit_likeness, gather_looks
from samnb.models.training.synthetics import synthetic_clip


def test_the_fit_finds_the_map_that_tells_right_from_wrong():
    generator = torch.Generator().manual_seed(0)
    cosine = torch.rand(400, 4, generator=generator)
    noise = 0.1 * torch.randn(400, generator=generator)
    found = fit_likeness(cosine, cosine[:, 3] + noise > 0.6)
    assert found.known[1] > 3 * max(abs(v) for v in (*found.prompted, found.known[0]))
    said = cosine @ torch.tensor([*found.prompted, *found.known]) + found.bias > 0
    assert float((said == (cosine[:, 3] + noise > 0.6)).float().mean()) > 0.9


@pytest.mark.parametrize("right", [torch.ones(3).bool(), torch.zeros(3).bool()])
def test_examples_of_one_kind_are_refused(right):
    with pytest.raises(ValueError, match="both kinds"):
        fit_likeness(torch.rand(3, 2), right)


def test_a_tracked_object_looks_more_like_itself_than_a_lost_one():
    model = build_mobile(64, predictor="base")
    rng = np.random.default_rng(5)
    cosine, right = gather_looks(model, [synthetic_clip(6, 64, rng) for _ in range(3)])
    assert cosine.shape == (len(right), 6)
    assert bool((cosine[:, 3:] >= cosine[:, :3]).all())
    if bool(right.any()) and not bool(right.all()):
        assert cosine[right].mean() > cosine[~right].mean()
