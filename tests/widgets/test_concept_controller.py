"""MV, EV and correction by keys and clicks, and what the log says afterwards."""

from __future__ import annotations

import numpy as np
import pytest

from samnb.events.concepts import Corrected, EvAnswered, MvAnswered, PairRefused
from samnb.masks import rle as rle_ops
from samnb.types import EvAnswer, MvAnswer
from tests.engine.concepts.world import SIZE_HW, square
from tests.widgets.concept_bench import propose


@pytest.fixture
def to_correct(picture, open_project):
    """A pair with square 0 accepted and something missing; returns its id."""
    loop, media_id = picture
    loop.set_rules(apart="pair")
    pair_id = propose(loop, media_id, "red cup", [0])
    for name, act in (("eva", "answer_mv"), ("eve", "answer_ev")):
        other = open_project(name).concepts
        getattr(other, act)(pair_id, "accept" if act == "answer_mv" else "reject")
    return pair_id


def test_one_key_answers_and_the_least_certain_comes_first(picture, bench):
    loop, media_id = picture
    propose(loop, media_id, "sure cup", [0], presence=0.95)
    propose(loop, media_id, "unsure cup", [1], presence=0.5)
    ana = bench()
    assert ana.now.phrase == "unsure cup" and ana.now.counter.startswith("2 wait")
    ana.press("y")
    assert ana.now.phrase == "sure cup"
    ana.press("3")
    given = [body.answers[0].answer for body in ana.bodies(MvAnswered)]
    assert given == [MvAnswer.ACCEPT, MvAnswer.REJECT]
    assert "Nothing waits for you" in ana.now.stage.message
    assert ana.now.counter == "0 wait for you · 2 answered by you"


def test_each_mask_is_a_question_and_the_last_answer_saves_them(picture, bench):
    loop, media_id = picture
    propose(loop, media_id, "cup", [0, 1])
    ana = bench()
    assert "mask 1 of 2" in ana.now.question
    first = ana.now.stage.tiles
    ana.press("y")
    assert not ana.bodies(MvAnswered) and "1 of 2 masks answered" in ana.now.saved
    assert ana.now.stage.tiles != first and "mask 2 of 2" in ana.now.question
    ana.press("z")
    assert "mask 1 of 2" in ana.now.question
    ana.press("r", "t")
    (body,) = ana.bodies(MvAnswered)
    assert [a.answer for a in body.answers] == [MvAnswer.REJECT, MvAnswer.ACCEPT_AS_TEXT]


def test_a_key_that_comes_before_the_picture_does_not_count(picture, bench, clock):
    loop, media_id = picture
    propose(loop, media_id, "cup", [0])
    propose(loop, media_id, "hat", [1])
    ana = bench()
    ana.is_slow = True
    ana.press("y", "y")
    assert len(ana.bodies(MvAnswered)) == 1 and "before the picture" in ana.banner
    ana.ack()
    ana.press("y")
    assert len(ana.bodies(MvAnswered)) == 2


def test_the_next_picture_is_made_before_it_is_shown(picture, bench):
    loop, media_id = picture
    for phrase, at in (("cup", 0), ("hat", 1)):
        propose(loop, media_id, phrase, [at])
    ana = bench()
    (following,) = ana.now.stage.ahead
    ana.press("y")
    assert ana.now.stage.tiles[0].picture == following


def test_the_last_answer_can_be_taken_back_and_is_asked_again(picture, bench):
    loop, media_id = picture
    propose(loop, media_id, "cup", [0, 1])
    propose(loop, media_id, "hat", [2])
    ana = bench()
    ana.press("y", "r")
    assert ana.now.phrase == "hat"
    ana.press("z")
    assert ana.now.phrase == "cup" and "mask 2 of 2" in ana.now.question
    assert ana.banner == "Took back “Accept”, “Reject” on “cup” at Masks (MV)"
    ana.press("y")
    assert [a.answer for a in ana.bodies(MvAnswered)[-1].answers] == [MvAnswer.ACCEPT] * 2


def test_skipping_goes_round(picture, bench):
    loop, media_id = picture
    propose(loop, media_id, "cup", [0])
    propose(loop, media_id, "hat", [1])
    ana = bench()
    seen = [ana.now.phrase]
    for _ in range(2):
        ana.press("s")
        seen.append(ana.now.phrase)
    assert seen == [seen[0], seen[1], seen[0]] and len(set(seen)) == 2


def test_no_box_and_accept_is_a_verified_negative(picture, bench):
    loop, media_id = picture
    pair_id = propose(loop, media_id, "blue dog", [])
    eve = bench("eve", "ev")
    assert "Nothing is marked" in eve.now.question
    assert eve.now.options[0].outcome == "finished: a verified negative"
    eve.press("y")
    assert eve.bodies(EvAnswered)[0].answer is EvAnswer.ACCEPT
    assert eve.loop.pair(pair_id).is_negative


def test_a_phrase_can_be_rejected_in_every_task(picture, bench):
    loop, media_id = picture
    pair_id = propose(loop, media_id, "it", [])
    eve = bench("eve", "ev")
    eve.press("p")
    assert isinstance(eve.bodies(PairRefused)[0], PairRefused)
    assert eve.loop.pair(pair_id).is_done


def test_who_did_one_task_is_refused_another_in_words(picture, bench):
    loop, media_id = picture
    propose(loop, media_id, "cup", [0])
    ana = bench()
    ana.press("y")
    ana.go("set_task", type(ana.controller.intake.task)("ev"))
    assert "not for you" in ana.now.stage.message
    assert "ana did mv on this pair and cannot do ev on it" in ana.now.stage.message
    assert not ana.now.is_open


def test_three_reviewers_answer_apart(picture, bench):
    loop, media_id = picture
    loop.set_rules(n_reviewers=3)
    pair_id = propose(loop, media_id, "cup", [0])
    desks = [bench(name) for name in ("ana", "bo", "cy")]
    assert {desk.now.phrase for desk in desks} == {"cup"}
    desks[0].press("y")
    before = desks[1].now
    desks[1].controller.edits.poll()
    assert desks[1].now.question == before.question and desks[1].now.options == before.options
    desks[1].press("y")
    desks[2].press("r")
    assert desks[2].loop.pair(pair_id).accepted == ()


def test_a_pair_that_others_moved_on_leaves_the_desk(picture, bench):
    loop, media_id = picture
    pair_id = propose(loop, media_id, "cup", [0])
    ana = bench()
    ana.loop.release(pair_id)
    loop.refresh()
    loop.answer_mv(pair_id, "accept")
    ana.controller.edits.poll()
    assert "moved on by somebody else" in ana.banner and not ana.now.phrase


def test_a_page_that_nobody_sees_takes_nothing(picture, bench, clock):
    loop, media_id = picture
    ana = bench()
    ana.controller.refresh()
    clock.now_s += 60
    propose(loop, media_id, "cup", [0])
    ana.controller.edits.poll()
    assert not ana.now.phrase
    ana.ack()
    assert ana.now.phrase == "cup"


def test_a_missing_file_is_said_and_nothing_can_be_answered(picture, bench, tmp_path):
    loop, media_id = picture
    pair_id = propose(loop, media_id, "cup", [0])
    (tmp_path / "picture.png").rename(tmp_path / "elsewhere.png")
    ana = bench()
    assert "cannot be shown" in ana.now.stage.message and not ana.now.is_open
    ana.press("y")
    assert ana.loop.pair(pair_id).step.value == "mv"
    (tmp_path / "elsewhere.png").rename(tmp_path / "picture.png")
    ana.press("Escape", "y")
    assert ana.loop.pair(pair_id).step.value == "ev"


# -- correction ------------------------------------------------------------------------


def test_a_click_adds_an_instance_and_enter_hands_in(to_correct, bench):
    cy = bench("cy", "correct")
    assert cy.rows == ["proposed"]
    cy.click(24, 15)
    assert cy.rows == ["proposed", "new"] and cy.now.correct.rows[1].is_chosen
    assert cy.edits()[0].tool == "points" and cy.edits()[0].clicks == 1
    cy.press("Enter")
    (body,) = cy.bodies(Corrected)
    assert len(body.kept) == 1 and len(body.added) == 1 and body.clicks == 1
    assert body.added[0].model == "square@1" and body.is_instance_exhaustive
    mask = cy.loop.mask(body.added[0].mask_id)
    assert mask[15, 24] and mask.sum() == 25
    assert cy.loop.pair(to_correct).step.value == "final"


def test_what_was_handed_in_is_out_of_the_studio_s_sight(to_correct, bench):
    cy = bench("cy", "correct")
    cy.click(24, 15)
    cy.press("Enter")
    media_id = cy.loop.pair(to_correct).item.media_id
    assert cy.controller.session.state.items_of(media_id) == ()


def test_a_further_click_refines_the_mask_that_was_there(to_correct, bench):
    cy = bench("cy", "correct")
    cy.press("1")
    cy.click(20, 15)
    assert cy.rows == ["changed"]
    cy.press("Enter")
    (body,) = cy.bodies(Corrected)
    (edit,) = body.edited
    assert edit.parent == body.edited[0].parent and not body.kept and not body.removed
    mask = cy.loop.mask(edit.mask_id)
    assert mask[15, 20] and mask[square(0)].all()


def test_the_brush_paints_on_it_and_one_undo_takes_the_stroke_back(to_correct, bench):
    cy = bench("cy", "correct")
    cy.press("1", "e")
    cy.drag((12.0, 5.0), (14.0, 5.0))
    assert cy.rows == ["changed"]
    cy.press("z")
    assert cy.rows == ["proposed"] and not cy.now.correct.can_undo
    cy.press("Shift+z", "Enter")
    mask = cy.loop.mask(cy.bodies(Corrected)[0].edited[0].mask_id)
    assert mask[5, 13] and mask[square(0)].all()


def test_removing_everything_says_absent_after_asking(to_correct, bench):
    cy = bench("cy", "correct")
    cy.press("1", "Delete")
    assert cy.rows == ["removed"] and "no “red cup” here" in cy.now.correct.summary
    cy.press("Enter")
    assert "No mask is left" in cy.banner and not cy.bodies(Corrected)
    cy.press("Enter")
    (body,) = cy.bodies(Corrected)
    assert len(body.removed) == 1 and cy.loop.pair(to_correct).is_negative


def test_a_removed_instance_comes_back_by_its_button_and_by_undo(to_correct, bench):
    cy = bench("cy", "correct")
    cy.press("1", "Delete", "z")
    assert cy.rows == ["proposed"]
    cy.press("1", "Delete")
    cy.accept()
    assert cy.rows == ["proposed"]


def test_undo_reaches_over_instances(to_correct, bench):
    cy = bench("cy", "correct")
    cy.click(24, 15)
    cy.press("n")
    cy.click(8, 18)
    assert cy.rows == ["proposed", "new", "new"]
    cy.press("z", "z")
    assert cy.rows == ["proposed"]
    cy.press("Shift+z")
    assert cy.rows == ["proposed", "new"]


def test_a_group_mask_says_that_not_every_instance_is_apart(to_correct, bench):
    cy = bench("cy", "correct")
    cy.press("1", "g")
    assert cy.rows == ["proposed · group"] and not cy.now.correct.is_apart
    cy.press("o", "Enter")
    (body,) = cy.bodies(Corrected)
    assert body.edited[0].is_group and not body.is_instance_exhaustive
    assert not body.is_pixel_exhaustive
    assert np.array_equal(cy.loop.mask(body.edited[0].mask_id), square(0))


def test_a_group_mark_is_undone_in_its_turn(to_correct, bench):
    cy = bench("cy", "correct")
    cy.click(24, 15)
    cy.press("g")
    assert cy.rows == ["proposed", "new · group"] and cy.now.correct.can_undo
    cy.press("z")
    assert cy.rows == ["proposed", "new"]
    cy.press("z")
    assert cy.rows == ["proposed"]
    cy.press("Shift+z")
    assert cy.rows == ["proposed", "new"]
    cy.press("Shift+z")
    assert cy.rows == ["proposed", "new · group"] and not cy.now.correct.can_redo
    cy.press("2", "g", "1", "g", "z")
    assert cy.rows == ["proposed", "new"]


def test_a_group_mark_that_is_on_its_way_is_what_an_undo_takes_back(to_correct, bench):
    cy = bench("cy", "correct", held=("edits",))
    cy.click(24, 15)
    cy.runners.run("edits")
    cy.press("2", "g", "z")
    cy.runners.run("edits")
    cy.ack()
    assert cy.rows == ["proposed", "new"]


def test_a_desk_that_is_worked_at_keeps_its_pair(to_correct, bench, clock):
    cy = bench("cy", "correct")
    for _ in range(4):
        clock.now_s += 500
        cy.click(24, 15)
        cy.later.run()
    assert bench("dee", "correct").now.phrase == ""  # not handed out a second time
    cy.press("Enter")
    assert len(cy.bodies(Corrected)) == 1


def test_a_desk_that_nobody_touches_gives_its_pair_up(to_correct, bench, clock):
    cy = bench("cy", "correct")
    for _ in range(4):
        clock.now_s += 500
        cy.later.run()
    dee = bench("dee", "correct")
    assert dee.now.phrase == "red cup"
    cy.later.run()
    assert cy.now.phrase == "" and "moved on by somebody else" in cy.banner


def test_a_correction_taken_back_is_as_it_was(to_correct, bench):
    cy = bench("cy", "correct")
    cy.click(24, 15)
    cy.press("g", "n", "Enter")
    assert not cy.now.phrase
    cy.press("u")
    assert cy.now.phrase == "red cup" and cy.rows == ["proposed", "new · group"]
    cy.press("Enter")
    first, second = cy.bodies(Corrected)
    assert [m.mask_id for m in first.added] == [m.mask_id for m in second.added]


def test_what_was_drawn_is_there_again_after_a_restart(to_correct, bench):
    cy = bench("cy", "correct")
    cy.click(24, 15)
    cy.controller.close()
    assert bench("cy", "correct").rows == ["proposed", "new"]


def test_nobody_sees_what_others_draw(to_correct, bench):
    cy = bench("cy", "correct")
    cy.click(24, 15)
    cy.loop.release(to_correct)
    assert bench("dee", "correct").rows == ["proposed"]


def test_a_model_that_fails_is_said_and_the_brush_still_works(to_correct, bench, tracker):
    cy = bench("cy", "correct")

    def broken(*_):
        raise RuntimeError("no weights")

    cy.controller.session.model = broken
    cy.click(24, 15)
    assert "no weights" in cy.banner
    del cy.controller.session.model
    cy.press("n", "e")
    cy.drag((24.0, 15.0), (26.0, 15.0))
    assert cy.rows == ["proposed", "new"]


def test_who_verified_a_pair_does_not_correct_it(to_correct, bench):
    eve = bench("eve", "correct")
    assert "eve did ev on this pair and cannot do correct on it" in eve.now.stage.message


def test_masks_have_the_size_of_the_picture(to_correct, bench):
    cy = bench("cy", "correct")
    cy.click(24, 15)
    (row,) = [r for r in cy.controller.correcting.rows() if r.kind.value == "new"]
    assert rle_ops.decode(cy.controller.session.mask(row.masks[0])).shape == SIZE_HW


def test_every_instance_wears_its_number_at_its_corner(to_correct, bench):
    cy = bench("cy", "correct")
    cy.click(24, 15)
    assert [(x.text, x.x, x.y) for x in cy.now.stage.labels] == [("1", 2, 2), ("2", 22, 13)]
    cy.press("g", "h")
    assert cy.now.stage.labels == ()
    cy.press("h")
    assert cy.now.stage.labels[1].text == "2 group"
