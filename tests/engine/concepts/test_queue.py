import pytest

from samnb.engine.concepts import queue
from samnb.events.concepts import ConceptStep, ConceptTask, Route, RoutingMode, RoutingSwitched
from samnb.types import EvAnswer, FlowError, MvAnswer
from tests.engine.concepts.world import Router, Segmenter, Verifier


def switched_on(task, verifier="judge@1", mode=RoutingMode.ON):
    return RoutingSwitched(ConceptTask(task), mode, verifier, 0.1, 0.1)


@pytest.fixture
def pairs(desk):
    """Three suspected negatives, at EV, with presence 0.1, 0.3 and 0.45."""
    door = desk()
    found = door.add_pairs(desk.media_id, ["dog", "cat", "cow"])
    door.propose(Segmenter({}, {"dog": 0.1, "cat": 0.3, "cow": 0.45}))
    return found


def test_the_least_certain_comes_first(desk, pairs):
    work = desk("eva").next("ev")
    assert (work.phrase, work.masks, work.task) == ("cow", (), ConceptTask.EV)


def test_a_claimed_pair_is_left_to_its_worker(desk, pairs, clock):
    assert desk("eva").next("ev").phrase == "cow"
    assert desk("ed").next("ev").phrase == "cat"
    with pytest.raises(FlowError, match="being worked on by eva"):
        desk("ed").answer_ev(pairs[2].id, "accept")
    clock.now_s += queue.LEASE_S + 1
    assert desk("ed").next("ev").phrase == "cow"


def test_three_reviewers_may_look_at_once_and_no_fourth(desk, pairs):
    desk().set_rules(n_reviewers=3, n_negative=3)
    names = ("e1", "e2", "e3", "e4")
    assert [desk(n).next("ev").phrase for n in names] == ["cow", "cow", "cow", "cat"]


def test_a_released_pair_waits_again(desk, pairs):
    work = desk("eva").next("ev")
    desk("eva").release(work.pair_id)
    assert desk("ed").next("ev").phrase == "cow"
    assert desk("ed").waiting("ev") == 3


def test_skipped_pairs_are_left_out(desk, pairs):
    assert desk("eva").next("ev", but=[pairs[2].id]).phrase == "cat"


def test_time_counts_from_being_shown_to_the_answer(desk, pairs, clock):
    work = desk("eva").next("ev")
    clock.now_s += 18
    pair = desk("eva").answer_ev(work.pair_id, "accept")
    assert pair.answers[-1].seconds_s == 18


def test_who_is_still_at_it_keeps_a_pair_and_its_time_goes_on(desk, pairs, clock):
    work = desk("eva").next("ev")
    clock.now_s += 600
    assert desk("eva").renew(work.pair_id, "ev") == clock.now_s + queue.LEASE_S
    clock.now_s += 600  # beyond the first lease
    assert desk("ed").next("ev").phrase == "cat"
    pair = desk("eva").answer_ev(work.pair_id, "accept")
    assert pair.answers[-1].seconds_s == 1200


def test_a_lease_that_ran_out_is_renewed_only_while_nobody_took_the_pair(desk, pairs, clock):
    work = desk("eva").next("ev")
    clock.now_s += queue.LEASE_S + 1
    assert desk("ed").waiting("ev") == 3
    assert desk("eva").renew(work.pair_id, "ev") is not None
    assert desk("ed").waiting("ev") == 2
    clock.now_s += queue.LEASE_S + 1
    assert desk("ed").next("ev").pair_id == work.pair_id
    assert desk("eva").renew(work.pair_id, "ev") is None
    assert desk("ed").renew(work.pair_id, "mv") is None  # at another step


# -- models in the same queue ------------------------------------------------------


def test_a_model_only_advises_until_it_is_switched_on(desk, pairs):
    verified = desk().verify(Verifier(), router=Router())
    assert (verified.n_ev, verified.n_auto, verified.n_asked) == (3, 0, 0)
    pair = desk().pair(pairs[0].id)
    assert pair.step is ConceptStep.EV
    assert pair.answers[0].body.probabilities[0] == 0.9
    assert not pair.answers[0].is_person


def test_switched_on_it_decides_and_nobody_is_asked(desk, pairs):
    desk().switch_routing(switched_on("ev"))
    verified = desk().verify(Verifier(ev={"cat": EvAnswer.REJECT}), router=Router())
    assert (verified.n_auto, verified.n_asked) == (3, 0)
    steps = {p.phrase: p.step for p in desk().state.pairs.values()}
    assert steps == {
        "dog": ConceptStep.FINAL, "cat": ConceptStep.CORRECT, "cow": ConceptStep.FINAL
    }  # fmt: skip
    assert desk("eva").next("ev") is None


def test_another_version_has_to_be_switched_on_anew(desk, pairs):
    desk().switch_routing(switched_on("ev"))
    desk().verify(Verifier(name="judge@2"), router=Router())
    assert desk("eva").waiting("ev") == 3


def test_back_at_advice_it_decides_nothing(desk, pairs):
    desk().switch_routing(switched_on("ev"))
    desk().switch_routing(switched_on("ev", mode=RoutingMode.ADVICE))
    desk().verify(Verifier(), router=Router())
    assert desk("eva").waiting("ev") == 3


def test_audits_are_asked_and_not_marked(desk, pairs):
    desk().switch_routing(switched_on("ev"))
    desk().verify(Verifier(), router=Router(audited=[pairs[1].id]))
    pair = desk().pair(pairs[1].id)
    assert pair.route(ConceptTask.EV) is Route.AUDIT
    work = desk("eva").next("ev")
    assert work == queue.Work(pair.id, desk.media_id, "cat", ConceptTask.EV, (), work.until_s)
    assert (
        desk("eva").answer_ev(pair.id, "reject").step is ConceptStep.CORRECT
    )  # the person decides


def test_an_audit_is_not_known_by_its_place_in_the_queue(desk):
    door = desk()
    names = [f"thing {n}" for n in range(40)]
    found = door.add_pairs(desk.media_id, names)
    door.propose(Segmenter({}))
    door.switch_routing(switched_on("ev"))
    audited = [p.id for p in found[:20]]

    class Halves(Router):
        def route(self, task, key, probabilities, group=None):
            return (Route.AUDIT if key in self.audited else Route.ASK), max(probabilities)

    door.verify(Verifier(), router=Halves(audited=audited))
    order = [p.id for p in queue.waiting(door.state, ConceptTask.EV, "eva", 0.0)]
    in_first_half = sum(i in audited for i in order[:20])
    assert 5 <= in_first_half <= 15


def test_mv_is_routed_mask_by_mask(desk):
    door = desk()
    (pair,) = door.add_pairs(desk.media_id, ["cup"])
    door.propose(Segmenter({"cup": [(0, 0.9), (1, 0.8)]}))
    first, second = (m.key for m in door.pair(pair.id).proposal.masks)

    class ByMask(Router):
        def route(self, task, key, probabilities, group=None):
            return (Route.AUTO if key == first else Route.ASK), max(probabilities)

    door.switch_routing(switched_on("mv"))
    door.verify(Verifier(mv={"cup": MvAnswer.REJECT}), ["mv"], router=ByMask())
    work = desk("max").next("mv")
    assert [m.key for m in work.masks] == [second]
    done = desk("max").answer_mv(pair.id, {second: "accept"})
    assert [m.key for m in done.accepted] == [second]


def test_a_model_answers_a_round_once(desk, pairs):
    desk().verify(Verifier())
    assert desk().verify(Verifier()).n_ev == 0
    assert desk().verify(Verifier(name="judge@2")).n_ev == 3


def test_people_are_not_overruled_by_a_model_that_comes_later(desk, pairs):
    desk().set_rules(n_negative=2)
    desk("eva").answer_ev(pairs[0].id, "reject")
    desk().switch_routing(switched_on("ev"))
    desk().verify(Verifier(), router=Router())
    pair = desk().pair(pairs[0].id)
    assert pair.route(ConceptTask.EV) is None and pair.step is ConceptStep.EV


def test_a_cancelled_round_keeps_what_it_had(desk, pairs):
    import threading

    stop = threading.Event()
    stop.set()
    assert desk().verify(Verifier(), cancel=stop).status == "cancelled"
    assert desk().propose(Segmenter({}), [pairs[0].id], cancel=stop).status == "cancelled"
