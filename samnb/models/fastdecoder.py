"""SAM's mask decoder, computed faster where nothing is learned.

The same weights and, but for rounding, the same numbers as in the `sam2` package:

* A handful of tokens and hundreds of places attend to each other. So it is the tokens that are
  projected, into the channels of the picture, and never the picture: with queries `q` of a token
  and keys `K x` of a place, `q (K x) = (q K) x`, and with weights `a` over places, whose sum is
  one, `sum a (V x + v) = V (sum a x) + v`. What a key's bias adds is the same for all places of a
  token, so that softmax drops it.
* The two enlargements by 2 are matrix products for each place. Places stay where they are, with
  the 4 and then 16 finer ones inside of each; only the finished masks are sorted row by row.

With gradients the package's own code runs.
"""

from __future__ import annotations

from typing import Any

import torch
from sam2.modeling.sam.mask_decoder import MaskDecoder
from torch import Tensor
from torch.nn import functional as F


class FastMaskDecoder(MaskDecoder):
    """`MaskDecoder` with features of higher resolution."""

    def predict_masks(
        self,
        image_embeddings: Tensor,
        image_pe: Tensor,
        sparse_prompt_embeddings: Tensor,
        dense_prompt_embeddings: Tensor,
        repeat_image: bool,
        high_res_features: list[Tensor] | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Decode B prompts.

        Args:
            image_embeddings: (B, C, h, w), or (1, C, h, w) with `repeat_image`.
            image_pe: (1, C, h, w) position code.
            sparse_prompt_embeddings: (B, P, C).
            dense_prompt_embeddings: (B, C, h, w).
            repeat_image: whether all prompts are on one picture.
            high_res_features: (B or 1, C / 8, 4h, 4w) and (B or 1, C / 4, 2h, 2w).

        Returns:
            (B, M, 4h, 4w) mask logits, (B, M) predicted IoU, (B, M, C) tokens of the M masks and
            (B, 1) presence logits.
        """
        if torch.is_grad_enabled() or high_res_features is None or not self.pred_obj_scores:
            found: tuple[Tensor, Tensor, Tensor, Tensor] = super().predict_masks(
                image_embeddings,
                image_pe,
                sparse_prompt_embeddings,
                dense_prompt_embeddings,
                repeat_image,
                high_res_features,
            )
            return found
        own = (self.obj_score_token.weight, self.iou_token.weight, self.mask_tokens.weight)
        learned = torch.cat(own).expand(len(sparse_prompt_embeddings), -1, -1)
        tokens = torch.cat([learned, sparse_prompt_embeddings], 1)
        places = _rows(image_embeddings) + _rows(dense_prompt_embeddings)
        queries, places = _both_ways(
            self.transformer, tokens, places.contiguous(), _rows(image_pe).contiguous()
        )
        pixels = self._enlarge(places, high_res_features, image_embeddings.shape[-2:])
        masks_from = queries[:, 2 : 2 + self.num_mask_tokens]
        heads = zip(self.output_hypernetworks_mlps, masks_from.unbind(1), strict=True)
        weights = torch.stack([head(token) for head, token in heads], 1)
        logits = _in_order(weights @ pixels.transpose(1, 2), image_embeddings.shape[-2:])
        ious = self.iou_prediction_head(queries[:, 1])
        return logits, ious, masks_from, self.pred_obj_score_head(queries[:, 0])

    def _enlarge(
        self, places: Tensor, fine: list[Tensor], size_hw: tuple[int, int] | torch.Size
    ) -> Tensor:
        """(B, h*w, C) to (B, h*w*16, C / 8): of each place 2 x 2 finer ones of 2 x 2 each."""
        first, norm, _, second, _ = self.output_upscaling
        height, width = size_hw
        # From (2h, 2w) to (h, w, 2, 2), and from (4h, 4w) to (h, w, 2, 2, 2, 2).
        finest, finer = (_one(f).permute(0, 2, 3, 1) for f in fine)
        finer = finer.unflatten(2, (width, 2)).unflatten(1, (height, 2)).permute(0, 1, 3, 2, 4, 5)
        finest = finest.unflatten(2, (width, 2, 2)).unflatten(1, (height, 2, 2))
        finest = finest.permute(0, 1, 4, 2, 5, 3, 6, 7)
        x = _double(first, places) + finer.reshape(len(finer), -1, finer.shape[-1])
        x = F.gelu(F.layer_norm(x, x.shape[-1:], norm.weight, norm.bias, norm.eps))
        return F.gelu(_double(second, x) + finest.reshape(len(finest), -1, finest.shape[-1]))


def _both_ways(
    transformer: Any, tokens: Tensor, places: Tensor, code: Tensor
) -> tuple[Tensor, Tensor]:
    """SAM's two-way transformer.

    Args:
        transformer: a `TwoWayTransformer`.
        tokens: (B, T, C).
        places: (B, N, C).
        code: (1, N, C) position code.

    Returns:
        Tokens and places, in the same shapes.
    """
    queries = tokens
    for layer in transformer.layers:
        if layer.skip_first_layer_pe:
            queries = layer.self_attn(queries, queries, queries)
        else:
            named = queries + tokens
            queries = queries + layer.self_attn(named, named, queries)
        queries = layer.norm1(queries)
        placed = places + code
        found = _ask_places(layer.cross_attn_token_to_image, queries + tokens, placed, places)
        queries = layer.norm2(queries + found)
        queries = layer.norm3(queries + layer.mlp(queries))
        told = _ask_tokens(layer.cross_attn_image_to_token, placed, queries + tokens, queries)
        places = layer.norm4(places + told)
    found = _ask_places(
        transformer.final_attn_token_to_image, queries + tokens, places + code, places
    )
    return transformer.norm_final_attn(queries + found), places


def _ask_places(attention: Any, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Tokens (B, T, C) attend to places (B, N, C); gives (B, T, C)."""
    q = _heads(attention, attention.q_proj(queries))
    asked = torch.einsum("bthd,hdc->bhtc", q, _by_head(attention, attention.k_proj.weight))
    asked = asked.flatten(1, 2) * q.shape[-1] ** -0.5
    seen = (asked @ keys.transpose(1, 2)).softmax(-1) @ values
    seen = seen.unflatten(1, (attention.num_heads, -1))
    out = torch.einsum("bhtc,hdc->bthd", seen, _by_head(attention, attention.v_proj.weight))
    return attention.out_proj(out.flatten(2) + attention.v_proj.bias)


def _ask_tokens(attention: Any, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Places (B, N, C) attend to tokens (B, T, C); gives (B, N, C)."""
    k = _heads(attention, attention.k_proj(keys))
    k = k * k.shape[-1] ** -0.5
    weight, bias = attention.q_proj.weight, attention.q_proj.bias.unflatten(0, k.shape[2:])
    asked = torch.einsum("bthd,hdc->bhtc", k, _by_head(attention, weight)).flatten(1, 2)
    known = torch.einsum("bthd,hd->bht", k, bias).flatten(1)
    scores = torch.baddbmm(known[:, None], queries, asked.transpose(1, 2))
    weights = scores.unflatten(-1, (attention.num_heads, -1)).softmax(-1).flatten(2)
    outer = attention.out_proj
    v = _heads(attention, attention.v_proj(values))
    told = torch.einsum("bthd,hdc->bhtc", v, _by_head(attention, outer.weight.T))
    return torch.baddbmm(outer.bias, weights, told.flatten(1, 2))


def _heads(attention: Any, x: Tensor) -> Tensor:
    """(B, T, H * D) as (B, T, H, D)."""
    return x.unflatten(-1, (attention.num_heads, -1))


def _by_head(attention: Any, weight: Tensor) -> Tensor:
    """(H * D, C) as (H, D, C)."""
    return weight.unflatten(0, (attention.num_heads, -1))


def _double(layer: Any, x: Tensor) -> Tensor:
    """An enlargement by 2, (B, N, C) to (B, N * 4, D): of each place its 2 x 2 finer ones."""
    weight = layer.weight.permute(2, 3, 1, 0).flatten(0, 2)
    out = F.linear(x, weight, layer.bias.repeat(4))
    return out.reshape(len(x), -1, layer.out_channels)


def _in_order(logits: Tensor, size_hw: tuple[int, int] | torch.Size) -> Tensor:
    """(B, M, h*w*16) masks, finer places inside of each, to (B, M, 4h, 4w)."""
    height, width = size_hw
    nested = logits.unflatten(2, (height, width, 2, 2, 2, 2))
    return nested.permute(0, 1, 2, 4, 6, 3, 5, 7).reshape(*logits.shape[:2], 4 * height, 4 * width)


def _rows(x: Tensor) -> Tensor:
    """(B, C, h, w) as (B, h*w, C)."""
    return x.flatten(2).transpose(1, 2)


def _one(x: Tensor) -> Tensor:
    """One item of a batch that `expand` has made of one item, else the batch."""
    return x[:1] if x.stride(0) == 0 else x
