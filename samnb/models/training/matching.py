"""Teach the first memory layer to find again what it has seen, before any mask is decoded.

A cell of the new frame should attend to the remembered cells that show the same thing. Whether it
does can be tested without the decoder: attention moves the remembered mask, cell by cell, and the
result is compared with the true mask. Only linear maps learn here, so hundreds of steps take a
minute, where the whole model manages a dozen.

The start is not random either: queries and keys both begin as the whitened principal components
of the features, put on the slow pairs of the rotary code (they tell nearly the same at every
distance), and equal offsets on the fast pairs make nearness count.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sam2.modeling.position_encoding import apply_rotary_enc, compute_axial_cis
from torch import nn
from torch.nn import functional as F

from samnb.models.training.common import soft_iou
from samnb.models.training.tracking import EncodedClip

log = logging.getLogger(__name__)

_FAST_PAIRS = 24
_FIRST_SLOW_PAIR = 32
_NEARNESS = 1.5
_SHARPNESS = 2.0
_RIDGE = 1e-4
_MASK_LOGIT = 10.0
_LEAST_CELLS = 1.0


@dataclass(frozen=True)
class MatchingSettings:
    """How matching is taught.

    Attributes:
        steps: number of steps.
        batch: objects per step.
        most_frames: remembered frames per object, 1 to this many.
        lr: greatest learning rate.
        seed: of every random choice.
    """

    steps: int = 700
    batch: int = 12
    most_frames: int = 3
    lr: float = 1.5e-3
    seed: int = 0


@dataclass(frozen=True, eq=False)
class _Seen:
    """A clip as matching sees it: features (T, L, C), fused with the mask (N, T, L, C) float16,
    and the mask's coverage (N, T, L) of the L cells."""

    features: torch.Tensor
    fused: torch.Tensor
    coverage: torch.Tensor


def teach_matching(
    model: Any, clips: Sequence[EncodedClip], settings: MatchingSettings | None = None
) -> dict[str, float]:
    """Set up the memory's read-out and the first layer's queries and keys, in place.

    The last channel of the memory is the coverage of the remembered mask, the others are what
    matching has found useful.

    Args:
        model: a `SAM2Base` with untrained memory.
        clips: encoded clips of at least 2 frames.
        settings: see there.

    Returns:
        `copied`, `before` and `after`: mean soft IoU on the grid for copying the remembered mask,
        for the start and for the result, on clips kept aside.

    Raises:
        ValueError: fewer than 4 clips.
    """
    if len(clips) < 4:
        raise ValueError(f"clips: expected at least 4, got {len(clips)}")
    settings = settings or MatchingSettings()
    seen = [_look(model, clip) for clip in clips]
    aside = max(1, len(seen) // 8)
    matcher = _Matcher(model, seen)
    rng = np.random.default_rng([settings.seed, 2])
    exam = [_draw(seen[:aside], settings.batch, 1 + i % 2, rng) for i in range(8)]
    scores = {"copied": _mean([_copied(*task) for task in exam]), "before": matcher.score(exam)}
    learned = [*matcher.parameters()]
    optimizer = torch.optim.AdamW(learned, lr=settings.lr, weight_decay=0.02)
    for step in range(settings.steps):
        for group in optimizer.param_groups:
            group["lr"] = settings.lr * min(1.0, (step + 1) / 20) * (1 - step / settings.steps)
        count = int(rng.integers(1, settings.most_frames + 1))
        now, fused, covered, truth = _draw(seen[aside:], settings.batch, count, rng)
        moved = matcher(now, fused, covered).clamp(1e-4, 1 - 1e-4)
        loss = F.binary_cross_entropy(moved, truth) + (1 - soft_iou(moved, truth)).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
    scores["after"] = matcher.score(exam)
    matcher.install(model)
    log.info("matching: %s", scores)
    return scores


class _Matcher(nn.Module):
    """The first layer's cross-attention, carrying nothing but coverage."""

    def __init__(self, model: Any, seen: Sequence[_Seen]) -> None:
        super().__init__()
        attention = model.memory_attention.layers[0].cross_attn_image
        width, mem_dim = model.hidden_dim, model.mem_dim
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(mem_dim, width)
        self.read_out = nn.Linear(width, mem_dim - 1)
        self.norm = nn.LayerNorm(width)
        grid = model.image_size // model.backbone_stride
        code = model.memory_encoder.position_encoding(torch.zeros(1, mem_dim, grid, grid))
        self.code = code.flatten(2)[0].T + model.maskmem_tpos_enc[-1].detach()[0, 0]
        self.cis = compute_axial_cis(
            dim=attention.internal_dim // attention.num_heads, end_x=grid, end_y=grid, theta=1e4
        )
        mixed = torch.cat([s.fused.float().flatten(0, 2) for s in seen])
        covered = torch.cat([s.coverage.flatten() for s in seen])
        self.cover_weight, self.cover_bias = _regress(mixed, covered[:, None])
        self._start(seen, mixed)

    @torch.no_grad()
    def _start(self, seen: Sequence[_Seen], mixed: torch.Tensor) -> None:
        width = self.query.in_features
        normed = [F.layer_norm(s.features, (width,)) for s in seen]
        flat = torch.cat([n.flatten(0, 1) for n in normed])
        mean = flat.mean(0)
        spread, directions = torch.linalg.eigh(torch.cov((flat - mean).T))
        slow = self.query.out_features // 4 - 1
        axes = [2 * i for i in range(_FIRST_SLOW_PAIR, slow)]
        dims = (axes + [width // 2 + a for a in axes])[: self.read_out.out_features - 1]
        kept = len(dims)
        whiten = (directions[:, -kept:] / spread[-kept:].clamp_min(1e-6).sqrt()).T
        wanted = torch.cat(
            [
                ((n - mean) @ whiten.T)[None].expand(len(s.fused), -1, -1, -1).flatten(0, 2)
                for n, s in zip(normed, seen, strict=True)
            ]
        )
        weight, bias = _regress(mixed, wanted)
        self.read_out.weight[:kept], self.read_out.bias[:kept] = weight, bias
        for linear in (self.query, self.key):
            linear.weight.normal_(0, 0.003)
            linear.bias.zero_()
        for row, dim in enumerate(dims):
            self.query.weight[dim] = whiten[row] * _SHARPNESS
            self.query.bias[dim] = -(whiten[row] @ mean) * _SHARPNESS
            self.key.weight[dim, row] = _SHARPNESS
        near = torch.zeros(2, width // 4, 2)
        near[:, :_FAST_PAIRS] = _NEARNESS
        for linear in (self.query, self.key):
            linear.bias.add_(near.flatten())

    def forward(
        self, now: torch.Tensor, fused: torch.Tensor, covered: torch.Tensor
    ) -> torch.Tensor:
        """Coverage (B, L) that attention from (B, L, C) finds in (B, F * L, C) and (B, F * L)."""
        memory = torch.cat([self.read_out(fused), covered[..., None]], -1)
        code = self.code.repeat(fused.shape[1] // len(self.code), 1)
        q, k = apply_rotary_enc(
            self.query(self.norm(now))[:, None],
            self.key(memory + code)[:, None],
            freqs_cis=self.cis,
            repeat_freqs_k=True,
        )
        value = covered[:, None, :, None]
        moved: torch.Tensor = F.scaled_dot_product_attention(q, k, value)[:, 0, :, 0]
        return moved

    @torch.no_grad()
    def score(self, exam: Sequence[tuple[torch.Tensor, ...]]) -> float:
        """Mean soft IoU over tasks."""
        return _mean([soft_iou(self(*task[:3]), task[3]) for task in exam])

    @torch.no_grad()
    def install(self, model: Any) -> None:
        """Write what was learned into the model."""
        layer = model.memory_attention.layers[0]
        layer.norm2.load_state_dict(self.norm.state_dict())
        layer.cross_attn_image.q_proj.load_state_dict(self.query.state_dict())
        layer.cross_attn_image.k_proj.load_state_dict(self.key.state_dict())
        out = model.memory_encoder.out_proj
        out.weight.copy_(torch.cat([self.read_out.weight, self.cover_weight])[..., None, None])
        out.bias.copy_(torch.cat([self.read_out.bias, self.cover_bias]))


@torch.no_grad()
def _look(model: Any, clip: EncodedClip) -> _Seen:
    encoder = model.memory_encoder
    features = clip.maps[-1].float()
    read_out, encoder.out_proj = encoder.out_proj, nn.Identity()
    try:
        fused = [
            encoder(features, mask[:, None].float() * 2 * _MASK_LOGIT - _MASK_LOGIT,
                    skip_mask_sigmoid=True)["vision_features"].flatten(2).permute(0, 2, 1).half()
            for mask in clip.masks.unbind(1)
        ]  # fmt: skip
    finally:
        encoder.out_proj = read_out
    cells = F.adaptive_avg_pool2d(
        clip.masks.permute(1, 0, 2, 3).float(), (features.shape[-2], features.shape[-1])
    )
    return _Seen(features.flatten(2).permute(0, 2, 1), torch.stack(fused), cells.flatten(2))


def _draw(
    seen: Sequence[_Seen], batch: int, count: int, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Random objects: a frame, what is remembered of `count` others, and the frame's truth."""
    rows: list[tuple[torch.Tensor, ...]] = []
    while len(rows) < batch:
        clip = seen[int(rng.integers(len(seen)))]
        obj = int(rng.integers(len(clip.fused)))
        frame, *others = (int(f) for f in rng.permutation(clip.fused.shape[1])[: count + 1])
        if clip.coverage[obj, others[0]].sum() >= _LEAST_CELLS:
            fused = clip.fused[obj, others].float().flatten(0, 1)
            covered = clip.coverage[obj, others].flatten()
            rows.append((clip.features[frame], fused, covered, clip.coverage[obj, frame]))
    now, fused, covered, truth = (torch.stack(column) for column in zip(*rows, strict=True))
    return now, fused, covered, truth


def _copied(
    now: torch.Tensor, fused: torch.Tensor, covered: torch.Tensor, truth: torch.Tensor
) -> torch.Tensor:
    return soft_iou(covered[:, : now.shape[1]], truth)


def _regress(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Ridge regression of y (M, K) on x (M, C): weights (K, C) and offsets (K,)."""
    mean_x, mean_y = x.mean(0), y.mean(0)
    centred = x - mean_x
    square = centred.T @ centred / len(x)
    ridge = _RIDGE * square.diagonal().mean() * torch.eye(x.shape[1])
    weight = torch.linalg.solve(square + ridge, centred.T @ (y - mean_y) / len(x)).T
    return weight, mean_y - weight @ mean_x


def _mean(values: Sequence[float | torch.Tensor]) -> float:
    return float(np.mean([float(torch.as_tensor(v).mean()) for v in values]))
