"""The image trunk as it is used, not as it is trained: equal features for two thirds of the work.

Two things that a TinyViT computes again and again on a picture cost much and say nothing:

* Batch normalisation on stored statistics is a scale and a shift: both go into the convolution
  before it.
* Where a feature map is no multiple of the attention window, it is padded with zeros, and the zeros
  go through the layers like pixels: of a 16 x 16 map in windows of 14, two thirds of what attention
  sees is padding. But all padding has the same key and the same value, so it is one key, whose
  weight is that of all of them (see `_Windows`). What padding would attend to is never needed.

Feature maps are (B, H, W, C) here, so that convolutions of one pixel are matrix products.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


class FoldedTrunk:
    """A `TinyVitTrunk` in evaluation, from its weights at this moment.

    Not a module: it is a copy, and no part of the weights.

    Args:
        trunk: a `TinyVitTrunk`.
    """

    def __init__(self, trunk: Any) -> None:
        vit = trunk.vit
        # Normal tensors, whatever mode the first picture comes in.
        with torch.inference_mode(False), torch.no_grad():
            self._patch = [_Convolution(vit.patch_embed.conv1), _Convolution(vit.patch_embed.conv2)]
            self._shallow = [_Inverted(block) for block in vit.stages[0].blocks]
            self._stages = [_Stage(stage) for stage in list(vit.stages)[1:]]
        self._neck = trunk.neck

    def __call__(self, images: Tensor) -> list[Tensor]:
        """Encode `images` (B, 3, S, S) float; returns what `TinyVitTrunk` does, at all scales."""
        first, second = self._patch
        x = second(F.gelu(first(images.permute(0, 2, 3, 1))))
        for block in self._shallow:
            x = block(x)
        maps = [x]
        for stage in self._stages:
            x = stage(x)
            maps.append(x)
        top = self._neck(maps[3].permute(0, 3, 1, 2))
        return [maps[0].permute(0, 3, 1, 2), maps[1].permute(0, 3, 1, 2), top]


def weights_mark(module: torch.nn.Module) -> tuple[tuple[int, int], ...]:
    """Something that is another after the weights of a module were changed, replaced or moved."""
    held = (*module.parameters(), *module.buffers())
    # Tensors of inference mode count no versions; nothing can train them either.
    return tuple((t.data_ptr(), 0 if t.is_inference() else t._version) for t in held)


class _Convolution:
    """timm's `ConvNorm` as one convolution."""

    def __init__(self, layer: Any) -> None:
        conv, norm = layer.conv, layer.bn
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        weight = conv.weight * scale[:, None, None, None]
        self._bias = norm.bias - norm.running_mean * scale
        self._how = (conv.stride, conv.padding, conv.dilation, conv.groups)
        self._is_point = weight.shape[2:] == (1, 1) and conv.stride == (1, 1)
        self._weight = (
            weight.flatten(1).contiguous()
            if self._is_point
            else weight.contiguous(memory_format=torch.channels_last)
        )

    def __call__(self, x: Tensor) -> Tensor:
        if self._is_point:
            return F.linear(x, self._weight, self._bias)
        out = F.conv2d(x.permute(0, 3, 1, 2), self._weight, self._bias, *self._how)
        return out.permute(0, 2, 3, 1)


class _Inverted:
    """timm's `MBConv`."""

    def __init__(self, block: Any) -> None:
        self._convolutions = [_Convolution(c) for c in (block.conv1, block.conv2, block.conv3)]

    def __call__(self, x: Tensor) -> Tensor:
        widen, mix, narrow = self._convolutions
        return F.gelu(narrow(F.gelu(mix(F.gelu(widen(x))))) + x)


class _Stage:
    """timm's `TinyVitStage`: down-sampling, then blocks of attention."""

    def __init__(self, stage: Any) -> None:
        down = stage.downsample
        self._down = [_Convolution(c) for c in (down.conv1, down.conv2, down.conv3)]
        self._blocks = [
            (_Windows(block.attn, block.window_size), _Convolution(block.local_conv), _Mlp(block))
            for block in stage.blocks
        ]

    def __call__(self, x: Tensor) -> Tensor:
        first, second, third = self._down
        x = third(F.gelu(second(F.gelu(first(x)))))
        for attend, mix, transform in self._blocks:
            x = mix(x + attend(x))
            x = x + transform(x)
        return x


class _Mlp:
    """timm's `NormMlp`."""

    def __init__(self, block: Any) -> None:
        self._norm = _Norm(block.mlp.norm)
        self._in, self._out = _copies(block.mlp.fc1), _copies(block.mlp.fc2)

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(F.gelu(F.linear(self._norm(x), *self._in)), *self._out)


class _Norm:
    """A layer normalisation over channels."""

    def __init__(self, norm: Any) -> None:
        self._weight, self._bias = _copies(norm)
        self._eps = float(norm.eps)

    def __call__(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self._weight, self._bias, self._eps)


class _Windows:
    """Attention inside windows of S x S pixels, without computing padding.

    A row of the attention over real keys `k_i` with values `v_i` and P padded ones, all with key
    `k` and value `v`, is `softmax` of `q k_i + b_i` and `q k + b_p`; the P terms of padding are
    `exp(q k) * sum_p exp(b_p)`, which is one key with the bias `logsumexp_p b_p`.

    Windows at the right and lower edge are smaller by their padding: at most four shapes of windows
    are computed one after the other.
    """

    def __init__(self, attention: Any, side: int) -> None:
        self._side, self._heads, self._dim = side, attention.num_heads, attention.key_dim
        self._norm = _Norm(attention.norm)
        weight, bias = _copies(attention.qkv)
        # The scale of attention goes into the queries: rows (head, query | key | value, dim).
        scale = torch.ones(self._heads, 3, self._dim)
        scale[:, 0] = attention.scale
        scale = scale.flatten().to(weight)
        self._qkv = weight * scale[:, None], bias * scale
        self._proj = _copies(attention.proj)
        # What zeros become.
        pad = F.linear(attention.norm.bias, *self._qkv).view(self._heads, 1, 3, self._dim)
        self._pad = pad[:, :, 1], pad[:, :, 2]
        bias = attention.attention_biases[:, attention.attention_bias_idxs]
        self._bias = bias.view(self._heads, *(side,) * 4).clone()
        self._biases: dict[tuple[int, int], Tensor] = {}

    def __call__(self, x: Tensor) -> Tensor:
        qkv = F.linear(self._norm(x), *self._qkv)
        rows = [
            torch.cat([self._attend(part, width) for part, width in self._split(row, 2)], 2)
            for row, _ in self._split(qkv, 1)
        ]
        return F.linear(torch.cat(rows, 1), *self._proj)

    def _split(self, x: Tensor, axis: int) -> Sequence[tuple[Tensor, int]]:
        """Whole windows and the rest along an axis, with the side of a window there."""
        whole, rest = divmod(x.shape[axis], self._side)
        parts = ((0, whole * self._side, self._side), (whole * self._side, rest, rest))
        return [(x.narrow(axis, start, n), side) for start, n, side in parts if n]

    def _attend(self, qkv: Tensor, width: int) -> Tensor:
        """(B, h, w, 3C) in windows of `width` columns to (B, h, w, C)."""
        batch, height, _, _ = qkv.shape
        tall = self._side if height % self._side == 0 else height
        windows = qkv.unflatten(2, (-1, width)).unflatten(1, (-1, tall))
        windows = windows.unflatten(5, (self._heads, 3, self._dim))
        # (B, rows, tall, columns, width, heads, 3, dim) to (3, B, rows, columns, heads, N, dim)
        q, k, v = windows.permute(6, 0, 1, 3, 5, 2, 4, 7).flatten(5, 6).unbind(0)
        bias = self._bias_of(tall, width)
        if bias.shape[-1] > bias.shape[-2]:
            pad_k, pad_v = (p.expand(*k.shape[:3], -1, -1, -1) for p in self._pad)
            k, v = torch.cat([k, pad_k], -2), torch.cat([v, pad_v], -2)
        out = (q @ k.transpose(-1, -2) + bias).softmax(-1) @ v
        # back to (B, rows, tall, columns, width, heads, dim)
        out = out.unflatten(-2, (tall, width)).permute(0, 1, 4, 2, 5, 3, 6)
        return out.reshape(batch, height, -1, self._heads * self._dim)

    def _bias_of(self, tall: int, width: int) -> Tensor:
        """(heads, N, N or N + 1): biases of a window's real pixels, that of padding last."""
        found = self._biases.get((tall, width))
        if found is None:
            is_real = torch.zeros(self._side, self._side, dtype=torch.bool)
            is_real[:tall, :width] = True
            all_keys = self._bias[:, :tall, :width].flatten(3).flatten(1, 2)
            real, padding = (all_keys[..., m.flatten()] for m in (is_real, ~is_real))
            if padding.shape[-1]:
                real = torch.cat([real, padding.logsumexp(-1, keepdim=True)], -1)
            found = self._biases[tall, width] = real
        return found


def _copies(layer: Any) -> tuple[Tensor, Tensor]:
    """Weight and bias of a layer as they are now."""
    return layer.weight.detach().clone(), layer.bias.detach().clone()
