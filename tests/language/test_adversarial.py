"""The check against the current model."""

from __future__ import annotations

import numpy as np
import pytest

from samnb.language.adversarial import (
    check_adversarial,
    covered_share,
    judge,
    matched_iou,
    union_iou,
)
from samnb.language.negatives import NegativeCandidate, propose_negatives
from samnb.language.ontologyfile import default_ontology
from samnb.language.proposers import AttributeSwap
from samnb.models.concepts import ConceptPrediction, Instance
from samnb.synthetic.concepts import make_concept_scene
from samnb.synthetic.things import parse_phrase
from samnb.types import InputError

IMAGE = np.zeros((10, 12, 3), np.uint8)


def box(x0, y0, x1, y1):
    mask = np.zeros((10, 12), bool)
    mask[y0:y1, x0:x1] = True
    return mask


LEFT, RIGHT, HALF_LEFT = box(0, 0, 4, 4), box(8, 0, 12, 4), box(0, 0, 2, 4)
EVERYWHERE = box(0, 0, 12, 10)


class Fires:
    """A segmenter that predicts what it is told."""

    name = "fires@1"

    def __init__(self, answers):
        self.answers, self.asked = answers, []

    def segment(self, image, phrases, exemplars=None):
        self.asked.append(tuple(phrases))
        return tuple(self.answers[p] for p in phrases)


def seen(*masks, presence=0.9, score=0.8):
    return ConceptPrediction(presence, tuple(Instance(m, score) for m in masks))


def candidate(phrase="dog", positive="cat"):
    return NegativeCandidate(phrase, positive, "says")


@pytest.mark.parametrize(
    ("predicted", "positive", "matched", "union", "covered"),
    [
        ([LEFT], [LEFT], 1.0, 1.0, 1.0),
        ([LEFT], [LEFT, RIGHT], 1.0, 0.5, 1.0),
        ([LEFT, RIGHT], [LEFT], 0.0, 0.5, 0.5),
        ([HALF_LEFT], [LEFT], 0.5, 0.5, 1.0),
        ([LEFT], [EVERYWHERE], 16 / 120, 16 / 120, 1.0),
        ([RIGHT], [LEFT], 0.0, 0.0, 0.0),
        ([], [LEFT], 0.0, 0.0, 0.0),
        ([LEFT], [], 0.0, 0.0, 0.0),
        ([box(0, 0, 0, 0)], [LEFT], 0.0, 0.0, 0.0),
    ],
)
def test_measures_of_overlap(predicted, positive, matched, union, covered):
    assert matched_iou(predicted, positive) == pytest.approx(matched)
    assert union_iou(predicted, positive) == pytest.approx(union)
    assert covered_share(predicted, positive) == pytest.approx(covered)


def test_masks_of_other_sizes_are_refused():
    with pytest.raises(InputError, match=r"one size, got \(10, 12\) and \(3, 3\)"):
        matched_iou([LEFT], [np.ones((3, 3), bool)])


def test_what_fools_the_model_stays_and_the_others_say_why():
    model = Fires(
        {
            "dog": seen(LEFT),
            "fox": seen(LEFT, score=0.5),
            "bird": seen(RIGHT),
            "cow": seen(HALF_LEFT, LEFT),
            "pig": seen(),
        }
    )
    found = check_adversarial(
        IMAGE, [candidate(p) for p in model.answers], {"cat": [LEFT]}, model, min_overlap=0.6
    )
    assert model.asked == [("dog", "fox", "bird", "cow", "pig")]
    assert [c.is_hard for c in found] == [True, False, False, False, False]
    assert [c.n_predicted for c in found] == [1, 0, 1, 2, 0]
    assert [c.overlap for c in found] == [1.0, None, 0.0, 0.5, None]
    assert [c.reason for c in found] == [
        "",
        "the model does not fire on it",
        "overlap 0.00 is below 0.60: it may be there, elsewhere",
        "overlap 0.50 is below 0.60: it may be there, elsewhere",
        "the model does not fire on it",
    ]
    assert {c.model for c in found} == {"fires@1"}
    assert found[0].presence == 0.9


def test_the_bound_belongs_to_the_kept_and_the_measure_can_be_chosen():
    prediction = seen(HALF_LEFT)
    assert judge(candidate(), prediction, [LEFT], min_overlap=0.5).is_hard
    assert not judge(candidate(), prediction, [LEFT], min_overlap=0.51).is_hard
    assert judge(candidate(), prediction, [LEFT], covered_share, 0.9).is_hard
    assert not judge(candidate(), prediction, [LEFT], fires=0.8).is_hard


def test_discarded_candidates_are_not_asked_about():
    model = Fires({"dog": seen(LEFT)})
    put_aside = candidate("cow").discarded("known", "already decided")
    found = check_adversarial(IMAGE, [put_aside, candidate()], {"cat": [LEFT]}, model)
    assert found[0] == put_aside
    assert model.asked == [("dog",)]
    assert check_adversarial(IMAGE, [put_aside], {}, model) == (put_aside,)
    assert len(model.asked) == 1


def test_a_positive_without_masks_and_bounds_out_of_range_are_refused():
    model = Fires({"dog": seen(LEFT)})
    with pytest.raises(InputError, match="expected masks of 'cat'"):
        check_adversarial(IMAGE, [candidate()], {"cow": [LEFT]}, model)
    with pytest.raises(InputError, match="in \\[0, 1\\]"):
        check_adversarial(IMAGE, [candidate()], {"cat": [LEFT]}, model, min_overlap=2)


def test_a_colour_blind_model_is_fooled_by_colours_and_only_what_is_absent_stays():
    class ColourBlind:
        name = "colour-blind"

        def __init__(self, scene):
            self.scene = scene

        def segment(self, image, phrases, exemplars=None):
            return tuple(seen(*self.scene.truth(parse_phrase(p).noun)) for p in phrases)

    swap = AttributeSwap([("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")])
    n_kept = 0
    for seed in range(6):
        scene = make_concept_scene(seed, size_hw=(64, 80))
        positives = [p for p in scene.phrases if len(p.split()) == 2]
        masks = {p: scene.truth(p) for p in positives}
        candidates = propose_negatives(positives, [swap], ontology=default_ontology())
        found = check_adversarial(scene.image, candidates, masks, ColourBlind(scene))
        hard = [c for c in found if c.is_hard]
        n_kept += len(hard)
        assert not [c.phrase for c in hard if scene.truth(c.phrase)]
    assert n_kept > 20
