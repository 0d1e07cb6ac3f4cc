import json

import numpy as np
import pytest

from samnb.models.concept_detector import Boxes, DetectorSegmenter, even_odds, heed, load_detector
from samnb.models.concepts import Exemplars
from samnb.models.registry import load_model
from samnb.types import ModelError
from tests.models.tiny_concepts import write_owlv2

IMAGE = np.full((60, 90, 3), 90, np.uint8)
IMAGE[10:30, 10:40] = (200, 20, 20)
IMAGE[35:55, 60:85] = (20, 20, 200)
RED, BLUE = [9, 9, 41, 31], [59, 34, 86, 56]


class Told:
    """Finds what it is told to."""

    name, threshold = "told@1", 0.2

    def detect(self, image, phrases):
        boxes = {"thing": ([RED, BLUE], [0.6, 0.1]), "nothing": ([], [])}
        return [
            Boxes(np.array(b, np.float32).reshape(-1, 4), np.array(s, np.float32))
            for b, s in (boxes[p] for p in phrases)
        ]


@pytest.fixture(scope="module")
def segmenter():
    return DetectorSegmenter(Told(), load_model("colour"))


def test_the_threshold_becomes_even_odds():
    found = even_odds(np.array([0.05, 0.2, 0.6], np.float32), 0.2)
    assert found[1] == pytest.approx(0.5)
    assert found[0] < 0.25 < 0.75 < found[2]


def test_boxes_become_masks_and_the_best_stands_for_presence(segmenter):
    (answer,) = segmenter.segment(IMAGE, ["thing"])
    assert answer.presence == pytest.approx(even_odds(np.array([0.6]), 0.2)[0])
    assert [i.score * answer.presence > 0.5 for i in answer.instances] == [True, False]
    assert (answer.instances[0].mask == (IMAGE[..., 0] > 150)).mean() > 0.97


def test_no_boxes_mean_absent(segmenter):
    (answer,) = segmenter.segment(IMAGE, ["nothing"])
    assert answer.presence == 0.0 and answer.instances == ()


def test_a_positive_exemplar_is_an_instance_and_a_negative_one_removes(segmenter):
    shown = Exemplars(np.array([BLUE], np.float32), np.array([RED], np.float32))
    (answer,) = segmenter.segment(IMAGE, ["thing"], {"thing": shown})
    (kept,) = answer.kept()
    assert (kept.mask == (IMAGE[..., 2] > 150)).mean() > 0.97


def test_boxes_that_touch_no_exemplar_stay_as_they_are():
    boxes, chance = np.array([RED, BLUE], np.float32), np.array([0.9, 0.4])
    xyxy, kept = heed(Exemplars(negative_xyxy=np.array([[0, 0, 5, 5]], np.float32)), boxes, chance)
    assert np.array_equal(xyxy, boxes) and np.array_equal(kept, chance)


def test_another_kind_of_model_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ModelError, match="expected model_type owlv2 or grounding-dino, got 'bert'"):
        load_detector(tmp_path, load_model("colour"))


def test_missing_weights_are_named(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = write_owlv2(tmp_path)
    state = load_file(folder / "model.safetensors")
    state.pop("class_head.logit_shift.weight")
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"expected all weights, got 1 missing"):
        load_detector(folder, load_model("colour"), device="cpu")
