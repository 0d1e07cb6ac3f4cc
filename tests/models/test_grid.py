"""The grid on a picture of flat colours, where every answer can be told beforehand."""

import threading

import numpy as np
import pytest

from samnb.masks import rle as rle_ops
from samnb.models import grid
from samnb.models.base import Capabilities, Prediction
from samnb.models.grid import GridLevel, GridSettings
from samnb.types import InputError

SIZE_HW = (64, 96)


class FillSession:
    """A click selects all pixels of the clicked colour, as sure as the blue channel says."""

    def __init__(self, tracker, frames):
        self.tracker, self.frames = tracker, frames

    def segment(self, position, prompts):
        image = self.frames.frame(position)
        x, y = prompts.points_xy[0].astype(int)
        self.tracker.clicks.append((position, int(x), int(y)))
        mask = (image == image[y, x]).all(axis=2)
        return Prediction(mask, image[y, x, 2] / 255, 1.0, 1.0 - image[y, x, 1] / 255)

    def close(self):
        self.tracker.n_closed += 1


class FillTracker:
    name = "fill@1"
    capabilities = Capabilities()
    session_class = FillSession

    def __init__(self):
        self.clicks, self.sizes, self.n_closed = [], [], 0

    def open(self, frames):
        self.sizes.append((len(frames), frames.size_hw))
        return self.session_class(self, frames)


def paint(image, box, sureness, wobble=0, tone=0):
    x0, y0, x1, y1 = box
    image[y0:y1, x0:x1] = (tone, wobble, sureness)


@pytest.fixture
def picture():
    """A sure background (all but three boxes), a sure box, an unsure and an unstable one."""
    image = np.zeros((*SIZE_HW, 3), np.uint8)
    image[..., 2] = 250
    paint(image, (10, 10, 30, 30), 240, tone=9)
    paint(image, (50, 10, 60, 30), 100)
    paint(image, (70, 10, 90, 30), 240, wobble=50)
    return image


def settings(*levels, **kw):
    return GridSettings(levels=levels or (GridLevel(8),), **{"edge_px": 2.0, **kw})


def test_the_paper_s_grid_has_2304_clicks():
    assert GridSettings().n_points == 1024 + 1024 + 256


def test_points_sit_in_the_middle_of_equal_cells():
    points = grid.grid_points((10, 20), 2)
    np.testing.assert_array_equal(points, [[5, 2.5], [15, 2.5], [5, 7.5], [15, 7.5]])
    assert points.dtype == np.float32


@pytest.mark.parametrize(("per_side", "overlap"), [(1, 0.3), (2, 0.3413), (4, 0.3413), (3, 0.0)])
def test_crops_have_one_size_and_cover_the_picture(per_side, overlap):
    boxes = grid.crop_boxes((101, 203), per_side, overlap)
    assert len(boxes) == per_side**2
    assert len({(x1 - x0, y1 - y0) for x0, y0, x1, y1 in boxes}) == 1
    covered = np.zeros((101, 203), bool)
    for x0, y0, x1, y1 in boxes:
        assert x0 >= 0 and y0 >= 0 and x1 <= 203 and y1 <= 101
        covered[y0:y1, x0:x1] = True
    assert covered.all()


def test_two_by_two_crops_overlap_as_in_the_released_generator():
    (x0, _, x1, _), (x2, _, _, _) = grid.crop_boxes((1500, 1500), 2, grid.CROP_OVERLAP)[:2]
    assert (x0, x1 - x2) == (0, 512)


def test_nms_keeps_the_first_of_two_boxes_that_overlap_too_much():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 8], [0, 0, 10, 7], [20, 0, 30, 10]])
    assert grid.box_nms(boxes, 0.7) == [0, 2, 3], "0.8 is too much, 0.7 is not above 0.7"
    assert grid.box_nms(np.zeros((0, 4)), 0.7) == []


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((0, 0, 9, 9), False),  # at the picture's own border
        ((5, 5, 49, 20), True),  # at the crop's inner right border
        ((5, 5, 45, 20), False),
        ((5, 5, 20, 39), True),
    ],
)
def test_only_a_crop_s_inner_border_cuts_objects_off(box, expected):
    assert grid.is_cut_off(box, (0, 0, 50, 40), (64, 96), 2.0) is expected


def test_sure_and_stable_masks_are_found_once_each(picture):
    found = grid.propose_masks(FillTracker(), picture, settings())
    assert [c.box_xyxy for c in found] == [(0, 0, 96, 64), (10, 10, 30, 30)]
    mask = rle_ops.decode(found[1].rle)
    assert mask[10:30, 10:30].all() and mask.sum() == 400
    assert found[1].confidence == pytest.approx(240 / 255)
    x, y = found[1].point_xy
    assert mask[int(y), int(x)]


def test_a_mask_of_nearly_the_whole_picture_is_dropped(picture):
    image = picture.copy()
    image[image[..., 2] < 240] = (0, 0, 250)
    paint(image, (70, 10, 90, 30), 250)
    boxes = [c.box_xyxy for c in grid.propose_masks(FillTracker(), image, settings())]
    assert boxes == [(0, 0, 96, 64), (10, 10, 30, 30)], "the background is 93 %"
    kept = grid.propose_masks(FillTracker(), image, settings(max_area_share=0.9))
    assert [c.box_xyxy for c in kept] == [(10, 10, 30, 30)]


def test_crops_find_what_they_hold_whole_and_say_where_it_is(picture):
    found = grid.propose_masks(FillTracker(), picture, settings(GridLevel(8, 2)))
    assert [c.box_xyxy for c in found] == [(10, 10, 30, 30)]
    assert found[0].rle.size_hw == SIZE_HW
    assert rle_ops.bbox(found[0].rle) == (10, 10, 30, 30)
    assert found[0].crop_xyxy[:2] == (0, 0)


def test_of_two_zooms_the_closer_look_wins(picture):
    tracker = FillTracker()
    levels = GridLevel(8), GridLevel(8, 2)
    found = grid.propose_masks(tracker, picture, settings(*levels))
    box = next(c for c in found if c.box_xyxy == (10, 10, 30, 30))
    assert box.crop_xyxy != (0, 0, 96, 64)
    assert [n for n, _ in tracker.sizes] == [4, 1] and tracker.n_closed == 2
    assert len(tracker.clicks) == 4 * 64 + 64


def test_progress_counts_clicks_and_cancel_keeps_what_was_found(picture):
    cancel, told = threading.Event(), []

    def tell(done, total):
        told.append((done, total))
        if done >= 64:
            cancel.set()

    levels = GridLevel(8), GridLevel(8, 2)
    tracker = FillTracker()
    found = grid.propose_masks(tracker, picture, settings(*levels), on_progress=tell, cancel=cancel)
    assert told == [(0, 320), (64, 320)]
    assert [c.box_xyxy for c in found] == [(10, 10, 30, 30)] and tracker.n_closed == 2


def test_a_session_with_a_grid_of_its_own_is_asked_in_batches(picture):
    batches = []

    class Batched(FillSession):
        def segment_grid(self, position, points_xy, *, min_confidence, min_stability):
            batches.append((len(points_xy), min_confidence, min_stability))
            mask = np.zeros(self.frames.size_hw, bool)
            mask[5:9, 5:9] = True
            return [(0, Prediction(mask, 0.9, 1.0, 0.97))]

        def segment(self, position, prompts):
            raise AssertionError("asked click by click")

    tracker = FillTracker()
    tracker.session_class = Batched
    found = grid.propose_masks(tracker, picture, settings(GridLevel(10), min_stability=0.9))
    assert batches == [(64, 0.8, 0.9), (36, 0.8, 0.9)]
    assert [c.box_xyxy for c in found] == [(5, 5, 9, 9)]


@pytest.mark.parametrize(
    ("kw", "says"),
    [
        ({"levels": ()}, "levels"),
        ({"levels": (GridLevel(0),)}, "levels"),
        ({"min_confidence": 1.2}, "min_confidence"),
        ({"overlap": 1.0}, "overlap"),
    ],
)
def test_settings_out_of_range_are_refused(kw, says):
    with pytest.raises(InputError, match=says):
        GridSettings(**kw)


def test_an_image_of_another_form_is_refused():
    with pytest.raises(InputError, match=r"expected \(H, W, 3\) uint8, got \(4, 4\) uint8"):
        grid.propose_masks(FillTracker(), np.zeros((4, 4), np.uint8))
