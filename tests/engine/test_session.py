import threading

import numpy as np
import pytest
from PIL import Image

from samnb.engine.session import LEASE_S
from samnb.events import FrameTracked, PropagationEnded
from samnb.masks import rle as rle_ops
from samnb.store.db import Log
from samnb.types import (
    Box,
    FlowError,
    InputError,
    LogConflictError,
    MaskPrompt,
    Media,
    MediaError,
    MediaKind,
    MediaMissingError,
    Point,
    Role,
    Step,
    Stroke,
)

CLICK = (Point(10, 10),)


def mask_of(session, item, frame_idx):
    frame = session.item(item.id).frames[frame_idx]
    return rle_ops.decode(session.mask(frame.mask_id))


def track(session, media, item, **kw):
    session.set_prompts(item.id, 0, CLICK)
    return session.propagate(media.id, [item.id], **kw)


def test_a_click_commits_prompt_and_mask(session, dog):
    frame = session.set_prompts(dog.id, 0, CLICK)
    assert frame.prompts == CLICK and frame.is_edited and frame.confidence == 0.9
    expected = np.zeros((20, 30), bool)
    expected[8:13, 8:13] = True
    np.testing.assert_array_equal(mask_of(session, dog, 0), expected)


def test_two_boxes_are_refused_before_anything_is_written(session, dog):
    seq = session.state.seq
    with pytest.raises(InputError, match="at most one box"):
        session.set_prompts(dog.id, 0, (Box(0, 0, 2, 2), Box(1, 1, 3, 3)))
    assert session.state.seq == seq


def test_a_frame_off_the_grid_is_refused(session, dog):
    with pytest.raises(InputError, match="annotation grid, got 99"):
        session.set_prompts(dog.id, 99, CLICK)


def test_a_brush_stroke_edits_the_model_s_own_mask(session, dog):
    session.set_prompts(dog.id, 0, CLICK)
    frame = session.paint(dog.id, 0, Stroke(((20.0, 10.0), (24.0, 10.0)), 1.0))
    mask = mask_of(session, dog, 0)
    assert mask[10, 10] and mask[10, 22], "both the model's piece and the stroke are there"
    assert frame.prompts == (MaskPrompt(frame.mask_id),)
    session.paint(dog.id, 0, Stroke(((10.0, 10.0),), 1.0, is_erase=True))
    assert not mask_of(session, dog, 0)[10, 10]


def test_clicks_after_a_brush_add_and_take_away(session, dog):
    painted = session.paint(dog.id, 0, Stroke(((3.0, 3.0),), 1.0))
    added = session.set_prompts(dog.id, 0, (*painted.prompts, Point(20, 10)))
    assert mask_of(session, dog, 0)[3, 3] and mask_of(session, dog, 0)[10, 20]
    session.set_prompts(dog.id, 0, (*added.prompts, Point(3, 3, 0)))
    assert not mask_of(session, dog, 0)[3, 3] and mask_of(session, dog, 0)[10, 20]


def test_absent_is_an_answer_and_clear_is_none(session, dog):
    absent = session.mark_absent(dog.id, 2)
    assert rle_ops.area(session.mask(absent.mask_id)) == 0 and absent.is_edited
    assert session.clear_frame(dog.id, 2).mask_id is None
    assert 2 in session.missing_frames(dog.id)


def test_object_numbers_are_never_reused(session, media, dog):
    session.delete_item(dog.id)
    assert session.add_item(media.id).obj_id == 2


def test_propagation_fills_the_range_and_reports_progress(session, media, dog):
    seen = []
    result = track(session, media, dog, on_progress=lambda a, b: seen.append((a, b)))
    assert (result.status, result.n_frames) == ("done", 6)
    assert seen[0] == (0, 6) and seen[-1] == (6, 6)
    assert np.flatnonzero(mask_of(session, dog, 3).any(0)).tolist() == [11, 12, 13, 14, 15]
    assert session.item(dog.id).frames[3].origin == "propagated"


def test_propagation_runs_backward(session, media, dog):
    session.set_prompts(dog.id, 4, CLICK)
    result = session.propagate(media.id, start=4, stop=2)
    assert result.n_frames == 3
    assert sorted(session.item(dog.id).frames) == [2, 3, 4]


def test_a_corrected_frame_survives_propagation(session, media, dog):
    track(session, media, dog)
    session.set_prompts(dog.id, 3, (Point(5, 5),))
    before = mask_of(session, dog, 3)
    session.propagate(media.id)
    np.testing.assert_array_equal(mask_of(session, dog, 3), before)
    assert mask_of(session, dog, 4)[5, 6], "later frames follow the correction"


def test_cancelling_keeps_the_finished_frames(session, media, dog):
    cancel = threading.Event()

    def stop_after_three(done, _total):
        if done == 3:
            cancel.set()

    result = track(session, media, dog, cancel=cancel, on_progress=stop_after_three)
    assert (result.status, result.n_frames) == ("cancelled", 3)
    assert sorted(session.item(dog.id).frames) == [0, 1, 2]


def test_a_failing_model_keeps_the_finished_frames_and_says_so(session, media, dog, tracker):
    tracker.fail_at = 2
    with pytest.raises(RuntimeError, match="out of memory"):
        track(session, media, dog)
    assert sorted(session.item(dog.id).frames) == [0, 1]
    ended = [e.body for e in session.log.read() if isinstance(e.body, PropagationEnded)]
    assert ended[-1].status == "failed" and "out of memory" in ended[-1].detail
    tracker.fail_at = None
    assert session.propagate(media.id).status == "done", "the model is free again"


def test_every_propagated_frame_is_its_own_commit(session, media, dog):
    track(session, media, dog)
    tracked = [e for e in session.log.read() if isinstance(e.body, FrameTracked)]
    assert [e.body.frame_idx for e in tracked] == list(range(6))


def test_nothing_to_propagate_is_said(session, media, dog):
    with pytest.raises(FlowError, match="click an object"):
        session.propagate(media.id)


def test_clicking_while_a_propagation_runs_is_refused(session, media, dog):
    def click(done, _total):
        if done == 1:
            with pytest.raises(FlowError, match="model is busy"):
                session.set_prompts(dog.id, 5, CLICK)

    assert track(session, media, dog, on_progress=click).status == "done"


def test_undo_and_redo_walk_over_clicks_strokes_and_propagations(session, media, dog):
    track(session, media, dog)
    session.paint(dog.id, 3, Stroke(((20.0, 3.0),), 1.0))
    painted = mask_of(session, dog, 3)
    assert session.undo(dog.id, 3)
    assert session.item(dog.id).frames[3].origin == "propagated"
    assert session.undo(dog.id, 3)
    assert sorted(session.item(dog.id).frames) == [0]
    assert not session.undo(dog.id, 3)
    assert session.redo(dog.id, 3) and session.redo(dog.id, 3) and not session.redo(dog.id, 3)
    np.testing.assert_array_equal(mask_of(session, dog, 3), painted)
    assert sorted(session.item(dog.id).frames) == list(range(6))


def test_undo_is_per_object(session, media, dog):
    cat = session.add_item(media.id, "cat")
    for item in (dog, cat):
        session.set_prompts(item.id, 0, CLICK)
    session.propagate(media.id)
    session.undo(cat.id, 5)
    assert 5 in session.item(dog.id).frames and 5 not in session.item(cat.id).frames


def test_a_new_gesture_ends_redo(session, dog):
    session.set_prompts(dog.id, 0, CLICK)
    session.undo(dog.id, 0)
    session.set_prompts(dog.id, 0, (Point(1, 1),))
    assert not session.can_redo(dog.id, 0)


def test_undo_brings_a_deleted_object_back_whole(session, media, dog):
    track(session, media, dog)
    session.delete_item(dog.id)
    assert session.state.items_of(media.id) == ()
    with pytest.raises(FlowError, match="was deleted"):
        session.set_prompts(dog.id, 0, CLICK)
    assert session.undo(dog.id, 2)
    assert sorted(session.item(dog.id).frames) == list(range(6))


def test_the_model_forgets_what_was_undone(session, media, dog, tracker):
    session.set_prompts(dog.id, 0, CLICK)
    session.set_prompts(dog.id, 4, (Point(5, 5),))
    session.undo(dog.id, 4)
    session.propagate(media.id)
    assert ("clear", 1, 4) in tracker.calls


def test_a_restarted_kernel_finds_everything(session, media, dog, open_project, tracker):
    track(session, media, dog)
    session.set_prompts(dog.id, 3, (Point(5, 5),))
    session.undo(dog.id, 3)
    session.look(media.id, dog.id, 4)
    before = session.state
    # Nothing is closed or flushed: this is what a killed kernel leaves behind.
    again = open_project()
    assert again.state.items[dog.id].frames == before.items[dog.id].frames
    assert again.state.cursors == before.cursors
    assert again.redo(dog.id, 3), "the undo stack is there"
    tracker.calls.clear()
    again.propagate(media.id)
    assert ("set", 1, 0) in tracker.calls and ("set", 1, 3) in tracker.calls


def submit(session, media, item):
    track(session, media, item)
    return session.submit(item.id)


def test_submitting_with_holes_says_where(session, media, dog):
    with pytest.raises(FlowError, match="click the object first"):
        session.submit(dog.id)
    session.set_prompts(dog.id, 0, CLICK)
    with pytest.raises(FlowError, match="5 of 6 frames have no answer yet, first 1"):
        session.submit(dog.id)
    assert len(session.submit(dog.id, allow_missing=True).masks) == 1


def test_the_maker_cannot_verify(session, media, dog):
    submit(session, media, dog)
    with pytest.raises(FlowError, match="ana made dog and cannot verify"):
        session.judge(dog.id, "satisfactory")
    assert session.next(Role.VERIFIER) is None


def test_whoever_edited_it_cannot_verify_either(session, media, dog, open_project):
    bo = open_project("bo")
    bo.set_prompts(dog.id, 0, CLICK)
    session.propagate(media.id)
    session.submit(dog.id)
    with pytest.raises(FlowError, match="bo made dog"):
        bo.judge(dog.id, "satisfactory")


@pytest.mark.parametrize(
    ("verdict", "step"),
    [("satisfactory", Step.ACCEPTED), ("unsatisfactory", Step.TRACK), ("reject", Step.REJECTED)],
)
def test_a_verdict_moves_the_item(session, media, dog, open_project, verdict, step):
    submit(session, media, dog)
    bo = open_project("bo")
    assert bo.next("verifier").item == dog
    bo.judge(dog.id, verdict, "tail lost", 4)
    session.refresh()
    assert session.item(dog.id).step is step
    said = session.item(dog.id).verdicts[-1]
    assert (said.worker_id, said.note, said.frame_idx) == ("bo", "tail lost", 4)


def test_a_correction_names_its_parent(session, media, dog, open_project):
    first = submit(session, media, dog)
    open_project("bo").judge(dog.id, "unsatisfactory")
    assert session.next("annotator").item == dog
    second = session.submit(dog.id)
    assert second.parent_id == first.id and second.id != first.id


def test_a_masklet_that_never_satisfies_is_dropped(session, media, dog, open_project):
    bo = open_project("bo")
    track(session, media, dog)
    for _ in range(5):
        session.submit(dog.id)
        bo.judge(dog.id, "unsatisfactory")
    session.refresh()
    assert session.item(dog.id).step is Step.REJECTED
    assert session.item(dog.id).history[-1].what.reason == "dropped after 5 unsatisfactory rounds"


def test_what_is_under_verification_is_not_edited(session, media, dog):
    submit(session, media, dog)
    with pytest.raises(FlowError, match=r"at step 'verify'.*reopen"):
        session.set_prompts(dog.id, 0, CLICK)
    session.reopen(dog.id, "missed a leg")
    session.set_prompts(dog.id, 0, CLICK)


def test_a_claim_keeps_others_away_until_its_lease_runs_out(
    session, media, dog, open_project, clock
):
    submit(session, media, dog)
    bo, cy = open_project("bo"), open_project("cy")
    assert bo.next("verifier").item == dog
    assert cy.next("verifier") is None
    with pytest.raises(FlowError, match="worked on by bo"):
        cy.judge(dog.id, "satisfactory")
    clock.now_s += 601
    assert cy.next("verifier").item == dog


def test_only_a_claim_of_ones_own_that_runs_out_is_renewed(session, dog, open_project, clock):
    session.renew(dog.id, "annotator")
    assert session.item(dog.id).claim is None, "there was none"
    bo = open_project("bo")
    bo.next("annotator")
    until_s = bo.item(dog.id).claim.until_s
    bo.renew(dog.id, "annotator")
    assert bo.item(dog.id).claim.until_s == until_s
    clock.now_s = until_s - 1
    session.renew(dog.id, "annotator")
    assert session.item(dog.id).claim.worker_id == "bo"
    bo.renew(dog.id, "annotator")
    assert bo.item(dog.id).claim.until_s == clock.now_s + LEASE_S


def test_a_released_item_is_free(session, media, dog, open_project):
    submit(session, media, dog)
    bo, cy = open_project("bo"), open_project("cy")
    bo.next("verifier")
    bo.release(dog.id)
    assert cy.next("verifier").item == dog


def test_what_was_skipped_is_left_out_but_stays_for_others(session, media, dog, open_project):
    cat = session.add_item(media.id, "cat")
    submit(session, media, dog)
    submit(session, media, cat)
    bo, cy = open_project("bo"), open_project("cy")
    assert bo.next("verifier", but={dog.id}).item == cat
    assert bo.next("verifier", media.id, but=[dog.id, cat.id]) is None
    assert cy.next("verifier").item == dog


def test_writers_that_collide_both_get_through(session, media, dog, open_project):
    other = open_project("bo")
    threads = [
        threading.Thread(target=lambda s=s: [s.rename_item(dog.id, str(k)) for k in range(20)])
        for s in (session, other)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    renamed = [e for e in session.log.read() if e.kind == "item_renamed"]
    assert len(renamed) == 40


def test_a_log_that_never_rests_is_reported(session, dog, monkeypatch):
    def conflict(*_a, **_k):
        raise LogConflictError("busy")

    monkeypatch.setattr(Log, "append", conflict)
    with pytest.raises(LogConflictError, match="too many writers"):
        session.rename_item(dog.id, "x")


def test_only_the_session_that_opened_the_log_closes_it(session, monkeypatch):
    closed = []
    monkeypatch.setattr(Log, "close", lambda _log: closed.append(True))
    session.as_worker("bo").close()
    assert not closed
    session.close()
    assert closed == [True]


def test_a_moved_file_is_missed_and_found_again(open_project, session, media, dog, tmp_path):
    session.close()
    (tmp_path / "frames").rename(tmp_path / "elsewhere")
    again = open_project()
    with pytest.raises(MediaMissingError, match="frames: the file is not there; call relink"):
        again.reader(media.id)
    with pytest.raises(MediaMissingError, match="nothing here has the content"):
        again.relink(media.id, tmp_path / "p.samnb")
    again.relink(media.id, tmp_path)
    assert again.reader(media.id).frame(0).shape == (20, 30, 3)


def test_a_medium_known_from_annotations_takes_the_file_that_fits(session, frames_dir, tmp_path):
    known = Media("unseen-1", MediaKind.IMAGE, "a", "", (20, 30), 1, 0.0, 0.0)
    session.add_known_media(known)
    with pytest.raises(MediaMissingError, match="a: the file is not there"):
        session.reader(known.id)
    wrong = tmp_path / "wrong.png"
    Image.new("RGB", (8, 8)).save(wrong)
    with pytest.raises(MediaError, match=r"expected size and frames \(\(20, 30\), 1\)"):
        session.relink(known.id, wrong)
    session.relink(known.id, frames_dir / "000.png")
    assert session.reader(known.id).frame(0).shape == (20, 30, 3)


def test_adding_the_same_content_twice_gives_one_medium(session, media, frames_dir):
    assert session.add_media(frames_dir).id == media.id
    assert len(session.state.media) == 1


def test_subscribers_hear_of_every_append(session, dog):
    heard = []
    stop = session.subscribe(lambda events: heard.extend(e.kind for e in events))
    session.rename_item(dog.id, "x")
    stop()
    session.rename_item(dog.id, "y")
    assert heard == ["item_renamed"]


def test_a_snapshot_does_not_change_under_its_reader(session, media, dog):
    before = session.state
    track(session, media, dog)
    assert before.items[dog.id].frames == {} and before.seq < session.state.seq


def test_the_model_changes_and_the_prompts_stay(session, media, dog, tracker):
    track(session, media, dog)
    other = type(tracker)()
    session.switch_model(other)
    assert ("close",) in tracker.calls
    session.propagate(media.id)
    assert ("set", 1, 0) in other.calls
