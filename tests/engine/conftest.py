"""A session on the shared tiny project, with an object to work on."""

from __future__ import annotations

import pytest

from tests.squares import SquareTracker


@pytest.fixture
def tracker():
    return SquareTracker()


@pytest.fixture
def session(open_project):
    return open_project()


@pytest.fixture
def media(session, frames_dir):
    return session.add_media(frames_dir)


@pytest.fixture
def dog(session, media):
    return session.add_item(media.id, "dog")
