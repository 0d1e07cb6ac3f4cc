"""The whole loop on made-up pictures: mine, propose, verify, ask people, retrain, go round.

Media that are held out are never decided by a model: people answer everything about them.
They are what models are measured on, and the evidence that lets a verifier decide elsewhere.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from samnb.engine.concepts import lineage, stats
from samnb.engine.concepts.arms import (
    Progress,
    simulated_loop,
)
from samnb.engine.concepts.examples import PairExample
from samnb.engine.concepts.mining import HELD_OUT_SHARE, mine, mine_negatives
from samnb.engine.concepts.quality import score_pairs
from samnb.engine.concepts.retrain import measure, retrain_segmenter, retrain_verifier
from samnb.engine.concepts.reviewers import Skill
from samnb.engine.concepts.session import ConceptSession
from samnb.engine.concepts.trainers import SegmenterTrainer, VerifierTrainer
from samnb.engine.concepts.warmup import People, Targets, decide, switch_on
from samnb.engine.concepts.world import ConceptWorld
from samnb.engine.simulation import SimulatedClock
from samnb.language.captions import PictureCaptions
from samnb.models.concepts import ConceptSegmenter, ConceptVerifier
from samnb.types import FlowError

if TYPE_CHECKING:
    import pandas as pd

# -- three times round -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CycleRow:
    """What one time round the loop came to.

    Attributes:
        pairs: pairs decided in it.
        negatives: of them, verified negatives.
        seen_share: share of them that a person saw, held-out media left out.
        touches: answers of people per pair, likewise.
        seconds_s: modelled seconds of people per pair, likewise.
        data_cgf1: of all decided pairs against the truth, times 100.
        model_cgf1: of the segmenter after the cycle on the held-out pairs so far, as people
            decided them, times 100.
        before_cgf1: of the segmenter before the cycle on the test pictures' true masks, times
            100; NaN without test pictures.
        after_cgf1: likewise after it.
        mv_accuracy: of the verifier after the cycle, on unseen pictures, against people.
        ev_accuracy: likewise.
        segmenter: the version after the cycle.
        verifier: the version after the cycle.
        notes: why versions were promoted or not.
    """

    cycle: int
    pairs: int
    negatives: int
    seen_share: float
    touches: float
    seconds_s: float
    data_cgf1: float
    model_cgf1: float
    mv_accuracy: float
    ev_accuracy: float
    segmenter: str
    verifier: str
    notes: tuple[str, ...] = ()
    before_cgf1: float = float("nan")
    after_cgf1: float = float("nan")


@dataclass(frozen=True, slots=True)
class CycleTable:
    """The cycles one under the other."""

    rows: tuple[CycleRow, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row per cycle; the columns are the fields of :class:`CycleRow`, notes left out."""
        import pandas as pd

        names = [n for n in CycleRow.__dataclass_fields__ if n != "notes"]
        return pd.DataFrame([{n: getattr(r, n) for n in names} for r in self.rows], columns=names)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: ``rows`` and ``notes``."""
        import json

        return {
            "rows": json.loads(self.to_frame().to_json(orient="records")),
            "notes": [list(row.notes) for row in self.rows],
        }

    def __str__(self) -> str:
        notes = [f"cycle {row.cycle}: {note}" for row in self.rows for note in row.notes]
        return "\n".join([self.to_frame().round(3).to_string(index=False), *notes])


def run_cycles(
    target: str | Path,
    worlds: tuple[ConceptWorld, ...],
    segmenter: ConceptSegmenter,
    *,
    skill: Skill | None = None,
    targets: Targets | None = None,
    per_picture: int = 6,
    held_out_share: float = HELD_OUT_SHARE,
    verifier: ConceptVerifier | None = None,
    segmenter_trainer: SegmenterTrainer | None = None,
    verifier_trainer: VerifierTrainer | None = None,
    test: ConceptWorld | None = None,
    seed: int = 0,
    on_progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> CycleTable:
    """Go round the loop once per world: its pictures are mined, decided and learned from.

    In the first cycle people answer everything; from then on the verifier decides what its
    bound allows. Everything is in one log.

    Args:
        target: project file, made when missing.
        worlds: new pictures for each cycle.
        segmenter: the first version.
        skill: how well simulated people work.
        targets: the allowed errors; None is "as good as a person".
        per_picture: hard negatives added to a picture at most.
        held_out_share: share of media that are held out.
        verifier: one that is there already, such as a vision-language model; it stays as it
            is, and decides from the second cycle on like any other. None trains one.
        segmenter_trainer: see :func:`~samnb.engine.concepts.retrain.retrain_segmenter`.
        verifier_trainer: see :func:`~samnb.engine.concepts.retrain.retrain_verifier`.
        test: pictures that never enter the loop; every version that is used is measured on
            their true masks. Held-out pairs become more with every cycle, and people err about
            them; these stay the same.
        seed: of all chance.
        on_progress: called before each step.
        cancel: set it from another thread to stop after the present step.
    """
    skill = skill or Skill()
    run = _Cycles(skill, targets or Targets.as_people(skill), per_picture, held_out_share, seed)
    steps = len(worlds) * len(STEPS)
    every = ConceptWorld(tuple(p for w in worlds for p in w.pictures))
    rows: list[CycleRow] = []
    with simulated_loop(target, seed) as (loop, clock):
        run.begin(loop, clock, every, segmenter)
        run.trainers = (segmenter_trainer, verifier_trainer)
        run.verifier, run.is_learning = verifier, verifier is None
        run.tests = _true_pairs(test) if test is not None else []
        before = run.tested()
        for number, world in enumerate(worlds, 1):
            for at, (name, step) in enumerate(STEPS):
                if cancel is not None and cancel.is_set():
                    return CycleTable(tuple(rows))
                if on_progress is not None:
                    done = (number - 1) * len(STEPS) + at
                    on_progress(done, steps, f"cycle {number}: {name}")
                step(run, world)
            after = run.tested() if run.segmenter.name != _last(rows, segmenter.name) else before
            rows.append(replace(run.row(number), before_cgf1=before, after_cgf1=after))
            before = after
    if on_progress is not None:
        on_progress(steps, steps, "")
    return CycleTable(tuple(rows))


def _last(rows: list[CycleRow], first: str) -> str:
    return rows[-1].segmenter if rows else first


def _true_pairs(world: ConceptWorld) -> list[PairExample]:
    """The phrases of pictures with their true masks."""
    return [
        PairExample("", p.path.name, p.scene.image, phrase, p.scene.truth(phrase))
        for p in world.pictures
        for phrase in (*p.positives, *(q for q, _ in p.negatives))
    ]


class _Cycles:
    """The state of a run between its steps."""

    loop: ConceptSession
    people: People
    trainers: tuple[SegmenterTrainer | None, VerifierTrainer | None] = (None, None)
    tests: Sequence[PairExample] = ()

    def __init__(
        self, skill: Skill, targets: Targets, per_picture: int, held_out_share: float, seed: int
    ) -> None:
        self.skill, self.targets, self.seed = skill, targets, seed
        self.per_picture, self.held_out_share = per_picture, held_out_share
        self.verifier: ConceptVerifier | None = None
        self.deputy: ConceptVerifier | None = None  # the version before
        self.is_learning = True
        self.notes: list[str] = []
        self.before: set[str] = set()

    def begin(
        self,
        loop: ConceptSession,
        clock: SimulatedClock,
        every: ConceptWorld,
        segmenter: ConceptSegmenter,
    ) -> None:
        """Open the doors."""
        self.loop, self.clock, self.every, self.segmenter = loop, clock, every, segmenter
        self.people = People(loop, clock, every, self.skill, self.seed)

    def tested(self) -> float:
        """cgF1 of the present segmenter on the test pictures."""
        return measure(self.segmenter, self.tests)["cgf1"] if self.tests else float("nan")

    def mine(self, world: ConceptWorld) -> None:
        """Captions to phrases to pairs."""
        self.before = set(self.loop.refresh().pairs)
        self.notes = []
        media = [self.loop.session.add_media(p.path).id for p in world.pictures]
        captions = PictureCaptions(
            [(p.scene.image, p.scene.caption) for p in world.pictures], "the world's captions"
        )
        mine(self.loop, captions, media_ids=media, held_out_share=self.held_out_share)
        # Captions name what is there; hard negatives fool the model by construction. Without
        # ordinary negatives beside them cgF1 would tell of traps alone.
        for media_id, picture in zip(media, world.pictures, strict=True):
            absent = [phrase for phrase, _ in picture.negatives]
            self.loop.add_pairs(media_id, absent, source="asked at random")

    def decide(self, _world: ConceptWorld) -> None:
        """Proposals, answers, corrections."""
        self.loop.propose(self.segmenter)
        decide(self.loop, self.people, self.verifier)

    def negatives(self, world: ConceptWorld) -> None:
        """Hard negatives of what was found, decided like everything else."""
        names = {p.path.name for p in world.pictures}
        media = [m.id for m in self.loop.session.state.media.values() if m.name in names]
        mine_negatives(self.loop, self.segmenter, media_ids=media, per_picture=self.per_picture)
        self.decide(world)

    def learn(self, _world: ConceptWorld) -> None:
        """New versions of the segmenter and of the verifier, each through its gate."""
        try:
            made = retrain_segmenter(
                self.loop,
                self.segmenter,
                trainer=self.trainers[0],
                seed=self.seed,
                timer=self.clock,
            )
            self.segmenter = made.model
            self.notes.append(f"segmenter {made}")
        except FlowError as error:
            self.notes.append(f"segmenter not trained: {error}")
        if not self.is_learning:
            return
        judged = retrain_verifier(
            self.loop,
            self.verifier,
            trainer=self.trainers[1],
            segmenter=self.segmenter,
            seed=self.seed,
            timer=self.clock,
        )
        self.notes.append(f"verifier {judged}")
        self.deputy, self.verifier = self.verifier, judged.model

    def check(self, _world: ConceptWorld) -> None:
        """What the verifier may decide from now on.

        A new version is checked on held-out pairs alone, the one before it on all that people
        answered after its advice: where the new one earns no leave, the one before stays if it
        does.
        """
        if self.verifier is None or switch_on(self.loop, self.verifier, self.targets, self.seed):
            return
        before, advice = self.deputy, tuple(self.loop.state.routing.values())
        if before is None or before.name == self.verifier.name:
            return
        if switch_on(self.loop, before, self.targets, self.seed):
            self.notes.append(f"verifier {before.name} stays: it has leave, the new one has not")
            self.verifier = before
        else:
            for switch in advice:
                self.loop.switch_routing(switch)

    def row(self, number: int) -> CycleRow:
        """Read from the log what the cycle came to."""
        state = self.loop.refresh()
        fresh = [p for p in state.pairs.values() if p.id not in self.before]
        open_ = [p for p in fresh if not p.is_held_out]
        n = max(len(open_), 1)
        events = self.loop.session.log.read()
        table = lineage.versions(events)
        models = table[table.learner.str.contains("segmenter")] if len(table) else table
        last = models.iloc[-1] if len(models) else None
        better = max(last.old, last.new) if last is not None else float("nan")
        figures = self._verifier_figures(events)
        return CycleRow(
            number,
            len(fresh),
            sum(p.is_negative for p in fresh),
            sum(bool(stats.person_answers(p)) for p in open_) / n,
            sum(len(stats.person_answers(p)) for p in open_) / n,
            sum(stats.seconds_of(p) for p in open_) / n,
            score_pairs(self.loop, self.every).cgf1,
            float(better if last is None or last.status == "promoted" else last.old),
            figures.get("mv_accuracy", float("nan")),
            figures.get("ev_accuracy", float("nan")),
            self.segmenter.name,
            self.verifier.name if self.verifier else "",
            tuple(self.notes),
        )

    def _verifier_figures(self, events: Any) -> dict[str, float]:
        from samnb.engine.concepts.retrain import evaluated

        return evaluated(events, self.verifier.name) if self.verifier else {}


STEPS: Final[tuple[tuple[str, Callable[[_Cycles, ConceptWorld], None]], ...]] = (
    ("mine phrases", _Cycles.mine),
    ("propose and decide", _Cycles.decide),
    ("hard negatives", _Cycles.negatives),
    ("learn", _Cycles.learn),
    ("check the verifier", _Cycles.check),
)
