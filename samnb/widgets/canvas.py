"""What stage and timeline share about ipycanvas: safe holds and reusable images."""

from __future__ import annotations

import base64
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import ipywidgets
from ipycanvas import Canvas, hold_canvas

from samnb.widgets.pictures import Picture

_DRAWING = threading.RLock()


@cache
def _anchor() -> Canvas:
    return Canvas(width=1, height=1)


@contextmanager
def held() -> Iterator[None]:
    """Send all drawing inside the block as one message, whatever happens in it.

    ipycanvas keeps one queue of commands per kernel and, after an exception inside its
    own ``hold_canvas``, stays in holding mode for ever; and two studios in one kernel
    would mix their commands. Compute first, then draw in here.

    Every message names its canvas anew, by way of an anchor that nothing else draws on:
    ipycanvas leaves the name out when it drew there last, but a page that was opened
    since then has not heard it, fails on the first command and never draws again.
    """
    with _DRAWING:
        hold = hold_canvas()
        hold.__enter__()
        try:
            _anchor().clear()
            yield
        finally:
            hold.__exit__(None, None, None)


class ImagePool:
    """Image widgets that canvases draw from, reused oldest first.

    A zoom or a redraw names a widget that the browser already has and sends no pixels.
    Pictures travel as data URLs: ipycanvas makes an object URL for every drawn binary
    image and never revokes it, which would fill the browser's memory while playing.
    """

    def __init__(self, size: int = 48) -> None:
        self._size = size
        self._images: OrderedDict[str, ipywidgets.Image] = OrderedDict()

    def get(self, picture: Picture) -> ipywidgets.Image:
        """Return a widget that shows ``picture``; it stays so for the next ``size`` gets."""
        image = self._images.pop(picture.key, None)
        if image is None:
            code = base64.b64encode(picture.data)
            value = b"data:" + picture.mime.encode("ascii") + b";base64," + code
            if len(self._images) < self._size:
                image = ipywidgets.Image(value=value, format="url")
            else:
                image = self._images.popitem(last=False)[1]
                image.value = value
        self._images[picture.key] = image
        return image

    def close(self) -> None:
        """Take all widgets out of the browser."""
        while self._images:
            self._images.popitem()[1].close()
