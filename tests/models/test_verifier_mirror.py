import numpy as np
import pytest

from samnb.models.concepts import ConceptVerifier
from samnb.models.verifier_mirror import MirrorVerifier, between

IMAGE = np.zeros((4, 6, 3), np.uint8)
IMAGE[:, 0] = 255
LEFT = np.zeros((4, 6), np.bool_)
LEFT[:, 0] = True


class Sided:
    """Likes what is at the left."""

    name = "sided@1"

    def verify_masks(self, image, phrase, masks):
        is_left = [bool(m[:, 0].any()) for m in masks]
        rows = [[0.8, 0, 0.2, 0, 0] if left else [0.2, 0, 0.8, 0, 0] for left in is_left]
        return np.array(rows, np.float64).reshape(len(masks), 5)

    def verify_exhaustive(self, image, phrase, masks):
        accept = 0.9 if image[0, 0, 0] else 0.5
        return np.array([accept, 1 - accept, 0, 0, 0, 0])


def test_a_mask_is_judged_in_one_look():
    found = MirrorVerifier(Sided()).verify_masks(IMAGE, "cup", [LEFT])
    assert found.tolist() == [[0.8, 0, 0.2, 0, 0]]


def test_masks_are_mirrored_with_the_picture():
    seen = []

    class Watches(Sided):
        def verify_exhaustive(self, image, phrase, masks):
            seen.append([bool(m[:, 0].any()) for m in masks])
            return super().verify_exhaustive(image, phrase, masks)

    MirrorVerifier(Watches()).verify_exhaustive(IMAGE, "cup", [LEFT])
    assert seen == [[True], [False]]


def test_exhaustivity_is_between_the_two_looks():
    found = MirrorVerifier(Sided()).verify_exhaustive(IMAGE, "cup", [])
    assert found[0] == pytest.approx(0.75, abs=0.001)  # log-odds 2.2 and 0


def test_the_name_says_that_it_looked_twice():
    verifier = MirrorVerifier(Sided())
    assert isinstance(verifier, ConceptVerifier)
    assert verifier.name == "sided@1+mirror"


def test_a_certain_look_does_not_make_the_other_impossible():
    found = between(np.array([1.0, 0.0]), np.array([0.1, 0.9]))
    assert 0 < found[1] < 0.9 and found.sum() == pytest.approx(1)


def test_a_low_temperature_makes_two_looks_surer():
    plain, sure = (MirrorVerifier(Sided(), temperature=t) for t in (1.0, 0.5))
    assert (
        sure.verify_exhaustive(IMAGE, "cup", [])[0] > plain.verify_exhaustive(IMAGE, "cup", [])[0]
    )
