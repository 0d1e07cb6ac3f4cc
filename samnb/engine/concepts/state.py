"""What a log says about pairs: the state that :func:`~samnb.engine.concepts.flow.fold` computes.

Everything here is a frozen value; widgets and statistics may keep it as long as they like.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from samnb.events import Event
from samnb.events.concepts import (
    ConceptMask,
    ConceptProposed,
    ConceptRulesSet,
    ConceptStep,
    ConceptTask,
    Corrected,
    EvAnswered,
    MvAnswered,
    PairOrigin,
    PairRefused,
    PairRouted,
    Route,
    RoutingMode,
    RoutingSwitched,
)
from samnb.types import Item, Worker, WorkerKind

AnswerBody: TypeAlias = MvAnswered | EvAnswered | Corrected | PairRefused


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer about a pair.

    Attributes:
        seq: the event that gave it.
        is_person: a person or a simulation of one answered; models only advise, unless
            a route says otherwise.
        seconds_s: time from being shown the pair to the answer; None where the log does
            not tell, as for models.
    """

    seq: int
    at_s: float
    worker_id: str
    is_person: bool
    task: ConceptTask
    body: AnswerBody
    seconds_s: float | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """One worker's account of a pair; SA-Co Gold keeps three.

    Attributes:
        worker_id: who made it; empty where the verified proposal is the account.
        masks: instances and groups; none for a negative.
    """

    worker_id: str
    masks: tuple[ConceptMask, ...]
    is_instance_exhaustive: bool = True
    is_pixel_exhaustive: bool = True


@dataclass(frozen=True, slots=True)
class PairClaim:
    """A worker was shown a pair at ``at_s``; a slot is kept until ``until_s``."""

    worker_id: str
    task: ConceptTask
    at_s: float
    until_s: float


@dataclass(frozen=True, slots=True)
class Entry:
    """An event about a pair with the rules of its time, from which the pair's state is
    built again when an answer is undone."""

    event: Event
    rules: ConceptRulesSet
    is_person: bool


@dataclass(frozen=True, slots=True)
class PairState:
    """One medium and phrase.

    Attributes:
        step: where it stands.
        proposal: the newest proposal; None before the first.
        answers: answers that count for this round, oldest first, people's and models'.
        past: answers of earlier rounds; a new proposal or a reopening begins a round.
        routes: who decides in this round, by task.
        accepted: masks that passed MV; the proposal's masks before that.
        versions: finished accounts; more than one with several reviewers.
        claims: who is looking at it, by worker.
        reason: why it was rejected or reopened; else empty.
        entries: the events about it that count.
        n_rounds: proposals so far.
        dropped_by: the filter that rejected it before anybody was asked; else empty.
    """

    item: Item
    origin: PairOrigin
    parent_phrase: str = ""
    source: str = ""
    is_held_out: bool = False
    is_video: bool = False
    step: ConceptStep = ConceptStep.PROPOSE
    proposal: ConceptProposed | None = None
    answers: tuple[Answer, ...] = ()
    past: tuple[Answer, ...] = ()
    routes: tuple[PairRouted, ...] = ()
    accepted: tuple[ConceptMask, ...] = ()
    versions: tuple[Version, ...] = ()
    claims: Mapping[str, PairClaim] = field(default_factory=dict)
    reason: str = ""
    entries: tuple[Entry, ...] = ()
    n_rounds: int = 0
    dropped_by: str = ""

    @property
    def id(self) -> str:
        """The item's id."""
        return self.item.id

    @property
    def phrase(self) -> str:
        """The noun phrase."""
        return self.item.phrase

    @property
    def is_done(self) -> bool:
        """Whether nothing is asked about it any more."""
        return self.step in (ConceptStep.FINAL, ConceptStep.REJECTED)

    @property
    def is_negative(self) -> bool:
        """Whether it is final and the phrase names nothing here: a verified negative."""
        return self.step is ConceptStep.FINAL and not self.versions[0].masks

    @property
    def masks(self) -> tuple[ConceptMask, ...]:
        """The masks as they stand: the first version's once there is one, else those
        that passed verification so far."""
        return self.versions[0].masks if self.versions else self.accepted

    def of(self, task: ConceptTask, *, by_person: bool | None = None) -> tuple[Answer, ...]:
        """Answers to one task in this round, of people, of models or (None) of both."""
        return tuple(
            a
            for a in self.answers
            if a.task is task and (by_person is None or a.is_person is by_person)
        )

    def route(self, task: ConceptTask, key: str = "") -> Route | None:
        """Who decides about a mask (or, without a key, about the pair); None: people do,
        and no verifier was asked."""
        for routed in reversed(self.routes):
            if routed.task is task:
                return next((c.route for c in routed.choices if c.key == key), None)
        return None

    @property
    def people(self) -> frozenset[str]:
        """Everybody who ever answered, simulated people included."""
        return frozenset(a.worker_id for a in (*self.past, *self.answers) if a.is_person)


@dataclass(frozen=True, slots=True)
class ConceptState:
    """Everything about pairs that holds after event ``seq``.

    Attributes:
        pairs: by item id, in the order in which they were added.
        routing: the newest switch by task.
        routing_since: the event of that switch by task.
        videos: media of more than one frame.
        tasks_of: how often a worker did each task, people only, undone answers left out.
        looks: how often a verifier's evidence was looked at in a task, by task and verifier.
    """

    seq: int = 0
    rules: ConceptRulesSet = field(default_factory=ConceptRulesSet)
    workers: Mapping[str, Worker] = field(default_factory=dict)
    pairs: Mapping[str, PairState] = field(default_factory=dict)
    routing: Mapping[ConceptTask, RoutingSwitched] = field(default_factory=dict)
    routing_since: Mapping[ConceptTask, int] = field(default_factory=dict)
    tasks_of: Mapping[str, Mapping[ConceptTask, int]] = field(default_factory=dict)
    videos: frozenset[str] = frozenset()
    looks: Mapping[tuple[ConceptTask, str], int] = field(default_factory=dict)

    def is_person(self, worker_id: str) -> bool:
        """Whether a worker is a person or simulates one."""
        worker = self.workers.get(worker_id)
        return worker is None or worker.kind is not WorkerKind.MODEL

    def pairs_of(self, media_id: str) -> tuple[PairState, ...]:
        """The pairs of one medium."""
        return tuple(p for p in self.pairs.values() if p.item.media_id == media_id)

    def find(self, media_id: str, phrase: str) -> PairState | None:
        """The pair of a medium and a phrase, or None."""
        rows = (p for p in self.pairs_of(media_id) if p.phrase == phrase)
        return next(rows, None)

    def mode(self, task: ConceptTask, verifier: str) -> RoutingMode:
        """What a verifier, by name and version, may do with a task."""
        switch = self.routing.get(task)
        if switch is None or switch.verifier != verifier:
            return RoutingMode.OFF
        return switch.mode

    def counts(self) -> dict[ConceptStep, int]:
        """Number of pairs at each step."""
        found = dict.fromkeys(ConceptStep, 0)
        for pair in self.pairs.values():
            found[pair.step] += 1
        return found
