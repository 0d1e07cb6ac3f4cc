"""Names of workers on a card: their own, or one that tells nothing but their number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from samnb.engine.cards.records import MODELS, PEOPLE, SIMULATED
from samnb.types import Worker, WorkerKind

_BY = {
    WorkerKind.PERSON: PEOPLE,
    WorkerKind.SIMULATED: SIMULATED,
    WorkerKind.MODEL: MODELS,
}


class Names:
    """What workers are called.

    Args:
        workers: by id, in the order in which they joined.
        seen: ids of everybody who ever wrote a line; those who never joined are people.
        is_pseudonymous: people and simulated workers are numbered; models keep their names,
            which are no person's.
    """

    def __init__(
        self, workers: Mapping[str, Worker], seen: Iterable[str], is_pseudonymous: bool
    ) -> None:
        unknown = {who: Worker(who) for who in seen if who not in workers}
        self.workers: Mapping[str, Worker] = {**workers, **unknown}
        self._names: dict[str, str] = {}
        numbers = dict.fromkeys(WorkerKind, 0)
        for worker in self.workers.values():
            numbers[worker.kind] += 1
            numbered = f"{worker.kind.value} {numbers[worker.kind]}"
            is_shown = not is_pseudonymous or worker.kind is WorkerKind.MODEL
            self._names[worker.id] = (worker.name or worker.id) if is_shown else numbered

    def __call__(self, who: str) -> str:
        """The name of a worker; whatever is no worker's id keeps its own."""
        return self._names.get(who, who)

    def by(self, who: str) -> str:
        """Which of :data:`~samnb.engine.cards.records.BY` a worker belongs to."""
        worker = self.workers.get(who)
        return PEOPLE if worker is None else _BY[worker.kind]
