"""A clip played through a tiny model: where losses and gradients come from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from samnb.models.cliploss import Play
from samnb.models.sam2 import load_sam2
from samnb.models.versions import copy_model
from tests.models.clip import Clip
from tests.models.tiny import SIZE, write_sam2


@pytest.fixture(scope="module")
def backend(tmp_path_factory):
    return load_sam2(write_sam2(tmp_path_factory.mktemp("tiny")), device="cpu").backend


@pytest.fixture(scope="module")
def features(backend):
    with torch.no_grad():
        return [backend.encode(Clip(3).frame(i)) for i in range(3)]


@pytest.fixture
def truth():
    """Two squares on three frames, (3, 2, S, S) bool."""
    masks = torch.zeros(3, 2, SIZE, SIZE, dtype=torch.bool)
    masks[:, 0, 10:30, 10:30] = True
    masks[:, 1, 40:60, 30:50] = True
    return masks


def play(backend, features, truth, seed=0, corrections=1, model=None):
    rng = np.random.default_rng(seed)
    return Play(model or backend.model, features, truth, corrections, rng)


def test_the_same_draw_gives_the_same_loss(backend, features, truth):
    with torch.no_grad():
        first, again, other = (
            float(play(backend, features, truth, seed).loss()) for seed in (1, 1, 2)
        )
    assert first == again != other and np.isfinite([first, other]).all()


def test_gradients_reach_decoder_and_memory(backend, features, truth):
    model = copy_model(backend.model)
    play(backend, features, truth, model=model).loss().backward()
    reached = {n.split(".")[0] for n, p in model.named_parameters()
               if p.grad is not None and p.grad.abs().sum() > 0}  # fmt: skip
    assert {"memory_attention", "memory_encoder", "sam_mask_decoder"} <= reached
    assert "image_encoder" not in reached


@pytest.mark.parametrize("seed", range(4))
def test_a_single_frame_is_asked_for_its_mask_never_told(backend, features, truth, seed):
    assert play(backend, features[:1], truth[:1], seed).loss().requires_grad


def test_an_absent_object_is_judged_by_its_presence_and_by_what_lights_up(backend, features, truth):
    truth[1:] = False
    clip = play(backend, features, truth, seed=0, corrections=0)
    with torch.no_grad():
        loss = clip.loss()
    from_mask = not clip._mask
    assert len(clip._presence) == (2 if from_mask else 3) and len(clip._surplus) == 2
    expected = torch.stack(clip._presence).mean() + torch.stack(clip._surplus).mean()
    assert from_mask == bool(torch.isclose(loss, expected))


def test_what_is_in_sight_has_no_surplus_to_lose(backend, features, truth):
    clip = play(backend, features, truth, corrections=0)
    with torch.no_grad():
        clip.loss()
    assert not clip._surplus


def test_no_hook_stays_behind(backend, features, truth, monkeypatch):
    hooks = backend.model.sam_mask_decoder._forward_hooks
    n_before = len(hooks)
    with torch.no_grad():
        play(backend, features, truth).loss()
    assert len(hooks) == n_before

    def fail(**_kw):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(backend.model, "_encode_new_memory", fail)
    with pytest.raises(RuntimeError, match="out of memory"), torch.no_grad():
        play(backend, features, truth).loss()
    assert len(hooks) == n_before
