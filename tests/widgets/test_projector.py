"""Pictures and lanes: newest wish first, nothing of another medium, nothing twice."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from samnb.types import MediaError, Point
from samnb.widgets.compose import MaskRow, Wanted, detail_for
from samnb.widgets.jobs import Inline
from samnb.widgets.projector import Projector
from tests.widgets.camera_sizes import LARGE, SMALL
from tests.widgets.conftest import Held


class Rig:
    def __init__(self, session):
        self.work, self.errors, self.n_changes = Held(self.fail), [], 0
        self.projector = Projector(session, Inline(), self.work, self.changed)

    def fail(self, error):
        self.errors.append(error)

    def changed(self):
        self.n_changes += 1


@pytest.fixture
def session(open_project, media):
    session = open_project("ana")
    for x in (8, 20):
        item = session.add_item(media.id)
        session.set_prompts(item.id, 0, (Point(x, 8),))
    return session


@pytest.fixture
def rig(session):
    return Rig(session)


def wanted(session, media, frame_idx=0, opacity=0.5, detail=None):
    rows = tuple(
        MaskRow(s.item.obj_id, s.frames[frame_idx].mask_id, s.item.obj_id == 1)
        for s in session.state.items_of(media.id)
        if frame_idx in s.frames
    )
    return Wanted(media.id, frame_idx, rows, opacity, detail)


def test_pictures_come_with_the_chosen_mask_on_top(rig, session, media):
    rig.projector.want(wanted(session, media))
    assert rig.projector.shown is None
    rig.work.run()
    shown = rig.projector.shown
    assert [layer.opacity for layer in shown.masks] == [0.7, 1.0]
    assert shown.tiles[0].xyxy == (0, 0, 30, 20)
    assert Image.open(io.BytesIO(shown.tiles[0].picture.data)).size == (30, 20)
    assert rig.n_changes == 1


def test_of_many_wishes_only_the_last_is_made(rig, session, media):
    for frame_idx in range(5):
        rig.projector.want(wanted(session, media, frame_idx))
    rig.work.run()
    assert rig.projector.shown.wanted.frame_idx == 4 and rig.n_changes == 1


def test_the_same_wish_is_not_made_twice(rig, session, media):
    for _ in range(2):
        rig.projector.want(wanted(session, media))
        rig.work.run()
    assert rig.n_changes == 1


def test_a_picture_of_a_medium_that_was_left_is_not_shown(rig, session, media):
    rig.projector.want(wanted(session, media))
    rig.projector.want(None)
    rig.work.run()
    assert rig.projector.shown is None and rig.n_changes == 0


def test_equal_masks_and_frames_are_encoded_once(rig, session, media):
    rig.projector.want(wanted(session, media))
    rig.work.run()
    first = rig.projector.shown
    rig.projector.want(wanted(session, media, opacity=0.9))
    rig.work.run()
    second = rig.projector.shown
    assert second.tiles[0].picture is first.tiles[0].picture
    assert second.masks[0].picture.key != first.masks[0].picture.key


def test_a_close_view_gets_a_sharp_cut_out(rig, session, media):
    rig.projector.want(wanted(session, media, detail=(5, 5, 15, 10)))
    rig.work.run()
    _, sharp = rig.projector.shown.tiles
    assert sharp.xyxy == (5, 5, 15, 10)
    assert Image.open(io.BytesIO(sharp.picture.data)).size == (10, 5)


def test_only_large_frames_seen_closely_need_a_cut_out():
    assert detail_for(SMALL.zoomed(30.0), 1.0) is None
    assert detail_for(LARGE, 1.0) is None
    near = LARGE.zoomed(8.0)
    assert detail_for(near, 1.0) == near.visible_xyxy()


def test_a_frame_that_cannot_be_read_is_told(rig, session, media, monkeypatch):
    def fail(_media_id):
        raise MediaError("clip", "is gone", "relink it")

    monkeypatch.setattr(session, "reader", fail)
    rig.projector.want(wanted(session, media))
    rig.work.run()
    assert [str(e) for e in rig.errors] == ["clip: is gone; relink it"]


def test_lanes_follow_the_log_and_areas_are_read_once(rig, session, media, monkeypatch):
    asked = []
    masks = session.masks
    monkeypatch.setattr(session, "masks", lambda ids: asked.append(set(ids)) or masks(ids))
    frames = session.annotation_frames(media.id)
    for _ in range(2):
        rig.projector.follow(session.state.seq, session.state.items_of(media.id), frames)
        rig.work.run()
    assert [lane.obj_id for lane in rig.projector.lanes] == [1, 2] and rig.n_changes == 1
    item = session.state.items_of(media.id)[0].item
    session.mark_absent(item.id, 1)
    rig.projector.follow(session.state.seq, session.state.items_of(media.id), frames)
    rig.work.run()
    assert [m.is_present for m in rig.projector.lanes[0].marks] == [True, False]
    assert [len(ids) for ids in asked] == [2, 1]
