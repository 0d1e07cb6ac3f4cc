"""The transformers adapter: same masks as the package's own session, and what it loads."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional
from transformers import Sam2VideoModel, Sam2VideoProcessor

from samnb.models.transformers import TransformersTracker, load_transformers
from samnb.types import ModelError
from tests.models.clip import SIZE_HW, Clip, box, clicks, drawn
from tests.models.tiny import write_transformers

N_FRAMES = 18


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_transformers(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def tracker(folder):
    return load_transformers(folder, device="cpu")


@pytest.fixture(scope="module")
def model(folder):
    return Sam2VideoModel.from_pretrained(folder).eval()


@pytest.fixture(scope="module")
def processor(folder):
    return Sam2VideoProcessor.from_pretrained(folder)


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def own_masks(model, processor, prompts, n_frames=N_FRAMES):
    """Masks by the package's own session and iterator, from prompts on the first frame."""
    clip = Clip(n_frames)
    state = processor.init_video_session(video=[clip.frame(i) for i in range(n_frames)])
    given = {}
    if len(prompts.points_xy):
        given["input_points"] = [[prompts.points_xy.tolist()]]
        given["input_labels"] = [[prompts.point_labels.tolist()]]
    if prompts.box_xyxy is not None:
        given["input_boxes"] = [[prompts.box_xyxy.tolist()]]
    processor.add_inputs_to_inference_session(state, 0, [1], **given)
    model(state, 0)
    return {
        out.frame_idx: functional.interpolate(out.pred_masks, SIZE_HW, mode="bilinear")[
            0, 0
        ].numpy()
        > 0
        for out in model.propagate_in_video_iterator(state)
    }


@pytest.mark.parametrize("prompts", [clicks((9, 20, 1)), box(1, 11, 17, 29)], ids=["click", "box"])
def test_masks_are_those_of_the_packages_own_session(tracker, model, processor, prompts):
    expected = own_masks(model, processor, prompts)
    session = tracker.open(Clip(N_FRAMES))
    session.set_prompts(1, 0, prompts)
    found = dict(session.propagate(start=0, stop=N_FRAMES - 1))
    assert list(found) == list(expected) == list(range(N_FRAMES))
    # The package resizes a whole clip at once and this one frame by frame: single pixels of the
    # input may round to the other side.
    wrong = [int((found[t][1].mask ^ expected[t]).sum()) for t in found]
    assert max(wrong) <= 0.01 * expected[0].size, wrong
    assert len({mask.tobytes() for mask in expected.values()}) > N_FRAMES // 2


def test_confidence_is_read_from_the_decoder(tracker):
    session = tracker.open(Clip(8))
    session.set_prompts(1, 0, clicks((9, 20, 1)))
    seen = [objects[1].confidence for _, objects in session.propagate(start=0, stop=7)]
    assert all(0.0 < value < 1.0 for value in seen)
    assert len(set(seen)) == len(seen)


def test_mask_prompts_are_taken_as_certain(tracker):
    session = tracker.open(Clip(2))
    assert session.set_prompts(1, 0, drawn(1, 11, 17, 29)).confidence == 1.0


def test_half_precision_runs(folder):
    session = load_transformers(folder, device="cpu", dtype="bfloat16").open(Clip(4))
    session.set_prompts(1, 0, clicks((9, 20, 1)))
    session.set_prompts(2, 0, drawn(1, 11, 17, 29))
    for _, objects in session.propagate(start=0, stop=3):
        assert np.isfinite([objects[1].confidence, objects[1].presence]).all()
    session.segment(0, drawn(1, 11, 17, 29))


def test_the_name_is_the_folders_and_the_weights(tracker, copy):
    assert tracker.name.startswith("tiny-transformers@")
    other = load_transformers(copy, device="cpu")
    assert other.name.split("@")[1] == tracker.name.split("@")[1]
    state = load_file(copy / "model.safetensors")
    state["no_memory_embedding"] += 1
    save_file(state, copy / "model.safetensors", metadata={"format": "pt"})
    assert load_transformers(copy, device="cpu").name != other.name


def test_a_folder_of_another_model_is_refused(copy):
    settings = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(settings | {"model_type": "bert"}))
    with pytest.raises(ModelError, match="expected model_type sam2_video, got 'bert'"):
        load_transformers(copy)


def test_a_folder_without_a_config_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"expected a folder with a config\.json"):
        load_transformers(tmp_path)


def test_missing_weights_are_not_replaced_by_random_ones(copy):
    state = load_file(copy / "model.safetensors")
    del state["no_memory_embedding"]
    save_file(state, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"1 missing: \['no_memory_embedding'\]"):
        load_transformers(copy)


def test_a_processor_of_another_size_is_refused(model, folder):
    processor = Sam2VideoProcessor.from_pretrained(folder, target_size=32)
    with pytest.raises(ModelError, match="processor: expected 64 px like the model, got 32"):
        TransformersTracker(model, processor, "odd@1", device="cpu")


def test_an_unreachable_hub_says_what_to_do(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"nobody/nothing: expected .*save_pretrained"):
        load_transformers("nobody/nothing")


def test_the_model_is_left_in_evaluation_mode(tracker):
    assert not tracker.backend._model.training
    assert tracker.backend.device == torch.device("cpu")
