"""Stage 3: learn to choose the object's mask among candidates, from tracks that go wrong.

Clips are tracked with the model as it is. On every frame all candidates are described and compared
with the truth. Which of them the track then follows decides what later frames look like: at first
the best one or, as often, the memory's own; once a chooser is trained, mostly its choice, so that
it learns from the mistakes it will make (Ross et al., DAgger, arXiv 1011.0686).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from samnb.models.backend import Bank, Features, ModelPrompt, Output
from samnb.models.candidates import FEATURES, Candidates
from samnb.models.chooser import Choice, Chooser, Net, Sought, choose, sum_up, take
from samnb.models.sam2 import Sam2Backend
from samnb.models.training.clips import Clip
from samnb.models.training.common import mask_iou
from samnb.models.training.lessons import Lessons, join_lessons
from samnb.models.training.prompts import click_inside

_CLICKED = 1 / 3  # of the tracks start with a click, the others with a mask
_FOLLOW_TRUTH = (0.5, 0.25)  # share of tracks that follow the best candidate: without, with chooser
_GOOD_IOU = 0.3  # below, even the best candidate is not followed
_EPOCHS, _LEAST_STEPS = 12, 240
_BATCH, _RATE, _DECAY = 1024, 3e-3, 1e-3


@torch.inference_mode()
def play(
    model: Any, clips: Iterable[Clip], rng: np.random.Generator, chooser: Chooser | None = None
) -> Lessons:
    """Track every object of clips and describe all candidates on the way.

    Args:
        model: a `SAM2Base`.
        clips: clips of the model's image size, with all objects in the first frame.
        rng: the only source of chance.
        chooser: decides what tracks follow; None before there is one.

    Returns:
        For each frame the candidates, and the memory's own mask once more as the only one.
    """
    backend = Sam2Backend(model, device="cpu")
    found: list[Lessons] = []
    for clip in clips:
        frames = [backend.encode(frame) for frame in clip.frames]
        for obj in range(clip.masks.shape[1]):
            truth = torch.from_numpy(clip.masks[:, obj])
            found += _play_one(backend, frames, truth, rng, chooser)
    return join_lessons(found)


def _play_one(
    backend: Sam2Backend,
    frames: list[Features],
    truth: Tensor,
    rng: np.random.Generator,
    chooser: Chooser | None,
) -> list[Lessons]:
    follows_truth = rng.random() < _FOLLOW_TRUTH[chooser is not None]
    (start,) = backend.decode(
        frames[0], 0, [None], n_frames=len(frames), is_reverse=False, prompt=_prompt(truth[0], rng)
    )
    _remember(backend, frames[0], start, is_prompted=True)
    recent: dict[int, Output] = {}
    lessons = []
    for t in range(1, len(frames)):
        within = {p: o for p, o in recent.items() if t - p <= backend.reach}
        bank = Bank({0: start}, dict(sorted(within.items(), reverse=True)))
        (own,) = backend.track(frames[t], t, [bank], n_frames=len(frames))
        sought = Sought.on(backend.view(frames[t]), t, [(own, bank)])
        (found,), (numbers,) = sought.around(backend.size, partial(backend.click, frames[t]))
        told = _tell(numbers, _ious(found, truth[t]), truth[t])
        _, (only,) = sought.memory()
        lessons += [told, _tell(only, told.ious[:1], truth[t])]
        if follows_truth:
            best = int(told.ious.argmax())
            iou = float(told.ious[best])
            choice = Choice(best if iou > _GOOD_IOU else None, iou)
        elif chooser is not None:
            (choice,) = choose(chooser, [found], [told.numbers])
        else:
            choice = Choice(0 if bool((own.logits > 0).any()) else None, 1.0)
        take(own, found, choice)
        if own.is_trusted:
            _remember(backend, frames[t], own, is_prompted=False)
            recent[t] = own
    return lessons


def _remember(backend: Sam2Backend, frame: Features, output: Output, *, is_prompted: bool) -> None:
    backend.remember(frame, [output], is_prompted=is_prompted)
    backend.view(frame).learn([output])


def _tell(numbers: Tensor, ious: Tensor, truth: Tensor) -> Lessons:
    return Lessons(numbers, ious, torch.tensor([len(ious)]), ~truth.any()[None])


def _prompt(truth: Tensor, rng: np.random.Generator) -> ModelPrompt:
    if rng.random() < _CLICKED:
        coords, labels = click_inside(truth[None], rng)
        return ModelPrompt(coords=coords, labels=labels)
    return ModelPrompt(mask=truth[None, None].float())


def _ious(found: Candidates, truth: Tensor) -> Tensor:
    """IoU (C,) with a mask (S, S) bool; 0 where the object or the candidate is empty."""
    size = truth.shape[-1]
    full = F.interpolate(found.logits[:, None], (size, size), mode="bilinear")[:, 0] > 0
    seen = full.flatten(1).any(1) & truth.any()
    return mask_iou(full, truth.expand_as(full)) * seen


def fit_chooser(lessons: Lessons, seed: int = 0) -> Chooser:
    """Train a chooser to predict IoU, then absence from what it finds best.

    Raises:
        ValueError: no lessons.
    """
    if len(lessons.ious) == 0 or lessons.numbers.shape[1] != len(FEATURES):
        raise ValueError(
            f"lessons: expected (N, {len(FEATURES)}) numbers, got {tuple(lessons.numbers.shape)}"
        )
    quality = _fit(lessons.numbers, lessons.ious.clamp(0, 1), seed)
    expected = quality(lessons.numbers).sigmoid()
    counts = lessons.counts.tolist()
    frames = zip(lessons.numbers.split(counts), expected.split(counts), strict=True)
    together = torch.stack([sum_up(numbers, ious) for numbers, ious in frames])
    return Chooser(quality, _fit(together, lessons.absent.float(), seed))


def _fit(numbers: Tensor, wanted: Tensor, seed: int) -> Net:
    """Train a network (cross entropy with soft targets in [0, 1], AdamW)."""
    # Outside of what the tracking of lessons ran in: its tensors allow no gradients.
    numbers, wanted = numbers.clone(), wanted.clone()
    generator = torch.Generator().manual_seed(seed)
    spread = numbers.std(0, correction=0).clamp_min(_DECAY)
    net = Net.fresh(numbers.mean(0), spread, generator)
    learned = [v.requires_grad_() for k, v in net.state.items() if k[-1].isdigit()]
    optimizer = torch.optim.AdamW(learned, _RATE, weight_decay=_DECAY)
    per_epoch = -(-len(wanted) // _BATCH)
    epochs = max(_EPOCHS, -(-_LEAST_STEPS // per_epoch))
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, epochs * per_epoch)
    for _ in range(epochs):
        for rows in torch.randperm(len(wanted), generator=generator).split(_BATCH):
            optimizer.zero_grad()
            each = net.each(numbers[rows])
            aim = wanted[rows, None].expand_as(each)
            F.binary_cross_entropy_with_logits(each, aim, reduction="sum").div(len(rows)).backward()
            optimizer.step()
            schedule.step()
    return Net({name: value.detach() for name, value in net.state.items()})
