import numpy as np
import pytest

from samnb.models.concepts import ConceptPrediction, Instance
from samnb.models.verifier_use import acceptance, combined_presence, ev_presence, with_verifier
from samnb.models.verifier_weighing import Weighing
from samnb.types import InputError

IMAGE = np.zeros((8, 8, 3), np.uint8)


def mask_of(area):
    mask = np.zeros((8, 8), np.bool_)
    mask.ravel()[:area] = True
    return mask


class Judge:
    """Accepts masks of at least ``least`` pixels; says what it was asked."""

    name = "judge@1"

    def __init__(self, accept_zero=0.1, least=10):
        self.accept_zero, self.least, self.asked = accept_zero, least, []

    def verify_masks(self, image, phrase, masks):
        self.asked.append([int(m.sum()) for m in masks])
        good = np.array([float(m.sum() >= self.least) for m in masks])
        return np.stack([0.5 * good, 0.4 * good, 0.1 + 0.9 * (1 - good), 0 * good, 0 * good], 1)

    def verify_exhaustive(self, image, phrase, masks):
        assert len(masks) == 0
        rest = (1 - self.accept_zero) / 5
        return np.array([self.accept_zero, rest, rest, rest, rest, rest])


FOUND = ConceptPrediction(
    0.4, (Instance(mask_of(20), 0.9), Instance(mask_of(5), 0.8), Instance(mask_of(3), 0.3))
)


def test_presence_is_one_minus_accept_of_the_plain_picture():
    assert ev_presence(Judge(accept_zero=0.3), IMAGE, "cup") == pytest.approx(0.7)


def test_ev_presence_takes_the_place_of_the_segmenters():
    assert FOUND.kept() == ()
    found = with_verifier(FOUND, IMAGE, "cup", ev=Judge(accept_zero=0.1))
    assert found.presence == pytest.approx(0.9)
    assert [i.score for i in found.kept()] == [0.9, 0.8]
    gone = with_verifier(FOUND, IMAGE, "cup", ev=Judge(accept_zero=0.9))
    assert gone.kept() == ()


@pytest.mark.parametrize(
    ("segmenter", "ev", "presence"),
    [(0.9, 0.2, 0.2), (0.9, 0.4, 0.9), (0.2, 0.6, 0.2), (0.2, 0.8, 0.8), (0.95, 0.8, 0.95)],
)
def test_ev_overrules_the_segmenter_only_where_it_is_sure(segmenter, ev, presence):
    assert combined_presence(segmenter, ev) == presence


def test_as_in_the_paper_ev_may_always_take_the_segmenters_place():
    unsure = Judge(accept_zero=0.6)
    assert with_verifier(FOUND, IMAGE, "cup", ev=unsure).presence == 0.4
    found = with_verifier(ConceptPrediction(0.9, FOUND.instances), IMAGE, "cup", ev=unsure,
                          replaces_presence=True)  # fmt: skip
    assert found.presence == pytest.approx(0.4)


def test_mv_strikes_out_rejected_masks_and_is_asked_only_about_what_is_left():
    judge = Judge()
    found = with_verifier(FOUND, IMAGE, "cup", ev=judge, mv=judge)
    assert judge.asked == [[20, 5]]
    assert [i.score for i in found.kept()] == [0.9]
    assert [i.score for i in found.instances] == [0.9, 0.3]


def test_without_anything_left_mv_is_not_asked():
    judge = Judge()
    assert with_verifier(FOUND, IMAGE, "cup", mv=judge).instances == FOUND.instances
    assert judge.asked == []


def test_accepting_as_text_keeps_a_mask_too():
    found = acceptance(np.array([[0.3, 0.3, 0.4, 0, 0], [0.1, 0.1, 0.8, 0, 0]]))
    assert found == pytest.approx([0.6, 0.2])
    with pytest.raises(InputError, match=r"\(N, 5\)"):
        acceptance(np.zeros((2, 6)))


def test_a_stricter_filter_keeps_less():
    judge = Judge()
    assert (
        with_verifier(FOUND, IMAGE, "cup", ev=judge, mv=judge, min_acceptance=0.95).kept() == ()
    )  # 0.9 at best


def test_with_weights_mv_is_asked_about_every_candidate_and_may_let_one_in():
    judge = Judge(least=4)
    found = with_verifier(FOUND, IMAGE, "cup", mv=judge, weighing=Weighing(0.0, 0.1, 1.0))
    assert judge.asked == [[20, 5, 3]]
    assert FOUND.kept() == ()
    assert [int(one.mask.sum()) for one in found.kept()] == [20, 5]
    assert all(0 <= one.score <= 1 for one in found.instances)
    assert found.presence >= 0.4


def test_with_weights_the_segmenter_s_word_counts_too():
    by = Weighing(0.0, 1.0, 0.0)
    found = with_verifier(FOUND, IMAGE, "cup", mv=Judge(), weighing=by)
    assert found.kept() == FOUND.kept()
