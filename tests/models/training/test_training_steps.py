import numpy as np
import pytest
import torch

from samnb.models.mobile import build_architecture
from samnb.models.training import (
    common,
    distill,
    evaluate,
    memory,
    mobilesam,
    tracking,
)
from samnb.models.training import pool as pool_room
from samnb.models.training.clips import Clip
from tests.models.training.member import average_once

SIDE = 64


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    built = build_architecture(SIDE)
    with torch.no_grad():
        built.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.fill_(4.0)
    return built.eval()


@pytest.fixture(scope="module")
def clip():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 80, (4, SIDE, SIDE, 3)).astype(np.uint8)
    masks = np.zeros((4, 2, SIDE, SIDE), bool)
    for t in range(4):
        masks[t, 0, 10:30, 8 + 6 * t : 28 + 6 * t] = True
        if t != 2:
            masks[t, 1, 40:56, 40:56] = True
    frames[masks.any(1)] = 220
    return Clip(frames, masks)


def test_the_batched_step_is_the_predictors_step(model, clip, tmp_path):
    from PIL import Image

    for t, frame in enumerate(clip.frames):
        Image.fromarray(frame).save(tmp_path / f"{t:05d}.jpg", quality=100, subsampling=0)
    stored = np.stack([np.asarray(Image.open(tmp_path / f"{t:05d}.jpg")) for t in range(4)])
    predictor = build_architecture(SIDE, predictor="video").eval()
    predictor.load_state_dict(model.state_dict())
    state = predictor.init_state(str(tmp_path))
    for obj in range(2):
        predictor.add_new_mask(state, 0, obj, clip.masks[0, obj])
    theirs = {t: logits[:, 0] for t, _, logits in predictor.propagate_in_video(state)}

    encoded = tracking.encode_clip(model, Clip(stored, clip.masks))
    batch = tracking.ObjectBatch(model, [(encoded, [0, 1, 2, 3], [0, 1])])
    with torch.no_grad():
        first = batch.step(0, first=True, mask=batch.truth[0][:, None].float())
        batch.keep(0, first, prompted=True)
        for t in range(1, 4):
            out = batch.step(t, first=False)
            batch.keep(t, out, prompted=False)
            ours = torch.nn.functional.interpolate(out.chosen, (SIDE, SIDE), mode="bilinear")[:, 0]
            # The predictor keeps its memory in bfloat16 and we our features in float16.
            scale = theirs[t].abs().max()
            assert (ours - theirs[t]).abs().max() < 0.05 * scale, t


def test_gradients_reach_what_must_learn_and_nothing_else(model, clip):
    new, old = memory.trainable(model)
    encoded = tracking.encode_clip(model, clip)
    batch = tracking.ObjectBatch(model, [(encoded, [0, 1, 2, 3], [0, 1])])
    losses = memory.clip_losses(batch, np.random.default_rng(1))
    assert {"mask", "iou", "presence", "j"} <= losses.keys()
    (losses["mask"] + losses["presence"]).backward()
    got = {n for n, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    model.zero_grad(set_to_none=True)
    for part in ("memory_attention.", "memory_encoder.", "obj_ptr_proj.", "sam_mask_decoder."):
        assert any(n.startswith(part) for n in got), part
    assert not any(n.startswith("image_encoder.") for n in got)
    assert not any(".conv_s0." in n or ".conv_s1." in n for n in got)
    assert not {id(p) for p in new} & {id(p) for p in old}


def test_an_open_clip_is_finished_as_a_closed_one(model, clip):
    closed, opened = (tracking.encode_clip(model, clip, is_open=way) for way in (False, True))
    where = ([3, 1], [1, 0])
    with torch.no_grad():
        one, other = (tracking.ObjectBatch(model, [(c, *where)]).maps(1) for c in (closed, opened))
    for found, wanted in zip(other, one, strict=True):
        assert found.shape == wanted.shape
        # Both are kept in half precision, at different depths.
        assert (found - wanted).abs().max() < 0.01 * wanted.abs().max()


def test_the_trunk_learns_in_its_last_stage_alone(model, clip):
    *_, trunk = memory.trainable(model, with_trunk=True)
    model.image_encoder.train(True)
    opened = tracking.encode_clip(model, clip, is_open=True)
    batch = tracking.ObjectBatch(model, [(opened, [0, 1], [0, 1])])
    losses = memory.clip_losses(batch, np.random.default_rng(1))
    (losses["mask"] + losses["presence"]).backward()
    got = {n for n, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    model.zero_grad(set_to_none=True)
    model.eval()
    assert all(parameter.requires_grad for parameter in trunk)
    learned = {n for n in got if n.startswith("image_encoder.")}
    assert any(".stages.3." in n for n in learned)
    assert not any(".stages.2." in n or ".patch_embed." in n for n in learned)


def test_a_trunk_does_not_learn_with_an_untrained_memory(model, tmp_path):
    settings = memory.MemorySettings(trunk_lr=1e-5)
    with pytest.raises(ValueError, match="trunk_lr"):
        memory.run_memory(model, None, None, settings, tmp_path)


def test_a_few_steps_make_a_clip_easier(model, clip):
    start = {k: v.clone() for k, v in model.state_dict().items()}
    new, old = memory.trainable(model)
    encoded = tracking.encode_clip(model, clip)
    optimizer = torch.optim.AdamW([*new, *old], lr=1e-3)
    seen = []
    for _ in range(8):
        optimizer.zero_grad()
        batch = tracking.ObjectBatch(model, [(encoded, [0, 1], [0, 1])])
        losses = memory.clip_losses(batch, np.random.default_rng(5))
        (losses["mask"] + losses["presence"]).backward()
        optimizer.step()
        seen.append(float(losses["mask"].detach()))
    model.load_state_dict(start)
    assert seen[-1] < 0.9 * seen[0]


def test_windows_start_with_visible_objects(model, clip):
    pool = pool_room.ClipPool(model, None, 2, 4, 0.5)
    pool.clips = [tracking.encode_clip(model, clip)]
    for seed in range(12):
        drawn = pool.draw(3, 2, np.random.default_rng(seed))
        assert sum(len(objects) for _, _, objects in drawn) >= 3
        for encoded, frames, objects in drawn:
            assert abs(frames[0] - frames[1]) == 1
            assert encoded.masks[frames[0]][objects].flatten(1).any(1).all()


def test_presence_counts_in_the_score():
    tally = evaluate._Score()
    there = torch.zeros(6, 1, 8, 8, dtype=torch.bool)
    there[..., :4, :] = True
    truth, found = there.clone(), there.clone()
    # After the prompt: right, dropped, imagined, rightly gone, back and found.
    for t in (3, 4):
        truth[t] = False
    for t in (2, 4):
        found[t] = False
    tally.add_clip(found, truth)
    out = tally.summary("mask")
    assert out["j_mask"] == pytest.approx((1 + 0 + 0 + 1 + 1) / 5)
    assert out["gone_f1_mask"] == pytest.approx(2 * 1 / (2 * 1 + 1 + 1))
    assert out["back_f1_mask"] == pytest.approx(2 * 1 / (2 * 1 + 0 + 1))
    assert out["dropped_mask"] == pytest.approx(1 / 3)


def test_flow_follows_what_moves():
    rng = np.random.default_rng(2)
    noise = torch.from_numpy(rng.normal(size=(1, 3, 24, 24))).float()
    patch = torch.nn.functional.interpolate(noise, (48, 48), mode="bicubic")[0]
    patch = ((patch.permute(1, 2, 0) + 3) * 40).clamp(0, 255).numpy().astype(np.uint8)
    frames = np.full((6, 96, 96, 3), 90, np.uint8)
    masks = np.zeros((6, 1, 96, 96), bool)
    for t in range(6):
        at = slice(8 + 4 * t, 56 + 4 * t)
        frames[t, 20:68, at], masks[t, 0, 20:68, at] = patch, True
    moved = evaluate.follow_flow(Clip(frames, masks))
    truth = torch.from_numpy(masks)
    assert common.mask_iou(moved[-1], truth[-1]).item() > 0.75
    assert common.mask_iou(truth[0], truth[-1]).item() < 0.5


def test_builds_of_two_sizes_share_their_parameters(model):
    other = distill.share_build(model, 96)
    assert other.image_size == 96
    shared = dict(other.named_parameters())
    assert all(shared[name] is parameter for name, parameter in model.named_parameters())


def test_a_second_click_goes_where_the_mask_is_wrong():
    wanted = torch.zeros(2, 16, 16)
    wanted[0, 4:12, 4:12] = 1
    wanted[1, 4:8, 4:8] = 1
    shown = torch.full((2, 16, 16), -5.0)
    shown[1, 4:8, 4:8] = 5
    rng, first = np.random.default_rng(0), torch.full((2, 2), 20.0)
    points, labels = distill._correction(first, wanted, shown, 64, rng)
    assert torch.equal(points[:, 0], first)
    assert labels.tolist() == [[1, 1], [1, 1]]
    for mask, (x, y) in zip(wanted, (points[:, 1] / 4).int().tolist(), strict=True):
        assert mask[y, x] == 1


def test_mask_loss_prefers_the_truth():
    target = torch.zeros(16, 16)
    target[4:12, 4:12] = 1
    right, flat = (target * 2 - 1) * 8, torch.zeros(16, 16)
    losses = [float(common.mask_loss(x, target)) for x in (right, flat, -right)]
    assert losses == sorted(losses)
    assert losses[0] < 0.05


def test_a_run_counts_its_time_across_interruptions(tmp_path):
    now = [100.0]
    net = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(net.parameters())
    run = common.Run(tmp_path, "r", minutes=1, clock=lambda: now[0])
    assert not run.resume(net, optimizer)
    now[0] += 30
    run.step = 5
    run.save(net, optimizer)
    run.record({"loss": 1.5})
    again = torch.nn.Linear(2, 2)
    now[0] += 1000
    later = common.Run(tmp_path, "r", minutes=1, clock=lambda: now[0])
    assert later.resume(again, torch.optim.AdamW(again.parameters()))
    now[0] += 15
    assert (later.step, later.share) == (5, pytest.approx(0.75))
    assert torch.equal(again.weight, net.weight)
    assert run.curve_path.read_text().splitlines()[1].split(",")[::2] == ["5", "loss"]


def test_a_wrong_checkpoint_is_refused(tmp_path):
    fake = tmp_path / "mobile_sam.pt"
    fake.write_bytes(b"not a checkpoint")
    with pytest.raises(ValueError, match=mobilesam.CHECKPOINT_SHA256):
        mobilesam.find_checkpoint(tmp_path)
    with pytest.raises(FileNotFoundError):
        mobilesam.find_checkpoint(tmp_path / "none.pt")


def test_a_team_of_two_averages_gradients(tmp_path):
    torch.multiprocessing.spawn(average_once, (tmp_path / "meet", tmp_path), nprocs=2)
    for rank in range(2):
        assert torch.load(tmp_path / f"{rank}.pt", weights_only=True) == {
            "start": 0.0,
            "grads": [1.5, 1.0],
            "share": 0.25,
        }
