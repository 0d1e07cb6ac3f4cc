"""A memory that works before its first training step.

SAM's decoder already knows one way to be told where an object was: the mask prompt, a code that is
added to the image embedding. The untrained memory is set up to deliver just that. Memory attention
looks near (`mobilesam.look_near`), one of its values is the coverage of the remembered mask, read
out of the memory features by least squares, and its output turns that value into SAM's mask code.
Training then starts from "last frame's mask as a prompt" instead of from noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F

from samnb.models.training.mobilesam import look_near
from samnb.models.training.tracking import EncodedClip, ObjectBatch

_SURE_LOGIT = 10.0
_RIDGE = 1e-3
_QUIET = 0.05


@torch.no_grad()
def start_from_mask_prompts(model: Any, clips: Sequence[EncodedClip]) -> dict[str, float]:
    """Set up the memory of a distilled model; its decoder and its eyes stay as they are.

    Args:
        model: a `SAM2Base` with untrained memory, changed in place.
        clips: encoded clips to fit the two linear read-outs on.

    Returns:
        `coverage_r2`, the share of the remembered mask that one value explains, and `norm_error`,
        the share of the embedding that the last normalisation distorts.
    """
    look_near(model)
    for layer in model.memory_attention.layers:
        for linear in (layer.self_attn.out_proj, layer.cross_attn_image.out_proj, layer.linear2):
            linear.weight.normal_(0, _QUIET * linear.weight.shape[1] ** -0.5)
            linear.bias.zero_()
    features, coverage = _remembered(model, clips)
    weight, offset, r2 = _fit_line(features, coverage)
    inside, outside, nothing = _mask_codes(model)
    attention = model.memory_attention.layers[0].cross_attn_image
    attention.q_proj.weight.mul_(0.3)
    attention.k_proj.weight.mul_(0.3)
    attention.v_proj.weight[0] = weight
    attention.v_proj.bias[0] = offset
    attention.out_proj.weight[:, 0] = inside - outside
    # The decoder itself adds the code for "no mask prompt"; take it back.
    attention.out_proj.bias.copy_(outside - nothing)
    return {"coverage_r2": r2, "norm_error": _fit_norm(model, clips)}


def _remembered(model: Any, clips: Sequence[EncodedClip]) -> tuple[torch.Tensor, torch.Tensor]:
    """Memory features (M, 64) of first frames and the coverage (M,) of their cells."""
    features, coverage = [], []
    for clip in clips:
        batch = ObjectBatch(model, [(clip, [0], list(range(clip.masks.shape[1])))])
        truth = batch.truth[0][:, None].float()
        entry = batch.step(0, first=True, mask=truth).entry
        features.append(entry["maskmem_features"].flatten(2).permute(0, 2, 1).flatten(0, 1))
        grid = entry["maskmem_features"].shape[-2:]
        coverage.append(F.adaptive_avg_pool2d(truth, grid).flatten())
    return torch.cat(features), torch.cat(coverage)


def _fit_line(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Ridge regression of y (M,) on x (M, C): weights, offset and explained share."""
    mean_x, mean_y = x.mean(0), y.mean()
    centred, wanted = x - mean_x, y - mean_y
    square = centred.T @ centred / len(x)
    scale = square.diagonal().mean()
    weight = torch.linalg.solve(
        square + _RIDGE * scale * torch.eye(x.shape[1]), centred.T @ wanted / len(x)
    )
    left = (wanted - centred @ weight).square().mean() / wanted.square().mean()
    return weight, mean_y - mean_x @ weight, float(1 - left)


def _mask_codes(model: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """SAM's codes (256,) for a place inside a mask, outside of it, and for no mask at all."""
    encoder = model.sam_prompt_encoder
    codes = []
    for logit in (_SURE_LOGIT, -_SURE_LOGIT):
        prompt = torch.full((1, 1, *encoder.mask_input_size), logit)
        codes.append(encoder.mask_downscaling(prompt).mean((0, 2, 3)))
    return codes[0], codes[1], encoder.no_mask_embed.weight[0]


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
