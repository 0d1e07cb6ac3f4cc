"""How a verifier earns its place: targets, simulated people at their desks, a warm-up project."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from samnb.engine.concepts.arms import (
    REVIEWERS,
    Progress,
    Verification,
    add_world,
    simulated_loop,
)
from samnb.engine.concepts.policy import past_decisions
from samnb.engine.concepts.retrain import retrain_verifier
from samnb.engine.concepts.reviewers import SimulatedReviewer, Skill
from samnb.engine.concepts.session import ConceptSession
from samnb.engine.concepts.trainers import VerifierTrainer
from samnb.engine.concepts.world import ConceptTruth, ConceptWorld
from samnb.engine.simulation import SimulatedClock
from samnb.engine.workers import simulated
from samnb.events.concepts import ConceptTask
from samnb.models.concepts import ConceptSegmenter, ConceptVerifier
from samnb.types import InputError

CHECKED_SHARE: Final = 0.5
"""Share of the warm-up pictures that a verifier is checked on instead of learning from."""


def parity(accuracy: float) -> float:
    """How often two people of this accuracy disagree, ``2 a (1 - a)``.

    The error of a verifier is measured against people, who err themselves. One that disagrees
    with them no more often than this is, where errors are independent and answers two, at
    least as accurate as they are: the target of "as good as a person".

    Raises:
        InputError: not a share.
    """
    if not 0 <= accuracy <= 1:
        raise InputError(f"accuracy: expected 0 to 1, got {accuracy}")
    return 2 * accuracy * (1 - accuracy)


@dataclass(frozen=True, slots=True)
class Targets:
    """What is allowed among automatic decisions; see ``ConceptSession.choose_routing``.

    Attributes:
        mv: share of MV answers that differ from a person's.
        ev: the same for EV.
        delta: chance that a bound does not hold.
        audit_rate: share of decisions that people go on checking.
        mv_people: share of people's MV answers that are wrong, as far as known.
        ev_people: likewise for EV.
        ev_absent: ``ev`` of pairs without masks, where they have a target of their own.
        ev_reject: ``ev`` of Reject alone. Who rejects a pair sends it to people, who look again:
            a wrong Reject costs time and leaves no error in the data.
    """

    mv: float
    ev: float
    delta: float = 0.1
    audit_rate: float = 0.03
    mv_people: float = 0.0
    ev_people: float = 0.0
    ev_absent: float | None = None
    ev_reject: float | None = None

    @classmethod
    def as_people(cls, skill: Skill) -> Targets:
        """As good as people of this skill."""
        # Who never errs would leave nothing that a model may do.
        return cls(
            max(parity(skill.mv_accuracy), 0.05),
            max(parity(skill.ev_accuracy), 0.05),
            mv_people=1 - skill.mv_accuracy,
            ev_people=1 - skill.ev_accuracy,
            ev_reject=0.5,
        )


class People:
    """One simulated worker per task, each with a door of its own.

    Args:
        loop: the project.
        clock: its simulated clock.
        truth: what they have in mind.
        skill: how well they work.
        seed: of their errors.
    """

    def __init__(
        self,
        loop: ConceptSession,
        clock: SimulatedClock,
        truth: ConceptTruth,
        skill: Skill,
        seed: int = 0,
    ) -> None:
        self._reviewer = SimulatedReviewer(truth, skill, clock=clock, seed=seed)
        self._doors = {
            task: loop.session.as_worker(simulated(name)).concepts
            for task, name in REVIEWERS.items()
        }

    def work(self, task: ConceptTask, cancel: threading.Event | None = None) -> int:
        """Do whatever waits at a task; return how many pairs."""
        return self._reviewer.work(self._doors[task], task, cancel=cancel)


def decide(
    loop: ConceptSession,
    people: People,
    verifier: ConceptVerifier | None = None,
    cancel: threading.Event | None = None,
) -> None:
    """Take every open pair to its end: the model first, where there is one, then people."""
    for task in (ConceptTask.MV, ConceptTask.EV):
        if verifier is not None:
            loop.verify(verifier, [task], cancel=cancel)
        people.work(task, cancel)
    people.work(ConceptTask.CORRECT, cancel)


def switch_on(loop: ConceptSession, verifier: ConceptVerifier, targets: Targets, seed: int) -> bool:
    """Ask a verifier what people answered about held-out pairs, and let it decide elsewhere
    as far as that allows; returns whether it may decide anything."""
    held_out = [p.id for p in loop.refresh().pairs.values() if p.is_held_out]
    loop.verify(verifier, pair_ids=held_out, is_past=True)
    has_leave = False
    for task, target, people_error in (
        (ConceptTask.MV, targets.mv, targets.mv_people),
        (ConceptTask.EV, targets.ev, targets.ev_people),
    ):
        if not past_decisions(loop.state, task, verifier.name):
            continue  # nothing was there to verify, so nothing speaks for it yet
        policy = loop.choose_routing(
            task,
            verifier.name,
            target=target,
            delta=targets.delta,
            audit_rate=targets.audit_rate,
            seed=seed,
            people_error=people_error,
            absent_target=targets.ev_absent,
            reject_target=targets.ev_reject,
        )
        has_leave |= policy.is_on
    return has_leave


def prepare_verification(
    target: str | Path,
    world: ConceptWorld,
    segmenter: ConceptSegmenter,
    *,
    skill: Skill | None = None,
    targets: Targets | None = None,
    verifier: ConceptVerifier | None = None,
    trainer: VerifierTrainer | None = None,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Verification:
    """Train a verifier on a warm-up project and find out what it may decide.

    People answer everything there. The verifier learns from some pictures; what it may decide
    is told by the others, which it never saw.

    Args:
        target: the warm-up's project file.
        world: pictures that the comparison does not use.
        segmenter: proposes the masks, and the verifier's candidates.
        skill: how well simulated people work.
        targets: the allowed errors; None is "as good as a person".
        verifier: one that is there already and learns nothing here; None trains one.
        trainer: trains the verifier; None takes the small one.
        seed: of all chance.
        on_progress: called before each step.

    Raises:
        FlowError: nothing to learn from.
    """
    skill = skill or Skill()
    tell = on_progress or (lambda _done, _total, _what: None)
    with simulated_loop(target, seed) as (loop, clock):
        # A verifier that learns nothing here has seen none of the pictures: all are evidence.
        add_world(loop, world, CHECKED_SHARE if verifier is None else 1.0)
        tell(0, 4, "warm-up: proposals")
        loop.propose(segmenter)
        tell(1, 4, "warm-up: people answer")
        decide(loop, People(loop, clock, world, skill, seed))
        tell(2, 4, "warm-up: the verifier learns")
        model = verifier
        if model is None:
            model = retrain_verifier(
                loop, trainer=trainer, segmenter=segmenter, seed=seed, timer=clock
            ).model
        tell(3, 4, "warm-up: the verifier is checked")
        switch_on(loop, model, targets or Targets.as_people(skill), seed)
        tell(4, 4, "")
        return Verification(model, tuple(loop.state.routing.values()))
