"""The two engines at work under a budget, with simulated people, on the same media."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from samnb.comparison.pace import Pace
from samnb.comparison.people import people_seconds
from samnb.comparison.world import CommonClip, CommonWorld, Question
from samnb.engine.concepts.arms import Verification, simulated_loop
from samnb.engine.concepts.retrain import VERIFIER as VERIFIER_LEARNER
from samnb.engine.concepts.retrain import retrain_verifier
from samnb.engine.concepts.reviewers import Skill
from samnb.engine.concepts.session import ConceptSession
from samnb.engine.concepts.trainers import VerifierTrainer
from samnb.engine.concepts.warmup import (
    CHECKED_SHARE,
    People,
    Targets,
    decide,
    switch_on,
)
from samnb.engine.experiment import VERIFIER, simulated_project
from samnb.engine.lineage import promoted_file
from samnb.engine.retrain import models_folder
from samnb.engine.session import Session
from samnb.engine.simulation import CAREFUL, SimulatedClock, seeded
from samnb.engine.workers import SimulatedAnnotator, SimulatedVerifier, Strictness, simulated
from samnb.events.concepts import ConceptTask, RoutingMode
from samnb.models.base import Tracker
from samnb.models.concepts import ConceptSegmenter, ConceptVerifier
from samnb.types import Media

Progress = Callable[[float, float, str], None]
"""Called with (human minutes spent, human minutes allowed, what comes next)."""
ANNOTATOR: Final = "annotator"
BREAK_S: Final = 60.0
"""Simulated people take turns; so long passes between two turns, which no statistic counts
as work."""
COMPUTE_TAG: Final = "compute_s"
"""Tag of a medium in the log: seconds that the machine worked on it, by its own clock. The
only thing in a simulated log that differs from run to run."""
_ROUNDS: Final = 20  # between annotator and verifier; the project drops an item before that


@dataclass(frozen=True, slots=True)
class Terms:
    """What both engines are held to.

    Attributes:
        minutes: people's minutes allowed, by the log; the medium begun last is finished.
        pace: what people's actions take.
        phase: of the masklet engine: 1, 2 or 3.
        jitter_px: standard deviation of its annotators' clicks, per axis; as little as a
            reviewer's hand wobbles.
        strictness: of its verifier, who by default never errs: the paper tells no accuracy.
        skill: of the concept engine's reviewers; their times are those of ``pace``.
        audit_rate: share of AI decisions that people check all the same.
        delta: chance that a bound on the AI's error does not hold.
        leave_above: confidence from which a verifier may decide without having earned it, to
            see what that does to the data; None lets it earn its leave.
        cycle: pictures after which AI verifiers are trained and checked, as long as none may
            decide; people answer everything before, and half of these pictures are held out.
        seed: of all chance.
    """

    minutes: float = 60.0
    pace: Pace = field(default_factory=Pace)
    phase: int = 3
    jitter_px: float = 1.0
    strictness: Strictness = field(default_factory=Strictness)
    skill: Skill = field(default_factory=Skill)
    audit_rate: float = 0.1
    delta: float = 0.1
    leave_above: float | None = None
    cycle: int = 6
    seed: int = 0


# -- the masklet engine --------------------------------------------------------------


def run_masklets(
    target: str | Path,
    world: CommonWorld,
    tracker: Tracker | str,
    terms: Terms,
    *,
    on_progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> None:
    """Have clip after clip annotated: select every object, track, verify, until the people's
    minutes are spent or no clip is left.

    What the project's log already holds is not done again.

    Args:
        target: project file, made when missing.
        world: the clips.
        tracker: the model in the loop, or its name.
        terms: the budget and how people work.
        on_progress: called before each clip.
        cancel: set it from another thread to stop; finished frames are kept.
    """
    opened = simulated_project(target, tracker, terms.seed, world.annotation_fps)
    with opened as (selector, clock):
        crew = _Crew(selector, clock, world, terms, cancel)
        for clip in world.clips:
            if _is_over(selector, terms, clip.name, on_progress, cancel):
                break
            crew.annotate(clip)


class _Crew:
    """A selector, an annotator and a verifier, each with a session of its own."""

    def __init__(
        self,
        selector: Session,
        clock: SimulatedClock,
        world: CommonWorld,
        terms: Terms,
        cancel: threading.Event | None,
    ) -> None:
        self._selector, self._clock = selector, clock
        self._world, self._terms, self._cancel = world, terms, cancel
        self._annotator = selector.as_worker(simulated(ANNOTATOR))
        self._verifier = selector.as_worker(simulated(VERIFIER))

    def annotate(self, clip: CommonClip) -> None:
        """Take every object of a clip to its end."""
        media = self._selector.add_media(clip.video.path)
        with _timed(self._selector, media):
            self._select(clip, media)
            for number in range(_ROUNDS):
                if self._is_cancelled() or not self._turn(clip, media, number):
                    break
            self._annotator.free_model()

    def _select(self, clip: CommonClip, media: Media) -> None:
        """Pick the objects, each found in the time that it takes to find one on a frame."""
        grid = self._selector.annotation_frames(media.id)
        known = {s.item.target_id for s in self._selector.state.items_of(media.id)}
        fresh = [(o, o.first_frame(grid)) for o in clip.video.objects if o.target_id not in known]
        todo = [(o, first) for o, first in fresh if first is not None]
        if not todo:
            return
        self._clock.advance(BREAK_S)
        self._selector.look(media.id, None, grid[0])
        for obj, first in todo:
            self._clock.advance(self._terms.pace.masklet.locate_s)
            item = self._selector.add_item(
                media.id, obj.name, phase=self._terms.phase, target_id=obj.target_id
            )
            self._selector.look(media.id, item.id, first)

    def _turn(self, clip: CommonClip, media: Media, number: int) -> int:
        """Let the annotator, then the verifier do what waits; return how much that was."""
        terms, done = self._terms, 0
        habits = replace(CAREFUL, times=terms.pace.masklet, click_jitter_px=terms.jitter_px)
        rules = replace(terms.strictness, view_s=terms.pace.masklet.view_s)
        rng = seeded(terms.seed, clip.name, number)
        self._clock.advance(BREAK_S)
        annotator = SimulatedAnnotator(self._world.objects, habits, clock=self._clock, rng=rng)
        done += annotator.work(self._fresh(self._annotator), media_id=media.id, cancel=self._cancel)
        self._clock.advance(BREAK_S)
        judge = SimulatedVerifier(self._world.objects, rules, clock=self._clock, rng=rng)
        return done + judge.work(self._fresh(self._verifier), media_id=media.id,
                                 cancel=self._cancel)  # fmt: skip

    @staticmethod
    def _fresh(session: Session) -> Session:
        session.refresh()
        return session

    def _is_cancelled(self) -> bool:
        return self._cancel is not None and self._cancel.is_set()


# -- the concept engine --------------------------------------------------------------


def run_concepts(
    target: str | Path,
    world: CommonWorld,
    segmenter: ConceptSegmenter,
    terms: Terms,
    *,
    prepared: Verification | None = None,
    trainer: VerifierTrainer | None = None,
    on_progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> None:
    """Have clip after clip decided: masks for every phrase, MV, EV, correction, until the
    people's minutes are spent or no clip is left.

    Without a verifier that may decide both tasks people answer everything, and what they
    then teach and check comes out of the same budget: after every ``terms.cycle`` pictures
    one is trained on the answers so far and checked on the held-out half; from then on it
    decides what its bound allows.

    What the project's log already holds is not done again.

    Args:
        target: project file, made when missing.
        world: the clips.
        segmenter: proposes the masks.
        terms: the budget and how people work.
        prepared: a verifier with leave to decide from the start, see
            :mod:`samnb.comparison.preparing`.
        trainer: trains the verifier; None takes the small one.
        on_progress: called before each clip.
        cancel: set it from another thread to stop after the present clip.
    """
    skill, targets = demands(terms)
    with simulated_loop(target, terms.seed) as (loop, clock):
        people = People(loop, clock, world, skill, terms.seed)
        verifier = newest(loop, segmenter, trainer)
        if verifier is None and prepared is not None:
            verifier = prepared.verifier
            for switch in prepared.switches:
                if switch.task not in loop.state.routing:  # else it may have drifted since
                    loop.switch_routing(switch)
        at = 0
        for clip in world.clips:
            if _is_over(loop.session, terms, clip.name, on_progress, cancel):
                break
            for path, asked in _by_picture(clip):
                if at and at % terms.cycle == 0 and _may_learn(loop, verifier, at):
                    verifier = _learn(loop, verifier, segmenter, trainer, targets, terms.seed)
                is_apart = not _decides(loop, verifier) and _is_held_out(at)
                media = loop.session.add_media(path)
                with _timed(loop.session, media):
                    _add(loop, media, asked, is_apart)
                    loop.propose(segmenter)
                    decide(loop, people, verifier, cancel)
                at += 1


def demands(terms: Terms) -> tuple[Skill, Targets]:
    """What reviewers are able to do, and what is asked of a verifier."""
    skill = replace(terms.skill, times=terms.pace.concept)
    targets = Targets.as_people(skill)
    return skill, replace(targets, delta=terms.delta, audit_rate=terms.audit_rate)


def _by_picture(clip: CommonClip) -> Iterator[tuple[Path, list[Question]]]:
    pictures: dict[Path, list[Question]] = {}
    for question in clip.questions:
        pictures.setdefault(question.path, []).append(question)
    yield from pictures.items()


def _is_held_out(at: int) -> bool:
    """An even share of the pictures, as in a warm-up project."""
    return int((at + 1) * CHECKED_SHARE) > int(at * CHECKED_SHARE)


def _add(loop: ConceptSession, media: Media, asked: Sequence[Question], is_apart: bool) -> None:
    for question in asked:
        loop.add_pairs(
            media.id,
            [question.phrase],
            origin="hard_negative" if question.parent else "mined",
            parent_phrase=question.parent,
            source="the world",
            is_held_out=is_apart,
        )


def _decides(loop: ConceptSession, verifier: ConceptVerifier | None) -> bool:
    """Whether a verifier has leave to decide both tasks."""
    if verifier is None:
        return False
    modes = [loop.state.mode(task, verifier.name) for task in (ConceptTask.MV, ConceptTask.EV)]
    return all(mode is RoutingMode.ON for mode in modes)


def _may_learn(loop: ConceptSession, verifier: ConceptVerifier | None, at: int) -> bool:
    """Whether a cycle is due: nobody decides yet, and this boundary was not learned at."""
    if _decides(loop, verifier):
        return False
    media = {p.item.media_id for p in loop.refresh().pairs.values()}
    return len(media) == at  # a resumed run has more: what was learned then is in the log


def _learn(
    loop: ConceptSession,
    parent: ConceptVerifier | None,
    segmenter: ConceptSegmenter,
    trainer: VerifierTrainer | None,
    targets: Targets,
    seed: int,
) -> ConceptVerifier | None:
    made = retrain_verifier(
        loop, parent, trainer=trainer, segmenter=segmenter, seed=seed, timer=time.monotonic
    )
    verifier: ConceptVerifier | None = made.model
    if verifier is not None:
        switch_on(loop, verifier, targets, seed)
    return verifier


def newest(
    loop: ConceptSession, segmenter: ConceptSegmenter, trainer: VerifierTrainer | None
) -> ConceptVerifier | None:
    """The verifier that an interrupted run had come to; None where there was none, or where
    a trainer made it whose files nobody here can read."""
    file = promoted_file(loop.session.log.read(), VERIFIER_LEARNER)
    if not file or trainer is not None:
        return None
    from samnb.models.verifier_aids import segmenter_aids
    from samnb.models.verifier_small import load_verifier

    return load_verifier(models_folder(loop.session) / file, segmenter_aids(segmenter))


# -- both ----------------------------------------------------------------------------


def _is_over(
    session: Session,
    terms: Terms,
    what: str,
    on_progress: Progress | None,
    cancel: threading.Event | None,
) -> bool:
    """Whether the people's minutes are spent, or somebody asked to stop."""
    if cancel is not None and cancel.is_set():
        return True
    spent = sum(people_seconds(session.log.read()).values()) / 60
    if on_progress is not None:
        on_progress(min(spent, terms.minutes), terms.minutes, what)
    return spent >= terms.minutes


@contextmanager
def _timed(session: Session, media: Media) -> Iterator[None]:
    """Write down what the machine worked on a medium, if anything was done to it."""
    before, began = session.refresh().seq, time.perf_counter()
    yield
    if session.refresh().seq > before:
        spent = float(session.state.tags.get(media.id, {}).get(COMPUTE_TAG, 0))
        spent += time.perf_counter() - began
        session.add_known_media(media, {COMPUTE_TAG: f"{spent:.3f}"})


__all__ = ["COMPUTE_TAG", "Progress", "Terms", "demands", "newest", "run_concepts", "run_masklets"]
