import pytest
import torch
from torch import nn

from samnb.models.folding import FoldedTrunk, weights_mark
from samnb.models.tinyvit import TinyVitTrunk


@pytest.fixture(scope="module")
def trunk():
    """A trunk in which every weight and statistic matters."""
    torch.manual_seed(0)
    trunk = TinyVitTrunk().eval()
    with torch.no_grad():
        for module in trunk.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.2)
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 1.5)
            if hasattr(module, "attention_biases"):
                module.attention_biases.normal_()
                module.norm.bias.normal_()
    return trunk


# Maps of 16, 8 and 4 at 64 px are smaller than a window of 14; 96 and 160 px leave rests of
# several sizes; at 224 px all windows are whole.
@pytest.mark.parametrize("side", [64, 96, 160, 224])
def test_features_are_those_of_the_trunk(trunk, side):
    images = torch.randn(2, 3, side, side)
    with torch.enable_grad():
        expected = [found.detach() for found in trunk(images)]
    with torch.no_grad():
        folded = FoldedTrunk(trunk)(images)
    for found, wanted in zip(folded, expected, strict=True):
        torch.testing.assert_close(found, wanted, atol=2e-5, rtol=1e-4)


def test_without_gradients_the_trunk_folds_itself(trunk, monkeypatch):
    asked = []
    monkeypatch.setattr(
        FoldedTrunk, "__call__", lambda self, images: asked.append(len(images)) or [images] * 3
    )
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        trunk(images)
    assert asked == [1]
    trunk(images)
    assert asked == [1], "with gradients the package's own layers run"
    trunk.train()
    with torch.no_grad():
        trunk(images)
    trunk.eval()
    assert asked == [1], "in training mode as well"


def test_changed_weights_are_folded_anew(trunk):
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        before = trunk(images)[0].clone()
        assert torch.equal(trunk(images)[0], before)
        weight = trunk.vit.patch_embed.conv2.conv.weight
        kept = weight.clone()
        weight.mul_(1.5)
        changed = trunk(images)[0]
        weight.copy_(kept)
    assert not torch.allclose(changed, before, atol=1e-3)
    with torch.enable_grad():
        assert torch.allclose(trunk(images)[0], before, atol=1e-4)


def test_mark_tells_a_change_from_none():
    layer = nn.BatchNorm2d(2)
    mark = weights_mark(layer)
    assert weights_mark(layer) == mark
    layer.load_state_dict(layer.state_dict())
    assert weights_mark(layer) != mark
    mark = weights_mark(layer)
    layer.weight.data = layer.weight.data.clone()
    assert weights_mark(layer) != mark
