import numpy as np
import pytest

from samnb.engine import phases
from samnb.masks import rle as rle_ops
from samnb.models.base import FramePrompts
from samnb.models.maskonly import MaskOnlyTracker
from samnb.types import FlowError, InputError, ModelError, Point, Stroke

CLICK = (Point(10, 10),)


@pytest.fixture
def item_in(session, media):
    return lambda phase: session.add_item(media.id, "dog", phase=phase)


def test_phase_1_answers_from_the_frame_alone_and_tracks_nothing(session, media, item_in, tracker):
    item = item_in(1)
    session.set_prompts(item.id, 0, CLICK)
    assert not [c for c in tracker.calls if c[0] == "set"], "the tracker heard of no prompt"
    with pytest.raises(FlowError, match=r"Phase 1.*nothing is propagated"):
        session.propagate(media.id, [item.id])
    with pytest.raises(FlowError, match="nothing to propagate"):
        session.propagate(media.id)


def test_phase_2_gives_the_tracker_the_mask_not_the_clicks(session, media, item_in):
    item = item_in(2)
    session.set_prompts(item.id, 0, CLICK)
    session.propagate(media.id)
    given = session._tracking.open_track(media.id).prompts[item.obj_id, 0]
    assert given.mask is not None and len(given.points_xy) == 0
    assert session.item(item.id).frames[0].prompts == CLICK, "the canvas still shows the click"


def test_phase_2_redraws_a_tracked_frame_from_scratch(session, media, item_in):
    item = item_in(2)
    session.set_prompts(item.id, 0, CLICK)
    session.propagate(media.id)
    stroke = Stroke(((3.0, 3.0),), 1.0)
    first = session.paint(item.id, 2, stroke)
    mask = rle_ops.decode(session.mask(first.mask_id))
    assert mask[3, 3] and not mask[10, 12]
    second = session.paint(item.id, 2, Stroke(((20.0, 3.0),), 1.0))
    mask = rle_ops.decode(session.mask(second.mask_id))
    assert mask[3, 3] and mask[3, 20], "once begun, the new mask is built up"


@pytest.mark.parametrize("phase", [1, 2])
def test_a_mask_from_scratch_begins_with_the_object_not_with_what_is_too_much(
    session, media, item_in, phase
):
    item = item_in(phase)
    session.set_prompts(item.id, 0, CLICK)
    n_events = len(session.log.read())
    with pytest.raises(FlowError, match=rf"Phase {phase}.*begin with a click on the object"):
        session.set_prompts(item.id, 2, (Point(3, 3, 0),))
    assert len(session.log.read()) == n_events
    assert session.set_prompts(item.id, 2, (*CLICK, Point(3, 3, 0))).is_edited


def test_phase_3_takes_a_click_on_what_is_too_much(session, media, item_in):
    item = item_in(3)
    session.set_prompts(item.id, 0, CLICK)
    session.propagate(media.id)
    assert session.set_prompts(item.id, 2, (Point(3, 3, 0),)).is_edited


def check_afresh(session, media, item, tracker, frame, n_calls):
    assert len(tracker.calls) == n_calls, "the memory was not asked"
    assert frame.origin == "afresh" and [type(p).__name__ for p in frame.prompts] == ["Point"]
    mask = rle_ops.decode(session.mask(frame.mask_id))
    assert mask[6, 20] and not mask[10, 12]
    session.propagate(media.id)
    given = session._tracking.open_track(media.id).prompts[item.obj_id, 2]
    assert np.array_equal(given.mask, mask)


def test_phase_3_can_start_a_frame_afresh_and_gives_the_tracker_the_mask(
    session, media, item_in, tracker
):
    item = item_in(3)
    session.set_prompts(item.id, 0, CLICK)
    session.propagate(media.id)
    n_calls = len(tracker.calls)
    frame = session.set_prompts(item.id, 2, (Point(20, 6),), is_alone=True)
    check_afresh(session, media, item, tracker, frame, n_calls)


def test_clicks_on_a_tracked_frame_that_was_cleared_start_it_afresh(
    session, media, item_in, tracker
):
    item = item_in(3)
    session.set_prompts(item.id, 0, CLICK)
    session.propagate(media.id)
    session.clear_frame(item.id, 2)
    n_calls = len(tracker.calls)
    with pytest.raises(FlowError, match="begin with a click on the object"):
        session.set_prompts(item.id, 2, (Point(3, 3, 0),))
    session.set_prompts(item.id, 2, (Point(3, 3),))
    frame = session.set_prompts(item.id, 2, (Point(20, 6),))
    check_afresh(session, media, item, tracker, frame, n_calls)


def test_a_cleared_frame_without_a_tracked_mask_is_no_fresh_start(session, item_in):
    item = item_in(3)
    session.set_prompts(item.id, 0, CLICK)
    session.clear_frame(item.id, 0)
    assert session.set_prompts(item.id, 0, CLICK).origin == "points"


def test_phase_3_brushes_on_the_tracked_mask(session, media, item_in):
    item = item_in(3)
    session.set_prompts(item.id, 0, CLICK)
    session.propagate(media.id)
    frame = session.paint(item.id, 2, Stroke(((3.0, 3.0),), 1.0))
    mask = rle_ops.decode(session.mask(frame.mask_id))
    assert mask[3, 3] and mask[10, 12]


def test_a_phase_2_tracker_refuses_points(session, media, tracker):
    only = MaskOnlyTracker(tracker)
    assert not only.capabilities.points and only.capabilities.mask
    track = only.open(session.reader(media.id))
    points = FramePrompts(np.array([[10, 10]], np.float32), np.array([1], np.int32))
    with pytest.raises(ModelError, match="expected a mask"):
        track.set_prompts(1, 0, points)
    assert track.segment(0, points).mask.any()


def test_a_tool_outside_the_phase_is_refused(session, item_in, monkeypatch):
    item = item_in(3)
    bare = phases.Phase(3, "Phase 3", frozenset({"points"}), True, True, False, "clicks")
    monkeypatch.setitem(phases.PHASES, 3, bare)
    with pytest.raises(FlowError, match="Phase 3, which has no brush"):
        session.paint(item.id, 0, Stroke(((3.0, 3.0),), 1.0))
    with pytest.raises(FlowError, match="has no box"):
        from samnb.types import Box

        session.set_prompts(item.id, 0, (Box(0, 0, 4, 4),))


def test_an_unknown_phase_is_refused(session, media):
    with pytest.raises(InputError, match="expected one of"):
        session.add_item(media.id, phase=4)
