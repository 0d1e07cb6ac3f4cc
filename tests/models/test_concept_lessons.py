"""What the default concept segmenter learns from; the base is the shipped model."""

import copy

import numpy as np
import pytest
import torch

from samnb.masks.rle import encode_many
from samnb.metrics.cgf1 import count_pair, mask_ious
from samnb.models.concept_lessons import (
    DecidedPair,
    Lesson,
    answers,
    by_picture,
    look_at_pairs,
    rehearsals,
    tell,
)
from samnb.models.concept_registry import load_concept_segmenter
from samnb.synthetic.concepts import make_concept_scene
from samnb.types import InputError

SCENE = make_concept_scene(300, size_hw=(120, 160), difficulty=0.1)


@pytest.fixture(scope="module")
def base():
    return load_concept_segmenter("concept", device="cpu")


@pytest.fixture(scope="module")
def lesson(base):
    """Six views of a known and a new phrase, undecided in part."""
    rng = np.random.default_rng(0)
    pooled = torch.from_numpy(rng.normal(size=(6, base.net.even.num_features))).float()
    target = torch.stack([torch.tensor([0, 1, 0, 1, -1, -1]), torch.arange(6) % 2], 1)
    return Lesson(pooled, ("red cup", "gizmo"), target, torch.full((6,), -1))


def believed(base, lesson):
    embedding, whole = base.net.read(lesson.pooled)
    log_p = base.net.log_probability(embedding, ["red cup"])
    return base.calibration.instance_logits(whole.sigmoid(), log_p)[:, 0].sigmoid().detach()


def test_what_was_decided_and_what_the_base_believes_are_mixed(base, lesson):
    told = tell(base.net, base.calibration, lesson, 0.25)
    decided = lesson.target[:4, 0].float()
    torch.testing.assert_close(
        told.named[:4, 0], 0.75 * decided + 0.25 * believed(base, lesson)[:4]
    )
    # Of a word that it does not know, the base believes nothing.
    assert told.named[:, 1].equal(lesson.target[:, 1].float())
    assert told.words.shape == (6, len(base.words))


def test_nothing_is_told_where_nothing_was_decided(base, lesson):
    for belief in (None, 0.25):
        told = tell(base.net, base.calibration, lesson, belief)
        assert told.counts[:, 0].tolist() == [1, 1, 1, 1, 0, 0]


def test_of_what_is_true_for_sure_the_base_is_not_asked(base, lesson):
    told = tell(base.net, base.calibration, lesson, None)
    assert told.named[:4, 0].tolist() == [0, 1, 0, 1] and told.words is None


def test_decided_masks_are_looked_at_and_named(base):
    phrase = SCENE.things[0].phrases[-1]
    masks = SCENE.truth(phrase)
    seen = look_at_pairs(
        base, [DecidedPair(SCENE.image, phrase, masks), DecidedPair(SCENE.image, "widget")]
    )
    assert seen.phrases == (phrase, "widget")
    assert (seen.target[-len(masks) :, 0] == 1).all()  # the masks themselves come last
    assert (seen.target[:, 1] == 0).all()
    assert (seen.whole[seen.target[:, 0] == 1] == 1).all()


def test_a_lesson_is_answered_as_its_picture_is(base):
    phrases = [t.phrases[-1] for t in SCENE.things]
    pairs = [DecidedPair(SCENE.image, p, SCENE.truth(p)) for p in phrases]
    counts = answers(base, look_at_pairs(base, pairs))
    for pair, answer, count in zip(pairs, base.segment(SCENE.image, phrases), counts, strict=True):
        found = [one.mask for one in answer.kept()]
        assert count == count_pair(mask_ious(encode_many(found), encode_many(list(pair.masks))))


def test_without_its_look_a_lesson_cannot_be_asked(base, lesson):
    with pytest.raises(InputError, match="expected one with its look"):
        answers(base, lesson)


def test_pairs_of_one_picture_are_one_lesson():
    other = make_concept_scene(301, size_hw=(120, 160))
    pairs = [DecidedPair(s.image.copy(), p) for s in (SCENE, other) for p in ("cup", "hat")]
    assert [[p.phrase for p in g] for g in by_picture(pairs)] == [["cup", "hat"]] * 2


def test_rehearsals_are_computed_once_and_only_for_who_knows_that_world(base):
    looks = []
    one = rehearsals(base, 1, lambda: bool(looks.append(1)))
    assert len(one) == 1 and "red" in " ".join(base.words)
    assert rehearsals(base, 1, lambda: bool(looks.append(1)))[0] is one[0] and len(looks) <= 1
    stranger = copy.copy(base)
    stranger.net = type(base.net)(("tree",))
    assert rehearsals(stranger, 1) == []
