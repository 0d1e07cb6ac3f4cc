"""What a sensible hand does: strokes that fit, and no more of what does not help."""

import numpy as np
import pytest
from scipy import ndimage

from samnb.engine.handiwork import iou, stroke_over
from samnb.masks import ops

YY, XX = np.mgrid[:80, :100]


def disk(x, y, radius):
    return (XX - x) ** 2 + (YY - y) ** 2 <= radius**2


DISK = disk(50, 40, 14)
CASES = {
    "a rim of two pixels too much": (DISK, ndimage.binary_dilation(DISK, iterations=2), 1),
    "a rim of one pixel missing": (DISK, ndimage.binary_erosion(DISK, iterations=1), 1),
    "another object as well": (DISK, DISK | disk(20, 40, 12), 2),
    "nothing there": (DISK, np.zeros_like(DISK), 2),
    "a thin one drawn fat": (
        (abs(XX - 50) < 2) & (abs(YY - 40) < 20),
        (abs(XX - 51) < 4) & (abs(YY - 40) < 20),
        2,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_stroke_or_two_mend_what_a_person_would_mend_with_as_many(case):
    gt, pred, n_strokes = CASES[case]
    for _ in range(n_strokes):
        stroke = stroke_over(gt, pred)
        mended = ops.draw_strokes(pred, stroke)
        assert iou(mended, gt) > iou(pred, gt)
        pred = mended
    assert iou(pred, gt) >= 0.85


def test_a_stroke_erases_what_is_too_much_and_draws_what_is_missing():
    assert stroke_over(DISK, DISK | disk(20, 40, 12)).is_erase
    assert not stroke_over(DISK, DISK & disk(44, 40, 14)).is_erase


def test_two_empty_masks_agree_and_no_answer_is_an_empty_one():
    nothing = np.zeros_like(DISK)
    assert iou(nothing, nothing) == iou(None, nothing) == 1.0
    assert iou(None, DISK) == 0.0
