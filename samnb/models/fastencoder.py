"""SAM 2's memory encoder, computed faster where nothing is learned.

The same weights and, but for rounding, the same numbers as in the `sam2` package:

* The picture is projected once for all objects on it.
* Normalising a few channels of many places costs most in the mean. Weights of the convolution
  before it that are centred over their outputs give outputs whose mean is zero.
* From then on maps are rows of channels, so that everything of one pixel is a matrix product; the
  scale of a block's answer goes into its last weights.

With gradients the package's own code runs.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from sam2.modeling.memory_encoder import MemoryEncoder
from torch import Tensor
from torch.nn import functional as F

_FEW_CHANNELS: Final = 32
"""Below, planes of channels are faster than rows of them."""


class FastMemoryEncoder(MemoryEncoder):
    """`MemoryEncoder` whose masks are halved by convolutions, each with a norm and a GELU."""

    def forward(
        self, pix_feat: Tensor, masks: Tensor, skip_mask_sigmoid: bool = False
    ) -> dict[str, Any]:
        """Encode what B objects look like on a picture.

        Args:
            pix_feat: (B, C, h, w) features of the picture, or copies of one made by `expand`.
            masks: (B, 1, 16h, 16w).
            skip_mask_sigmoid: whether the masks are no logits any more.

        Returns:
            ``vision_features`` (B, D, h, w) and ``vision_pos_enc``, a list of one such tensor.
        """
        if torch.is_grad_enabled():
            found: dict[str, Any] = super().forward(pix_feat, masks, skip_mask_sigmoid)
            return found
        x = masks if skip_mask_sigmoid else masks.sigmoid()
        *halvings, last = self.mask_downsampler.encoder
        for conv, norm in zip(halvings[::3], halvings[1::3], strict=True):
            x = _halve(conv, norm, x)
        rows = _point(last, x.permute(0, 2, 3, 1))
        rows += _point(self.pix_feat_proj, _one(pix_feat).permute(0, 2, 3, 1))
        for block in self.fuser.layers:
            rows = _mix(block, rows)
        # Called as it is: the warm start of training puts another layer in its place.
        out = self.out_proj(rows.permute(0, 3, 1, 2))
        return {"vision_features": out, "vision_pos_enc": [self.position_encoding(out)]}


def _halve(conv: Any, norm: Any, x: Tensor) -> Tensor:
    """A convolution, its norm and a GELU on (B, C, H, W)."""
    how = conv.stride, conv.padding
    if conv.out_channels < _FEW_CHANNELS:
        weight, bias = conv.weight - conv.weight.mean(0), conv.bias - conv.bias.mean()
        x = F.conv2d(x.contiguous(), weight.contiguous(), bias, *how).contiguous()
        x *= (x * x).mean(1, keepdim=True).add_(norm.eps).rsqrt_()
        x = torch.addcmul(norm.bias[:, None, None], x, norm.weight[:, None, None])
        return F.gelu(x)
    rows = F.conv2d(x, conv.weight, conv.bias, *how).permute(0, 2, 3, 1)
    return F.gelu(_normed(norm, rows)).permute(0, 3, 1, 2)


def _mix(block: Any, rows: Tensor) -> Tensor:
    """A `CXBlock` on (B, H, W, C)."""
    mixed = block.dwconv(rows.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    wide = F.gelu(F.linear(_normed(block.norm, mixed), block.pwconv1.weight, block.pwconv1.bias))
    scale, narrow = block.gamma, block.pwconv2
    if scale is None:
        return rows + F.linear(wide, narrow.weight, narrow.bias)
    flat = torch.add(rows, narrow.bias * scale).flatten(0, 2)
    flat.addmm_(wide.flatten(0, 2), (narrow.weight * scale[:, None]).T)
    return flat.view(rows.shape)


def _normed(norm: Any, rows: Tensor) -> Tensor:
    return F.layer_norm(rows, rows.shape[-1:], norm.weight, norm.bias, norm.eps)


def _point(conv: Any, rows: Tensor) -> Tensor:
    """A convolution of one pixel on (B, H, W, C)."""
    return F.linear(rows, conv.weight.flatten(1), conv.bias)


def _one(x: Tensor) -> Tensor:
    """One item of a batch that `expand` has made of one item, else the batch."""
    return x[:1] if x.stride(0) == 0 else x
