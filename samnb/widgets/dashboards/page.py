"""What the dashboards have in common: a heading, a banner, a page thread, a look now and then.

A dashboard is a picture of the log. It never keeps a count of its own: it looks at the log
every :data:`~samnb.widgets.attendance.POLL_S` seconds and draws what it says.
"""

from __future__ import annotations

import html
import logging
import pathlib
import time
from collections.abc import Sequence
from typing import Any, Final

import anywidget
import ipywidgets

from samnb.types import SamnbError
from samnb.widgets.attendance import POLL_S
from samnb.widgets.banner import BannerBar
from samnb.widgets.jobs import Later, RunnerFactory, Thread, Work, after
from samnb.widgets.snapshots import Banner
from samnb.widgets.surface import ROOT_CLASS

_log = logging.getLogger("samnb.widgets")
ROOT: Final = "samnb-dashboard"
"""Class of the element that holds a page; keys and styles reach as far as it does."""
_HERE: Final = pathlib.Path(__file__).parent


class Sheet(anywidget.AnyWidget):
    """The style of a page without a picture, and the way by which files leave it."""

    _esm = _HERE / "page.js"
    _css = "\n".join(
        path.read_text("utf-8") for path in (_HERE.parent / "studio.css", _HERE / "dashboard.css")
    )

    def save(self, name: str, text: str, kind: str = "text/csv") -> None:
        """Have the browser download a file.

        Args:
            name: of the file.
            text: what is in it.
            kind: its MIME type.
        """
        self.send({"kind": "save", "name": name, "type": kind}, [text.encode("utf-8")])


class Dashboard:
    """A page on one project. Show it by leaving it as the last line of a cell.

    Args:
        title: what the page is for.
        where: the project, for people.
        note: something that is true of the whole page, such as where its data come from.
        runners: makes its threads; tests pass one that works in the caller.
        later: calls work after a delay.
    """

    def __init__(
        self,
        title: str,
        where: str,
        *,
        note: str = "",
        runners: RunnerFactory = Thread,
        later: Later = after,
    ) -> None:
        self._title, self._where, self._later = title, where, later
        self._is_closed = False
        self.page = runners("samnb-dashboard", self.fail)
        self.work = runners("samnb-looking", lambda error: self.do(lambda: self.fail(error)))
        self.sheet = Sheet()
        self.heading = ipywidgets.HTML().add_class("samnb-heading")
        self.status = ipywidgets.HTML().add_class("samnb-saved")
        self.note = ipywidgets.HTML(html.escape(note)).add_class("samnb-faint")
        self.note.layout.display = None if note else "none"
        self.banner = BannerBar(lambda: self.do(lambda: self.tell(None)))
        self.banner.show(None)
        self.top = ipywidgets.Box([self.heading, self.status]).add_class("samnb-header")
        self.body = ipywidgets.Box([]).add_class("samnb-body")
        self.widget = ipywidgets.Box(
            [self.sheet, self.top, self.note, self.banner.widget, self.body]
        )
        self.widget.add_class(ROOT_CLASS).add_class(ROOT)
        self.heading.value = (
            f'<h2>{html.escape(title)}</h2> <span class="samnb-faint">{html.escape(where)}</span>'
        )

    # -- for the pages ---------------------------------------------------------------

    def look(self) -> None:
        """Read the log and draw; runs off the page thread every few seconds."""
        raise NotImplementedError

    def start(self) -> None:
        """Look for the first time, and again and again."""
        self.work.post(self.look)
        self._later(POLL_S, self._poll)

    def do(self, work: Work) -> None:
        """Run ``work`` on the page thread."""
        self.page.post(work)

    def tell(self, banner: Banner | None) -> None:
        """Show one line on top of the page, or take it away; on the page thread."""
        self.banner.show(banner)

    def fail(self, error: BaseException) -> None:
        """Show an error; what samnb did not raise on purpose is also logged."""
        self.tell(Banner(error_text(error), "error"))

    def close(self) -> None:
        """Stop its threads and take it off the page."""
        self._is_closed = True
        self.work.close()
        self.page.close()
        self.widget.close()

    def _poll(self) -> None:
        if not self._is_closed:
            self.work.post_latest("look", self.look)
            self._later(POLL_S, self._poll)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.widget._repr_mimebundle_(**kwargs)


class Refusal(Dashboard):
    """The page that is shown where a dashboard cannot be opened: why, and what to do."""

    def __init__(self, title: str, where: str, error: BaseException, remedy: str = "") -> None:
        super().__init__(title, where)
        self.fail(error)
        self.body.children = (
            empty("This page needs a project", html.escape(remedy)) if remedy else empty("", ""),
        )

    def look(self) -> None:
        """There is nothing to look at."""


def error_text(error: BaseException) -> str:
    """An error in words: its message where samnb raised it on purpose, else its kind too."""
    if isinstance(error, SamnbError):
        return str(error)
    _log.error("dashboard: %s", error, exc_info=error)
    return f"{type(error).__name__}: {error}"


def empty(title: str, words: str) -> ipywidgets.HTML:
    """What a page shows instead of nothing.

    Args:
        title: what there is none of, plain text.
        words: what to do about it, HTML.
    """
    inside = f"<h3>{html.escape(title)}</h3><p>{words}</p>"
    return ipywidgets.HTML(f'<div class="samnb-empty">{inside}</div>')


def growth_text(n_events: int, at_s: float | None) -> str:
    """How far the log goes: ``"485 events · last 17:03:12"``."""
    if at_s is None:
        return "no events yet"
    then = time.strftime("%d %b %H:%M:%S", time.localtime(at_s))
    return f"{n_events} events · last {then}"


def group(children: Sequence[ipywidgets.Widget]) -> ipywidgets.Box:
    """Widgets side by side that wrap where there is no room."""
    return ipywidgets.Box(list(children)).add_class("samnb-bar")
