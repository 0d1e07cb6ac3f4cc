import pytest
import torch

from samnb.models.tinyvit import TinyVitTrunk, map_mobilesam_trunk


@pytest.fixture(scope="module")
def trunk():
    torch.manual_seed(0)
    return TinyVitTrunk().eval()


@pytest.mark.parametrize("side", [64, 96])
def test_maps_have_strides_4_8_16(trunk, side):
    with torch.no_grad():
        maps = trunk(torch.randn(2, 3, side, side))
    assert [tuple(m.shape) for m in maps] == [
        (2, 64, side // 4, side // 4),
        (2, 128, side // 8, side // 8),
        (2, 256, side // 16, side // 16),
    ]
    # `FpnNeck` wants the channels lowest resolution first.
    assert trunk.channel_list == [m.shape[1] for m in reversed(maps)]


def test_single_scale_gives_the_same_embedding(trunk):
    single = TinyVitTrunk(multi_scale=False).eval()
    single.load_state_dict(trunk.state_dict())
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        (only,) = single(images)
        assert torch.equal(only, trunk(images)[-1])


def test_training_mode_keeps_batch_statistics(trunk):
    before = {k: v.clone() for k, v in trunk.state_dict().items() if "running" in k}
    trunk.train()
    with torch.no_grad():
        trunk(torch.randn(2, 3, 64, 64) * 5)
    trunk.eval()
    after = trunk.state_dict()
    assert before
    assert all(torch.equal(v, after[k]) for k, v in before.items())


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("patch_embed.seq.0.c.weight", "vit.patch_embed.conv1.conv.weight"),
        ("patch_embed.seq.2.bn.running_var", "vit.patch_embed.conv2.bn.running_var"),
        ("layers.0.blocks.1.conv2.c.weight", "vit.stages.0.blocks.1.conv2.conv.weight"),
        ("layers.0.downsample.conv1.bn.bias", "vit.stages.1.downsample.conv1.bn.bias"),
        ("layers.2.downsample.conv2.c.weight", "vit.stages.3.downsample.conv2.conv.weight"),
        ("layers.2.blocks.5.attn.qkv.weight", "vit.stages.2.blocks.5.attn.qkv.weight"),
        ("layers.3.blocks.0.local_conv.c.weight", "vit.stages.3.blocks.0.local_conv.conv.weight"),
        ("neck.1.weight", "neck.1.weight"),
    ],
)
def test_checkpoint_names_map_to_existing_tensors(trunk, theirs, ours):
    value = torch.zeros(1)
    assert map_mobilesam_trunk({f"image_encoder.{theirs}": value}) == {ours: value}
    assert ours in trunk.state_dict()


def test_classifier_and_other_parts_are_left_behind():
    state = {
        "image_encoder.head.weight": torch.zeros(1),
        "image_encoder.norm_head.bias": torch.zeros(1),
        "mask_decoder.iou_token.weight": torch.zeros(1),
    }
    assert map_mobilesam_trunk(state) == {}
