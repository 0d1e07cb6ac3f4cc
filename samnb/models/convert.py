"""Between the contract's arrays and the model's tensors."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from samnb.models.backend import Decoded, ModelPrompt
from samnb.models.base import BoolMask, FramePrompts, Prediction
from samnb.models.prompts import encode_points


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
    large = functional.interpolate(decoded.logits, size_hw, mode="bilinear", align_corners=False)
    # numpy compares and counts in a third of the time.
    logits = large[0, 0].cpu().numpy()
    inner, outer = (int(np.count_nonzero(logits > level)) for level in (1.0, -1.0))
    return Prediction(
        mask=logits > 0,
        confidence=min(max(decoded.confidence, 0.0), 1.0),
        presence=float(decoded.score.sigmoid()),
        stability=inner / outer if outer else 1.0,
    )
