"""Is the machine as good as one more person? Leave-one-out accuracy over several reviews.

Source: SAM 3 paper (arXiv 2511.16719), appendix on the AI verifiers: on jobs that several
people reviewed, one person is left out and counts as the human prediction; the majority
of the others is the truth, for the person and for the machine alike.

Two things are not said there and are decided here. Every person of a job is left out in
turn, and all turns of a job together weigh as one job, so that a job with more reviewers
does not count for more. Where the others tie there is no majority: that turn is left out
for the person and the machine alike, and counted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from samnb.types import InputError

A = TypeVar("A", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Job(Generic[A]):
    """One question, what people answered and what the machine answered.

    Attributes:
        reviews: answer by person.
        ai: the machine's answer; None where it gave none, and the job then counts for
            the people only.
    """

    reviews: Mapping[str, A]
    ai: A | None = None


@dataclass(frozen=True, slots=True)
class LeaveOneOut:
    """Accuracies of people and machine against the majority of the other people.

    Attributes:
        human: mean accuracy of a person who was left out, in [0, 1].
        ai: accuracy of the machine against the same truths; nan without its answers.
        difference: ``ai - human`` over the jobs that the machine answered too.
        difference_se: standard error of ``difference``, jobs taken as independent.
        n_jobs: jobs with at least one turn that had a majority.
        n_turns: persons left out, over all jobs.
        n_ties: turns without a majority.
    """

    human: float
    ai: float
    difference: float
    difference_se: float
    n_jobs: int
    n_turns: int
    n_ties: int


def leave_one_out(jobs: Sequence[Job[A]]) -> LeaveOneOut:
    """Compare people and machine on jobs with at least two reviews.

    Jobs with fewer reviews have nobody to judge by and are passed over. With two, the
    truth is the other person; with three, as in SA-Co/Gold, the two others must agree.

    Raises:
        InputError: no job has a turn with a majority.
    """
    humans: list[float] = []
    pairs: list[tuple[float, float]] = []
    n_turns = n_ties = 0
    for job in jobs:
        turns = []
        for person, answer in job.reviews.items():
            truth = _majority([a for other, a in job.reviews.items() if other != person])
            if truth is not None:
                turns.append((answer == truth[0], job.ai == truth[0]))
            elif len(job.reviews) > 1:
                n_ties += 1
        if not turns:
            continue
        n_turns += len(turns)
        humans.append(float(np.mean([person for person, _ in turns])))
        if job.ai is not None:
            pairs.append((humans[-1], float(np.mean([ai for _, ai in turns]))))
    if not humans:
        raise InputError("jobs: expected one with two reviews and a majority, got none")
    gaps = [ai - human for human, ai in pairs]
    spread = float(np.std(gaps, ddof=1)) / math.sqrt(len(gaps)) if len(gaps) > 1 else math.nan
    return LeaveOneOut(
        human=float(np.mean(humans)),
        ai=float(np.mean([ai for _, ai in pairs])) if pairs else math.nan,
        difference=float(np.mean(gaps)) if gaps else math.nan,
        difference_se=spread,
        n_jobs=len(humans),
        n_turns=n_turns,
        n_ties=n_ties,
    )


def _majority(answers: Sequence[A]) -> tuple[A] | None:
    """The answer given most often, in a tuple; None for a tie or no answers."""
    ranked = Counter(answers).most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    return (ranked[0][0],)
