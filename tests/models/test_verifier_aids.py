import numpy as np
import pytest

from samnb.models.concepts import ConceptPrediction, Instance
from samnb.models.verifier_aids import agreement, segmenter_aids

IMAGE = np.zeros((20, 20, 3), np.uint8)


def square(top, size=6):
    mask = np.zeros((20, 20), np.bool_)
    mask[top : top + size, :size] = True
    return mask


class Seer:
    """Sees two squares, the second unlikely, and says why."""

    name = "seer@1"

    def __init__(self):
        self.asked = 0

    def everything(self, image, phrase):
        self.asked += 1
        return ConceptPrediction(0.5, (Instance(square(0), 0.8), Instance(square(10), 0.1)))

    def segment(self, image, phrases, exemplars=None):
        return tuple(self.everything(image, phrase) for phrase in phrases)


class Explainer(Seer):
    def evidence(self, image, phrase):
        return np.array([[4.0, 2.0], [-8.0, -4.0]], np.float32)


def test_a_mask_is_spoken_for_by_the_candidate_that_overlaps_it_most():
    why = np.array([[4.0], [-8.0]], np.float32)
    rows = agreement(Seer().everything(IMAGE, "cup").instances, why, [square(1), square(10)])
    shared = 5 * 6
    assert rows[0, 0] == pytest.approx(shared / (72 - shared))
    assert (rows[0, 1], rows[1, 1]) == (pytest.approx(0.8), pytest.approx(0.1))
    assert (rows[:, 3] == pytest.approx(0.8)) and (rows[0, 6], rows[1, 6]) == (1.0, -2.0)


def test_where_nothing_is_seen_all_speaks_against_the_mask():
    empty = np.zeros((0, 2), np.float32)
    (row,) = agreement((), empty, [square(0)])
    assert row.tolist()[:4] == [0.0, 0.0, 0.0, 0.0] and row.tolist()[6:] == [-3.0, -3.0]


@pytest.mark.parametrize(("segmenter", "n"), [(Seer(), 6), (Explainer(), 8)])
def test_a_segmenter_that_says_why_gives_more_numbers(segmenter, n):
    aids = segmenter_aids(segmenter)
    found = aids.extra(IMAGE, "cup", [square(0)])
    assert found.shape == (1, n)
    assert [c.score for c in aids.candidates(IMAGE, "cup")] == [0.4, 0.05]
    assert segmenter.asked == 1  # the last picture and phrase are kept


def test_a_segmenter_that_knows_its_words_is_asked_how_well():
    class Student(Seer):
        def experience(self, phrase):
            return 0.25

    assert segmenter_aids(Student()).experience("cup") == 0.25
    assert segmenter_aids(Seer()).experience is None
