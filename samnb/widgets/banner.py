"""The line of a page that tells one thing, with one thing to do about it."""

from __future__ import annotations

import html
from collections.abc import Callable

import ipywidgets

from samnb.widgets.buttons import show_if
from samnb.widgets.snapshots import Banner


class BannerBar:
    """Shows a :class:`~samnb.widgets.snapshots.Banner`.

    Args:
        dismiss: called when somebody closes the message.
    """

    def __init__(self, dismiss: Callable[[], None]) -> None:
        self._banner: Banner | None = None
        self.words = ipywidgets.HTML()
        self.offer = ipywidgets.Button().add_class("samnb-button")
        self.offer.on_click(lambda _b: self._accept())
        close = ipywidgets.Button(description="Close", tooltip="Take this message away")
        close.add_class("samnb-button")
        close.on_click(lambda _b: dismiss())
        self.widget = ipywidgets.Box([self.words, self.offer, close]).add_class("samnb-banner")

    def show(self, banner: Banner | None) -> None:
        """Show a message, or nothing."""
        self._banner = banner
        show_if(self.widget, banner is not None)
        if banner is not None:
            role = "alert" if banner.kind == "error" else "status"
            self.words.value = (
                f'<div role="{role}" class="samnb-{banner.kind}">{html.escape(banner.text)}</div>'
            )
            self.offer.description = banner.offer
            show_if(self.offer, bool(banner.offer))

    def _accept(self) -> None:
        if self._banner is not None and self._banner.act is not None:
            self._banner.act()
