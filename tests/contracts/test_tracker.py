"""What every tracker promises the engine; see ``samnb.models.base``."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest

from samnb.models.base import FramePrompts, FrameSource
from samnb.types import InputError, ModelError
from tests.models.clip import SIZE_HW, Clip, box, clicks, drawn

RED, GREEN = clicks((9, 20, 1)), clicks((66, 37, 1))
EVERY_KIND = {
    "click": RED,
    "clicks": clicks((9, 20, 1), (66, 37, 0), (12, 25, 1)),
    "box": box(1, 11, 17, 29),
    "box and click": FramePrompts(
        np.array([[66, 37]], np.float32),
        np.array([0], np.int32),
        np.array([1, 11, 17, 29], np.float32),
    ),
    "mask": drawn(1, 11, 17, 29),
}

# On the green rectangle, to which an object that followed the red one is corrected.
CORRECTIONS = {
    "click": clicks((58, 37, 1)),
    "clicks": clicks((58, 37, 1), (10, 20, 0), (62, 40, 1)),
    "box": box(53, 29, 70, 45),
    "box and click": FramePrompts(
        np.array([[10, 20]], np.float32),
        np.array([0], np.int32),
        np.array([53, 29, 70, 45], np.float32),
    ),
    "mask": drawn(56, 30, 68, 44),
}


@pytest.fixture
def clip():
    return Clip()


@pytest.fixture
def session(tracker, clip):
    session = tracker.open(clip)
    yield session
    session.close()


def track(session, start, stop, obj_ids=None):
    """Propagate to the end; {position: {obj_id: Prediction}}."""
    return dict(session.propagate(start=start, stop=stop, obj_ids=obj_ids))


def masks_of(found, obj_id=1):
    return {position: objects[obj_id].mask for position, objects in found.items()}


def assert_equal(a, b):
    assert list(a) == list(b)
    for position in a:
        assert np.array_equal(a[position], b[position]), f"masks differ on frame {position}"


def check_prediction(prediction):
    assert prediction.mask.shape == SIZE_HW
    assert prediction.mask.dtype == np.bool_
    for value in (prediction.confidence, prediction.presence, prediction.stability):
        assert type(value) is float
        assert 0.0 <= value <= 1.0


def test_it_has_a_name_and_capabilities(tracker):
    assert isinstance(tracker.name, str) and "@" in tracker.name
    assert tracker.capabilities.points and tracker.capabilities.mask
    assert isinstance(Clip(), FrameSource)


def test_opening_reads_no_frame(tracker, clip):
    tracker.open(clip).close()
    assert clip.read == []


def test_a_prompt_reads_its_own_frame_and_once(session, clip):
    session.set_prompts(1, 5, RED)
    session.set_prompts(1, 5, EVERY_KIND["clicks"])
    session.segment(5, GREEN)
    assert clip.read == [5]


def test_propagation_reads_only_the_frames_of_its_range(session, clip):
    session.set_prompts(1, 5, RED)
    track(session, 5, 9)
    assert sorted(set(clip.read)) == [5, 6, 7, 8, 9]


def test_propagation_reads_a_frame_when_it_comes_to_it(session, clip):
    session.set_prompts(1, 0, RED)
    running = session.propagate(start=0, stop=9)
    for _ in range(3):
        next(running)
    assert max(clip.read) == 2
    running.close()


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_every_kind_of_prompt_gives_a_mask_with_and_without_memory(session, kind):
    check_prediction(session.segment(0, EVERY_KIND[kind]))
    check_prediction(session.set_prompts(1, 0, EVERY_KIND[kind]))
    check_prediction(session.set_prompts(1, 3, EVERY_KIND[kind]))
    for position, objects in session.propagate(start=0, stop=2):
        assert position in (0, 1, 2)
        check_prediction(objects[1])


def test_prompts_matter(session):
    masks = {
        kind: session.segment(0, prompts).mask.tobytes() for kind, prompts in EVERY_KIND.items()
    }
    masks["elsewhere"] = session.segment(0, GREEN).mask.tobytes()
    assert len(set(masks.values())) > 2


class KeyedClip(Clip):
    def frame_key(self, index):
        return f"clip:{index}"


def test_sessions_on_one_model_see_the_same_in_frames_that_another_has_read(tracker):
    first, second = (tracker.open(KeyedClip()) for _ in range(2))
    plain = tracker.open(Clip())
    found = []
    for session in (first, second, plain):
        session.set_prompts(1, 0, RED)
        found.append(masks_of(track(session, 0, 9)))
    assert_equal(found[0], found[2])
    assert_equal(found[1], found[2])


GROWING = [
    clicks(*[(9, 20, 1), (58, 37, 1), (12, 25, 1), (30, 5, 0), (62, 40, 1)][:n])
    for n in range(1, 6)
]


def test_the_same_clicks_give_the_same_mask_without_memory_whatever_was_asked_before(tracker):
    one_by_one, at_once, wild = (tracker.open(Clip()) for _ in range(3))
    grown = [one_by_one.segment(4, prompts).mask for prompts in GROWING]
    for prompts in (GREEN, GROWING[2], box(1, 11, 17, 29), GROWING[4], GROWING[0], RED):
        wild.segment(4, prompts)
        wild.segment(5, prompts)
    for session in (at_once, wild):
        assert np.array_equal(session.segment(4, GROWING[-1]).mask, grown[-1])


def test_a_click_taken_back_gives_the_earlier_mask_without_memory(session):
    grown = [session.segment(4, prompts).mask for prompts in GROWING]
    assert len({mask.tobytes() for mask in grown}) > 1
    for prompts, mask in zip(GROWING[::-1], grown[::-1], strict=True):
        assert np.array_equal(session.segment(4, prompts).mask, mask)


def test_segment_leaves_no_object_behind(session):
    session.segment(0, RED)
    with pytest.raises(ModelError):
        session.propagate(start=0, stop=3)


def test_segment_does_not_see_the_memory(tracker):
    alone, busy = tracker.open(Clip()), tracker.open(Clip())
    busy.set_prompts(1, 0, RED)
    track(busy, 0, 4)
    assert np.array_equal(alone.segment(6, GREEN).mask, busy.segment(6, GREEN).mask)


def test_a_given_mask_comes_back_bit_for_bit_also_from_propagation(session):
    shape = np.random.default_rng(0).random(SIZE_HW) > 0.5
    given = session.set_prompts(1, 4, FramePrompts(mask=shape))
    assert np.array_equal(given.mask, shape)
    assert given.confidence == given.presence == given.stability == 1.0
    found = track(session, 4, 6)
    assert np.array_equal(found[4][1].mask, shape)


def test_an_empty_mask_says_that_the_object_is_absent(session):
    session.set_prompts(1, 0, RED)
    absent = session.set_prompts(1, 2, FramePrompts(mask=np.zeros(SIZE_HW, bool)))
    assert absent.presence == 0.0
    assert not absent.mask.any()
    assert list(track(session, 0, 4)) == list(range(5))


def test_the_session_keeps_its_own_copy_of_prompts(session):
    prompts = drawn(1, 11, 17, 29)
    wanted = prompts.mask.copy()
    session.set_prompts(1, 0, prompts)
    prompts.mask[:] = True
    assert np.array_equal(track(session, 0, 0)[0][1].mask, wanted)


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 4), (3, 6), (5, 0), (6, 3), (4, 4)], ids=lambda value: str(value)
)
def test_a_range_is_yielded_in_order_with_both_ends(session, start, stop):
    session.set_prompts(1, start, RED)
    step = 1 if stop >= start else -1
    assert list(track(session, start, stop)) == list(range(start, stop + step, step))


def test_a_range_away_from_the_prompt_equals_that_part_of_the_whole(tracker):
    whole, part = tracker.open(Clip()), tracker.open(Clip())
    for session in (whole, part):
        session.set_prompts(1, 0, RED)
    every = masks_of(track(whole, 0, 6))
    assert_equal(masks_of(track(part, 4, 6)), {t: every[t] for t in (4, 5, 6)})


def test_a_range_before_the_prompt_backward_equals_that_part_of_the_whole(tracker):
    whole, part = tracker.open(Clip()), tracker.open(Clip())
    for session in (whole, part):
        session.set_prompts(1, 12, RED)
    every = masks_of(track(whole, 12, 6))
    assert_equal(masks_of(track(part, 8, 6)), {t: every[t] for t in (8, 7, 6)})


def test_closing_the_iterator_cancels_and_a_later_run_goes_on(tracker):
    clip = Clip()
    whole, broken = tracker.open(Clip()), tracker.open(clip)
    for session in (whole, broken):
        session.set_prompts(1, 0, RED)
    every = masks_of(track(whole, 0, 6))
    running = broken.propagate(start=0, stop=6)
    first = dict(next(running) for _ in range(4))
    running.close()
    clip.read.clear()
    rest = track(broken, 4, 6)
    assert_equal(masks_of(first) | masks_of(rest), every)
    assert clip.read == [4, 5, 6]


def test_only_named_objects_are_propagated(session):
    session.set_prompts(1, 0, RED)
    session.set_prompts(2, 0, GREEN)
    assert {i for found in track(session, 0, 3, [2]).values() for i in found} == {2}
    assert all(set(found) == {1, 2} for found in track(session, 0, 3).values())


def test_an_object_without_prompts_is_left_out(session):
    session.set_prompts(1, 0, RED)
    assert all(set(found) == {1} for found in track(session, 0, 3, [1, 7]).values())


def test_an_object_may_be_added_after_tracking_began(tracker):
    early, late = tracker.open(Clip()), tracker.open(Clip())
    for session in (early, late):
        session.set_prompts(1, 0, RED)
    track(late, 0, 4)
    check_prediction(late.set_prompts(2, 3, GREEN))
    found = track(late, 3, 6)
    assert all(set(objects) == {1, 2} for objects in found.values())
    # The newcomer changes nothing for the object that was there.
    assert_equal(masks_of(track(early, 3, 6)), masks_of(found))


def test_clicks_on_a_tracked_frame_use_what_was_tracked(tracker):
    if not tracker.capabilities.memory:
        pytest.skip(f"{tracker.name} says that it has no memory")
    fresh, tracked = tracker.open(Clip()), tracker.open(Clip())
    tracked.set_prompts(1, 0, RED)
    track(tracked, 0, 3)
    correction = clicks((40, 30, 1))
    assert not np.array_equal(
        tracked.set_prompts(1, 2, correction).mask, fresh.set_prompts(1, 2, correction).mask
    )


@pytest.mark.parametrize("kind", CORRECTIONS)
def test_a_correction_survives_propagation_over_it_in_both_directions(session, kind):
    session.set_prompts(1, 0, RED)
    before = masks_of(track(session, 0, 3))
    corrected = session.set_prompts(1, 2, CORRECTIONS[kind]).mask
    assert not np.array_equal(corrected, before[2])
    for start, stop in ((0, 3), (3, 1), (2, 3)):
        assert np.array_equal(track(session, start, stop)[2][1].mask, corrected)


def test_frames_after_a_correction_follow_it(session):
    session.set_prompts(1, 0, RED)
    before = masks_of(track(session, 0, 6))
    session.set_prompts(1, 3, CORRECTIONS["mask"])
    after = masks_of(track(session, 3, 6))
    assert any(not np.array_equal(after[t], before[t]) for t in range(4, 7))


def test_a_range_behind_a_correction_knows_it(tracker):
    once, again = tracker.open(Clip()), tracker.open(Clip())
    for session in (once, again):
        session.set_prompts(1, 0, RED)
        track(session, 0, 6)
        session.set_prompts(1, 2, drawn(40, 5, 70, 25))
    whole = masks_of(track(once, 2, 6))
    assert_equal(masks_of(track(again, 5, 6)), {t: whole[t] for t in (5, 6)})


def test_replaced_prompts_leave_nothing_of_the_old_ones(tracker):
    plain, changed = tracker.open(Clip()), tracker.open(Clip())
    changed.set_prompts(1, 0, drawn(40, 5, 70, 25))
    for session in (plain, changed):
        session.set_prompts(1, 0, GREEN)
    assert_equal(masks_of(track(plain, 0, 3)), masks_of(track(changed, 0, 3)))


def test_taking_a_click_back_gives_the_mask_from_before_it(session):
    one = session.set_prompts(1, 0, RED).mask
    two = session.set_prompts(1, 0, clicks((9, 20, 1), (40, 30, 1))).mask
    assert not np.array_equal(one, two)
    assert np.array_equal(session.set_prompts(1, 0, RED).mask, one)
    assert np.array_equal(session.set_prompts(1, 0, clicks((9, 20, 1), (40, 30, 1))).mask, two)


def test_the_same_prompts_again_give_the_same_mask(session):
    session.set_prompts(1, 0, RED)
    track(session, 0, 3)
    correction = clicks((40, 30, 1), (9, 20, 0))
    first = session.set_prompts(1, 2, correction)
    assert np.array_equal(session.set_prompts(1, 2, correction).mask, first.mask)


def test_cleared_prompts_are_forgotten(tracker):
    plain, cleared = tracker.open(Clip()), tracker.open(Clip())
    for session in (plain, cleared):
        session.set_prompts(1, 0, RED)
    cleared.set_prompts(1, 2, drawn(40, 5, 70, 25))
    track(cleared, 0, 4)
    cleared.clear_prompts(1, 2)
    assert_equal(masks_of(track(plain, 0, 4)), masks_of(track(cleared, 0, 4)))


def test_an_object_without_its_last_prompt_cannot_be_propagated(session):
    session.set_prompts(1, 0, RED)
    session.clear_prompts(1, 0)
    with pytest.raises(ModelError, match=r"expected an object with a prompt, got objects \[1\]"):
        session.propagate(start=0, stop=3)


def test_a_removed_object_is_forgotten_and_its_number_free(tracker):
    plain, reused = tracker.open(Clip()), tracker.open(Clip())
    reused.set_prompts(1, 2, drawn(40, 5, 70, 25))
    track(reused, 0, 4)
    reused.remove_object(1)
    for session in (plain, reused):
        session.set_prompts(1, 0, GREEN)
    assert_equal(masks_of(track(plain, 0, 4)), masks_of(track(reused, 0, 4)))


def test_an_object_removed_while_it_is_propagated_is_left_out(session):
    session.set_prompts(1, 0, RED)
    session.set_prompts(2, 0, GREEN)
    running = session.propagate(start=0, stop=4)
    assert set(next(running)[1]) == {1, 2}
    session.remove_object(1)
    assert all(set(objects) == {2} for _, objects in running)


def test_unknown_pairs_and_objects_are_ignored(session):
    session.clear_prompts(3, 4)
    session.remove_object(3)
    session.set_prompts(1, 0, RED)
    session.clear_prompts(1, 9)
    assert list(track(session, 0, 1)) == [0, 1]


def test_the_same_calls_give_the_same_bits(tracker):
    def play():
        session = tracker.open(Clip())
        session.set_prompts(1, 0, RED)
        session.set_prompts(2, 2, GREEN)
        first = track(session, 0, 5)
        session.set_prompts(1, 4, clicks((40, 30, 1)))
        second = track(session, 4, 1)
        session.close()
        return [
            (p.mask.tobytes(), p.confidence, p.presence, p.stability)
            for found in (first, second)
            for objects in found.values()
            for p in objects.values()
        ]

    assert play() == play()


def has_backend(tracker):
    """Skip what is about SAM 2's memory for trackers that compute without it."""
    if not hasattr(tracker, "backend"):
        pytest.skip(f"{tracker.name} keeps no outputs")


class Still(Clip):
    """Nothing moves: frames that are trusted, and weigh more, are as many in any window."""

    def frame(self, index: int) -> np.ndarray:
        return super().frame(0)


def test_memory_does_not_grow_with_the_video(tracker):
    has_backend(tracker)
    from samnb.models.memory import Limits
    from samnb.models.tracker import MemoryTracker

    lean = MemoryTracker(tracker.backend, tracker.name, Limits(history_bytes=0, cached_frames=2))

    def hold(clip, *prompts):
        session = lean.open(clip)
        for obj_id, one in enumerate(prompts):
            session.set_prompts(obj_id, 0, one)
        for _ in session.propagate(start=0, stop=len(clip) - 1):
            pass
        held = session.n_remembered, session.n_encoded, session.nbytes
        session.close()
        return held

    short, long = (hold(Clip(n), RED, GREEN) for n in (18, 24))
    assert short[:2] == long[:2]
    assert short[0] == 2 * tracker.backend.reach
    still = drawn(0, 10, 18, 30), drawn(60, 30, 72, 44)
    assert hold(Still(18), *still) == hold(Still(24), *still)


def test_a_closed_session_cannot_be_used(tracker):
    session = tracker.open(Clip())
    session.set_prompts(1, 0, RED)
    track(session, 0, 3)
    session.close()
    for call in (
        lambda: session.segment(0, RED),
        lambda: session.set_prompts(1, 0, RED),
        lambda: session.propagate(start=0, stop=3),
    ):
        with pytest.raises(ModelError, match="closed"):
            call()
    session.close()


def test_closing_gives_the_memory_back(tracker):
    has_backend(tracker)
    session = tracker.open(Clip())
    session.set_prompts(1, 0, RED)
    track(session, 0, 3)
    held = [weakref.ref(session._sight._held.get(p).code) for p in range(4)]
    assert session.nbytes > 0
    session.close()
    gc.collect()
    assert all(reference() is None for reference in held)
    assert session.nbytes == session.n_remembered == session.n_encoded == 0


def test_closing_from_another_thread_ends_a_running_propagation_cleanly(tracker):
    session = tracker.open(Clip(200))
    session.set_prompts(1, 0, RED)
    seen, problems = [], []
    began = threading.Event()

    def run():
        try:
            for position, _ in session.propagate(start=0, stop=199):
                seen.append(position)
                began.set()
        except Exception as error:
            problems.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert began.wait(30)
    session.close()
    thread.join(30)
    assert not thread.is_alive()
    assert not problems
    assert seen == list(range(len(seen))) and len(seen) < 200
    assert getattr(session, "nbytes", 0) == 0


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        (FramePrompts(), "expected points, a box or a mask, got none"),
        (clicks((9, 20, 2)), r"point_labels: expected 0 or 1, got \[2\]"),
        (clicks((81, 20, 1)), r"points_xy: expected coordinates within 80 x 48 pixels, got"),
        (clicks((float("nan"), 20, 1)), "points_xy: expected coordinates within 80 x 48"),
        (box(17, 11, 1, 29), r"box_xyxy: expected x0 < x1 and y0 < y1, got \[17"),
        (
            FramePrompts(mask=np.zeros((20, 30), bool)),
            r"mask: expected \(48, 80\) bool, got \(20, 30\) bool",
        ),
        (
            FramePrompts(mask=np.zeros(SIZE_HW, np.uint8)),
            r"mask: expected \(48, 80\) bool, got \(48, 80\) uint8",
        ),
        (
            FramePrompts(RED.points_xy, RED.point_labels, mask=np.ones(SIZE_HW, bool)),
            "expected a mask alone, got a mask with other prompts",
        ),
        (
            FramePrompts(points_xy=np.zeros((2, 2), np.float32)),
            r"point_labels: expected \(2,\), one per point, got \(0,\)",
        ),
    ],
)
def test_wrong_prompts_are_refused_with_both_sides_said(session, clip, prompts, message):
    for call in (lambda: session.segment(0, prompts), lambda: session.set_prompts(1, 0, prompts)):
        with pytest.raises(InputError, match=message):
            call()
    assert clip.read == []
    with pytest.raises(ModelError):
        session.propagate(start=0, stop=1)


def test_positions_outside_of_the_video_are_refused(session):
    session.set_prompts(1, 0, RED)
    for call in (
        lambda: session.segment(24, RED),
        lambda: session.set_prompts(1, -1, RED),
        lambda: session.propagate(start=0, stop=24),
        lambda: session.propagate(start=-1, stop=3),
    ):
        with pytest.raises(InputError, match=r"expected 0 to 23, got (-1|24)"):
            call()


def test_a_frame_of_another_size_is_refused(tracker):
    class Shrinking(Clip):
        def frame(self, index):
            return super().frame(index)[:, : 80 - index]

    session = tracker.open(Shrinking())
    session.set_prompts(1, 0, RED)
    with pytest.raises(InputError, match=r"frame 1: expected \(48, 80, 3\) uint8, got \(48, 79"):
        track(session, 0, 3)


def test_frames_may_be_read_only_views(tracker):
    class Views(Clip):
        def frame(self, index):
            image = super().frame(index)[::-1].copy()[::-1]
            image.flags.writeable = False
            return image

    plain, views = tracker.open(Clip()), tracker.open(Views())
    assert np.array_equal(plain.segment(2, RED).mask, views.segment(2, RED).mask)


def test_an_image_is_a_video_of_one_frame(tracker):
    session = tracker.open(Clip(1))
    mask = session.set_prompts(1, 0, RED).mask
    assert np.array_equal(track(session, 0, 0)[0][1].mask, mask)
