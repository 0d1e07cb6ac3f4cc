"""One worker's way through the pairs of a task: take, skip, peek, answer, take back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from samnb.engine.concepts import queue
from samnb.engine.concepts.queue import LEASE_S, Work, work_of
from samnb.engine.concepts.session import ConceptSession
from samnb.engine.concepts.state import Answer, ConceptState, PairState
from samnb.events.concepts import ConceptTask, MvAnswered
from samnb.types import MvAnswer

LOOK_AGAIN_S = 5.0
"""How long a count of what waits is good when the log stands still; leases run out."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What waits for a worker and what he or she has done.

    Attributes:
        waiting: by task, the pair on the desk included.
        done: answers at this task that stand, in all of the project.
    """

    waiting: Mapping[ConceptTask, int]
    done: int


@dataclass(frozen=True, slots=True)
class TakenBack:
    """An answer that no longer counts, and the pair it was about."""

    pair: PairState
    answer: Answer

    @property
    def given(self) -> Mapping[str, MvAnswer]:
        """MV answers by mask key; empty for other tasks."""
        body = self.answer.body
        return {a.key: a.answer for a in body.answers} if isinstance(body, MvAnswered) else {}


def last_answer(state: ConceptState, worker_id: str) -> TakenBack | None:
    """The newest answer of a worker that counts; None when there is none."""
    mine = [
        TakenBack(pair, answer)
        for pair in state.pairs.values()
        for answer in pair.answers
        if answer.worker_id == worker_id and answer.is_person
    ]
    return max(mine, key=lambda row: row.answer.seq, default=None)


class Intake:
    """Holds at most one pair, and knows which one comes next.

    Args:
        loop: the worker's door to the pairs.
        task: what he or she does.
    """

    def __init__(self, loop: ConceptSession, task: ConceptTask) -> None:
        self.loop, self.task = loop, task
        self.work: Work | None = None
        self._until_s = 0.0
        self._is_busy = False
        self.passed: set[str] = set()
        self._counts: tuple[tuple[int, str, ConceptTask], float, Counts] | None = None

    @property
    def worker_id(self) -> str:
        """Who works."""
        return self.loop.session.worker.id

    def take(self) -> Work | None:
        """Give back what is held and claim the next pair; None when nothing waits."""
        self.release()
        self.work = self.loop.next(self.task, but=self.passed)
        if self.work is None and self.passed:  # all the rest was skipped: offer it again
            self.passed.clear()
            self.work = self.loop.next(self.task)
        self._taken()
        return self.work

    def take_pair(self, pair_id: str) -> Work | None:
        """Give back what is held and claim this pair; None when it is not to be had."""
        self.release()
        others = set(self.loop.state.pairs) - {pair_id}
        self.work = self.loop.next(self.task, but=others)
        self._taken()
        return self.work

    def _taken(self) -> None:
        self._until_s = self.work.until_s if self.work is not None else 0.0
        self._is_busy = False

    def touch(self) -> None:
        """Say that the worker has done something; a desk that nobody touches keeps no pair."""
        self._is_busy = True

    def renew(self) -> None:
        """Keep the pair for longer when half of its time is over and it was worked on since it
        was claimed or kept."""
        now_s = self.loop.session.clock()
        if self.work is None or not self._is_busy or now_s < self._until_s - LEASE_S / 2:
            return
        self._until_s = self.loop.renew(self.work.pair_id, self.task) or self._until_s
        self._is_busy = False

    def skip(self) -> Work | None:
        """Leave this pair to somebody else and take another."""
        if self.work is not None:
            self.passed.add(self.work.pair_id)
        return self.take()

    def release(self) -> None:
        """Give back what is held without an answer."""
        held, self.work = self.work, None
        if held is not None:
            self.loop.release(held.pair_id)

    def is_still_ours(self) -> bool:
        """Whether the pair on the desk waits at this task still and for this worker; models
        and other people may have moved it on, or taken it after the lease ran out."""
        if self.work is None:
            return False
        state, pair = self.loop.state, self.loop.pair(self.work.pair_id)
        if pair.step.value != self.task.value:
            return False
        return queue.free_slots(state, pair, self.worker_id, self.loop.session.clock()) > 0

    def peek(self) -> Work | None:
        """What :meth:`take` would hand out after this pair; claims nothing."""
        but = set(self.passed)
        if self.work is not None:
            but.add(self.work.pair_id)
        now_s = self.loop.session.clock()
        rows = queue.waiting(self.loop.state, self.task, self.worker_id, now_s, None, but)
        return work_of(rows[0], self.task) if rows else None

    def counts(self) -> Counts:
        """Count what waits and what is done; remembered while the log stands still."""
        state, now_s = self.loop.state, self.loop.session.clock()
        key = (state.seq, self.worker_id, self.task)
        known = self._counts
        if known is not None and known[0] == key and now_s - known[1] < LOOK_AGAIN_S:
            return known[2]
        waiting = {
            task: len(queue.waiting(state, task, self.worker_id, now_s)) for task in ConceptTask
        }
        done = state.tasks_of.get(self.worker_id, {}).get(self.task, 0)
        found = Counts(waiting, done)
        self._counts = (key, now_s, found)
        return found

    def take_back(self) -> TakenBack | None:
        """Undo this worker's last answer and claim its pair again, at the task it was
        given at. None when there is nothing to take back.

        Raises:
            FlowError: somebody else has answered about the pair since.
        """
        last = last_answer(self.loop.refresh(), self.worker_id)
        if last is None or self.loop.undo() is None:
            return None
        self.task = last.answer.task
        self.passed.discard(last.pair.id)
        self.take_pair(last.pair.id)
        return last
