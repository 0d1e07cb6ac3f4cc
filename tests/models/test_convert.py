from __future__ import annotations

import numpy as np
import pytest
import torch

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
