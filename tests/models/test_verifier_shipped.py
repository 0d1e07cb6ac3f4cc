import numpy as np
import pytest

from samnb.models.concept_registry import load_concept_segmenter
from samnb.models.concepts import ConceptVerifier
from samnb.models.verifier_examples import EvExample, MvExample
from samnb.models.verifier_foundation.world import verdicts
from samnb.models.verifier_shipped import (
    WEIGHTS_ENV,
    has_foundation,
    load_foundation,
    load_looking_twice,
)
from samnb.models.verifier_use import ev_presence
from samnb.synthetic.concepts import VOCABULARY, make_concept_scene
from samnb.types import EvAnswer, ModelError, MvAnswer


class Other:
    name = "other@1"


@pytest.fixture(scope="module")
def segmenter():
    return load_concept_segmenter("concept", device="cpu")


@pytest.fixture(scope="module")
def verifier(segmenter):
    return load_foundation(segmenter)


@pytest.fixture(scope="module")
def scene():
    return make_concept_scene(9_500_000, difficulty=0.2, split="test")


def test_it_is_small_and_asks_the_default_segmenter(segmenter, verifier):
    assert isinstance(verifier, ConceptVerifier)
    assert has_foundation(segmenter) and not has_foundation(Other()) and not has_foundation(None)
    assert verifier.info.aids == segmenter.name  # it was taught on what this version proposes
    assert verifier.info.n_mv > 5_000 and verifier.info.n_ev > 1_000


def test_it_is_right_more_often_than_people_are(segmenter, verifier, scene):
    hits = {MvExample: [], EvExample: []}
    for one in verdicts(scene, segmenter):
        example = one.example
        if isinstance(example, MvExample):
            row = verifier.verify_masks(scene.image, example.phrase, [example.mask])[0]
            is_accepted = example.answer is MvAnswer.ACCEPT
        else:
            row = verifier.verify_exhaustive(scene.image, example.phrase, example.masks)
            is_accepted = example.answer is EvAnswer.ACCEPT
        hits[type(example)].append((row.argmax() == 0) == is_accepted)
    for kind, least in ((MvExample, 0.75), (EvExample, 0.75)):
        assert sum(hits[kind]) / len(hits[kind]) > least


def test_presence_is_higher_for_what_is_there(verifier, scene):
    nouns = [n for n in VOCABULARY["nouns"] if not scene.named(n)]
    there = [ev_presence(verifier, scene.image, p) for p in scene.phrases]
    away = [ev_presence(verifier, scene.image, f"red {noun}") for noun in nouns]
    assert np.mean(there) > np.mean(away) + 0.3


def test_a_file_that_is_not_there_is_told(segmenter, monkeypatch, tmp_path):
    monkeypatch.setenv(WEIGHTS_ENV, str(tmp_path / "none.safetensors"))
    with pytest.raises(ModelError, match=WEIGHTS_ENV):
        load_foundation(segmenter)
    monkeypatch.delenv(WEIGHTS_ENV)
    with pytest.raises(ModelError, match="aids"):
        load_foundation(Other())


def test_it_may_look_twice_and_the_segmenter_remembers_the_picture_itself(segmenter, scene):
    twice, look = load_looking_twice(segmenter), segmenter.look(scene.image)
    found = twice.verify_exhaustive(scene.image, scene.phrases[0], [])
    assert found.shape == (6,) and found.sum() == pytest.approx(1)
    assert segmenter.look(scene.image) is look
