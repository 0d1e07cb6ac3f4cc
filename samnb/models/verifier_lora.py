"""Fine-tuning a vision-language verifier by LoRA on a project's verdicts.

Source: LoRA, Hu et al., ICLR 2022, through the peft library. The loss is the cross-entropy
over the option letters, the very distribution that is read at inference. The SAM 3 paper
first trains one verifier on both tasks and then one for each: pass all examples for the
first, those of one task and the first's result for the second.
"""

from __future__ import annotations

import copy
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from samnb.masks.views import ev_view, mv_view
from samnb.models.base import Image
from samnb.models.checkpoints import file_version
from samnb.models.trainable import StepProgress
from samnb.models.training.common import cosine
from samnb.models.verifier_examples import Example, MvExample
from samnb.models.verifier_prompts import EV_ORDER, MV_ORDER, ev_prompt, mv_prompt
from samnb.models.verifier_vlm import VLM_EXTRA, VlmVerifier
from samnb.types import InputError, ModelError

_RECENT: Final = 10  # losses that the reported mean is of


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """How a vision-language verifier is fine-tuned.

    Attributes:
        steps: optimiser steps.
        batch: examples of a step, one after the other.
        lr: greatest learning rate of AdamW; it falls to zero as a cosine.
        rank: of the added matrices.
        alpha: their weight is ``alpha / rank``.
        dropout: before them.
        targets: modules they are added to; "all-linear" is every linear layer but the head.
        shuffle_letters: draw the options' order anew for each example, so that the model
            learns what the options say and not where they stand.
    """

    steps: int = 200
    batch: int = 4
    lr: float = 2e-4
    rank: int = 8
    alpha: int = 16
    dropout: float = 0.05
    targets: str | tuple[str, ...] = "all-linear"
    shuffle_letters: bool = False

    def __post_init__(self) -> None:
        if min(self.steps, self.batch, self.rank) < 1:
            raise InputError(f"settings: expected steps, batch and rank from 1, got {self}")


@dataclass(frozen=True, slots=True, eq=False)
class TunedVlm:
    """How a fine-tuning ended.

    Attributes:
        status: "done" or "cancelled".
        verifier: the new version; None when cancelled.
        folder: where the adapter lies; None when cancelled.
        curve: (step, mean loss of the last few).
    """

    status: str
    verifier: VlmVerifier | None
    folder: Path | None
    curve: tuple[tuple[int, float], ...]


def finetune_vlm(
    verifier: VlmVerifier,
    examples: Sequence[Example],
    *,
    folder: Path,
    settings: LoraSettings | None = None,
    seed: int = 0,
    on_progress: StepProgress | None = None,
    cancel: threading.Event | None = None,
) -> TunedVlm:
    """Train LoRA matrices and save them as an adapter.

    The verifier that is passed stays as it is, so its weights are held twice meanwhile.

    Args:
        verifier: the one to start from, without an adapter.
        examples: verdicts on masks and pairs.
        folder: for the adapter; made if missing.
        settings: how to learn.
        seed: of everything random.
        on_progress: called with (steps done, steps in all, mean loss of the last few).
        cancel: set it from another thread to stop; nothing is saved then.

    Raises:
        ModelError: peft is missing.
        InputError: no example with a weight, or the settings are out of range.
    """
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise ModelError(f"LoRA needs peft, got '{error}'; install: {VLM_EXTRA}") from error
    used = [e for e in examples if e.weight > 0 and _is_visible(e)]
    if not used:
        raise InputError("examples: expected at least one with a weight and a mask to show")
    settings = settings or LoraSettings()
    targets = settings.targets if isinstance(settings.targets, str) else list(settings.targets)
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=targets,
    )
    chances = np.array([e.weight for e in used]) / sum(e.weight for e in used)
    curve: list[tuple[int, float]] = []
    recent: deque[float] = deque(maxlen=_RECENT)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tuned = _with_model(verifier, get_peft_model(copy.deepcopy(verifier.model), config))
        tuned.model.train()
        parameters = [p for p in tuned.model.parameters() if p.requires_grad]
        optimiser = torch.optim.AdamW(parameters, lr=settings.lr)
        for step in range(settings.steps):
            if cancel is not None and cancel.is_set():
                return TunedVlm("cancelled", None, None, tuple(curve))
            rng = np.random.default_rng([seed, step])
            for group in optimiser.param_groups:
                group["lr"] = settings.lr * cosine(step / settings.steps)
            for at in rng.choice(len(used), settings.batch, p=chances).tolist():
                loss = _loss(tuned, used[at], rng if settings.shuffle_letters else None)
                (loss / settings.batch).backward()
                recent.append(float(loss.detach()))
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
            optimiser.zero_grad()
            mean = float(np.mean(recent))
            curve.append((step + 1, mean))
            if on_progress is not None:
                on_progress(step + 1, settings.steps, mean)
    folder.mkdir(parents=True, exist_ok=True)
    tuned.model.eval().save_pretrained(str(folder))
    version = file_version(sorted(folder.glob("*.safetensors")))
    named = _with_model(tuned, tuned.model, f"{verifier.name}+{folder.name}@{version}")
    return TunedVlm("done", named, folder, tuple(curve))


def _is_visible(example: Example) -> bool:
    return not isinstance(example, MvExample) or bool(example.mask.any())


def _loss(verifier: VlmVerifier, example: Example, rng: np.random.Generator | None) -> Tensor:
    """Cross-entropy of the right letter among the letters."""
    view, prompt, n_options, right = _question(verifier, example, rng)
    logits = verifier.letter_logits(view, prompt, n_options)
    return functional.cross_entropy(logits[None], torch.tensor([right], device=logits.device))


def _question(
    verifier: VlmVerifier, example: Example, rng: np.random.Generator | None
) -> tuple[Image, str, int, int]:
    """View, prompt, number of options and place of the right one."""
    image = example.image()
    if isinstance(example, MvExample):
        order = verifier.mv_order if rng is None else _shuffled(MV_ORDER, rng)
        prompt = mv_prompt(example.phrase, order)
        return mv_view(image, example.mask), prompt, len(order), order.index(example.answer)
    asked = verifier.ev_order if rng is None else _shuffled(EV_ORDER, rng)
    n_boxes = sum(bool(mask.any()) for mask in example.masks)
    prompt = ev_prompt(example.phrase, n_boxes, asked)
    return ev_view(image, example.masks), prompt, len(asked), asked.index(example.answer)


def _shuffled(options: tuple[Any, ...], rng: np.random.Generator) -> tuple[Any, ...]:
    return tuple(options[at] for at in rng.permutation(len(options)))


def _with_model(verifier: VlmVerifier, model: Any, name: str | None = None) -> VlmVerifier:
    """The same verifier around another model; its calibration is to be fitted anew."""
    return VlmVerifier(
        model,
        verifier.processor,
        name or verifier.name,
        mv_order=verifier.mv_order,
        ev_order=verifier.ev_order,
        device=verifier.device,
        dtype=verifier.dtype,
    )
