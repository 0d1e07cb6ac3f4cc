"""The demo of the concept desks."""

from __future__ import annotations

import numpy as np
import pytest

from samnb.engine.session import Session
from samnb.events.concepts import ConceptProposed, ConceptTask
from samnb.synthetic.concepts import make_concept_scene
from samnb.types import WorkerKind
from samnb.widgets import concept_demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    session = Session.open(folder / "p.samnb", worker="demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(concept_demo, "N_PICTURES", 5)
        concept_demo.make_demo(session, folder / "media")
        seq = session.state.seq
        concept_demo.make_demo(session, folder / "media")
    assert session.refresh().seq == seq, "a project that has pairs is left alone"
    yield session
    session.close()


def test_every_desk_has_work_for_a_newcomer(demo):
    loop = demo.as_worker("me").concepts
    tasks = (ConceptTask.MV, ConceptTask.EV, ConceptTask.CORRECT)
    assert all(loop.waiting(task) for task in tasks), loop.state.counts()


def test_nothing_in_the_log_says_that_a_model_or_a_person_made_it(demo):
    bodies = [e.body for e in demo.log.read()]
    assert {b.model for b in bodies if isinstance(b, ConceptProposed)} == {"spoiled-truth"}
    kinds = {w.id: w.kind for w in demo.state.workers.values()}
    assert kinds["colleague 1"] is kinds["colleague 2"] is WorkerKind.SIMULATED
    assert "not proposed by a model" in concept_demo.NOTE


def test_masks_are_spoiled_in_several_ways():
    scene = make_concept_scene(3, size_hw=(120, 160), difficulty=0.3)
    truth = scene.truth(scene.phrases[0])
    rng = np.random.default_rng(0)
    drawn = [concept_demo.spoiled(scene, truth, (), rng) for _ in range(60)]
    counts = {len(masks) for masks in drawn}
    assert min(counts) < len(truth) and max(counts) == len(truth)
    exact = [any(np.array_equal(m, t) for t in truth) for masks in drawn for m in masks]
    assert 0.5 < np.mean(exact) < 1.0
