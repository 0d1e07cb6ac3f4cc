"""The tracking loop on a backend that computes nothing and writes down what it was asked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from samnb.models.backend import GONE_LOGIT, Decoded, Features, Output
from samnb.models.memory import Limits
from samnb.models.tracker import MemoryTracker
from samnb.types import InputError
from tests.models.clip import box, clicks, drawn

SIZE_HW = (6, 10)
FIRST, MORE = clicks((1, 2, 1)), clicks((1, 2, 1), (3, 4, 0))


@dataclass
class Call:
    """One decode: where, which prompted and recent frames every object saw, and with what."""

    position: int
    prompted: list
    recent: list
    is_reverse: bool
    prompt: object
    previous: float | None


class Recorder:
    """A backend with a reach of three frames; its n-th output has logits of n everywhere."""

    size, device, reach, max_prompted, eyes = 8, torch.device("cpu"), 3, -1, None
    mixes_banks = False

    def __init__(self):
        self.calls: list[Call] = []
        self.remembered: list[tuple[int, bool]] = []
        self.n_decoded = 0
        self.problem: Exception | None = None

    def encode(self, image):
        return Features((), torch.tensor(int(image[0, 0, 0])), ())

    def segment(self, features, prompt, *, previous=None):
        return Decoded(torch.ones(1, 1, 2, 2), 0.5, torch.zeros(1, 1))

    def decode(
        self, features, position, banks, *, n_frames, is_reverse, prompt=None, previous=None
    ):
        assert int(features.code) == position
        if self.problem is not None:
            raise self.problem
        self.calls.append(
            Call(
                position,
                [sorted(bank.prompted) if bank else None for bank in banks],
                [sorted(bank.recent) if bank else None for bank in banks],
                is_reverse,
                prompt,
                None if previous is None else float(previous.max()),
            )
        )
        outputs = []
        for bank in banks:
            for output in [*bank.prompted.values(), *bank.recent.values()] if bank else ():
                assert output.memory is not None, "attended to a frame without memory"
            self.n_decoded += 1
            logits = torch.full((1, 1, 2, 2), float(self.n_decoded))
            outputs.append(Output(logits, 0.5, torch.zeros(1, 1)))
        return outputs

    def remember(self, features, outputs, *, is_prompted):
        for output in outputs:
            self.remembered.append((int(features.code), is_prompted))
            output.memory = torch.zeros(100)


class Frames:
    """Frames whose pixels are their number."""

    size_hw = SIZE_HW

    def __init__(self, n_frames=40):
        self.n_frames = n_frames

    def __len__(self):
        return self.n_frames

    def frame(self, index):
        return np.full((*SIZE_HW, 3), index, np.uint8)


@pytest.fixture
def backend():
    return Recorder()


@pytest.fixture
def session(backend):
    return MemoryTracker(backend, "recorder@1").open(Frames())


def lean(backend, **limits):
    return MemoryTracker(backend, "recorder@1", Limits(**limits)).open(Frames())


def track(session, start, stop):
    return [position for position, _ in session.propagate(start=start, stop=stop)]


def positions(backend):
    return [call.position for call in backend.calls]


def start_over(backend):
    backend.calls.clear()
    backend.remembered.clear()


def test_a_frame_attends_to_the_frames_within_reach_behind_it(session, backend):
    session.set_prompts(1, 0, FIRST)
    start_over(backend)
    assert track(session, 0, 6) == list(range(7))
    assert positions(backend) == [1, 2, 3, 4, 5, 6]
    assert [call.prompted for call in backend.calls] == [[[0]]] * 6
    assert [call.recent[0] for call in backend.calls[2:]] == [
        [1, 2],
        [1, 2, 3],
        [2, 3, 4],
        [3, 4, 5],
    ]


def test_backward_the_frames_behind_are_the_later_ones(session, backend):
    session.set_prompts(1, 9, FIRST)
    start_over(backend)
    assert track(session, 9, 4) == [9, 8, 7, 6, 5, 4]
    assert all(call.is_reverse for call in backend.calls)
    assert backend.calls[-1].recent == [[5, 6, 7]]


def test_a_range_away_from_the_prompt_is_run_in_to_silently(session, backend):
    session.set_prompts(1, 0, FIRST)
    start_over(backend)
    assert track(session, 6, 8) == [6, 7, 8]
    assert positions(backend) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_the_run_in_is_limited_and_then_starts_from_the_prompt_alone(backend):
    session = lean(backend, run_in=2)
    session.set_prompts(1, 0, FIRST)
    start_over(backend)
    assert track(session, 20, 21) == [20, 21]
    assert positions(backend) == [18, 19, 20, 21]
    assert backend.calls[0].prompted == [[0]]
    assert backend.calls[0].recent == [[]]


def test_a_range_before_every_prompt_starts_at_once(session, backend):
    session.set_prompts(1, 9, FIRST)
    start_over(backend)
    assert track(session, 3, 5) == [3, 4, 5]
    assert positions(backend) == [3, 4, 5]
    assert backend.calls[0].prompted == [[9]]


def test_a_range_that_follows_on_goes_on(session, backend):
    session.set_prompts(1, 0, FIRST)
    track(session, 0, 4)
    start_over(backend)
    track(session, 5, 6)
    assert positions(backend) == [5, 6]
    assert backend.calls[0].recent == [[2, 3, 4]]


def test_behind_a_correction_what_was_tracked_is_out_of_date_and_run_in_to(session, backend):
    session.set_prompts(1, 0, FIRST)
    track(session, 0, 8)
    session.set_prompts(1, 3, FIRST)
    start_over(backend)
    assert track(session, 6, 7) == [6, 7]
    assert positions(backend) == [4, 5, 6, 7]


def test_a_cold_start_forgets_what_older_prompts_left_behind_it(backend):
    session = lean(backend, run_in=0)
    session.set_prompts(1, 0, FIRST)
    track(session, 0, 8)
    session.set_prompts(1, 1, FIRST)
    start_over(backend)
    assert track(session, 6, 7) == [6, 7]
    assert backend.calls[0].recent == [[]]


def test_from_a_corrected_frame_on_the_frames_before_it_still_count(session, backend):
    session.set_prompts(1, 0, FIRST)
    track(session, 0, 8)
    session.set_prompts(1, 6, FIRST)
    start_over(backend)
    track(session, 6, 7)
    assert backend.calls[0].prompted == [[0, 6]]
    assert backend.calls[0].recent == [[4, 5]]


def test_a_correction_that_is_not_trusted_is_shown_but_teaches_no_other_frame(session, backend):
    session.set_prompts(1, 0, FIRST)
    track(session, 0, 8)
    session.set_prompts(1, 6, FIRST)
    session._objects[1].prompted[6].output.is_trusted = False
    start_over(backend)
    assert track(session, 5, 7) == [5, 6, 7]
    assert {tuple(held) for call in backend.calls for held in call.prompted} == {(0,)}


def test_where_no_prompted_frame_is_trusted_all_teach(session, backend):
    session.set_prompts(1, 0, FIRST)
    session._objects[1].prompted[0].output.is_trusted = False
    start_over(backend)
    track(session, 0, 1)
    assert backend.calls[0].prompted == [[0]]


def test_every_object_is_run_in_to_from_its_own_prompt(session, backend):
    session.set_prompts(1, 0, FIRST)
    session.set_prompts(2, 4, FIRST)
    start_over(backend)
    found = list(session.propagate(start=6, stop=6))
    assert [(t, set(objects)) for t, objects in found] == [(6, {1, 2})]
    assert [(call.position, len(call.prompted)) for call in backend.calls] == [
        *[(t, 1) for t in (1, 2, 3, 4)],
        *[(t, 1) for t in (5, 5, 6, 6)],
    ]


def test_objects_with_the_same_past_are_decoded_in_one_batch(session, backend):
    for obj_id in (1, 2, 3):
        session.set_prompts(obj_id, 0, FIRST)
    session.set_prompts(4, 1, FIRST)
    start_over(backend)
    found = dict(session.propagate(start=0, stop=2))
    assert [len(call.prompted) for call in backend.calls] == [1, 3, 3, 1]
    assert list(found[2]) == [1, 2, 3, 4]


def test_a_batch_has_at_most_sixteen_objects(session, backend):
    for obj_id in range(18):
        session.set_prompts(obj_id, 0, FIRST)
    start_over(backend)
    track(session, 0, 1)
    assert [len(call.prompted) for call in backend.calls] == [16, 2]


@pytest.mark.parametrize("is_mixed", [True, False])
def test_objects_with_unlike_banks_are_decoded_at_once_where_the_backend_can(
    session, backend, is_mixed
):
    backend.mixes_banks = is_mixed
    for obj_id, position in ((0, 0), (1, 1), (2, 0)):
        session.set_prompts(obj_id, position, FIRST)
    start_over(backend)
    ((_, found),) = session.propagate(start=2, stop=2)
    together = [[[0], [0], [1]]] if is_mixed else [[[0], [0]], [[1]]]
    assert [call.prompted for call in backend.calls if call.position == 2] == together
    assert list(found) == [0, 1, 2]


def test_beyond_the_limit_the_nearest_prompted_frames_are_attended_to(backend):
    session = lean(backend, max_prompted=2)
    for position in (0, 2, 9, 10, 30):
        session.set_prompts(1, position, FIRST)
    start_over(backend)
    track(session, 11, 11)
    assert backend.calls[0].prompted == [[10, 30]]
    # The ones passed over still count while they are within reach.
    assert backend.calls[0].recent == [[9]]


def test_the_models_own_limit_counts_where_none_is_given(backend):
    backend.max_prompted = 3
    session = MemoryTracker(backend, "recorder@1").open(Frames())
    for position in range(0, 30, 5):
        session.set_prompts(1, position, FIRST)
    start_over(backend)
    track(session, 26, 26)
    assert backend.calls[0].prompted == [[15, 20, 25]]


def test_a_first_prompt_has_no_memory_and_a_second_frame_has(session, backend):
    session.set_prompts(1, 4, FIRST)
    session.set_prompts(1, 9, FIRST)
    assert [call.prompted for call in backend.calls] == [[None], [[4]]]
    assert [call.previous for call in backend.calls] == [None, None]


def test_prompts_before_all_others_look_backward(session, backend):
    session.set_prompts(1, 9, FIRST)
    session.set_prompts(1, 4, FIRST)
    assert backend.calls[-1].is_reverse


def test_clicks_on_a_tracked_frame_refine_the_tracked_mask(session, backend):
    session.set_prompts(1, 0, FIRST)
    track(session, 0, 4)
    session.set_prompts(1, 3, FIRST)
    # Decoded first: the prompt; then frames 1, 2 and 3.
    assert backend.calls[-1].previous == 4.0
    assert backend.calls[-1].recent == [[1, 2]]


def test_further_clicks_refine_and_taken_back_ones_restore(session, backend):
    for prompts in (FIRST, MORE, FIRST, MORE):
        session.set_prompts(1, 0, prompts)
    assert [call.previous for call in backend.calls] == [None, 1.0, None, 3.0]


def test_other_clicks_start_anew(session, backend):
    for prompts in (FIRST, clicks((5, 5, 1)), box(1, 1, 5, 5), drawn(1, 1, 5, 5, SIZE_HW), FIRST):
        session.set_prompts(1, 0, prompts)
    assert [call.previous for call in backend.calls] == [None] * 5


def test_earlier_logits_are_clamped(session, backend):
    backend.n_decoded = 99
    session.set_prompts(1, 0, FIRST)
    session.set_prompts(1, 0, MORE)
    assert backend.calls[-1].previous == 32.0


def test_a_box_becomes_two_leading_points_in_model_pixels(session, backend):
    session.set_prompts(1, 0, box(0, 3, 10, 6))
    prompt = backend.calls[0].prompt
    assert prompt.coords.tolist() == [[[0.0, 4.0], [8.0, 8.0]]]
    assert prompt.labels.tolist() == [[2, 3]]


def test_a_mask_prompt_is_resized_to_the_model(session, backend):
    session.set_prompts(1, 0, drawn(0, 0, 5, 6, SIZE_HW))
    mask = backend.calls[0].prompt.mask
    assert mask.shape == (1, 1, 8, 8)
    assert mask.unique().tolist() == [0.0, 1.0]
    assert mask[0, 0, :, :4].all()
    assert not mask[0, 0, :, 4:].any()


def test_prompted_frames_are_remembered_when_first_needed_and_once(session, backend):
    session.set_prompts(1, 0, FIRST)
    session.set_prompts(1, 0, MORE)
    assert backend.remembered == []
    track(session, 0, 2)
    assert backend.remembered == [(0, True), (1, False), (2, False)]


def test_the_history_keeps_the_newest_within_its_budget(backend):
    one = 100 * 4 + 4 * 4 + 4
    session = lean(backend, history_bytes=5 * one)
    session.set_prompts(1, 0, FIRST)
    track(session, 0, 20)
    assert session.n_remembered == 5
    session.set_prompts(1, 19, FIRST)
    assert backend.calls[-1].recent == [[16, 17, 18]]


def test_the_window_of_every_object_stays_without_any_budget(backend):
    session = lean(backend, history_bytes=0)
    for obj_id in (1, 2):
        session.set_prompts(obj_id, 0, FIRST)
    start_over(backend)
    track(session, 0, 20)
    assert session.n_remembered == 6
    assert backend.calls[-1].recent == [[17, 18, 19]] * 2


def test_encoded_frames_are_bounded_and_the_last_used_stay(backend):
    session = lean(backend, cached_frames=3)
    for position in (0, 1, 2, 0, 3):
        session.segment(position, FIRST)
    assert session.n_encoded == 3
    assert session._sight._held.get(0) is not None
    assert session._sight._held.get(1) is None


def test_a_failed_prediction_leaves_the_object_as_it_was(session, backend):
    session.set_prompts(1, 0, FIRST)
    backend.problem = RuntimeError("out of memory")
    for call in (
        lambda: session.set_prompts(1, 0, MORE),
        lambda: session.set_prompts(2, 0, FIRST),
        lambda: track(session, 0, 3),
    ):
        with pytest.raises(RuntimeError, match="out of memory"):
            call()
    backend.problem = None
    assert {i for _, objects in session.propagate(start=0, stop=2) for i in objects} == {1}


def test_prompts_set_while_propagating_count_from_then_on(session, backend):
    session.set_prompts(1, 0, FIRST)
    running = session.propagate(start=0, stop=9)
    for _ in range(4):
        next(running)
    session.set_prompts(1, 6, FIRST)
    start_over(backend)
    assert [t for t, _ in running] == [4, 5, 6, 7, 8, 9]
    assert positions(backend) == [4, 5, 7, 8, 9]
    assert backend.calls[-1].prompted == [[0, 6]]


@pytest.mark.parametrize(
    ("argument", "value", "least"),
    [("max_prompted", 1, 2), ("history_bytes", -1, 0), ("run_in", -1, 0), ("cached_frames", 0, 1)],
)
def test_limits_out_of_range_are_refused(argument, value, least):
    with pytest.raises(InputError, match=f"{argument}: expected at least {least}, got {value}"):
        Limits(**{argument: value})


class Keyed(Frames):
    def __init__(self):
        super().__init__()
        self.read = []

    def frame(self, index):
        self.read.append(index)
        return super().frame(index)

    def frame_key(self, index):
        return f"clip:{index}"


def test_frames_that_say_which_they_are_are_encoded_once_for_all_sessions(backend):
    tracker = MemoryTracker(backend, "recorder@1")
    first, second = Keyed(), Keyed()
    for clip in (first, second):
        session = tracker.open(clip)
        session.set_prompts(1, 0, FIRST)
        track(session, 0, 5)
    assert sorted(set(first.read)) == [0, 1, 2, 3, 4, 5]
    assert second.read == []


def test_shared_frames_are_bounded_in_bytes(backend):
    tracker = MemoryTracker(backend, "recorder@1", Limits(shared_bytes=3 * 8, cached_frames=1))
    session = tracker.open(Keyed())
    for position in range(6):
        session.segment(position, FIRST)
    assert tracker.shared.used_bytes <= 3 * 8 and len(tracker.shared) == 3


def test_frames_without_a_key_are_not_shared(backend):
    tracker = MemoryTracker(backend, "recorder@1")
    tracker.open(Frames()).segment(0, FIRST)
    assert len(tracker.shared) == 0


def test_a_frame_that_is_not_trusted_is_no_memory_for_later_ones():
    class Doubtful(Recorder):
        def decode(self, features, position, banks, **how):
            outputs = super().decode(features, position, banks, **how)
            for output in outputs:
                output.is_trusted = position != 2
            return outputs

    backend = Doubtful()
    session = MemoryTracker(backend, "doubtful").open(Frames())
    session.set_prompts(1, 0, FIRST)
    list(session.propagate(start=0, stop=4))
    seen = {call.position: call.recent[0] for call in backend.calls if call.recent[0] is not None}
    assert seen[2] == [1] and seen[3] == [1] and seen[4] == [1, 3]


def test_clicks_on_a_frame_whose_mask_was_taken_away_refine_nothing():
    class Gone(Recorder):
        def decode(self, features, position, banks, *, prompt=None, **how):
            outputs = super().decode(features, position, banks, prompt=prompt, **how)
            if prompt is None:
                for output in outputs:
                    output.logits = torch.full_like(output.logits, GONE_LOGIT)
            return outputs

    backend = Gone()
    session = MemoryTracker(backend, "gone").open(Frames())
    session.set_prompts(1, 0, FIRST)
    list(session.propagate(start=0, stop=3))
    session.set_prompts(1, 2, FIRST)
    assert backend.calls[-1].previous is None
