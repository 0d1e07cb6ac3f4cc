"""How well the model tracks held-out objects, and whether it notices when they are gone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from samnb.models.training.clips import Clip
from samnb.models.training.common import mask_iou
from samnb.models.training.prompts import click_inside, correction_click, join
from samnb.models.training.tracking import EncodedClip, ObjectBatch, StepOutput, encode_clip

MODES = ("mask", "click1", "click3")


@torch.no_grad()
def evaluate_tracking(
    model: Any,
    clips: Iterable[Clip],
    *,
    modes: Sequence[str] = MODES,
    seed: int = 7,
) -> dict[str, float]:
    """Track every object of clips from its first frame.

    Args:
        model: a `SAM2Base`.
        clips: clips of the model's image size, with all objects in the first frame.
        modes: prompts on the first frame, of `MODES`.
        seed: of what is random in prompts.

    Returns:
        For each mode `j_MODE`, the mean IoU of all later frames (1 where an absent object is
        reported absent), and `gone_f1_MODE`, the F1 of finding absent frames; for clicks
        `prompt_MODE`, the IoU on the first frame; `j_copy`, the score of copying the first mask;
        `absent`, the share of absent frames; `objects`.
    """
    unknown = set(modes) - set(MODES)
    if unknown:
        raise ValueError(f"modes: expected some of {MODES}, got {sorted(unknown)}")
    model.eval()
    rng = np.random.default_rng(seed)
    copied: list[float] = []
    absent: list[float] = []
    count = 0
    tallies = {mode: _Score() for mode in modes}
    for clip in clips:
        encoded = encode_clip(model, clip)
        truth = encoded.masks
        count += truth.shape[1]
        copied += mask_iou(truth[1:], truth[:1].expand_as(truth[1:])).flatten().tolist()
        absent += (~truth[1:].flatten(2).any(2)).float().flatten().tolist()
        for mode, tally in tallies.items():
            _track(model, encoded, mode, tally, rng)
    scores: dict[str, float] = {"j_copy": float(np.mean(copied)), "objects": float(count)}
    scores["absent"] = float(np.mean(absent))
    for mode, tally in tallies.items():
        scores |= tally.summary(mode)
    return scores


class _Score:
    def __init__(self) -> None:
        self.j: list[float] = []
        self.j_present: list[float] = []
        self.prompt: list[float] = []
        self.hits = self.misses = self.alarms = self.kept = 0

    def add(self, masks: torch.Tensor, score: torch.Tensor, truth: torch.Tensor) -> None:
        seen, there = score > 0, truth.flatten(1).any(1)
        masks = masks & seen[:, None, None]
        iou = mask_iou(masks, truth)
        self.j += iou.tolist()
        self.j_present += iou[there].tolist()
        self.hits += int((~seen & ~there).sum())
        self.misses += int((seen & ~there).sum())
        self.alarms += int((~seen & there).sum())
        self.kept += int((seen & there).sum())

    def summary(self, mode: str) -> dict[str, float]:
        gone = 2 * self.hits / max(2 * self.hits + self.misses + self.alarms, 1)
        out = {
            f"j_{mode}": float(np.mean(self.j)),
            f"j_present_{mode}": float(np.mean(self.j_present)),
            f"gone_f1_{mode}": gone,
            f"dropped_{mode}": self.alarms / max(self.alarms + self.kept, 1),
        }
        if self.prompt:
            out[f"prompt_{mode}"] = float(np.mean(self.prompt))
        return out


def _track(model: Any, encoded: EncodedClip, mode: str, tally: _Score, rng: Any) -> None:
    length, count = encoded.masks.shape[:2]
    batch = ObjectBatch(model, [(encoded, list(range(length)), list(range(count)))])
    batch.keep(0, _prompt(batch, mode, tally, rng), prompted=True)
    for t in range(1, length):
        out = batch.step(t, first=False)
        batch.keep(t, out, prompted=False)
        tally.add(_full(out, encoded), out.score[:, 0], batch.truth[t])


def _prompt(batch: ObjectBatch, mode: str, tally: _Score, rng: Any) -> StepOutput:
    truth = batch.truth[0]
    if mode == "mask":
        return batch.step(0, first=True, mask=truth[:, None].float())
    points = click_inside(truth, rng, centre=True)
    out = batch.step(0, first=True, points=points, remember=False)
    for _ in range(2 if mode == "click3" else 0):
        guess = F.interpolate(out.chosen, truth.shape[-2:], mode="bilinear")[:, 0] > 0
        points = join(points, correction_click(truth, guess, rng, centre=True))
        out = batch.step(0, first=True, points=points, feedback=out.chosen, remember=False)
    guess = F.interpolate(out.chosen, truth.shape[-2:], mode="bilinear")[:, 0] > 0
    tally.prompt += mask_iou(guess, truth).tolist()
    batch.remember(0, out)
    return out


def _full(out: StepOutput, encoded: EncodedClip) -> torch.Tensor:
    side = encoded.masks.shape[-2:]
    return F.interpolate(out.chosen, side, mode="bilinear")[:, 0] > 0
