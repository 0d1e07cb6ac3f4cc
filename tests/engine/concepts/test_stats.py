import math

import pytest

from samnb.engine.concepts import stats
from samnb.engine.concepts.acts import Drawn
from samnb.events.concepts import ConceptTask, RoutingMode, RoutingSwitched
from samnb.types import EvAnswer
from tests.engine.concepts.world import Router, Segmenter, Verifier, square


@pytest.fixture
def worked(desk, clock):
    """One positive corrected, one negative by a model alone, one dropped, one open."""
    door = desk()
    cup, dog, blue, cow = door.add_pairs(desk.media_id, ["cup", "dog", "blue", "cow"])
    door.switch_routing(RoutingSwitched(ConceptTask.EV, RoutingMode.ON, "judge@1", 0.1))
    door.propose(Segmenter({"cup": [(0, 0.9), (1, 0.8)]}))
    first, second = (m.key for m in door.pair(cup.id).proposal.masks)
    door.verify(Verifier(), ["ev"], [dog.id], router=Router())
    door.verify(Verifier(ev={"cow": EvAnswer.REJECT}), ["ev"], [blue.id, cow.id],
                router=Router(above=1.0))  # fmt: skip
    desk("max").next("mv")
    clock.now_s += 24
    desk("max").answer_mv(cup.id, {first: "accept", second: "reject"})
    desk("eva").answer_ev(cup.id, "reject")
    desk("cora").correct(cup.id, drawn=[Drawn(square(2))])
    desk("eva").answer_ev(blue.id, "ungroundable")
    desk()
    return desk.session


def test_every_pair_has_a_row_with_its_cost(worked):
    table = stats.pairs(worked).set_index("phrase")
    cup = table.loc["cup"]
    assert (cup.touches, cup.mv, cup.ev, cup.corrections, cup.seconds_s) == (3, 1, 1, 1, 24)
    assert (cup.step, bool(cup.negative), cup.masks) == ("final", False, 2)
    assert (table.loc["dog"].touches, table.loc["dog"].models) == (0, "judge@1")
    assert bool(table.loc["dog"].negative) and not table.loc["dog"].seen
    assert table.loc["blue"].reason == "ungroundable"
    assert table.loc["cow"].step == "ev"


def test_the_summary_tells_positives_negatives_and_dropped_apart(worked):
    table = stats.summary(worked.log).set_index("kind")
    assert table.pairs.to_dict() == {"positive": 1, "negative": 1, "dropped": 1, "all": 3}
    assert table.seen_share.round(2).to_dict() == {
        "positive": 1.0, "negative": 0.0, "dropped": 1.0, "all": 0.67
    }  # fmt: skip
    assert table.loc["positive"].corrected_share == 1.0


def test_segmenters_are_told_apart_by_version(worked):
    (row,) = stats.segmenters(worked.log.read()).to_dict("records")
    assert (row["model"], row["pairs"], row["masks"]) == ("squares@1", 4, 2)
    assert (row["mask_acceptance"], row["exhaustive_share"]) == (0.5, 0.5)


def test_verifiers_are_measured_against_people(worked):
    (row,) = stats.verifiers(worked).to_dict("records")
    assert (row["verifier"], row["task"], row["answers"]) == ("judge@1", "ev", 3)
    assert row["auto"] == row["asked"] / 2 == pytest.approx(1 / 3)
    assert (row["checked"], row["agreement"]) == (1, 0.0)


def test_reviewers_are_compared_where_several_answered(desk):
    desk().set_rules(n_reviewers=3, n_negative=3)
    (pair,) = desk().add_pairs(desk.media_id, ["dog"])
    desk().propose(Segmenter({}))
    for name, answer in (("e1", "accept"), ("e2", "accept"), ("e3", "reject")):
        desk(name).answer_ev(pair.id, answer)
    table = stats.reviewers(desk.session).set_index("worker")
    assert table.loc["e3"].agreement == 0.0
    assert math.isnan(table.loc["e1"].agreement)  # the other two are split


def test_an_empty_log_gives_empty_tables(desk):
    for make in (stats.pairs, stats.segmenters, stats.verifiers, stats.reviewers):
        assert make(desk.session).empty
    assert stats.summary(desk.session).pairs.sum() == 0
