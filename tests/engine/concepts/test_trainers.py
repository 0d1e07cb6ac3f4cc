"""The trainers that ship, on a world of coloured blocks."""

from dataclasses import replace

import pytest

from samnb.engine.concepts import trainers
from samnb.engine.concepts.trainers import mean_accuracy, small_verifier_trainer
from samnb.models.concepts import ConceptPrediction
from samnb.models.verifier_aids import segmenter_aids
from samnb.models.verifier_examples import MvExample
from samnb.models.verifier_training import VerifierSettings, train_verifier
from samnb.types import MvAnswer
from tests.models.blocks import make_examples


class Blocks:
    """Knows every block of some pictures."""

    def __init__(self, candidates, name):
        self.name, self._candidates = name, candidates

    def everything(self, image, _phrase):
        return ConceptPrediction(1.0, tuple(self._candidates[id(image)]))


@pytest.fixture(scope="module")
def world():
    """A verifier that knows blocks, and later verdicts about them, all of them wrong."""
    train, candidates = make_examples(40)
    later, others = make_examples(10, seed=1)
    known = {**candidates, **others}
    settings = VerifierSettings(epochs=10, ev_epochs=10, batch=32, folds=2, min_steps=200)
    old = Blocks(known, "blocks@1")
    parent = train_verifier(train, aids=segmenter_aids(old), settings=settings).verifier
    other = {MvAnswer.ACCEPT: MvAnswer.REJECT, MvAnswer.REJECT: MvAnswer.ACCEPT}
    wrong = [replace(e, answer=other[e.answer]) if n % 3 else e
             for n, e in enumerate(e for e in later if isinstance(e, MvExample))]  # fmt: skip
    return parent, wrong, known


def teach(world, tmp_path, name):
    parent, wrong, known = world
    return small_verifier_trainer(Blocks(known, name))(
        wrong, parent=parent, folder=tmp_path, seed=0, on_progress=None, cancel=None
    )


def test_what_does_not_get_better_asks_the_new_segmenter_all_the_same(world, tmp_path, monkeypatch):
    monkeypatch.setattr(trainers, "first_verifier", lambda _segmenter: world[0])
    asked = []

    def better_when_asked_later(metrics):
        asked.append(metrics)
        return float(len(asked))  # the new version's is asked for first, then the parent's

    monkeypatch.setattr(trainers, "mean_accuracy", better_when_asked_later)
    made = teach(world, tmp_path, "blocks@2")
    assert made.model.net is world[0].net and made.model.info.aids == "blocks@2"
    assert made.model.name != world[0].name and made.metrics == made.base
    assert "only what it asks is new: blocks@2" in made.note
    assert made.file is not None and made.file.is_file()


def test_a_parent_of_the_project_is_trained_further(world, tmp_path, monkeypatch):
    aids = segmenter_aids(Blocks(world[2], "blocks@3"))
    quick = VerifierSettings(epochs=1, folds=2, min_steps=1)
    strange = train_verifier(world[1], aids=aids, settings=quick).verifier
    monkeypatch.setattr(trainers, "first_verifier", lambda _segmenter: strange)
    made = teach(world, tmp_path, "blocks@2")
    assert made.model.net is not world[0].net and (made.base, made.note) == (None, "")


def test_the_mean_accuracy_is_over_what_was_measured():
    assert mean_accuracy({"mv_accuracy": 0.5, "ev_accuracy": 1.0, "ev_ece": 0.1}) == 0.75
    assert mean_accuracy({}) == 0.0
