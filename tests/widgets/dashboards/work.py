"""Short ways through both loops, for pages that look at what came of it."""

from __future__ import annotations

from samnb.events import MediaAdded
from samnb.types import Point
from tests.engine.concepts.world import Verifier
from tests.widgets.concept_bench import propose


def click(session, media_id, xy=(10, 10), **item):
    """Begin an object by one click on the first frame; returns its id."""
    state = session.add_item(media_id, **item)
    session.set_prompts(state.id, 0, [Point(*xy)])
    return state.id


def hand_in(session, media_id, xy=(10, 10), **item):
    """Click an object, follow it to the end and hand it in; returns its id."""
    item_id = click(session, media_id, xy, **item)
    session.propagate(media_id, [item_id])
    session.submit(item_id)
    return item_id


def decide_pairs(loop, media_id):
    """A positive and a negative, final, with a verifier's answers; returns their ids."""
    ids = [propose(loop, media_id, "cup", [0]), propose(loop, media_id, "dog", [])]
    loop.verify(Verifier())
    people = [loop.session.as_worker(name).concepts for name in ("mia", "eve")]
    people[0].answer_mv(ids[0], "accept")
    for pair_id in ids:
        people[1].answer_ev(pair_id, "accept")
    loop.refresh()
    return ids


def media_of(session):
    """Ids of media in the order in which they were added."""
    return [e.body.media.id for e in session.log.read() if isinstance(e.body, MediaAdded)]
