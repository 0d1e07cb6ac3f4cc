"""The sam2 adapter: same masks as the package's own predictors, and what it loads."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from PIL import Image
from sam2.sam2_image_predictor import SAM2ImagePredictor

from samnb.models.checkpoints import read_state
from samnb.models.memory import Limits
from samnb.models.sam2 import Sam2Backend, Sam2Tracker, load_sam2
from samnb.types import ModelError
from tests.models.clip import SIZE_HW, Clip, box, clicks, drawn
from tests.models.tiny import SIZE, tiny_config, write_sam2

N_FRAMES = 20


class Jpegs(Clip):
    """The clip as it is after a round through JPEG files."""

    def __init__(self, folder):
        super().__init__(N_FRAMES)
        self.folder = folder
        for i in range(N_FRAMES):
            Image.fromarray(super().frame(i)).save(folder / f"{i:05d}.jpg", quality=95)

    def frame(self, index):
        return np.array(Image.open(self.folder / f"{index:05d}.jpg").convert("RGB"))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_sam2(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def tracker(checkpoint):
    return load_sam2(checkpoint, device="cpu")


@pytest.fixture(scope="module")
def official(checkpoint):
    """The package's own predictor on the same weights, with what its builder switches on."""
    tree = tiny_config() | {
        "_target_": "sam2.sam2_video_predictor.SAM2VideoPredictor",
        "binarize_mask_from_pts_for_mem_enc": True,
        "add_all_frames_to_correct_as_cond": True,
        "sam_mask_decoder_extra_args": {
            "dynamic_multimask_via_stability": True,
            "dynamic_multimask_stability_delta": 0.05,
            "dynamic_multimask_stability_thresh": 0.98,
        },
    }
    predictor = instantiate(tree, _recursive_=True)
    predictor.load_state_dict(read_state(checkpoint))
    return predictor.eval()


@pytest.fixture(scope="module")
def jpegs(tmp_path_factory):
    return Jpegs(tmp_path_factory.mktemp("jpegs"))


@pytest.fixture
def state(official, jpegs):
    return official.init_state(str(jpegs.folder))


@pytest.fixture
def session(tracker, jpegs):
    session = tracker.open(jpegs)
    yield session
    session.close()


def add(official, state, obj_id, position, prompts, **kwargs):
    """Give the same prompts to the package's predictor; its logits of that object, (H, W)."""
    if prompts.mask is not None:
        _, ids, logits = official.add_new_mask(state, position, obj_id, prompts.mask)
    else:
        _, ids, logits = official.add_new_points_or_box(
            state,
            position,
            obj_id,
            points=prompts.points_xy if len(prompts.points_xy) else None,
            labels=prompts.point_labels if len(prompts.points_xy) else None,
            box=prompts.box_xyxy,
            **kwargs,
        )
    return logits[ids.index(obj_id), 0].numpy()


def run(official, state, start, reverse=False):
    """Let the package's predictor propagate; {position: {obj_id: logits}}."""
    found = official.propagate_in_video(state, start_frame_idx=start, reverse=reverse)
    return {
        t: {i: one[0].numpy() for i, one in zip(ids, all_, strict=True)} for t, ids, all_ in found
    }


def assert_same(prediction, logits):
    """Equal masks, and equal stability: a hair's breadth on the logits themselves."""
    assert np.array_equal(prediction.mask, logits > 0)
    outer = (logits > -1).sum()
    assert prediction.stability == pytest.approx((logits > 1).sum() / outer if outer else 1.0)


@pytest.mark.parametrize(
    "prompts",
    [
        clicks((9, 20, 1)),
        clicks((9, 20, 1), (66, 37, 0), (12, 25, 1)),
        box(1, 11, 17, 29),
    ],
    ids=["click", "clicks", "box"],
)
def test_first_prompts_and_propagation_give_the_masks_of_the_packages_predictor(
    official, state, session, prompts
):
    logits = add(official, state, 1, 0, prompts)
    assert_same(session.set_prompts(1, 0, prompts), logits)
    expected = run(official, state, 0)
    found = dict(session.propagate(start=0, stop=N_FRAMES - 1))
    assert list(found) == list(expected) == list(range(N_FRAMES))
    for position, objects in found.items():
        assert_same(objects[1], expected[position][1])
    # The comparison means something only where masks are neither empty nor all the same.
    assert len({objects[1].mask.tobytes() for objects in found.values()}) > N_FRAMES // 2


def test_presence_is_the_packages_object_score(official, state, session):
    prompts = clicks((9, 20, 1))
    add(official, state, 1, 0, prompts)
    session.set_prompts(1, 0, prompts)
    run(official, state, 0)
    outputs = state["output_dict_per_obj"][0]["non_cond_frame_outputs"]
    for position, objects in session.propagate(start=1, stop=10):
        score = outputs[position]["object_score_logits"].sigmoid().item()
        assert objects[1].presence == pytest.approx(score, abs=1e-6)
        assert 0.0 < objects[1].confidence < 1.0


def test_a_further_click_refines_the_earlier_mask_like_the_packages_predictor(
    official, state, session
):
    first, both = clicks((9, 20, 1)), clicks((9, 20, 1), (66, 37, 0))
    add(official, state, 1, 0, first)
    session.set_prompts(1, 0, first)
    logits = add(official, state, 1, 0, clicks((66, 37, 0)), clear_old_points=False)
    assert_same(session.set_prompts(1, 0, both), logits)


def test_a_mask_prompt_comes_back_bit_for_bit_and_tracks_like_the_packages_predictor(
    official, state, session
):
    prompts = drawn(1, 11, 17, 29)
    add(official, state, 1, 0, prompts)
    assert np.array_equal(session.set_prompts(1, 0, prompts).mask, prompts.mask)
    expected = run(official, state, 0)
    for position, objects in session.propagate(start=0, stop=8):
        if position:
            assert_same(objects[1], expected[position][1])


def test_a_correction_and_what_follows_from_it_equal_the_packages_predictor(
    official, state, session
):
    first, correction = clicks((9, 20, 1)), clicks((30, 20, 1))
    add(official, state, 1, 0, first)
    session.set_prompts(1, 0, first)
    before = run(official, state, 0)
    list(session.propagate(start=0, stop=N_FRAMES - 1))
    logits = add(official, state, 1, 7, correction)
    assert_same(session.set_prompts(1, 7, correction), logits)
    assert not np.array_equal(logits > 0, before[7][1] > 0)
    after = run(official, state, 7)
    assert_same_run(session, after, start=7, stop=N_FRAMES - 1)
    assert np.array_equal(after[7][1] > 0, logits > 0)


def assert_same_run(session, expected, *, start, stop, obj_id=1):
    for position, objects in session.propagate(start=start, stop=stop):
        assert_same(objects[obj_id], expected[position][obj_id])


def test_backward_propagation_equals_the_packages_predictor(official, state, session):
    prompts = clicks((40, 20, 1))
    add(official, state, 1, 12, prompts)
    session.set_prompts(1, 12, prompts)
    assert_same_run(session, run(official, state, 12), start=12, stop=N_FRAMES - 1)
    assert_same_run(session, run(official, state, 12, reverse=True), start=12, stop=0)


def test_several_objects_in_one_batch_equal_the_packages_one_by_one(official, state, session):
    every = {1: clicks((9, 20, 1)), 2: clicks((66, 37, 1)), 3: box(20, 2, 50, 20)}
    for obj_id, prompts in every.items():
        add(official, state, obj_id, 0, prompts)
        session.set_prompts(obj_id, 0, prompts)
    expected = run(official, state, 0)
    wrong = 0
    for position, objects in session.propagate(start=0, stop=N_FRAMES - 1):
        for obj_id in every:
            wrong += int((objects[obj_id].mask ^ (expected[position][obj_id] > 0)).sum())
    # A batch sums in another order: single pixels on an edge may fall to the other side.
    assert wrong <= 3 * N_FRAMES


@pytest.mark.parametrize(
    ("prompts", "n_masks"),
    [(clicks((9, 20, 1)), 3), (box(1, 11, 17, 29), 1)],
    ids=["click", "box"],
)
def test_segment_equals_the_packages_image_predictor(tracker, checkpoint, prompts, n_masks):
    # At the model's own size neither side resizes the frame, so they see the same pixels.
    clip = Clip(2, (SIZE, SIZE))
    predictor = SAM2ImagePredictor(tracker.backend._model, disable_torch_jit=True)
    predictor._bb_feat_sizes = [(SIZE // s, SIZE // s) for s in (4, 8, 16)]
    predictor.set_image(clip.frame(0))
    masks, ious, _ = predictor.predict(
        prompts.points_xy if len(prompts.points_xy) else None,
        prompts.point_labels if len(prompts.points_xy) else None,
        prompts.box_xyxy,
        multimask_output=n_masks == 3,
        return_logits=True,
    )
    found = tracker.open(clip).segment(0, prompts)
    assert len(ious) == n_masks
    assert_same(found, masks[ious.argmax()])
    assert found.confidence == pytest.approx(ious.max(), abs=1e-5)


def test_a_second_click_equals_the_packages_image_predictor_fed_its_own_low_logits(tracker):
    clip = Clip(2, (SIZE, SIZE))
    predictor = SAM2ImagePredictor(tracker.backend._model, disable_torch_jit=True)
    predictor._bb_feat_sizes = [(SIZE // s, SIZE // s) for s in (4, 8, 16)]
    predictor.set_image(clip.frame(0))
    prompts = clicks((9, 20, 1), (56, 37, 0))
    xy, labels = prompts.points_xy, prompts.point_labels
    _, ious, low = predictor.predict(xy[:1], labels[:1], multimask_output=True)
    best = int(ious.argmax())
    masks, ious, _ = predictor.predict(
        xy, labels, mask_input=low[best : best + 1], multimask_output=False, return_logits=True
    )
    found = tracker.open(clip).segment(0, prompts)
    assert_same(found, masks[0])
    assert found.confidence == pytest.approx(ious[0], abs=1e-5)


def test_segment_keeps_the_mask_of_an_object_that_scores_as_absent(checkpoint):
    tracker = load_sam2(checkpoint, device="cpu")
    head = tracker.backend._model.sam_mask_decoder.pred_obj_score_head
    with torch.no_grad():
        head.layers[-1].bias.fill_(-50.0)
    session = tracker.open(Clip(2))
    found = session.segment(0, clicks((9, 20, 1)))
    assert found.mask.any()
    assert found.presence < 0.01
    absent = session.set_prompts(1, 0, clicks((9, 20, 1)))
    assert not absent.mask.any()
    assert absent.stability == 1.0


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("release", ["sam2", "sam2.1"])
def test_both_releases_load_from_both_file_formats(tmp_path, suffix, release):
    tracker = load_sam2(write_sam2(tmp_path, suffix=suffix, release=release), device="cpu")
    assert tracker.name.startswith("tiny@")
    session = tracker.open(Clip(4))
    session.set_prompts(1, 0, clicks((9, 20, 1)))
    assert [t for t, _ in session.propagate(start=0, stop=3)] == [0, 1, 2, 3]


def test_the_name_changes_with_the_weights(tmp_path):
    names = set()
    for seed in (0, 1):
        (tmp_path / str(seed)).mkdir()
        names.add(load_sam2(write_sam2(tmp_path / str(seed), seed=seed), device="cpu").name)
    assert len(names) == 2


def test_a_predictor_object_is_taken_as_it_is(official, jpegs):
    session = Sam2Tracker(official, "own@1", device="cpu").open(jpegs)
    assert session.set_prompts(1, 0, clicks((9, 20, 1))).mask.shape == SIZE_HW


def test_frames_after_the_only_prompt_can_be_tracked_without_pointers(session):
    # Forward from frame 0 with a prompt at 9: no pointer lies in the past there.
    session.set_prompts(1, 9, clicks((30, 20, 1)))
    found = dict(session.propagate(start=0, stop=9))
    assert list(found) == list(range(10))


def test_mixed_precision_stays_close(checkpoint, jpegs):
    masks = []
    for dtype in (None, "bfloat16"):
        session = load_sam2(checkpoint, device="cpu", dtype=dtype).open(jpegs)
        session.set_prompts(1, 0, clicks((9, 20, 1)))
        masks.append([objects[1].mask for _, objects in session.propagate(start=0, stop=3)])
    agreement = np.mean([a == b for a, b in zip(*masks, strict=True)])
    assert agreement > 0.9


def test_two_sessions_in_two_threads_do_not_disturb_each_other(tracker, jpegs):
    def track(prompts, into):
        session = tracker.open(jpegs)
        session.set_prompts(1, 0, prompts)
        into.extend(objects[1].mask for _, objects in session.propagate(start=0, stop=9))

    every = [clicks((9, 20, 1)), clicks((66, 37, 1))]
    alone = [[], []]
    for prompts, into in zip(every, alone, strict=True):
        track(prompts, into)
    together = [[], []]
    threads = [
        threading.Thread(target=track, args=pair) for pair in zip(every, together, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_anything_but_a_sam2_is_refused():
    with pytest.raises(ModelError, match="expected a SAM2Base, got Linear"):
        Sam2Backend(torch.nn.Linear(1, 1))


def test_limits_reach_the_session(checkpoint):
    limits = Limits(history_bytes=0, cached_frames=2)
    session = load_sam2(checkpoint, device="cpu", limits=limits).open(Clip(24))
    session.set_prompts(1, 0, clicks((9, 20, 1)))
    list(session.propagate(start=0, stop=23))
    assert session.n_encoded == 2
    assert session.n_remembered == 15  # the model reaches 15 pointers back
