"""Stage 2: memory attention, memory encoder, presence head and mask decoder learn to track.

The image encoder is frozen but for its last stage, which may learn too, so a clip is encoded once
and used several times from a rolling pool. Clips grow from 4 to 8 frames. A track starts with a
mask, a click or a box; some frames are corrected by clicks on what the model itself got wrong, and
then condition the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from samnb.models.mobile import save_weights
from samnb.models.training import distill
from samnb.models.training.clips import Clip, compose_clip
from samnb.models.training.common import Run, candidate_losses, cosine, mask_iou
from samnb.models.training.evaluate import evaluate_tracking
from samnb.models.training.pool import ClipPool
from samnb.models.training.prompts import (
    Points,
    box_around,
    click_inside,
    correction_click,
    join,
)
from samnb.models.training.realclips import RealWindow
from samnb.models.training.stock import Stock
from samnb.models.training.synthetics import test_clips
from samnb.models.training.team import Team
from samnb.models.training.tracking import ObjectBatch, StepOutput
from samnb.models.training.warmstart import start_from_mask_prompts

log = logging.getLogger(__name__)

_OLD_PARTS = ("sam_mask_decoder.", "sam_prompt_encoder.mask_downscaling.")
# They write into SAM's features, whose standard deviation is 0.1: large steps would drown them.
_CAREFUL_PARTS = (".self_attn.out_proj.", ".cross_attn_image.out_proj.", ".linear2.")
_ABSENT_WEIGHT = 2.0
_NEW_PARTS = (
    "memory_attention.",
    "memory_encoder.",
    "maskmem_tpos_enc",
    "no_obj_ptr",
    "no_obj_embed_spatial",
    "obj_ptr_proj.",
    "obj_ptr_tpos_proj.",
    "mask_downsample.",
    "sam_mask_decoder.pred_obj_score_head.",
    "sam_mask_decoder.obj_score_token.",
)
# Another picture than a decoder's: the trunk's last stage, and all that its map goes through.
_TRUNK_PARTS = (
    "image_encoder.trunk.vit.stages.3.",
    "image_encoder.trunk.neck.",
    "image_encoder.neck.convs.0.",
)
# Part of the cached features: they must not move.
_FROZEN = ("sam_mask_decoder.conv_s0.", "sam_mask_decoder.conv_s1.")


@dataclass(frozen=True)
class MemorySettings:
    """How stage 2 runs.

    Attributes:
        minutes: length of the run.
        lengths: clip lengths of the curriculum, with `until` the share of the run that ends each.
        objects: objects per step and process, about; they may come from several clips.
        pool: clips kept encoded.
        uses: how often a clip is used on average.
        coarse_lr: greatest learning rate of the modules that start untrained.
        fine_lr: greatest learning rate of the mask decoder and of all that writes into features.
        trunk_lr: greatest learning rate of the image trunk's last stage; 0 leaves it alone.
        large_share: share of steps on the larger build, from `large_from` of the run on.
        synthetic_share: share of clips from the synthetic room, the others are composed.
        pseudo_share: share of clips from real windows, where there are any, before the others
            are shared out.
        warm_clips: clips that the memory's warm start learns from; 0 trains on from weights that
            already track.
        replay_every: steps between reminders of stage 1.
        seed: of every random choice.
        eval_every_s: seconds between evaluations.
    """

    minutes: float = 60.0
    lengths: tuple[int, ...] = (4, 6, 8)
    until: tuple[float, ...] = (0.6, 0.9, 1.0)
    objects: int = 5
    pool: int = 160
    uses: float = 8.0
    coarse_lr: float = 3e-4
    fine_lr: float = 1.5e-4
    trunk_lr: float = 0.0
    large_share: float = 0.06
    large_from: float = 0.5
    synthetic_share: float = 0.5
    pseudo_share: float = 0.2
    warm_clips: int = 96
    replay_every: int = 10
    seed: int = 0
    eval_every_s: float = 420.0


def trainable(model: Any, *, with_trunk: bool = False) -> tuple[list[nn.Parameter], ...]:
    """Freeze what stage 2 leaves alone; returns (untrained parts, careful parts, the trunk's last
    stage, if that learns too)."""
    new: list[nn.Parameter] = []
    old: list[nn.Parameter] = []
    trunk: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        is_careful = name.startswith("memory_attention.") and any(p in name for p in _CAREFUL_PARTS)
        is_new = name.startswith(_NEW_PARTS) and not is_careful
        is_old = is_careful or (name.startswith(_OLD_PARTS) and not name.startswith(_FROZEN))
        is_trunk = with_trunk and name.startswith(_TRUNK_PARTS)
        parameter.requires_grad_(is_new or is_old or is_trunk)
        if is_new:
            new.append(parameter)
        elif is_old:
            old.append(parameter)
        elif is_trunk:
            trunk.append(parameter)
    return (new, old, trunk) if with_trunk else (new, old)


def run_memory(
    model: Any,
    stock: Stock,
    held_out: Stock,
    settings: MemorySettings,
    folder: Path,
    *,
    large: Any | None = None,
    replay: Sequence[Any] = (),
    windows: Sequence[RealWindow] = (),
    team: Team | None = None,
) -> Any:
    """Train the memory of `model` in place; returns it.

    Args:
        model: a distilled `SAM2Base`.
        stock: what training clips are made of.
        held_out: what clips for the curve are made of.
        settings: see there.
        folder: gets `memory.csv`, `memory.ckpt.pt` and the newest `memory.safetensors`.
        large: a build of another size on the same parameters (`distill.share_build`).
        replay: taught pictures for the reminders of stage 1.
        windows: labelled stretches of real video for a share of the clips.
        team: the processes that train together, by default this one alone.

    Raises:
        ValueError: the trunk is to learn from weights that do not track yet.
    """
    if settings.trunk_lr > 0 and settings.warm_clips > 0:
        raise ValueError("trunk_lr: expected 0 where the memory starts untrained (warm_clips)")
    team = team if team is not None else Team()
    model.eval()
    is_open = settings.trunk_lr > 0
    groups = trainable(model, with_trunk=is_open)
    learned = [parameter for group in groups for parameter in group]
    peaks = (settings.coarse_lr, settings.fine_lr, settings.trunk_lr)[: len(groups)]
    optimizer = torch.optim.AdamW(
        [{"params": group, "lr": peak} for group, peak in zip(groups, peaks, strict=True)],
        weight_decay=0.01,
    )
    run = Run(folder, "memory", settings.minutes)
    resumed = run.resume(model, optimizer)
    rng = np.random.default_rng([settings.seed, 1 + team.rank, run.step])
    longest = max(settings.lengths)
    mix = settings.synthetic_share, windows, settings.pseudo_share, is_open
    pool = ClipPool(model, stock, settings.pool, longest, *mix)
    big = ClipPool(large, stock, max(4, settings.pool // 8), 4, *mix) if large is not None else None
    is_fresh = not resumed and settings.warm_clips > 0
    for _ in range(settings.warm_clips if is_fresh else 16):
        pool.add(rng)
    if is_fresh and team.is_lead:
        run.record(start_from_mask_prompts(model, pool.clips))
    team.agree_on(model)
    share = run.share
    next_eval = run.spent_s + settings.eval_every_s
    recent: list[dict[str, float]] = []
    while share < 1:
        stage = next(i for i, u in enumerate(settings.until) if share <= u)
        for part, peak in zip(optimizer.param_groups, peaks, strict=True):
            part["lr"] = peak * cosine(share)
        is_late = share > settings.large_from
        use_big = big is not None and is_late and rng.random() < settings.large_share
        source = big if use_big and big is not None else pool
        if len(source.clips) < 4 or rng.random() < 2 / settings.uses:
            source.add(rng)
        length = 4 if use_big else settings.lengths[stage]
        drawn = source.draw(2 if use_big else settings.objects, length, rng)
        optimizer.zero_grad()
        # In evaluation mode timm keeps attention biases, and with them the graph of a step.
        source.model.image_encoder.train(is_open)
        losses = clip_losses(ObjectBatch(source.model, drawn), rng)
        total = losses["mask"] + losses["iou"] + losses["presence"]
        total.backward()
        if replay and run.step % settings.replay_every == 0:
            distill.step_loss(model, replay, 2, 4, rng, frozen_eyes=not is_open).backward()
        share = team.average(learned, run.share)
        for group in groups:
            nn.utils.clip_grad_norm_(group, 1.0)
        optimizer.step()
        run.step += 1
        recent.append({k: float(v.detach()) for k, v in losses.items()})
        if not team.is_lead:
            continue
        if run.step % 20 == 0:
            run.record({k: float(np.mean([r[k] for r in recent])) for k in recent[0]})
            recent.clear()
            run.save(model, optimizer)
        if run.spent_s > next_eval:
            next_eval = run.spent_s + settings.eval_every_s
            for name, clips in _curve_clips(model, held_out):
                scores = evaluate_tracking(model, clips, modes=("mask",))
                run.record({f"{name}_{k}": v for k, v in scores.items()})
            _export(model, folder, run)
    if team.is_lead:
        run.save(model, optimizer)
        _export(model, folder, run)
    return model


def _curve_clips(model: Any, held_out: Stock) -> Iterator[tuple[str, Iterable[Clip]]]:
    """The same few clips at every point of the curve, other ones than in the final figures."""
    size = model.image_size
    yield "synthetic", test_clips(4, 12, size, seed=500_000)
    rng = np.random.default_rng(11)
    yield "composed", (compose_clip(held_out, 12, size, rng) for _ in range(4))


def _export(model: Any, folder: Path, run: Run) -> None:
    info = {"stage": "memory", "steps": run.step, "seconds": round(run.spent_s)}
    save_weights(model.state_dict(), folder / "memory.safetensors", precision="float16", info=info)


def clip_losses(batch: ObjectBatch, rng: Any) -> dict[str, torch.Tensor]:
    """Play a clip with sampled prompts and sum up what went wrong.

    Returns means over frames: `mask`, `iou` and `presence` losses (with gradient), and for the
    curve `j`, the mean IoU of unprompted frames.
    """
    tally = _Tally()
    truth = batch.truth
    last = batch.length - 1
    start = _first_prompt(batch, tally, rng)
    batch.keep(0, start, prompted=True)
    all_there = bool(truth[last].flatten(1).any(1).all())
    both_ends = batch.length > 3 and rng.random() < 0.12 and all_there
    if both_ends:
        # After a correction, propagation also fills the frames between two prompted ones.
        end = batch.step(last, first=True, mask=truth[last][:, None].float())
        batch.keep(last, end, prompted=True)
    corrected = int(rng.integers(1, last + 1)) if rng.random() < 0.35 else -1
    for t in range(1, last + (0 if both_ends else 1)):
        out = batch.step(t, first=False, remember=t != corrected)
        tally.add(out, truth[t], tracked=True)
        if t == corrected:
            out = _correct(batch, t, out, tally, rng, clicks=int(rng.integers(1, 4)))
            batch.remember(t, out)
        batch.keep(t, out, prompted=t == corrected)
    return tally.means()


def _first_prompt(batch: ObjectBatch, tally: _Tally, rng: Any) -> StepOutput:
    truth = batch.truth[0]
    kind = rng.random()
    if kind < 0.5:
        return batch.step(0, first=True, mask=truth[:, None].float())
    points = click_inside(truth, rng) if kind < 0.75 else box_around(truth, rng)
    out = batch.step(0, first=True, points=points, remember=False)
    tally.add(out, truth, tracked=False)
    clicks = int(rng.integers(1, 4)) if rng.random() < 0.5 else 0
    out = _correct(batch, 0, out, tally, rng, clicks=clicks, points=points)
    batch.remember(0, out)
    return out


def _correct(
    batch: ObjectBatch,
    t: int,
    out: StepOutput,
    tally: _Tally,
    rng: Any,
    *,
    clicks: int,
    points: Points | None = None,
) -> StepOutput:
    truth = batch.truth[t]
    side = (truth.shape[-1],) * 2
    for _ in range(clicks):
        guess = F.interpolate(out.chosen.detach(), side, mode="bilinear")[:, 0] > 0
        click = correction_click(truth, guess, rng)
        points = click if points is None else join(points, click)
        out = batch.step(
            t, first=t == 0, points=points, feedback=out.chosen.detach(), remember=False
        )
        tally.add(out, truth, tracked=False)
    return out


class _Tally:
    """Losses of the steps of one clip."""

    def __init__(self) -> None:
        self.mask: list[torch.Tensor] = []
        self.iou: list[torch.Tensor] = []
        self.presence: list[torch.Tensor] = []
        self.j: list[float] = []

    def add(self, out: StepOutput, truth: torch.Tensor, *, tracked: bool) -> None:
        """Count one frame; `truth` (B, S, S) bool."""
        there = truth.flatten(1).any(1)
        # Absent frames are rare, and overlooking one costs a person a correction.
        weight = torch.where(there, 1.0, _ABSENT_WEIGHT)
        self.presence.append(
            F.binary_cross_entropy_with_logits(out.score[:, 0], there.float(), weight)
        )
        self._add_masks(out.logits, out.ious, truth, there)
        if out.again is not None:
            quality, seen = out.again
            self._add_masks(out.chosen, quality[:, None], truth, there & seen)
        if tracked:
            seen = (out.score.detach() > 0)[:, 0]
            guess = F.interpolate(out.chosen.detach(), truth.shape[-2:], mode="bilinear")[:, 0] > 0
            iou = mask_iou(guess, truth)
            self.j.append(float(torch.where(there, iou * seen, (~seen).float()).mean()))

    def _add_masks(
        self, logits: torch.Tensor, ious: torch.Tensor, truth: torch.Tensor, counted: torch.Tensor
    ) -> None:
        """Count candidates (B, M, h, w) and the qualities (B, M) predicted for them."""
        losses = candidate_losses(logits, ious, truth, counted)
        if losses is not None:
            self.mask.append(losses[0])
            self.iou.append(losses[1])

    def means(self) -> dict[str, torch.Tensor]:
        """Mean of each loss over the counted frames."""
        zero = torch.zeros(())
        return {
            "mask": torch.stack(self.mask).mean() if self.mask else zero,
            "iou": torch.stack(self.iou).mean() if self.iou else zero,
            "presence": torch.stack(self.presence).mean() if self.presence else zero,
            "j": torch.tensor(float(np.mean(self.j)) if self.j else 0.0),
        }
