"""A `SAM2Base` of this project's build, computed faster where nothing is learned.

Equal numbers but for rounding; with gradients the `sam2` package's own code runs. The steps that
cost most are in `samnb.models.folding` (image trunk), `samnb.models.fastmemory` (memory attention)
and `samnb.models.fastdecoder` (mask decoder); here they are put together.
"""

from __future__ import annotations

from typing import Any

import torch
from sam2.modeling.position_encoding import PositionEmbeddingSine
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor
from torch.nn import functional as F

from samnb.models.fastdecoder import FastMaskDecoder


class SineCode(PositionEmbeddingSine):
    """SAM 2's position code, which `sam2` copies for every picture and level."""

    def _pe(self, B: int, device: Any, *cache_key: int) -> Tensor:
        if cache_key not in self.cache:
            # Normal tensors, whatever mode the first picture comes in.
            with torch.inference_mode(False):
                super()._pe(1, device, *cache_key)
        code: Tensor = self.cache[cache_key].to(device)
        return code.expand(B, -1, -1, -1)


class FastSteps(SAM2Base):
    """A `SAM2Base` whose image encoder is a `TinyVitTrunk` and a neck without top-down paths."""

    def _build_sam_heads(self) -> None:
        super()._build_sam_heads()
        # The package builds the decoder itself; nothing but its way of computing is another.
        self.sam_mask_decoder.__class__ = FastMaskDecoder

    def forward_image(self, img_batch: Tensor) -> dict[str, Any]:
        """Encode pictures (B, 3, S, S), normalised; see `SAM2Base.forward_image`.

        On the two finer levels the neck and the decoder's first convolution are both of one pixel,
        and with nothing in between they are one: 64 to 32 channels, not 64 to 256 to 32.
        """
        if torch.is_grad_enabled() or not self.use_high_res_features_in_sam:
            found: dict[str, Any] = super().forward_image(img_batch)
            return found
        neck, decoder = self.image_encoder.neck, self.sam_mask_decoder
        maps = self.image_encoder.trunk(img_batch)
        # The neck counts from the lowest resolution.
        coarse, *finer = (level.conv for level in neck.convs)
        narrow = (decoder.conv_s0, decoder.conv_s1)
        pictures = [
            _in_one(wide, last, found)
            for wide, last, found in zip(reversed(finer), narrow, maps, strict=False)
        ]
        pictures.append(coarse(maps[-1]))
        codes = [neck.position_encoding(picture) for picture in pictures]
        return {
            "vision_features": pictures[-1],
            "vision_pos_enc": codes,
            "backbone_fpn": pictures,
        }


def _in_one(first: Any, second: Any, x: Tensor) -> Tensor:
    """Two convolutions of one pixel on (B, C, H, W)."""
    inner, outer = first.weight.flatten(1), second.weight.flatten(1)
    bias = F.linear(first.bias, outer, second.bias)
    return F.linear(x.permute(0, 2, 3, 1), outer @ inner, bias).permute(0, 3, 1, 2)
