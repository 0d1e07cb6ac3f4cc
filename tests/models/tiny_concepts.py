"""Tiny models of phrases with random weights, written to disk in the formats of the real ones."""

from __future__ import annotations

import json
from pathlib import Path

import torch

SIZE = 64
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def clip_tokenizer(folder: Path):
    """A tokenizer of single letters in CLIP's file format."""
    from transformers import CLIPTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    words = [*_LETTERS, *(f"{c}</w>" for c in _LETTERS), "!", "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({w: i for i, w in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer.from_pretrained(folder), len(words)


def bert_tokenizer(folder: Path):
    """A tokenizer of single letters in BERT's file format."""
    from transformers import BertTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", *_LETTERS]
    words += [f"##{c}" for c in _LETTERS]
    (folder / "vocab.txt").write_text("\n".join(words))
    return BertTokenizer.from_pretrained(folder), len(words)


def _seeded(make, seed: int):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def sam3_config(n_words: int, width: int = 32):
    """A SAM 3 detector made small in every dimension."""
    from transformers import Sam3Config

    small = {"hidden_size": width, "num_attention_heads": 2}
    layers = {**small, "num_layers": 1, "intermediate_size": 64}
    return Sam3Config(
        vision_config={
            "backbone_config": {
                "model_type": "sam3_vit_model", **small, "intermediate_size": 64,
                "num_hidden_layers": 2, "image_size": SIZE, "pretrain_image_size": SIZE,
                "patch_size": 8, "window_size": 4, "global_attn_indexes": [1],
            },
            "fpn_hidden_size": width,
            "scale_factors": [4.0, 2.0, 1.0, 0.5],
            "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
        },
        text_config={
            "model_type": "clip_text_model", **small, "vocab_size": n_words,
            "intermediate_size": 64, "projection_dim": width, "num_hidden_layers": 1,
            "max_position_embeddings": 32, "hidden_act": "gelu",
            "bos_token_id": n_words - 2, "eos_token_id": n_words - 1,
        },
        geometry_encoder_config={**layers, "roi_size": 3},
        detr_encoder_config=layers,
        detr_decoder_config={**layers, "num_queries": 9},
        mask_decoder_config={**small, "num_upsampling_stages": 3},
    )  # fmt: skip


def _liven_sam3(detector, seed: int) -> None:
    """Draw weights under which queries differ, heed the phrase, and some of them count."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in detector.parameters():
            if value.ndim > 1:
                fan_in = value[0].numel()
                value.normal_(0.0, 1.4 * fan_in**-0.5, generator=generator)


def write_sam3(folder: Path, *, seed: int = 3) -> Path:
    """Save a tiny ``Sam3Model`` and its processor with ``save_pretrained``."""
    from transformers import Sam3ImageProcessor, Sam3Model, Sam3Processor

    tokenizer, n_words = clip_tokenizer(folder / "words")
    model = _seeded(lambda: Sam3Model(sam3_config(n_words)), seed)
    _liven_sam3(model, seed)
    images = Sam3ImageProcessor(size={"height": SIZE, "width": SIZE})
    path = folder / "tiny-sam3"
    model.save_pretrained(path)
    Sam3Processor(images, tokenizer, target_size=SIZE).save_pretrained(path)
    return path


def write_sam3_video(folder: Path, *, seed: int = 3, presence: float = 0.0) -> Path:
    """Save a tiny ``Sam3VideoModel`` and its processor, the form of ``facebook/sam3``.

    ``presence`` is added to the logit of the concept being there at all.
    """
    from transformers import (
        Sam2VideoVideoProcessor,
        Sam3ImageProcessor,
        Sam3TrackerVideoConfig,
        Sam3VideoConfig,
        Sam3VideoModel,
        Sam3VideoProcessor,
    )

    tokenizer, n_words = clip_tokenizer(folder / "words")
    width = 128  # the tracker fixes its memory at 64 channels; pointers must be wider than that
    detector = sam3_config(n_words, width)
    tracker = Sam3TrackerVideoConfig(
        vision_config=detector.vision_config.to_dict(),
        prompt_encoder_config={"hidden_size": width, "image_size": SIZE, "patch_size": 8},
        mask_decoder_config={
            "hidden_size": width, "mlp_dim": 64, "num_attention_heads": 2,
            "iou_head_hidden_dim": width,
        },
        image_size=SIZE,
        memory_attention_hidden_size=width,
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=64,
        memory_attention_rope_feat_sizes=[8, 8],
        memory_encoder_hidden_size=width,
        memory_encoder_output_channels=64,
        mask_downsampler_embed_dim=width,
        memory_fuser_embed_dim=width,
        memory_fuser_intermediate_dim=64,
    )  # fmt: skip
    config = Sam3VideoConfig(
        detector_config=detector.to_dict(), tracker_config=tracker.to_dict(),
        low_res_mask_size=32, score_threshold_detection=0.05, new_det_thresh=0.05,
    )  # fmt: skip
    model = _seeded(lambda: Sam3VideoModel(config), seed)
    _liven_sam3(model.detector_model, seed)
    with torch.no_grad():
        model.detector_model.detr_decoder.presence_head.layer3.bias += presence
    side = {"height": SIZE, "width": SIZE}
    path = folder / "tiny-sam3-video"
    model.save_pretrained(path)
    Sam3VideoProcessor(
        Sam3ImageProcessor(size=side), Sam2VideoVideoProcessor(size=side), tokenizer,
        target_size=SIZE,
    ).save_pretrained(path)  # fmt: skip
    return path


def write_owlv2(folder: Path, *, seed: int = 0) -> Path:
    """Save a tiny OWLv2 and its processor."""
    from transformers import (
        Owlv2Config,
        Owlv2ForObjectDetection,
        Owlv2ImageProcessor,
        Owlv2Processor,
    )

    tokenizer, n_words = clip_tokenizer(folder / "words")
    small = {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }  # fmt: skip
    config = Owlv2Config(
        text_config={
            **small, "vocab_size": n_words, "max_position_embeddings": 64, "pad_token_id": 0,
            "bos_token_id": n_words - 2, "eos_token_id": n_words - 1,
        },
        vision_config={**small, "image_size": SIZE, "patch_size": 16},
        projection_dim=32,
    )  # fmt: skip
    model = _seeded(lambda: Owlv2ForObjectDetection(config), seed)
    _liven_sam3(model, seed)
    path = folder / "tiny-owlv2"
    model.save_pretrained(path)
    images = Owlv2ImageProcessor(size={"height": SIZE, "width": SIZE})
    Owlv2Processor(images, tokenizer).save_pretrained(path)
    return path


def write_grounding_dino(folder: Path, *, seed: int = 0) -> Path:
    """Save a tiny Grounding DINO and its processor."""
    from transformers import (
        BertConfig,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessor,
        GroundingDinoProcessor,
        SwinConfig,
    )

    tokenizer, n_words = bert_tokenizer(folder / "words")
    config = GroundingDinoConfig(
        backbone_config=SwinConfig(
            image_size=SIZE, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2],
            window_size=2, out_features=["stage2", "stage3", "stage4"],
        ),
        text_config=BertConfig(
            vocab_size=n_words, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=32, max_position_embeddings=64,
        ),
        d_model=32, encoder_layers=1, decoder_layers=2, encoder_ffn_dim=32, decoder_ffn_dim=32,
        encoder_attention_heads=2, decoder_attention_heads=2, num_queries=8, max_text_len=64,
        num_feature_levels=4,
    )  # fmt: skip
    model = _seeded(lambda: GroundingDinoForObjectDetection(config), seed)
    path = folder / "tiny-grounding-dino"
    model.save_pretrained(path)
    images = GroundingDinoImageProcessor(size={"shortest_edge": SIZE, "longest_edge": 2 * SIZE})
    GroundingDinoProcessor(images, tokenizer).save_pretrained(path)
    return path
