"""The tracker of even colours, exact where colours are clear."""

from __future__ import annotations

import numpy as np
import pytest

from samnb.models.base import FramePrompts
from samnb.models.colour import ColourTracker, flood
from samnb.models.registry import load_model
from samnb.types import InputError, ModelError
from tests.models.clip import SIZE_HW, Clip, box, clicks, drawn

RED, GREEN, GREY = clicks((9, 20, 1)), clicks((66, 37, 1)), clicks((40, 4, 1))


def red_mask(index, n_frames=24):
    mask = np.zeros(SIZE_HW, bool)
    shift = 40 * index // n_frames
    mask[10:30, shift : shift + 18] = True
    return mask


@pytest.fixture
def session():
    return ColourTracker().open(Clip())


def test_it_has_a_name_by_which_it_is_loaded():
    tracker = load_model("colour")
    assert (tracker.name, tracker.tolerance) == ("colour@1", ColourTracker().tolerance)


def test_a_click_takes_the_region_and_nothing_else(session):
    answer = session.segment(0, RED)
    np.testing.assert_array_equal(answer.mask, red_mask(0))
    assert (answer.confidence, answer.presence, answer.stability) == (1.0, 1.0, 1.0)


def test_a_box_takes_the_colour_in_its_middle_and_ends_at_its_sides(session):
    mask = session.segment(0, box(4, 12, 14, 40)).mask
    expected = np.zeros(SIZE_HW, bool)
    expected[12:30, 4:14] = True
    np.testing.assert_array_equal(mask, expected)


def test_what_is_not_meant_is_taken_away_whatever_the_order():
    image = np.full((20, 30, 3), 60, np.uint8)
    image[:, 10:12] = 200  # a wall between two grey rooms
    for order in ((0, 1), (1, 0)):
        points = [((5, 5, 1), (20, 5, 0))[i] for i in order]
        mask = flood(image, clicks(*points), 20.0).mask
        assert mask[:, :10].all() and not mask[:, 10:].any()


def test_two_regions_are_taken_by_two_clicks(session):
    mask = session.segment(0, clicks((9, 20, 1), (66, 37, 1))).mask
    assert mask[20, 9] and mask[37, 66] and not mask[4, 40]


def test_a_gradient_is_answered_with_doubt():
    ramp = np.repeat(np.linspace(0, 255, 100, dtype=np.uint8)[None, :, None], 20, 0).repeat(3, 2)
    answer = flood(np.ascontiguousarray(ramp), clicks((50, 10, 1)), 26.0)
    assert answer.stability < 0.7
    assert answer.confidence == 0.5 + answer.stability / 2


@pytest.mark.parametrize(("start", "stop"), [(0, 23), (23, 0)])
def test_a_region_of_clear_colour_is_followed_without_an_error(session, start, stop):
    seed = np.argwhere(red_mask(start)).mean(0)[::-1]
    session.set_prompts(1, start, clicks((*seed, 1)))
    for position, answers in session.propagate(start=start, stop=stop):
        np.testing.assert_array_equal(answers[1].mask, red_mask(position))


def test_a_given_mask_is_followed_by_its_colour(session):
    session.set_prompts(1, 0, drawn(2, 12, 14, 26))
    found = dict(session.propagate(start=0, stop=3))
    assert found[0][1].mask.sum() == 12 * 14
    np.testing.assert_array_equal(found[3][1].mask, red_mask(3))


def test_an_object_that_leaves_is_absent_and_found_when_it_is_back():
    class Blink(Clip):
        def frame(self, index):
            image = super().frame(index)
            if index in (3, 4):
                image[10:30] = 60
            return image

    session = ColourTracker().open(Blink())
    session.set_prompts(1, 0, RED)
    found = {p: a[1] for p, a in session.propagate(start=0, stop=7)}
    assert [p for p, a in found.items() if not a.mask.any()] == [3, 4]
    assert found[3].presence < 0.1 and found[5].presence == 1.0
    np.testing.assert_array_equal(found[6].mask, red_mask(6))


def test_an_object_that_is_absent_at_its_prompt_stays_so(session):
    session.set_prompts(1, 0, FramePrompts(mask=np.zeros(SIZE_HW, bool)))
    assert not any(a[1].mask.any() for _, a in session.propagate(start=0, stop=2))


def test_tolerance_decides_what_belongs():
    image = np.full((10, 20, 3), 100, np.uint8)
    image[:, 10:] = 130
    click = clicks((5, 5, 1))
    assert flood(image, click, 20.0).mask.sum() == 100
    assert flood(image, click, 40.0).mask.all()
    with pytest.raises(InputError, match="tolerance: expected 0 to 255, got -1"):
        ColourTracker(tolerance=-1)


def test_a_closed_session_says_so(session):
    session.close()
    with pytest.raises(ModelError, match="closed"):
        session.segment(0, RED)
    session.close()
