import threading

import pytest

from samnb.engine.experiment import run_experiment
from samnb.engine.simulation import CAREFUL
from samnb.engine.workers import Strictness
from samnb.events import ItemAdded, Judged, encode
from samnb.store.db import Log
from samnb.types import InputError, WorkerKind
from tests.engine.scene import N_FRAMES, ColourTracker, make_truth


@pytest.fixture
def truth(tmp_path):
    return make_truth(tmp_path)


def lines(path, skip=0):
    log = Log(path)
    found = [(e.at_s, e.worker_id, encode(e.body)) for e in log.read()][skip:]
    log.close()
    return found


def run(path, truth, **kw):
    return run_experiment(path, truth, tracker=ColourTracker(drift=1.0), annotation_fps=24.0, **kw)


def test_all_phases_annotate_the_same_objects_with_different_workers(tmp_path, truth):
    seen = []
    path = tmp_path / "p.samnb"
    result = run(path, truth, on_progress=lambda *a: seen.append(a))
    assert (result.status, result.n_done, result.n_total) == ("done", 6, 6)
    assert [s[0] for s in seen] == list(range(7)) and seen[-1] == (6, 6, "")
    log = Log(path)
    events = log.read()
    log.close()
    targets = [e.body.item.target_id for e in events if isinstance(e.body, ItemAdded)]
    assert sorted(targets) == ["clip0/1"] * 3 + ["clip0/2"] * 3
    assert {e.worker_id for e in events} == {
        "selector",
        "annotator-1",
        "annotator-2",
        "annotator-3",
    }
    one, two, three = (result.table.row(p) for p in (1, 2, 3))
    assert one.edited_share == 1.0 and one.n_frames == 2 * N_FRAMES
    assert one.s_per_frame > two.s_per_frame > three.s_per_frame > 0
    assert three.edited_share <= two.edited_share < 0.5
    assert two.aligned["all"] > 0.8 and two.n_aligned["all"] == 2 * N_FRAMES - 2
    assert "speed-up" in str(result) and "6 of 6" in result._repr_html_()
    assert result.to_dict()["rows"][2]["paper"]["edited_share"] == 0.1904
    assert "wrong below IoU 0.75" in result.to_dict()["definitions"]["annotators"]


def test_an_interrupted_run_goes_on_to_the_same_table(tmp_path, truth):
    whole = run(tmp_path / "whole.samnb", truth)
    cancel = threading.Event()
    path = tmp_path / "parts.samnb"

    def stop(done, _total, _what):
        if done == 3:
            cancel.set()

    first = run(path, truth, on_progress=stop, cancel=cancel)
    assert first.status == "cancelled" and first.n_done < 6
    n_before = len(lines(path))
    second = run(path, truth)
    assert second.status == "done"
    assert second.table.to_dict()["rows"] == whole.table.to_dict()["rows"]
    n_after = len(lines(path))
    assert n_after > n_before
    run(path, truth)
    assert len(lines(path)) == n_after, "a finished run does nothing more"


def test_the_same_seed_gives_the_same_log(tmp_path, truth):
    kw = {"phases": (1, 3), "strictness": Strictness(error_rate=0.3), "seed": 5}
    run(tmp_path / "a.samnb", truth, **kw)
    run(tmp_path / "b.samnb", truth, **kw)
    a, b = lines(tmp_path / "a.samnb", 1), lines(tmp_path / "b.samnb", 1)
    assert a == b and len(a) > 50


def test_a_verifier_judges_and_sends_back(tmp_path, truth):
    path = tmp_path / "p.samnb"
    run(path, truth, phases=(3,), strictness=Strictness(error_rate=0.5), seed=1)
    log = Log(path)
    verdicts = [e.body.verdict for e in log.read() if isinstance(e.body, Judged)]
    log.close()
    assert {v.worker_id for v in verdicts} == {"verifier"}
    assert len(verdicts) > 2, "at least one masklet came back"


def test_workers_are_known_as_simulated(tmp_path, truth):
    path = tmp_path / "p.samnb"
    run(path, truth, phases=(3,))
    log = Log(path)
    joined = [e.body.worker.kind for e in log.read() if e.kind == "worker_joined"]
    log.close()
    assert set(joined) == {WorkerKind.SIMULATED}


def test_impossible_arguments_are_refused(tmp_path, truth):
    with pytest.raises(InputError, match="phases: expected"):
        run(tmp_path / "p.samnb", truth, phases=(4,))
    with pytest.raises(InputError, match="at least one object"):
        run(tmp_path / "p.samnb", make_truth(tmp_path, 0))
    with pytest.raises(InputError, match="pause_iou"):
        type(CAREFUL)(pause_iou=2.0)
