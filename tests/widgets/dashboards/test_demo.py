"""The demo's project has work and figures for every page."""

from __future__ import annotations

import pytest

from samnb.engine import stats
from samnb.engine.concepts import stats as concept_stats
from samnb.engine.concepts.policy import random_slice
from samnb.engine.session import Session
from samnb.types import WorkerKind
from samnb.widgets.dashboards import demo
from samnb.widgets.dashboards.annotate import count_supply
from samnb.widgets.dashboards.review import count_waiting
from samnb.widgets.dashboards.selection import read_log
from samnb.widgets.dashboards.stages import to_propagate
from samnb.widgets.dashboards.statistics import _checks


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    path = tmp_path_factory.mktemp("demo") / "p.samnb"
    demo.make_demo(path, start_s=1e9)
    session = Session.open(path, worker="me")
    before = session.state.seq
    demo.make_demo(path, start_s=1e9)
    assert session.refresh().seq == before, "a project with work in it is left alone"
    yield session
    session.close()


def test_every_desk_has_work(project):
    waiting = count_waiting(project)
    desks = {"masklets", "mv", "ev", "correct"}
    assert {task for task, n in waiting.counts.items() if n} == desks, waiting
    supply = count_supply(project)
    assert supply.n_waiting == 2 and supply.n_back == 1


def test_the_machine_has_something_to_do(project):
    assert sum(map(len, to_propagate(project).values())) == 1


def test_there_is_something_to_measure(project):
    events = project.log.read()
    table = stats.phases(events)
    assert {row.phase for row in table.rows} == {1, 2, 3}
    assert table.row(3).speed_up > 1
    summary = concept_stats.summary(events).set_index("kind")
    assert summary.pairs["positive"] and summary.pairs["negative"]
    checks = dict(_checks(read_log(events)))
    assert any(any(random_slice(past)) for past in checks.values())
    # MV, EV without masks and EV with masks.
    assert len(checks) == 3


def test_it_hides_from_nobody_who_made_it(project):
    kinds = {w.id: w.kind for w in project.state.workers.values() if w.id != "me"}
    assert WorkerKind.PERSON not in kinds.values()
    assert kinds[demo.VERIFIER] is WorkerKind.MODEL
    assert set(concept_stats.verifiers(project.log).verifier) == {demo.VERIFIER}
