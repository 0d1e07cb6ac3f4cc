"""Tiny SAM 2 models with random weights, written to disk in the formats of the real ones."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn

SIZE = 64
"""Side in pixels of the tiny models' input."""


def tiny_config(release: str = "sam2.1", width: int = 64, size: int = SIZE) -> dict:
    """The released configuration of the tiny Hiera, made yet smaller in every dimension."""
    path = Path(str(files("sam2"))) / f"configs/{release}/{release}_hiera_t.yaml"
    config = OmegaConf.to_container(OmegaConf.load(path))["model"]
    config["image_size"] = size
    encoder, attention = config["image_encoder"], config["memory_attention"]
    memory, grid = config["memory_encoder"], [size // 16] * 2
    encoder["trunk"] |= {
        "embed_dim": 16,
        "stages": [1, 1, 2, 1],
        "global_att_blocks": [3],
        "window_spec": [8, 4, 4, 2],
        "window_pos_embed_bkg_spatial_size": [4, 4],
    }
    encoder["neck"] |= {"d_model": width, "backbone_channel_list": [128, 64, 32, 16]}
    encoder["neck"]["position_encoding"]["num_pos_feats"] = width
    attention |= {"d_model": width, "num_layers": 1}
    attention["layer"] |= {"d_model": width, "dim_feedforward": 64, "dropout": 0.0}
    for kind in ("self_attention", "cross_attention"):
        attention["layer"][kind] |= {"embedding_dim": width, "feat_sizes": grid, "dropout": 0.0}
    attention["layer"]["cross_attention"]["kv_in_dim"] = 16
    memory |= {"out_dim": 16, "in_dim": width}
    memory["position_encoding"]["num_pos_feats"] = 16
    memory["mask_downsampler"]["embed_dim"] = width
    memory["fuser"]["layer"]["dim"] = width
    return config


def liven(model: nn.Module, score: nn.Module, seed: int) -> None:
    """Draw weights under which masks are neither empty nor full and heed prompts and memory."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.ndim > 1:
                fan_in = value[0].numel()
                value.normal_(0.0, 1.5 * fan_in**-0.5, generator=generator)
            elif name.endswith("bias"):
                value.normal_(0.0, 0.1, generator=generator)
        # Presence is near its threshold in random weights; most objects shall be there.
        score.bias.fill_(4.0)


def write_sam2(
    folder: Path, *, suffix: str = ".pt", seed: int = 0, release: str = "sam2.1"
) -> Path:
    """Write ``tiny.pt`` (or ``.safetensors``) and ``tiny.yaml`` beside it; return the weights."""
    config = tiny_config(release)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # some buffers are random as well
        model = instantiate(config, _recursive_=True)
    liven(model, model.sam_mask_decoder.pred_obj_score_head.layers[-1], seed)
    path = folder / f"tiny{suffix}"
    if suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file(model.state_dict(), path)
    else:
        torch.save({"model": model.state_dict()}, path)
    OmegaConf.save({"model": config}, folder / "tiny.yaml")
    return path


def write_transformers(folder: Path, *, seed: int = 8) -> Path:
    """Save a tiny ``Sam2VideoModel`` and its processor with ``save_pretrained``."""
    from transformers import (
        Sam2ImageProcessor,
        Sam2VideoConfig,
        Sam2VideoModel,
        Sam2VideoProcessor,
        Sam2VideoVideoProcessor,
    )

    # Narrower does not work: the package fixes the memory at 64 channels and the pointers must
    # be wider than that.
    width, grid = 128, SIZE // 16
    config = Sam2VideoConfig(
        vision_config={
            "backbone_config": {
                "model_type": "sam2_hiera_det_model",
                "hidden_size": 16,
                "num_attention_heads": 1,
                "image_size": [SIZE, SIZE],
                "blocks_per_stage": [1, 1, 2, 1],
                "embed_dim_per_stage": [16, 32, 64, 128],
                "num_attention_heads_per_stage": [1, 2, 4, 8],
                "window_size_per_stage": [8, 4, 4, 2],
                "global_attention_blocks": [3],
                "window_positional_embedding_background_size": [4, 4],
            },
            "backbone_channel_list": [128, 64, 32, 16],
            "backbone_feature_sizes": [[SIZE // 4] * 2, [SIZE // 8] * 2, [grid] * 2],
            "fpn_hidden_size": width,
        },
        prompt_encoder_config={"hidden_size": width, "image_size": SIZE},
        mask_decoder_config={
            "hidden_size": width,
            "mlp_dim": 64,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": width,
        },
        image_size=SIZE,
        memory_attention_hidden_size=width,
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=64,
        memory_attention_rope_feat_sizes=[grid, grid],
        memory_encoder_hidden_size=width,
        memory_encoder_output_channels=64,
        mask_downsampler_embed_dim=width,
        memory_fuser_embed_dim=width,
        memory_fuser_intermediate_dim=64,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Sam2VideoModel(config)
    liven(model, model.mask_decoder.pred_obj_score_head.proj_out, seed)
    side = {"height": SIZE, "width": SIZE}
    processor = Sam2VideoProcessor(
        Sam2ImageProcessor(size=side), Sam2VideoVideoProcessor(size=side)
    )
    path = folder / "tiny-transformers"
    model.save_pretrained(path)
    processor.save_pretrained(path)
    return path
