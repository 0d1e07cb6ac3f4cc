"""Pictures of questions, made before they are wanted."""

from __future__ import annotations

import numpy as np
import pytest

from samnb.engine.concepts.queue import Work
from samnb.events.concepts import ConceptMask, ConceptTask
from samnb.masks import rle as rle_ops
from samnb.types import FrameMask
from samnb.widgets.concept_views import PANEL_PX, Darkroom, Shot, first_frame, render, shot_of
from samnb.widgets.jobs import Inline
from tests.engine.concepts.world import SIZE_HW
from tests.widgets.concept_bench import propose
from tests.widgets.conftest import Held

MV, EV = ConceptTask.MV, ConceptTask.EV


@pytest.fixture
def cup(picture):
    loop, media_id = picture
    pair = loop.pair(propose(loop, media_id, "cup", [0, 1]))
    return loop.session, Work(pair.id, media_id, "cup", MV, pair.accepted)


def clip(*frames_by_mask):
    masks = [
        ConceptMask(f"k{n}", tuple(FrameMask(i, f"m{n}.{i}") for i in frames))
        for n, frames in enumerate(frames_by_mask)
    ]
    return Work("pair", "media", "cup", EV, tuple(masks))


def test_a_masklet_is_looked_at_in_its_middle_and_a_pair_where_most_masks_are():
    work = clip((0, 4, 8), (8, 12))
    assert first_frame(work, work.masks[0]) == 4
    assert first_frame(work, None) == 8
    assert first_frame(clip(), None) == 0


def test_a_shot_names_the_masks_that_are_on_its_frame():
    work = clip((0, 4), (4,))
    assert shot_of(work, None, 4).mask_ids == ("m0.4", "m1.4")
    assert shot_of(work, None, 0).mask_ids == ("m0.0",)
    assert shot_of(work, work.masks[1], 0).mask_ids == ()


def test_one_mask_is_shown_in_two_panels_and_all_as_boxes(cup):
    session, work = cup
    view = render(session, shot_of(work, work.masks[0], 0))
    assert view.shape == (PANEL_PX, 2 * PANEL_PX + 8, 3)
    plain = session.reader(work.media_id).frame(0)
    shot = Shot(EV, work.media_id, 0, tuple(m.mask_id for m in work.masks))
    assert (render(session, shot) != plain).any(axis=2).sum() > 40
    bare = Shot(EV, work.media_id, 0, shot.mask_ids, is_bare=True)
    assert np.array_equal(render(session, bare), plain)


def test_an_empty_mask_of_a_clip_is_shown_as_the_plain_picture(cup):
    session, work = cup
    empty = rle_ops.empty(SIZE_HW)
    session.masks = lambda ids: dict.fromkeys(ids, empty)
    shot = Shot(MV, work.media_id, 0, (empty.id,))
    assert render(session, shot).shape == (*SIZE_HW, 3)


def test_the_most_urgent_is_made_first_and_what_is_not_wanted_any_more_never(cup):
    session, work = cup
    runner = Held()
    room = Darkroom(session, Inline(), runner, lambda: None)
    first, second = (shot_of(work, mask, 0) for mask in work.masks)
    room.want([first])
    room.want([second])
    runner.run()
    assert room.get(second) is not None and room.get(first) is None


def test_a_problem_is_kept_in_words_until_it_is_tried_again(cup):
    session, work = cup
    room = Darkroom(session, Inline(), Inline(), lambda: None)
    strange = Shot(MV, "no such medium", 0, ())
    room.want([strange])
    assert "no such medium" in room.get(strange).problem
    room.forget_problems()
    assert room.get(strange) is None
    good = shot_of(work, work.masks[0], 0)
    room.want([good])
    assert room.get(good).picture.data[:2] == b"\xff\xd8", "a JPEG"
