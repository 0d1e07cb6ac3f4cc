"""The masklet loop's stages on six frames with a square."""

from __future__ import annotations

import threading

import pytest

from samnb.engine import auto
from samnb.events import PropagationEnded
from samnb.types import ModelError
from samnb.widgets.dashboards.stages import MASKLET_STAGES, Bench, Settings, to_propagate
from tests.squares import N_FRAMES
from tests.widgets.concept_bench import propose
from tests.widgets.dashboards.work import click, hand_in

STAGES = {stage.key: stage for stage in MASKLET_STAGES}


@pytest.fixture
def bench(open_project, media):
    return Bench(open_project("engine"))


def run(bench, key, cancel=None):
    told = []
    text = STAGES[key].run(bench, lambda *news: told.append(news), cancel or threading.Event())
    return text, told


def left(bench, key):
    bench.session.refresh()
    return STAGES[key].left(bench.session).n


def test_propagation_fills_both_directions(bench, open_project, media):
    item = open_project("ana").add_item(media.id)
    open_project("ana").set_prompts(item.id, 3, [_point()])
    assert left(bench, "propagate") == 1
    text, told = run(bench, "propagate")
    assert bench.session.missing_frames(item.id) == () and left(bench, "propagate") == 0
    assert text.startswith("7 frames") and told[-1][:2] == (100, 100)
    ends = [e for e in bench.session.log.read() if isinstance(e.body, PropagationEnded)]
    assert len(ends) == 2 and {e.worker_id for e in ends} == {"engine"}


def _point():
    from samnb.types import Point

    return Point(10, 10)


def test_what_somebody_works_on_is_left_alone(bench, open_project, media):
    ana = open_project("ana")
    click(ana, media.id)
    ana.next("annotator")
    assert left(bench, "propagate") == 0 and to_propagate(bench.session) == {}


def test_a_stopped_propagation_keeps_its_frames_and_goes_on(bench, open_project, media, tracker):
    cancel = threading.Event()
    item_id = click(open_project("ana"), media.id)
    bench.session.refresh()
    tracker.at[3] = cancel.set
    run(bench, "propagate", cancel)
    assert 0 < len(bench.session.missing_frames(item_id)) < N_FRAMES - 1
    assert left(bench, "propagate") == 1
    tracker.at.clear()
    run(bench, "propagate")
    assert bench.session.missing_frames(item_id) == ()


def test_auto_masklets_are_proposed_once_for_each_medium(bench, picture, monkeypatch):
    propose(*picture, "cup", [0])  # the concept loop's picture is none of this loop
    asked = []

    def fake(session, media_id, settings, *, on_progress, cancel):
        asked.append((media_id, settings))
        on_progress("track", 1, 2)
        item = session.add_item(media_id, source="auto")
        return auto.AutoResult("done", 3, 0, 1, (item.id,))

    monkeypatch.setattr(auto, "propose_masklets", fake)
    bench.settings = Settings(grid=4, n_masklets=7)
    assert left(bench, "auto") == 1
    text, told = run(bench, "auto")
    assert text == "1 masklets proposed, 1 dropped as objects known already"
    assert told[0][:2] == (75, 100) and "track 1 of 2" in told[0][2]
    ((_, settings),) = asked
    assert settings.limit == 7 and settings.grid.n_points == 16
    assert left(bench, "auto") == 0 and run(bench, "auto")[0].startswith("0 masklets")


def test_failures_are_sampled(bench):
    assert left(bench, "failures") == 0
    assert run(bench, "failures")[0] == "0 kept for annotators, 0 dropped"


def test_retraining_says_what_it_lacks(bench, open_project, media):
    item_id = hand_in(open_project("ana"), media.id)
    open_project("bo").judge(item_id, "satisfactory")
    assert left(bench, "retrain") == 1
    words = STAGES["retrain"].left(bench.session).words
    assert words == "verified masklets on 1 media to learn from"
    with pytest.raises(Exception, match="at least two media"):
        run(bench, "retrain")


def test_people_s_stages_count(bench, open_project, media):
    hand_in(open_project("ana"), media.id)
    click(open_project("ana"), media.id, (20, 10))
    assert (left(bench, "verify"), left(bench, "track")) == (1, 1)
    assert STAGES["verify"].run is STAGES["track"].run is None


def test_a_segmenter_that_is_not_there_is_refused(bench):
    bench.settings = Settings(segmenter="nonsense")
    with pytest.raises(ModelError, match="nonsense"):
        bench.segmenter()
