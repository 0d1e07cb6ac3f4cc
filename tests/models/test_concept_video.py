"""Finding now and then, following always; with a tracker that needs no weights."""

import numpy as np
import pytest

from samnb.models.base import Capabilities, Prediction
from samnb.models.concept_video import SAME_IOU, follow
from samnb.models.concepts import ConceptPrediction, Instance
from samnb.models.registry import load_model
from samnb.types import InputError


class Squares:
    """A red square that stays, and a green one that appears on frame ``late``."""

    size_hw = (60, 90)

    def __init__(self, n_frames: int = 8, late: int = 4) -> None:
        self.n, self.late = n_frames, late

    def __len__(self) -> int:
        return self.n

    def truth(self, index: int) -> list[np.ndarray]:
        masks = []
        for left, first in ((10, 0), (55, self.late)):
            mask = np.zeros(self.size_hw, bool)
            mask[20:40, left : left + 20] = True
            masks += [mask] if index >= first else []
        return masks

    def frame(self, index: int) -> np.ndarray:
        image = np.full((*self.size_hw, 3), 90, np.uint8)
        for mask, colour in zip(self.truth(index), ((200, 20, 20), (20, 200, 20)), strict=False):
            image[mask] = colour
        return image


def finder(score: float = 0.9, extra: bool = False):
    def find(image: np.ndarray) -> ConceptPrediction:
        masks = [image[..., 0] > 150, image[..., 1] > 150]
        found = [Instance(m, score) for m in masks if m.any()]
        return ConceptPrediction(1.0, tuple(found * (2 if extra else 1)))

    return find


@pytest.fixture(scope="module")
def tracker():
    return load_model("colour")


def test_every_frame_is_yielded_once_and_in_order(tracker):
    found = list(follow(finder(), tracker, Squares(), every=3))
    assert [p for p, _ in found] == list(range(8))


def test_what_was_found_is_followed_under_one_number(tracker):
    clip = Squares()
    for position, objects in follow(finder(), tracker, clip, every=2):
        assert (objects[1].mask == clip.truth(position)[0]).mean() > 0.97


def test_what_appears_later_is_followed_back_to_where_it_came_from(tracker):
    clip = Squares(late=3)
    found = dict(follow(finder(), tracker, clip, every=4))
    seen = {t: {k for k, one in objects.items() if one.mask.any()} for t, objects in found.items()}
    assert all(seen[t] == {1} for t in range(3))
    assert all(seen[t] == {1, 2} for t in range(3, 8))  # searched on 0 and 4 only
    assert (found[3][2].mask == clip.truth(3)[1]).mean() > 0.97


def test_who_was_lost_and_is_found_again_keeps_the_number():
    """A tracker that loses what it follows after four frames, in either direction."""
    tracker = Forgetful(memory=4)
    found = dict(follow(finder(), tracker, Squares(n_frames=12, late=99), every=5))
    numbers = {k for objects in found.values() for k, one in objects.items() if one.mask.any()}
    assert numbers == {1}
    assert all(found[t][1].mask.any() for t in range(12))


def test_a_tracker_that_cannot_go_back_leaves_out_what_was_before():
    found = dict(follow(finder(), Forgetful(memory=99, backward=False), Squares(late=3), every=4))
    assert all(set(found[t]) == {1} for t in range(4)) and set(found[4]) == {1, 2}


class Forgetful:
    """Repeats a mask for some frames and then sees nothing."""

    name = "forgetful@1"

    def __init__(self, memory: int, backward: bool = True) -> None:
        self.memory, self.capabilities = memory, Capabilities(backward=backward)

    def open(self, frames):
        return ForgetfulSession(self.memory)


class ForgetfulSession:
    def __init__(self, memory: int) -> None:
        self.memory, self.given = memory, {}

    def set_prompts(self, obj_id, position, prompts):
        self.given[obj_id] = position, prompts.mask
        return Prediction(prompts.mask, 1.0, 1.0, 1.0)

    def remove_object(self, obj_id):
        self.given.pop(obj_id, None)

    def propagate(self, *, start, stop, obj_ids=None):
        step = 1 if stop >= start else -1
        for position in range(start, stop + step, step):
            found = {}
            for obj_id in obj_ids or self.given:
                first, mask = self.given[obj_id]
                is_held = abs(position - first) < self.memory
                found[obj_id] = Prediction(mask if is_held else mask & False, 1.0, 1.0, 1.0)
            yield position, found

    def close(self):
        self.given.clear()


def test_what_is_covered_already_starts_no_second_masklet(tracker):
    found = dict(follow(finder(extra=True), tracker, Squares(late=99), every=2))
    assert all(set(objects) == {1} for objects in found.values())


def test_what_is_below_the_threshold_is_not_followed(tracker):
    found = dict(follow(finder(score=0.4), tracker, Squares(), every=2))
    assert found == {t: {} for t in range(8)}


def test_confidence_is_the_trackers_times_the_concepts(tracker):
    (_, first), *_ = follow(finder(score=0.7), tracker, Squares(), every=4)
    assert first[1].confidence == pytest.approx(0.7)


def test_a_part_of_a_masklet_is_not_new(tracker):
    def find(image: np.ndarray) -> ConceptPrediction:
        whole = image[..., 0] > 150
        part = whole.copy()
        part[:, :20] = False
        return ConceptPrediction(1.0, (Instance(whole, 0.9), Instance(part, 0.8)))

    found = dict(follow(find, tracker, Squares(late=99), every=4))
    assert all(set(objects) == {1} for objects in found.values())


def test_masklets_that_become_one_are_followed_as_one(tracker):
    class Merging(Squares):
        """Two halves of one square of even colour, found apart on the first frame."""

        def truth(self, index):
            return super().truth(0)

    def find(image: np.ndarray) -> ConceptPrediction:
        whole = image[..., 0] > 150
        left = whole & (np.arange(90) < 20)
        return ConceptPrediction(1.0, (Instance(left, 0.9), Instance(whole & ~left, 0.8)))

    found = dict(follow(find, tracker, Merging(), every=4))
    assert set(found[0]) == {1, 2}
    late = found[7]
    masks = [late[k].mask for k in late]
    assert all(
        (a & b).sum() <= SAME_IOU * (a | b).sum() for i, a in enumerate(masks) for b in masks[:i]
    )


def test_searches_must_be_some_frames_apart(tracker):
    with pytest.raises(InputError, match="every: expected 1 or more, got 0"):
        list(follow(finder(), tracker, Squares(), every=0))
