"""What clicks on a tracked frame say about the track."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest
import torch

from samnb.masks.ops import error_centre
from samnb.models.backend import GONE_LOGIT, Bank, ModelPrompt, Output
from samnb.models.base import FramePrompts
from samnb.models.chooser import TRUSTED_FROM, Sought
from samnb.models.correction import (
    CERTAIN_FROM,
    LEARNED_FROM,
    is_example,
    look_elsewhere,
    rejecting_clicks,
)
from samnb.models.memory import Limits
from samnb.models.memory_session import MemorySession
from samnb.models.mobile import build_mobile
from samnb.models.sam2 import Sam2Backend
from tests.models.test_candidates import SIZE, picture, seen, square
from tests.models.test_chooser import always, rule

CELL = SIZE // 32
WIDE = square(4, 4, 16)
NOTHING = torch.full_like(WIDE, -8.0)


def clicks(*points: tuple[int, int, int]) -> ModelPrompt:
    """Clicks on cells of the masks: column, row, label."""
    xy = torch.tensor([[[x * CELL + 2.0, y * CELL + 2.0] for x, y, _ in points]])
    return ModelPrompt(xy, torch.tensor([[label for _, _, label in points]]))


@pytest.mark.parametrize(
    ("points", "rejected"),
    [
        ([(11, 11, 0)], True),
        ([(9, 12, 0)], True),
        ([(5, 11, 0)], False),
        ([(25, 25, 0)], False),
        ([(11, 11, 0), (5, 11, 0)], False),
        ([(5, 11, 0), (11, 11, 0)], True),
        ([(11, 11, 0), (25, 25, 1)], False),
    ],
)
def test_a_click_off_the_object_rejects_what_lies_deep_around_it(points, rejected):
    found = rejecting_clicks(clicks(*points), WIDE, SIZE)
    assert (found is not None) == rejected
    assert found is None or found.shape == (len(points), 2)


def test_where_nothing_is_shown_nothing_is_rejected():
    assert rejecting_clicks(clicks((11, 11, 0)), NOTHING, SIZE) is None


def test_a_mask_prompt_rejects_nothing():
    assert rejecting_clicks(ModelPrompt(mask=torch.ones(1, 1, 8, 8)), WIDE, SIZE) is None


def sought(now, own: torch.Tensor) -> tuple[Output, Sought]:
    output = seen(own, now)
    bank = Bank({0: seen(square(4, 4), picture((4, 4)))}, {})
    return output, Sought.on(now, 1, [(output, bank)])


def answer(*squares: torch.Tensor):
    def click(points_xy: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        masks = torch.cat(squares, 1).expand(len(points_xy), -1, -1, -1)
        return masks, torch.full(masks.shape[:2], 0.9)

    return click


def test_a_rejected_mask_gives_way_to_the_best_that_no_click_is_in():
    """Two things look alike; the track was on the wrong one."""
    output, objects = sought(picture((4, 20), (20, 16)), square(4, 20))
    off = torch.tensor([[8.0 * CELL, 24.0 * CELL]])
    both = answer(square(4, 20), square(20, 16))
    look_elsewhere(rule("prompted_8", 8.0, -4.0), objects, SIZE, both, off)
    assert torch.equal(output.logits, square(20, 16))
    assert float(output.score) > 0


def test_where_the_rest_is_unlike_the_object_it_is_absent():
    output, objects = sought(picture((4, 20)), square(4, 20))
    off = torch.tensor([[8.0 * CELL, 24.0 * CELL]])
    look_elsewhere(rule("prompted_8", 8.0, -7.5), objects, SIZE, answer(square(20, 4)), off)
    assert float(output.logits.max()) == GONE_LOGIT and float(output.score) < 0


def test_where_no_other_mask_is_left_it_is_absent():
    output, objects = sought(picture((4, 20)), square(4, 20))
    off = torch.tensor([[8.0 * CELL, 24.0 * CELL]])
    look_elsewhere(always(0.9), objects, SIZE, answer(square(4, 20)), off)
    assert float(output.logits.max()) == GONE_LOGIT


@pytest.mark.parametrize(
    ("prompt", "logits", "confidence", "likeness", "learned"),
    [
        (clicks((8, 8, 1)), WIDE, CERTAIN_FROM, 0.0, True),
        (clicks((8, 8, 1)), WIDE, LEARNED_FROM, TRUSTED_FROM + 0.01, True),
        (clicks((8, 8, 1)), WIDE, LEARNED_FROM, TRUSTED_FROM - 0.01, False),
        (clicks((8, 8, 1)), WIDE, LEARNED_FROM - 0.01, 0.9, False),
        (clicks((8, 8, 0)), NOTHING, 0.0, 0.0, True),
        (ModelPrompt(mask=torch.ones(1, 1, 8, 8)), WIDE, 0.0, 0.0, True),
    ],
)
def test_other_frames_learn_from_what_is_drawn_absent_or_clicked_well(
    prompt, logits, confidence, likeness, learned
):
    output, objects = sought(picture((4, 4)), logits)
    output.confidence = confidence
    assert is_example(always(likeness), objects, prompt) == learned


class TwoDiscs:
    """Two equal discs on plain ground; the second frame shows the other one only."""

    size_hw = (96, 96)

    def __len__(self) -> int:
        return 2

    def frame(self, position: int) -> np.ndarray:
        rows, columns = np.mgrid[:96, :96]
        image = np.full((96, 96, 3), (40, 90, 60), np.uint8)
        centre = 30 if position == 0 else 60
        image[(rows - 48) ** 2 + (columns - centre) ** 2 < 14**2] = 220, 60, 40
        return image


def test_a_rejection_needs_no_track_of_its_own():
    """A project that is opened again has masks in its log and none in its model."""
    backend = Sam2Backend(build_mobile(128, predictor="base"), device="cpu")
    first = FramePrompts(np.array([[30, 48]], np.float32), np.array([1], np.int32))
    with closing(MemorySession(backend, TwoDiscs(), Limits())) as session:
        session.set_prompts(1, 0, first)
        tracked = dict(session.propagate(start=0, stop=1))[1][1].mask
        x, y, _ = error_centre(tracked)
        off = FramePrompts(np.array([[x, y]], np.float32), np.array([0], np.int32))
        live = session.set_prompts(1, 1, off).mask
    with closing(MemorySession(backend, TwoDiscs(), Limits())) as session:
        session.set_prompts(1, 0, first)
        again = session.set_prompts(1, 1, off).mask
    assert not live[y, x]
    assert np.array_equal(live, again)
