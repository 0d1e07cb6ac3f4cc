"""A memory that works before its first training step.

SAM's decoder already knows one way to be told where an object was: the mask prompt, a code that is
added to the image embedding. The untrained memory is set up to deliver just that. The first layer
of memory attention has been taught to find things again (`matching`), the last channel of the
memory is the coverage of the remembered mask, and the layer's output turns what it finds in that
channel into SAM's mask code. Training then starts from "the mask, moved along, as a prompt".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F

from samnb.models.training.matching import MatchingSettings, teach_matching
from samnb.models.training.tracking import EncodedClip, ObjectBatch

_SURE_LOGIT = 10.0
_QUIET = 0.05
# SAM has seen mask prompts only together with clicks. Without a click the code must be louder to
# be heard: of 1, 2, 3, 4, 6, 8 and 12 times, 6 to 8 gave the best masks from true coverage.
_LOUDNESS = 6.0
_FEW = 16


def start_from_mask_prompts(
    model: Any, clips: Sequence[EncodedClip], matching: MatchingSettings | None = None
) -> dict[str, float]:
    """Set up the memory of a distilled model; its decoder and its eyes stay as they are.

    Args:
        model: a `SAM2Base` with untrained memory, changed in place.
        clips: encoded clips to learn from.
        matching: how long to teach matching.

    Returns:
        What `teach_matching` returns, and `norm_error`, the share of the embedding that the last
        normalisation distorts.
    """
    with torch.no_grad():
        for layer in model.memory_attention.layers:
            cross = layer.cross_attn_image
            for linear in (layer.self_attn.out_proj, cross.out_proj, layer.linear2):
                linear.weight.normal_(0, _QUIET * linear.weight.shape[1] ** -0.5)
                linear.bias.zero_()
    scores = teach_matching(model, clips, matching)
    inside, outside, nothing = _mask_codes(model)
    attention = model.memory_attention.layers[0].cross_attn_image
    with torch.no_grad():
        attention.v_proj.weight[0] = 0
        attention.v_proj.weight[0, -1] = 1
        attention.v_proj.bias[0] = 0
        attention.out_proj.weight[:, 0] = _LOUDNESS * (inside - outside)
        # The decoder itself adds the code for "no mask prompt"; take it back.
        attention.out_proj.bias.copy_(outside - nothing)
    return scores | {"norm_error": _fit_norm(model, clips[:_FEW])}


@torch.no_grad()
def _mask_codes(model: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """SAM's codes (256,) for a place inside a mask, outside of it, and for no mask at all."""
    encoder = model.sam_prompt_encoder
    codes = []
    for logit in (_SURE_LOGIT, -_SURE_LOGIT):
        prompt = torch.full((1, 1, *encoder.mask_input_size), logit)
        codes.append(encoder.mask_downscaling(prompt).mean((0, 2, 3)))
    return codes[0], codes[1], encoder.no_mask_embed.weight[0]


@torch.no_grad()
def _fit_norm(model: Any, clips: Sequence[EncodedClip]) -> float:
    """Fit the last normalisation of memory attention so that it returns its input."""
    norm = model.memory_attention.norm
    seen: list[torch.Tensor] = []
    hook = norm.register_forward_pre_hook(lambda _, args: seen.append(args[0].flatten(0, 1)))
    for clip in clips:
        batch = ObjectBatch(model, [(clip, [0, 1], list(range(clip.masks.shape[1])))])
        truth = batch.truth[0][:, None].float()
        batch.keep(0, batch.step(0, first=True, mask=truth), prompted=True)
        batch.step(1, first=False, remember=False)
    hook.remove()
    y = torch.cat(seen)
    z = F.layer_norm(y, (y.shape[1],), eps=norm.eps)
    centred = z - z.mean(0)
    gain = (centred * (y - y.mean(0))).mean(0) / centred.square().mean(0).clamp_min(1e-6)
    norm.weight.copy_(gain)
    norm.bias.copy_(y.mean(0) - gain * z.mean(0))
    return float((norm(y) - y).square().mean() / (y - y.mean(0)).square().mean())
