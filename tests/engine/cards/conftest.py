"""Projects of every kind, so that their cards can be read."""

import pytest

from samnb.types import Point, Worker, WorkerKind
from tests.engine.concepts.conftest import desk as desk


@pytest.fixture
def verified(session, media, dog, clock):
    """A masklet by Ana, found bad by Bo, mended, found good."""
    session.set_prompts(dog.id, 0, [Point(10, 10)])
    clock.now_s += 8
    session.propagate(media.id)
    session.submit(dog.id)
    bo = session.as_worker(Worker("bo", WorkerKind.PERSON, "Bo Secretname"))
    clock.now_s += 4
    bo.judge(dog.id, "unsatisfactory", note="Ana missed the tail")
    session.refresh()
    clock.now_s += 4
    session.set_prompts(dog.id, 3, [Point(14, 10)])
    session.submit(dog.id)
    bo.refresh()
    bo.judge(dog.id, "satisfactory")
    session.refresh()
    return session
