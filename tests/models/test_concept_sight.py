"""With whose eyes the default segmenter looks."""

import copy

import pytest
import torch

from samnb.models.concept_sight import sight_name, sight_of
from samnb.models.mobile import build_mobile
from samnb.models.registry import load_model
from samnb.models.sam2 import Sam2Tracker


@pytest.fixture(scope="module")
def mobile():
    return load_model("mobile", device="cpu")


def test_a_tracker_with_eyes_lends_them(mobile):
    assert sight_of(mobile) is mobile.backend.eyes
    assert sight_name(mobile).startswith(f"eyes-{mobile.backend.eyes.size}@")


def test_the_same_eyes_have_the_same_name_each_time_they_are_built(mobile):
    again = Sam2Tracker(build_mobile(256), "mobile@again", device="cpu")
    assert sight_name(again) == sight_name(mobile)


def test_a_tracker_without_eyes_looks_itself():
    plain = Sam2Tracker(build_mobile(64, eyes=False, choose=False), "plain@1", device="cpu")
    assert sight_of(plain) is plain.backend and sight_name(plain) == "plain@1"


def test_training_the_tracker_changes_nothing_and_other_eyes_do(mobile):
    before = sight_name(mobile)
    model = copy.deepcopy(mobile.backend.model)
    with torch.no_grad():
        model.memory_attention.norm.weight.add_(1.0)
    retrained = Sam2Tracker(model, "mobile@other", device="cpu")
    assert sight_name(retrained) == before
    with torch.no_grad():
        model.eyes.sam_mask_decoder.iou_token.weight.add_(1.0)
    assert sight_name(retrained) != before
