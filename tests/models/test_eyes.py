"""Clicks are answered by eyes of their own, and memory learns from what they drew."""

from contextlib import closing

import numpy as np
import pytest
import torch

from samnb.models.backend import Decoded, ModelPrompt
from samnb.models.base import FramePrompts
from samnb.models.convert import to_model_prompt, to_prediction
from samnb.models.eyes import click
from samnb.models.memory import Limits
from samnb.models.memory_session import MemorySession
from samnb.models.mobile import build_mobile, click_size
from samnb.models.sam2 import Sam2Backend

SIZE = 256


class Seeing:
    """Eyes that draw the same square, whatever they are asked."""

    size, device = 96, torch.device("cpu")

    def __init__(self) -> None:
        self.asked: list[tuple[ModelPrompt, torch.Tensor | None]] = []

    def segment(self, features, prompt, *, previous=None):
        self.asked.append((prompt, previous))
        logits = torch.full((1, 1, 24, 24), -5.0)
        logits[..., 6:18, 6:18] = 5.0
        return Decoded(logits, 0.9, torch.ones(1, 1))


def clicks(*xyl):
    """Clicks (x, y, label) in model pixels."""
    rows = torch.tensor([xyl], dtype=torch.float32)
    return ModelPrompt(rows[..., :2], rows[..., 2].to(torch.int32))


def test_a_click_gives_a_mask_at_both_sizes_and_no_pointer():
    output = click(Seeing(), None, clicks((40, 40, 1)), None, 64)
    assert output.logits.shape == (1, 1, 16, 16)
    assert output.drawn.shape == (1, 1, 24, 24)
    assert output.pointer.numel() == 0
    assert (output.logits[0, 0] > 0).sum() == 64


def test_people_are_shown_the_finer_mask():
    output = click(Seeing(), None, clicks((40, 40, 1)), None, 64)
    mask = to_prediction(output, (24, 24)).mask
    assert np.array_equal(mask, (output.drawn[0, 0] > 0).numpy())
    assert torch.equal(output.shown, output.drawn)


class Disc:
    """A disc that moves to the right."""

    size_hw = (96, 128)

    def __len__(self) -> int:
        return 3

    def frame(self, position: int) -> np.ndarray:
        rows, columns = np.mgrid[:96, :128]
        image = np.full((96, 128, 3), (40, 90, 60), np.uint8)
        image[self.mask(position, rows, columns)] = 220, 60, 40
        return image

    def mask(self, position, rows, columns):
        return (rows - 48) ** 2 + (columns - 40 - 10 * position) ** 2 < 20**2


@pytest.fixture(scope="module")
def backend():
    return Sam2Backend(build_mobile(SIZE, predictor="base"), device="cpu")


@pytest.fixture
def encoded(backend, monkeypatch):
    """Which sizes frames were encoded at, in order."""
    sizes: list[int] = []
    for one in (backend, backend.eyes):
        encode = one.encode

        def noted(image, one=one, encode=encode):
            sizes.append(one.size)
            return encode(image)

        monkeypatch.setattr(one, "encode", noted)
    return sizes


FIRST = FramePrompts(np.array([[40, 48]], np.float32), np.array([1], np.int32))


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


def test_who_clicks_waits_for_the_eyes_only(backend, encoded):
    with closing(MemorySession(backend, Disc(), Limits())) as session:
        mask = session.set_prompts(1, 0, FIRST).mask
        more = FramePrompts(np.array([[40, 48], [50, 48]], np.float32), np.ones(2, np.int32))
        session.set_prompts(1, 0, more)
        assert encoded == [click_size(SIZE)]
        found = dict(session.propagate(start=0, stop=2))
    assert encoded == [click_size(SIZE), SIZE, SIZE, SIZE]
    rows, columns = np.mgrid[:96, :128]
    assert iou(mask, Disc().mask(0, rows, columns)) > 0.9
    assert iou(found[2][1].mask, Disc().mask(2, rows, columns)) > 0.8


@torch.inference_mode()
def test_memory_learns_from_a_click_as_from_the_mask_it_drew(backend):
    frame = Disc().frame(0)
    features, look = backend.encode(frame), backend.eyes.encode(frame)
    eyes = backend.eyes
    prompt = to_model_prompt(FIRST, (96, 128), eyes.size, eyes.device)
    clicked = click(eyes, look, prompt, None, SIZE)
    backend.remember(features, [clicked], is_prompted=True)
    large = torch.nn.functional.interpolate(
        clicked.drawn, (SIZE, SIZE), mode="bilinear", align_corners=False
    )
    given = ModelPrompt(mask=(large > 0).float())
    (drawn,) = backend.decode(features, 0, [None], n_frames=3, is_reverse=False, prompt=given)
    assert torch.equal(clicked.pointer, drawn.pointer)
    assert float(clicked.score) > 0
    assert clicked.memory is not None


def test_corrections_stay_with_the_tracker(backend, encoded):
    points = np.array([[60, 48], [50, 48]], np.float32)
    with closing(MemorySession(backend, Disc(), Limits())) as session:
        session.set_prompts(1, 0, FIRST)
        list(session.propagate(start=0, stop=2))
        encoded.clear()
        at = FramePrompts(points[:1], np.ones(1, np.int32))
        mask = session.set_prompts(1, 2, at).mask
        # What the eyes drew on the first frame is finer than what the tracker corrects.
        again = FramePrompts(points[::-1] - 20, np.ones(2, np.int32))
        session.set_prompts(1, 0, FramePrompts(FIRST.points_xy, FIRST.point_labels))
        session.set_prompts(1, 0, again)
    assert encoded == []
    rows, columns = np.mgrid[:96, :128]
    assert iou(mask, Disc().mask(2, rows, columns)) > 0.9


def test_without_eyes_the_tracker_answers_clicks_itself(encoded):
    plain = Sam2Backend(build_mobile(SIZE, predictor="base", eyes=False), device="cpu")
    assert plain.eyes is None
    with closing(MemorySession(plain, Disc(), Limits())) as session:
        session.set_prompts(1, 0, FIRST)
    assert encoded == []
