"""What a trainer gets and gives back; no framework in sight.

The engine hands verified masklets over as :class:`LabelledClip` and takes a
:class:`Trained` in return. :func:`samnb.models.finetune.finetune` is the trainer for
every SAM 2; a project may pass another callable of the same form.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from samnb.models.base import FrameSource, Tracker
from samnb.types import InputError, Rle

StepProgress: TypeAlias = Callable[[int, int, float], None]
"""Called with (steps done, steps in all, mean loss of the last few steps)."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledClip:
    """A video with the true masks of its objects.

    Attributes:
        key: unique among the clips of a run.
        frames: the video.
        objects: per object its masks by position in ``frames``; an empty mask says
            absent, a position that is missing is not known.
    """

    key: str
    frames: FrameSource
    objects: tuple[Mapping[int, Rle], ...]


@dataclass(frozen=True, slots=True)
class FinetuneSettings:
    """How a model learns from verified masklets.

    The defaults are for some minutes on two cores and a handful of verified clips: mostly
    single frames, the rest short clips. The prompts follow SAM 2's training (paper,
    appendix on training): a clip starts from the true mask, one click or a box with
    probability 1/2, 1/4, 1/4, is played in reverse with probability 1/2, and some later
    frame may be corrected by clicks; a single frame starts from a click or a box.

    Attributes:
        steps: optimiser steps; a step plays one clip, or clicks on some frames.
        min_frames: shortest clip.
        max_frames: longest clip, 8 in the paper; longer ones cost more than they teach here.
        objects: most objects of a clip, 3 in the paper.
        corrections: correction clicks on a prompted frame, 7 in the paper.
        decoder_lr: greatest learning rate of the mask decoder.
        memory_lr: greatest learning rate of memory attention and memory encoder.
        stills_share: share of steps that play no clip: they click on single frames, from
            which a model learns soonest what things look like.
        stills: frames of such a step, each with an object of its own.
        pull: how strongly weights are drawn back to the base's, against forgetting: over
            the run, a change that nothing renews shrinks to ``exp(-pull)`` of itself.
        replay_share: share of steps on replay clips, where there are any.
        cache_bytes: budget for encoded frames.
        save_every: steps between checkpoints.
    """

    steps: int = 150
    min_frames: int = 2
    max_frames: int = 5
    objects: int = 3
    corrections: int = 3
    decoder_lr: float = 2e-4
    memory_lr: float = 1e-4
    stills_share: float = 0.7
    stills: int = 6
    pull: float = 1.0
    replay_share: float = 0.3
    cache_bytes: int = 2 * 2**30
    save_every: int = 50

    def __post_init__(self) -> None:
        for name in ("steps", "objects", "save_every", "min_frames", "stills"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if self.max_frames < self.min_frames:
            raise InputError(
                f"max_frames: expected at least min_frames {self.min_frames}, got {self.max_frames}"
            )
        if self.pull < 0:
            raise InputError(f"pull: expected 0 or more, got {self.pull}")
        for name in ("replay_share", "stills_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name}: expected 0 to 1, got {getattr(self, name)}")

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Name and value of every setting, for the log."""
        return tuple((name, repr(value)) for name, value in asdict(self).items())


@dataclass(frozen=True, slots=True)
class Trained:
    """What a trainer gives back.

    Attributes:
        status: "done" or "cancelled".
        steps: optimiser steps that are done, those of resumed runs included.
        tracker: the new version, read back from its file; None when cancelled.
        file: its weights; None when cancelled.
        curve: ``(step, loss)``, rising.
    """

    status: str
    steps: int
    tracker: Tracker | None
    file: Path | None
    curve: tuple[tuple[int, float], ...]


class Trainer(Protocol):
    """Turns a model and labelled clips into a new version of the model."""

    def __call__(
        self,
        tracker: Tracker,
        clips: Sequence[LabelledClip],
        *,
        folder: Path,
        settings: FinetuneSettings,
        seed: int,
        replay: Sequence[LabelledClip] = (),
        tag: str = "",
        on_progress: StepProgress | None = None,
        cancel: threading.Event | None = None,
    ) -> Trained:
        """Train and write the new version.

        Args:
            tracker: the model to start from; it stays as it is.
            clips: what to learn from.
            folder: where the weights go; made when missing.
            settings: how to train.
            seed: of every random choice.
            replay: clips of what the model knows already, against forgetting.
            tag: names the checkpoint in ``folder``; a run with the same tag continues
                where the last one was cut off. Empty keeps no checkpoint.
            on_progress: called after every step.
            cancel: set it from another thread to stop; a checkpoint is left.
        """


def checkpoint_path(folder: Path, tag: str) -> Path:
    """Where a trainer keeps the checkpoint of an unfinished run."""
    return folder / f"{tag}.ckpt"
