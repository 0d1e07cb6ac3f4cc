import time

import numpy as np
import pytest
from scipy import ndimage

from samnb.masks import ops
from samnb.types import InputError, Stroke
from tests.masks import samples


def picture(text):
    return np.array([[c == "#" for c in row] for row in text.split()])


def test_bounds_with_and_without_margin():
    mask = np.zeros((6, 8), bool)
    mask[2:4, 5:8] = True
    assert ops.bounds(mask) == (slice(2, 4), slice(5, 8))
    assert ops.bounds(mask, 3) == (slice(0, 6), slice(2, 8))
    assert ops.bounds(np.zeros((3, 3), bool)) is None


def test_parts_that_touch_by_a_corner_are_one():
    labels, count = ops.components(picture("#.. .#. ... ..#"))
    assert count == 2
    assert labels[0, 0] == labels[1, 1] != labels[3, 2]
    assert ops.components(np.zeros((2, 2), bool))[1] == 0


def test_only_parts_below_the_limit_are_removed():
    mask = picture("##..# #...# ....#")
    assert np.array_equal(ops.remove_small(mask, 3), mask)
    mask[0, 1] = False
    assert np.array_equal(ops.remove_small(mask, 3), picture("....# ....# ....#"))


def test_only_enclosed_holes_below_the_limit_are_filled():
    mask = picture("##### #.#.. ##### #..## #####")
    assert np.array_equal(ops.fill_small_holes(mask, 2), picture("##### ###.. ##### #..## #####"))
    assert np.array_equal(ops.fill_small_holes(mask, 3), picture("##### ###.. ##### ##### #####"))


def test_a_hole_closed_by_corners_only_is_still_a_hole():
    assert ops.fill_small_holes(picture(".#. #.# .#."), 2)[1, 1]


def test_clean_fills_before_it_removes():
    ring = np.zeros((20, 20), bool)
    ring[5:15, 5:15] = True
    ring[7:13, 7:13] = False
    assert ops.clean(ring, 70).sum() == 100
    assert ops.clean(np.zeros((4, 4), bool)).sum() == 0


def test_boundary_is_where_a_right_or_lower_neighbour_differs():
    for mask in samples.masks(60):
        height, width = mask.shape
        expected = np.zeros_like(mask)
        for y in range(height):
            for x in range(width):
                if x < width - 1:
                    expected[y, x] |= mask[y, x] != mask[y, x + 1]
                if y < height - 1:
                    expected[y, x] |= mask[y, x] != mask[y + 1, x]
                if x < width - 1 and y < height - 1:
                    expected[y, x] |= mask[y, x] != mask[y + 1, x + 1]
        assert np.array_equal(ops.boundary(mask), expected)


def test_error_region_says_missed_and_surplus():
    missed, surplus = ops.error_region(picture("##."), picture(".##"))
    assert missed.tolist() == [[True, False, False]]
    assert surplus.tolist() == [[False, False, True]]


def slow_centre(gt, pred):
    """The definition, on the whole padded picture."""
    best = []
    for region in (gt & ~pred, pred & ~gt):
        depth = ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
        y, x = np.unravel_index(depth.argmax(), depth.shape)
        best.append((depth.max(), int(x), int(y)))
    return (*best[0][1:], 1) if best[0][0] > best[1][0] else (*best[1][1:], 0)


def test_error_centre_is_the_innermost_wrong_pixel():
    wrong = [(gt, pred) for gt, pred in samples.pairs(200) if not np.array_equal(gt, pred)]
    for gt, pred in wrong:
        assert ops.error_centre(gt, pred) == slow_centre(gt, pred)
    assert {slow_centre(gt, pred)[2] for gt, pred in wrong} == {0, 1}


def test_depth_is_the_distance_to_what_is_outside_the_picture_included():
    found = ops.depth(picture("###. ###. ###. ...."))
    assert found[0].tolist() == [1, 1, 1, 0]
    assert found[1].tolist() == [1, 2, 1, 0]


def test_without_an_error_there_is_no_click():
    with pytest.raises(InputError, match="differs"):
        ops.error_centre(np.eye(3, dtype=bool), np.eye(3, dtype=bool))


def test_a_tie_between_missed_and_surplus_is_a_negative_click():
    gt, pred = np.zeros((5, 12), bool), np.zeros((5, 12), bool)
    gt[1:4, 1:4], pred[1:4, 8:11] = True, True
    assert ops.error_centre(gt, pred) == (9, 2, 0)


def test_without_a_prediction_the_click_is_deepest_inside_the_object():
    gt = np.zeros((9, 9), bool)
    gt[2:7, 3:8] = True
    assert ops.error_centre(gt) == (5, 4, 1)


def test_the_edge_of_the_picture_counts_as_outside():
    assert ops.error_centre(np.ones((5, 7), bool))[1] == 2


def slow_strokes(mask, stroke):
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]] + 0.5
    points = np.array(stroke.xy, float)
    near = np.full(mask.shape, np.inf)
    for a, b in zip(points, points[1:] if len(points) > 1 else points, strict=False):
        d = b - a
        length = (d**2).sum()
        t = ((x - a[0]) * d[0] + (y - a[1]) * d[1]) / length if length else np.zeros_like(x)
        t = np.clip(t, 0, 1)
        near = np.minimum(near, np.hypot(x - a[0] - t * d[0], y - a[1] - t * d[1]))
    touched = near <= max(stroke.radius, 0.75) + 1e-9
    return mask & ~touched if stroke.is_erase else mask | touched


def random_strokes(count):
    rng = np.random.default_rng(0)
    for at in range(count):
        xy = rng.uniform(-9, 30, (rng.integers(1, 6), 2))
        if at % 3 == 0:  # whole numbers: level, upright and repeated points
            xy = np.rint(xy / 4)
        yield Stroke(tuple(map(tuple, xy.tolist())), float(rng.uniform(0.1, 9)), bool(at % 2))


def test_a_stroke_touches_centres_within_its_radius():
    mask = np.zeros((20, 23), bool)
    mask[5:, 4:] = True
    for stroke in random_strokes(200):
        assert np.array_equal(ops.draw_strokes(mask, stroke), slow_strokes(mask, stroke)), stroke


def test_a_tap_with_the_smallest_tip_always_leaves_a_mark():
    empty = np.zeros((5, 5), bool)
    for x in np.linspace(2, 3, 9):
        for y in np.linspace(2, 3, 9):
            drawn = ops.draw_strokes(empty, Stroke(((x, y),), 0.01))
            assert drawn.any() and drawn.sum() <= 4


def test_strokes_apply_in_order_and_leave_the_input_alone():
    mask = np.zeros((10, 10), bool)
    brush, eraser = Stroke(((5, 5),), 3), Stroke(((5, 5),), 3, is_erase=True)
    assert not ops.draw_strokes(mask, brush, eraser).any()
    assert ops.draw_strokes(mask, eraser, brush).any()
    assert not mask.any()


def test_a_stroke_off_the_picture_changes_nothing():
    mask = np.eye(6, dtype=bool)
    assert np.array_equal(ops.draw_strokes(mask, Stroke(((-50, -50), (-40, -90)), 5)), mask)


@pytest.mark.parametrize(
    "stroke",
    [
        Stroke((), 3),
        Stroke(((1.0, float("nan")),), 3),
        Stroke(((1, 1),), 0),
        Stroke(((1, 1),), float("inf")),
    ],
)
def test_an_impossible_stroke_is_refused(stroke):
    with pytest.raises(InputError, match="stroke"):
        ops.draw_strokes(np.zeros((4, 4), bool), stroke)


def test_a_long_stroke_on_a_full_hd_mask_costs_its_box_and_not_the_picture():
    mask = np.zeros((1080, 1920), bool)
    angle = np.linspace(0, 6, 100)
    xy = tuple(zip((900 + 150 * np.cos(angle)).tolist(), (500 + 90 * np.sin(angle)).tolist(),
                   strict=True))  # fmt: skip
    stroke = Stroke(xy, 12)
    times = []
    for _ in range(7):
        start = time.process_time()
        ops.draw_strokes(mask, stroke)
        times.append(time.process_time() - start)
    # About 2 ms of one core; the bound leaves room for slow machines.
    assert min(times) < 0.02


def test_stability_is_the_narrow_mask_by_the_wide_one():
    logits = np.array([[-2.0, -0.5, 0.5, 1.5, 3.0]], np.float32)
    assert ops.stability(logits) == 2 / 4
    assert ops.stability(logits, 2.0) == 1 / 4
    assert ops.stability(np.full((2, 2), -9.0)) == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.stability(np.zeros((2, 2), int)), "float"),
        (lambda: ops.stability(np.zeros((2, 2)), -1), "offset"),
        (lambda: ops.error_region(np.zeros((2, 2), bool), np.zeros((2, 3), bool)), "shape of gt"),
        (lambda: ops.boundary(np.zeros((2, 2))), r"\(H, W\) bool, got \(2, 2\) float64"),
        (lambda: ops.components(np.zeros(4, bool)), r"\(H, W\) bool"),
    ],
)
def test_wrong_arguments_say_both_sides(call, message):
    with pytest.raises(InputError, match=message):
        call()
