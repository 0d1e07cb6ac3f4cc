"""Fine-tuning any SAM 2 on verified masklets: mask decoders and memory, trunk frozen.

The one trainer for ``mobile`` and for SAM 2 checkpoints: it clicks on single frames, which
soonest teaches what things of a domain look like, and plays short clips, all through the
model's own tracking step, so what is trained is what runs. Frames are encoded once. Where a model
has eyes of its own for clicks, their decoder learns from the same single frames as it sees them.
The base's weights, in memory and on disk, stay as they are; the new version is pulled
towards them and may rehearse replay clips, so that it keeps what it knew.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from samnb.masks import rle as rle_ops
from samnb.models.backend import Features
from samnb.models.base import FramePrompts, Tracker
from samnb.models.cliploss import Play
from samnb.models.convert import to_model_prompt
from samnb.models.sam2 import Sam2Backend, Sam2Tracker
from samnb.models.trainable import (
    FinetuneSettings,
    LabelledClip,
    StepProgress,
    Trained,
    checkpoint_path,
)
from samnb.models.training.common import cosine
from samnb.models.versions import copy_model, load_version, root_of, write_version
from samnb.types import InputError, ModelError

MIN_VISIBLE: Final = 0.001
"""An object that covers less of the frame cannot start a training clip."""

_DECODER: Final = ("sam_mask_decoder.",)
_EYES: Final = ("eyes.sam_mask_decoder.",)
_MEMORY: Final = (
    "memory_attention.",
    "memory_encoder.",
    "maskmem_tpos_enc",
    "no_obj_ptr",
    "no_obj_embed_spatial",
    "obj_ptr_proj.",
    "obj_ptr_tpos_proj.",
    "mask_downsample.",
)
# These belong to the cached features.
_FROZEN: Final = tuple(
    f"{model}sam_mask_decoder.conv_s{level}." for model in ("", "eyes.") for level in (0, 1)
)
_ATTEMPTS: Final = 32
_RECENT: Final = 10  # losses that the reported mean is of


def trainable_names(model: nn.Module) -> tuple[list[str], list[str], list[str]]:
    """Names of the parameters that are trained: those of the mask decoder, those of the memory,
    and those of the eyes' mask decoder, none where there are no eyes."""
    names = [n for n, _ in model.named_parameters() if not n.startswith(_FROZEN)]
    decoder, memory, eyes = (
        [n for n in names if n.startswith(part)] for part in (_DECODER, _MEMORY, _EYES)
    )
    return decoder, memory, eyes


def finetune(
    tracker: Tracker,
    clips: Sequence[LabelledClip],
    *,
    folder: Path,
    settings: FinetuneSettings | None = None,
    seed: int = 0,
    replay: Sequence[LabelledClip] = (),
    tag: str = "",
    on_progress: StepProgress | None = None,
    cancel: threading.Event | None = None,
) -> Trained:
    """Fine-tune a SAM 2; see :class:`~samnb.models.trainable.Trainer` for the arguments.

    Every step draws its clip and prompts from the seed and its own number alone, so that
    a resumed run ends with the very weights of one that was never interrupted.

    Raises:
        ModelError: not a model of the sam2 package.
        InputError: no clip has a visible object.
    """
    if not isinstance(tracker, Sam2Tracker) or not isinstance(tracker.backend, Sam2Backend):
        raise ModelError(
            f"retraining: expected mobile or a SAM 2 checkpoint loaded through the sam2 package, "
            f"got {tracker.name}"
        )
    settings = settings or FinetuneSettings()
    run = _Run(tracker, tracker.backend, settings, folder, tag)
    drawer = _Drawer(clips, replay, settings, run.backend)
    eyes = run.backend.eyes
    looker = None if eyes is None else _Drawer(clips, replay, settings, eyes)
    step, recent = run.resume()
    while step < settings.steps:
        if cancel is not None and cancel.is_set():
            run.save(step, recent)
            return Trained("cancelled", step, None, None, tuple(run.curve))
        rng = np.random.default_rng([seed, step])
        window = drawer.draw(rng)
        seen = looker.draw_stills(rng) if looker is not None and window.is_stills else None
        recent.append(run.learn(window, step, rng, seen))
        step += 1
        mean = float(np.mean(recent))
        if step % max(1, settings.steps // 100) == 0 or step == settings.steps:
            run.curve.append((step, mean))
        if step % settings.save_every == 0:
            run.save(step, recent)
        if on_progress is not None:
            on_progress(step, settings.steps, mean)
    run.save(step, recent)
    info = {"parent": tracker.name, "seed": seed, "steps": settings.steps}
    file = write_version(run.model, run.names, folder, root=root_of(tracker), info=info)
    # Read back, so that what is measured and used is what the file holds.
    return Trained("done", step, load_version(file, tracker), file, tuple(run.curve))


class _Run:
    """The copy under training with its optimiser and checkpoint."""

    def __init__(
        self,
        tracker: Sam2Tracker,
        backend: Sam2Backend,
        settings: FinetuneSettings,
        folder: Path,
        tag: str,
    ) -> None:
        self.backend, self.settings = backend, settings
        self.model: Any = copy_model(backend.model)
        self.checkpoint = checkpoint_path(folder, tag) if tag else None
        self.curve: list[tuple[int, float]] = []
        parts = trainable_names(self.model)
        self.names = [name for part in parts for name in part]
        held = dict(self.model.named_parameters())
        # The trunk is the base's own and is not touched; it never sees a gradient here.
        self.groups = [[held[n] for n in part] for part in parts]
        for group in self.groups:
            for weight in group:
                weight.requires_grad_(True)
        self.base = [[w.detach().clone() for w in group] for group in self.groups]
        self.peaks = (settings.decoder_lr, settings.memory_lr, settings.decoder_lr)
        self.total = sum(cosine(i / settings.steps) for i in range(settings.steps))
        self.optimizer = torch.optim.AdamW(
            [{"params": g, "lr": p} for g, p in zip(self.groups, self.peaks, strict=True)],
            weight_decay=0.0,
        )

    def learn(
        self, window: Window, step: int, rng: np.random.Generator, seen: Window | None
    ) -> float:
        """Take one optimiser step on one clip, and on what the eyes have seen of it, and return
        the clip's loss."""
        factor = cosine(step / self.settings.steps)
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * factor
        self.optimizer.zero_grad(set_to_none=True)
        play = Play(self.model, window.features, window.truth, self.settings.corrections, rng)
        loss = play.loss()
        loss.backward()
        if seen is not None:
            corrections = self.settings.corrections
            Play(self.model.eyes, seen.features, seen.truth, corrections, rng).loss().backward()
        for weights in self.groups:
            nn.utils.clip_grad_norm_(weights, 1.0)
        self.optimizer.step()
        self._pull(factor)
        return float(loss.detach())

    @torch.no_grad()
    def _pull(self, factor: float) -> None:
        share = 1.0 - math.exp(-self.settings.pull * factor / self.total)
        for weights, origins in zip(self.groups, self.base, strict=True):
            for weight, origin in zip(weights, origins, strict=True):
                weight.lerp_(origin, share)

    def save(self, step: int, recent: Iterable[float]) -> None:
        """Write a checkpoint; an interrupted write leaves the last one in place."""
        if self.checkpoint is None:
            return
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        state = self.model.state_dict()
        part = self.checkpoint.with_suffix(".part")
        torch.save(
            {
                "weights": {n: state[n] for n in self.names},
                "optimizer": self.optimizer.state_dict(),
                "step": step,
                "curve": self.curve,
                "recent": list(recent),
            },
            part,
        )
        part.replace(self.checkpoint)

    def resume(self) -> tuple[int, deque[float]]:
        """Continue from the checkpoint if there is one; return the steps that are done
        and the losses of the last ones."""
        if self.checkpoint is None or not self.checkpoint.is_file():
            return 0, deque(maxlen=_RECENT)
        held = torch.load(self.checkpoint, map_location=self.backend.device, weights_only=True)
        self.model.load_state_dict(held["weights"], strict=False)
        self.optimizer.load_state_dict(held["optimizer"])
        self.curve = [(int(s), float(v)) for s, v in held["curve"]]
        return int(held["step"]), deque(held["recent"], maxlen=_RECENT)


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A clip to play: features of T frames, and truth (T, B, S, S) bool at model size.

    Stills are one frame of B pictures.
    """

    features: list[Features]
    truth: Tensor
    is_stills: bool = False


class _Drawer:
    """Chooses clips, and keeps frames encoded and masks at model size."""

    def __init__(
        self,
        clips: Sequence[LabelledClip],
        replay: Sequence[LabelledClip],
        settings: FinetuneSettings,
        backend: Sam2Backend,
    ) -> None:
        self.settings, self.backend = settings, backend
        self._features: OrderedDict[tuple[str, int], Features] = OrderedDict()
        self._nbytes = 0
        self._bits: dict[tuple[str, int, int], npt.NDArray[np.uint8]] = {}
        self.objects = self._with_objects(clips)
        self.replay = self._with_objects(replay)
        if not self.objects:
            raise InputError("clips: expected at least one visible object, got none")

    @staticmethod
    def _with_objects(clips: Sequence[LabelledClip]) -> list[tuple[LabelledClip, int]]:
        return [
            (clip, at)
            for clip in clips
            for at, masks in enumerate(clip.objects)
            if any(rle_ops.area(rle) for rle in masks.values())
        ]

    def draw(self, rng: np.random.Generator) -> Window:
        """Some frames, or a window of some clip with every object visible on the first frame."""
        settings = self.settings
        if settings.stills_share and rng.random() < settings.stills_share:
            return self.draw_stills(rng)
        is_replay = bool(self.replay) and rng.random() < settings.replay_share
        rows = self.replay if is_replay else self.objects
        clip, at = rows[int(rng.integers(len(rows)))]
        positions = sorted(clip.objects[at])
        length = int(rng.integers(settings.min_frames, settings.max_frames + 1))
        for _ in range(_ATTEMPTS):
            begin = int(rng.integers(max(1, len(positions) - length + 1)))
            window = positions[begin : begin + length]
            if rng.random() < 0.5:
                window.reverse()
            if self._is_visible(clip, at, window[0]):
                break
        else:
            # Hardly ever in sight: begin where it is largest.
            areas = {p: rle_ops.area(clip.objects[at][p]) for p in positions}
            begin = positions.index(max(areas, key=lambda p: areas[p]))
            window = positions[begin : begin + length]
        chosen = [at, *self._others(clip, at, window, rng)]
        truth = np.stack([[self._mask(clip, o, p) for o in chosen] for p in window])
        return Window([self._encode(clip, p) for p in window], torch.from_numpy(truth))

    def draw_stills(self, rng: np.random.Generator) -> Window:
        """Single frames of objects that can be seen on them, as one frame of many pictures."""
        features, truth = [], []
        for _ in range(self.settings.stills):
            is_replay = bool(self.replay) and rng.random() < self.settings.replay_share
            rows = self.replay if is_replay else self.objects
            clip, at = rows[int(rng.integers(len(rows)))]
            seen = [p for p in sorted(clip.objects[at]) if rle_ops.area(clip.objects[at][p])]
            position = seen[int(rng.integers(len(seen)))]
            mask = self._mask(clip, at, position)
            if mask.any():
                features.append(self._encode(clip, position))
                truth.append(mask)
        maps = tuple(torch.cat(m, 1) for m in zip(*(f.maps for f in features), strict=True))
        joined = Features(maps, features[0].code, features[0].sizes_hw)
        return Window([joined], torch.from_numpy(np.stack(truth)[None]), is_stills=True)

    def _others(
        self, clip: LabelledClip, at: int, window: list[int], rng: np.random.Generator
    ) -> list[int]:
        fitting = [
            other
            for other, masks in enumerate(clip.objects)
            if other != at
            and masks.keys() >= set(window)
            and self._is_visible(clip, other, window[0])
        ]
        return [int(i) for i in rng.permutation(fitting)[: self.settings.objects - 1]]

    def _is_visible(self, clip: LabelledClip, at: int, position: int) -> bool:
        return bool(self._mask(clip, at, position).mean() >= MIN_VISIBLE)

    def _mask(self, clip: LabelledClip, at: int, position: int) -> npt.NDArray[np.bool_]:
        """The true mask at the model's size, (S, S) bool, kept as bits."""
        side, key = self.backend.size, (clip.key, at, position)
        if key not in self._bits:
            mask = rle_ops.decode(clip.objects[at][position])
            prompt = to_model_prompt(
                FramePrompts(mask=mask), clip.frames.size_hw, side, torch.device("cpu")
            )
            if prompt.mask is None:
                raise ModelError("mask: expected a mask prompt, got none")
            self._bits[key] = np.packbits(prompt.mask[0, 0].numpy() > 0.5)
        flat = np.unpackbits(self._bits[key], count=side * side)
        return flat.reshape(side, side).astype(np.bool_)

    @torch.no_grad()
    def _encode(self, clip: LabelledClip, position: int) -> Features:
        """A frame's features, encoded once for as long as the budget holds them."""
        key = clip.key, position
        if key in self._features:
            self._features.move_to_end(key)
        else:
            full = self.backend.encode(clip.frames.frame(position))
            held = Features(tuple(m.half() for m in full.maps), full.code, full.sizes_hw)
            self._features[key] = held
            self._nbytes += _size(held)
            while self._nbytes > self.settings.cache_bytes and len(self._features) > 1:
                self._nbytes -= _size(self._features.popitem(last=False)[1])
        kept = self._features[key]
        return Features(tuple(m.float() for m in kept.maps), kept.code, kept.sizes_hw)


def _size(features: Features) -> int:
    return sum(m.numel() * m.element_size() for m in features.maps)
