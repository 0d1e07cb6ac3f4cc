"""What the chooser learns from: the clips it is played on, and what was seen on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from samnb.models.mobile import FAST_SIZE, QUALITY_SIZE
from samnb.models.training.clips import Clip, compose_clip
from samnb.models.training.realclips import RealWindow, cut_clip
from samnb.models.training.stock import Stock
from samnb.models.training.synthetics import synthetic_clip
from samnb.models.training.things import JOINED

_LEAST_AWAY = 3  # frames an object is out of sight for a clip about absence
_TRIES = 200


@dataclass(frozen=True, eq=False)
class Lessons:
    """Described candidates.

    Attributes:
        numbers: (N, F) float32, see :func:`samnb.models.candidates.describe`.
        ious: (N,) float32, with the object; 0 where it is absent.
        counts: (G,) int64, how many of the rows in turn are the candidates of one frame.
        absent: (G,) bool, whether the object is out of sight there.
    """

    numbers: Tensor
    ious: Tensor
    counts: Tensor
    absent: Tensor

    def save(self, path: Path) -> None:
        """Write safetensors; an interrupted write leaves nothing under this name."""
        part = path.with_suffix(".part")
        save_file({name: value.contiguous() for name, value in asdict(self).items()}, part)
        part.replace(path)

    @staticmethod
    def load(path: Path) -> Lessons:
        """Read what `save` wrote."""
        return Lessons(**load_file(path))


def join_lessons(parts: Sequence[Lessons]) -> Lessons:
    """All of several (not empty) in one."""
    names = [field.name for field in fields(Lessons)]
    return Lessons(*(torch.cat([getattr(p, name) for p in parts]) for name in names))


@dataclass(frozen=True, eq=False)
class Material:
    """Where clips come from.

    Attributes:
        stock: pictures to compose clips of; None for drawn ones only.
        windows: labelled real videos, may be empty.
    """

    stock: Stock | None = None
    windows: Sequence[RealWindow] = field(default_factory=tuple)

    def clip(
        self, number: int, length: int, rng: np.random.Generator, size: int | None = None
    ) -> Clip:
        """The clip of a number: kinds and sizes take turns, chance does the rest.

        Drawn and composed clips alternate; of each kind half show only objects that go out of
        sight for a while, for those are what absence is learned from. Every seventh clip is cut
        from real video, and unless a size is given every fifth is of the quality build's.

        Args:
            number: counts from 0.
            length: frames.
            rng: the only source of chance.
            size: of its frames in pixels; None for the builds' in turn.
        """
        if size is None:
            size = QUALITY_SIZE if number % 5 == 4 else FAST_SIZE
        if self.windows and number % 7 == 6:
            return cut_clip(self.windows, length, size, rng)
        stock = self.stock

        def make() -> Clip:
            if stock is not None and number % 2 == 0:
                return compose_clip(stock, length, size, rng, joined=JOINED)
            return synthetic_clip(length, size, rng)

        return make() if number // 2 % 2 == 0 else _with_absence(make)


def _with_absence(make: Callable[[], Clip]) -> Clip:
    """The first clip with objects that are out of sight for a while, and only those objects."""
    clip = make()
    for _ in range(_TRIES):
        away = (~clip.masks.any((2, 3))).sum(0)
        chosen = np.nonzero((away >= _LEAST_AWAY) & (away <= 0.75 * len(clip.masks)))[0]
        if len(chosen):
            return Clip(clip.frames, clip.masks[:, chosen])
        clip = make()
    return clip
