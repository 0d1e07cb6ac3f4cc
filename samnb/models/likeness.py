"""Does a tracked mask still show the object that was prompted? It must look like it.

The presence score of the default model does not tell absent objects from present ones. What a mask
covers does: the mean features under it are compared with those of the object's prompted frames and
of the frames tracked lately. A mask that looks like neither is taken away, the object counts as
absent; one in doubt stays, and later frames do not learn from it. So an object that left does not
turn into whatever stands in its place, and is found again by its looks when it comes back.

Memory banks that keep doubtful frames out: Ding et al., SAM2Long (arXiv 2410.16268); Yang et al.,
SAMURAI (arXiv 2411.11922). Those judge by the model's own scores, this by what is under the mask.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from samnb.models.backend import GONE_LOGIT

ABSENT_BELOW = 0.1
"""A tracked mask is taken away below this probability of showing the object."""
TRUSTED_FROM = 0.3
"""Later frames learn from a tracked frame from this probability on."""

Look = tuple[Tensor, ...]
"""What a mask covers: for each feature map a unit vector (C,), or zeros for an empty mask."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """A logistic regression on cosines between looks.

    Attributes:
        prompted: a weight for each feature map, of the greatest cosine with a prompted frame.
        known: likewise, with a prompted or a lately tracked frame.
        bias: added.
    """

    prompted: tuple[float, ...]
    known: tuple[float, ...]
    bias: float

    def log_odds(self, look: Look, prompted: Sequence[Look], recent: Sequence[Look]) -> float:
        """Log-odds that ``look`` is of the object that ``prompted`` (not empty) shows."""
        weights = torch.tensor([*self.prompted, *self.known])
        return float(compare(look, prompted, recent).cpu() @ weights) + self.bias


def compare(look: Look, prompted: Sequence[Look], recent: Sequence[Look]) -> Tensor:
    """What the regression reads: for L feature maps (2 L,) float32.

    First the greatest cosines with ``prompted`` (not empty), then those with either.
    """
    own = cosines(look, prompted)
    return torch.cat([own, torch.maximum(own, cosines(look, recent)) if recent else own])


def cosines(look: Look, others: Sequence[Look]) -> Tensor:
    """Greatest cosine with any of ``others`` (not empty) for each feature map, (L,) float32."""
    return torch.stack(
        [torch.stack([one @ other[i] for other in others]).max() for i, one in enumerate(look)]
    ).float()


def is_blank(look: Look) -> bool:
    """Whether a look is that of an empty mask."""
    return not any(bool(vector.any()) for vector in look)


def look_at(maps: Sequence[Tensor], logits: Tensor) -> Look:
    """Mean features under one mask.

    Args:
        maps: plain feature maps, each (1, C, h, w).
        logits: (1, 1, h, w) mask logits; what is not above 0 does not count.
    """
    soft = logits.float().clamp(-10.0, 10.0).sigmoid() * (logits > 0)
    found = []
    for one in maps:
        weight = F.interpolate(soft, one.shape[-2:], mode="area")
        mean = (one.float() * weight).sum((0, 2, 3)) / weight.sum().clamp_min(1e-4)
        found.append(F.normalize(mean, dim=0))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Recognised:
    """What is said about a tracked mask.

    Attributes:
        log_odds: that the mask shows the object.
        is_absent: the mask is not of the object.
        is_trusted: later frames may learn from it.
    """

    log_odds: float
    is_absent: bool
    is_trusted: bool


def recognise(
    likeness: Likeness, look: Look, prompted: Sequence[Look], recent: Sequence[Look]
) -> Recognised:
    """Judge a tracked mask by its look; an empty mask shows nothing."""
    if is_blank(look):
        return Recognised(GONE_LOGIT, is_absent=True, is_trusted=False)
    odds = likeness.log_odds(look, prompted, recent)
    sure = 1 / (1 + math.exp(-odds)) if odds > -700 else 0.0
    return Recognised(odds, sure < ABSENT_BELOW, sure >= TRUSTED_FROM)


def save_likeness(likeness: Likeness, path: Path, info: Mapping[str, Any]) -> None:
    """Write JSON; ``info`` tells how it was trained."""
    text = json.dumps({**asdict(likeness), "info": dict(info)}, indent=1)
    path.write_text(text + "\n")


def load_likeness(path: Path) -> Likeness:
    """Read what `save_likeness` wrote."""
    held = json.loads(path.read_text())
    prompted, known = (tuple(map(float, held[part])) for part in ("prompted", "known"))
    return Likeness(prompted, known, float(held["bias"]))
