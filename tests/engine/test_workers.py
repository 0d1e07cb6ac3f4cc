import itertools
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from samnb.engine import stats
from samnb.engine.phasestats import PAPER
from samnb.engine.session import Session
from samnb.engine.simulation import (
    CAREFUL,
    OFFLINE,
    ONLINE,
    CountedIds,
    SimulatedClock,
    TimeModel,
)
from samnb.engine.workers import SimulatedAnnotator, SimulatedVerifier, Strictness, simulated
from samnb.events import FrameEdited, Looked, PropagationStarted, Undone, encode
from samnb.masks import ops as mask_ops
from samnb.masks import rle as rle_ops
from samnb.store.db import Log
from samnb.types import FlowError, MaskPrompt, Point, Step, VerdictKind
from tests.engine.scene import N_FRAMES, ColourTracker, make_truth

TIMES = TimeModel()


@pytest.fixture
def truth(tmp_path):
    return make_truth(tmp_path)


@pytest.fixture
def project(tmp_path, truth):
    """Open a fresh project with one item per phase on an object of the clip."""
    opened = []
    number = itertools.count()

    def make(habits, *, phase=3, target="clip0/2", tracker=None, seed=0):
        clock = SimulatedClock(1000.0)
        session = Session.open(
            tmp_path / f"run{next(number)}.samnb", worker=simulated("ann"), clock=clock,
            tracker=tracker or ColourTracker(), annotation_fps=24.0, ids=CountedIds(seed),
        )  # fmt: skip
        opened.append(session)
        media = session.add_media(truth.videos[0].path)
        item = session.add_item(media.id, phase=phase, target_id=target)
        rng = np.random.default_rng(seed)
        worker = SimulatedAnnotator(truth, habits, clock=clock, rng=rng)
        return session, item, worker

    yield make
    for session in opened:
        session.close()


def edits(session):
    return [e.body for e in session.log.read() if isinstance(e.body, FrameEdited)]


def runs(session):
    return [e.body for e in session.log.read() if isinstance(e.body, PropagationStarted)]


def active_s(session):
    return sum(stats.active_time(session.log.read()).values())


def ious(session, item, truth, target="clip0/2"):
    (obj,) = [o for o in truth.videos[0].objects if o.target_id == target]
    frames = session.item(item.id).frames
    return [rle_ops.iou(session.mask(frames[i].mask_id), obj.masks[i]) for i in range(N_FRAMES)]


def test_the_first_click_is_the_truth_s_inner_most_pixel_and_the_next_the_error_s(project, truth):
    session, item, worker = project(replace(ONLINE, max_frames=1), phase=3)
    gt = truth.videos[0].objects[1].mask(0)
    worker.annotate(session, item.id)
    first, second = (e.prompts for e in edits(session)[:2])
    assert first == (Point(*mask_ops.error_centre(gt)),)
    pred = rle_ops.decode(session.mask(edits(session)[0].mask_id))
    assert second[-1] == Point(*mask_ops.error_centre(gt, pred))


def test_offline_takes_the_worst_frame_and_the_paper_s_time(project, truth):
    session, item, worker = project(
        replace(OFFLINE, max_frames=3), tracker=ColourTracker(rough=9, drift=1.0)
    )
    assert worker.annotate(session, item.id).n_prompted == 3
    assert [e.frame_idx for e in edits(session)] == [0, 0, 0, 11, 11, 11, 10, 10, 10]
    assert [(r.start, r.stop) for r in runs(session)] == [(0, 11)] * 3
    assert active_s(session) == pytest.approx(TIMES.offline_s(N_FRAMES, 3))


def test_online_pauses_below_the_limit_and_goes_on_from_there(project, truth):
    session, item, worker = project(ONLINE, tracker=ColourTracker(rough=9, drift=1.0))
    done = worker.annotate(session, item.id)
    frames = list(dict.fromkeys(e.frame_idx for e in edits(session)))
    assert frames[0] == 0 and 1 < len(frames) < 8
    assert [r.start for r in runs(session)] == frames and {r.stop for r in runs(session)} == {11}
    assert min(ious(session, item, truth)) >= 0.75
    assert active_s(session) == pytest.approx(TIMES.online_s(N_FRAMES, done.n_prompted))


def test_online_stops_prompting_at_the_limit_but_tracks_to_the_end(project, truth):
    session, item, worker = project(
        replace(ONLINE, max_frames=2), tracker=ColourTracker(rough=9, drift=1.0)
    )
    assert worker.annotate(session, item.id).n_prompted == 2
    assert session.missing_frames(item.id) == ()
    assert min(ious(session, item, truth)) < 0.75


def test_running_to_the_end_gives_the_same_masks_with_every_round_in_the_log(project, truth):
    paused, full = ColourTracker(drift=1.0), ColourTracker(drift=1.0)
    a, item_a, worker_a = project(ONLINE, tracker=paused)
    b, item_b, worker_b = project(ONLINE, tracker=full)
    worker_a.annotate(a, item_a.id)
    worker_b.annotate(b, item_b.id, to_the_end=True)
    assert ious(a, item_a, truth) == ious(b, item_b, truth)
    assert active_s(a) == pytest.approx(active_s(b))
    assert paused.n_tracked < full.n_tracked


def test_an_object_that_appears_late_is_tracked_both_ways(project, truth):
    masks = truth.videos[0].objects[0].masks
    late = {i: rle_ops.empty(m.size_hw) if i < 3 else m for i, m in masks.items()}
    object.__setattr__(truth.videos[0].objects[0], "masks", late)
    session, item, worker = project(replace(ONLINE, max_frames=1), target="clip0/1")
    worker.annotate(session, item.id)
    assert [(r.start, r.stop) for r in runs(session)] == [(3, 11), (3, 0)]
    assert edits(session)[0].frame_idx == 3


def test_phase_1_makes_every_frame_from_scratch(project, truth):
    session, item, worker = project(CAREFUL, phase=1, target="clip0/1")
    worker.annotate(session, item.id)
    frames = session.item(item.id).frames
    assert all(frames[i].is_edited for i in range(N_FRAMES)) and not runs(session)
    assert [i for i in frames if frames[i].origin == "absent"] == [5, 6]
    assert min(ious(session, item, truth, "clip0/1")) >= 0.85
    clicks = sum(e.clicks for e in edits(session))
    strokes = sum(e.stroke is not None for e in edits(session))
    assert active_s(session) == pytest.approx(
        N_FRAMES * TIMES.locate_s + 1.5 * clicks + 1.5 * strokes + 2 * TIMES.absent_s
    )


def test_phase_2_corrects_from_scratch_and_phase_3_on_top(project, truth):
    def first_correction(phase):
        tracker = ColourTracker(drift=1.5)
        session, item, worker = project(
            replace(CAREFUL, brush_phases=frozenset()), phase=phase, tracker=tracker
        )
        worker.annotate(session, item.id)
        assert min(ious(session, item, truth)) >= 0.75
        frame = next(e for e in edits(session) if e.frame_idx > 0)
        return frame, truth.videos[0].objects[1].mask(frame.frame_idx)

    edit, gt = first_correction(2)
    assert edit.prompts == (Point(*mask_ops.error_centre(gt)),)
    edit, gt = first_correction(3)
    assert edit.prompts != (Point(*mask_ops.error_centre(gt)),)


def test_the_brush_finishes_what_clicks_did_not(project, truth):
    blunt = ColourTracker(rough=9)
    habits = replace(CAREFUL, max_clicks=2)
    session, item, worker = project(habits, phase=1, tracker=blunt)
    worker.annotate(session, item.id)
    assert any(e.stroke for e in edits(session))
    assert min(ious(session, item, truth)) >= 0.85
    session, item, worker = project(
        replace(habits, brush_phases=frozenset()), phase=1, tracker=blunt
    )
    worker.annotate(session, item.id)
    assert max(ious(session, item, truth)) < 0.85


class Stubborn(ColourTracker):
    """Clicks on what is remembered never help; a frame alone is answered well."""

    def open(self, frames):
        session = super().open(frames)
        plain = session.set_prompts

        def set_prompts(obj_id, position, prompts):
            answer = plain(obj_id, position, prompts)
            if prompts.mask is None and position > 0:
                return session._answer(np.roll(answer.mask, 12, 1))
            return answer

        session.set_prompts = set_prompts
        return session


def test_clicks_that_do_not_help_are_given_up_taken_back_and_counted(project, truth):
    habits = replace(CAREFUL, starts_afresh=False, brush_phases=frozenset())
    session, item, worker = project(habits, tracker=Stubborn(drift=1.0))
    worker.annotate(session, item.id)
    by_frame = Counter(e.frame_idx for e in edits(session))
    wrong = [n for frame_idx, n in by_frame.items() if frame_idx > 0]
    assert wrong and set(wrong) == {CAREFUL.patience + 1}
    frames = session.item(item.id).frames
    assert all(len(frames[i].prompts) == 1 for i in by_frame if i > 0), "the best was the first"
    undone = [e for e in session.log.read() if isinstance(e.body, Undone)]
    assert len(undone) == CAREFUL.patience * len(wrong)
    (row,) = stats.masklets(session.log.read()).to_dict("records")
    assert row["clicks"] == len(edits(session))


def test_clicks_on_a_painted_mask_count_one_each(project, truth):
    habits = replace(CAREFUL, max_clicks=2, satisfied_iou=0.7, max_strokes=1)
    session, item, worker = project(habits, phase=1, tracker=ColourTracker(rough=9))
    worker.annotate(session, item.id)
    painted = session.item(item.id).frames[0]
    assert isinstance(painted.prompts[0], MaskPrompt)
    strict = SimulatedAnnotator(
        truth, replace(CAREFUL, satisfied_iou=0.99, pause_iou=0.99, patience=None, max_strokes=1),
        clock=worker.clock, rng=worker.rng,
    )  # fmt: skip
    session.submit(item.id)
    session.as_worker("bo").judge(item.id, "unsatisfactory")
    session.refresh()
    n_before = len(edits(session))
    strict.annotate(session, item.id)
    later = [e for e in edits(session)[n_before:] if e.tool == "points"]
    assert len(later) > 2 and {e.clicks for e in later} == {1}


def test_phase_3_starts_a_frame_afresh_where_the_memory_misleads(project, truth):
    habits = replace(CAREFUL, brush_phases=frozenset())
    session, item, worker = project(habits, tracker=Stubborn(drift=1.0))
    worker.annotate(session, item.id)
    assert min(ious(session, item, truth)) >= 0.75
    tools = Counter(e.tool for e in edits(session) if e.frame_idx > 0)
    assert tools["afresh"] >= tools["clear"] > 0
    assert all(e.clicks == 1 for e in edits(session) if e.tool == "afresh")


def test_the_paper_s_annotators_click_on_whether_it_helps_or_not(project):
    session, item, worker = project(ONLINE, tracker=Stubborn(drift=1.0))
    worker.annotate(session, item.id)
    by_frame = Counter(e.frame_idx for e in edits(session) if e.frame_idx > 0)
    assert by_frame and set(by_frame.values()) == {3}
    assert not [e for e in session.log.read() if isinstance(e.body, Undone)]


class Carried(ColourTracker):
    """Answers every click with everything but the object."""

    def open(self, frames):
        session = super().open(frames)
        plain = session.segment
        session.segment = lambda position, prompts: session._answer(~plain(position, prompts).mask)
        return session


def test_a_mask_on_something_else_is_cleared_and_painted_from_nothing(project, truth):
    session, item, worker = project(CAREFUL, phase=1, tracker=Carried(rough=0))
    worker.annotate(session, item.id)
    assert min(ious(session, item, truth)) >= 0.85
    tools = [e.tool for e in edits(session) if e.frame_idx == 0]
    assert "clear" in tools and set(tools[tools.index("clear") + 1 :]) <= {"brush", "eraser"}
    assert len(tools) < CAREFUL.max_strokes


def test_the_reproducing_baseline_counts_only_clicks_by_hand(project, truth):
    session, item, worker = project(
        replace(OFFLINE, max_frames=2, correction="reproduce"), phase=2,
        tracker=ColourTracker(rough=9, drift=1.0),
    )  # fmt: skip
    worker.annotate(session, item.id)
    correction = [e for e in edits(session) if e.frame_idx == 11]
    assert [e.clicks for e in correction] == [1, 1, 1]
    assert len(correction[0].prompts) > 1


def test_the_same_seed_gives_the_same_log_byte_for_byte(project, truth, tmp_path):
    habits = replace(CAREFUL, click_jitter_px=1.5, missed_error_rate=0.3, fatigue=5.0)

    def text(seed):
        session, item, worker = project(habits, seed=seed, tracker=ColourTracker(drift=1.0))
        worker.annotate(session, item.id)
        session.submit(item.id)
        events = session.log.read()
        return [(e.seq, e.at_s, e.worker_id, encode(e.body)) for e in events[1:]]

    assert text(3) == text(3)
    assert [row[3] for row in text(3)] != [row[3].replace("s4-", "s3-") for row in text(4)]


def test_overlooked_errors_and_fatigue_cost_quality_and_time(project, truth):
    def run(**imperfection):
        session, item, worker = project(
            replace(ONLINE, **imperfection), tracker=ColourTracker(drift=1.0)
        )
        worker.annotate(session, item.id)
        return min(ious(session, item, truth)), active_s(session)

    fresh = run()
    assert run(missed_error_rate=1.0)[0] < fresh[0]
    assert run(fatigue=100.0)[1] > fresh[1]


def test_watching_is_signed_often_enough_to_count_as_work(project, truth):
    slow = replace(ONLINE, times=TimeModel(view_s=8.0))
    session, item, worker = project(slow, tracker=ColourTracker(rough=9, drift=0.0))
    worker.annotate(session, item.id)
    looks = [e for e in session.log.read() if isinstance(e.body, Looked)]
    assert len(looks) == N_FRAMES
    assert active_s(session) == pytest.approx(8.0 * N_FRAMES + 5.5)


def test_an_item_that_the_truth_does_not_know_is_refused(project):
    session, item, worker = project(ONLINE, target="clip0/9")
    with pytest.raises(FlowError, match="ground truth has no object"):
        worker.annotate(session, item.id)


def verifier(session, worker, truth, **rules):
    clock = worker.clock
    return SimulatedVerifier(
        truth, Strictness(**rules), clock=clock, rng=np.random.default_rng(0)
    ), session.as_worker(simulated("ver"))


def test_a_bad_masklet_goes_back_with_the_frame_and_comes_back_better(project, truth):
    session, item, worker = project(
        replace(ONLINE, missed_error_rate=1.0), tracker=ColourTracker(drift=1.0)
    )
    worker.work(session)
    judge, theirs = verifier(session, worker, truth)
    before = judge.clock.now_s
    verdict = judge.verify(theirs, item.id)
    assert verdict.kind is VerdictKind.UNSATISFACTORY and verdict.frame_idx == 11
    assert judge.clock.now_s - before == pytest.approx(0.1 * N_FRAMES)
    session.refresh()
    worker.habits = ONLINE
    assert worker.work(session) == 1
    assert judge.work(theirs) == 1
    assert session.refresh().items[item.id].step is Step.ACCEPTED


def test_a_verifier_errs_at_the_given_rate(project, truth):
    session, item, worker = project(ONLINE)
    worker.work(session)
    judge, theirs = verifier(session, worker, truth, error_rate=1.0)
    assert judge.verify(theirs, item.id).kind is VerdictKind.UNSATISFACTORY


def test_a_target_that_is_no_object_is_rejected(project, truth):
    session, item, worker = project(ONLINE)
    other = session.add_item(item.media_id)
    corner = np.zeros((48, 64), bool)
    corner[:3, :3] = True
    session.set_mask(other.id, 0, rle_ops.encode(corner))
    session.submit(other.id, allow_missing=True)
    judge, theirs = verifier(session, worker, truth)
    assert judge.verify(theirs, other.id).kind is VerdictKind.REJECT


def test_an_item_without_target_is_matched_by_overlap(project, truth):
    session, item, _ = project(ONLINE)
    other = session.add_item(item.media_id)
    ball = truth.videos[0].objects[0]
    frame = session.set_mask(other.id, 0, ball.masks[0])
    assert frame.prompts == (MaskPrompt(ball.masks[0].id),)
    assert truth.find(session, session.item(other.id)) is ball


def test_a_run_can_be_read_again_by_anybody(project, truth):
    session, _, worker = project(ONLINE)
    worker.work(session)
    log = Log(session.log.url.removeprefix("sqlite:///"))
    (row,) = stats.masklets(log.read()).to_dict("records")
    log.close()
    assert row["step"] == "verify" and row["annotators"] == "ann"
    assert row["clicks"] == sum(e.clicks for e in edits(session))


def test_phase_3_clicks_at_most_as_often_as_refining_allows_and_paints_only_what_stays_wrong(
    project, truth
):
    habits = replace(CAREFUL, satisfied_iou=0.99, patience=None)
    session, item, worker = project(habits, tracker=ColourTracker(rough=9, drift=1.0))
    worker.annotate(session, item.id)
    clicks = Counter(e.frame_idx for e in edits(session) if e.clicks)
    assert clicks and max(clicks.values()) == CAREFUL.max_refining
    assert min(ious(session, item, truth)) >= CAREFUL.pause_iou
    frames = session.item(item.id).frames
    painted = {e.frame_idx for e in edits(session) if e.stroke is not None}
    assert any(f.is_edited for i, f in frames.items() if i not in painted)


def test_the_time_model_with_the_paper_s_counts_gives_the_paper_s_ratios():
    first, second, third = (
        TIMES.per_frame_s(row.edited_share, row.clicks_per_clicked_frame, is_watched=n > 1)
        for n, row in sorted(PAPER.items())
    )
    assert first / second == pytest.approx(PAPER[2].speed_up, rel=0.05)
    assert first / third == pytest.approx(PAPER[3].speed_up, rel=0.1)
    assert PAPER[1].s_per_frame / first == pytest.approx(4.6, abs=0.1)
