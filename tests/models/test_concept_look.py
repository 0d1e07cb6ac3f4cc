"""Which masks are kept, and which of them one phrase may name together."""

import numpy as np
import pytest
import torch

from samnb.models.backend import Features
from samnb.models.concept_crops import CROP
from samnb.models.concept_look import MIN_QUALITY, Look, distinct, frame, tidy
from samnb.models.concept_net import ConceptNet
from samnb.models.concept_proposals import Proposals

SIZE_HW = (96, 96)


def look_of(boxes_xyxy, quality):
    """Things that are boxes; each view is the picture, so a mask is drawn as it will be read."""
    logits = np.full((len(boxes_xyxy), CROP, CROP), -9.0, np.float32)
    for row, (x0, y0, x1, y1) in zip(logits, boxes_xyxy, strict=True):
        y0, y1, x0, x1 = (v * CROP // SIZE_HW[0] for v in (y0, y1, x0, x1))
        row[y0:y1, x0:x1] = 9.0
    squares = np.tile(np.array([[0, 0, SIZE_HW[0]]], np.float32), (len(boxes_xyxy), 1))
    none = Features((), torch.zeros(0), ())
    embedding = torch.arange(len(boxes_xyxy)).float()[:, None]
    return Look(SIZE_HW, squares, logits, np.array(quality, np.float32), embedding, none)


CUP = (10, 10, 50, 50)
SAME_CUP = (10, 10, 50, 48)
HANDLE = (12, 12, 28, 28)
CUP_AND_SPOON = (10, 10, 90, 50)
SPOON = (54, 10, 90, 50)


def order(look):
    return look.embedding[:, 0].int().tolist()


def test_repetitions_go_and_parts_stay():
    look = look_of([SAME_CUP, HANDLE, CUP, CUP_AND_SPOON], [0.5, 0.4, 0.9, 0.6])
    assert order(tidy(look)) == [2, 3, 1]


def test_what_is_no_thing_and_what_is_empty_goes():
    look = look_of([CUP, SPOON, (0, 0, 0, 0)], [0.9, MIN_QUALITY / 2, 0.9])
    assert order(tidy(look)) == [0]


@pytest.mark.parametrize(
    ("chance", "expected"),
    [
        ((0.9, 0.1, 0.5, 0.8), [0, 3]),  # two things beside each other
        ((0.2, 0.9, 0.1, 0.3), [1, 3]),  # the handle is what is meant
        ((0.4, 0.1, 0.9, 0.3), [2]),  # what holds all
    ],
)
def test_a_phrase_names_the_likelier_of_overlapping_masks(chance, expected):
    look = look_of([CUP, HANDLE, CUP_AND_SPOON, SPOON], [0.5] * 4)
    assert distinct(look, np.array(chance, np.float32)) == expected


def test_rows_keep_what_was_compared():
    look = look_of([CUP, SPOON], [0.5, 0.5])
    whole = look.compared()
    assert np.array_equal(look.rows([1]).compared(), whole[[1]])


def test_nothing_stays_nothing():
    look = tidy(look_of([], []))
    assert len(look) == 0 and distinct(look, np.zeros(0, np.float32)) == []


@pytest.fixture
def draws():
    """A net that draws what was proposed."""
    net = ConceptNet(("cup",)).eval()
    net.drawer.forward = lambda views: (torch.logit(views[:, 3], eps=1e-3), None)
    return net


def test_equal_drawings_are_viewed_once_each_in_its_own_square(draws):
    maps = torch.zeros(3, 48, 48)
    maps[0, 4:12, 4:12] = maps[1, 4:12, 4:13] = maps[2, 30:40, 30:40] = 1.0
    image = np.full((96, 96, 3), 90, np.uint8)
    squares, views = frame(draws, image, Proposals(maps, torch.tensor([0.9, 0.8, 0.7])))
    assert len(squares) == 2 and views.shape == (2, 4, CROP, CROP)
    centres = squares[:, :2] + squares[:, 2:] / 2
    assert np.allclose(centres, [[16, 16], [70, 70]], atol=2)


def test_nothing_proposed_is_nothing_to_look_at(draws):
    none = Proposals(torch.zeros(0, 48, 48), torch.zeros(0))
    squares, views = frame(draws, np.zeros((96, 96, 3), np.uint8), none)
    assert squares.shape == (0, 3) and views.shape == (0, 4, CROP, CROP)
