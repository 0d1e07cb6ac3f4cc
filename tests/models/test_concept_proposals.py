import numpy as np
import pytest
import torch

from samnb.models.concept_proposals import MAX_CLICKS, Proposer, peaks, propose, tidy
from samnb.models.registry import load_model
from samnb.types import ModelError


def test_peaks_are_the_local_maxima_in_media_pixels_best_first():
    heat = torch.zeros(8, 8)
    heat[1, 2], heat[1, 3], heat[6, 6], heat[4, 1] = 0.6, 0.5, 0.9, 0.05
    found = peaks(heat, (80, 160))
    assert found.tolist() == [[130.0, 65.0], [50.0, 15.0]]


def test_no_more_peaks_than_asked_for():
    heat = torch.zeros(40, 40)
    heat[::2, ::2] = torch.rand(20, 20) * 0.5 + 0.3
    assert len(peaks(heat, (40, 40))) == MAX_CLICKS
    assert len(peaks(heat, (40, 40), most=3)) == 3


def test_backgrounds_specks_and_near_equal_masks_go():
    maps = torch.full((5, 16, 16), -5.0)
    maps[0, 2:8, 2:8] = 5
    maps[1, 2:8, 2:9] = 5  # nearly the first, and surer
    maps[2] = 5  # everything
    maps[3, 0, :3] = 5  # a speck
    maps[4, 10:14, 10:14] = 5
    found = tidy(maps, torch.tensor([0.6, 0.9, 0.99, 0.99, 0.5]))
    assert found.confidence.tolist() == pytest.approx([0.9, 0.5])
    assert torch.equal(found.maps > 0.5, maps[[1, 4]] > 0)


def test_nothing_is_tidied_to_nothing():
    assert len(tidy(torch.full((2, 8, 8), -1.0), torch.ones(2)).maps) == 0


def test_a_tracker_that_answers_one_click_at_a_time_is_refused(tmp_path):
    from tests.models.tiny import write_transformers

    tracker = load_model(str(write_transformers(tmp_path)), device="cpu")
    with pytest.raises(ModelError, match="expected one that decodes grids of clicks"):
        propose(tracker, Proposer(), np.zeros((32, 32, 3), np.uint8), grid=2)


def test_many_clicks_are_answered_as_a_few_are(monkeypatch):
    tracker = load_model("mobile", device="cpu")
    image = np.full((96, 128, 3), 90, np.uint8)
    image[30:60, 40:80] = (220, 30, 30)
    torch.manual_seed(0)
    proposer, found = Proposer().eval(), []
    for at_once in (2, 100):
        monkeypatch.setattr("samnb.models.concept_proposals.AT_ONCE", at_once)
        found.append(propose(tracker, proposer, image, grid=3)[1].maps)
    assert len(found[0]) and torch.allclose(*found, atol=1e-3)


def test_proposals_come_with_the_features_they_were_made_from():
    tracker = load_model("mobile", device="cpu")
    image = np.full((96, 128, 3), 90, np.uint8)
    image[30:60, 40:80] = (220, 30, 30)
    torch.manual_seed(0)
    features, found = propose(tracker, Proposer().eval(), image, grid=4)
    eyes = tracker.backend.eyes
    assert features.sizes_hw[-1] == (eyes.size // 16, eyes.size // 16)
    side = eyes.size // 4
    assert found.maps.shape[1:] == (side, side)
    truth = torch.zeros(side, side, dtype=torch.bool)
    truth[side * 30 // 96 : side * 60 // 96, side * 40 // 128 : side * 80 // 128] = True
    shown = found.maps > 0.5
    iou = (shown & truth).sum((1, 2)) / (shown | truth).sum((1, 2))
    assert float(iou.max()) > 0.7
