"""Learning from decided pairs; the base is the shipped model."""

import threading

import numpy as np
import pytest
import torch

from samnb.models.concept_finetune import (
    ConceptFinetuneSettings,
    DecidedPair,
    _Lesson,
    _tell,
    _train,
    finetune_concept,
)
from samnb.models.concept_registry import load_concept_segmenter
from samnb.synthetic.concepts import make_concept_scene
from samnb.types import InputError

QUICK = ConceptFinetuneSettings(steps=60, pictures=4)
SCENES = [make_concept_scene(s, size_hw=(120, 160), difficulty=0.1) for s in range(300, 304)]


@pytest.fixture(scope="module")
def base():
    return load_concept_segmenter("concept", device="cpu")


def first_thing(scene):
    return scene.truth(scene.things[0].phrases[-1])


@pytest.fixture(scope="module")
def pairs():
    """Somebody calls the first thing of every picture a gizmo, and nothing else."""
    found = [DecidedPair(s.image, "gizmo", first_thing(s)) for s in SCENES[:3]]
    return [*found, DecidedPair(SCENES[0].image, "widget")]


@pytest.fixture(scope="module")
def trained(base, pairs, tmp_path_factory):
    told = []
    result = finetune_concept(
        base,
        pairs,
        folder=tmp_path_factory.mktemp("versions"),
        settings=QUICK,
        on_progress=lambda *a: told.append(a),
    )
    return result, told


def test_a_new_word_is_learned_from_the_pairs(base, trained):
    after = trained[0].segmenter
    assert "gizmo" not in base.words and "gizmo" in after.words
    (before,), (now,) = (m.segment(SCENES[0].image, ["gizmo"]) for m in (base, after))
    assert not before.kept() and now.presence > 0.5
    best = now.instances[0].mask
    ious = [(best & m).sum() / (best | m).sum() for m in first_thing(SCENES[0])]
    assert max(ious) > 0.5


def test_a_verified_negative_stays_absent(trained):
    (answer,) = trained[0].segmenter.segment(SCENES[0].image, ["widget"])
    assert answer.presence < 0.5


def test_the_base_stays_as_it_is(base, trained):
    fresh = load_concept_segmenter("concept", device="cpu")
    for (name, one), two in zip(
        base.net.state_dict().items(), fresh.net.state_dict().values(), strict=True
    ):
        assert one.equal(two), name


def test_the_version_is_a_file_that_loads_by_name(trained):
    result, _ = trained
    again = load_concept_segmenter(str(result.file), device="cpu")
    assert again.name == result.segmenter.name != "concept@"
    one, two = (m.segment(SCENES[1].image, ["gizmo"])[0] for m in (again, result.segmenter))
    assert one.presence == two.presence


def test_progress_begins_at_nothing_and_ends_at_all(trained):
    result, told = trained
    assert told[0][:2] == (0, QUICK.steps) and told[-1][:2] == (QUICK.steps, QUICK.steps)
    assert result.status == "done" and result.steps == QUICK.steps
    assert result.curve[-1][1] < result.curve[0][1]


def test_a_seed_gives_the_same_version_again(base, pairs, tmp_path):
    quick = ConceptFinetuneSettings(steps=2)
    names = {
        finetune_concept(base, pairs[:1], folder=tmp_path, settings=quick, seed=4).file.name
        for _ in range(2)
    }
    assert len(names) == 1


@pytest.fixture
def lessons(base):
    """Six pictures of a known and a new phrase; the base's belief in the first is turned round."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(6):
        pooled = torch.from_numpy(rng.normal(size=(8, base.net.even.num_features))).float()
        embedding, _ = base.net.read(pooled)
        believed = base.net.log_probability(embedding, ["red cup"])[:, 0].exp() > 0.5
        target = torch.stack([(~believed).long(), torch.arange(8) % 2], 1)
        found.append(_Lesson(pooled, ("red cup", "gizmo"), target, torch.full((8,), -1)))
    return found


def test_what_was_decided_and_what_the_base_believes_are_mixed(base, lessons):
    embedding, _ = base.net.read(lessons[0].pooled)
    believed = base.net.log_probability(embedding, ["red cup"])[:, 0].exp()
    told = _tell(base.net, lessons[0], belief=0.25)
    decided = lessons[0].target.float()
    torch.testing.assert_close(told.named[:, 0], 0.75 * decided[:, 0] + 0.25 * believed)
    assert told.named[:, 1].equal(decided[:, 1])  # of a word it does not know, it believes nothing


def test_nothing_is_told_of_a_new_word_where_nothing_was_decided(base, lessons):
    one = lessons[0]
    unsure = _Lesson(one.pooled, one.phrases, torch.full_like(one.target, -1), one.whole)
    told = _tell(base.net, unsure, belief=0.5)
    assert (told.counts[:, 0] == 1).all() and (told.counts[:, 1] == 0).all()


def test_a_picture_that_is_not_learned_from_tells_when_to_stop(base, lessons):
    def kept(settings, seen):
        told = [_tell(base.net, lesson, settings.belief) for lesson in seen]
        net = base.net.with_words([]).eval()
        rng = np.random.default_rng(0)
        return net, _train(net, len(net.words), seen, told, settings, rng, None, None)[1]

    rough = ConceptFinetuneSettings(steps=30, lr=0.03, words_lr=0.03, belief=1)
    net, at = kept(rough, lessons)
    assert at == 0  # nobody believes what the base believes more than the base itself
    assert net.vectors.equal(base.net.vectors)
    assert kept(rough, lessons[:4])[1] == 30  # too few to set one apart


def test_cancelling_writes_nothing(base, pairs, tmp_path):
    cancel = threading.Event()
    result = finetune_concept(
        base,
        pairs[:1],
        folder=tmp_path,
        settings=QUICK,
        cancel=cancel,
        on_progress=lambda done, *_: cancel.set() if done == 3 else None,
    )
    assert result.status == "cancelled" and result.steps == 3 and result.file is None
    assert list(tmp_path.iterdir()) == []


def test_no_pairs_and_wrong_masks_are_refused(base, tmp_path):
    with pytest.raises(InputError, match="expected at least one decided pair"):
        finetune_concept(base, [], folder=tmp_path)
    wrong = DecidedPair(SCENES[0].image, "cup", (np.zeros((3, 3), bool),))
    with pytest.raises(InputError, match=r"masks of 'cup': expected \(120, 160\) bool, got"):
        finetune_concept(base, [wrong], folder=tmp_path)


def test_settings_are_checked():
    with pytest.raises(InputError, match="steps: expected at least 1, got 0"):
        ConceptFinetuneSettings(steps=0)
    with pytest.raises(InputError, match="belief: expected 0 to 1, got 2"):
        ConceptFinetuneSettings(belief=2)
