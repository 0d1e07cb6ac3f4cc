import pytest

from samnb.engine.concepts import report
from samnb.engine.concepts.accuracy import against_people
from samnb.types import EvAnswer, MvAnswer
from tests.engine.concepts.world import Router, Segmenter, Verifier


@pytest.fixture
def reviewed(desk):
    """Three reviewers: two masks, on one of which m3 stands alone; EV by three as well."""
    door = desk()
    door.set_rules(n_reviewers=3, n_negative=3)
    cup, dog = door.add_pairs(desk.media_id, ["cup", "dog"])
    door.propose(Segmenter({"cup": [(0, 0.9), (1, 0.8)]}))
    first, second = (m.key for m in door.pair(cup.id).proposal.masks)
    for name, answer in (("m1", "accept"), ("m2", "accept"), ("m3", "reject")):
        desk(name).answer_mv(cup.id, {first: "accept", second: answer})
    for name, answer in (("e1", "accept"), ("e2", "accept"), ("e3", "accept")):
        desk(name).answer_ev(dog.id, answer)
    return cup, dog


def test_a_model_is_measured_against_the_majority_of_the_others(desk, reviewed):
    judge = Verifier(mv={"cup": MvAnswer.ACCEPT}, ev={"dog": EvAnswer.REJECT})
    desk().verify(judge, is_past=True, router=Router())
    rows = {r.task: r for r in against_people(desk.session).itertuples()}
    mv, ev = rows["mv"], rows["ev"]
    # On the second mask only m3 is left out with a majority of the others, and is wrong.
    assert (mv.jobs, mv.turns, mv.ties) == (2, 4, 2)
    assert (mv.human, mv.ai) == (0.5, 1.0)
    assert (ev.human, ev.ai, ev.difference) == (1.0, 0.0, -1.0)
    assert mv.verifier == "judge@1"


def test_without_a_model_people_are_measured_alone(desk, reviewed):
    table = against_people(desk.session)
    assert list(table.verifier) == ["", ""] and list(table.human) == [0.5, 1.0]
    assert table.ai.isna().all()


def test_one_reviewer_is_no_measure(desk):
    door = desk()
    (pair,) = door.add_pairs(desk.media_id, ["dog"])
    door.propose(Segmenter({}))
    desk("eva").answer_ev(pair.id, "accept")
    assert against_people(desk.session).empty


def test_a_report_has_the_tables_with_rows(desk, reviewed):
    found = report.tables(desk.session.log)
    assert list(found) == ["pairs", "filters", "segmenters", "reviewers", "accuracy"]
    concepts = report.concepts(desk.session)
    assert {"dog", "cup"} <= set(concepts.concept)


def test_a_project_without_pairs_has_no_tables(desk):
    assert report.tables(desk.session) == {}
