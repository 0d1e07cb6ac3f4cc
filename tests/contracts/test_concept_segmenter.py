"""What every concept segmenter promises the engine; see ``samnb.models.concepts``."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from samnb.models.concept_detector import load_detector
from samnb.models.concept_registry import load_concept_segmenter
from samnb.models.concepts import ConceptSegmenter, Exemplars
from samnb.models.registry import load_model
from samnb.synthetic.concepts import make_concept_scene
from samnb.types import InputError
from tests.models.clip import SIZE_HW, Clip
from tests.models.tiny_concepts import (
    write_grounding_dino,
    write_owlv2,
    write_sam3,
    write_sam3_video,
)

SCENE = make_concept_scene(3, size_hw=(96, 128))
PHRASES = (SCENE.phrases[-1], "purple umbrella")
_SEGMENTERS = {
    "concept": lambda folder: load_concept_segmenter("concept", device="cpu"),
    "sam3": lambda folder: load_concept_segmenter(str(write_sam3(folder)), device="cpu"),
    "sam3 video": lambda folder: load_concept_segmenter(
        str(write_sam3_video(folder)), device="cpu"
    ),
    "owlv2": lambda folder: load_detector(write_owlv2(folder), load_model("colour"), device="cpu"),
    "grounding dino": lambda folder: load_detector(
        write_grounding_dino(folder), load_model("colour"), device="cpu"
    ),
}


@pytest.fixture(scope="module", params=_SEGMENTERS)
def segmenter(request, tmp_path_factory) -> ConceptSegmenter:
    return _SEGMENTERS[request.param](tmp_path_factory.mktemp("segmenter"))


@pytest.fixture(scope="module")
def answers(segmenter):
    return segmenter.segment(SCENE.image, PHRASES)


def bits(answer):
    return answer.presence, [(i.mask.tobytes(), i.score) for i in answer.instances]


def test_it_has_a_name_with_a_version(segmenter):
    assert isinstance(segmenter, ConceptSegmenter)
    assert "@" in segmenter.name


def test_it_answers_for_every_phrase_with_probabilities(answers):
    assert len(answers) == len(PHRASES)
    for answer in answers:
        assert type(answer.presence) is float and 0.0 <= answer.presence <= 1.0
        for instance in answer.instances:
            assert type(instance.score) is float and 0.0 <= instance.score <= 1.0


def test_masks_are_of_the_picture_and_not_empty(answers):
    for instance in itertools.chain.from_iterable(a.instances for a in answers):
        assert instance.mask.shape == SCENE.image.shape[:2]
        assert instance.mask.dtype == np.bool_ and instance.mask.any()


def test_the_best_instance_comes_first(answers):
    for answer in answers:
        scores = [i.score for i in answer.instances]
        assert scores == sorted(scores, reverse=True)


def test_a_phrase_is_answered_alike_alone_and_in_company(segmenter, answers):
    (alone,) = segmenter.segment(SCENE.image, PHRASES[1:])
    assert bits(alone) == bits(answers[1])


def test_pictures_that_are_read_only_or_turned_are_taken(segmenter, answers):
    turned = np.asfortranarray(SCENE.image)
    turned.flags.writeable = False
    (answer,) = segmenter.segment(turned, PHRASES[:1])
    assert bits(answer) == bits(answers[0])


def test_no_phrases_give_no_answers(segmenter):
    assert segmenter.segment(SCENE.image, ()) == ()


@pytest.mark.parametrize("image", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3)), None])
def test_what_is_no_picture_is_refused(segmenter, image):
    with pytest.raises(InputError, match=r"image: expected \(H, W, 3\) uint8, got"):
        segmenter.segment(image, PHRASES)


def test_a_bare_string_is_refused(segmenter):
    with pytest.raises(InputError, match="expected a sequence of phrases"):
        segmenter.segment(SCENE.image, "cup")


def test_exemplars_nobody_asked_for_are_refused(segmenter):
    with pytest.raises(InputError, match="exemplars: expected phrases among"):
        segmenter.segment(SCENE.image, PHRASES, {"sofa": Exemplars()})


def test_exemplars_of_a_wrong_shape_are_refused(segmenter):
    wrong = Exemplars(positive_xyxy=np.zeros((2, 3), np.float32))
    with pytest.raises(InputError, match=r"expected boxes \(N, 4\), got \(2, 3\)"):
        segmenter.segment(SCENE.image, PHRASES, {PHRASES[0]: wrong})


def test_exemplars_change_the_answer_of_their_phrase_alone(segmenter, answers):
    shown = Exemplars(
        np.array([[10, 10, 40, 50]], np.float32), np.array([[80, 20, 120, 70]], np.float32)
    )
    after = segmenter.segment(SCENE.image, PHRASES, {PHRASES[1]: shown})
    assert bits(after[0]) == bits(answers[0])
    assert bits(after[1]) != bits(answers[1])


def test_empty_exemplars_change_nothing(segmenter, answers):
    after = segmenter.segment(SCENE.image, PHRASES[:1], {PHRASES[0]: Exemplars()})
    assert bits(after[0]) == bits(answers[0])


def test_a_video_is_answered_frame_by_frame(segmenter):
    found = list(segmenter.segment_video(Clip(3), "red thing"))
    assert [position for position, _ in found] == [0, 1, 2]
    for _, objects in found:
        for obj_id, prediction in objects.items():
            assert obj_id >= 1
            assert prediction.mask.shape == SIZE_HW and prediction.mask.dtype == np.bool_
            for value in (prediction.confidence, prediction.presence, prediction.stability):
                assert type(value) is float and 0.0 <= value <= 1.0


def test_a_video_is_read_neither_before_it_is_asked_for_nor_after_closing(segmenter):
    clip = Clip(6)
    running = segmenter.segment_video(clip, "red thing")
    assert clip.read == []
    next(running)
    running.close()
    read = list(clip.read)
    assert list(running) == []
    assert clip.read == read
