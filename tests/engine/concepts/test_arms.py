import pytest

from samnb.engine.concepts import timing
from samnb.engine.concepts.arms import Verification, run_arms
from samnb.engine.concepts.reviewers import PERFECT
from samnb.engine.concepts.timing import AI_ENGINE, ALL_HUMAN, ARMS, FROM_MASKS, FROM_PHRASE, PAPER
from samnb.engine.concepts.world import make_world
from samnb.events.concepts import ConceptTask, RoutingMode, RoutingSwitched
from samnb.types import InputError
from tests.engine.concepts.fakes import WorldSegmenter, WorldVerifier
from tests.engine.concepts.world import Router


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    return make_world(folder, 6, seed=3, size_hw=(64, 96), n_positives=2, n_negatives=4)


def with_models(world):
    verifier = WorldVerifier(world)
    switches = [
        RoutingSwitched(task, RoutingMode.ON, verifier.name, 0.05)
        for task in (ConceptTask.MV, ConceptTask.EV)
    ]
    return Verification(verifier, switches, Router(above=0.9))


@pytest.fixture(scope="module")
def table(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("arms")
    return run_arms(folder, world, WorldSegmenter(world), with_models(world), seed=1)


def row(table, arm):
    return next(r for r in table.rows if r.arm == arm)


def test_the_papers_mix_follows_from_its_positives_and_negatives():
    assert [round(PAPER[arm].mix_s()) for arm in ARMS] == [90, 86, 50, 23]


def test_the_split_of_times_gives_the_papers_totals_back():
    times = timing.Times()
    assert times.correction(0, 0, 0) == PAPER[FROM_PHRASE].negative_s
    assert times.correction(0, 3.1, 0) == pytest.approx(PAPER[FROM_PHRASE].positive_s, abs=1)
    verified_s = times.mv(3.1) + times.ev_s
    gap_s = PAPER[ALL_HUMAN].positive_s - PAPER[AI_ENGINE].positive_s
    assert verified_s == pytest.approx(gap_s, abs=1)
    assert times.mv(0.5) + times.ev_s == PAPER[ALL_HUMAN].negative_s - PAPER[AI_ENGINE].negative_s


def test_times_of_videos_reproduce_the_papers_from_the_phrase_alone():
    times, n_frames = timing.Times(), 84.1
    drawn = 2.52 * n_frames  # the paper's masklets of a positive pair, table 16
    assert times.correction(0, 2.52, 0, n_frames, drawn) == pytest.approx(2307, rel=0.01)


def test_what_is_watched_takes_longer_than_a_picture():
    times = timing.Times()
    assert times.mv(2, 30) == 2 * (times.mv_mask_s + 3.0) and times.mv(2) == 2 * times.mv_mask_s
    assert times.ev(30) == times.ev_s + 3.0 and times.ev() == times.ev_s
    assert times.correction(1, 0, 1, 30) == times.examine_s + 3.0 + times.remove_s


def test_every_pair_is_decided_in_every_arm(table, world):
    n_pairs = sum(len(p.positives) + len(p.negatives) for p in world.pictures)
    assert [r.arm for r in table.rows] == list(ARMS)
    assert {r.n_pairs for r in table.rows} == {n_pairs}
    assert all(r.scores["n_pairs"] == n_pairs for r in table.rows)


def test_from_the_phrase_a_negative_takes_the_papers_time_and_one_touch(table):
    from_phrase = row(table, FROM_PHRASE)
    assert from_phrase.times.negative_s == pytest.approx(71.0)
    assert (from_phrase.positive_touches, from_phrase.negative_touches) == (1.0, 1.0)


def test_models_that_verify_save_people_touches_and_time(table):
    people, models = row(table, ALL_HUMAN), row(table, AI_ENGINE)
    assert models.times.negative_s < people.times.negative_s / 2
    assert models.touches() < people.touches() / 2
    assert models.seen_share < people.seen_share == 1.0
    assert models.scores["cgf1"] > people.scores["cgf1"]


def test_people_who_never_err_give_the_truth_from_the_phrase(world, tmp_path):
    table = run_arms(tmp_path, world, WorldSegmenter(world), arms=[FROM_PHRASE], skill=PERFECT)
    assert table.rows[0].scores["cgf1"] == pytest.approx(100, abs=0.1)


def test_the_same_seed_gives_the_same_log_and_a_second_call_adds_nothing(world, tmp_path):
    from samnb.store.db import Log

    def events(folder):
        run_arms(folder, world, WorldSegmenter(world), arms=[FROM_MASKS], seed=5)
        log = Log(folder / "arm-2.samnb")
        found = log.read()
        log.close()
        return found

    first = events(tmp_path / "a")
    assert events(tmp_path / "a") == first
    bodies = [e.body for e in events(tmp_path / "b")]
    assert bodies[-5:] == [e.body for e in first][-5:] and len(bodies) == len(first)


def test_the_table_has_the_papers_row_beside_ours(table):
    frame = table.to_frame()
    assert frame.paper_mix_s.round().tolist() == [90, 86, 50, 23]
    assert table.ratios().paper.round(2).tolist() == [1.36, 5.0, 2.21]
    assert "12 s a mask in MV" in str(table)


def test_what_cannot_run_is_refused(world, tmp_path):
    with pytest.raises(InputError, match="expected some of"):
        run_arms(tmp_path, world, WorldSegmenter(world), arms=["nonsense"])
    with pytest.raises(InputError, match="expected AI verifiers"):
        run_arms(tmp_path, world, WorldSegmenter(world), arms=[AI_ENGINE])
