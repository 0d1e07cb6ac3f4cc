import json
from types import SimpleNamespace

import pytest

from samnb.engine.concepts import cycles, stats
from samnb.engine.concepts.arms import run_arms
from samnb.engine.concepts.cycles import run_cycles
from samnb.engine.concepts.reviewers import Skill
from samnb.engine.concepts.timing import AI_ENGINE, ALL_HUMAN
from samnb.engine.concepts.warmup import Targets, parity, prepare_verification
from samnb.engine.concepts.world import ConceptWorld, make_world
from samnb.events.concepts import ConceptTask, PhrasesMined, RoutingMode
from samnb.store.db import Log
from samnb.types import InputError
from tests.engine.concepts.fakes import WorldSegmenter, WorldVerifier
from tests.engine.concepts.test_retrain import trainer_to

SIZE = {"size_hw": (64, 96), "n_positives": 4, "n_negatives": 12}


def test_parity_is_how_often_two_people_disagree():
    assert parity(0.75) == pytest.approx(0.375)
    assert (parity(1.0), parity(0.5)) == (0.0, 0.5)
    with pytest.raises(InputError, match="accuracy"):
        parity(1.2)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    return make_world(folder, 14, seed=1, **SIZE), make_world(folder, 3, seed=2, **SIZE)


def whole(worlds):
    return ConceptWorld(tuple(p for w in worlds for p in w.pictures))


def test_a_good_verifier_earns_its_place_in_the_warm_up_and_saves_work(worlds, tmp_path):
    every = whole(worlds)
    segmenter, judge = WorldSegmenter(every), WorldVerifier(every, accuracy=0.97)
    skill = Skill(mv_accuracy=0.9, ev_accuracy=0.9)
    ready = prepare_verification(
        tmp_path / "warm.samnb",
        worlds[0],
        segmenter,
        skill=skill,
        targets=Targets(0.3, 0.3),
        trainer=trainer_to(judge, metrics={"mv_accuracy": 0.9}),
    )
    modes = {s.task: s.mode for s in ready.switches}
    assert modes == dict.fromkeys((ConceptTask.MV, ConceptTask.EV), RoutingMode.ON)
    table = run_arms(
        tmp_path / "arms", worlds[1], segmenter, ready, arms=[ALL_HUMAN, AI_ENGINE], skill=skill
    )
    ratios = table.ratios().set_index("pairs")
    assert ratios.loc["negative"].time > 2 and ratios.loc["mix"].touches > 2
    people, models = table.rows
    assert models.scores["cgf1"] >= people.scores["cgf1"]


def test_a_verifier_that_learns_nothing_is_checked_on_every_picture(worlds, tmp_path):
    few = worlds[1]
    ready = prepare_verification(
        tmp_path / "warm.samnb", few, WorldSegmenter(few), verifier=WorldVerifier(few)
    )
    checked = {s.task: dict(s.details)["n_checked"] for s in ready.switches}
    n_pairs = sum(len(p.positives) + len(p.negatives) for p in few.pictures)
    assert int(checked[ConceptTask.EV]) == n_pairs


def test_the_loop_goes_round_and_every_step_is_in_the_log(worlds, tmp_path):
    every = whole(worlds)
    first, better = WorldSegmenter(every, fooled=1), WorldSegmenter(every, fooled=10**9)
    better.name = "world@2"
    parts = [ConceptWorld(every.pictures[at : at + 3]) for at in (0, 3)]
    told = []
    table = run_cycles(
        tmp_path / "loop.samnb",
        tuple(parts),
        first,
        skill=Skill(mv_accuracy=1.0, ev_accuracy=1.0, found_rate=1.0),
        targets=Targets(0.4, 0.4),
        held_out_share=0.5,
        segmenter_trainer=trainer_to(better),
        verifier_trainer=trainer_to(WorldVerifier(every), metrics={"ev_accuracy": 0.9}),
        test=ConceptWorld(every.pictures[8:12]),
        on_progress=lambda *row: told.append(row),
    )
    one, two = table.rows
    assert (one.seen_share, one.pairs > 0, one.verifier) == (1.0, True, "world-judge@1")
    assert two.seen_share <= 1.0 and two.pairs > 0
    assert one.negatives > 0 and one.data_cgf1 > 80
    assert told[-1][:2] == (10, 10)
    assert two.segmenter == "world@2" and one.before_cgf1 < two.after_cgf1
    assert one.after_cgf1 == two.before_cgf1
    log = Log(tmp_path / "loop.samnb")
    assert sum(isinstance(e.body, PhrasesMined) for e in log.read()) == 6
    origins = stats.pairs(log).origin
    assert {"mined", "user"} <= set(origins)
    log.close()
    assert json.dumps(table.to_dict()) and "cycle 1: verifier" in str(table)


class Door:
    """A door of which only the routing is used."""

    def __init__(self):
        self.state = SimpleNamespace(routing={ConceptTask.EV: "advice for the new one"})
        self.written = []

    def switch_routing(self, switch):
        self.written.append(switch)


@pytest.mark.parametrize(
    ("has_leave", "in_charge", "asked"),
    [({"new"}, "new", ["new"]), ({"old", "new"}, "new", ["new"]),
     ({"old"}, "old", ["new", "old"]), (set(), "new", ["new", "old"])],
)  # fmt: skip
def test_the_version_before_stays_where_it_alone_has_leave(
    monkeypatch, has_leave, in_charge, asked
):
    names = []

    def switch_on(_loop, verifier, _targets, _seed):
        names.append(verifier.name)
        return verifier.name in has_leave

    monkeypatch.setattr(cycles, "switch_on", switch_on)
    run = cycles._Cycles(Skill(), Targets(0.3, 0.3), 2, 0.5, 0)
    run.loop, run.deputy = Door(), SimpleNamespace(name="old")
    run.verifier = SimpleNamespace(name="new")
    run.check(None)
    assert (run.verifier.name, names) == (in_charge, asked)
    assert run.loop.written == ([] if has_leave else ["advice for the new one"])
