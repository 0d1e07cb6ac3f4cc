"""MobileSAM's image trunk, assembled from timm's TinyViT.

MobileSAM encodes pictures with TinyViT-5M, changed in two places: the last down-sampling keeps its
resolution (so the deepest features have stride 16) and a two-convolution neck maps them to SAM's
256 channels. Both changes are applied here to timm's model, and `map_mobilesam_trunk` renames the
tensors of a MobileSAM checkpoint to fit. Training goes through timm's layers; where nothing is
learned, `samnb.models.folding` computes the same from their weights.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import timm
import torch
from sam2.modeling.sam2_utils import LayerNorm2d
from torch import nn

from samnb.models.folding import FoldedTrunk, weights_mark

EMBED_DIM = 256
"""Channels of SAM's image embedding."""

_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^patch_embed\.seq\.0\."), "patch_embed.conv1."),
    (re.compile(r"^patch_embed\.seq\.2\."), "patch_embed.conv2."),
    (re.compile(r"^layers\.(\d)\.blocks\."), r"stages.\1.blocks."),
    (re.compile(r"\.c\.weight$"), ".conv.weight"),
)
_DOWNSAMPLE = re.compile(r"^layers\.(\d)\.downsample\.")


class TinyVitTrunk(nn.Module):
    """TinyViT-5M with SAM's neck, in the shape that `sam2`'s `ImageEncoder` expects of a trunk.

    With `multi_scale` the trunk also hands out its stride 4 and stride 8 features, which the mask
    decoder uses to draw edges; without it only the stride 16 embedding.

    Without gradients and on a CPU the pictures go through a `FoldedTrunk`, which is made again
    whenever the weights have changed.
    """

    def __init__(self, multi_scale: bool = True) -> None:
        super().__init__()
        vit = timm.create_model("tiny_vit_5m_224", pretrained=False, num_classes=0)
        # The classifier is never used; a module without weights keeps the state dict to the trunk.
        vit.head = nn.Identity()
        # MobileSAM's change: the fourth stage stays at stride 16, as SAM's decoder needs it.
        vit.stages[3].downsample.conv2.conv.stride = (1, 1)
        self.vit = vit
        width = int(vit.num_features)
        self.neck = nn.Sequential(
            nn.Conv2d(width, EMBED_DIM, kernel_size=1, bias=False),
            LayerNorm2d(EMBED_DIM),
            nn.Conv2d(EMBED_DIM, EMBED_DIM, kernel_size=3, padding=1, bias=False),
            LayerNorm2d(EMBED_DIM),
        )
        for block in vit.modules():
            if hasattr(block, "fused_attn"):
                # Windows of 49 or 196 tokens are too small for the fused kernel to pay on a CPU.
                block.fused_attn = torch.cuda.is_available()
        # Depth-wise convolutions, half of this network, are about 1.4x faster on this layout.
        self.to(memory_format=torch.channels_last)
        self.multi_scale = multi_scale
        # Lowest resolution first: the order in which `FpnNeck` declares its inputs.
        self.channel_list: list[int] = [EMBED_DIM, 128, 64] if multi_scale else [EMBED_DIM]
        self._folded: tuple[object, FoldedTrunk] | None = None

    def train(self, mode: bool = True) -> TinyVitTrunk:
        """Set training mode, but keep batch normalisation on its stored statistics.

        Batches of a few pictures would ruin statistics gathered on millions.
        """
        super().train(mode)
        for module in self.vit.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Encode `images` (B, 3, S, S) float, normalised; S a multiple of 16.

        Returns the feature maps, highest resolution first: (B, 64, S/4, S/4), (B, 128, S/8, S/8)
        and (B, 256, S/16, S/16), or only the last without `multi_scale`.
        """
        if not (self.training or torch.is_grad_enabled()) and images.device.type == "cpu":
            maps = self._fold()(images)
        else:
            maps = self.through_layers(images)
        return maps if self.multi_scale else maps[-1:]

    def through_layers(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Encode as `forward` does with gradients, at all scales."""
        *maps, deep = self.begin(images)
        return [*maps, self.finish(deep)]

    def begin(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Encode `images` up to the last stage.

        Returns the maps of stride 4 and 8, and what the last stage starts from, (B, 160, S/16,
        S/16).
        """
        x = self.vit.patch_embed(images.contiguous(memory_format=torch.channels_last))
        maps = []
        for index, stage in enumerate(list(self.vit.stages)[:-1]):
            # timm down-samples at the start of a stage: the input of stage 1 has stride 4, the
            # input of stage 2 has stride 8.
            if index in (1, 2):
                maps.append(x)
            x = stage(x)
        return [*maps, x]

    def finish(self, deep: torch.Tensor) -> torch.Tensor:
        """Go on from what `begin` gave last: (B, 256, S/16, S/16)."""
        top: torch.Tensor = self.neck(self.vit.stages[-1](deep))
        return top

    def _fold(self) -> Callable[[torch.Tensor], list[torch.Tensor]]:
        mark = weights_mark(self.vit)
        if self._folded is None or self._folded[0] != mark:
            self._folded = mark, FoldedTrunk(self)
        return self._folded[1]


def map_mobilesam_trunk(
    state: Mapping[str, torch.Tensor], prefix: str = "image_encoder."
) -> dict[str, torch.Tensor]:
    """Rename the image encoder of a MobileSAM state dict to the keys of `TinyVitTrunk`.

    Args:
        state: MobileSAM's state dict; keys without `prefix` are ignored.
        prefix: what the image encoder's keys start with.

    Returns:
        A state dict that `TinyVitTrunk.load_state_dict` accepts with `strict=True`.
    """
    out: dict[str, torch.Tensor] = {}
    for key, value in state.items():
        if not key.startswith(prefix):
            continue
        name = key[len(prefix) :]
        if name.startswith(("head.", "norm_head.")) or name.endswith("attention_bias_idxs"):
            continue
        if name.startswith("neck."):
            out[name] = value
            continue
        # MobileSAM down-samples at the end of layer i, timm at the start of stage i + 1.
        name = _DOWNSAMPLE.sub(lambda m: f"stages.{int(m.group(1)) + 1}.downsample.", name)
        for pattern, replacement in _RULES:
            name = pattern.sub(replacement, name)
        out[f"vit.{name}"] = value
    return out
