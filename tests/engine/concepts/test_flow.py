import pytest

from samnb.engine.concepts import answers
from samnb.engine.concepts.acts import Drawn
from samnb.engine.concepts.flow import fold
from samnb.engine.concepts.state import ConceptState
from samnb.events.concepts import ConceptStep, PairOrigin
from samnb.types import EvAnswer, FlowError, InputError, MvAnswer
from tests.engine.concepts.world import Segmenter, Verifier, square


@pytest.fixture
def cups(desk):
    """A pair with two proposed masks, at MV."""
    door = desk()
    (pair,) = door.add_pairs(desk.media_id, ["cup"])
    door.propose(Segmenter({"cup": [(0, 0.9), (1, 0.8)]}))
    return door.pair(pair.id)


@pytest.fixture
def absent(desk):
    """A pair for which nothing was proposed, at EV."""
    door = desk()
    (pair,) = door.add_pairs(desk.media_id, ["dog"])
    door.propose(Segmenter({}))
    return door.pair(pair.id)


def test_a_proposal_leads_to_mv_with_its_masks_best_first(cups):
    assert cups.step is ConceptStep.MV
    assert [m.score for m in cups.proposal.masks] == [0.9, 0.8]
    assert cups.proposal.model == "squares@1"


def test_masks_below_the_threshold_and_doubles_are_left_out(desk):
    (pair,) = desk().add_pairs(desk.media_id, ["cup"])
    desk().propose(Segmenter({"cup": [(0, 0.9), (0, 0.85), (1, 0.5)]}))  # 0.5 x 0.9 presence
    proposal = desk().pair(pair.id).proposal
    assert [m.score for m in proposal.masks] == [0.9]
    assert proposal.n_left_out == 1


def test_nothing_proposed_leads_straight_to_ev(absent):
    assert absent.step is ConceptStep.EV


def test_zero_masks_accepted_in_ev_is_a_verified_negative(desk, absent):
    pair = desk("eva").answer_ev(absent.id, "accept")
    assert pair.step is ConceptStep.FINAL and pair.is_negative
    assert pair.versions[0].is_instance_exhaustive


@pytest.mark.parametrize(
    ("answer", "step"),
    [
        (EvAnswer.ACCEPT, ConceptStep.FINAL),
        (EvAnswer.REJECT, ConceptStep.CORRECT),
        (EvAnswer.REJECT_UNSEPARATED, ConceptStep.CORRECT),
        (EvAnswer.WHOLE_IMAGE, ConceptStep.REJECTED),
        (EvAnswer.FLAG_LABEL, ConceptStep.REJECTED),
        (EvAnswer.UNGROUNDABLE, ConceptStep.REJECTED),
    ],
)
def test_every_ev_answer_has_its_way(desk, absent, answer, step):
    pair = desk("eva").answer_ev(absent.id, answer)
    assert pair.step is step
    assert pair.reason == (answer.value if step is ConceptStep.REJECTED else "")


@pytest.mark.parametrize(
    ("answer", "step", "n_masks"),
    [
        (MvAnswer.ACCEPT, ConceptStep.EV, 2),
        (MvAnswer.ACCEPT_AS_TEXT, ConceptStep.EV, 2),
        (MvAnswer.REJECT, ConceptStep.EV, 0),
        (MvAnswer.WHOLE_IMAGE, ConceptStep.REJECTED, 2),
        (MvAnswer.FLAG_LABEL, ConceptStep.REJECTED, 2),
    ],
)
def test_every_mv_answer_has_its_way(desk, cups, answer, step, n_masks):
    pair = desk("max").answer_mv(cups.id, answer)
    assert pair.step is step
    assert len(pair.accepted) == n_masks


def test_the_tables_know_every_option():
    assert set(answers.AFTER_MV) == set(MvAnswer)
    assert set(answers.AFTER_EV) == set(EvAnswer)


def test_mv_keeps_what_is_accepted(desk, cups):
    first, second = (m.key for m in cups.proposal.masks)
    pair = desk("max").answer_mv(cups.id, {first: "reject", second: "accept"})
    assert [m.key for m in pair.accepted] == [second]
    with pytest.raises(InputError, match="expected one for each"):
        desk("moe").reopen(cups.id, "mv")
        desk("moe").answer_mv(cups.id, {first: "accept"})


def test_correction_keeps_removes_adds_and_edits(desk, cups):
    desk("max").answer_mv(cups.id, "accept")
    desk("eva").answer_ev(cups.id, "reject")
    first, second = (m.key for m in cups.proposal.masks)
    pair = desk("cora").correct(
        cups.id,
        drawn=[Drawn(square(2)), Drawn(square(3), parent=second)],
        removed=[first],
        clicks=4,
    )
    assert pair.step is ConceptStep.FINAL
    (version,) = pair.versions
    assert [m.parent for m in version.masks] == [second, ""]
    assert (desk().mask(version.masks[1].mask_id) == square(2)).all()
    body = pair.answers[-1].body
    assert (body.kept, body.removed, body.clicks) == ((), (first,), 4)


def test_a_group_mask_makes_a_pair_not_instance_exhaustive(desk, absent):
    desk("eva").answer_ev(absent.id, "reject_unseparated")
    pair = desk("cora").correct(absent.id, drawn=[Drawn(square(0), is_group=True)])
    (version,) = pair.versions
    assert not version.is_instance_exhaustive and version.is_pixel_exhaustive


def test_an_empty_correction_is_a_negative(desk, absent):
    desk("eva").answer_ev(absent.id, "reject")
    assert desk("cora").correct(absent.id).is_negative


def test_anybody_may_refuse_a_pair_in_any_task(desk, cups):
    pair = desk("max").reject(cups.id, "vague")
    assert (pair.step, pair.reason) == (ConceptStep.REJECTED, "vague")
    with pytest.raises(FlowError, match="nothing to reject"):
        desk("max").reject(cups.id)


def test_what_is_decided_cannot_be_answered_again(desk, absent):
    desk("eva").answer_ev(absent.id, "accept")
    with pytest.raises(FlowError, match=r"at step 'final', expected 'ev'"):
        desk("ed").answer_ev(absent.id, "accept")


# -- roles -----------------------------------------------------------------------


def test_each_person_has_one_type_of_task(desk, cups, absent):
    desk("max").answer_mv(cups.id, "accept")
    with pytest.raises(FlowError, match="max does mv in this project"):
        desk("max").answer_ev(absent.id, "accept")


def test_apart_by_pair_lets_a_person_do_another_pair_but_not_the_same(desk, cups, absent):
    desk().set_rules(apart="pair")
    desk("max").answer_mv(cups.id, "accept")
    desk("max").answer_ev(absent.id, "accept")
    with pytest.raises(FlowError, match="max did mv on this pair"):
        desk("max").answer_ev(cups.id, "accept")


def test_who_corrected_cannot_verify_after_a_reopening(desk, absent):
    desk().set_rules(apart="pair")
    desk("eva").answer_ev(absent.id, "reject")
    desk("cora").correct(absent.id)
    desk().reopen(absent.id, "ev")
    with pytest.raises(FlowError, match="cora did correct on this pair"):
        desk("cora").answer_ev(absent.id, "accept")


def test_one_person_alone_may_switch_it_off(desk, cups):
    desk().set_rules(apart="off")
    desk().answer_mv(cups.id, "accept")
    assert desk().answer_ev(cups.id, "accept").step is ConceptStep.FINAL


# -- three reviewers ---------------------------------------------------------------


@pytest.fixture
def gold(desk, cups):
    desk().set_rules(n_reviewers=3)
    return cups


def test_a_mask_stays_only_if_all_three_accept_it(desk, gold):
    first, second = (m.key for m in gold.proposal.masks)
    desk("m1").answer_mv(gold.id, "accept")
    assert desk("m2").answer_mv(gold.id, "accept").step is ConceptStep.MV
    pair = desk("m3").answer_mv(gold.id, {first: "accept", second: "reject"})
    assert pair.step is ConceptStep.EV
    assert [m.key for m in pair.accepted] == [first]


def test_one_of_three_sends_to_correction_and_all_versions_are_kept(desk, gold):
    for name in ("m1", "m2", "m3"):
        desk(name).answer_mv(gold.id, "accept")
    desk("e1").answer_ev(gold.id, "accept")
    desk("e2").answer_ev(gold.id, "reject")
    assert desk("e3").answer_ev(gold.id, "accept").step is ConceptStep.CORRECT
    desk("c1").correct(gold.id)
    desk("c2").correct(gold.id, drawn=[Drawn(square(2))])
    pair = desk("c3").correct(gold.id, drawn=[Drawn(square(2)), Drawn(square(3))])
    assert pair.step is ConceptStep.FINAL
    assert [v.worker_id for v in pair.versions] == ["c1", "c2", "c3"]
    assert [len(v.masks) for v in pair.versions] == [2, 3, 4]


def test_a_majority_drops_a_pair_and_one_alone_does_not(desk, gold):
    desk("m1").answer_mv(gold.id, "whole_image")
    desk("m2").answer_mv(gold.id, "accept")
    pair = desk("m3").answer_mv(gold.id, "accept")
    assert pair.step is ConceptStep.EV and not pair.accepted
    desk().reopen(gold.id, "mv")
    desk("m4").answer_mv(gold.id, "whole_image")
    assert desk("m5").reject(gold.id, "vague").step is ConceptStep.REJECTED


def test_a_negative_needs_one_label_even_in_gold(desk, absent):
    desk().set_rules(n_reviewers=3)
    assert desk("eva").answer_ev(absent.id, "accept").is_negative


def test_the_same_reviewer_does_not_count_twice(desk, gold):
    desk("m1").answer_mv(gold.id, "accept")
    with pytest.raises(FlowError, match="has answered already"):
        desk("m1").answer_mv(gold.id, "accept")


# -- undo, reopen, replay -----------------------------------------------------------


def test_undo_takes_the_last_answer_back(desk, cups):
    desk("max").answer_mv(cups.id, "reject")
    pair = desk("max").undo()
    assert pair.step is ConceptStep.MV and len(pair.accepted) == 2
    assert desk("max").undo() is None
    assert desk("max").answer_mv(cups.id, "accept").step is ConceptStep.EV


def test_undo_takes_back_what_models_made_of_the_answer(desk, cups):
    desk("max").answer_mv(cups.id, "accept")
    desk().verify(Verifier(), ["ev"])
    assert desk("max").undo().answers == ()


def test_undo_is_refused_when_another_person_went_on(desk, cups):
    desk("max").answer_mv(cups.id, "accept")
    desk("eva").answer_ev(cups.id, "accept")
    with pytest.raises(FlowError, match="eva has answered since"):
        desk("max").undo()


def test_undone_answers_free_the_worker_for_another_type_of_task(desk, cups, absent):
    desk("max").answer_mv(cups.id, "accept")
    desk("max").undo()
    assert desk("max").answer_ev(absent.id, "accept").is_negative


def test_a_new_proposal_begins_a_new_round(desk, cups):
    desk("max").answer_mv(cups.id, "accept")
    desk().propose(Segmenter({"cup": [(2, 0.9)]}, name="squares@2"), [cups.id])
    pair = desk().pair(cups.id)
    assert (pair.step, pair.n_rounds, pair.answers) == (ConceptStep.MV, 2, ())
    assert [a.worker_id for a in pair.past] == ["max"]


def test_the_log_alone_gives_the_same_state(desk, cups, absent):
    desk("max").answer_mv(cups.id, "reject")
    desk("max").undo()
    desk("max").answer_mv(cups.id, "accept")
    desk("eva").answer_ev(cups.id, "reject")
    desk("cora").correct(cups.id, drawn=[Drawn(square(2))])
    events = desk.session.log.read()
    whole = fold(ConceptState(), events)
    bit_by_bit = ConceptState()
    for event in events:
        bit_by_bit = fold(bit_by_bit, [event])
    assert whole == bit_by_bit == desk().state


# -- pairs -------------------------------------------------------------------------


def test_a_phrase_is_asked_once_per_medium(desk):
    door = desk()
    first = door.add_pairs(desk.media_id, ["red  cup ", "dog"], origin="mined", source="tiny@1")
    again = door.add_pairs(
        desk.media_id, ["dog", "cat"], origin="hard_negative", parent_phrase="dog"
    )
    assert [p.phrase for p in first] == ["red cup", "dog"]
    assert again[0].id == first[1].id
    assert again[1].origin is PairOrigin.HARD_NEGATIVE and again[1].parent_phrase == "dog"
    assert [p.item.obj_id for p in door.state.pairs.values()] == [1, 2, 3]
    with pytest.raises(InputError, match="expected a list"):
        door.add_pairs(desk.media_id, "dog")
    with pytest.raises(InputError, match="empty"):
        door.add_pairs(desk.media_id, [" "])


def test_pairs_do_not_show_among_the_objects_of_the_masklet_loop(desk, cups):
    assert desk.session.refresh().items == {}


def test_a_medium_is_held_out_as_a_whole(desk):
    door = desk()
    door.add_pairs(desk.media_id, ["dog"], is_held_out=True)
    (cat,) = door.add_pairs(desk.media_id, ["cat"])
    assert cat.is_held_out
