"""The desks on a video: frames to look through, instances that are followed."""

from __future__ import annotations

import numpy as np
import pytest

from samnb.engine.concepts.acts import Drawn
from samnb.events.concepts import ConceptTask, Corrected, MvAnswered

SIZE_HW, N_FRAMES = (20, 30), 6


def block(x, y, half=3):
    mask = np.zeros(SIZE_HW, bool)
    mask[y - half : y + half, x - half : x + half] = True
    return mask


@pytest.fixture
def walk(open_project, frames_dir):
    """A masklet on frames 1 to 3 of a video; returns the maker's door and the pair's id."""
    session = open_project("maker")
    media = session.add_media(frames_dir)
    loop = session.concepts
    loop.set_rules(apart="pair")
    (pair,) = loop.add_pairs(media.id, ["walker"])
    masks = {idx: block(8 + idx, 10) for idx in (1, 2, 3)}
    loop.propose_masks(pair.id, [Drawn(masks, model="squares@1")], model="squares@1")
    return loop, pair.id


@pytest.fixture
def to_correct(walk, open_project):
    _, pair_id = walk
    open_project("bo").concepts.answer_mv(pair_id, "accept")
    open_project("eve").concepts.answer_ev(pair_id, "reject")
    return pair_id


def test_a_masklet_is_looked_through_where_it_is(walk, bench):
    ana = bench()
    assert ana.now.frames == "frame 2 · 2 of 3"
    first = ana.now.stage.tiles
    ana.press("d")
    assert ana.now.frames == "frame 3 · 3 of 3" and ana.now.stage.tiles != first
    ana.press("Home", "y")
    assert ana.bodies(MvAnswered)


def test_whether_all_is_found_is_looked_for_on_every_frame(walk, bench, open_project):
    open_project("bo").concepts.answer_mv(walk[1], "accept")
    eve = bench("eve", "ev")
    assert eve.now.frames == f"frame 1 · 2 of {N_FRAMES}", "the first frame with most masks"


def test_playing_shows_one_frame_after_the_other(walk, bench):
    ana = bench()
    ana.press("Home", " ")
    for _ in range(4):
        ana.later.run()
        ana.ack()
    assert ana.now.frames == "frame 3 · 3 of 3" and not ana.now.view.is_playing


def test_a_new_instance_is_followed_to_the_end(to_correct, bench):
    cy = bench("cy", "correct")
    cy.press("Home")
    cy.click(20, 6)
    cy.press("f")
    assert "Done:" in cy.banner and cy.rows == ["proposed", "new"]
    cy.press("Enter")
    (body,) = cy.bodies(Corrected)
    (added,) = body.added
    assert [f.frame_idx for f in added.frames] == list(range(N_FRAMES))
    assert cy.loop.mask(added.frames[-1].mask_id)[6, 25], "it walked on"
    assert cy.loop.pair(to_correct).step.value == "confirm"


def test_one_frame_corrected_keeps_the_others_as_they_were(to_correct, bench):
    cy = bench("cy", "correct")
    cy.press("Home", "d", "1")
    cy.click(20, 6)
    cy.press("Enter")
    (edit,) = cy.bodies(Corrected)[0].edited
    assert [f.frame_idx for f in edit.frames] == [1, 2, 3]
    changed, same = (cy.loop.mask(f.mask_id) for f in edit.frames[:2])
    assert changed[6, 20] and changed[block(9, 10)].all()
    assert np.array_equal(same, block(10, 10))


def test_a_proposed_masklet_can_be_followed_on(to_correct, bench):
    cy = bench("cy", "correct")
    cy.press("Home", "d", "d", "d", "1", "f")
    assert cy.rows == ["changed"]
    cy.press("Enter")
    (edit,) = cy.bodies(Corrected)[0].edited
    assert [f.frame_idx for f in edit.frames] == [1, 2, 3, 4, 5]


def test_an_instance_can_be_absent_on_one_frame(to_correct, bench):
    cy = bench("cy", "correct")
    cy.press("Home", "d", "1", "Shift+o", "Enter")
    (edit,) = cy.bodies(Corrected)[0].edited
    assert [f.frame_idx for f in edit.frames] == [2, 3]


def test_another_person_confirms(to_correct, bench):
    cy = bench("cy", "correct")
    cy.press("Enter")
    dee = bench("dee", "confirm")
    assert dee.now.phrase == "walker" and "Corrected once" in dee.now.question
    assert [tab.task for tab in dee.now.tabs][-1] is ConceptTask.CONFIRM
    dee.press("Enter")
    assert dee.loop.pair(to_correct).step.value == "final"
