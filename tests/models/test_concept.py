"""The default segmenter: what it was taught, and what exemplars and calibration do."""

import copy

import numpy as np
import pytest
import torch

from samnb.models.checkpoints import file_version
from samnb.models.concept import load_segmenter, save_segmenter
from samnb.models.concept_calibration import Calibration
from samnb.models.concept_registry import load_concept_segmenter
from samnb.models.concept_sight import sight_name
from samnb.models.concepts import Exemplars
from samnb.models.mobile import build_mobile, read_info
from samnb.models.sam2 import Sam2Tracker
from samnb.synthetic.concepts import hard_negatives, make_concept_scene
from samnb.types import ModelError

SCENES = [make_concept_scene(s, split="test", difficulty=0.2) for s in (9_100_001, 9_100_002)]


@pytest.fixture(scope="module")
def segmenter():
    return load_concept_segmenter("concept", device="cpu")


def iou(one, two):
    return (one & two).sum() / max(1, (one | two).sum())


def test_it_tells_what_is_there_from_what_nearly_is(segmenter):
    there, near = [], []
    for scene in SCENES:
        phrases = scene.phrases[:4]
        false = [hard_negatives(scene, p)[0] for p in phrases]
        answers = segmenter.segment(scene.image, [*phrases, *false])
        there += [a.presence for a in answers[: len(phrases)]]
        near += [a.presence for a in answers[len(phrases) :]]
    assert np.mean(there) > np.mean(near) + 0.3


def test_it_finds_things_with_their_masks(segmenter):
    found = []
    for scene in SCENES:
        look = segmenter.look(scene.image)
        masks = [look.mask(i) for i in range(len(look))]
        for thing in scene.things:
            found.append(max((iou(m, scene.labels == thing.number) for m in masks), default=0))
    assert np.median(found) > 0.65


def test_it_says_why_a_thing_is_likely_in_the_order_of_all_it_sees(segmenter):
    scene = make_concept_scene(9_500_001, difficulty=0.1, split="test")
    phrase = scene.phrases[0]
    seen = segmenter.everything(scene.image, phrase)
    why = segmenter.evidence(scene.image, phrase)
    assert why.shape == (len(seen.instances), 3) and why.dtype == np.float32
    assert (why[:, 0] <= why[:, 1] + 1e-4).all()  # all words fit no better than the weakest
    best = why[0, 0] + why[0, 2]
    assert best >= np.median(why[:, 0] + why[:, 2])


def test_words_it_was_never_taught_are_not_there(segmenter):
    (answer,) = segmenter.segment(SCENES[0].image, ["sofa"])
    assert answer.presence < 0.5 and not answer.kept()


def test_a_positive_exemplar_says_what_an_unknown_word_means(segmenter):
    scene = SCENES[0]
    mask = scene.labels == scene.things[0].number
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = np.array([[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]], np.float32)
    (answer,) = segmenter.segment(scene.image, ["sofa"], {"sofa": Exemplars(positive_xyxy=box)})
    assert iou(answer.kept()[0].mask, mask) > 0.5
    (answer,) = segmenter.segment(scene.image, ["sofa"], {"sofa": Exemplars(negative_xyxy=box)})
    assert not answer.kept()


def test_a_negative_exemplar_takes_an_instance_away(segmenter):
    scene = SCENES[1]
    phrase = scene.phrases[0]
    before = segmenter.segment(scene.image, [phrase])[0].instances[0].mask
    rows, columns = np.flatnonzero(before.any(1)), np.flatnonzero(before.any(0))
    box = np.array([[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]], np.float32)
    shown = {phrase: Exemplars(negative_xyxy=box)}
    (after,) = segmenter.segment(scene.image, [phrase], shown)
    assert all(iou(i.mask, before) < 0.5 for i in after.kept())


def test_an_empty_picture_has_nothing_in_it(segmenter):
    flat = np.full((64, 80, 3), 128, np.uint8)
    (answer,) = segmenter.segment(flat, ["red cup"])
    assert not answer.kept()


def test_scores_times_presence_never_exceed_presence(segmenter):
    (answer,) = segmenter.segment(SCENES[0].image, [SCENES[0].phrases[0]])
    assert all(i.score <= 1.0 for i in answer.instances)


def test_calibration_rises_with_quality_and_words():
    calibration = Calibration()
    quality = torch.tensor([0.2, 0.9])
    words = torch.tensor([[0.1, 0.8], [0.1, 0.8]]).log()
    logits = calibration.instance_logits(quality, words)
    assert (logits[1] > logits[0]).all() and (logits[:, 1] > logits[:, 0]).all()
    presence = calibration.presence_logit(logits)
    assert presence[1] > presence[0]
    assert calibration.presence_logit(logits[:0]).sigmoid().max() < 0.01


def test_what_is_saved_is_what_is_loaded(segmenter, tmp_path):
    path = tmp_path / "one.safetensors"
    save_segmenter(segmenter, path, {"note": 1}, precision="float16")
    again = load_segmenter(path, segmenter.tracker)
    assert again.words == segmenter.words
    assert torch.allclose(again.net.vectors, segmenter.net.vectors, atol=1e-2)
    one, two = (m.segment(SCENES[0].image, ["cup"])[0] for m in (again, segmenter))
    assert one.presence == pytest.approx(two.presence, abs=0.02)


def test_a_file_says_with_whose_eyes_it_sees(segmenter, tmp_path, caplog):
    path = tmp_path / "one.safetensors"
    save_segmenter(segmenter, path)
    assert read_info(path)["concept"]["sight"] == sight_name(segmenter.tracker)
    load_segmenter(path, segmenter.tracker)
    assert not caplog.records
    plain = Sam2Tracker(build_mobile(256, eyes=False, choose=False), "plain@1", device="cpu")
    other = load_segmenter(path, plain)
    assert other.name == segmenter_name(path) and "looks with plain@1" in caplog.text


def segmenter_name(path):
    return f"concept@{file_version([path])}"


def test_learned_words_are_loaded_as_what_they_are(segmenter, tmp_path):
    grown = copy.copy(segmenter)
    grown.net = segmenter.net.with_words(["gizmo"], is_wide=True).eval()
    with torch.no_grad():
        grown.net.rules[-1], grown.net.exemplars[-1] = 0.25, 3.0
    save_segmenter(grown, tmp_path / "one.safetensors", precision="float16")
    again = load_segmenter(tmp_path / "one.safetensors", segmenter.tracker)
    assert torch.equal(again.net.rules, grown.net.rules)
    asked = ("red cup", "red gizmo", "red widget")
    assert [again.experience(p) for p in asked] == [1.0, 0.75, 0.0]
    assert [segmenter.experience(p) for p in asked] == [1.0, 0.0, 0.0]


def test_weights_of_something_else_are_refused(segmenter):
    from samnb.models.mobile import default_weights

    with pytest.raises(ModelError, match="expected weights of a concept segmenter"):
        load_segmenter(default_weights(), segmenter.tracker)


@pytest.mark.parametrize("name", ["", "no such thing", "missing.safetensors"])
def test_unknown_names_are_refused(name):
    with pytest.raises(ModelError, match="expected"):
        load_concept_segmenter(name)


def test_the_environment_may_name_other_weights(monkeypatch, tmp_path):
    monkeypatch.setenv("SAMNB_CONCEPT_WEIGHTS", str(tmp_path / "none.safetensors"))
    with pytest.raises(ModelError, match="SAMNB_CONCEPT_WEIGHTS names"):
        load_concept_segmenter()
