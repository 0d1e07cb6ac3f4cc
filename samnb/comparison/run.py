"""``compare``: both engines on the same media and budget, or two logs of people's work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from samnb.comparison import pace
from samnb.comparison.account import CONCEPTS, MASKLETS, SAME_IOU, Account, account_of
from samnb.comparison.engines import Terms, run_concepts, run_masklets
from samnb.comparison.growth import LEVEL
from samnb.comparison.metrics import Prices
from samnb.comparison.preparing import give_leave, prepare
from samnb.comparison.table import Comparison, Run
from samnb.comparison.world import CommonWorld, make_common_world, read_common_world
from samnb.engine.concepts.trainers import VerifierTrainer
from samnb.engine.concepts.world import make_world
from samnb.engine.core import Core
from samnb.engine.effort import Source
from samnb.models.base import Tracker
from samnb.models.concepts import ConceptSegmenter
from samnb.store.db import Log
from samnb.types import InputError

Progress = Callable[[str, float, float, str], None]
"""Called with (engine and seed, minutes spent, minutes allowed, what comes next)."""
SEEDS: Final = (0, 1, 2)
_WARMUP_SEED: Final = 500_000  # its pictures are no clip's scene


@dataclass(frozen=True, slots=True)
class Media:
    """What both engines work on.

    Attributes:
        truth: root of a data set in DAVIS's or SA-V's layout of frame folders; None makes
            clips up.
        phrases: for a data set, see :func:`samnb.comparison.world.read_common_world`.
        clips: made-up clips at most; the budget ends the work before.
        frames: of a made-up clip; with one frame the media are still pictures.
        sampled: frames per clip that the concept engine is asked about; None is 1 of a
            made-up clip and 2 of a real one.
        positives: phrases per such frame that name something; None is 2 of a made-up clip
            and all of a real one.
        negatives: phrases per such frame that name nothing; None is 6, or all.
        size_hw: of made-up frames.
        difficulty: of made-up clips, 0 to 1.
        warmup: further made-up pictures on which the AI verifiers earn their leave
            beforehand; with 0, and on real clips always, they do so within the budget.
    """

    truth: str | Path | None = None
    phrases: Mapping[str, Mapping[str, Sequence[str | int]]] | str | Path | None = None
    clips: int = 30
    frames: int = 6
    sampled: int | None = None
    positives: int | None = None
    negatives: int | None = None
    size_hw: tuple[int, int] = (160, 208)
    difficulty: float = 0.4
    warmup: int = 16

    def world(self, folder: Path, seed: int) -> CommonWorld:
        """The clips of a seed."""
        if self.truth is not None:
            return read_common_world(
                self.truth, phrases=self.phrases, n_sampled=self.sampled or 2,
                n_positives=self.positives, n_negatives=self.negatives, seed=seed,
            )  # fmt: skip
        return make_common_world(
            folder, self.clips, seed=seed, n_frames=self.frames, n_sampled=self.sampled or 1,
            n_positives=2 if self.positives is None else self.positives,
            n_negatives=6 if self.negatives is None else self.negatives,
            size_hw=self.size_hw, difficulty=self.difficulty,
        )  # fmt: skip


def compare(
    first: str | Path | Source,
    second: str | Path | Source | None = None,
    *,
    minutes: float = 60.0,
    seeds: Sequence[int] = SEEDS,
    truth: str | Path | None = None,
    media: Media | None = None,
    world: CommonWorld | None = None,
    tracker: Tracker | str = "mobile",
    segmenter: ConceptSegmenter | str = "concept",
    trainer: VerifierTrainer | None = None,
    terms: Terms | None = None,
    prices: Prices | None = None,
    on_progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> Comparison:
    """Set SAM 2's engine and SAM 3's side by side, everything measured from their logs.

    With two sources, ``compare("ana.samnb", "bo.samnb")``, two existing projects are
    compared: real people's or simulated ones, each by whichever engine wrote it.

    With one, both engines are run with simulated people on the same media until the same
    people's minutes are spent. The masklet engine annotates every object of a clip on all its
    frames; the concept engine decides phrases on frames of the same clips. Every run writes
    ordinary projects; what their logs hold is not done again, so an interrupted comparison
    goes on when it is called again.

    Args:
        first: a folder for the projects (or a ``.samnb`` file, beside which they go); with
            ``second``: a project file, session, log or events.
        second: the other project.
        minutes: people's minutes per engine and seed.
        seeds: of simulated runs.
        truth: data set folder, short for ``media=Media(truth=...)``.
        media: what to work on.
        world: the truth about two given projects, for scores; or clips to run on.
        tracker: the model in the masklet engine.
        segmenter: the model in the concept engine.
        trainer: trains AI verifiers; None takes the small one.
        terms: how people work; its ``minutes`` and ``seed`` are set from the others.
        prices: what hours cost, for costs in money.
        on_progress: called before each clip.
        cancel: set it from another thread to stop; what is done is measured.

    Raises:
        InputError: no seed, or no minute.
    """
    if second is not None:
        return _compare_logs(first, second, world, prices)
    if not isinstance(first, str | Path):
        raise InputError("first: expected a folder for the projects, or two logs, got one log")
    if not seeds or not minutes > 0:
        raise InputError(
            f"seeds, minutes: expected at least one and above 0, got {seeds}, {minutes}"
        )
    media = media or Media()
    if truth is not None:
        media = replace(media, truth=truth)
    root, prefix = _place(Path(first))
    loaded = _load(tracker, segmenter)
    runs = []
    for seed in seeds:
        mine = replace(terms or Terms(), minutes=minutes, seed=seed)
        job = _Job(root, prefix, mine, media, world, loaded, trainer, on_progress, cancel)
        runs.append(job.run())
        if cancel is not None and cancel.is_set():
            break
    above = terms.leave_above if terms is not None else None
    return Comparison(tuple(runs), _notes(minutes, media, runs, above), prices)


def _place(path: Path) -> tuple[Path, str]:
    if path.suffix == ".samnb":
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.parent, f"{path.stem}-"
    path.mkdir(parents=True, exist_ok=True)
    return path, ""


def _load(
    tracker: Tracker | str, segmenter: ConceptSegmenter | str
) -> tuple[Tracker, ConceptSegmenter]:
    from samnb.engine.concepts.proposing import load
    from samnb.models import registry

    made = registry.load_model(tracker) if isinstance(tracker, str) else tracker
    return made, load(segmenter)


@dataclass(frozen=True, slots=True)
class _Job:
    """Both engines with one seed."""

    root: Path
    prefix: str
    terms: Terms
    media: Media
    world: CommonWorld | None
    models: tuple[Tracker, ConceptSegmenter]
    trainer: VerifierTrainer | None
    on_progress: Progress | None
    cancel: threading.Event | None

    def path(self, what: str, suffix: str = ".samnb") -> Path:
        return self.root / f"{self.prefix}{what}-{self.terms.seed}{suffix}"

    def tell(self, what: str) -> Callable[[float, float, str], None] | None:
        if self.on_progress is None:
            return None
        told, name = self.on_progress, f"{what}, seed {self.terms.seed}"
        return lambda done, total, next_: told(name, done, total, next_)

    def run(self) -> Run:
        world = self.world or self.media.world(self.path("media", ""), self.terms.seed)
        tracker, segmenter = self.models
        is_given = self.terms.leave_above is not None
        is_made_up = self.world is None and self.media.truth is None
        is_prepared = is_made_up and self.media.warmup > 0 and not is_given
        run_masklets(
            self.path(MASKLETS), world, tracker, self.terms,
            on_progress=self.tell(MASKLETS), cancel=self.cancel,
        )  # fmt: skip
        prepared = self._prepare(segmenter) if is_prepared and not self.is_cancelled else None
        if is_given:
            prepared = give_leave(None, self.terms, segmenter)
        if not self.is_cancelled:
            run_concepts(
                self.path(CONCEPTS), world, segmenter, self.terms, prepared=prepared,
                trainer=self.trainer, on_progress=self.tell(CONCEPTS), cancel=self.cancel,
            )  # fmt: skip
        before = self.path("warmup") if is_prepared else None
        paths = {name: self.path(name) for name in (MASKLETS, CONCEPTS)}
        accounts = {
            name: _account(path, world, before if name == CONCEPTS else None)
            for name, path in paths.items()
            if path.is_file()
        }
        once = _account(before, None, None) if before is not None and before.is_file() else None
        return Run(self.terms.seed, accounts, once)

    @property
    def is_cancelled(self) -> bool:
        return self.cancel is not None and self.cancel.is_set()

    def _prepare(self, segmenter: ConceptSegmenter) -> Any:
        media = self.media
        pictures = make_world(
            self.path("warmup-pictures", ""), media.warmup,
            seed=_WARMUP_SEED + self.terms.seed,
            n_positives=2 if media.positives is None else media.positives,
            n_negatives=6 if media.negatives is None else media.negatives,
            difficulty=media.difficulty, size_hw=media.size_hw, split="test",
        )  # fmt: skip
        return prepare(
            self.path("warmup"), pictures, segmenter, self.terms, trainer=self.trainer,
            on_progress=self.tell("warm-up"),
        )  # fmt: skip


def _account(path: Path, world: CommonWorld | None, before: Path | None) -> Account:
    log = Log(path)
    earlier = Log(before) if before is not None and before.is_file() else None
    try:
        return account_of(log, world=world, before=earlier)
    finally:
        log.close()
        if earlier is not None:
            earlier.close()


# -- two given logs ----------------------------------------------------------------------


def _compare_logs(
    first: str | Path | Source,
    second: str | Path | Source,
    world: CommonWorld | None,
    prices: Prices | None,
) -> Comparison:
    accounts = [_given(source, world) for source in (first, second)]
    names = [a.engine for a in accounts]
    if names[0] == names[1]:
        labels = [_label(source, n) for n, source in enumerate((first, second), 1)]
        names = labels if labels[0] != labels[1] else [f"{w} {n}" for n, w in enumerate(labels, 1)]
    run = Run(None, dict(zip(names, accounts, strict=True)))
    return Comparison((run,), _definitions() | _LIMITS_OF_LOGS, prices)


def _given(source: str | Path | Source, world: CommonWorld | None) -> Account:
    if isinstance(source, str | Path):
        if not Path(source).is_file():
            raise InputError(f"log: expected a project file, got {source}")
        return _account(Path(source), world, None)
    return account_of(source, world=world)


def _label(source: str | Path | Source, number: int) -> str:
    if isinstance(source, str | Path):
        return Path(source).stem
    project = source.state.project if isinstance(source, Core) else None
    return project.name if project is not None and project.name else f"log {number}"


# -- what was done -----------------------------------------------------------------------


def _definitions() -> dict[str, str]:
    return {
        "item": "an object in a clip; a phrase asked of a frame",
        "touch": "one turn of a person: an object picked, a masklet handed in, a verdict; an "
        "answer about a pair",
        "verified mask": "a mask that shows something, of an accepted masklet or a final pair",
        "different things": f"masks of one frame with IoU below {SAME_IOU:g} among them: one thing "
        "may have several phrases",
        "J&F": "masklets: mean over objects, all frames; pairs: mean over true instances asked "
        "for, 0 for one without a mask",
        "scaling": "people's seconds per item of the k-th medium fitted by a + b log2 k, least "
        f"squares, {LEVEL:.0%} interval; b as a share of the mean",
        "machine": "seconds of this machine's clock, training included",
        "±": "standard deviation over runs",
    }


_LIMITS_OF_LOGS: Final = {
    "limits": "two logs compare two pieces of work: other media, people or budgets show in "
    "every figure",
}


def _notes(
    minutes: float, media: Media, runs: Sequence[Run], leave_above: float | None
) -> dict[str, str]:
    what = (
        f"made-up clips of {media.frames} frames"
        if media.truth is None
        else f"clips of {Path(media.truth).name}"
    )
    notes = {
        "runs": f"{len(runs)}, {minutes:g} simulated people's minutes for each engine, {what}; the "
        "medium begun last is finished",
    }
    once = [r.once for r in runs if r.once is not None]
    if once:
        each = sum(a.people_s for a in once) / len(once) / 60
        notes["one-time cost"] = (
            f"{each:.0f} people's minutes per run beforehand, in which the AI verifiers "
            "were checked on other pictures; in no other figure, as the training of the models "
            "that ship is in none"
        )
    if leave_above is not None:
        notes["leave"] = (
            f"AI verifiers decide from confidence {leave_above:g} on: given, not earned"
        )
    limits = (
        "the engines make different things: masks of objects through time without words, and "
        "decisions about phrases on single frames, most of them that nothing is there; simulated "
        "people follow the papers' averages, so figures tell of these models on these media and "
        "not of people; reviewers of pairs err as in the SAM 3 paper's table 23, verifiers of "
        "masklets never, for the SAM 2 paper tells no accuracy; on clips as short as these a "
        "masklet's first frame weighs much"
    )
    return notes | pace.definitions() | _definitions() | {"limits": limits}


__all__ = ["SEEDS", "Media", "compare"]
