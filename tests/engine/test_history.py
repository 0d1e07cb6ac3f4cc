"""A log is folded once, and only what is new is folded on."""

from __future__ import annotations

import pytest

from samnb.engine import effort, history, rates, stats
from samnb.engine.concepts.state import ConceptState
from samnb.engine.flow import fold
from samnb.engine.history import History, read_history
from samnb.engine.state import ProjectState
from samnb.types import Point


@pytest.fixture
def annotated(open_project, media):
    """Ana's session with one object clicked twice; the second click was undone."""
    ana = open_project("ana")
    item = ana.add_item(media.id, "disc")
    ana.set_prompts(item.id, 0, [Point(10, 10)])
    ana.set_prompts(item.id, 0, [Point(10, 10), Point(12, 12)])
    ana.undo(item.id, 0)
    return ana


def test_it_says_what_folding_says(annotated):
    events = annotated.log.read()
    known = History(events)
    assert list(known) == events and known[-1] == events[-1] and len(known) == len(events)
    assert known.project == fold(ProjectState(), events) == annotated.state
    assert known.pairs == ConceptState(
        seq=known.pairs.seq, workers=known.pairs.workers, videos=known.pairs.videos
    )
    assert known.costs(5.0) == effort.effort_of(events, known.project.items, 5.0)
    assert known.seconds() == effort.active_time(events)


def test_what_is_appended_is_folded_on(annotated, media):
    before = History(annotated.log.read())
    state = before.project
    annotated.add_item(media.id, "box")
    more = annotated.log.read(before[-1].seq)
    after = before.followed_by(more)
    assert after.__dict__["project"] == fold(ProjectState(), annotated.log.read())
    assert before.project is state and len(before) + len(more) == len(after)
    assert after.followed_by([]) is after


def test_an_open_log_is_read_and_folded_once(annotated, media, monkeypatch):
    source, asked = annotated.log, []
    read, real = source.read, history.fold
    monkeypatch.setattr(source, "read", lambda seq=0: asked.append(seq) or read(seq))
    folded = []
    monkeypatch.setattr(history, "fold", lambda s, e: folded.append(len(e)) or real(s, e))
    rates.effort(source)
    n = len(read())
    rates.acceptance(annotated)
    assert asked == [0, n] and folded == [n]
    annotated.add_item(media.id, "box")
    first, _ = read_history(source)
    assert first.project == annotated.state and folded[1:] == [len(first) - n]
    assert len(stats.masklets(first)) == 2 and len(folded) == 2


def test_masks_come_from_the_log_or_from_whoever_asks(annotated):
    assert read_history(annotated)[1] == annotated.log.masks
    events = annotated.log.read()
    assert read_history(events)[1] is None
    assert read_history(events, annotated.masks)[1] == annotated.masks
