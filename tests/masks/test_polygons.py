import numpy as np
import pytest
from scipy import ndimage

from samnb.masks.polygons import mask_to_polygons, polygon_to_mask, ring_area
from samnb.types import InputError
from tests.masks import samples

MASKS = samples.masks(200)


def rings_of(parts):
    return [ring for part in parts for ring in part]


def test_the_round_trip_keeps_holes_and_islands():
    for mask in MASKS:
        assert np.array_equal(polygon_to_mask(rings_of(mask_to_polygons(mask)), mask.shape), mask)


def test_every_part_has_one_outer_ring_and_its_own_holes():
    for mask in MASKS:
        parts = mask_to_polygons(mask)
        assert len(parts) == ndimage.label(mask)[1]
        for part in parts:
            assert ring_area(part[0]) > 0
            assert all(ring_area(hole) < 0 for hole in part[1:])
            alone = polygon_to_mask(part, mask.shape)
            assert ndimage.label(alone)[1] == 1
            assert sum(map(ring_area, part)) == alone.sum()


def test_the_largest_part_comes_first():
    mask = np.zeros((10, 20), bool)
    mask[0:2, 0:2], mask[4:9, 5:15] = True, True
    assert [ring_area(part[0]) for part in mask_to_polygons(mask)] == [50, 4]


def test_an_outline_has_only_its_corners():
    mask = np.zeros((9, 9), bool)
    mask[2:5, 3:8] = True
    ((ring,),) = mask_to_polygons(mask)
    assert sorted(map(tuple, ring)) == [(3, 2), (3, 5), (8, 2), (8, 5)]


def test_a_tolerance_gives_fewer_corners_and_nearly_the_same_mask():
    y, x = np.mgrid[:80, :80]
    disk = np.hypot(y - 40, x - 40) < 30
    exact, rough = mask_to_polygons(disk)[0][0], mask_to_polygons(disk, 1.0)[0][0]
    assert len(rough) < len(exact) / 2
    back = polygon_to_mask([rough], disk.shape)
    assert (back & disk).sum() / (back | disk).sum() > 0.95


def test_what_vanishes_under_the_tolerance_is_left_out():
    speck = np.zeros((20, 20), bool)
    speck[3, 3] = True
    assert mask_to_polygons(speck, 5.0) == []
    assert mask_to_polygons(np.zeros((3, 3), bool)) == []


def test_a_pixel_is_set_when_its_centre_is_inside():
    square = [[1.4, 1.4], [3.6, 1.4], [3.6, 3.6], [1.4, 3.6]]
    filled = polygon_to_mask([square], (5, 5))
    assert np.argwhere(filled).tolist() == [[1, 1], [1, 2], [1, 3], [2, 1], [2, 2], [2, 3],
                                            [3, 1], [3, 2], [3, 3]]  # fmt: skip


@pytest.mark.parametrize("angle", [0.0, 0.3, np.pi / 4, 1.1, 2.5])
@pytest.mark.parametrize(("size", "cx", "cy"), [(3, 10, 10), (5.5, 9.5, 8), (7.3, 10.2, 11.9)])
def test_neighbours_along_an_edge_share_no_pixel_and_leave_no_gap(angle, size, cx, cy):
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * size
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    a, b, c, d = corners @ turn.T + (cx, cy)
    lower, upper = (polygon_to_mask([r], (20, 20)) for r in ([a, b, c], [a, c, d]))
    assert lower.any() and upper.any() and not (lower & upper).any()
    assert np.array_equal(lower | upper, polygon_to_mask([[a, b, c, d]], (20, 20)))


def test_parts_outside_the_picture_are_cut_off():
    assert polygon_to_mask([[[-9, -9], [50, -9], [50, 50], [-9, 50]]], (4, 6)).all()
    assert not polygon_to_mask([[[10, 10], [12, 10], [12, 12]]], (4, 6)).any()


@pytest.mark.parametrize(
    ("rings", "size_hw", "message"),
    [
        ([[[0, 0], [1, 1]]], (4, 4), "N >= 3"),
        ([[[0, 0], [1, float("nan")], [2, 2]]], (4, 4), "finite"),
        ([], (0, 4), "size_hw"),
    ],
)
def test_impossible_polygons_are_refused(rings, size_hw, message):
    with pytest.raises(InputError, match=message):
        polygon_to_mask(rings, size_hw)


def test_a_negative_tolerance_is_refused():
    with pytest.raises(InputError, match="tolerance"):
        mask_to_polygons(np.ones((2, 2), bool), -1)
