"""The window's size and the zoom in it."""

import pytest

from samnb.widgets.surface import Sized, ViewMoved
from samnb.widgets.viewport import Viewport


@pytest.fixture
def viewport():
    viewport = Viewport(560)
    viewport.open((100, 200))
    return viewport


def test_the_window_follows_the_page_within_its_limits(viewport):
    viewport.resize(Sized(100, 3.0, False, "v", 100))
    assert (viewport.camera.window_wh, viewport.ratio) == ((200, 200), 2.0)
    viewport.resize(Sized(4000, 1.0, False, "v", 9000))
    assert viewport.camera.window_wh == (4000, 560)
    viewport.resize(Sized(4000, 1.0, False, "v", 700))
    assert viewport.camera.window_wh == (4000, 385)


def test_zoom_is_kept_when_the_window_changes_and_given_up_for_another_medium(viewport):
    viewport.zoom(2.0)
    viewport.resize(Sized(900, 1.0, False, "v", 1000))
    assert not viewport.camera.is_fitted
    viewport.open((50, 50))
    assert viewport.camera.is_fitted and viewport.camera.size_hw == (50, 50)


def test_without_a_medium_nothing_moves(viewport):
    viewport.open(None)
    viewport.zoom(2.0)
    viewport.move(ViewMoved((0.5, 0.5), 2.0))
    viewport.resize(Sized(900, 1.0, False, "v", 1000))
    assert viewport.camera is None
