"""Pages whose browser is this process: no threads, timers that go off when told."""

from __future__ import annotations

import pytest

from samnb.widgets.dashboards.annotate import Annotate
from samnb.widgets.dashboards.engine import EngineRoom
from samnb.widgets.dashboards.review import Review
from samnb.widgets.dashboards.statistics import Statistics
from samnb.widgets.jobs import inline


@pytest.fixture
def open_page(open_project, later):
    """Open a page; its session belongs to ``worker``."""
    pages = []

    def open_it(kind, worker="ana", **options):
        session = open_project(worker)
        subject = session.log if kind is Statistics else session
        pages.append(kind(subject, runners=inline, later=later, **options))
        return pages[-1]

    yield open_it
    for page in pages:
        page.close()


@pytest.fixture
def statistics(open_page):
    return lambda **options: open_page(Statistics, "viewer", **options)


@pytest.fixture
def review(open_page):
    return lambda worker="ana": open_page(Review, worker)


@pytest.fixture
def annotate(open_page):
    return lambda worker="ana": open_page(Annotate, worker)


@pytest.fixture
def engine(open_page):
    return lambda **options: open_page(EngineRoom, "engine", **options)
