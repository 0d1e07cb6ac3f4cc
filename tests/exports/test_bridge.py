import itertools
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from samnb.engine.session import Session
from samnb.exports.bridge import all_from_project, from_project, into_project
from samnb.types import FormatError, MediaKind, Step
from tests.exports import samples
from tests.exports.samples import annotation, codes, masklet


@pytest.fixture
def session(tmp_path):
    ids = map("id{}".format, itertools.count())
    opened = Session.open(
        tmp_path / "p.samnb", worker="ana", clock=lambda: 0.0, ids=lambda: next(ids)
    )
    yield opened
    opened.close()


def drawn(session, masks, media_id="m1", *, accept=True):
    """Draw an object by hand on every frame given, and have it verified."""
    item = session.add_item(media_id)
    for idx, code in masks.items():
        session.set_mask(item.id, idx, code)
    session.submit(item.id, allow_missing=True)
    if accept:
        session.as_worker("ben").judge(item.id, "satisfactory")
    session.refresh()
    return item


MANUAL = annotation(
    masklet(0, samples.MANUAL[0], declared=4), masklet(1, samples.MANUAL[1], declared=1)
)
AUTO = annotation(masklet(0, samples.AUTO[0], source="auto", scores=samples.SCORES))


def test_what_went_in_comes_out(session):
    taken = into_project(session, MANUAL, source="a.json")
    out = from_project(session, taken.media_id)
    assert out.media == MANUAL.media and out.frame_idxs == MANUAL.frame_idxs
    assert out.tags == MANUAL.tags
    assert [m.frames for m in out.masklets] == [m.frames for m in MANUAL.masklets]
    assert [m.n_edited for m in out.masklets] == [4, 1]
    assert [s.step for s in session.state.items_of("m1")] == [Step.ACCEPTED] * 2
    assert taken.notes == (
        "sav_7: its video was not found, so masks are kept but no picture can be shown",
    )


def test_manual_and_auto_share_a_medium_and_are_numbered_apart(session):
    into_project(session, MANUAL, source="a.json")
    taken = into_project(session, AUTO, source="b.json")
    assert taken.notes[-1] == "sav_7: object numbers were taken, now 1 as 3"
    out = from_project(session, "m1")
    assert [(m.item.obj_id, m.number, m.is_auto) for m in out.masklets] == [
        (1, 0, False), (2, 1, False), (3, 0, True)
    ]  # fmt: skip
    assert [f.stability for f in out.masklets[2].frames] == samples.SCORES


def test_the_same_masklet_is_not_taken_twice(session):
    into_project(session, MANUAL, source="a.json")
    again = into_project(session, MANUAL, source="a.json")
    assert again.item_ids == ()
    assert "the project has masklets 0, 1 already" in again.notes[-1]


def test_an_import_can_be_left_to_a_verifier(session):
    taken = into_project(session, MANUAL, source="a.json", is_accepted=False)
    assert session.item(taken.item_ids[0]).step is Step.VERIFY
    assert from_project(session, "m1") is None
    assert len(from_project(session, "m1", accepted_only=False).masklets) == 2


def test_edits_are_counted_from_the_log(session):
    session.add_known_media(samples.media())
    drawn(session, dict(zip((0, 8, 20), codes(5, 6, 7), strict=True)))
    (only,) = from_project(session, "m1").masklets
    assert [f.frame_idx for f in only.frames if f.is_edited] == [0, 8, 20]
    assert only.n_edited == 3


def test_an_imported_proposal_that_was_corrected_is_manual_work(session):
    taken = into_project(session, AUTO, source="b.json", is_accepted=False)
    session.as_worker("ben").judge(taken.item_ids[0], "unsatisfactory")
    session.refresh()
    session.set_mask(taken.item_ids[0], 8, samples.MANUAL[0][0])
    session.submit(taken.item_ids[0])
    (only,) = from_project(session, "m1", accepted_only=False).masklets
    assert not only.is_auto and only.n_edited == 1


def test_frames_of_the_grid_without_an_answer_stay_without(session):
    session.add_known_media(samples.media())
    drawn(session, {4: codes(5)[0]})
    out = from_project(session, "m1")
    assert out.frame_idxs == samples.GRID
    assert out.missing_of(out.masklets[0]) == (0, 8, 12, 16, 20)


def test_only_accepted_masklets_leave_unless_told_otherwise(session):
    session.add_known_media(samples.media())
    drawn(session, {0: codes(5)[0]}, accept=False)
    rejected = drawn(session, {0: codes(6)[0]}, accept=False)
    session.as_worker("ben").judge(rejected.id, "reject")
    session.refresh()
    deleted = drawn(session, {0: codes(7)[0]})
    session.delete_item(deleted.id)
    session.add_item("m1")
    assert from_project(session, "m1") is None
    assert [m.item.obj_id for m in from_project(session, "m1", accepted_only=False).masklets] == [1]


def test_media_without_masklets_and_media_of_one_name_are_noted(session):
    session.add_known_media(samples.media())
    session.add_known_media(replace(samples.media("sav_7.mp4"), id="m2-another"))
    session.add_known_media(replace(samples.media("idle.mp4"), id="m3"))
    drawn(session, {0: codes(5)[0]})
    drawn(session, {0: codes(6)[0]}, "m2-another")
    found, notes = all_from_project(session)
    assert [a.video_id for a in found] == ["sav_7", "sav_7-m2-anoth"]
    assert notes == [
        "sav_7.mp4: the name is taken, written as sav_7-m2-anoth",
        "idle.mp4: no accepted masklet, left out",
    ]


def write_frames(folder, size=samples.SIZE, count=samples.N_FRAMES):
    folder.mkdir()
    for idx in range(count):
        Image.fromarray(np.full((*size, 3), 5 * idx, np.uint8)).save(folder / f"{idx:05d}.png")
    return folder


def test_masks_attach_to_the_video_that_is_given(session, tmp_path):
    taken = into_project(session, MANUAL, source="a", media_path=write_frames(tmp_path / "clip"))
    assert session.media(taken.media_id).kind is MediaKind.FRAMES
    assert session.state.tags[taken.media_id]["environment"] == "Indoor"
    assert taken.notes == ()
    assert session.reader(taken.media_id).frame(4).shape == (*samples.SIZE, 3)


def test_masks_attach_to_a_known_medium_of_their_name(session, tmp_path):
    media = session.add_media(write_frames(tmp_path / "sav_7"))
    assert into_project(session, MANUAL, source="a").media_id == media.id


@pytest.mark.parametrize(("size", "count"), [((30, 40), 22), (samples.SIZE, 20)])
def test_a_video_that_does_not_fit_is_refused(session, tmp_path, size, count):
    frames = write_frames(tmp_path / "clip", size, count)
    with pytest.raises(FormatError, match=r"a\.json: expected masks for .*clip"):
        into_project(session, MANUAL, source="a.json", media_path=frames)


def test_a_video_that_moved_away_does_not_keep_masks_from_leaving(session, tmp_path):
    frames = write_frames(tmp_path / "clip")
    media_id = into_project(session, MANUAL, source="a", media_path=frames).media_id
    frames.rename(tmp_path / "elsewhere")
    out = from_project(session, media_id)
    assert [m.frames for m in out.masklets] == [m.frames for m in MANUAL.masklets]
