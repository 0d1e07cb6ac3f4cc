"""Is a verifier as good as one more person? Leave-one-out accuracy from the log.

SAM 3 paper (arXiv 2511.16719), appendix on the AI verifiers, table 23: on questions that
several people answered, one is left out, and the majority of the others is the truth for that
person and for the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from samnb.engine.concepts.state import Answer, ConceptState
from samnb.engine.concepts.stats import read_state
from samnb.engine.effort import Source
from samnb.events.concepts import ConceptTask, EvAnswered, MvAnswered
from samnb.metrics.reviews import Job, leave_one_out
from samnb.types import EvAnswer, InputError, MvAnswer

if TYPE_CHECKING:
    import pandas as pd

COLUMNS: Final = (
    "task", "verifier", "jobs", "turns", "ties", "human", "ai", "difference", "difference_se",
)  # fmt: skip


def against_people(source: Source) -> pd.DataFrame:
    """Return one row per task and verifier, and one per task without any verifier's answer.

    MV is counted by mask and EV by pair, in the full set of options; only questions with at
    least two people's answers count. Without several reviewers there is no row.

    Columns: task, verifier (empty: nobody but people), jobs (questions with a majority), turns
    (people left out), ties, human and ai (accuracy in [0, 1]), difference (ai - human on the
    questions that the verifier answered) and difference_se, its standard error.
    """
    import pandas as pd

    state = read_state(source)
    rows: list[dict[str, Any]] = []
    for task in (ConceptTask.MV, ConceptTask.EV):
        reviews, models = _questions(state, task)
        for name in sorted({n for given in models.values() for n in given}) or [""]:
            jobs = [Job(people, models[key].get(name)) for key, people in reviews.items()]
            try:
                found = leave_one_out(jobs)
            except InputError:
                continue  # nobody was reviewed by two others, or no majority
            rows.append(
                {
                    "task": task.value,
                    "verifier": name,
                    "jobs": found.n_jobs,
                    "turns": found.n_turns,
                    "ties": found.n_ties,
                    "human": found.human,
                    "ai": found.ai,
                    "difference": found.difference,
                    "difference_se": found.difference_se,
                }
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


_Given = dict[str, MvAnswer | EvAnswer]


def _questions(
    state: ConceptState, task: ConceptTask
) -> tuple[dict[str, _Given], dict[str, _Given]]:
    """Answers of people and of models to each question."""
    people: dict[str, _Given] = {}
    models: dict[str, _Given] = {}
    for pair in state.pairs.values():
        for answer in (*pair.past, *pair.answers):
            if answer.task is not task:
                continue
            for key, option in _options(pair.id, answer):
                given = people if answer.is_person else models
                given.setdefault(key, {})[answer.worker_id] = option
    for key in people:
        models.setdefault(key, {})
    return people, models


def _options(pair_id: str, answer: Answer) -> Sequence[tuple[str, MvAnswer | EvAnswer]]:
    body = answer.body
    if isinstance(body, MvAnswered):
        return [(one.key, one.answer) for one in body.answers]
    if isinstance(body, EvAnswered):
        # The question is about the masks that were shown.
        return [(f"{pair_id}:{body.proposal_id}:{','.join(body.shown)}", body.answer)]
    return []
