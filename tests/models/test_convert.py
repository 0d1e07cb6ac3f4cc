from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from samnb.models.backend import Decoded
from samnb.models.convert import to_model_prompt, to_prediction
from tests.models.clip import drawn


def decoded(logits, confidence=0.5, score=0.0):
    return Decoded(torch.tensor(logits)[None, None], confidence, torch.tensor([[score]]))


def test_a_prediction_is_thresholded_at_zero_and_measured_at_one():
    found = to_prediction(decoded([[-3.0, -0.5], [0.5, 3.0]], 0.7, 2.0), (2, 2))
    assert found.mask.tolist() == [[False, False], [True, True]]
    assert found.stability == pytest.approx(1 / 3)
    assert found.confidence == pytest.approx(0.7)
    assert found.presence == pytest.approx(1 / (1 + np.exp(-2.0)))


def test_logits_are_resized_before_they_are_thresholded():
    assert to_prediction(decoded([[-1.0, 3.0]]), (1, 8)).mask.sum() == 5


@pytest.mark.parametrize(("raw", "clipped"), [(1.2, 1.0), (-0.1, 0.0)])
def test_confidence_stays_in_its_range(raw, clipped):
    assert to_prediction(decoded([[1.0]], raw), (1, 1)).confidence == clipped


def test_an_absent_object_is_stable():
    found = to_prediction(decoded([[-1024.0]], 0.5, -9.0), (3, 3))
    assert not found.mask.any()
    assert found.stability == 1.0
    assert found.presence < 0.001


def test_a_mask_of_the_models_size_is_not_resized():
    shape = np.random.default_rng(0).random((8, 8)) > 0.5
    prompts = drawn(0, 0, 1, 1, (8, 8))
    prompts.mask[:] = shape
    found = to_model_prompt(prompts, (8, 8), 8, torch.device("cpu")).mask
    assert np.array_equal(found[0, 0].bool().numpy(), shape)


@pytest.mark.parametrize("size_hw", [(90, 161), (37, 16), (7, 40), (16, 37)])
@pytest.mark.parametrize("threshold", [-6.0, 0.5, 2.5, 9.0])
def test_only_the_box_of_a_mask_is_enlarged_and_nothing_is_lost(size_hw, threshold):
    """Compared with the enlargement of the whole picture; the thresholds are of fewer and fewer."""
    logits = torch.randn(1, 1, 16, 37, generator=torch.Generator().manual_seed(3)) - threshold
    logits[..., :3, :], logits[..., 30:] = -9.0, -1024.0
    found = to_prediction(Decoded(logits, 0.5, torch.zeros(1, 1)), size_hw)
    large = functional.interpolate(logits, size_hw, mode="bilinear", align_corners=False)[0, 0]
    inner, outer = (int((large > level).sum()) for level in (1.0, -1.0))
    assert np.array_equal(found.mask, (large > 0).numpy())
    assert found.stability == pytest.approx(inner / outer if outer else 1.0)
