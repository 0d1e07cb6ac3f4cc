"""What a trainer of the concept loop gets and gives back, and the trainers that ship."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from samnb.engine.concepts.examples import PairExample
from samnb.models.concepts import ConceptSegmenter, ConceptVerifier
from samnb.models.verifier_examples import Example
from samnb.types import FlowError

if TYPE_CHECKING:
    from samnb.models.verifier_tables import HeldOut


@dataclass(frozen=True, slots=True, eq=False)
class NewVersion:
    """What a trainer gives back.

    Attributes:
        status: "done" or "cancelled".
        steps: optimiser steps done; 0 where the trainer tells them by its progress alone.
        model: the new version; None when cancelled.
        file: its weights; None when cancelled.
        curve: ``(step, loss)``, rising.
        metrics: figures that the trainer measured itself on what it held out.
        base: figures of the version it began from on the very same, where that version never
            learned from them; None where it did or was not measured.
        note: what the trainer says about it; empty for nothing.
    """

    status: str
    steps: int
    model: Any
    file: Path | None
    curve: tuple[tuple[int, float], ...] = ()
    metrics: Mapping[str, float] | None = None
    base: Mapping[str, float] | None = None
    note: str = ""


class SegmenterTrainer(Protocol):
    """Turns a segmenter and decided pairs into a new version."""

    def __call__(
        self,
        segmenter: ConceptSegmenter,
        pairs: Sequence[PairExample],
        *,
        folder: Path,
        seed: int,
        on_progress: Callable[[int, int, float], None] | None,
        cancel: threading.Event | None,
    ) -> NewVersion:
        """Train; what came in stays as it is."""


class VerifierTrainer(Protocol):
    """Turns verdicts into a verifier."""

    def __call__(
        self,
        examples: Sequence[Example],
        *,
        parent: ConceptVerifier | None,
        folder: Path,
        seed: int,
        on_progress: Callable[[int, int, float], None] | None,
        cancel: threading.Event | None,
    ) -> NewVersion:
        """Train; ``metrics`` of the result are what the gate compares."""


# -- the trainers that ship --------------------------------------------------------


def finetune_default(
    segmenter: ConceptSegmenter,
    pairs: Sequence[PairExample],
    *,
    folder: Path,
    seed: int,
    on_progress: Callable[[int, int, float], None] | None,
    cancel: threading.Event | None,
) -> NewVersion:
    """Fine-tune the default segmenter; see :class:`SegmenterTrainer`.

    Raises:
        FlowError: another segmenter, which needs a trainer of its own.
    """
    from samnb.models.concept import LearnedSegmenter
    from samnb.models.concept_finetune import DecidedPair, finetune_concept

    if not isinstance(segmenter, LearnedSegmenter):
        raise FlowError(f"{segmenter.name} has no trainer here; pass one that knows it")
    decided = [DecidedPair(p.image, p.phrase, p.masks) for p in pairs]
    made = finetune_concept(
        segmenter, decided, folder=folder, seed=seed, on_progress=on_progress, cancel=cancel
    )
    note = f"its trainer found {made.check}" if made.check is not None else ""
    return NewVersion(made.status, made.steps, made.segmenter, made.file, made.curve, note=note)


def first_verifier(segmenter: ConceptSegmenter | None) -> ConceptVerifier | None:
    """The verifier that ships, where it can ask this segmenter; None elsewhere."""
    from samnb.models.verifier_shipped import has_foundation, load_foundation

    if segmenter is None or not has_foundation(segmenter):
        return None
    return load_foundation(segmenter)


def small_verifier_trainer(segmenter: ConceptSegmenter | None = None) -> VerifierTrainer:
    """The small verifier's trainer, with a segmenter to ask for candidates."""

    def teach(
        examples: Sequence[Example],
        *,
        parent: ConceptVerifier | None,
        folder: Path,
        seed: int,
        on_progress: Callable[[int, int, float], None] | None,
        cancel: threading.Event | None,
    ) -> NewVersion:
        from samnb.models.verifier_aids import segmenter_aids
        from samnb.models.verifier_small import SmallVerifier
        from samnb.models.verifier_training import train_verifier

        aids = segmenter_aids(segmenter) if segmenter is not None else None
        made = train_verifier(
            examples,
            aids=aids,
            parent=parent if isinstance(parent, SmallVerifier) else None,
            seed=seed,
            on_progress=on_progress,
            cancel=cancel,
        )
        if made.verifier is None:
            return NewVersion(made.status, 0, None, None)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{made.verifier.name.replace('@', '-')}.safetensors"
        made.verifier.save(file)
        shipped = first_verifier(segmenter)
        # Any other parent may have learned from these very verdicts.
        is_fair = parent is not None and shipped is not None and parent.name == shipped.name
        base = _figures(made.parent_mv, made.parent_ev) if is_fair else None
        return NewVersion(made.status, 0, made.verifier, file, (), _figures(made.mv, made.ev), base)

    return teach


def _figures(mv: HeldOut | None, ev: HeldOut | None) -> dict[str, float]:
    return {
        f"{task}_{name}": float(getattr(held, name))
        for task, held in (("mv", mv), ("ev", ev))
        if held is not None
        for name in ("accuracy", "ece")
    }
