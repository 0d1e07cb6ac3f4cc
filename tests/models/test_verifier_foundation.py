"""The foundation of the small verifier, in miniature."""

import json

import numpy as np
import pytest
import torch

from samnb.engine.concepts.reviewers import EV_ACCURACY as PAPER_EV
from samnb.engine.concepts.reviewers import MV_ACCURACY as PAPER_MV
from samnb.engine.concepts.reviewers import Skill, is_exhaustive, right_masks
from samnb.models.concepts import ConceptPrediction, Instance
from samnb.models.verifier_examples import EvExample, MvExample
from samnb.models.verifier_foundation import cli, evaluate, world
from samnb.models.verifier_foundation.train import (
    FoundationSettings,
    platt,
    train_foundation,
)
from samnb.models.verifier_foundation.world import FAULTS, roughen, spoil, verdicts
from samnb.models.verifier_net import VerifierNet
from samnb.synthetic.concepts import make_concept_scene
from samnb.types import EvAnswer, MvAnswer


class Outliner:
    """Sees every thing of a picture that it can find in ``scenes``, and guesses the words."""

    name = "outliner@1"

    def __init__(self, miss=0.2):
        self.miss, self.scenes = miss, {}

    def know(self, scene):
        self.scenes[scene.image.tobytes()] = scene
        return scene

    def everything(self, image, phrase):
        scene = self.scenes[image.tobytes()]
        named = {t.number for t in scene.named(phrase)}
        rng = np.random.default_rng([scene.seed, *phrase.encode()])
        rows = [(t.number, rng.random()) for t in scene.things]
        found = [
            Instance(scene.labels == n, 0.9 if (n in named) == (chance > self.miss) else 0.1)
            for n, chance in rows
        ]
        return ConceptPrediction(max((i.score for i in found), default=0.0), tuple(found))

    def segment(self, image, phrases, exemplars=None):
        return tuple(self.everything(image, phrase) for phrase in phrases)


@pytest.fixture
def segmenter(monkeypatch):
    found = Outliner()

    def make(*args, **kwargs):
        return found.know(make_concept_scene(*args, **kwargs))

    monkeypatch.setattr("samnb.models.concept_training.settings.make_concept_scene", make)
    monkeypatch.setattr("samnb.models.verifier_foundation.evaluate.make_concept_scene", make)
    return found


@pytest.fixture
def scene(segmenter):
    return segmenter.know(make_concept_scene(3, difficulty=0.5))


def test_the_rules_are_those_of_simulated_reviewers():
    assert (Skill().good_iou, Skill().found_iou) == (world.GOOD_IOU, world.FOUND_IOU)
    assert (PAPER_MV, PAPER_EV) == (evaluate.MV_ACCURACY, evaluate.EV_ACCURACY)


def test_proposals_are_judged_by_the_truth(scene, segmenter):
    seen = 0
    for one in verdicts(scene, segmenter):
        example = one.example
        truth = scene.truth(example.phrase)
        if one.kind == "proposal":
            is_one = any(np.array_equal(example.mask, t) for t in truth)
            assert (example.answer is MvAnswer.ACCEPT) is is_one
            seen += 1
        elif one.kind == "pair":
            assert (example.answer is EvAnswer.ACCEPT) is (len(example.masks) == len(truth))
            assert all(any(np.array_equal(m, t) for t in truth) for m in example.masks)
    assert seen


def test_the_rules_judge_as_the_reviewers_do(scene):
    phrase = next(p for p in scene.phrases if len(scene.named(p)) > 1)
    truth = scene.truth(phrase)
    rng = np.random.default_rng(1)
    for n in range(len(truth) + 1):
        masks = [roughen(m, rng) for m in truth[:n]] + [scene.labels == 0]
        assert world.right_masks(scene, phrase, masks) == right_masks(masks, truth, Skill())
        judged = is_exhaustive(masks, truth, Skill())
        assert world.is_exhaustive(scene, phrase, masks) is judged


def test_what_the_loop_asks_needs_no_spoiling(scene, segmenter):
    kinds = {one.kind for one in verdicts(scene, segmenter, with_spoilt=False)}
    assert kinds == set(world.MET)
    every = {one.kind for s in range(4)
             for one in verdicts(segmenter.know(make_concept_scene(s)), segmenter)}  # fmt: skip
    assert {"other thing", "drawn", "no masks", "left out", *world.MET} <= every
    assert every & set(FAULTS)


def test_the_same_seed_asks_the_same(scene, segmenter):
    def told(seed):
        return [(v.kind, v.example.phrase, v.example.answer)
                for v in verdicts(scene, segmenter, seed=seed)]  # fmt: skip

    assert told(1) == told(1) != told(2)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_spoilt_mask_is_not_good_and_a_rough_one_is(scene, fault):
    rng = np.random.default_rng(0)
    large = sorted(scene.things, key=lambda t: -int((scene.labels == t.number).sum()))[:2]
    label, other = (scene.labels == t.number for t in large)
    phrase = large[0].phrases[-1]
    assert world.right_masks(scene, phrase, [roughen(label, rng)]) == [True]
    bad = spoil(label, fault, rng, other)
    assert bad.any() and not np.array_equal(bad, label)


def test_it_learns_words_and_judging_and_is_honest(segmenter, tmp_path):
    settings = FoundationSettings(words_pictures=30, pictures=14, words_steps=150, epochs=3)
    verifier = train_foundation(segmenter, settings)
    found = evaluate.evaluate(verifier, segmenter, range(5))
    assert found["ev"]["n"] == 5 * 12 and found["mv"]["n"] > 20
    assert found["mv"]["accuracy"] > found["mv"]["commonest"] + 0.05
    assert found["ev"]["accuracy"] > 0.6 and found["ev"]["ece"] < 0.25
    assert verifier.info.aids == "outliner@1" and verifier.info.n_mv > 300
    assert not any(tone.any() for tone in verifier.net.tone_parameters())
    again = train_foundation(segmenter, settings)
    assert again.name == verifier.name


def test_people_of_a_given_skill_agree_with_the_others_as_often_as_they_must():
    truth = np.zeros(40_000, np.int64)
    truth[20_000:] = 1
    perfect = np.eye(6)[truth]
    found = evaluate.figures(perfect, truth, 0.8)
    majority = 0.8**3 + 3 * 0.8**2 * 0.2
    assert found["left_out_ai"] == pytest.approx(majority, abs=0.01)
    human = 0.8 * majority + 0.2 * (1 - majority)
    assert found["left_out_human"] == pytest.approx(human, abs=0.01)
    assert (found["accuracy"], found["ece"], found["commonest"]) == (1.0, 0.0, 0.5)


def test_both_questions_of_ev_are_told_apart(segmenter, tmp_path):
    settings = FoundationSettings(
        words_pictures=4, pictures=4, words_steps=20, epochs=1, ev_epochs=1
    )
    found = evaluate.evaluate(train_foundation(segmenter, settings), segmenter, range(3))
    assert found["ev_absent"]["n"] + found["ev_covered"]["n"] == found["ev"]["n"]
    assert 0 <= found["presence"]["ev_auc"] <= 1


def test_platt_finds_shift_and_temperature():
    rng = np.random.default_rng(0)
    odds = rng.normal(0, 2, 20_000)
    answers = torch.tensor((rng.random(20_000) > 1 / (1 + np.exp(-odds))).astype(np.int64))
    logits = torch.zeros(20_000, 2)
    logits[:, 0] = torch.tensor(3 * odds - 1.5)
    heat, shift = platt(logits, answers)
    assert heat == pytest.approx(3, abs=0.15) and shift == pytest.approx(1.5, abs=0.15)


def test_unlikely_words_stay_unknown_to_the_net():
    net = VerifierNet()
    net.learn_words(torch.tensor([[4, -1], [4, 9]]), min_count=2)
    assert bool(net.known[4]) and not bool(net.known[9])
    net.learn_words(torch.tensor([[9, -1], [9, -1]]), min_count=2)
    assert bool(net.known[4]) and bool(net.known[9])


def test_the_command_trains_measures_and_measures_again(segmenter, tmp_path, monkeypatch, capsys):
    segmenter.name = "concept@test"
    monkeypatch.setattr(cli, "load_concept_segmenter", lambda *_, **__: segmenter)
    out = tmp_path / "v.safetensors"
    words = ["--out", str(out), "--pictures", "4", "--words-pictures", "4", "--words-steps", "20",
             "--test", "2"]  # fmt: skip
    assert cli.main(words) == 0
    first = json.loads(capsys.readouterr().out)
    assert cli.main(["--eval", str(out), "--test", "2"]) == 0
    second = json.loads(capsys.readouterr().out)
    assert first["test"] == second["test"] and first["verifier"] == second["verifier"]
    assert {"mv", "ev", "presence"} < set(second["test"])


def test_answers_are_examples_of_both_tasks(scene, segmenter):
    kinds = {type(v.example) for v in verdicts(scene, segmenter)}
    assert kinds == {MvExample, EvExample}
