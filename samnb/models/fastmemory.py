"""SAM 2's memory attention, computed faster where nothing is learned.

The same weights and, but for rounding, the same numbers as in the `sam2` package, several objects
on one picture at a time:

* What the picture says by itself, the self attention of the first layer, is the same for all
  objects and computed once.
* Memories have 64 channels, a quarter of the picture's. Attention's weights sum to one, so values
  can be averaged first and projected after, `A (M V) O = (A M) (V O)`: a quarter of the work.
* Rotary codes are real arithmetic on two halves instead of complex numbers; which channels make a
  pair is a matter of order, the same one for queries and keys, and so without effect.

With gradients the package's own code runs. A feature map is (B, N, C) here, N places row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import torch
from sam2.modeling.memory_attention import MemoryAttention
from torch import Tensor
from torch.nn import functional as F

_ROWS: Final = 256
"""Places that attend at once: scores of all of them leave the cache at finer builds."""


class FastMemoryAttention(MemoryAttention):
    """`MemoryAttention` with one head, and no position codes but the rotary ones and the keys'."""

    def forward(
        self,
        curr: Any,
        memory: Tensor,
        curr_pos: Any = None,
        memory_pos: Tensor | None = None,
        num_obj_ptr_tokens: int = 0,
    ) -> Tensor:
        """Condition a picture on the memories of B objects.

        Args:
            curr: (N, B, C) features of the picture, or a list of that one tensor.
            memory: (M, B, D) memories, frame after frame, pointers last.
            curr_pos: position code of the picture, unused without gradients.
            memory_pos: (M, B, D) position codes of the memories.
            num_obj_ptr_tokens: how many of the M are pointers, which have no place.

        Returns:
            (N, B, C).
        """
        if torch.is_grad_enabled() or memory_pos is None:
            return super().forward(curr, memory, curr_pos, memory_pos, num_obj_ptr_tokens)
        picture: Tensor = curr[0] if isinstance(curr, list) else curr
        return self.read(picture, [(memory, memory_pos, num_obj_ptr_tokens)])

    def read(self, picture: Tensor, memories: Sequence[tuple[Tensor, Tensor, int]]) -> Tensor:
        """Condition a picture on memories of different length, without gradients.

        Args:
            picture: (N, B, C) features.
            memories: of groups of the B objects in turn, (M, b, D) memories, (M, b, D) position
                codes, and how many of the M are pointers.

        Returns:
            (N, B, C).
        """
        x = _without_copies(picture.transpose(0, 1))
        values = [one for memory, _, _ in memories for one in memory.unbind(1)]
        codes = [code for _, code, _ in memories for code in code.unbind(1)]
        keys = [value + code for value, code in zip(values, codes, strict=True)]
        placeless = [n for memory, _, n in memories for _ in range(memory.shape[1])]
        for layer in self.layers:
            own = layer.norm1(x)
            x = x + _attend(layer.self_attn, own, own, own, [0] * len(own))
            # Here, in the first layer, one picture becomes as many as there are objects.
            x = x + _attend(layer.cross_attn_image, layer.norm2(x), keys, values, placeless)
            x = x + layer.linear2(layer.activation(layer.linear1(layer.norm3(x))))
        out: Tensor = self.norm(x)
        return out.transpose(0, 1)


def _without_copies(x: Tensor) -> Tensor:
    """One item of a batch that `expand` has made of one item, else the batch."""
    return x[:1] if x.stride(0) == 0 else x


def _attend(
    attention: Any,
    queries: Tensor,
    keys: Sequence[Tensor] | Tensor,
    values: Sequence[Tensor] | Tensor,
    n_placeless: Sequence[int],
) -> Tensor:
    """Attention of one head with rotary codes, see the module.

    Args:
        attention: a `RoPEAttention`.
        queries: (B or 1, N, C), a square of N places.
        keys: of each of the B objects (M, K), M its own: whole squares of N places, then others.
        values: of each object (M, V).
        n_placeless: how many keys of each object are such others, without a rotary code.

    Returns:
        (B, N, C).
    """
    n_places = queries.shape[1]
    cos, sin = _codes(attention, n_places, queries.device)
    q = F.linear(queries, *_halves(attention.q_proj))
    q *= q.shape[-1] ** -0.5
    _rotate(q, cos, sin)
    weights = _halves(attention.k_proj)
    mixed = []
    # One object after the other: its keys and scores stay in the cache.
    for index, n in enumerate(n_placeless):
        k = F.linear(keys[index], *weights)
        _rotate(k[: len(k) - n].unflatten(0, (-1, n_places)), cos, sin)
        rows = q[min(index, len(q) - 1)].split(_ROWS)
        found = [(row @ k.T).softmax(-1) @ values[index] for row in rows]
        mixed.append(torch.cat(found))
    inner, outer = attention.v_proj, attention.out_proj
    bias = F.linear(inner.bias, outer.weight, outer.bias)
    return F.linear(torch.stack(mixed), outer.weight @ inner.weight, bias)


def _codes(attention: Any, n_places: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines (N, C / 2) of the places of a square, kept with the attention.

    As parts of complex numbers they would lie apart in memory, and turning with them take twice as
    long.
    """
    kept: dict[Any, tuple[Tensor, Tensor]] = attention.__dict__.setdefault("_kept_codes", {})
    if (n_places, device) not in kept:
        side = round(n_places**0.5)
        with torch.inference_mode(False):
            codes = attention.compute_cis(end_x=side, end_y=side)
            real, imaginary = (part.contiguous().to(device) for part in (codes.real, codes.imag))
        kept[n_places, device] = real, imaginary
    return kept[n_places, device]


def _halves(layer: Any) -> tuple[Tensor, Tensor]:
    """A projection whose channels come evens first: the first and second of all rotary pairs."""
    return (
        torch.cat([layer.weight[0::2], layer.weight[1::2]]),
        torch.cat([layer.bias[0::2], layer.bias[1::2]]),
    )


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> None:
    """Turn the pairs of (..., N, C) in place by angles (N, C / 2)."""
    first, second = x.chunk(2, -1)
    turned = torch.addcmul(first * cos, second, sin, value=-1)
    second.mul_(cos).addcmul_(first, sin)
    first.copy_(turned)
