"""Which candidate is the object, or none: two small networks over what speaks for each.

One predicts the IoU of a candidate with the object, another whether the object is out of sight. The
best candidate becomes the tracked mask, or none where absence is more likely than that is good;
where it is in doubt, later frames do not learn from it. So an object that left does not turn into
whatever stands in its place, and is found again by its looks when it comes back.
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
from samnb.models.candidates import Candidates, Known, alone, describe, gather, places
from samnb.models.looks import View

TRUSTED_FROM: Final = 0.4
"""Later frames learn from a tracked frame from this expected IoU on."""
SURE_FROM: Final = 0.6
"""A memory's own mask at or above this expected IoU needs no other candidates."""

_PRESENT_LOGIT = 1.0  # least presence of a mask that was chosen, negated of one that was not
_HIDDEN = 32
_MEMBERS = 4
_SPREAD = 5.0  # standard deviations beyond which a number says no more


class Net:
    """A few networks of two hidden layers over standardised numbers, and their mean.

    They differ by their first weights only; where lessons are few, the mean errs less than any one
    (Lakshminarayanan et al., arXiv 1612.01474). Not a module: it is no part of the weights of the
    model that carries it.

    Args:
        state: ``middle`` and ``spread`` (F,), mean and standard deviation of each number in
            training; ``weight_I`` (E, outer, inner) and ``bias_I`` (E, outer) of layers 0 to 2.
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self.state = dict(state)

    @staticmethod
    def fresh(middle: Tensor, spread: Tensor, generator: torch.Generator) -> Net:
        """An untrained one."""
        state = {"middle": middle, "spread": spread}
        for layer, (inner, outer) in enumerate(pairwise((len(middle), _HIDDEN, _HIDDEN, 1))):
            weight = torch.randn(_MEMBERS, outer, inner, generator=generator)
            state[f"weight_{layer}"] = weight * inner**-0.5
            state[f"bias_{layer}"] = torch.zeros(_MEMBERS, outer)
        return Net(state)

    def each(self, numbers: Tensor) -> Tensor:
        """Logits (..., E) of every member for numbers (..., F)."""
        state = self.state
        scaled = (numbers - state["middle"]) / state["spread"]
        hidden = scaled.clamp(-_SPREAD, _SPREAD)[..., None, :]
        for layer in range(3):
            weight, bias = state[f"weight_{layer}"], state[f"bias_{layer}"]
            hidden = (
                torch.einsum(
                    "eoi,...ei->...eo", weight, hidden.expand(*hidden.shape[:-2], len(weight), -1)
                )
                + bias
            )
            if layer < 2:
                hidden = F.gelu(hidden)
        return hidden[..., 0]

    def __call__(self, numbers: Tensor) -> Tensor:
        """Mean logits (...) for numbers (..., F)."""
        return self.each(numbers).mean(-1)


@dataclass(frozen=True, slots=True, eq=False)
class Chooser:
    """What is expected of candidates.

    Attributes:
        quality: logit of the IoU with the object, from what describes a candidate.
        absence: logit of the object being out of sight, from what `sum_up` tells of all candidates.
    """

    quality: Net
    absence: Net

    def to(self, device: torch.device) -> Chooser:
        """The same one on a device."""
        nets = (self.quality, self.absence)
        return Chooser(*(Net({k: v.to(device) for k, v in net.state.items()}) for net in nets))


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


def sum_up(numbers: Tensor, expected: Tensor) -> Tensor:
    """What all candidates of a frame tell together.

    Args:
        numbers: (C, F) of the candidates, see :func:`samnb.models.candidates.describe`.
        expected: (C,) their expected IoU.

    Returns:
        (F + 2,): the numbers of the best candidate, its expected IoU and that of the second best.
    """
    ranked = expected.sort(descending=True)
    second = ranked.values[1:2] if len(expected) > 1 else torch.zeros_like(expected)
    return torch.cat([numbers[ranked.indices[0]], ranked.values[:1], second])


def choose(chooser: Chooser, logits: Tensor, numbers: Tensor) -> Choice:
    """Choose among candidates.

    A mask is worth its expected IoU, none at all the chance that the object is out of sight (IoU
    of nothing with nothing is 1): the greater of the two is taken.

    Args:
        chooser: the networks.
        logits: (C, h, w) of the candidates; empty masks are never chosen.
        numbers: (C, F), see :func:`samnb.models.candidates.describe`.
    """
    expected = chooser.quality(numbers).sigmoid()
    expected = expected * (logits > 0).flatten(1).any(1)
    index = int(expected.argmax())
    best = float(expected[index])
    absent = float(chooser.absence(sum_up(numbers, expected)).sigmoid())
    return Choice(index if best > absent else None, best)


def settle(
    chooser: Chooser,
    view: View,
    position: int,
    tracked: Sequence[tuple[Output, Bank]],
    size: int,
    click: Callable[[npt.NDArray[np.float32]], tuple[Tensor, Tensor]],
) -> None:
    """Replace what memory says about tracked objects by the best candidate, in place.

    The memory's own mask is judged first; only where it leaves doubt are others asked for, those
    of all objects in one batch.

    Args:
        chooser: the networks.
        view: the frame.
        position: its position.
        tracked: what memory says, with the bank that it was said from.
        size: side of the model's picture in pixels.
        click: decodes (K, 2) single clicks, in model pixels, to (K, M, h, w) logits and (K, M)
            predicted IoU.
    """
    doubtful: list[tuple[Output, Known]] = []
    for output, bank in tracked:
        known, own = Known.at(position, bank), alone(output)
        choice = choose(chooser, own.logits, describe(view, own, known))
        if choice.index is not None and choice.expected_iou >= SURE_FROM:
            take(output, own, choice)
        else:
            doubtful.append((output, known))
    if not doubtful:
        return
    points = [places(view, known, size) for _, known in doubtful]
    masks, ious = click(np.concatenate(points))
    counts = [len(xy) for xy in points]
    for (output, known), its_masks, its_ious in zip(
        doubtful, masks.split(counts), ious.split(counts), strict=True
    ):
        found = gather(output, its_masks, its_ious)
        take(output, found, choose(chooser, found.logits, describe(view, found, known)))


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
    state = {
        f"{name}.{key}": value.detach().contiguous()
        for name, net in (("quality", chooser.quality), ("absence", chooser.absence))
        for key, value in net.state.items()
    }
    save_file(state, path, metadata={"samnb": json.dumps(dict(info), sort_keys=True)})


def load_chooser(path: Path) -> Chooser:
    """Read what `save_chooser` wrote.

    Raises:
        FileNotFoundError: there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"chooser: {path} does not exist")
    with safe_open(path, framework="pt", device="cpu") as file:
        names = sorted(file.keys())
        # Copies: what the file hands out changes with it when somebody writes it anew.
        state = {name: file.get_tensor(name).clone() for name in names}
    return Chooser(
        *(
            Net({k.split(".")[1]: v for k, v in state.items() if k.startswith(part)})
            for part in ("quality.", "absence.")
        )
    )
