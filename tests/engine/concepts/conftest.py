import itertools

import pytest

from samnb.engine.session import Session
from samnb.types import Worker, WorkerKind
from tests.engine.concepts.world import write_picture


@pytest.fixture
def desk(tmp_path, clock, tracker):
    """A project with one picture; ``desk(name)`` is a worker's door to its pairs."""
    counter = itertools.count(1)
    session = Session.open(
        tmp_path / "p.samnb",
        worker="ana",
        tracker=tracker,
        clock=clock,
        ids=lambda: f"id{next(counter)}",
    )
    media = session.add_media(write_picture(tmp_path / "a.png"))
    doors = {"ana": session.concepts}

    def door(name="ana"):
        if name not in doors:
            doors[name] = session.as_worker(Worker(name, WorkerKind.PERSON)).concepts
        doors[name].refresh()
        return doors[name]

    door.media_id = media.id
    door.session = session
    yield door
    session.close()
