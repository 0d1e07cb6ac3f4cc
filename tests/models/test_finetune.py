"""Fine-tuning on tiny models with random weights: seconds, and the same code."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from PIL import Image

from samnb.masks import rle as rle_ops
from samnb.models.cliploss import Play
from samnb.models.finetune import _Run, finetune, trainable_names
from samnb.models.mobile import build_architecture, build_mobile
from samnb.models.registry import load_model
from samnb.models.sam2 import Sam2Tracker, load_sam2
from samnb.models.trainable import FinetuneSettings, LabelledClip, checkpoint_path
from samnb.models.training.common import cosine
from samnb.models.versions import VersionTracker, load_version, read_header, write_version
from samnb.types import InputError, ModelError
from tests.models.clip import Clip, clicks
from tests.models.tiny import liven, write_sam2

FAST = FinetuneSettings(
    steps=6, min_frames=2, max_frames=3, corrections=1, decoder_lr=1e-3, memory_lr=1e-3,
    save_every=2,
)  # fmt: skip
DECODED = "sam_mask_decoder.iou_token.weight"


def labelled(key="clip", n_frames=6):
    """The clip of two rectangles with its exact masks."""
    frames = Clip(n_frames)
    red, green = {}, {}
    for index in range(n_frames):
        image = frames.frame(index)
        red[index] = rle_ops.encode(np.asarray(image[..., 0] > 200))
        green[index] = rle_ops.encode(np.asarray(image[..., 1] > 150))
    return LabelledClip(key, frames, (red, green))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_sam2(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def tracker(checkpoint):
    return load_sam2(checkpoint, device="cpu")


@pytest.fixture(scope="module")
def trained(tracker, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    told = []
    result = finetune(
        tracker, [labelled()], folder=folder, settings=FAST, seed=3,
        on_progress=lambda *row: told.append(row),
    )  # fmt: skip
    return result, told


def weights_of(tracker):
    return {n: w.detach().clone() for n, w in tracker.backend.model.state_dict().items()}


def test_decoder_and_memory_move_and_the_trunk_stays(tracker, trained):
    result, _ = trained
    before, after = weights_of(tracker), weights_of(result.tracker)
    moved = {n for n in before if not torch.equal(before[n], after[n])}
    decoder, memory, eyes = trainable_names(tracker.backend.model)
    assert moved <= {*decoder, *memory}
    assert eyes == []
    assert any(n.startswith("memory_attention.") for n in moved)
    assert any(n.startswith("sam_mask_decoder.transformer.") for n in moved)
    assert not any(n.startswith(("image_encoder.", "sam_mask_decoder.conv_s")) for n in moved)


def test_the_base_is_never_written_to(tracker, checkpoint, tmp_path):
    weights, bytes_before = weights_of(tracker), checkpoint.read_bytes()
    finetune(tracker, [labelled()], folder=tmp_path, settings=FAST)
    assert checkpoint.read_bytes() == bytes_before
    assert all(torch.equal(weights[n], w) for n, w in weights_of(tracker).items())


def test_progress_is_told_step_by_step(trained):
    result, told = trained
    assert [row[:2] for row in told] == [(n, 6) for n in range(1, 7)]
    assert result.curve[-1] == (6, told[-1][2]) and result.status == "done"
    assert all(np.isfinite(loss) and loss > 0 for *_, loss in told)


def test_the_name_of_a_version_is_the_hash_of_its_file(trained):
    result, _ = trained
    version = result.tracker.name.partition("@")[2]
    assert result.file.name == f"tiny-{version}.safetensors"
    assert isinstance(result.tracker, VersionTracker) and result.tracker.file == result.file


def test_the_same_seed_gives_the_same_file(tracker, trained, tmp_path):
    again = finetune(tracker, [labelled()], folder=tmp_path, settings=FAST, seed=3)
    other = finetune(tracker, [labelled()], folder=tmp_path, settings=FAST, seed=4)
    assert again.file.read_bytes() == trained[0].file.read_bytes()
    assert other.file.name != again.file.name


def test_a_cancelled_run_ends_as_if_it_had_not_been(tracker, trained, tmp_path):
    cancel = threading.Event()

    def stop(step, total, loss):
        if step == 3:
            cancel.set()

    cut = finetune(tracker, [labelled()], folder=tmp_path, settings=FAST, seed=3, tag="t",
                   on_progress=stop, cancel=cancel)  # fmt: skip
    assert (cut.status, cut.steps, cut.tracker, cut.file) == ("cancelled", 3, None, None)
    assert checkpoint_path(tmp_path, "t").is_file()
    told = []
    whole = finetune(tracker, [labelled()], folder=tmp_path, settings=FAST, seed=3, tag="t",
                     on_progress=lambda *row: told.append(row[0]))  # fmt: skip
    assert told == [4, 5, 6]
    mine, theirs = weights_of(whole.tracker), weights_of(trained[0].tracker)
    assert all(torch.equal(mine[n], theirs[n]) for n in mine)
    assert whole.curve == trained[0].curve


@torch.no_grad()
def loss_of(tracker, clip):
    """Mean loss over the clip's first three frames, for six fixed draws of the prompts."""
    backend = tracker.backend
    features = [backend.encode(clip.frames.frame(i)) for i in range(3)]
    masks = [[to_model_mask(o[i], backend.size) for o in clip.objects] for i in range(3)]
    truth = torch.from_numpy(np.array(masks))
    draws = (np.random.default_rng(n) for n in range(6))
    return float(np.mean([Play(backend.model, features, truth, 1, r).loss() for r in draws]))


def to_model_mask(rle, side):
    image = Image.fromarray(rle_ops.decode(rle))
    return np.array(image.resize((side, side), Image.Resampling.NEAREST))


def test_learning_lowers_the_loss(tracker, tmp_path):
    settings = FinetuneSettings(
        steps=20, min_frames=3, max_frames=3, corrections=1, decoder_lr=1e-3, memory_lr=1e-3,
        pull=0.0,
    )  # fmt: skip
    clip = labelled(n_frames=3)
    result = finetune(tracker, [clip], folder=tmp_path, settings=settings)
    assert loss_of(result.tracker, clip) < 0.75 * loss_of(tracker, clip)


def test_the_pull_keeps_weights_near_the_base(tracker, tmp_path):
    def drift(pull):
        settings = FinetuneSettings(
            steps=4, min_frames=2, max_frames=2, decoder_lr=1e-3, memory_lr=1e-3, pull=pull
        )
        result = finetune(tracker, [labelled()], folder=tmp_path, settings=settings)
        before, after = weights_of(tracker), weights_of(result.tracker)
        return sum(float((after[n] - before[n]).abs().sum()) for n in before)

    assert drift(5.0) < 0.5 * drift(0.0)


@pytest.mark.parametrize("steps", [5, 40])
def test_what_nothing_renews_shrinks_by_the_pull_over_a_run_of_any_length(tracker, tmp_path, steps):
    run = _Run(tracker, tracker.backend, FinetuneSettings(steps=steps, pull=0.7), tmp_path, "")
    weight, base = run.groups[0][0], run.base[0][0]
    with torch.no_grad():
        weight.add_(1.0)
    for step in range(steps):
        run._pull(cosine(step / steps))
    assert torch.allclose(weight - base, torch.tensor(np.exp(-0.7), dtype=torch.float32), atol=1e-4)


def test_steps_on_stills_ask_for_no_memory(tracker, tmp_path):
    settings = FinetuneSettings(steps=3, stills_share=1.0, stills=4, pull=0.0, decoder_lr=1e-3)
    result = finetune(tracker, [labelled()], folder=tmp_path, settings=settings)
    before, after = weights_of(tracker), weights_of(result.tracker)
    moved = {n for n in before if not torch.equal(before[n].half().float(), after[n])}
    moved &= {*trainable_names(tracker.backend.model)[1]}
    assert not torch.equal(before[DECODED], after[DECODED])
    assert moved <= {n for n in before if n.startswith("obj_ptr_proj.")}


def test_stills_of_clips_learn_from_many_frames_at_once(tracker, tmp_path):
    """Half of the frames show another clip: one step reads from both."""
    one, two = labelled("one"), labelled("two")
    settings = FinetuneSettings(steps=1, stills_share=1.0, stills=12)
    finetune(tracker, [one, two], folder=tmp_path, settings=settings)
    assert one.frames.read and two.frames.read


def test_replay_clips_are_played_in_their_share(tracker, tmp_path):
    replay = labelled("replay")
    settings = FinetuneSettings(steps=3, min_frames=2, max_frames=2, replay_share=1.0)
    clip = labelled()
    n_read = len(clip.frames.read)
    finetune(tracker, [clip], folder=tmp_path, settings=settings, replay=[replay])
    assert len(clip.frames.read) == n_read and len(replay.frames.read) > 6


def test_every_frame_is_encoded_once(tracker, tmp_path):
    clip = labelled()
    n_read = len(clip.frames.read)
    finetune(tracker, [clip], folder=tmp_path, settings=FAST)
    assert len(clip.frames.read) - n_read <= len(clip.frames)


def test_still_pictures_and_absence_can_be_learned_from(tracker, tmp_path):
    still = labelled(n_frames=1)
    gone = labelled("gone", 4)
    empty = rle_ops.empty(gone.frames.size_hw)
    gone = LabelledClip("gone", gone.frames, ({**gone.objects[0], 2: empty, 3: empty},))
    result = finetune(tracker, [still, gone], folder=tmp_path, settings=FAST)
    assert result.status == "done" and np.isfinite(result.curve[-1][1])


def test_nothing_to_learn_from_is_said(tracker, tmp_path):
    frames = Clip(2)
    nothing = LabelledClip("n", frames, ({0: rle_ops.empty(frames.size_hw)},))
    with pytest.raises(InputError, match="at least one visible object"):
        finetune(tracker, [nothing], folder=tmp_path, settings=FAST)


def test_only_models_of_the_sam2_package_can_be_trained(tmp_path):
    class Other:
        name = "other@1"

    with pytest.raises(ModelError, match="got other@1"):
        finetune(Other(), [labelled()], folder=tmp_path, settings=FAST)


# -- versions ------------------------------------------------------------------


def test_a_version_gives_the_same_masks_when_it_is_loaded_again(tracker, trained):
    again = load_version(trained[0].file, tracker)
    masks = []
    for one in (again, trained[0].tracker):
        track = one.open(Clip(4))
        track.set_prompts(1, 0, clicks((9, 20, 1)))
        masks.append([p[1].mask for _, p in track.propagate(start=0, stop=3)])
        track.close()
    assert again.name == trained[0].tracker.name
    assert all((a == b).all() for a, b in zip(*masks, strict=True))


def test_a_version_of_a_version_stands_on_the_same_root(tracker, trained, tmp_path):
    second = finetune(trained[0].tracker, [labelled()], folder=tmp_path, settings=FAST)
    assert second.tracker.root == tracker.name
    assert read_header(second.file)["info"]["parent"] == trained[0].tracker.name
    again = load_version(second.file, tracker)
    mine, theirs = weights_of(again), weights_of(second.tracker)
    assert all(torch.equal(mine[n], theirs[n]) for n in mine)


def test_a_version_is_refused_on_another_root(trained, tmp_path):
    other = load_sam2(write_sam2(tmp_path, seed=9), device="cpu")
    with pytest.raises(ModelError, match=r"expected to be put on tiny@.*, got tiny@"):
        load_version(trained[0].file, other)
    with pytest.raises(ModelError, match="expected root="):
        load_version(trained[0].file)


def test_other_files_are_no_versions(checkpoint, tmp_path):
    weights = write_sam2(tmp_path, suffix=".safetensors")
    assert read_header(weights) is None
    with pytest.raises(ModelError, match="written by retraining"):
        load_version(weights)
    with pytest.raises(ModelError, match="could not read"):
        read_header(checkpoint)


def test_the_default_model_is_trained_by_the_same_code(tmp_path):
    torch.manual_seed(0)
    model = build_architecture(64)
    liven(model, model.sam_mask_decoder.pred_obj_score_head.layers[-1], 0)
    tracker = Sam2Tracker(model.eval(), "mobile-64@00000000", device="cpu")
    settings = FinetuneSettings(steps=2, min_frames=3, max_frames=3, corrections=1)
    result = finetune(tracker, [labelled(n_frames=3)], folder=tmp_path, settings=settings)
    assert result.tracker.name.startswith("mobile-64@")
    before, after = weights_of(tracker), weights_of(result.tracker)
    moved = {n.split(".")[0] for n in before if not torch.equal(before[n], after[n])}
    assert {"memory_attention", "memory_encoder", "sam_mask_decoder"} <= moved
    assert "image_encoder" not in moved


def test_the_eyes_for_clicks_learn_from_single_frames_too(tmp_path):
    root = Sam2Tracker(build_mobile(64), "mobile-64@00000000", device="cpu")
    settings = FinetuneSettings(steps=2, stills_share=1.0, stills=2, corrections=1)
    result = finetune(root, [labelled(n_frames=3)], folder=tmp_path, settings=settings)
    before, after = weights_of(root), weights_of(result.tracker)
    moved = {n for n in before if not torch.equal(before[n].half().float(), after[n].float())}
    assert any(n.startswith("eyes.sam_mask_decoder.transformer.") for n in moved)
    mine, theirs = result.tracker.backend, root.backend
    assert mine.model.eyes.image_encoder is theirs.model.eyes.image_encoder
    assert mine.eyes.model is mine.model.eyes


def test_writing_a_version_leaves_no_half_file(tracker, tmp_path):
    names = trainable_names(tracker.backend.model)[1]
    first = write_version(tracker.backend.model, names, tmp_path / "new", root="m@1")
    assert [p.name for p in (tmp_path / "new").iterdir()] == [first.name]


@pytest.mark.parametrize(
    "kw",
    [
        {"steps": 0},
        {"min_frames": 5, "max_frames": 4},
        {"replay_share": 1.5},
        {"stills_share": -0.1},
        {"stills": 0},
        {"pull": -1.0},
    ],
)
def test_settings_out_of_range_are_refused(kw):
    with pytest.raises(InputError):
        FinetuneSettings(**kw)


def test_the_registry_tells_versions_from_checkpoints(trained, tmp_path):
    weights = write_sam2(tmp_path, suffix=".safetensors")
    assert load_model(str(weights), device="cpu").name.startswith("tiny@")
    with pytest.raises(ModelError, match="expected root="):
        load_model(str(trained[0].file))
