import threading

import pytest

from samnb.engine.experiment import run_experiment
from samnb.engine.replay import replay
from samnb.engine.session import Session
from samnb.engine.workers import Strictness
from samnb.types import InputError
from tests.engine.scene import ColourTracker, make_truth


@pytest.fixture(params=[2, 3])
def project(tmp_path, request):
    """Two accepted masklets, annotated with a tracker that slips one pixel per frame."""
    truth = make_truth(tmp_path)
    path = tmp_path / "p.samnb"
    run_experiment(
        path, truth, tracker=ColourTracker(drift=1.0), phases=(1, request.param),
        annotation_fps=24.0, strictness=Strictness(),
    )  # fmt: skip
    session = Session.open(path, worker="ana", tracker=ColourTracker())
    yield session
    session.close()


def test_the_same_model_saves_nothing(project):
    result = replay(project, ColourTracker(drift=1.0))
    assert len(result.rows) == 2 and result.status == "done"
    assert result.edits > 2 and result.saved_edits == 0
    assert all(r.edits_needed == r.edits and r.wrong_frames == 0 for r in result.rows)
    assert all(r.jf == pytest.approx(1.0) for r in result.rows)


def test_a_steadier_model_saves_all_but_the_first_prompts(project):
    n_events = len(project.log.read())
    result = replay(project, ColourTracker(drift=0.0))
    # the ball hides for two frames, which was said by hand; no model's drift changes that
    assert all(r.edits_needed == 1 for r in result.rows)
    assert result.saved_edits == result.edits - 2 > 0
    assert 0 < result.saved_share < 1
    assert all(r.clicks_needed < r.clicks for r in result.rows)
    assert len(project.log.read()) == n_events, "a replay leaves no trace"
    assert "edits saved" in str(result) and result.to_dict()["saved_edits"] > 0


def test_a_worse_model_is_charged_for_new_errors(project):
    result = replay(project, ColourTracker(drift=4.0))
    assert sum(r.wrong_frames for r in result.rows) > 0 and result.saved_edits < 0


def test_only_tracked_masklets_that_were_handed_in(project):
    phase_1 = next(s for s in project.refresh().items.values() if s.item.phase == 1)
    with pytest.raises(InputError, match="Phase 2 or 3"):
        replay(project, ColourTracker(), item_ids=[phase_1.item.id])


def test_progress_and_cancel(project):
    cancel, seen = threading.Event(), []

    def watch(done, total):
        seen.append((done, total))
        if done == 0:
            cancel.set()

    result = replay(project, ColourTracker(), on_progress=watch, cancel=cancel)
    assert result.status == "cancelled" and len(result.rows) == 1 and seen == [(0, 2)]
