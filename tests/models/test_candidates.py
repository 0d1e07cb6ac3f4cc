"""Other masks that might be the object."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from samnb.models.backend import GONE_LOGIT, Bank, Output
from samnb.models.candidates import FEATURES, Candidates, Known, alone, ask, gather, places
from samnb.models.candidates import describe as describe_all
from samnb.models.looks import View

SIDE, SIZE = 32, 128
"""Sides of masks and of the model's picture."""


def square(x: int, y: int, side: int = 8) -> torch.Tensor:
    out = torch.full((1, 1, SIDE, SIDE), -8.0)
    out[..., y : y + side, x : x + side] = 8.0
    return out


def picture(*squares: tuple[int, int]) -> View:
    """A frame with equal things at ``squares`` on a plain ground."""
    maps = []
    for stride in (4, 8, 16):
        shrink = stride * SIDE // SIZE
        one = torch.zeros(1, 2, SIDE // shrink, SIDE // shrink)
        one[:, 1] = 1.0
        for x, y in squares:
            rows, columns = (slice(v // shrink, (v + 8) // shrink) for v in (y, x))
            one[:, 0, rows, columns], one[:, 1, rows, columns] = 1.0, 0.0
        maps.append(one)
    return View(maps)


def seen(logits: torch.Tensor, view: View, confidence: float = 0.9) -> Output:
    output = Output(logits, confidence, torch.ones(1, 1))
    view.learn([output])
    return output


VIEW = picture((4, 4))
FIRST = seen(square(4, 4), VIEW)


def describe(view: View, found: Candidates, known: Known) -> torch.Tensor:
    (numbers,) = describe_all(view, [found], [known], ask(view, [known]))
    return numbers


def clicks(view: View, first: Output) -> np.ndarray:
    known = Known.at(1, Bank({0: first}, {}))
    return places(view, known, ask(view, [known])[0], SIZE)


def column(numbers: torch.Tensor, name: str) -> list[float]:
    return numbers[:, FEATURES.index(name)].tolist()


def test_the_places_to_click_are_on_what_looks_like_the_object():
    now = picture((20, 16))
    xy = clicks(now, FIRST)
    for best in (xy[0], xy[4]):  # by rule and by likeness
        assert 80 <= best[0] < 112 and 64 <= best[1] < 96


def test_the_last_place_is_the_middle_of_the_last_mask():
    xy = clicks(VIEW, FIRST)
    assert xy.shape == (7, 2) and xy.dtype == np.float32
    assert 7 * 4 <= xy[-1, 0] <= 9 * 4 and 7 * 4 <= xy[-1, 1] <= 9 * 4


def test_without_a_last_mask_there_is_no_such_place():
    nothing = seen(torch.full((1, 1, SIDE, SIDE), -8.0), VIEW)
    assert len(clicks(VIEW, nothing)) == 6


def test_the_nearest_frame_on_which_it_was_seen_is_the_last_mask():
    later, gone = seen(square(6, 4), VIEW), seen(torch.full((1, 1, SIDE, SIDE), -8.0), VIEW)
    known = Known.at(5, Bank({0: FIRST}, {4: gone, 3: later}))
    assert known.gap == 2
    assert torch.equal(known.last, later.logits[0, 0])


@pytest.mark.parametrize(("position", "sign"), [(3, 1.0), (0, -1.0)])
def test_velocity_points_the_way_that_time_runs(position, sign):
    bank = Bank({1: seen(square(4, 4), VIEW)}, {2: seen(square(8, 4), VIEW)})
    known = Known.at(position, bank)
    assert list(known.velocity_xy) == pytest.approx([sign * 4 / SIDE, 0], abs=1e-6)


def test_a_candidate_where_it_should_have_moved_is_at_no_distance():
    known = Known.at(2, Bank({0: FIRST}, {1: seen(square(8, 4), VIEW)}))
    numbers = describe(VIEW, alone(seen(square(12, 4), VIEW)), known)
    assert column(numbers, "distance_predicted") == pytest.approx([0], abs=1e-5)
    assert column(numbers, "distance") == pytest.approx([math.log1p(0.5)], abs=1e-3)


def test_growth_is_the_log_of_the_ratio_of_areas():
    known = Known.at(1, Bank({0: FIRST}, {}))
    numbers = describe(VIEW, alone(seen(square(4, 4, side=16), VIEW)), known)
    for name in ("growth", "growth_abs", "growth_prompted"):
        assert column(numbers, name) == pytest.approx([math.log(4)], abs=1e-3)
    assert column(numbers, "overlap") == pytest.approx([0.25])


def test_the_same_mask_found_twice_is_one_candidate():
    own = seen(square(4, 4), VIEW)
    clicks = torch.cat([square(4, 4), square(20, 16)], 1)[None, 0]
    found = gather(own, clicks, torch.tensor([[0.8, 0.7]]))
    assert len(found.logits) == 2
    assert found.confidence.tolist() == pytest.approx([0.9, 0.7])


def test_walls_and_specks_are_no_candidates():
    own = seen(square(4, 4), VIEW)
    wall, speck = torch.full((1, 1, SIDE, SIDE), 8.0), torch.full((1, 1, SIDE, SIDE), -8.0)
    clicks = torch.cat([wall, speck], 1)[None, 0]
    assert len(gather(own, clicks, torch.tensor([[0.9, 0.9]])).logits) == 1


def test_a_blank_memory_stays_the_first_candidate():
    gone = seen(torch.full((1, 1, SIDE, SIDE), GONE_LOGIT), VIEW)
    found = gather(gone, square(4, 4), torch.tensor([[0.9]]))
    assert [bool((one > 0).any()) for one in found.logits] == [False, True]


def test_what_is_as_similar_elsewhere_counts_against_both():
    twins = picture((4, 4), (20, 16))
    known = Known.at(1, Bank({0: FIRST}, {}))
    found = gather(seen(square(4, 4), twins), square(20, 16), torch.tensor([[0.9]]))
    numbers = describe(twins, found, known)
    assert column(numbers, "ahead_of_rival") == pytest.approx([0, 0], abs=1e-3)
    assert column(describe(twins, alone(FIRST), known), "ahead_of_rival") == [1]


def test_similarity_behind_the_best_one_is_negative():
    known = Known.at(1, Bank({0: FIRST}, {}))
    found = gather(seen(square(4, 4), VIEW), square(20, 16), torch.tensor([[0.9]]))
    best, other = column(describe(VIEW, found, known), "behind_best")
    assert best == 0 and other < -0.5


def test_rules_speak_for_the_object_and_against_the_ground():
    now = picture((20, 16))
    known = Known.at(1, Bank({0: FIRST}, {}))
    found = gather(seen(square(4, 4), now), square(20, 16), torch.tensor([[0.9]]))
    numbers = describe(now, found, known)
    for name in ("told_prompted", "told_known", "told_ahead"):
        ground, thing = column(numbers, name)
        assert thing > 0 > ground
    assert column(numbers, "told_doubtful") == pytest.approx([1, 0], abs=0.05)
    assert column(numbers, "told_share") == pytest.approx([0, 1], abs=0.05)


def test_half_of_an_object_has_more_of_it_around():
    known = Known.at(1, Bank({0: FIRST}, {}))
    whole = describe(VIEW, alone(seen(square(4, 4), VIEW)), known)
    part = describe(VIEW, alone(seen(square(4, 4, side=4), VIEW)), known)
    assert column(part, "told_around")[0] > column(whole, "told_around")[0] + 0.3


def test_the_greatest_response_tells_a_frame_without_the_object():
    known = Known.at(1, Bank({0: FIRST}, {}))
    there, gone = (describe(v, alone(FIRST), known) for v in (VIEW, picture()))
    assert column(there, "most_known")[0] > 0.5 > -0.5 > column(gone, "most_known")[0]


def test_the_memory_s_own_mask_is_marked():
    known = Known.at(1, Bank({0: FIRST}, {}))
    found = gather(seen(square(4, 4), VIEW), square(6, 4), torch.tensor([[0.9]]))
    numbers = describe(VIEW, found, known)
    assert column(numbers, "is_memory") == [1, 0]
    assert column(numbers, "like_memory") == pytest.approx([1, 0.6])


@pytest.mark.parametrize(("x", "touches"), [(4, 0.0), (0, 1.0)])
def test_a_mask_that_reaches_the_border_is_marked(x, touches):
    known = Known.at(1, Bank({0: seen(square(x, 4), VIEW)}, {}))
    numbers = describe(VIEW, alone(seen(square(x, 4), VIEW)), known)
    assert column(numbers, "at_border") == column(numbers, "last_at_border") == [touches]


def test_an_object_on_its_way_out_is_expected_outside():
    bank = Bank({0: seen(square(12, 4), VIEW)}, {1: seen(square(4, 4), VIEW)})
    numbers = describe(VIEW, alone(FIRST), Known.at(3, bank))
    assert column(numbers, "inside_predicted")[0] < 0
