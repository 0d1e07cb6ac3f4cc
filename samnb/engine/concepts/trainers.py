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
    from samnb.models.verifier_small import SmallVerifier
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
    words = ", ".join(f"{word} ({n})" for word, n in made.words.items())
    said = [f"it learned {words} from so many pictures each"] if words else []
    said += [f"its trainer found {made.check}"] if made.check is not None else []
    note = "; ".join(said)
    return NewVersion(made.status, made.steps, made.segmenter, made.file, made.curve, note=note)


def first_verifier(segmenter: ConceptSegmenter | None) -> ConceptVerifier | None:
    """The verifier that ships, where it can ask this segmenter; None elsewhere."""
    from samnb.models.verifier_shipped import has_foundation, load_foundation

    if segmenter is None or not has_foundation(segmenter):
        return None
    return load_foundation(segmenter)


def small_verifier_trainer(segmenter: ConceptSegmenter | None = None) -> VerifierTrainer:
    """The small verifier's trainer, with a segmenter to ask for candidates.

    Where training does not make the parent better, the result is the parent as it answers when it
    asks this segmenter: the segmenter's new words are its, too.
    """

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
        start = parent if isinstance(parent, SmallVerifier) else None
        made = train_verifier(
            examples, aids=aids, parent=start, seed=seed, on_progress=on_progress, cancel=cancel
        )
        if made.verifier is None:
            return NewVersion(made.status, 0, None, None)
        verifier, figures = made.verifier, _figures(made.mv, made.ev)
        before = _figures(made.parent_mv, made.parent_ev)
        note = ""
        # Any other parent may have learned from these very verdicts.
        is_fair = start is not None and _is_shipped(start, segmenter)
        is_worse = mean_accuracy(figures) < mean_accuracy(before)
        if start is not None and is_fair and is_worse and start.info.aids != verifier.info.aids:
            note = (
                f"trained further {mean_accuracy(figures):.3f}, so only what it asks is new: "
                f"{verifier.info.aids}"
            )
            verifier, figures = start.asking(verifier.describer), before
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{verifier.name.replace('@', '-')}.safetensors"
        verifier.save(file)
        base = before if is_fair else None
        return NewVersion(made.status, 0, verifier, file, (), figures, base, note)

    return teach


def _is_shipped(verifier: SmallVerifier, segmenter: ConceptSegmenter | None) -> bool:
    """Whether its weights are those that ship, whatever it asks."""
    shipped = first_verifier(segmenter)
    if shipped is None or not isinstance(shipped, type(verifier)):
        return False
    ours, theirs = verifier.net.state_dict(), shipped.net.state_dict()
    return ours.keys() == theirs.keys() and all(bool((ours[k] == theirs[k]).all()) for k in ours)


def mean_accuracy(metrics: Mapping[str, float]) -> float:
    """Mean accuracy over the tasks that were measured; 0.0 for none."""
    rows = [v for name, v in metrics.items() if name.endswith("accuracy")]
    return sum(rows) / len(rows) if rows else 0.0


def _figures(mv: HeldOut | None, ev: HeldOut | None) -> dict[str, float]:
    return {
        f"{task}_{name}": float(getattr(held, name))
        for task, held in (("mv", mv), ("ev", ev))
        if held is not None
        for name in ("accuracy", "ece")
    }
