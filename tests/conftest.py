"""A project on six tiny frames, for the rooms that define a ``tracker`` to open it with."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from PIL import Image

from samnb.engine.session import Session
from tests.squares import N_FRAMES, SIZE_HW, Clock


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def frames_dir(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for n in range(N_FRAMES):
        image = rng.integers(0, 255, (*SIZE_HW, 3), dtype=np.uint8)
        Image.fromarray(image).save(folder / f"{n:03d}.png")
    return folder


@pytest.fixture
def open_project(tmp_path, clock, tracker):
    """Open the same project again and again, as after a restart of the kernel."""
    opened = []
    counter = itertools.count(1)

    def open_it(worker="ana"):
        session = Session.open(
            tmp_path / "p.samnb", worker=worker, tracker=tracker, clock=clock,
            annotation_fps=100.0, ids=lambda: f"id{next(counter):03d}",
        )  # fmt: skip
        opened.append(session)
        return session

    yield open_it
    for session in opened:
        session.close()
