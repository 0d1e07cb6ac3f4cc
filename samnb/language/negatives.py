"""Candidates for hard negatives, and why the others were discarded.

A hard negative is a phrase that the picture does not show and on which the current model fires
all the same (SAM 3 paper, section on hard negatives). Candidates come from verified positives;
here they are collected and those that are true or already known are put aside. The check
against the model is in :mod:`samnb.language.adversarial`, and the last word, that the phrase is
really absent, belongs to exhaustivity verification.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from samnb.language.duplicates import signature
from samnb.language.inflect import normal
from samnb.language.ontology import Ontology, wider_phrases
from samnb.models.base import Image
from samnb.models.concepts import PhraseProposer
from samnb.types import InputError

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True)
class NegativeCandidate:
    """A phrase proposed as a hard negative of a picture, with all that was decided about it.

    Attributes:
        phrase: what the picture might be mistaken to show.
        positive: the verified phrase that it was made from.
        proposer: name of who proposed it.
        relation: how its concept stands to the positive's (``sibling``, ``cousin``, ...); empty
            where it is the same concept with other attributes, or not in the tree.
        model: name and version of the model that it was checked against; empty before.
        presence: the model's presence score for it in [0, 1]; None before the check.
        n_predicted: instances that the model kept for it; None before the check.
        overlap: agreement of these with the positive's masks in [0, 1]; None where there is
            nothing to compare.
        discarded_by: the step that discarded it; empty while it is a candidate.
        reason: why, in one clause.
    """

    phrase: str
    positive: str
    proposer: str
    relation: str = ""
    model: str = ""
    presence: float | None = None
    n_predicted: int | None = None
    overlap: float | None = None
    discarded_by: str = ""
    reason: str = ""

    @property
    def is_kept(self) -> bool:
        """Whether it is still a candidate."""
        return not self.discarded_by

    @property
    def is_hard(self) -> bool:
        """Whether it was checked, and the model fires on the positive's masks."""
        return self.is_kept and self.n_predicted is not None

    def discarded(self, by: str, reason: str) -> NegativeCandidate:
        """Return it as discarded."""
        return replace(self, discarded_by=by, reason=reason)


def propose_negatives(
    positives: Sequence[str],
    proposers: Iterable[PhraseProposer],
    *,
    ontology: Ontology | None = None,
    known: Iterable[str] = (),
    image: Image | None = None,
    per_positive: int = 10,
) -> tuple[NegativeCandidate, ...]:
    """Collect candidates for one picture from its verified positive phrases.

    Discarded at once are phrases that ask for the same as a positive, that are true wherever a
    positive is ("cat" beside "siamese cat"), that narrow the positive they were made from and may
    well be true, and that were decided for this picture before.

    Args:
        positives: phrases verified for this picture.
        proposers: asked for every positive; their proposals take turns.
        ontology: recognises synonyms, wider and narrower phrases; None compares words only.
        known: phrases of this picture already decided or in the queue.
        image: (H, W, 3) uint8 RGB for proposers that look at it.
        per_positive: candidates at most for each positive; further proposals get no record.

    Returns:
        candidates and discarded ones in the order in which they were proposed.

    Raises:
        InputError: ``per_positive`` is below 1.
    """
    if per_positive < 1:
        raise InputError(f"per_positive: expected 1 or more, got {per_positive}")
    positives = [normal(p) for p in positives]
    asking = tuple(proposers)
    true = {signature(p, ontology): p for p in reversed(positives)}
    wider = {signature(w, ontology): p for p in positives for w in wider_phrases(p, ontology)}
    decided = {signature(k, ontology) for k in known}
    found: list[NegativeCandidate] = []
    for positive in positives:
        room = per_positive
        for proposer, phrase in _in_turn(asking, positive, image):
            key = signature(phrase, ontology)
            relation = ontology.relation(positive, phrase) if ontology is not None else ""
            one = NegativeCandidate(
                phrase, positive, proposer, "" if relation == "same" else relation
            )
            if key in true:
                one = one.discarded("positive", f"asks for the same as {true[key]!r}")
            elif key in wider:
                one = one.discarded("wider", f"true wherever {wider[key]!r} is")
            elif _is_narrower(phrase, positive, ontology):
                one = one.discarded("narrower", f"a kind of {positive!r}, and may well be there")
            elif key in decided:
                one = one.discarded("known", "already decided or asked for in this picture")
            else:
                decided.add(key)
                room -= 1
            found.append(one)
            if room == 0:
                break
    return tuple(found)


def _in_turn(
    proposers: Sequence[PhraseProposer], positive: str, image: Image | None
) -> Iterable[tuple[str, str]]:
    lists = [
        [(p.name, text) for raw in p.propose(positive, image) if (text := normal(raw))]
        for p in proposers
    ]
    for place in range(max(map(len, lists), default=0)):
        for proposals in lists:
            if place < len(proposals):
                yield proposals[place]


def _is_narrower(phrase: str, positive: str, ontology: Ontology | None) -> bool:
    """Whether a phrase names some of what its own positive names ("poodle" from "dog").

    Other positives do not count: beside "cup" and "red cup", "blue cup" is a fair question.
    """
    asked = signature(positive, ontology)
    return any(signature(w, ontology) == asked for w in wider_phrases(phrase, ontology))
