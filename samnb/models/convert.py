"""Between the contract's arrays and the model's tensors."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from samnb.models.backend import Decoded, ModelPrompt
from samnb.models.base import BoolMask, FramePrompts, Prediction
from samnb.models.prompts import encode_points

_LEAST_LOGIT: Final = -1.0  # of pixels that count, for stability


def to_model_prompt(
    prompts: FramePrompts, size_hw: tuple[int, int], model_size: int, device: torch.device
) -> ModelPrompt:
    """Scale prompts to the model's square input and put them on its device."""
    if prompts.mask is not None:
        mask = torch.from_numpy(np.ascontiguousarray(prompts.mask))[None, None].float()
        if mask.shape[-2:] != (model_size, model_size):
            mask = functional.interpolate(
                mask, (model_size, model_size), mode="bilinear", align_corners=False, antialias=True
            )
            mask = (mask >= 0.5).float()
        return ModelPrompt(mask=mask.to(device))
    coords, labels = encode_points(prompts, size_hw, model_size)
    return ModelPrompt(
        coords=torch.from_numpy(coords)[None].to(device),
        labels=torch.from_numpy(labels)[None].to(device),
    )


def to_prediction(
    decoded: Decoded, size_hw: tuple[int, int], given: BoolMask | None = None
) -> Prediction:
    """Threshold logits at media size and measure how sure they are.

    Stability is the IoU of the masks at logits +1 and -1 (SAM paper, appendix on automatic masks);
    it is 1 where both are empty.

    Args:
        decoded: what the mask decoder said.
        size_hw: media height and width in pixels.
        given: a mask prompt, which is returned as it is and counts as certain.
    """
    if given is not None:
        return Prediction(given.copy(), 1.0, float(given.any()), 1.0)
    box, logits = _enlarge(decoded.drawn[0, 0].float().cpu(), size_hw)
    # numpy compares and counts in a third of the time.
    inner, outer = (int(np.count_nonzero(logits > level)) for level in (1.0, _LEAST_LOGIT))
    mask = np.zeros(size_hw, np.bool_)
    mask[box] = logits > 0
    return Prediction(
        mask=mask,
        confidence=min(max(decoded.confidence, 0.0), 1.0),
        presence=float(decoded.score.sigmoid()),
        stability=inner / outer if outer else 1.0,
    )


def _enlarge(
    logits: Tensor, size_hw: tuple[int, int]
) -> tuple[tuple[slice, slice], npt.NDArray[np.float32]]:
    """Bilinear enlargement of (h, w) logits inside the box beyond which none reach -1.

    Returns:
        The box, and the logits inside of it.
    """
    above = logits > _LEAST_LOGIT
    parts = [
        _needed(above.any(1 - axis), _weights(logits.shape[axis], size_hw[axis])) for axis in (0, 1)
    ]
    (rows, from_rows, down), (columns, from_columns, across) = parts
    large = down @ logits[from_rows, from_columns] @ across.T
    return (rows, columns), large.numpy()


def _needed(above: Tensor, weights: Tensor) -> tuple[slice, slice, Tensor]:
    """Which of N places read one of those above (n,), which they read, and how much: (N', n')."""
    found = np.flatnonzero(above.numpy())
    ends = (int(found[0]), int(found[-1]) + 1) if len(found) else (0, 0)
    reading = np.flatnonzero((weights[:, slice(*ends)] > 0).any(1).numpy())
    if len(reading) == 0:
        return slice(0, 0), slice(0, 0), weights[:0, :0]
    to = slice(int(reading[0]), int(reading[-1]) + 1)
    # Neighbours are read together.
    of = slice(max(ends[0] - 1, 0), ends[1] + 1)
    return to, of, weights[to, of]


@lru_cache(maxsize=16)
def _weights(small: int, large: int) -> Tensor:
    """(large, small): what bilinear enlargement takes from where, along one axis."""
    with torch.inference_mode(False):
        one = torch.eye(small)[None, None]
        size = large, small
        return functional.interpolate(one, size, mode="bilinear", align_corners=False)[0, 0]
