"""Balancing: leave out what is annotated often enough, or what the model gets right already.

SAM 3 paper, appendix on noun-phrase proposal, step "balancing". What is already there comes in
as numbers, so that this room need not know the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from samnb.language.duplicates import Signature, signature
from samnb.language.ontology import Ontology
from samnb.language.records import Decision, Stage, drop, each, keep
from samnb.types import InputError


@dataclass(frozen=True, slots=True)
class Standing:
    """What the project already has of a phrase.

    Attributes:
        n_instances: instances annotated and final.
        n_pairs: media and phrase pairs on which ``score`` was measured.
        score: how right the current model is on them, in [0, 1], such as the mean local F1;
            None where it was not measured.
    """

    n_instances: int = 0
    n_pairs: int = 0
    score: float | None = None


BalancePolicy: TypeAlias = Callable[[str, Standing], str]
"""From a phrase and its standing to the reason to leave it out, or ``""`` to keep it."""


def enough(
    *, max_instances: int = 500, max_score: float = 0.9, min_pairs: int = 10
) -> BalancePolicy:
    """Make the usual policy: leave out what is annotated often enough or already right.

    The paper names both criteria and gives no numbers, so these are choices.

    Args:
        max_instances: from so many instances on there is enough.
        max_score: from this score on the model is right already.
        min_pairs: a score from fewer pairs is not believed.

    Raises:
        InputError: a number is out of range.
    """
    if max_instances < 1 or min_pairs < 1 or not 0 < max_score <= 1:
        raise InputError(
            "enough: expected max_instances >= 1, min_pairs >= 1 and max_score in (0, 1], "
            f"got {max_instances}, {min_pairs}, {max_score}"
        )

    def policy(phrase: str, standing: Standing) -> str:
        if standing.n_instances >= max_instances:
            return f"{standing.n_instances} instances are annotated, {max_instances} are enough"
        score = standing.score
        if score is not None and standing.n_pairs >= min_pairs and score >= max_score:
            return f"the model is right already ({score:.2f} on {standing.n_pairs} pairs)"
        return ""

    return policy


def balance(
    standings: Mapping[str, Standing],
    policy: BalancePolicy | None = None,
    *,
    ontology: Ontology | None = None,
) -> Stage:
    """Make the stage that balances against what is annotated and what the model knows.

    Args:
        standings: by phrase; phrases that ask for the same are looked up as one.
        policy: decides; None is :func:`enough` with its usual numbers.
        ontology: lets synonyms share a standing.

    Raises:
        InputError: two of the phrases with a standing ask for the same.
    """
    decide_one = policy or enough()
    known: dict[Signature, Standing] = {}
    for phrase, standing in standings.items():
        if known.setdefault(signature(phrase, ontology), standing) is not standing:
            raise InputError(f"standings: expected each phrase once, got {phrase!r} again")

    def decide(phrase: str) -> Decision:
        reason = decide_one(phrase, known.get(signature(phrase, ontology), Standing()))
        return drop(phrase, reason) if reason else keep(phrase)

    return each("balance", decide)
