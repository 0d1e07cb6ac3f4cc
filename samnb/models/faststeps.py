"""A `SAM2Base` of this project's build, computed faster where nothing is learned.

Equal numbers but for rounding; with gradients the `sam2` package's own code runs. The steps that
cost most are in `samnb.models.folding` (image trunk), `samnb.models.fastmemory` (memory attention)
and `samnb.models.fastdecoder` (mask decoder); here they are put together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from sam2.modeling.position_encoding import PositionEmbeddingSine
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor
from torch.nn import functional as F

from samnb.models.fastdecoder import FastMaskDecoder
from samnb.models.pasts import GROUPS, count_objects


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
    """A `SAM2Base` whose image encoder is a `TinyVitTrunk` and a neck without top-down paths.

    Its tracking step also takes objects whose banks hold different frames, see
    :func:`samnb.models.pasts.stack_banks`.
    """

    mixes_banks = True

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
        neck = self.image_encoder.neck
        *finer, top = self.image_encoder.trunk(img_batch)
        # The neck counts from the lowest resolution.
        pictures = [*self._narrowed(finer), neck.convs[0].conv(top)]
        codes = [neck.position_encoding(picture) for picture in pictures]
        return {
            "vision_features": pictures[-1],
            "vision_pos_enc": codes,
            "backbone_fpn": pictures,
        }

    @torch.no_grad()
    def begin_image(self, img_batch: Tensor) -> list[Tensor]:
        """Encode pictures up to the trunk's last stage.

        Returns what the decoder reads at strides 4 and 8, and what `finish_image` starts from.
        """
        *finer, deep = self.image_encoder.trunk.begin(img_batch)
        return [*self._narrowed(finer), deep]

    def finish_image(self, deep: Tensor) -> Tensor:
        """The embedding (B, C, h, w) of what `begin_image` gave last, with gradients where the last
        stage learns."""
        top: Tensor = self.image_encoder.neck.convs[0].conv(self.image_encoder.trunk.finish(deep))
        return top

    def _prepare_memory_conditioned_features(
        self,
        frame_idx: int,
        is_init_cond_frame: bool,
        current_vision_feats: list[Tensor],
        current_vision_pos_embeds: list[Tensor],
        feat_sizes: list[tuple[int, int]],
        output_dict: Any,
        num_frames: int,
        track_in_reverse: bool = False,
    ) -> Tensor:
        found: Tensor
        rest = num_frames, track_in_reverse
        if GROUPS not in output_dict:
            found = super()._prepare_memory_conditioned_features(
                frame_idx,
                is_init_cond_frame,
                current_vision_feats,
                current_vision_pos_embeds,
                feat_sizes,
                output_dict,
                *rest,
            )
            return found
        gathering = _Gathering(self)
        for group in output_dict[GROUPS]:
            n = count_objects(group)
            maps, codes = (
                [one[:, :n] for one in every]
                for every in (current_vision_feats, current_vision_pos_embeds)
            )
            SAM2Base._prepare_memory_conditioned_features(
                gathering, frame_idx, is_init_cond_frame, maps, codes, feat_sizes, group, *rest
            )
        found = self.memory_attention.read(current_vision_feats[-1], gathering.asked)
        return found.permute(1, 2, 0).unflatten(-1, feat_sizes[-1])

    def _narrowed(self, finer: Sequence[Tensor]) -> list[Tensor]:
        """Maps of strides 4 and 8 as the decoder reads them."""
        neck, decoder = self.image_encoder.neck, self.sam_mask_decoder
        wide = (neck.convs[2].conv, neck.convs[1].conv)
        return [
            _in_one(first, second, found)
            for first, second, found in zip(
                wide, (decoder.conv_s0, decoder.conv_s1), finer, strict=True
            )
        ]


class _Gathering:
    """Stands in for a model while the package gathers what objects remember: keeps what memory
    attention would be asked, and asks nothing."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.asked: list[tuple[Tensor, Tensor, int]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def memory_attention(
        self,
        curr: list[Tensor],
        curr_pos: Any,
        memory: Tensor,
        memory_pos: Tensor,
        num_obj_ptr_tokens: int,
    ) -> Tensor:
        """Note memories and give the picture back."""
        self.asked.append((memory, memory_pos, num_obj_ptr_tokens))
        return curr[-1]


def _in_one(first: Any, second: Any, x: Tensor) -> Tensor:
    """Two convolutions of one pixel on (B, C, H, W)."""
    inner, outer = first.weight.flatten(1), second.weight.flatten(1)
    bias = F.linear(first.bias, outer, second.bias)
    return F.linear(x.permute(0, 2, 3, 1), outer @ inner, bias).permute(0, 3, 1, 2)
