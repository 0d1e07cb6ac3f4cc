"""The picture's window in the page, and how the medium lies in it."""

from __future__ import annotations

from samnb.widgets.camera import Camera, window_for
from samnb.widgets.surface import Sized, ViewMoved


class Viewport:
    """Follows the window's size and the person's zoom.

    Args:
        tallest: greatest height of the picture in window pixels.

    Attributes:
        camera: how the medium lies in the window; None while there is no medium.
        ratio: screen pixels per window pixel.
    """

    def __init__(self, tallest: int) -> None:
        self._tallest = self._room = tallest
        self._width = 640
        self.ratio = 1.0
        self.camera: Camera | None = None

    def open(self, size_hw: tuple[int, int] | None) -> None:
        """Show the whole of a medium of this size, or nothing."""
        if size_hw is None:
            self.camera = None
        else:
            self.camera = Camera.fitted(self._window(size_hw), size_hw)

    def zoom(self, factor: float) -> None:
        """Change the scale about the middle; 0 ends at the whole picture."""
        if self.camera is not None:
            self.camera = self.camera.zoomed(factor)

    def move(self, event: ViewMoved) -> None:
        """Take a turn of the wheel, a pinch or a pan."""
        if self.camera is not None:
            self.camera = self.camera.zoomed(event.factor, event.uv).moved(event.duv)

    def resize(self, event: Sized) -> None:
        """Take the size that the page gives to the picture."""
        self._width, self.ratio = max(event.width, 200), min(event.ratio, 2.0)
        self._room = min(self._tallest, max(round(event.room * 0.55), 280))
        if self.camera is not None:
            self.camera = self.camera.resized(self._window(self.camera.size_hw))

    def _window(self, size_hw: tuple[int, int]) -> tuple[int, int]:
        return window_for(self._width, size_hw, self._room)
