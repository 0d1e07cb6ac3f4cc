"""Teach the default model to recognise a tracked object by its looks.

Tracks are run as they come out, without recognition, wrong turns included. Every tracked mask is an
example: it is right when it overlaps the truth. Seven numbers are learned, on clips that are drawn
on the fly; see :mod:`samnb.models.likeness`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from samnb.models.likeness import Likeness, compare, is_blank, look_at
from samnb.models.training.clips import Clip
from samnb.models.training.common import mask_iou
from samnb.models.training.tracking import ObjectBatch, encode_clip

RIGHT_IOU = 0.3
"""A tracked mask shows its object from this IoU on."""
_GOOD_IOU = 0.5
_DECAY = 1e-3


@torch.no_grad()
def gather_looks(model: Any, clips: Iterable[Clip]) -> tuple[Tensor, Tensor]:
    """Track every object of clips from its mask on the first frame.

    Args:
        model: a `SAM2Base`.
        clips: clips of the model's image size, with all objects in the first frame.

    Returns:
        (N, 2 L) float32 cosines of each tracked mask, with the first frame and with the first or
        the latest good one, for each of L feature maps; (N,) bool, whether the mask was right.
    """
    rows: list[Tensor] = []
    right: list[bool] = []
    for clip in clips:
        encoded = encode_clip(model, clip)
        length, count = encoded.masks.shape[:2]
        for number in range(count):
            batch = ObjectBatch(model, [(encoded, list(range(length)), [number])])
            out = batch.step(0, first=True, mask=batch.truth[0][:, None].float())
            batch.keep(0, out, prompted=True)
            first = latest = look_at(batch.maps(0), out.chosen)
            for t in range(1, length):
                out = batch.step(t, first=False)
                batch.keep(t, out, prompted=False)
                look = look_at(batch.maps(t), out.chosen)
                if is_blank(look):
                    continue
                rows.append(compare(look, [first], [latest]))
                full = F.interpolate(out.chosen, clip.frames.shape[1:3], mode="bilinear")[:, 0] > 0
                iou = float(mask_iou(full, batch.truth[t])[0])
                right.append(iou > RIGHT_IOU)
                if iou > _GOOD_IOU:
                    latest = look
    return torch.stack(rows), torch.tensor(right)


def fit_likeness(cosine: Tensor, right: Tensor) -> Likeness:
    """Fit the regression.

    Args:
        cosine: (N, 2 L) float32.
        right: (N,) bool, both kinds present.

    Raises:
        ValueError: all masks are right, or none.
    """
    if bool(right.all()) or not bool(right.any()):
        raise ValueError(f"right: expected both kinds, got {len(right)} of one")
    middle, spread = cosine.mean(0), cosine.std(0).clamp_min(1e-6)
    scaled, wanted = (cosine - middle) / spread, right.float()
    weight = torch.zeros(cosine.shape[1], requires_grad=True)
    bias = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=300)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(scaled @ weight + bias, wanted)
        loss = loss + _DECAY * (weight**2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    plain = (weight / spread).detach()
    held = [round(float(v), 4) for v in plain]
    half = len(held) // 2
    offset = float(bias.detach()) - float(plain @ middle)
    return Likeness(tuple(held[:half]), tuple(held[half:]), round(offset, 4))
