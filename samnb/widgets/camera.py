"""Where the picture sits in its window: the one place that maps display to media.

Three spaces meet here. *Fractions* ``(u, v)`` of the window are what the browser sends;
*window pixels* are CSS pixels; *media pixels* are what every record holds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

MAX_SCALE: Final = 40.0
"""Window pixels per media pixel at the closest zoom."""
_KEEP: Final = 0.15
"""Share of the window in which some of the picture stays, however far it is dragged."""


@dataclass(frozen=True, slots=True)
class Camera:
    """A window of ``window_wh`` CSS pixels onto a picture of ``size_hw`` pixels.

    Attributes:
        scale: window pixels per media pixel.
        left: media x at the window's left edge.
        top: media y at the window's upper edge.
    """

    window_wh: tuple[int, int]
    size_hw: tuple[int, int]
    scale: float
    left: float
    top: float

    @classmethod
    def fitted(cls, window_wh: tuple[int, int], size_hw: tuple[int, int]) -> Camera:
        """The whole picture, centred and as large as it goes."""
        (window_w, window_h), (height, width) = window_wh, size_hw
        scale = min(window_w / width, window_h / height)
        left = (width - window_w / scale) / 2
        return cls(window_wh, size_hw, scale, left, (height - window_h / scale) / 2)

    @property
    def fit_scale(self) -> float:
        """Scale at which the whole picture just fits."""
        return Camera.fitted(self.window_wh, self.size_hw).scale

    @property
    def is_fitted(self) -> bool:
        """Whether the whole picture is shown, no closer."""
        return self == Camera.fitted(self.window_wh, self.size_hw)

    def to_media(self, uv: tuple[float, float]) -> tuple[float, float]:
        """Media pixel under a fraction of the window."""
        (width, height), (u, v) = self.window_wh, uv
        return self.left + u * width / self.scale, self.top + v * height / self.scale

    def to_window(self, xy: tuple[float, float]) -> tuple[float, float]:
        """Window pixel at which a media pixel is shown."""
        return (xy[0] - self.left) * self.scale, (xy[1] - self.top) * self.scale

    def zoomed(self, factor: float, uv: tuple[float, float] = (0.5, 0.5)) -> Camera:
        """Change the scale so that the media pixel under ``uv`` stays where it is.

        Zooming out ends at the whole picture.
        """
        scale = min(max(self.scale * factor, self.fit_scale), MAX_SCALE)
        if scale <= self.fit_scale * 1.001:
            return Camera.fitted(self.window_wh, self.size_hw)
        x, y = self.to_media(uv)
        left = x - uv[0] * self.window_wh[0] / scale
        return replace(self, scale=scale, left=left, top=y - uv[1] * self.window_wh[1] / scale)

    def moved(self, duv: tuple[float, float]) -> Camera:
        """Drag the picture by a fraction of the window; some of it always stays."""
        (window_w, window_h), (height, width) = self.window_wh, self.size_hw
        wide, high = window_w / self.scale, window_h / self.scale
        left = min(max(self.left - duv[0] * wide, -wide * (1 - _KEEP)), width - wide * _KEEP)
        top = min(max(self.top - duv[1] * high, -high * (1 - _KEEP)), height - high * _KEEP)
        return replace(self, left=left, top=top)

    def resized(self, window_wh: tuple[int, int]) -> Camera:
        """The same centre and relative zoom in a window of another size."""
        if window_wh == self.window_wh:
            return self
        fresh = Camera.fitted(window_wh, self.size_hw)
        if self.is_fitted:
            return fresh
        x, y = self.to_media((0.5, 0.5))
        scale = min(fresh.scale * self.scale / self.fit_scale, MAX_SCALE)
        left = x - window_wh[0] / scale / 2
        return replace(fresh, scale=scale, left=left, top=y - window_wh[1] / scale / 2)

    def visible_xyxy(self) -> tuple[int, int, int, int]:
        """Media pixels in the window: whole numbers, inside the picture, at least one."""
        height, width = self.size_hw
        (x0, y0), (x1, y1) = self.to_media((0.0, 0.0)), self.to_media((1.0, 1.0))
        left, top = min(max(int(x0), 0), width - 1), min(max(int(y0), 0), height - 1)
        right, bottom = min(int(x1) + 1, width), min(int(y1) + 1, height)
        return left, top, max(right, left + 1), max(bottom, top + 1)


def window_for(width: int, size_hw: tuple[int, int] | None, max_height: int) -> tuple[int, int]:
    """Window of a given width that suits a picture: its proportions, but not too tall."""
    height, wide = size_hw or (9, 16)
    return width, max(min(round(width * height / wide), max_height), 200)
