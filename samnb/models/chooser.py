"""Which candidate is the object, or none: a small network over what speaks for each.

It predicts the IoU of a candidate with the object. The best one becomes the tracked mask; where
even that is hardly the object, the object counts as absent, and where it is in doubt, later frames
do not learn from it. So an object that left does not turn into whatever stands in its place, and is
found again by its looks when it comes back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from samnb.models.backend import GONE_LOGIT, Bank, Output
from samnb.models.candidates import (
    Candidates,
    Known,
    alone,
    describe,
    gather,
    places,
)

ABSENT_BELOW: Final = 0.2
"""An object whose best candidate is below this expected IoU counts as absent."""
TRUSTED_FROM: Final = 0.25
"""Later frames learn from a tracked frame from this expected IoU on."""
SURE_FROM: Final = 0.6
"""A memory's own mask at or above this expected IoU needs no other candidates."""

_PRESENT_LOGIT = 1.0  # least presence of a mask that was chosen, negated of one that was not
_HIDDEN = 32
_SPREAD = 5.0  # standard deviations beyond which a number says no more


class Chooser:
    """Two hidden layers over standardised numbers.

    Not a module: it is no part of the weights of the model that carries it.

    Args:
        state: ``middle`` and ``spread`` (F,), mean and standard deviation of each number in
            training; ``weight_I`` and ``bias_I`` of layers 0, 1 and 2.
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self.state = dict(state)

    @staticmethod
    def fresh(middle: Tensor, spread: Tensor, generator: torch.Generator) -> Chooser:
        """An untrained one."""
        state = {"middle": middle, "spread": spread}
        for layer, (inner, outer) in enumerate(pairwise((len(middle), _HIDDEN, _HIDDEN, 1))):
            weight = torch.randn(outer, inner, generator=generator)
            state[f"weight_{layer}"] = weight * inner**-0.5
            state[f"bias_{layer}"] = torch.zeros(outer)
        return Chooser(state)

    def to(self, device: torch.device) -> Chooser:
        """The same one on a device."""
        return Chooser({name: value.to(device) for name, value in self.state.items()})

    def __call__(self, numbers: Tensor) -> Tensor:
        """Logits of the expected IoU, (...) for numbers (..., F)."""
        state = self.state
        scaled = (numbers - state["middle"]) / state["spread"]
        hidden = scaled.clamp(-_SPREAD, _SPREAD)
        for layer in range(3):
            hidden = F.linear(hidden, state[f"weight_{layer}"], state[f"bias_{layer}"])
            if layer < 2:
                hidden = F.gelu(hidden)
        return hidden[..., 0]


@dataclass(frozen=True, slots=True)
class Choice:
    """What became of the candidates of a frame.

    Attributes:
        index: the candidate, or None: the object is absent.
        expected_iou: of the best candidate, in [0, 1].
    """

    index: int | None
    expected_iou: float

    @property
    def is_trusted(self) -> bool:
        """Whether later frames may learn from it."""
        return self.index is not None and self.expected_iou >= TRUSTED_FROM


def choose(chooser: Chooser, logits: Tensor, numbers: Tensor) -> Choice:
    """Choose among candidates.

    Args:
        chooser: the network.
        logits: (C, h, w) of the candidates; empty masks are never chosen.
        numbers: (C, F), see :func:`samnb.models.candidates.describe`.
    """
    expected = chooser(numbers).sigmoid()
    expected = expected * (logits > 0).flatten(1).any(1)
    index = int(expected.argmax())
    best = float(expected[index])
    return Choice(index if best >= ABSENT_BELOW else None, best)


def settle(
    chooser: Chooser,
    maps: Sequence[Tensor],
    position: int,
    tracked: Sequence[tuple[Output, Bank]],
    size: int,
    click: Callable[[npt.NDArray[np.float32]], tuple[Tensor, Tensor]],
) -> None:
    """Replace what memory says about tracked objects by the best candidate, in place.

    The memory's own mask is judged first; only where it leaves doubt are others asked for, those
    of all objects in one batch.

    Args:
        chooser: the network.
        maps: plain feature maps of the frame, strides 4, 8 and 16, each (1, C, h, w).
        position: the frame.
        tracked: what memory says, with the bank that it was said from.
        size: side of the model's picture in pixels.
        click: decodes (K, 2) single clicks, in model pixels, to (K, M, h, w) logits and (K, M)
            predicted IoU.
    """
    doubtful: list[tuple[Output, Known]] = []
    for output, bank in tracked:
        known, own = Known.at(position, bank), alone(output)
        choice = choose(chooser, own.logits, describe(maps, own, known))
        if choice.expected_iou >= SURE_FROM:
            take(output, own, choice)
        else:
            doubtful.append((output, known))
    if not doubtful:
        return
    points = [places(maps, known, size) for _, known in doubtful]
    masks, ious = click(np.concatenate(points))
    counts = [len(xy) for xy in points]
    for (output, known), its_masks, its_ious in zip(
        doubtful, masks.split(counts), ious.split(counts), strict=True
    ):
        found = gather(output, its_masks, its_ious)
        take(output, found, choose(chooser, found.logits, describe(maps, found, known)))


def take(output: Output, candidates: Candidates, choice: Choice) -> None:
    """Make the chosen candidate the output's mask, or blank it where the object is absent."""
    output.is_trusted = choice.is_trusted
    if choice.index is None:
        output.logits = torch.full_like(output.logits, GONE_LOGIT)
        output.score = output.score.clamp_max(-_PRESENT_LOGIT)
        return
    output.logits = candidates.logits[choice.index][None, None].clone()
    output.confidence = choice.expected_iou
    output.score = output.score.clamp_min(_PRESENT_LOGIT)


def save_chooser(chooser: Chooser, path: Path, info: Mapping[str, Any]) -> None:
    """Write safetensors; ``info`` tells how it was trained."""
    state = {name: value.detach().contiguous() for name, value in chooser.state.items()}
    save_file(state, path, metadata={"samnb": json.dumps(dict(info), sort_keys=True)})


def load_chooser(path: Path) -> Chooser:
    """Read what `save_chooser` wrote.

    Raises:
        FileNotFoundError: there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"chooser: {path} does not exist")
    with safe_open(path, framework="pt", device="cpu") as file:
        names = set(file.keys())
        return Chooser({name: file.get_tensor(name) for name in sorted(names)})
