"""What the two training stages share: mask losses, checkpoints, the curve, the clock."""

from __future__ import annotations

import csv
import logging
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

log = logging.getLogger(__name__)


def mask_loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Focal loss times 20 plus dice, per mask.

    Args:
        logits: (..., h, w) mask logits.
        target: (..., h, w) float, the share of each cell that the object covers.

    Returns:
        (...) float, one loss per mask.
    """
    bce = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    prob = logits.sigmoid()
    wrong = (prob - target).abs()
    # Half the weight goes to the object: most cells of most masks are background.
    weight = 0.25 + 0.5 * target
    focal = (weight * wrong.square() * bce).mean((-2, -1))
    overlap = 2 * (prob * target).sum((-2, -1)) + 1
    dice = 1 - overlap / (prob.sum((-2, -1)) + target.sum((-2, -1)) + 1)
    return 20 * focal + dice


def mask_iou(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """IoU of boolean masks (..., h, w), 1 where both are empty."""
    inter = (a & b).sum((-2, -1)).float()
    union = (a | b).sum((-2, -1)).float()
    return torch.where(union > 0, inter / union.clamp_min(1), torch.ones_like(union))


def candidate_losses(
    logits: torch.Tensor, ious: torch.Tensor, truth: torch.Tensor, counted: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Mask and quality loss of the mask decoder's candidates, over the counted objects.

    Of several candidates only the closest is asked to be right (SAM 2 paper, appendix on
    training); the predicted quality of all is.

    Args:
        logits: (B, M, h, w) mask logits.
        ious: (B, M) predicted quality.
        truth: (B, S, S) bool.
        counted: (B,) bool, objects with a mask to compare with.

    Returns:
        Two scalars with gradient; None when no object counts.
    """
    if not counted.any():
        return None
    # Twice the resolution of the logits: edges inside a cell count.
    fine = F.interpolate(logits, scale_factor=2, mode="bilinear")
    target = F.adaptive_avg_pool2d(truth[:, None].float(), (fine.shape[-2], fine.shape[-1]))
    with torch.no_grad():
        actual = mask_iou(fine > 0, (target > 0.5).expand(-1, fine.shape[1], -1, -1))
    losses = mask_loss(fine, target.expand_as(fine))[counted]
    best = losses.detach().argmin(1)
    return losses.gather(1, best[:, None]).mean(), (ious - actual)[counted].abs().mean()


def soft_iou(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """IoU of coverages (..., L) in 0..1: sum of minima over sum of maxima."""
    small = 1e-3
    return (torch.minimum(a, b).sum(-1) + small) / (torch.maximum(a, b).sum(-1) + small)


def cosine(step_share: float, floor: float = 0.05) -> float:
    """Learning rate factor after `step_share` (0..1) of the run: short warm-up, then cosine."""
    warm = min(1.0, step_share / 0.02 + 0.05)
    return warm * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(step_share, 1.0))))


class Run:
    """A training run that lasts a given time: budget, curve, checkpoints, resume.

    The clock is an argument so that tests need not wait; time spent in earlier, interrupted
    processes counts towards the budget.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        minutes: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.checkpoint_path = folder / f"{name}.ckpt.pt"
        self.curve_path = folder / f"{name}.csv"
        self.minutes = minutes
        self.step = 0
        self._spent_s = 0.0
        self._clock = clock
        self._started = clock()

    @property
    def spent_s(self) -> float:
        """Seconds of training so far, interruptions left out."""
        return self._spent_s + self._clock() - self._started

    @property
    def share(self) -> float:
        """Share of the time budget that is used up."""
        return self.spent_s / (self.minutes * 60) if self.minutes > 0 else 1.0

    def save(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Write a checkpoint; an interrupted write leaves the previous one in place."""
        part = self.checkpoint_path.with_suffix(".part")
        torch.save(
            {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": self.step,
                "spent_s": self.spent_s,
            },
            part,
        )
        part.replace(self.checkpoint_path)

    def resume(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> bool:
        """Continue from the checkpoint, if there is one."""
        if not self.checkpoint_path.is_file():
            return False
        data = torch.load(self.checkpoint_path, map_location="cpu", weights_only=True)
        model.load_state_dict(data["model"])
        optimizer.load_state_dict(data["optimizer"])
        self.step, self._spent_s = int(data["step"]), float(data["spent_s"])
        self._started = self._clock()
        log.info("resumed at step %d after %.0f s", self.step, self._spent_s)
        return True

    def record(self, values: Mapping[str, Any]) -> None:
        """Append a row to the curve and log it. Rows may differ in columns: one name per value."""
        new = not self.curve_path.exists()
        with self.curve_path.open("a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(["step", "seconds", "name", "value"])
            for key, value in values.items():
                writer.writerow([self.step, f"{self.spent_s:.1f}", key, f"{float(value):.5f}"])
        text = " ".join(f"{k}={float(v):.4f}" for k, v in values.items())
        log.info("step %d %.0f s %s", self.step, self.spent_s, text)
