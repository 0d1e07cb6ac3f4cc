import shutil

import pytest

from samnb.engine import dataset
from samnb.engine.dataset import labelled_clips, synthetic_clips, take_snapshot
from samnb.masks import rle as rle_ops
from samnb.types import FlowError, InputError
from tests.engine.verified import add_verified, open_session


@pytest.fixture
def session(tmp_path):
    session = open_session(tmp_path / "p.samnb")
    yield session
    session.close()


def media_of(session, proposals):
    return {session.item(p.item_id).item.media_id for p in proposals}


def test_no_medium_is_in_both_parts(session, tmp_path):
    media = add_verified(session, tmp_path, 5)
    snapshot = take_snapshot(session, share=0.4)
    train, held_out = (media_of(session, p) for p in (snapshot.train, snapshot.held_out))
    assert train and held_out and not train & held_out
    assert train | held_out == {m.id for m in media}
    assert len(snapshot.train) + len(snapshot.held_out) == 10


def test_content_alone_decides_who_is_held_out(session, tmp_path):
    media = add_verified(session, tmp_path, 5)
    snapshot = take_snapshot(session, share=0.4)
    expected = {m.id for m in media if dataset.place(m.id) < 0.4}
    smallest = min((m.id for m in media), key=dataset.place)
    assert media_of(session, snapshot.held_out) == (expected or {smallest})


def test_some_medium_serves_where_no_hash_is_small_enough(session, tmp_path):
    media = add_verified(session, tmp_path, 3)
    snapshot = take_snapshot(session, share=1e-12)
    smallest = min((m.id for m in media), key=dataset.place)
    assert media_of(session, snapshot.held_out) == {smallest}


def test_a_medium_once_trained_on_is_never_held_out_later(session, tmp_path):
    trained_on = set()
    for n_clips in (2, 4, 7):
        add_verified(session, tmp_path / str(n_clips), n_clips)
        snapshot = take_snapshot(session, share=0.2)
        assert not trained_on & media_of(session, snapshot.held_out)
        trained_on |= media_of(session, snapshot.train)


def test_the_parts_can_be_named(session, tmp_path):
    media = add_verified(session, tmp_path, 3)
    snapshot = take_snapshot(session, held_out=[media[1].id])
    assert media_of(session, snapshot.held_out) == {media[1].id}
    with pytest.raises(InputError, match="media of this project, got 'nope'"):
        take_snapshot(session, held_out=["nope"])


def test_the_snapshot_s_id_is_its_content(session, tmp_path):
    media = add_verified(session, tmp_path, 3)
    first = take_snapshot(session, held_out=[media[0].id])
    assert take_snapshot(session, held_out=[media[0].id]) == first
    assert take_snapshot(session, held_out=[media[1].id]).id != first.id
    session.reopen(first.train[0].item_id)
    assert take_snapshot(session, held_out=[media[0].id]).id != first.id


def test_only_what_is_accepted_now_is_learned_from(session, tmp_path):
    media = add_verified(session, tmp_path, 2)
    first, second = (s.item.id for s in session.state.items_of(media[0].id))
    session.reopen(first)
    snapshot = take_snapshot(session, held_out=[media[1].id])
    assert [p.item_id for p in snapshot.train] == [second]


def test_one_medium_is_not_enough(session, tmp_path):
    media = add_verified(session, tmp_path, 1)
    with pytest.raises(FlowError, match="at least two media"):
        take_snapshot(session)
    with pytest.raises(FlowError, match="got 0 to learn from"):
        take_snapshot(session, held_out=[media[0].id])
    with pytest.raises(InputError, match="between 0 and 1"):
        take_snapshot(session, share=1.0)


def test_masklets_of_missing_files_are_left_out_by_name(session, tmp_path):
    media = add_verified(session, tmp_path, 3)
    shutil.rmtree(media[2].path)
    snapshot = take_snapshot(session, held_out=[media[0].id])
    assert snapshot.missing == (media[2].name,)
    assert media_of(session, snapshot.train) == {media[1].id}


def test_clips_hold_the_true_masks_by_position(session, tmp_path):
    media = add_verified(session, tmp_path, 2)
    snapshot = take_snapshot(session, held_out=[media[1].id])
    (clip,) = labelled_clips(session, snapshot.train)
    assert clip.key == media[0].id and len(clip.frames) == 12 and len(clip.objects) == 2
    ball = clip.objects[0]
    assert sorted(ball) == list(range(12))
    assert rle_ops.area(ball[5]) == 0 and rle_ops.bbox(ball[0]) == (4, 6, 21, 23)
    assert (clip.frames.frame(0)[14, 12] == (200, 30, 30)).all()


def test_made_up_clips_can_be_rehearsed():
    first, second = synthetic_clips(2, n_frames=3)
    assert first.key != second.key and len(first.frames) == 3 == len(first.objects[0])
    assert rle_ops.area(first.objects[0][0]) > 0
    (again,) = synthetic_clips(1, n_frames=3)
    assert again.objects == first.objects
    assert synthetic_clips(1, seed=1, n_frames=3)[0].objects != first.objects
