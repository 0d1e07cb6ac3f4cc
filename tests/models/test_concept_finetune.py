"""Learning from decided pairs; the base is the shipped model."""

import threading

import numpy as np
import pytest
import torch

from samnb.models.concept_finetune import (
    Check,
    ConceptFinetuneSettings,
    DecidedPair,
    finetune_concept,
)
from samnb.models.concept_registry import load_concept_segmenter
from samnb.synthetic.concepts import make_concept_scene
from samnb.types import InputError

QUICK = ConceptFinetuneSettings(steps=60, pictures=4, rehearsed=0, is_checked=False)
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
    quick = ConceptFinetuneSettings(steps=2, rehearsed=0)
    names = {
        finetune_concept(base, pairs[:1], folder=tmp_path, settings=quick, seed=4).file.name
        for _ in range(2)
    }
    assert len(names) == 1


def test_a_word_that_no_positive_has_is_not_learned(trained):
    assert "widget" not in trained[0].segmenter.words


def test_what_does_not_help_on_unseen_pictures_is_not_learned(base, tmp_path):
    """Every picture has a word of its own, so that none helps with another."""
    pairs = [DecidedPair(s.image, f"gizmo{n}", first_thing(s)) for n, s in enumerate(SCENES)]
    settings = ConceptFinetuneSettings(steps=12, pictures=4, rehearsed=0)
    made = finetune_concept(base, pairs, folder=tmp_path, settings=settings)
    assert made.status == "done" and made.check is not None and not made.check.is_better
    assert made.steps == 0 and made.curve == () and made.segmenter.words == base.words
    for (name, one), two in zip(
        base.net.state_dict().items(), made.segmenter.net.state_dict().values(), strict=True
    ):  # half precision is what versions are stored in
        assert torch.allclose(one.float(), two.float(), rtol=2e-3, atol=1e-4), name


def test_what_helps_on_unseen_pictures_is_learned(base, tmp_path):
    """The same kind of thing has the new name everywhere."""
    pairs = []
    for seed in range(40, 52):
        scene = make_concept_scene(seed, size_hw=(120, 160), difficulty=0.1)
        masks = tuple(m for t in scene.things if t.colour == "red"
                      for m in [scene.labels == t.number])  # fmt: skip
        pairs.append(DecidedPair(scene.image, "scarlet", masks))
    settings = ConceptFinetuneSettings(steps=60, pictures=6, rehearsed=0)
    made = finetune_concept(base, pairs, folder=tmp_path, settings=settings)
    assert made.check.base == 0 and made.check.is_better and made.check.pairs == 12
    assert made.steps == 60 and "scarlet" in made.segmenter.words


def test_pictures_that_the_base_learned_from_prove_nothing(base, pairs, trained, tmp_path):
    after = trained[0].segmenter
    assert len(after.learned) == 3 and not base.learned
    quick = ConceptFinetuneSettings(steps=2, pictures=4, rehearsed=0)
    made = finetune_concept(after, pairs, folder=tmp_path, settings=quick)
    assert made.check is None and made.segmenter.learned == after.learned
    more = [*pairs, DecidedPair(SCENES[3].image, "gizmo", first_thing(SCENES[3]))]
    made = finetune_concept(after, more, folder=tmp_path, settings=quick)
    assert made.check.pairs == 1  # of the fourth picture


def test_only_a_gain_is_a_gain():
    assert Check(40.0, 41.0, 9).is_better
    assert not Check(40.0, 40.0, 9).is_better and not Check(40.0, 39.0, 9).is_better
    assert str(Check(40.0, 41.0, 9)).startswith("cgF1 41.0 over 40.0 on 9 pairs")
    assert str(Check(40.0, 39.0, 9)).endswith("so nothing else was learned")


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
    with pytest.raises(InputError, match="rehearsed: expected 0 or more, got -1"):
        ConceptFinetuneSettings(rehearsed=-1)
