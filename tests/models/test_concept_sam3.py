import json

import numpy as np
import pytest
import torch

from samnb.models.concept_sam3 import MIN_SCORE, Sam3Segmenter, load_sam3
from samnb.models.concepts import Exemplars
from samnb.types import ModelError
from tests.models.tiny_concepts import write_sam3, write_sam3_video

IMAGE = np.random.default_rng(0).integers(0, 255, (48, 80, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_sam3(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def segmenter(folder):
    return load_sam3(folder, device="cpu")


@pytest.fixture(scope="module")
def own(folder):
    """The package's own model and processor."""
    from transformers import Sam3Model, Sam3Processor

    return Sam3Model.from_pretrained(folder).eval(), Sam3Processor.from_pretrained(folder)


def package_answer(own, **given):
    model, processor = own
    inputs = processor(images=IMAGE, return_tensors="pt", **given)
    sizes = inputs.pop("original_sizes")
    with torch.no_grad():
        out = model(**inputs)
    found = processor.post_process_instance_segmentation(
        out, threshold=0.0, target_sizes=sizes.tolist()
    )[0]
    order = found["scores"].argsort(descending=True)
    return found["scores"][order].numpy(), found["masks"][order].numpy().astype(bool)


@pytest.mark.parametrize("boxes", [False, True], ids=["text", "text and boxes"])
def test_masks_and_scores_are_those_of_the_package(segmenter, own, boxes):
    positive, negative = [5.0, 6.0, 30.0, 40.0], [40.0, 2.0, 70.0, 30.0]
    given = {"input_boxes": [[positive, negative]], "input_boxes_labels": [[1, 0]]}
    scores, masks = package_answer(own, text="red cup", **(given if boxes else {}))
    shown = Exemplars(np.array([positive], np.float32), np.array([negative], np.float32))
    (answer,) = segmenter.segment(IMAGE, ["red cup"], {"red cup": shown} if boxes else None)
    ours = [i.score * answer.presence for i in answer.instances]
    wanted = [s for s, m in zip(scores, masks, strict=True) if m.any()][: len(ours)]
    assert len(ours) > 3
    assert ours == pytest.approx(wanted, abs=1e-5)
    shown = [m for m in masks if m.any()][: len(ours)]
    assert all(np.array_equal(i.mask, m) for i, m in zip(answer.instances, shown, strict=True))


def test_the_picture_is_encoded_once_for_all_phrases(segmenter, monkeypatch):
    calls = []
    encode = segmenter._detector.get_vision_features
    monkeypatch.setattr(
        segmenter._detector, "get_vision_features", lambda *a: calls.append(1) or encode(*a)
    )
    segmenter.segment(IMAGE, ["cup", "red cup", "fish"])
    assert calls == [1]


def test_queries_that_score_next_to_nothing_are_left_out(segmenter):
    (answer,) = segmenter.segment(IMAGE, ["cup"])
    assert min(i.score for i in answer.instances) > MIN_SCORE


def test_the_file_of_detector_and_tracker_together_serves_both(tmp_path):
    from tests.models.clip import Clip

    segmenter = load_sam3(write_sam3_video(tmp_path), device="cpu")
    (answer,) = segmenter.segment(IMAGE, ["cup"])
    assert answer.instances
    clip = Clip(3)
    running = segmenter.segment_video(clip, "cup")
    position, first = next(running)
    assert position == 0 and clip.read == [0] and min(first) == 1
    assert [p for p, _ in running] == [1, 2]


def test_a_detector_alone_needs_a_tracker_for_video(folder, own):
    alone = Sam3Segmenter(*own, "alone@1", device="cpu")
    with pytest.raises(ModelError, match="expected a Sam3VideoModel or a tracker for video"):
        alone.segment_video(None, "cup")


def test_another_kind_of_model_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "sam2_video"}))
    with pytest.raises(ModelError, match="expected model_type sam3 or sam3_video"):
        load_sam3(tmp_path)


def test_a_folder_without_a_configuration_is_refused(tmp_path):
    with pytest.raises(ModelError, match="expected a folder with a config"):
        load_sam3(tmp_path)


def test_missing_weights_are_named(folder, tmp_path):
    import shutil

    from safetensors.torch import load_file, save_file

    copy = shutil.copytree(folder, tmp_path / "copy")
    state = load_file(copy / "model.safetensors")
    state.pop("text_projection.weight")
    save_file(state, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"got 1 missing: \['text_projection.weight'\]"):
        load_sam3(copy, device="cpu")
