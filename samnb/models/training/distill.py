"""The small model learns to see in few pixels what its teacher sees at 1024 px.

Student and teacher have the same layers and start from the same weights; only the resolution
differs. All three masks of a click are taught, and the single-mask output from boxes and from
corrections: a second click where an earlier mask is wrong, together with that mask.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from samnb.models.mobile import build_architecture, save_weights
from samnb.models.refining import PREVIOUS_LIMIT
from samnb.models.training.common import Run, cosine, mask_iou, mask_loss
from samnb.models.training.cutouts import TaughtPicture, to_model_input
from samnb.models.training.prompts import Points, correction_click, join

log = logging.getLogger(__name__)

CONFIDENT_IOU = 0.8


@dataclass(frozen=True)
class DistillSettings:
    """How stage 1 runs.

    Attributes:
        minutes: length of the run.
        sizes: image sizes, with `odds` their probabilities.
        pictures: pictures per step at the first size; half as many at others.
        prompts: clicks per picture and step.
        lr: greatest learning rate.
        seed: of every random choice.
        eval_every: steps between evaluations.
    """

    minutes: float = 15.0
    sizes: tuple[int, ...] = (256, 448)
    odds: tuple[float, ...] = (0.8, 0.2)
    pictures: int = 4
    prompts: int = 6
    lr: float = 1.5e-4
    seed: int = 0
    eval_every: int = 100


@dataclass(frozen=True, eq=False)
class _Sample:
    image: torch.Tensor  # (3, S, S) normalised
    xy: torch.Tensor  # (P, 2) pixels
    masks: torch.Tensor  # (P, 3, S/4, S/4) float, coverage
    ious: torch.Tensor  # (P, 3)


def run_distill(
    model: Any,
    train: Sequence[TaughtPicture],
    held_out: Sequence[TaughtPicture],
    settings: DistillSettings,
    folder: Path,
) -> Any:
    """Tune trunk, prompt encoder and mask decoder in place; returns `model`.

    Args:
        model: what `init_mobile` returns, or a model that sees already.
        train: pictures to learn from.
        held_out: pictures only for the curve.
        settings: see there.
        folder: gets `distill.csv`, `distill.ckpt.pt` and at the end `distill.safetensors`.
    """
    parts = (model.image_encoder, model.sam_mask_decoder)
    frozen = model.sam_mask_decoder.pred_obj_score_head
    params = [p for part in parts for p in part.parameters()]
    optimizer = torch.optim.AdamW(params, lr=settings.lr, weight_decay=0.01)
    run = Run(folder, "distill", settings.minutes)
    run.resume(model, optimizer)
    builds = {size: share_build(model, size) for size in settings.sizes}
    losses: list[float] = []
    if run.step == 0:
        run.record(click_agreement(builds[settings.sizes[0]], held_out))
    while run.share < 1:
        rng = np.random.default_rng([settings.seed, run.step])
        size = int(rng.choice(settings.sizes, p=settings.odds))
        is_first = size == settings.sizes[0]
        count = settings.pictures if is_first else max(1, settings.pictures // 2)
        for group in optimizer.param_groups:
            group["lr"] = settings.lr * cosine(run.share)
        optimizer.zero_grad()
        loss = step_loss(builds[size], train, count, settings.prompts, rng)
        loss.backward()
        frozen.zero_grad()
        nn.utils.clip_grad_norm_(params, 1.0)
        optimizer.step()
        run.step += 1
        losses.append(float(loss.detach()))
        if run.step % 20 == 0:
            run.record({"loss": float(np.mean(losses[-20:]))})
        if run.step % settings.eval_every == 0:
            run.record(click_agreement(builds[settings.sizes[0]], held_out))
            run.save(model, optimizer)
    run.save(model, optimizer)
    model.eval()
    for size, build in builds.items():
        scores = click_agreement(build, held_out)
        run.record({f"{name}_{size}": value for name, value in scores.items()})
    info = {"stage": "distill", "steps": run.step, "seconds": round(run.spent_s)}
    save_weights(model.state_dict(), folder / "distill.safetensors", precision="float16", info=info)
    return model


def share_build(model: Any, size: int) -> Any:
    """A build of another image size whose parameters are the same tensors."""
    if model.image_size == size:
        return model
    build = build_architecture(size, predictor="base")
    own = dict(model.named_modules())
    for name, module in build.named_modules():
        for key in module._parameters:
            module._parameters[key] = own[name]._parameters[key]
        for key in module._buffers:
            module._buffers[key] = own[name]._buffers[key]
    return build.eval()


def step_loss(
    model: Any,
    pictures: Sequence[TaughtPicture],
    count: int,
    prompts: int,
    rng: Any,
    *,
    frozen_eyes: bool = False,
) -> torch.Tensor:
    """Loss of a step on `count` random pictures; `frozen_eyes` spares the encoder its gradient."""
    size = model.image_size
    # Not for dropout (there is none): in evaluation mode timm caches attention biases, and with
    # them the graph of the step before.
    model.image_encoder.train(not frozen_eyes)
    picked = [pictures[int(i)] for i in rng.integers(len(pictures), size=count)]
    samples = [_sample(p, size, prompts, rng) for p in picked]
    with torch.set_grad_enabled(not frozen_eyes):
        maps = model.forward_image(torch.stack([s.image for s in samples]))["backbone_fpn"]
    repeats = torch.tensor([len(s.xy) for s in samples])
    maps = [m.repeat_interleave(repeats, 0) for m in maps]
    xy = torch.cat([s.xy for s in samples])
    target = torch.cat([s.masks for s in samples])
    ious = torch.cat([s.ious for s in samples])
    masks, scores = _decode(model, maps, xy[:, None], torch.ones(len(xy), 1))
    masks, scores = masks[:, 1:], scores[:, 1:]
    trust = (ious / 0.9).clamp(0, 1).square()
    loss = (mask_loss(masks, target) * trust).mean() + F.mse_loss(scores, ious)
    # The single-mask output answers prompts that leave no doubt about what is meant.
    choice = torch.from_numpy(rng.integers(0, 3, len(xy)))
    wanted = target[torch.arange(len(xy)), choice]
    sure = trust[torch.arange(len(xy)), choice] * (wanted.sum((1, 2)) > 4)
    if rng.random() < 0.5:
        points, labels = _clear_prompt(wanted, size, rng)
        single, _ = _decode(model, maps, points, labels)
    else:
        shown = masks.detach()[torch.arange(len(xy)), scores.detach().argmax(1)]
        points, labels = _correction(xy, wanted, shown, size, rng)
        single, _ = _decode(model, maps, points, labels, shown[:, None])
    return loss + (mask_loss(single[:, 0], wanted) * sure).mean()


def _decode(
    model: Any,
    maps: list[torch.Tensor],
    xy: torch.Tensor,
    labels: torch.Tensor,
    previous: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """All four masks (B, 4, S/4, S/4) and qualities (B, 4) for points (B, P, 2).

    They may refine the logits `previous` (B, 1, S/4, S/4).
    """
    if previous is not None:
        previous = previous.clamp(-PREVIOUS_LIMIT, PREVIOUS_LIMIT)
    sparse, dense = model.sam_prompt_encoder(
        points=(xy, labels.to(torch.int32)), boxes=None, masks=previous
    )
    masks, ious, _, _ = model.sam_mask_decoder.predict_masks(
        image_embeddings=maps[-1],
        image_pe=model.sam_prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        repeat_image=False,
        high_res_features=maps[:2],
    )
    return masks, ious


def _clear_prompt(masks: torch.Tensor, size: int, rng: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """For each mask (B, h, w) a jittered box plus one click inside: points (B, 3, 2), labels."""
    cell = size / masks.shape[-1]
    points, labels = [], []
    for mask in masks.numpy():
        ys, xs = np.nonzero(mask > 0.5)
        if len(ys) == 0:
            points.append(np.full((3, 2), size / 2))
            labels.append([-1, -1, -1])
            continue
        box = np.array([[xs.min(), ys.min()], [xs.max() + 1, ys.max() + 1]]) * cell
        box = box + rng.normal(0, 0.05, (2, 2)) * (box[1] - box[0])
        at = int(rng.integers(len(ys)))
        click = np.array([[xs[at] + 0.5, ys[at] + 0.5]]) * cell
        points.append(np.concatenate([box, click]).clip(0, size))
        labels.append([2, 3, 1] if rng.random() < 0.6 else [2, 3, -1])
    return torch.from_numpy(np.stack(points)).float(), torch.tensor(labels)


def _correction(
    xy: torch.Tensor, wanted: torch.Tensor, shown: torch.Tensor, size: int, rng: Any
) -> Points:
    """The clicks (B, 2), and one more each in the middle of what is most wrong with the logits
    `shown` (B, h, w)."""
    cell = size / shown.shape[-1]
    cells, labels = correction_click(wanted > 0.5, shown > 0, rng, centre=True)
    first = xy[:, None], torch.ones(len(xy), 1, dtype=torch.int32)
    return join(first, ((cells + 0.5) * cell, labels))


def _sample(picture: TaughtPicture, size: int, prompts: int, rng: Any) -> _Sample:
    """Crop, flip and colour a picture; keep clicks that stay inside."""
    height, width = picture.image.shape[:2]
    part = rng.uniform(0.6, 1.0) if rng.random() < 0.6 else 1.0
    left, top = rng.uniform(0, 1 - part, 2)
    inside = ((picture.xy > [left, top]) & (picture.xy < [left + part, top + part])).all(1)
    index = np.nonzero(inside)[0]
    index = rng.permutation(index if len(index) else np.arange(len(picture.xy)))[:prompts]
    box = [int(left * width), int(top * height)]
    box.append(max(box[0] + 2, int((left + part) * width)))
    box.append(max(box[1] + 2, int((top + part) * height)))
    image = picture.image[box[1] : box[3], box[0] : box[2]]
    tensor = to_model_input(np.ascontiguousarray(image), size)
    tensor = tensor * float(rng.uniform(0.85, 1.15)) + float(rng.normal(0, 0.1))
    theta = torch.tensor([[[part, 0, 2 * left + part - 1], [0, part, 2 * top + part - 1]]]).float()
    grid = F.affine_grid(theta, [1, 3, size, size], align_corners=False)
    clicks = torch.from_numpy(picture.clicks[index]).float().flatten(0, 1)[None]
    fine = F.grid_sample(clicks, grid, align_corners=False)[0]
    cells = F.avg_pool2d(fine, 4).reshape(len(index), 3, size // 4, size // 4)
    xy = torch.from_numpy((picture.xy[index] - [left, top]) / part).float().clamp(0, 1)
    if rng.random() < 0.5:
        tensor, cells = tensor.flip(2), cells.flip(3)
        xy = torch.stack([1 - xy[:, 0], xy[:, 1]], 1)
    ious = torch.from_numpy(picture.ious[index])
    return _Sample(tensor, xy * size, cells, ious)


@torch.no_grad()
def click_agreement(model: Any, pictures: Sequence[TaughtPicture]) -> dict[str, float]:
    """How well single clicks agree with the teacher's masks that it was sure of.

    Returns means over masks of `best` (best of three IoU), `top` (the mask the model ranks
    first) and `share80` (share with best of three above 0.8).
    """
    best: list[torch.Tensor] = []
    top: list[torch.Tensor] = []
    model.eval()
    for picture in pictures:
        maps = model.forward_image(to_model_input(picture.image, model.image_size)[None])
        n = len(picture.xy)
        xy = torch.from_numpy(picture.xy)[:, None] * model.image_size
        stack = [m.expand(n, -1, -1, -1) for m in maps["backbone_fpn"]]
        masks, scores = _decode(model, stack, xy, torch.ones(n, 1))
        truth = torch.from_numpy(picture.clicks)
        fine = F.interpolate(masks[:, 1:], truth.shape[-2:], mode="bilinear") > 0
        wanted = torch.from_numpy(picture.ious).argmax(1)
        rows = torch.arange(n)
        target = truth[rows, wanted]
        sure = torch.from_numpy(picture.ious.max(1) > CONFIDENT_IOU) & target.any(-1).any(-1)
        iou = mask_iou(fine, target[:, None])
        best.append(iou.max(1).values[sure])
        top.append(iou[rows, scores[:, 1:].argmax(1)][sure])
    joined = torch.cat(best)
    return {
        "best": float(joined.mean()),
        "top": float(torch.cat(top).mean()),
        "share80": float((joined > 0.8).float().mean()),
        "clicks": float(len(joined)),
    }
