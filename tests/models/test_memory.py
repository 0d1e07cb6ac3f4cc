from __future__ import annotations

import numpy as np
import pytest
import torch

from samnb.models.backend import Output
from samnb.models.base import FramePrompts
from samnb.models.memory import (
    History,
    KeptPrompts,
    Tracked,
    is_same_start,
    select_closest,
    select_prompted,
)
from tests.models.clip import box, clicks, drawn


@pytest.mark.parametrize(
    ("position", "limit", "chosen"),
    [
        (10, 9, [0, 4, 9, 11, 30]),
        (10, 2, [9, 11]),
        (10, 3, [9, 11, 4]),
        (11, 2, [9, 11]),  # the frame itself counts as after
        (40, 2, [30, 11]),
        (0, 2, [0, 4]),
    ],
)
def test_the_closest_prompted_frames_are_chosen(position, limit, chosen):
    assert select_closest(position, [0, 4, 9, 11, 30], limit) == chosen


@pytest.mark.parametrize(
    ("limit", "chosen"),
    [(2, {7, 14}), (3, {5, 7, 14}), (4, {0, 5, 7, 14}), (8, {0, 5, 7, 10, 11, 12, 13, 14})],
)
def test_a_row_of_absent_frames_does_not_crowd_out_the_object(limit, chosen):
    prompted, absent = [0, 5, 7, 10, 11, 12, 13, 14], {10, 11, 12, 13, 14}
    found = select_prompted(15, prompted, absent, limit)
    assert set(found) == chosen


def test_frames_that_all_show_the_object_are_chosen_as_ever():
    prompted = [0, 4, 9, 11, 30]
    assert select_prompted(10, prompted, set(), 3) == select_closest(10, prompted, 3)


def test_where_nothing_was_ever_shown_the_nearest_are_chosen():
    assert select_prompted(9, [1, 2, 3], {1, 2, 3}, 2) == select_closest(9, [1, 2, 3], 2)


def test_the_choice_is_that_of_the_released_code():
    from sam2.modeling.sam2_utils import select_closest_cond_frames

    rng = np.random.default_rng(0)
    for _ in range(200):
        prompted = rng.choice(40, rng.integers(1, 12), replace=False).tolist()
        position, limit = int(rng.integers(40)), int(rng.integers(2, 8))
        theirs, _ = select_closest_cond_frames(position, dict.fromkeys(prompted), limit)
        assert set(select_closest(position, prompted, limit)) == set(theirs)


def tracked(n_values):
    return Tracked(Output(torch.zeros(1, 1, 1, n_values), 0.0, torch.zeros(0)), 0, False)


def test_history_forgets_the_oldest_beyond_its_bytes():
    history = History(budget=40)
    for position in range(5):
        history.put(1, position, tracked(4), keep=1)
    assert (len(history), history.nbytes) == (2, 32)
    assert history.near(1, range(5)).keys() == {3, 4}


def test_history_keeps_what_is_needed_whatever_the_bytes():
    history = History(budget=0)
    for position in range(5):
        history.put(1, position, tracked(4), keep=3)
    assert history.near(1, range(5)).keys() == {2, 3, 4}


def test_an_output_put_again_counts_once_and_as_new():
    history = History(budget=32)
    for position in (0, 1, 0, 2):
        history.put(1, position, tracked(4), keep=1)
    assert history.near(1, range(5)).keys() == {0, 2}
    assert history.nbytes == 32


def test_history_drops_one_output_one_object_and_all():
    history = History(budget=1000)
    for obj_id in (1, 2):
        for position in range(3):
            history.put(obj_id, position, tracked(4), keep=1)
    assert history.drop(1, 0) is not None
    assert history.drop(1, 0) is None
    history.drop_object(2)
    assert (len(history), history.nbytes) == (2, 32)
    assert history.get(1, 1) is not None
    history.clear()
    assert (len(history), history.nbytes) == (0, 0)


def test_output_bytes_count_every_tensor():
    output = Output(torch.zeros(1, 1, 2, 2), 0.0, torch.zeros(1, 1), torch.zeros(3))
    assert output.nbytes == 4 * (4 + 1 + 3)
    output.memory = torch.zeros(10, dtype=torch.bfloat16)
    assert output.nbytes == 4 * (4 + 1 + 3) + 20


@pytest.mark.parametrize(
    ("old", "new", "is_same"),
    [
        (clicks((1, 2, 1)), clicks((1, 2, 1), (3, 4, 0)), True),
        (clicks((1, 2, 1), (3, 4, 0)), clicks((1, 2, 1)), True),
        (clicks((1, 2, 1)), clicks((1, 2, 1)), True),
        (clicks((1, 2, 1)), clicks((1, 2, 0)), False),
        (clicks((1, 2, 1)), clicks((5, 2, 1), (1, 2, 1)), False),
        (box(1, 2, 3, 4), box(1, 2, 3, 4), True),
        (box(1, 2, 3, 4), box(1, 2, 3, 5), False),
        (box(1, 2, 3, 4), clicks((1, 2, 1)), False),
        (drawn(1, 2, 3, 4), drawn(1, 2, 3, 4), False),
        (drawn(1, 2, 3, 4), clicks((1, 2, 1)), False),
        (clicks((1, 2, 1)), drawn(1, 2, 3, 4), False),
    ],
)
def test_prompts_continue_others_when_only_clicks_at_the_end_differ(old, new, is_same):
    assert is_same_start(KeptPrompts.of(old), new) is is_same


def test_kept_masks_come_back_bit_for_bit():
    mask = np.random.default_rng(0).random((7, 13)) > 0.5
    kept = KeptPrompts.of(FramePrompts(mask=mask))
    assert kept.bits.nbytes == 12
    assert np.array_equal(kept.mask(), mask)
    assert KeptPrompts.of(clicks((1, 2, 1))).mask() is None
