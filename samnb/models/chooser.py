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
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from samnb.models.backend import GONE_LOGIT, Bank, Output
from samnb.models.candidates import Candidates, Known, alone, ask, describe, gather, places
from samnb.models.looks import View

TRUSTED_FROM: Final = 0.4
"""Later frames learn from a tracked frame from this expected IoU on."""
SURE_FROM: Final = 0.6
"""A memory's own mask at or above this expected IoU needs no other candidates."""

Click: TypeAlias = Callable[[npt.NDArray[np.float32]], tuple[Tensor, Tensor]]
"""Decodes (K, 2) single clicks in model pixels; see `settle`."""

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
        # All members at once: (E, N, F) times (E, F, H).
        flat = scaled.clamp(-_SPREAD, _SPREAD).reshape(-1, scaled.shape[-1])
        hidden = flat.expand(len(state["bias_0"]), -1, -1)
        for layer in range(3):
            weight, bias = state[f"weight_{layer}"], state[f"bias_{layer}"]
            hidden = torch.baddbmm(bias[:, None], hidden, weight.transpose(1, 2))
            if layer < 2:
                hidden = F.gelu(hidden)
        return hidden[..., 0].T.reshape(*numbers.shape[:-1], -1)

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


def choose(
    chooser: Chooser, found: Sequence[Candidates], numbers: Sequence[Tensor]
) -> list[Choice]:
    """Choose among the candidates of each of N objects.

    A mask is worth its expected IoU, none at all the chance that the object is out of sight (IoU
    of nothing with nothing is 1): the greater of the two is taken.

    Args:
        chooser: the networks.
        found: candidates of each object; empty masks are never chosen.
        numbers: for each object (C, F), see :func:`samnb.models.candidates.describe`.
    """
    counts = [len(rows) for rows in numbers]
    is_any = torch.cat([(one.logits > 0).flatten(1).any(1) for one in found])
    expected = (chooser.quality(torch.cat(list(numbers))).sigmoid() * is_any).split(counts)
    told = [sum_up(rows, ious) for rows, ious in zip(numbers, expected, strict=True)]
    absent = chooser.absence(torch.stack(told)).sigmoid().tolist()
    choices = []
    for ious, chance in zip(expected, absent, strict=True):
        index = int(ious.argmax())
        best = float(ious[index])
        choices.append(Choice(index if best > chance else None, best))
    return choices


@dataclass(frozen=True, slots=True, eq=False)
class Sought:
    """Tracked objects, as a frame is searched for them.

    Attributes:
        view: the frame.
        outputs: what memory says of each.
        known: what is known of each.
        told: (N, 2, h, w) what their rules say here, see `ask`.
    """

    view: View
    outputs: Sequence[Output]
    known: Sequence[Known]
    told: Tensor

    @staticmethod
    def on(view: View, position: int, tracked: Sequence[tuple[Output, Bank]]) -> Sought:
        """Begin with what memory says (not empty), and the banks that it was said from."""
        known = [Known.at(position, bank) for _, bank in tracked]
        return Sought(view, [output for output, _ in tracked], known, ask(view, known))

    def keep(self, rows: Sequence[int]) -> Sought:
        """Some of them."""
        outputs, known = [self.outputs[i] for i in rows], [self.known[i] for i in rows]
        return Sought(self.view, outputs, known, self.told[list(rows)])

    def memory(self) -> tuple[list[Candidates], list[Tensor]]:
        """The memory's own mask as the only candidate of each, described."""
        return self._described([alone(output) for output in self.outputs])

    def around(self, size: int, click: Click) -> tuple[list[Candidates], list[Tensor]]:
        """All candidates of each, described; the clicks are decoded in one batch."""
        asked = zip(self.known, self.told, strict=True)
        points = [places(self.view, known, told, size) for known, told in asked]
        masks, ious = click(np.concatenate(points))
        counts = [len(xy) for xy in points]
        parts = zip(self.outputs, masks.split(counts), ious.split(counts), strict=True)
        return self._described([gather(*part) for part in parts])

    def _described(self, found: list[Candidates]) -> tuple[list[Candidates], list[Tensor]]:
        return found, describe(self.view, found, self.known, self.told)


def settle(chooser: Chooser, sought: Sought, size: int, click: Click) -> None:
    """Replace what memory says about tracked objects by the best candidate, in place.

    The memory's own mask is judged first; only where it leaves doubt are others asked for, those
    of all objects in one batch.

    Args:
        chooser: the networks.
        sought: the objects.
        size: side of the model's picture in pixels.
        click: decodes (K, 2) single clicks, in model pixels, to (K, M, h, w) logits and (K, M)
            predicted IoU.
    """
    found, numbers = sought.memory()
    doubtful = []
    for row, choice in enumerate(choose(chooser, found, numbers)):
        if choice.index is not None and choice.expected_iou >= SURE_FROM:
            take(sought.outputs[row], found[row], choice)
        else:
            doubtful.append(row)
    if not doubtful:
        return
    rest = sought.keep(doubtful)
    found, numbers = rest.around(size, click)
    choices = choose(chooser, found, numbers)
    for output, candidates, choice in zip(rest.outputs, found, choices, strict=True):
        take(output, candidates, choice)


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
