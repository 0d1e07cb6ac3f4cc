import threading

import pytest

from samnb.comparison.account import account_of
from samnb.comparison.engines import Terms, run_concepts, run_masklets
from samnb.comparison.preparing import GIVEN, give_leave, prepare
from samnb.engine.concepts.trainers import NewVersion
from samnb.engine.concepts.world import make_world
from samnb.events.concepts import ConceptTask, RoutingMode
from samnb.store.db import Log
from samnb.types import InputError
from tests.comparison.flat import FlatSegmenter, FlatVerifier, with_leave
from tests.engine.concepts.fakes import WorldSegmenter, WorldVerifier
from tests.engine.scene import ColourTracker


def events(path):
    log = Log(path)
    found = log.read()
    log.close()
    return found


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    return make_world(folder, 32, seed=3, size_hw=(64, 96), n_positives=2, n_negatives=6)


def test_a_warm_up_gives_leave_by_evidence_and_is_timed(pictures, tmp_path):
    def teach(examples, *, parent, folder, seed, on_progress, cancel):
        return NewVersion("done", 1, WorldVerifier(pictures, accuracy=1.0), folder / "judge")

    path = tmp_path / "warmup.samnb"
    made = prepare(path, pictures, WorldSegmenter(pictures), Terms(), trainer=teach)
    modes = {s.task: s.mode for s in made.switches}
    assert modes[ConceptTask.EV] is RoutingMode.ON
    kinds = [e.kind for e in events(path)]
    assert kinds.count("model_promoted") == 1 and "media_tagged" in kinds


def test_leave_of_a_warm_up_is_taken_over_once(flat, tmp_path):
    path, terms = tmp_path / "c.samnb", Terms(minutes=0.1)
    for _ in range(2):
        run_concepts(path, flat, FlatSegmenter(flat), terms, prepared=with_leave(flat))
    assert [e.kind for e in events(path)].count("routing_switched") == 2


def test_a_cancelled_run_goes_on_to_the_same_masklets(flat, tmp_path):
    def masks(path):
        found = events(path)
        return [e.body.proposal.masks for e in found if e.kind == "submitted"]

    tracker, terms = ColourTracker(rough=6, drift=1.0), Terms(minutes=1e6)
    stop = threading.Event()

    def after_one(spent, allowed, what):
        if spent > 0:
            stop.set()

    run_masklets(tmp_path / "a.samnb", flat, tracker, terms, on_progress=after_one, cancel=stop)
    assert 0 < len(masks(tmp_path / "a.samnb")) < 6
    run_masklets(tmp_path / "a.samnb", flat, tracker, terms)
    run_masklets(tmp_path / "b.samnb", flat, tracker, terms)
    assert masks(tmp_path / "a.samnb") == masks(tmp_path / "b.samnb")


def test_leave_that_is_given_decides_and_says_that_it_was_not_earned(flat, tmp_path):
    path, terms = tmp_path / "c.samnb", Terms(minutes=1e6, leave_above=0.9)
    segmenter = FlatSegmenter(flat)
    given = give_leave(FlatVerifier(flat), terms, segmenter)
    run_concepts(path, flat, segmenter, terms, prepared=given)
    log = Log(path)
    account = account_of(log)
    log.close()
    assert account.n_ai_items > 0
    assert {e.body.reason for e in events(path) if e.kind == "routing_switched"} >= {GIVEN}


@pytest.mark.parametrize("above", [None, 1.5])
def test_leave_needs_a_confidence_and_a_verifier(flat, above):
    terms, segmenter = Terms(leave_above=above), FlatSegmenter(flat)
    with pytest.raises(InputError, match="leave_above"):
        give_leave(FlatVerifier(flat), terms, segmenter)
    with pytest.raises(InputError, match="expected one that can ask"):
        give_leave(None, Terms(leave_above=0.5), segmenter)
