"""The mapping between window and media, exactly."""

import pytest

from samnb.widgets.camera import MAX_SCALE, Camera, window_for

FIT = Camera.fitted((800, 400), (100, 100))


def test_the_whole_picture_is_centred():
    assert FIT.scale == 4.0
    assert FIT.to_media((0.5, 0.5)) == (50.0, 50.0)
    assert FIT.to_media((0.25, 0.0)) == (0.0, 0.0)
    assert FIT.to_window((100, 100)) == (600.0, 400.0)


@pytest.mark.parametrize("uv", [(0.0, 0.0), (0.31, 0.77), (1.0, 0.5)])
def test_zoom_keeps_the_pixel_under_the_pointer(uv):
    before = FIT.to_media(uv)
    assert FIT.zoomed(3.0, uv).to_media(uv) == pytest.approx(before)


@pytest.mark.parametrize("factor", [0.0, 0.2, 1.0])
def test_zooming_out_ends_at_the_whole_picture(factor):
    assert FIT.zoomed(2.0, (0.3, 0.3)).zoomed(factor / 2).is_fitted


def test_zooming_in_has_an_end():
    assert FIT.zoomed(1e6).scale == MAX_SCALE


def test_a_drag_moves_the_picture_with_the_pointer():
    near = FIT.zoomed(4.0)
    before = near.to_media((0.5, 0.5))
    moved = near.moved((0.1, -0.2))
    assert moved.to_media((0.6, 0.3)) == pytest.approx(before)


def test_the_picture_cannot_be_dragged_out_of_the_window():
    lost = FIT.zoomed(2.0).moved((50, 50))
    x0, y0, x1, y1 = lost.visible_xyxy()
    assert (x1 - x0) * lost.scale >= 0.1 * 800
    assert (y1 - y0) * lost.scale >= 0.1 * 400


def test_a_window_of_another_size_keeps_centre_and_zoom():
    near = FIT.zoomed(4.0, (0.6, 0.4))
    wide = near.resized((1600, 800))
    assert wide.to_media((0.5, 0.5)) == pytest.approx(near.to_media((0.5, 0.5)))
    assert wide.scale / wide.fit_scale == pytest.approx(near.scale / near.fit_scale)
    assert FIT.resized((400, 400)).is_fitted


def test_visible_pixels_lie_inside_the_picture():
    assert FIT.visible_xyxy() == (0, 0, 100, 100)
    x0, y0, x1, y1 = FIT.zoomed(8.0).visible_xyxy()
    assert 0 <= x0 < x1 <= 100
    assert 0 <= y0 < y1 <= 100


@pytest.mark.parametrize(
    ("size_hw", "window"),
    [
        ((100, 200), (800, 400)),
        ((400, 200), (800, 560)),
        ((10, 800), (800, 200)),
        (None, (800, 450)),
    ],
)
def test_the_window_suits_the_picture_but_is_never_too_tall(size_hw, window):
    assert window_for(800, size_hw, 560) == window
