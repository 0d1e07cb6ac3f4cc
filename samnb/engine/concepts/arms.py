"""Four ways of working on the same pairs: the SAM 3 paper's comparison, simulated.

As in the paper (arXiv 2511.16719, table 15): a person draws everything from the phrase; a
person corrects proposed masks; people do MV, EV and correction; AI verifiers do MV and EV
and people see what they are asked about, the audit and the corrections. Every arm writes an
ordinary project with the same pictures and phrases, and every figure is read from its log.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from samnb.engine.concepts import timing
from samnb.engine.concepts.quality import score_pairs
from samnb.engine.concepts.reviewers import SimulatedReviewer, Skill
from samnb.engine.concepts.session import ConceptSession
from samnb.engine.concepts.state import PairState
from samnb.engine.concepts.timing import (
    AI_ENGINE,
    ALL_HUMAN,
    ARMS,
    FROM_MASKS,
    FROM_PHRASE,
    NEGATIVE_SHARE,
    PAPER,
    ArmTimes,
)
from samnb.engine.concepts.verifying import Router
from samnb.engine.concepts.world import ConceptWorld
from samnb.engine.session import Session
from samnb.engine.simulation import CountedIds, SimulatedClock
from samnb.engine.workers import simulated
from samnb.events.concepts import ConceptStep, ConceptTask, RoutingSwitched
from samnb.models.concepts import ConceptSegmenter, ConceptVerifier
from samnb.types import InputError

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[int, int, str], None]
"""Called with (steps done, steps in all, what comes next)."""

REVIEWERS: Final = {
    ConceptTask.MV: "mv-reviewer",
    ConceptTask.EV: "ev-reviewer",
    ConceptTask.CORRECT: "corrector",
    ConceptTask.CONFIRM: "confirmer",
}
"""One simulated worker per task, kept apart as in the paper."""


@dataclass(frozen=True, slots=True)
class Verification:
    """How AI verifiers take part.

    Attributes:
        verifier: answers MV and EV.
        switches: the leave that it has, by task.
        router: decides who decides; None goes by the switches.
    """

    verifier: ConceptVerifier
    switches: Sequence[RoutingSwitched]
    router: Router | None = None


@dataclass(frozen=True, slots=True)
class ArmRow:
    """What one arm cost and gave.

    Attributes:
        times: modelled seconds per pair, from the log.
        positive_touches: answers of people per positive pair.
        negative_touches: answers of people per negative pair.
        seen_share: share of the pairs that a person saw at all.
        scores: of the finished data set against the truth, see ``CgScore.to_dict``.
        n_pairs: pairs in all.
        n_rejected: pairs that were dropped; they count as nothing found.
    """

    arm: str
    times: ArmTimes
    positive_touches: float
    negative_touches: float
    seen_share: float
    scores: dict[str, Any]
    n_pairs: int
    n_rejected: int

    def touches(self, negative_share: float = NEGATIVE_SHARE) -> float:
        """Answers of people per pair of a mix."""
        return negative_share * self.negative_touches + (1 - negative_share) * self.positive_touches


@dataclass(frozen=True, slots=True)
class ArmTable:
    """The arms side by side, ours beside the paper's."""

    rows: tuple[ArmRow, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row per arm.

        Columns: arm, pairs, positive_s, negative_s, mix_s (modelled seconds per pair),
        paper_positive_s, paper_negative_s, paper_mix_s, positive_touches,
        negative_touches, mix_touches, seen_share, cgf1 (times 100), il_mcc, pmf1, rejected.
        """
        import pandas as pd

        return pd.DataFrame([_frame_row(row) for row in self.rows])

    def ratios(self) -> pd.DataFrame:
        """How much faster AI verifiers make the engine, against all-human work.

        Columns: pairs ("positive", "negative", "mix"), time (ours), paper, touches. Empty
        without both arms.
        """
        import pandas as pd

        by_arm = {row.arm: row for row in self.rows}
        columns = ["pairs", "time", "paper", "touches"]
        if not {ALL_HUMAN, AI_ENGINE} <= by_arm.keys():
            return pd.DataFrame(columns=columns)
        slow, fast = by_arm[ALL_HUMAN], by_arm[AI_ENGINE]
        was, now = PAPER[ALL_HUMAN], PAPER[AI_ENGINE]
        rows = [
            ("positive", slow.times.positive_s, fast.times.positive_s, was.positive_s,
             now.positive_s, slow.positive_touches, fast.positive_touches),
            ("negative", slow.times.negative_s, fast.times.negative_s, was.negative_s,
             now.negative_s, slow.negative_touches, fast.negative_touches),
            ("mix", slow.times.mix_s(), fast.times.mix_s(), was.mix_s(),
             now.mix_s(), slow.touches(), fast.touches()),
        ]  # fmt: skip
        return pd.DataFrame(
            [(name, _over(a, b), _over(c, d), _over(e, f)) for name, a, b, c, d, e, f in rows],
            columns=columns,
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: ``rows``, ``ratios`` and ``definitions``."""
        import json

        return {
            "rows": json.loads(self.to_frame().to_json(orient="records")),
            "ratios": json.loads(self.ratios().to_json(orient="records")),
            "definitions": timing.definitions(),
        }

    def __str__(self) -> str:
        parts = [self.to_frame().round(2).to_string(index=False)]
        ratios = self.ratios()
        if len(ratios):
            parts.append("all human / AI verifiers\n" + ratios.round(2).to_string(index=False))
        parts += [f"{word}: {meaning}" for word, meaning in timing.definitions().items()]
        return "\n".join(parts)

    def _repr_html_(self) -> str:
        notes = "".join(f"<li>{k}: {v}</li>" for k, v in timing.definitions().items())
        # One column an arm: so many figures do not fit side by side on a notebook's page.
        text = self.to_frame().round(2).set_index("arm").rename_axis(None).T.to_html()
        ratios = self.ratios().round(2)
        return text + (ratios.to_html(index=False) if len(ratios) else "") + f"<ul>{notes}</ul>"


def _over(a: float, b: float) -> float:
    return a / b if b else float("inf")


def _frame_row(row: ArmRow) -> dict[str, Any]:
    paper = PAPER[row.arm]
    return {
        "arm": row.arm,
        "pairs": row.n_pairs,
        "positive_s": row.times.positive_s,
        "negative_s": row.times.negative_s,
        "mix_s": row.times.mix_s(),
        "paper_positive_s": paper.positive_s,
        "paper_negative_s": paper.negative_s,
        "paper_mix_s": paper.mix_s(),
        "positive_touches": row.positive_touches,
        "negative_touches": row.negative_touches,
        "mix_touches": row.touches(),
        "seen_share": row.seen_share,
        "cgf1": row.scores["cgf1"],
        "il_mcc": row.scores["il_mcc"],
        "pmf1": row.scores["pmf1"],
        "rejected": row.n_rejected,
    }


@contextmanager
def simulated_loop(
    target: str | Path, seed: int, worker: str = "organiser"
) -> Iterator[tuple[ConceptSession, SimulatedClock]]:
    """Open a project on a simulated clock, going on from where its log ends."""
    clock, ids = SimulatedClock(), CountedIds(seed)
    session = Session.open(target, worker=simulated(worker), clock=clock, ids=ids)
    try:
        events = session.log.read()
        clock.now_s = max(event.at_s for event in events)
        ids.skip(3 * len(events))  # an event names at most a few new ids, so none comes twice
        yield session.concepts, clock
    finally:
        session.close()


def run_arms(
    folder: str | Path,
    world: ConceptWorld,
    segmenter: ConceptSegmenter,
    verification: Verification | None = None,
    *,
    arms: Sequence[str] = ARMS,
    skill: Skill | None = None,
    seed: int = 0,
    on_progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> ArmTable:
    """Work through the same pairs in each of the arms.

    What an arm's log already holds is not done again, so an interrupted run is resumed by
    the same call. The same arguments on a new folder give the same logs.

    Args:
        folder: gets one project file per arm.
        world: pictures, their phrases and the truth.
        segmenter: proposes masks in all arms but the first; a picture is looked at once.
        verification: AI verifiers; needed for the arm that has them.
        arms: which to run.
        skill: how well simulated people work.
        seed: of all chance in the run.
        on_progress: called before each step.
        cancel: set it from another thread to stop; the table then has the finished arms.

    Raises:
        InputError: an unknown arm, or AI verifiers wanted and none given.
    """
    unknown = [a for a in arms if a not in ARMS]
    if unknown:
        raise InputError(f"arms: expected some of {list(ARMS)}, got {unknown}")
    if AI_ENGINE in arms and verification is None:
        raise InputError(f"verification: expected AI verifiers for {AI_ENGINE!r}, got none")
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    seen = _Remembering(segmenter)
    rows: list[ArmRow] = []
    for at, arm in enumerate(arms):
        if cancel is not None and cancel.is_set():
            break
        if on_progress is not None:
            on_progress(at, len(arms), arm)
        target = place / f"arm-{ARMS.index(arm) + 1}.samnb"
        with simulated_loop(target, seed) as (loop, clock):
            job = _Arm(loop, clock, world, skill or Skill(), seed, cancel)
            job.run(arm, seen, verification if arm == AI_ENGINE else None)
            if not job.is_cancelled:
                rows.append(job.row(arm))
    if on_progress is not None and len(rows) == len(arms):
        on_progress(len(arms), len(arms), "")
    return ArmTable(tuple(rows))


class _Remembering:
    """A segmenter that looks at each picture once, however many arms ask."""

    def __init__(self, segmenter: ConceptSegmenter) -> None:
        self._segmenter, self.name = segmenter, segmenter.name
        self.segment_video = segmenter.segment_video
        self._known: dict[tuple[int, str], Any] = {}

    def segment(self, image: Any, phrases: Sequence[str], exemplars: Any = None) -> tuple[Any, ...]:
        """See :class:`ConceptSegmenter`."""
        picture = hash(image.tobytes())
        new = [p for p in phrases if (picture, p) not in self._known]
        if new:
            found = self._segmenter.segment(image, new, exemplars)
            self._known.update(zip(((picture, p) for p in new), found, strict=True))
        return tuple(self._known[picture, p] for p in phrases)


class _Arm:
    """One project with its simulated workers."""

    def __init__(
        self,
        loop: ConceptSession,
        clock: SimulatedClock,
        world: ConceptWorld,
        skill: Skill,
        seed: int,
        cancel: threading.Event | None,
    ) -> None:
        self._loop, self._clock, self._world = loop, clock, world
        self._reviewer = SimulatedReviewer(world, skill, clock=clock, seed=seed)
        self._cancel = cancel
        self._doors = {
            task: loop.session.as_worker(simulated(name)).concepts
            for task, name in REVIEWERS.items()
        }

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody asked to stop."""
        return self._cancel is not None and self._cancel.is_set()

    def run(self, arm: str, segmenter: ConceptSegmenter, verification: Verification | None) -> None:
        """Do all the work of an arm that its log does not hold yet."""
        add_world(self._loop, self._world)
        if arm == FROM_PHRASE:
            for pair in self._at(ConceptStep.PROPOSE):
                self._loop.propose_masks(pair.id, [], presence=0.5)
        else:
            self._loop.propose(segmenter, cancel=self._cancel)
        if arm in (FROM_PHRASE, FROM_MASKS):
            for pair in (*self._at(ConceptStep.MV), *self._at(ConceptStep.EV)):
                self._loop.send_to_correction(pair.id, arm)
            self._people(ConceptTask.CORRECT)
            return
        for task in (ConceptTask.MV, ConceptTask.EV):
            if verification is not None:
                self._models(task, verification)
            self._people(task)
        self._people(ConceptTask.CORRECT)

    def _at(self, step: ConceptStep) -> list[PairState]:
        return [p for p in self._loop.refresh().pairs.values() if p.step is step]

    def _models(self, task: ConceptTask, by: Verification) -> None:
        for switch in by.switches:
            self._loop.switch_routing(switch)
        self._loop.verify(by.verifier, [task], router=by.router, cancel=self._cancel)

    def _people(self, task: ConceptTask) -> None:
        self._reviewer.work(self._doors[task], task, cancel=self._cancel)

    def row(self, arm: str) -> ArmRow:
        """Read from the log what the arm came to."""
        loop = self._loop
        pairs = list(loop.refresh().pairs.values())
        truth = {p.id: self._world.find(loop.session.media(p.item.media_id), p.phrase)
                 for p in pairs}  # fmt: skip
        groups = {sign: [p for p in pairs if bool(truth[p.id]) is sign] for sign in (True, False)}
        times = ArmTimes(*(_mean(_seconds(p) for p in groups[sign]) for sign in (True, False)))
        touches = [_mean(_touches(p) for p in groups[sign]) for sign in (True, False)]
        return ArmRow(
            arm,
            times,
            touches[0],
            touches[1],
            _mean(float(_touches(p) > 0) for p in pairs),
            score_pairs(loop, self._world).to_dict(),
            len(pairs),
            sum(p.step is ConceptStep.REJECTED for p in pairs),
        )


def add_world(loop: ConceptSession, world: ConceptWorld, held_out_share: float = 0.0) -> None:
    """Make a world's pictures and phrases part of a project, an even share held out."""
    for at, picture in enumerate(world.pictures):
        media = loop.session.add_media(picture.path)
        is_apart = int((at + 1) * held_out_share) > int(at * held_out_share)
        loop.add_pairs(
            media.id, picture.positives, origin="mined", source="the world", is_held_out=is_apart
        )
        for phrase, parent in picture.negatives:
            loop.add_pairs(
                media.id,
                [phrase],
                origin="hard_negative",
                parent_phrase=parent,
                source="the world",
                is_held_out=is_apart,
            )


def _answers(pair: PairState) -> list[Any]:
    return [a for a in (*pair.past, *pair.answers) if a.is_person]


def _touches(pair: PairState) -> int:
    return len(_answers(pair))


def _seconds(pair: PairState) -> float:
    return sum(a.seconds_s or 0.0 for a in _answers(pair))


def _mean(values: Iterator[float]) -> float:
    rows = list(values)
    return sum(rows) / len(rows) if rows else float("nan")
