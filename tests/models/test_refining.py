"""Clicks of one frame refine each other, as a function of the prompts alone."""

import numpy as np
import pytest
import torch

from samnb.models.backend import Decoded, Features
from samnb.models.base import FramePrompts
from samnb.models.refining import PREVIOUS_LIMIT, Refiner
from tests.models.clip import SIZE_HW, clicks, drawn

FEATURES = Features((), torch.zeros(1), ())
CLICKS = [(9, 20, 1), (66, 37, 0), (12, 25, 1), (40, 4, 0)]


class Recorder:
    """Its n-th mask has logits of ``scale * n``; what it is fed is written down."""

    size, device = 8, torch.device("cpu")

    def __init__(self, scale=1.0):
        self.scale = scale
        self.calls: list[tuple[int, float | None]] = []

    def segment(self, features, prompt, *, previous=None):
        n_points = 0 if prompt.labels is None else prompt.labels.shape[1]
        self.calls.append((n_points, None if previous is None else float(previous.max())))
        return Decoded(
            torch.full((1, 1, 2, 2), self.scale * len(self.calls)), 0.5, torch.zeros(1, 1)
        )


@pytest.fixture
def backend():
    return Recorder()


def ask(refiner, backend, prompts, position=0):
    return refiner.decode(backend, FEATURES, position, prompts, SIZE_HW)


def test_every_click_is_fed_the_mask_of_the_clicks_before_it(backend):
    ask(Refiner(), backend, clicks(*CLICKS[:3]))
    assert backend.calls == [(1, None), (2, 1.0), (3, 2.0)]


def test_a_further_click_costs_one_decode(backend):
    refiner = Refiner()
    for n in range(1, 5):
        ask(refiner, backend, clicks(*CLICKS[:n]))
    assert [n for n, _ in backend.calls] == [1, 2, 3, 4]


def test_taking_clicks_back_costs_nothing_and_gives_the_very_mask(backend):
    refiner = Refiner()
    grown = [ask(refiner, backend, clicks(*CLICKS[:n])) for n in range(1, 5)]
    again = [ask(refiner, backend, clicks(*CLICKS[:n])) for n in range(1, 5)]
    assert again == grown and len(backend.calls) == 4


def test_another_frame_or_another_first_click_starts_anew(backend):
    refiner = Refiner()
    ask(refiner, backend, clicks(*CLICKS[:2]))
    ask(refiner, backend, clicks(*CLICKS[:2]), position=1)
    ask(refiner, backend, clicks(CLICKS[2], CLICKS[1]))
    assert [previous is None for _, previous in backend.calls] == [True, False] * 3


def test_a_box_comes_before_the_clicks(backend):
    xy, labels = np.array([[9, 20]], np.float32), np.array([1], np.int32)
    ask(Refiner(), backend, FramePrompts(xy, labels, np.array([1, 1, 17, 29], np.float32)))
    assert backend.calls == [(2, None), (3, 1.0)]


def test_a_mask_is_decoded_as_it_is(backend):
    ask(Refiner(), backend, drawn(1, 11, 17, 29))
    assert backend.calls == [(0, None)]


def test_earlier_logits_are_clamped():
    backend = Recorder(scale=-1024.0)
    ask(Refiner(), backend, clicks(*CLICKS[:2]))
    assert backend.calls[1][1] == -PREVIOUS_LIMIT


def test_what_is_kept_is_bounded_and_the_latest_stay(backend):
    refiner = Refiner()
    for position in range(100):
        ask(refiner, backend, clicks(CLICKS[0]), position)
    assert len(refiner) < 100
    n_calls = len(backend.calls)
    ask(refiner, backend, clicks(*CLICKS[:2]), 99)
    assert len(backend.calls) == n_calls + 1
