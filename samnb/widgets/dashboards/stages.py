"""The stages of the masklet loop that machines do, as a table: what waits and how it is done.

Nothing here knows of widgets. A stage goes on where it stopped, because what is left to do is
read from the log: whoever pauses, stops or kills one loses nothing that was finished.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from samnb.engine import auto, queue, retrain
from samnb.engine.dataset import accepted
from samnb.engine.phases import phase_of
from samnb.engine.routing import AUDIT_RATE, DELTA, TARGET
from samnb.engine.session import Session
from samnb.engine.state import ItemState
from samnb.models.grid import GridLevel, GridSettings
from samnb.models.trainable import FinetuneSettings
from samnb.types import InputError, Step
from samnb.widgets.concept_drafts import is_draft

if TYPE_CHECKING:
    from samnb.models.concepts import ConceptSegmenter, ConceptVerifier

Tick: TypeAlias = Callable[[int, int, str], None]
"""Called with (done, in all, what is being done)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a person may set on the page.

    Attributes:
        grid: clicks per side of the grid from which auto masklets begin.
        n_masklets: auto masklets per medium at most.
        steps: optimiser steps of the tracker's retraining.
        segmenter: name or folder of the concept segmenter.
        captions: folder of text files, table of captions, or name of a captioner.
        target: allowed share of wrong answers among what a verifier decides alone.
        delta: chance that the bound on it does not hold.
        audit_rate: share of its decisions that people go on checking.
        seed: of all chance.
    """

    grid: int = 8
    n_masklets: int = 10
    steps: int = 100
    segmenter: str = "concept"
    captions: str = ""
    target: float = TARGET
    delta: float = DELTA
    audit_rate: float = AUDIT_RATE
    seed: int = 0


@dataclass(slots=True)
class Bench:
    """What stages work with; models are loaded once, when first needed."""

    session: Session
    settings: Settings = field(default_factory=Settings)
    _segmenter: tuple[str, ConceptSegmenter] | None = None

    def segmenter(self) -> ConceptSegmenter:
        """The segmenter that is set, or the version of it that the project promoted last.

        Raises:
            ModelError: it cannot be loaded.
        """
        from samnb.engine.concepts.lineage import promoted_path
        from samnb.engine.concepts.retrain import SEGMENTER
        from samnb.models.concept_registry import DEFAULT, load_concept_segmenter

        name = self.settings.segmenter.strip() or DEFAULT
        promoted = promoted_path(self.session.concepts, SEGMENTER) if name == DEFAULT else None
        name = str(promoted) if promoted is not None and promoted.is_file() else name
        if self._segmenter is None or self._segmenter[0] != name:
            self._segmenter = name, load_concept_segmenter(name)
        return self._segmenter[1]

    def verifier(self) -> ConceptVerifier | None:
        """The verifier that the project promoted last, else the one that ships where it can
        ask the segmenter; None without either.

        Raises:
            ModelError: it cannot be loaded.
        """
        from samnb.engine.concepts.lineage import promoted_path
        from samnb.engine.concepts.retrain import VERIFIER
        from samnb.models.verifier_aids import segmenter_aids
        from samnb.models.verifier_shipped import has_foundation, load_foundation
        from samnb.models.verifier_small import load_verifier

        segmenter = self.segmenter()
        path = promoted_path(self.session.concepts, VERIFIER)
        if path is not None:
            return load_verifier(path, segmenter_aids(segmenter))
        return load_foundation(segmenter) if has_foundation(segmenter) else None


@dataclass(frozen=True, slots=True)
class Left:
    """What is left for a stage to do.

    Attributes:
        n: how many; 0 where it has nothing to do.
        words: what they are.
    """

    n: int
    words: str


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a loop.

    Attributes:
        key: its name in the program.
        loop: "masklets" or "concepts".
        name: for people.
        what: what it does, in a sentence.
        left: reads from the session's state what is left; cheap.
        run: does it and returns what came of it; None for work of people.
        is_in_loop: part of going round once; retraining is started by itself.
    """

    key: str
    loop: str
    name: str
    what: str
    left: Callable[[Session], Left]
    run: Callable[[Bench, Tick, threading.Event], str] | None = None
    is_in_loop: bool = True


# -- auto masklets ---------------------------------------------------------------------


def media_without_auto(session: Session) -> list[str]:
    """Media whose file is at hand and which have no auto masklet."""
    state = session.state
    have = {s.item.media_id for s in state.items.values() if s.item.source == "auto"}
    paired = {p.item.media_id for p in session.concepts.state.pairs.values()}
    return [
        m.id
        for m in state.media.values()
        if m.id not in have and m.id not in paired and m.path and Path(m.path).exists()
    ]


def _propose(bench: Bench, tick: Tick, cancel: threading.Event) -> str:
    todo = media_without_auto(bench.session)
    level = GridLevel(bench.settings.grid)
    settings = auto.AutoSettings(GridSettings((level,)), limit=bench.settings.n_masklets)
    n_made = n_known = 0
    for at, media_id in enumerate(todo):
        name = bench.session.media(media_id).name

        def tell(stage: str, done: int, total: int, at: int = at, name: str = name) -> None:
            part = done / max(total, 1) / 2 + (0.5 if stage == "track" else 0.0)
            tick(round(100 * (at + part)), 100 * len(todo), f"{name}: {stage} {done} of {total}")

        made = auto.propose_masklets(
            bench.session, media_id, settings, on_progress=tell, cancel=cancel
        )
        n_made, n_known = n_made + len(made.item_ids), n_known + made.n_known
        if made.status != "done":
            break
    return f"{n_made} masklets proposed, {n_known} dropped as objects known already"


# -- propagation ------------------------------------------------------------------------


def to_propagate(session: Session) -> dict[str, list[ItemState]]:
    """Objects by medium that have prompts, lack frames, and that nobody is working on."""
    found: dict[str, list[ItemState]] = {}
    now_s, who = session.clock(), session.worker.id
    for state in session.state.items.values():
        if (
            state.step is Step.TRACK
            and not state.is_deleted
            and not is_draft(state.item)
            and phase_of(state.item).has_tracker
            and any(frame.prompts for frame in state.frames.values())
            and not queue.is_claimed_by_other(state, who, now_s)
            and session.missing_frames(state.item.id)
        ):
            found.setdefault(state.item.media_id, []).append(state)
    return found


def _runs(session: Session, items: list[ItemState]) -> Iterator[tuple[list[str], int, int]]:
    """Objects with the first and last frame to run over: to the end, then to the start."""
    grid = session.annotation_frames(items[0].item.media_id)
    for is_forward in (True, False):
        ids, starts = [], []
        for state in items:
            first = min(idx for idx, frame in state.frames.items() if frame.prompts)
            missing = session.missing_frames(state.item.id)
            if any((idx > first) is is_forward for idx in missing):
                ids.append(state.item.id)
                starts.append(first)
        if ids and is_forward:
            yield ids, min(starts), grid[-1]
        elif ids:
            yield ids, max(starts), grid[0]


def _propagate(bench: Bench, tick: Tick, cancel: threading.Event) -> str:
    session = bench.session
    todo = to_propagate(session)
    n_frames = 0
    for at, (media_id, items) in enumerate(todo.items()):
        if cancel.is_set():
            break
        name = session.media(media_id).name
        for ids, start, stop in _runs(session, items):

            def tell(done: int, total: int, at: int = at, name: str = name) -> None:
                share = done / max(total, 1)
                tick(round(100 * (at + share)), 100 * len(todo), f"{name}: {done} of {total}")

            made = session.propagate(
                media_id, ids, start=start, stop=stop, cancel=cancel, on_progress=tell
            )
            n_frames += made.n_frames
            if made.status != "done":
                break
    return f"{n_frames} frames tracked, all kept"


# -- failures and retraining -----------------------------------------------------------


def _failures(session: Session) -> Left:
    n = sum(auto.is_failure(s) for s in session.state.items.values())
    return Left(n, "unsatisfactory auto masklets")


def _sample(bench: Bench, _tick: Tick, _cancel: threading.Event) -> str:
    found = auto.sample_failures(bench.session, seed=bench.settings.seed)
    return f"{len(found.kept)} kept for annotators, {len(found.dropped)} dropped"


def _verified(session: Session) -> Left:
    rows = accepted(session.state)
    media = {session.state.items[p.item_id].item.media_id for p in rows}
    return Left(len(rows), f"verified masklets on {len(media)} media to learn from")


def _retrain(bench: Bench, tick: Tick, cancel: threading.Event) -> str:
    def tell(now: retrain.Progress) -> None:
        loss = "" if now.loss is None else f", loss {now.loss:.3f}"
        tick(now.done, now.total, f"{now.stage} {now.done} of {now.total}{loss}")

    if bench.settings.steps < 1:
        raise InputError(f"steps: expected at least 1, got {bench.settings.steps}")
    made = retrain.retrain(
        bench.session,
        FinetuneSettings(steps=bench.settings.steps),
        seed=bench.settings.seed,
        on_progress=tell,
        cancel=cancel,
    )
    return f"{made.model or 'no new version'}: {made.status}, {made.reason}"


def _waiting(step: Step, words: str) -> Callable[[Session], Left]:
    def left(session: Session) -> Left:
        rows = session.state.items.values()
        n = sum(s.step is step and not s.is_deleted and not is_draft(s.item) for s in rows)
        return Left(n, words)

    return left


MASKLET_STAGES: Final = (
    Stage(
        "auto", "masklets", "Auto masklets",
        "A grid of clicks on the first frame, tracked through the video, sent to verifiers.",
        lambda s: Left(len(media_without_auto(s)), "media without any"), _propose,
    ),
    Stage(
        "propagate", "masklets", "Propagate",
        "Follow objects that have clicks to the frames that have no answer yet.",
        lambda s: Left(sum(map(len, to_propagate(s).values())), "objects lack frames"),
        _propagate,
    ),
    Stage(
        "track", "masklets", "Annotate",
        "People finish and hand in objects: the annotate page.",
        _waiting(Step.TRACK, "objects with annotators"),
    ),
    Stage(
        "verify", "masklets", "Verify",
        "People say whether masklets are good on all frames: the review page.",
        _waiting(Step.VERIFY, "masklets wait for a verifier"),
    ),
    Stage(
        "failures", "masklets", "Sample failures",
        "Of unsatisfactory auto masklets a sample goes to annotators, the others are dropped.",
        _failures, _sample,
    ),
    Stage(
        "retrain", "masklets", "Retrain the tracker",
        "Fine-tune on verified masklets; promoted only if better on held-out media.",
        _verified, _retrain, is_in_loop=False,
    ),
)  # fmt: skip
"""The masklet loop, in its order."""
