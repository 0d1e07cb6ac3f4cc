import numpy as np
import pytest

from samnb.masks.views import (
    FUCHSIA,
    MAX_WIDER_SHARE,
    MAX_ZOOMED_SHARE,
    RED,
    box_of,
    ev_view,
    far_colour,
    mv_view,
    window,
)
from samnb.types import InputError

PANEL = 128


def grey(height=120, width=200, value=90):
    return np.full((height, width, 3), value, np.uint8)


def rectangle(y0, y1, x0, x1, size_hw=(120, 200)):
    mask = np.zeros(size_hw, np.bool_)
    mask[y0:y1, x0:x1] = True
    return mask


def panels(view):
    return view[:, :PANEL], view[:, -PANEL:]


def is_colour(view, rgb):
    return (view == np.uint8(rgb)).all(-1)


def test_the_left_panel_has_a_box_and_the_right_a_filled_outlined_mask():
    mask = rectangle(50, 70, 90, 110)
    left, right = panels(mv_view(grey(), mask, panel_px=PANEL))
    box = box_of(is_colour(left, FUCHSIA))
    inside = left[box[0] + 4 : box[1] - 4, box[2] + 4 : box[3] - 4]
    assert (inside == 90).all()  # the left panel shows the thing itself, unpainted
    outline = box_of(is_colour(right, FUCHSIA))
    fill = right[(outline[0] + outline[1]) // 2, (outline[2] + outline[3]) // 2]
    assert fill.tolist() == [148, 58, 148]  # 0.65 of 90, 0.35 of fuchsia


def test_the_right_panel_shows_the_mask_larger_than_the_left():
    mask = rectangle(50, 70, 90, 110)
    left, right = (
        box_of(is_colour(p, FUCHSIA)) for p in panels(mv_view(grey(), mask, panel_px=PANEL))
    )
    assert right[1] - right[0] > 1.3 * (left[1] - left[0])


@pytest.mark.parametrize("share", [MAX_ZOOMED_SHARE, MAX_WIDER_SHARE])
def test_a_window_grows_until_the_mask_fills_at_most_its_share(share):
    y0, y1, x0, x1 = window((400, 500, 400, 500), 10_000, (1000, 1000), share)
    assert share * (y1 - y0) * (x1 - x0) >= 10_000
    assert y0 <= 400 and y1 >= 500 and x0 <= 400 and x1 >= 500


def test_a_window_at_a_corner_grows_the_other_way_and_keeps_the_box():
    found = window((0, 10, 190, 200), 100, (120, 200), MAX_ZOOMED_SHARE)
    assert found == (0, 42, 158, 200)


def test_a_mask_of_the_whole_picture_gets_the_whole_picture():
    assert window((0, 120, 0, 200), 24_000, (120, 200), MAX_WIDER_SHARE) == (0, 120, 0, 200)


def test_a_padded_window_has_at_least_16_pixels_round_a_small_box():
    assert window((60, 62, 100, 102), 4, (120, 200), MAX_ZOOMED_SHARE) == (44, 78, 84, 118)


def test_a_crop_that_is_not_square_lies_on_grey():
    view = mv_view(grey(40, 200), rectangle(5, 35, 20, 180, (40, 200)), panel_px=PANEL)
    assert (view[0, :PANEL] == 128).all() and (view[-1, -PANEL:] == 128).all()


def test_a_single_pixel_has_a_view():
    left, right = panels(mv_view(grey(), rectangle(0, 1, 0, 1), panel_px=PANEL))
    assert is_colour(left, FUCHSIA).any() and is_colour(right, FUCHSIA).any()


def test_mv_does_not_change_its_input():
    image = grey()
    mv_view(image, rectangle(50, 70, 90, 110))
    assert (image == 90).all()


def test_no_boxes_is_the_plain_picture_and_a_new_array():
    image = grey()
    view = ev_view(image, [])
    assert np.array_equal(view, image) and view is not image


def test_a_red_box_lies_outside_the_mask():
    mask = rectangle(50, 70, 90, 110)
    red = is_colour(ev_view(grey(), [mask]), RED)
    assert not (red & mask).any()
    assert box_of(red) == (48, 72, 88, 112)


def test_a_box_at_the_edge_stays_in_the_picture():
    red = is_colour(ev_view(grey(), [rectangle(0, 120, 0, 200)]), RED)
    assert red[0].all() and red[-1].all() and red[:, 0].all() and red[:, -1].all()


def test_every_mask_gets_its_box_and_an_empty_one_none():
    masks = [rectangle(10, 20, 10, 20), rectangle(0, 0, 0, 0), rectangle(60, 80, 100, 120)]
    both = is_colour(ev_view(grey(), masks), RED)
    each = [is_colour(ev_view(grey(), [m]), RED) for m in (masks[0], masks[2])]
    assert np.array_equal(both, each[0] | each[1])


def test_the_far_colour_avoids_what_is_in_the_crop():
    crop = grey(20, 20)
    assert far_colour(crop) == FUCHSIA
    crop[:4, :4] = (250, 10, 240)
    assert far_colour(crop) != FUCHSIA


def test_a_fuchsia_thing_can_be_marked_in_another_colour():
    image = grey()
    image[50:70, 90:110] = FUCHSIA
    view = mv_view(image, rectangle(50, 70, 90, 110), panel_px=PANEL, colour=None)
    chosen = far_colour(image[30:90, 70:130])
    assert chosen != FUCHSIA and is_colour(view, chosen).any()


@pytest.mark.parametrize(
    ("image", "mask", "message"),
    [
        (grey().astype(np.float32), rectangle(1, 2, 1, 2), "image: expected"),
        (grey(), rectangle(1, 2, 1, 2, (100, 100)), "mask: expected the image's"),
        (grey(), rectangle(0, 0, 0, 0), "at least one pixel"),
    ],
)
def test_what_cannot_be_shown_is_said(image, mask, message):
    with pytest.raises(InputError, match=message):
        mv_view(image, mask)
