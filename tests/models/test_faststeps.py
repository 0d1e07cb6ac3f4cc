"""The fast steps against the `sam2` package's own, which run where gradients are enabled."""

from functools import partial

import numpy as np
import pytest
import torch
from sam2.modeling.position_encoding import PositionEmbeddingSine

from samnb.models.backend import Bank, ModelPrompt
from samnb.models.base import FramePrompts
from samnb.models.faststeps import SineCode
from samnb.models.mobile import build_mobile
from samnb.models.sam2 import Sam2Backend, Sam2Tracker
from tests.models.packaged import package_code


@pytest.fixture(scope="module")
def model():
    return build_mobile(128, predictor="base")


def _both(step):
    """The package's answer and the fast one."""
    with torch.enable_grad():
        slow = step()
    with torch.no_grad():
        fast = step()
    return slow, fast


@pytest.mark.parametrize("n_objects", [1, 3])
@pytest.mark.parametrize("is_shared", [True, False])
def test_memory_attention(model, n_objects, is_shared):
    generator = torch.Generator().manual_seed(n_objects)
    draw = lambda *shape: torch.randn(*shape, generator=generator)  # noqa: E731
    picture = draw(64, 1 if is_shared else n_objects, 256).expand(-1, n_objects, -1)
    memory, code = draw(3 * 64 + 8, n_objects, 64), draw(3 * 64 + 8, n_objects, 64)
    slow, fast = _both(lambda: model.memory_attention([picture], memory, [picture], code, 8))
    assert fast.shape == slow.shape
    torch.testing.assert_close(fast, slow.detach(), atol=1e-5, rtol=1e-4)


def test_memory_attention_on_another_size_than_it_was_built_for(model):
    picture, memory = torch.randn(100, 1, 256), torch.randn(200, 1, 64)
    slow, fast = _both(lambda: model.memory_attention(picture, memory, picture, memory, 0))
    torch.testing.assert_close(fast, slow.detach(), atol=1e-5, rtol=1e-4)


def test_memory_attention_in_parts_of_a_finer_picture():
    finer = build_mobile(320, predictor="base").memory_attention
    picture, memory = torch.randn(400, 1, 256), torch.randn(404, 1, 64)
    slow, fast = _both(lambda: finer(picture, memory, picture, memory, 4))
    torch.testing.assert_close(fast, slow.detach(), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_objects_that_remember_different_frames_are_tracked_as_each_alone(model):
    backend = Sam2Backend(model, device="cpu")
    rng = np.random.default_rng(0)
    frames = [backend.encode(rng.integers(0, 255, (96, 96, 3)).astype(np.uint8)) for _ in range(4)]

    def drawn(at, x):
        mask = torch.zeros(1, 1, 128, 128)
        mask[..., 30:80, x : x + 40] = 1.0
        (output,) = backend.decode(
            frames[at], at, [None], n_frames=4, is_reverse=False, prompt=ModelPrompt(mask=mask)
        )
        backend.remember(frames[at], [output], is_prompted=True)
        return output

    banks = [
        Bank({0: drawn(0, 10)}, {}),
        Bank({0: drawn(0, 60)}, {}),
        Bank({0: drawn(0, 40)}, {2: drawn(2, 44), 1: drawn(1, 42)}),
    ]
    track = partial(backend.track, frames[3], 3, n_frames=4)
    together = track(banks)
    alone = [track([bank])[0] for bank in banks]
    for one, other in zip(together, alone, strict=True):
        scale = other.logits.abs().max()
        torch.testing.assert_close(one.logits / scale, other.logits / scale, atol=1e-4, rtol=0)
        torch.testing.assert_close(one.pointer, other.pointer, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("is_shared", [True, False])
@pytest.mark.parametrize("is_logits", [True, False])
def test_memory_encoder(model, is_shared, is_logits):
    generator = torch.Generator().manual_seed(5)
    draw = lambda *shape: torch.randn(*shape, generator=generator)  # noqa: E731
    picture = draw(1 if is_shared else 3, 256, 8, 8).expand(3, -1, -1, -1)
    masks = draw(3, 1, 128, 128) * 10
    slow, fast = _both(lambda: model.memory_encoder(picture, masks, not is_logits))
    found, wanted = fast["vision_features"], slow["vision_features"]
    torch.testing.assert_close(found, wanted.detach(), atol=1e-4, rtol=1e-4)
    assert torch.equal(fast["vision_pos_enc"][0], slow["vision_pos_enc"][0])


@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize(("n_prompts", "n_points"), [(1, 1), (4, 2), (1, 9)])
def test_mask_decoder(model, n_prompts, n_points, multimask):
    torch.manual_seed(n_prompts + n_points)
    is_repeated = n_points == 2
    n_pictures = 1 if is_repeated else n_prompts
    arguments = {
        "image_embeddings": torch.randn(n_pictures, 256, 8, 8),
        "image_pe": model.sam_prompt_encoder.get_dense_pe(),
        "sparse_prompt_embeddings": torch.randn(n_prompts, n_points, 256),
        "dense_prompt_embeddings": torch.randn(n_prompts, 256, 8, 8),
        "multimask_output": multimask,
        "repeat_image": is_repeated,
        "high_res_features": [
            torch.randn(n_pictures, 32, 32, 32),
            torch.randn(n_pictures, 64, 16, 16),
        ],
    }
    slow, fast = _both(lambda: model.sam_mask_decoder(**arguments))
    for name, found, wanted in zip(("masks", "iou", "token", "score"), fast, slow, strict=True):
        assert found.shape == wanted.shape, name
        torch.testing.assert_close(found, wanted.detach(), atol=1e-3, rtol=1e-4)


def test_image_encoder(model):
    images = torch.randn(2, 3, 128, 128)
    slow, fast = _both(lambda: model.forward_image(images))
    assert slow.keys() == fast.keys()
    for name in ("backbone_fpn", "vision_pos_enc"):
        for found, wanted in zip(fast[name], slow[name], strict=True):
            torch.testing.assert_close(found, wanted.detach(), atol=1e-4, rtol=1e-4)


def test_position_code_is_that_of_the_package_and_not_copied():
    code = SineCode(num_pos_feats=64)
    with torch.inference_mode():
        first = code(torch.zeros(3, 64, 8, 8))
    again = code(torch.zeros(1, 64, 8, 8))
    assert first.shape == (3, 64, 8, 8)
    assert first.data_ptr() == again.data_ptr()
    assert not again.is_inference()
    expected = PositionEmbeddingSine(num_pos_feats=64)(torch.zeros(1, 64, 8, 8))
    assert torch.equal(again, expected)


class _Moving:
    """Two squares that move over noise."""

    size_hw = (96, 128)

    def __len__(self):
        return 7

    def frame(self, index):
        image = np.random.default_rng(0).integers(60, 110, (*self.size_hw, 3), dtype=np.uint8)
        image[20:44, 10 + 4 * index : 34 + 4 * index] = (220, 60, 50)
        image[60:84, 90 - 4 * index : 114 - 4 * index] = (40, 90, 230)
        return image


def _track(model):
    session = Sam2Tracker(model, "test", device="cpu").open(_Moving())
    for obj, xy in enumerate([(22, 32), (102, 72)]):
        click = FramePrompts(np.array([xy], np.float32), np.array([1], np.int32))
        session.set_prompts(obj, 0, click)
    found = [
        {i: p.mask for i, p in predicted.items()}
        for _, predicted in session.propagate(start=0, stop=6)
    ]
    session.close()
    return found


def test_tracked_masks_are_those_of_the_package():
    fast = _track(build_mobile(128))
    with package_code():
        slow = _track(build_mobile(128))
    assert len(fast) == len(slow) == 7
    assert sum(mask.any() for masks in slow for mask in masks.values()) >= 7
    for ours, theirs in zip(fast, slow, strict=True):
        for obj, mask in ours.items():
            union = (mask | theirs[obj]).sum()
            assert union == 0 or (mask & theirs[obj]).sum() >= 0.999 * union
