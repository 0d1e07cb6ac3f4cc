"""`mobile`: a SAM 2 small enough for a laptop, with MobileSAM's eyes and a memory of its own.

The model is built from the classes of the `sam2` package, so it runs through that package's own
predictors: TinyViT-5M as image trunk, SAM's prompt encoder and mask decoder, SAM 2's memory
attention and memory encoder. Nothing in the weights depends on the image size, so one file serves
a fast build (256 px) and a finer one (448 px, the size it was taught at).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from sam2.modeling.backbones.image_encoder import FpnNeck, ImageEncoder
from sam2.modeling.memory_attention import MemoryAttentionLayer
from sam2.modeling.memory_encoder import CXBlock, Fuser, MaskDownSampler
from sam2.modeling.sam.transformer import RoPEAttention
from sam2.modeling.sam2_base import SAM2Base
from torch import nn

from samnb.models.chooser import load_chooser
from samnb.models.fastencoder import FastMemoryEncoder
from samnb.models.fastmemory import FastMemoryAttention
from samnb.models.faststeps import SineCode
from samnb.models.secondlook import MobileSam2, MobileSam2VideoPredictor
from samnb.models.tinyvit import EMBED_DIM, TinyVitTrunk

FAST_SIZE = 256
"""Side in pixels of the square input of the fast build."""
QUALITY_SIZE = 448
"""Side in pixels of the square input of the quality build."""
WEIGHTS_ENV = "SAMNB_MOBILE_WEIGHTS"
"""Environment variable that names another weights file than the packaged one."""

_FOLDER = Path(__file__).parent / "weights"
_CHOOSER = _FOLDER / "chooser.safetensors"
_EYES = _FOLDER / "eyes.safetensors"
SIGHT = ("image_encoder.", "sam_prompt_encoder.", "sam_mask_decoder.")
"""Beginnings of the names of what eyes consist of."""
_MEMORY_DIM = 64
_MEMORY_LAYERS = 2
_FEEDFORWARD_DIM = 512
_STRIDE = 16
_SCALE_SUFFIX = "::scale"
# Below this many values a tensor is kept in half precision: nothing to gain, something to lose.
_MIN_INT8_NUMEL = 4096


def default_weights() -> Path:
    """Path of the weights: the file named by `SAMNB_MOBILE_WEIGHTS`, else the packaged one.

    Raises:
        FileNotFoundError: if that file does not exist.
    """
    override = os.environ.get(WEIGHTS_ENV)
    path = Path(override) if override else _FOLDER / "mobile.safetensors"
    if not path.is_file():
        source = f"{WEIGHTS_ENV} names" if override else "the package should contain"
        raise FileNotFoundError(f"mobile weights: {source} {path}, which does not exist")
    return path


def build_mobile(
    image_size: int = FAST_SIZE,
    *,
    weights: Path | None = None,
    predictor: Literal["video", "base"] = "video",
    device: str | torch.device = "cpu",
    choose: bool = True,
    eyes: bool = True,
    **overrides: Any,
) -> Any:
    """Build the default model with its weights, in evaluation mode.

    Args:
        image_size: side in pixels of the square input, a multiple of 32; frames are squeezed to it.
        weights: a file written by `save_weights`; None takes `default_weights()`. Whatever they
            are, tracked masks are chosen by the packaged `chooser.safetensors`: it was trained on
            the image encoder, which training leaves alone.
        predictor: `video` gives a `SAM2VideoPredictor`, `base` a plain `SAM2Base` (the one that
            `SAM2ImagePredictor` wraps; set its `_bb_feat_sizes` to `backbone_feature_sizes`).
        device: where the model lives.
        choose: False leaves the chooser out: tracked masks are what memory says.
        eyes: False leaves out the packaged eyes for clicks (`build_eyes`): clicks are answered by
            what tracks.
        overrides: further constructor arguments of the predictor class.

    Raises:
        ValueError: for an image size or a predictor name that cannot work.
        FileNotFoundError: if there is no weights file.
    """
    state = load_weights(weights if weights is not None else default_weights())
    model = build_architecture(image_size, predictor=predictor, **overrides)
    model.load_state_dict(state, strict=True)
    if choose:
        model.chooser = load_chooser(_CHOOSER)
    if eyes:
        model.eyes = build_eyes(click_size(image_size))
    return model.to(device).eval()


def click_size(image_size: int) -> int:
    """Side in pixels of the picture that clicks are answered from: half as large again as the one
    that is tracked, and at most 128 pixels larger."""
    return image_size + min(-(-image_size // 64) * 32, 128)


def build_eyes(image_size: int, weights: Path | None = None) -> Any:
    """Build the model that answers clicks on a picture: a `SAM2Base` without a memory.

    Args:
        image_size: side in pixels of the square input, a multiple of 32.
        weights: a file written by `save_eyes`; None takes the packaged one.

    Raises:
        ValueError: for an image size that cannot work, or weights that do not fit.
        FileNotFoundError: if there is no weights file.
    """
    model = build_architecture(image_size, predictor="base")
    # Nobody asks these eyes for a memory, and three million random numbers are better not kept.
    model.memory_attention, model.memory_encoder = nn.Identity(), nn.Identity()
    missing, unexpected = model.load_state_dict(load_weights(weights or _EYES), strict=False)
    foreign = [name for name in missing if name.startswith(SIGHT)]
    if unexpected or foreign:
        raise ValueError(f"eyes: unexpected {unexpected[:3]}, missing {foreign[:3]}")
    nn.init.zeros_(model.no_mem_embed)
    return model.eval()


def save_eyes(
    state: Mapping[str, torch.Tensor], path: Path, info: Mapping[str, Any] | None = None
) -> None:
    """Write what `build_eyes` reads of a model's state dict: encoder and decoder."""
    sight = {name: value for name, value in state.items() if name.startswith(SIGHT)}
    save_weights(sight, path, info=info)


def backbone_feature_sizes(image_size: int) -> list[tuple[int, int]]:
    """Feature map sizes (height, width), strides 4, 8 and 16, for `SAM2ImagePredictor`.

    That class hard-codes the sizes of a 1024 px model in `_bb_feat_sizes`; assign this list.
    """
    return [(image_size // stride, image_size // stride) for stride in (4, 8, 16)]


def build_architecture(
    image_size: int = FAST_SIZE,
    *,
    predictor: Literal["video", "base"] = "base",
    object_scores: bool = True,
    **overrides: Any,
) -> Any:
    """Build the model with random weights.

    Args:
        image_size: side in pixels of the square input, a multiple of 32.
        predictor: see `build_mobile`.
        object_scores: False leaves out the presence head and gives exactly SAM's mask decoder.
        overrides: further constructor arguments of the predictor class.

    Raises:
        ValueError: for an image size or a predictor name that cannot work.
    """
    if image_size < 64 or image_size % 32:
        raise ValueError(f"image_size: expected a multiple of 32, at least 64, got {image_size}")
    classes: dict[str, type[SAM2Base]] = {"video": MobileSam2VideoPredictor, "base": MobileSam2}
    if predictor not in classes:
        raise ValueError(f"predictor: expected one of {sorted(classes)}, got {predictor!r}")
    grid = image_size // _STRIDE
    options: dict[str, Any] = {
        "image_encoder": _image_encoder(),
        "memory_attention": _memory_attention(grid),
        "memory_encoder": _memory_encoder(),
        "image_size": image_size,
        "backbone_stride": _STRIDE,
        "num_maskmem": 7,
        # Old corrections stay reachable as pointers; four spatial ones bound time and memory.
        "max_cond_frames_in_attn": 4,
        "sigmoid_scale_for_mem_enc": 20.0,
        "sigmoid_bias_for_mem_enc": -10.0,
        "use_mask_input_as_output_without_sam": True,
        "directly_add_no_mem_embed": True,
        "use_high_res_features_in_sam": True,
        "multimask_output_in_sam": True,
        "multimask_min_pt_num": 1,
        "multimask_max_pt_num": 1,
        "multimask_output_for_tracking": False,
        # Required on CPU: the pointers lift the bfloat16 memory bank back to float32.
        "use_obj_ptrs_in_encoder": True,
        "proj_tpos_enc_in_obj_ptrs": True,
        "use_signed_tpos_enc_to_obj_ptrs": True,
        "only_obj_ptrs_in_the_past_for_eval": True,
        "use_mlp_for_obj_ptr_proj": True,
        "iou_prediction_use_sigmoid": False,
        "pred_obj_scores": object_scores,
        "pred_obj_scores_mlp": object_scores,
        "fixed_no_obj_ptr": object_scores,
        "no_obj_embed_spatial": object_scores,
    }
    if predictor == "video":
        # Hole filling needs a compiled CUDA extension; a corrected frame must survive the next
        # propagation, which it only does as a conditioning frame.
        options |= {"fill_hole_area": 0, "add_all_frames_to_correct_as_cond": True}
    return classes[predictor](**(options | overrides))


def _sine(features: int) -> nn.Module:
    encoding: nn.Module = SineCode(
        num_pos_feats=features, normalize=True, scale=None, temperature=10000
    )
    return encoding


def _image_encoder() -> nn.Module:
    trunk = TinyVitTrunk(multi_scale=True)
    neck = FpnNeck(
        position_encoding=_sine(EMBED_DIM),
        d_model=EMBED_DIM,
        backbone_channel_list=trunk.channel_list,
        # Each level stands alone: the embedding SAM's decoder knows must arrive untouched.
        fpn_top_down_levels=[2],
        fpn_interp_model="nearest",
    )
    encoder: nn.Module = ImageEncoder(trunk=trunk, neck=neck, scalp=0)
    return encoder


def _memory_attention(grid: int) -> nn.Module:
    def attention(**extra: Any) -> nn.Module:
        layer: nn.Module = RoPEAttention(
            rope_theta=10000.0,
            feat_sizes=(grid, grid),
            embedding_dim=EMBED_DIM,
            num_heads=1,
            downsample_rate=1,
            dropout=0.0,
            **extra,
        )
        return layer

    layer = MemoryAttentionLayer(
        activation="relu",
        dim_feedforward=_FEEDFORWARD_DIM,
        dropout=0.0,
        pos_enc_at_attn=False,
        self_attention=attention(),
        d_model=EMBED_DIM,
        pos_enc_at_cross_attn_keys=True,
        pos_enc_at_cross_attn_queries=False,
        cross_attention=attention(rope_k_repeat=True, kv_in_dim=_MEMORY_DIM),
    )
    # No sine code on the input: rotary attention knows where it is, and SAM's features are so
    # small (standard deviation 0.1) that the code would drown them before training.
    stack: nn.Module = FastMemoryAttention(
        d_model=EMBED_DIM, pos_enc_at_input=False, layer=layer, num_layers=_MEMORY_LAYERS
    )
    return stack


def _memory_encoder() -> nn.Module:
    block = CXBlock(
        dim=EMBED_DIM, kernel_size=7, padding=3, layer_scale_init_value=0.1, use_dwconv=True
    )
    encoder: nn.Module = FastMemoryEncoder(
        out_dim=_MEMORY_DIM,
        in_dim=EMBED_DIM,
        position_encoding=_sine(_MEMORY_DIM),
        mask_downsampler=MaskDownSampler(
            embed_dim=EMBED_DIM, kernel_size=3, stride=2, padding=1, total_stride=_STRIDE
        ),
        fuser=Fuser(layer=block, num_layers=2),
    )
    # The gradient of its 7 x 7 depth-wise convolutions is 8 times faster on this layout.
    return encoder.to(memory_format=torch.channels_last)


def save_weights(
    state: Mapping[str, torch.Tensor],
    path: Path,
    *,
    precision: Literal["float16", "int8"] = "int8",
    info: Mapping[str, Any] | None = None,
) -> None:
    """Write a state dict as safetensors.

    With `int8`, large weights are stored as signed bytes with one float32 scale per output channel
    (symmetric, round to nearest), everything else as float16; `load_weights` undoes both.

    Args:
        state: tensors by name, any float type; integer tensors are kept.
        path: the file; its folder must exist.
        precision: how large weights are stored.
        info: facts about the training, kept in the file's header as JSON.

    Raises:
        ValueError: for an unknown precision.
    """
    if precision not in ("float16", "int8"):
        raise ValueError(f"precision: expected 'float16' or 'int8', got {precision!r}")
    out: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        value = tensor.detach().cpu()
        if not value.is_floating_point():
            out[name] = value.contiguous()
        elif precision == "int8" and value.ndim >= 2 and value.numel() >= _MIN_INT8_NUMEL:
            flat = value.float().flatten(1)
            scale = (flat.abs().amax(dim=1) / 127.0).clamp_min(1e-12)
            codes = torch.round(flat / scale[:, None]).to(torch.int8)
            out[name] = codes.reshape(value.shape).contiguous()
            out[name + _SCALE_SUFFIX] = scale.contiguous()
        else:
            out[name] = value.to(torch.float16).contiguous()
    save_file(out, path, metadata={"samnb": json.dumps(dict(info or {}), sort_keys=True)})


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read a file written by `save_weights` into a float32 state dict on the CPU.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"mobile weights: {path} does not exist")
    state: dict[str, torch.Tensor] = {}
    with safe_open(path, framework="pt", device="cpu") as file:
        names = set(file.keys())
        for name in names:
            if name.endswith(_SCALE_SUFFIX):
                continue
            value = file.get_tensor(name)
            if name + _SCALE_SUFFIX in names:
                scale = file.get_tensor(name + _SCALE_SUFFIX)
                value = value.float() * scale.reshape(-1, *([1] * (value.ndim - 1)))
            elif value.is_floating_point():
                value = value.float()
            state[name] = value
    return state


def read_info(path: Path) -> dict[str, Any]:
    """The facts that `save_weights` put into the header of a weights file."""
    with safe_open(path, framework="pt", device="cpu") as file:
        header = file.metadata() or {}
    info: dict[str, Any] = json.loads(header.get("samnb", "{}"))
    return info
