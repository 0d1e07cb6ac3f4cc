"""Questions in hand: from masks to one set of answers, as pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from samnb.engine.concepts.answers import AFTER_MV, MaskFate
from samnb.engine.concepts.queue import Work
from samnb.events.concepts import ConceptMask, ConceptTask
from samnb.types import InputError, MvAnswer


@dataclass(frozen=True, slots=True)
class Asking:
    """A pair on the desk and what was answered about it so far.

    In MV every mask is a question of its own, and the answers for one phrase go into the
    log together, with the last of them.

    Attributes:
        answers: of the first masks, in the order of ``work.masks``.
    """

    work: Work
    answers: tuple[MvAnswer, ...] = ()

    @property
    def mask(self) -> ConceptMask | None:
        """The mask that is asked about; None when all of them are shown together, or all
        have an answer."""
        if self.work.task is not ConceptTask.MV or self.is_complete:
            return None
        return self.work.masks[len(self.answers)]

    @property
    def is_complete(self) -> bool:
        """Whether every mask has its answer."""
        return len(self.answers) >= len(self.work.masks)

    @property
    def by_key(self) -> Mapping[str, MvAnswer]:
        """The answers by mask key."""
        return {m.key: a for m, a in zip(self.work.masks, self.answers, strict=False)}


def answered(asking: Asking, answer: MvAnswer) -> Asking:
    """Take the answer for the mask on show.

    An answer that drops the whole phrase is about the label, not about one mask: it holds
    for the masks after this one as well, and none of them has to be asked about.

    Raises:
        InputError: every mask has an answer already.
    """
    if asking.is_complete:
        raise InputError(f"answers: expected one for each of {len(asking.work.masks)} masks, "
                         "got one more")  # fmt: skip
    left = len(asking.work.masks) - len(asking.answers)
    count = left if AFTER_MV[answer] is MaskFate.REJECT_PAIR else 1
    return replace(asking, answers=(*asking.answers, *[answer] * count))


def stepped_back(asking: Asking) -> Asking:
    """Forget the last answer in hand; without one nothing changes."""
    return replace(asking, answers=asking.answers[:-1])


def reopened(work: Work, given: Mapping[str, MvAnswer]) -> Asking:
    """Return the questions with all earlier answers but the last one that a hand gave.

    Args:
        work: the pair, handed out again.
        given: its answers before they were taken back, by mask key.
    """
    answers: list[MvAnswer] = []
    for mask in work.masks:
        if mask.key not in given:
            break
        answers.append(given[mask.key])
        if AFTER_MV[answers[-1]] is MaskFate.REJECT_PAIR:
            break  # those after it were filled in
    return Asking(work, tuple(answers[:-1]))
