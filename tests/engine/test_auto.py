import threading

import numpy as np
import pytest

from samnb.engine import auto
from samnb.engine.auto import AutoSettings
from samnb.events import FailuresSampled
from samnb.masks import rle as rle_ops
from samnb.models.base import Prediction
from samnb.models.grid import GridLevel, GridSettings
from samnb.types import FlowError, InputError, MaskPrompt, Point, Step, WorkerKind

GRID = GridSettings(levels=(GridLevel(2),), min_stability=0.5, edge_px=0.0)
SETTINGS = AutoSettings(grid=GRID, clean_px=4)
FRAMES = 6


def propose(session, media, **kw):
    settings = kw.pop("settings", SETTINGS)
    return auto.propose_masklets(session, media.id, settings, **kw)


def mask_of(session, item_id, frame_idx):
    frame = session.item(item_id).frames[frame_idx]
    return rle_ops.decode(session.mask(frame.mask_id))


def test_every_object_of_the_grid_waits_for_a_verifier(session, media):
    result = propose(session, media)
    assert (result.status, result.n_candidates, result.n_known) == ("done", 4, 0)
    for item_id in result.item_ids:
        state = session.item(item_id)
        assert state.step is Step.VERIFY and state.item.source == "auto"
        assert sorted(state.frames) == list(range(FRAMES))
        assert not any(f.is_edited for f in state.frames.values())
    numbers = [session.item(i).item.obj_id for i in result.item_ids]
    assert numbers == [1, 2, 3, 4]


def test_the_model_is_the_maker_so_that_anybody_may_verify(session, media):
    (first, *_) = propose(session, media).item_ids
    state = session.item(first)
    assert state.makers == {"auto:square@1"}
    assert session.state.workers["auto:square@1"].kind is WorkerKind.MODEL
    assert session.next("verifier").item.id == first
    session.judge(first, "satisfactory")
    assert session.item(first).step is Step.ACCEPTED


def test_the_masks_follow_the_object_and_keep_what_the_grid_said(session, media):
    (first, *_) = propose(session, media).item_ids
    proposal = session.item(first).proposals[-1]
    assert proposal.model == "square@1" and proposal.prompts == (
        (0, MaskPrompt(proposal.masks[0].mask_id)),
    )
    start = np.argwhere(mask_of(session, first, 0)).mean(0)
    later = np.argwhere(mask_of(session, first, 3)).mean(0)
    np.testing.assert_allclose(later - start, [0, 3])
    assert proposal.masks[0].confidence == 0.9 and proposal.masks[0].stability == 0.8


class Specks:
    """Puts a hole and a speck into every mask."""

    def __init__(self, session):
        self.inner = session

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def segment(self, position, prompts):
        return self._spoil(self.inner.segment(position, prompts))

    def propagate(self, **kw):
        for position, answers in self.inner.propagate(**kw):
            yield position, {i: self._spoil(a) for i, a in answers.items()}

    def _spoil(self, answer):
        mask = answer.mask.copy()
        y, x = np.argwhere(mask).mean(0).astype(int)
        mask[y, x] = False
        mask[0, 0] = True
        return Prediction(mask, answer.confidence, answer.presence, answer.stability)


def test_holes_and_specks_are_repaired_on_every_frame(session, media, tracker, monkeypatch):
    plain = tracker.open
    monkeypatch.setattr(tracker, "open", lambda frames: Specks(plain(frames)))
    result = propose(session, media)
    assert len(result.item_ids) == 4
    for item_id in result.item_ids:
        for frame_idx in range(FRAMES):
            mask = mask_of(session, item_id, frame_idx)
            assert not mask[0, 0] and mask.sum() == 25, frame_idx


def test_what_the_clean_up_leaves_empty_is_no_candidate(session, media):
    result = propose(session, media, settings=AutoSettings(grid=GRID, clean_px=26))
    assert (result.n_candidates, result.n_small, result.item_ids) == (4, 4, ())


def test_an_object_that_is_there_already_is_not_proposed_again(session, media, dog):
    session.set_prompts(dog.id, 0, (Point(7, 5),))
    session.propagate(media.id)
    result = propose(session, media)
    assert (result.n_candidates, result.n_known, len(result.item_ids)) == (4, 1, 3)
    again = propose(session, media)
    assert (again.n_known, again.item_ids) == (4, ())


def test_an_object_drawn_only_on_later_frames_is_recognised_by_them(session, media, dog):
    session.set_prompts(dog.id, 1, (Point(8, 5),))
    session.propagate(media.id, start=1)
    result = propose(session, media)
    assert (result.n_known, len(result.item_ids)) == (1, 3)


def test_two_masklets_that_grow_into_one_are_one(session, media, tracker, monkeypatch):
    class Merging(Specks):
        def _spoil(self, answer):
            return answer

        def propagate(self, **kw):
            for position, answers in self.inner.propagate(**kw):
                if position == 0:
                    yield position, answers
                    continue
                mask = np.zeros((20, 30), bool)
                mask[5:15, 5:25] = True
                yield position, {i: Prediction(mask, 0.9, 1.0, 1.0) for i in answers}

    plain = tracker.open
    monkeypatch.setattr(tracker, "open", lambda frames: Merging(plain(frames)))
    result = propose(session, media)
    assert (result.n_candidates, result.n_known, len(result.item_ids)) == (4, 3, 1)


def test_only_the_most_confident_are_proposed_when_there_is_a_limit(session, media):
    assert len(propose(session, media, settings=AutoSettings(GRID, 4, limit=2)).item_ids) == 2


def test_progress_tells_both_stages(session, media):
    told = []
    propose(session, media, on_progress=lambda *row: told.append(row))
    assert told[:2] == [("grid", 0, 4), ("grid", 4, 4)]
    assert told[2:] == [("track", n, FRAMES) for n in range(1, FRAMES + 1)]


def test_cancelling_keeps_the_groups_that_are_finished(session, media, monkeypatch):
    monkeypatch.setattr(auto, "AT_ONCE", 2)
    cancel = threading.Event()

    def stop(stage, done, total):
        if stage == "track" and done == FRAMES + 2:
            cancel.set()

    result = propose(session, media, on_progress=stop, cancel=cancel)
    assert result.status == "cancelled" and len(result.item_ids) == 2
    assert all(len(session.item(i).frames) == FRAMES for i in result.item_ids)
    assert session.tracker.calls[-1][0] == "remove", "the model forgets the unfinished ones"


def test_the_same_run_twice_gives_the_same_masks(open_project, frames_dir, tmp_path):
    runs = []
    for name in "ab":
        from samnb.engine.session import Session
        from tests.squares import SquareTracker

        session = Session.open(tmp_path / f"{name}.samnb", tracker=SquareTracker(),
                               annotation_fps=100.0)  # fmt: skip
        media = session.add_media(frames_dir)
        ids = propose(session, media).item_ids
        runs.append([[m.mask_id for m in session.item(i).proposals[-1].masks] for i in ids])
        session.close()
    assert runs[0] == runs[1]


def test_an_annotator_refines_on_top_of_the_auto_mask(session, media, tracker):
    (first, *_) = propose(session, media).item_ids
    session.judge(first, "unsatisfactory", "drifts", 4)
    before = mask_of(session, first, 0)
    session.set_prompts(first, 4, (Point(20, 10),))
    session.propagate(media.id, [first])
    state = session.item(first)
    assert (mask_of(session, first, 0) == before).all()
    assert isinstance(state.frames[0].prompts[0], MaskPrompt), "the memory keeps its first mask"
    assert state.frames[4].is_edited and not state.frames[0].is_edited
    session.submit(first)
    assert session.item(first).proposals[-1].parent_id == state.proposals[0].id


@pytest.fixture
def failed(session, media):
    ids = propose(session, media).item_ids
    for item_id in ids:
        session.judge(item_id, "unsatisfactory")
    return ids


def test_failures_are_sampled_into_refinement_and_the_others_dropped(session, failed):
    drawn = auto.sample_failures(session, rate=0.5, seed=1)
    assert set(drawn.kept + drawn.dropped) == set(failed)
    assert 0 < len(drawn.kept) < 4
    assert {session.item(i).step for i in drawn.kept} == {Step.TRACK}
    assert {session.item(i).step for i in drawn.dropped} == {Step.REJECTED}
    assert session.log.read()[-1].body == drawn
    assert session.item(drawn.kept[0]).item.phase == 3


def test_sampling_again_changes_nothing(session, failed):
    auto.sample_failures(session, rate=0.5, seed=1)
    seq = session.state.seq
    assert auto.sample_failures(session, rate=0.0, seed=2) == FailuresSampled((), (), 0.0, 2)
    assert session.state.seq == seq


@pytest.mark.parametrize(("rate", "kept"), [(0.0, 0), (1.0, 4)])
def test_the_rate_is_obeyed_at_its_ends(session, failed, rate, kept):
    assert len(auto.sample_failures(session, rate=rate).kept) == kept


def test_what_somebody_works_on_is_not_drawn_from_under_them(session, failed):
    session.set_prompts(failed[0], 2, (Point(9, 9),))
    drawn = auto.sample_failures(session, rate=0.0)
    assert failed[0] not in drawn.dropped and len(drawn.dropped) == 3


def test_people_s_own_failures_are_never_sampled(session, open_project, media, dog):
    session.set_prompts(dog.id, 0, (Point(10, 10),))
    session.propagate(media.id)
    session.submit(dog.id)
    open_project("bo").judge(dog.id, "unsatisfactory")
    assert auto.sample_failures(session, rate=0.0).dropped == ()


def test_a_rate_is_a_probability(session):
    with pytest.raises(InputError, match="from 0 to 1, got 25"):
        auto.sample_failures(session, rate=25)


def test_a_selector_finds_the_satisfactory_ones_and_what_they_leave_open(session, media):
    first, second, *_ = propose(session, media).item_ids
    session.judge(first, "satisfactory")
    session.judge(second, "reject")
    assert [s.item.id for s in auto.prefilled(session.state, media.id)] == [first]
    union = auto.covered(session, media.id, 0)
    assert union[mask_of(session, first, 0)].all()
    assert not union[mask_of(session, second, 0)].any()
    assert union.sum() == 75
    with pytest.raises(InputError, match="annotation grid"):
        auto.covered(session, media.id, 99)


def test_two_edited_frames_make_an_object_hard(session, media, dog):
    session.set_prompts(dog.id, 0, (Point(10, 10),))
    session.propagate(media.id)
    assert not auto.is_hard(session.item(dog.id)) and auto.hard_items(session.state) == ()
    session.set_prompts(dog.id, 4, (Point(12, 10),))
    assert [s.item.id for s in auto.hard_items(session.state, media.id)] == [dog.id]
    assert auto.hard_items(session.state, at_least=3) == ()


def test_it_waits_its_turn_for_the_model(session, media):
    with session.model(media.id), pytest.raises(FlowError, match="busy"):
        propose(session, media)
