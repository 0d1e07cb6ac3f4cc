"""What every answer leads to: two tables, and the rules when several people answer.

Source: SAM 3 paper (arXiv 2511.16719), section 4 and its appendix on the data engine.
What the paper leaves open is decided here, and :func:`definitions` says it:

* *Whole image*, *flag label* and *ungroundable* drop the pair. The paper lets annotators
  reject a pair in every task and does not say where these options lead.
* A vague phrase is *ungroundable*. The paper's instructions name vagueness under *accept*
  as well; accepted, it would become a verified negative, which nobody verified.
* *Reject but unseparated* goes to correction, where a group mask is drawn.
* Of several reviewers a majority drops a pair; one alone counts as not accepting.
* Zero masks need one EV answer even with three reviewers: Gold has one label for negatives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Final

from samnb.engine.concepts.state import Answer, PairState, Version
from samnb.events.concepts import (
    ConceptMask,
    ConceptRulesSet,
    ConceptStep,
    ConceptTask,
    Corrected,
    EvAnswered,
    MvAnswered,
    PairRefused,
    Route,
)
from samnb.types import EvAnswer, MvAnswer


class MaskFate(Enum):
    """Where an MV answer leads."""

    KEEP = "keep the mask"
    DROP = "drop the mask"
    REJECT_PAIR = "reject the pair"


AFTER_MV: Final[Mapping[MvAnswer, MaskFate]] = {
    MvAnswer.ACCEPT: MaskFate.KEEP,
    MvAnswer.ACCEPT_AS_TEXT: MaskFate.KEEP,
    MvAnswer.REJECT: MaskFate.DROP,
    MvAnswer.WHOLE_IMAGE: MaskFate.REJECT_PAIR,
    MvAnswer.FLAG_LABEL: MaskFate.REJECT_PAIR,
}
AFTER_EV: Final[Mapping[EvAnswer, ConceptStep]] = {
    EvAnswer.ACCEPT: ConceptStep.FINAL,
    EvAnswer.REJECT: ConceptStep.CORRECT,
    EvAnswer.REJECT_UNSEPARATED: ConceptStep.CORRECT,
    EvAnswer.WHOLE_IMAGE: ConceptStep.REJECTED,
    EvAnswer.FLAG_LABEL: ConceptStep.REJECTED,
    EvAnswer.UNGROUNDABLE: ConceptStep.REJECTED,
}


def definitions() -> dict[str, str]:
    """Return the choices that the paper leaves open, for printing under a table."""
    return {
        "whole image, flag label, ungroundable": "the pair is dropped",
        "vague phrase": "is ungroundable, and never a verified negative",
        "reject but unseparated": "goes to correction, where a group mask is drawn",
        "several reviewers": "a mask stays if all accept it; a pair is corrected if one says it "
        "is not exhaustive, and dropped if a majority says so",
        "negative": "zero masks and EV accept; one EV answer is enough",
    }


def reviewers_needed(pair: PairState, task: ConceptTask, rules: ConceptRulesSet) -> int:
    """How many people a task asks, whatever models decide."""
    if task is ConceptTask.CONFIRM:
        return 1
    if task is ConceptTask.EV and not pair.accepted:
        return rules.n_negative
    return rules.n_reviewers


def open_keys(pair: PairState) -> tuple[str, ...]:
    """Masks of the newest proposal about which people have to say something in MV."""
    masks = pair.proposal.masks if pair.proposal else ()
    return tuple(m.key for m in masks if pair.route(ConceptTask.MV, m.key) is not Route.AUTO)


def people_missing(pair: PairState, rules: ConceptRulesSet) -> int:
    """How many more people the pair needs at its present step; 0 when it waits for none."""
    task = task_at(pair.step)
    if task is None or (task is ConceptTask.MV and not open_keys(pair)):
        return 0
    if task is ConceptTask.EV and pair.route(task) is Route.AUTO:
        return 0
    needed = reviewers_needed(pair, task, rules)
    return max(0, needed - len(pair.of(task, by_person=True)))


def task_at(step: ConceptStep) -> ConceptTask | None:
    """The task that a step asks for; None where no worker is asked."""
    is_task = step in {ConceptStep(t.value) for t in ConceptTask}
    return ConceptTask(step.value) if is_task else None


# -- MV ------------------------------------------------------------------------


def kept_masks(pair: PairState, rules: ConceptRulesSet) -> tuple[ConceptMask, ...] | str | None:
    """What mask verification came to.

    Returns:
        the masks to keep, in words why the pair is dropped, or None while answers are
        missing.
    """
    if pair.proposal is None:
        return None
    people = pair.of(ConceptTask.MV, by_person=True)
    needed = reviewers_needed(pair, ConceptTask.MV, rules)
    votes = [_reason_of(a) for a in people]
    against = [reason for reason in votes if reason]
    if 2 * len(against) > needed:
        return against[0]
    if open_keys(pair) and len(people) < needed:
        return None
    kept: list[ConceptMask] = []
    for mask in pair.proposal.masks:
        if pair.route(ConceptTask.MV, mask.key) is Route.AUTO:
            answer = _mask_answer(_deciding(pair, ConceptTask.MV), mask.key)
            fates = [MaskFate.DROP if answer is None else AFTER_MV[answer]]
            if fates == [MaskFate.REJECT_PAIR] and answer is not None:
                return answer.value
        else:
            given = [_mask_answer(a, mask.key) for a in people]
            fates = [MaskFate.DROP if g is None else AFTER_MV[g] for g in given]
        if all(fate is MaskFate.KEEP for fate in fates):
            kept.append(mask)
    return tuple(kept)


def _reason_of(answer: Answer) -> str:
    """Why an MV answer is against the pair as a whole; empty when it is not."""
    body = answer.body
    if isinstance(body, PairRefused):
        return body.reason or "refused"
    if isinstance(body, MvAnswered):
        for one in body.answers:
            if AFTER_MV[one.answer] is MaskFate.REJECT_PAIR:
                return one.answer.value
    return ""


def _mask_answer(answer: Answer | None, key: str) -> MvAnswer | None:
    if answer is None or not isinstance(answer.body, MvAnswered):
        return None
    return next((a.answer for a in answer.body.answers if a.key == key), None)


def _deciding(pair: PairState, task: ConceptTask) -> Answer | None:
    """The model answer that the newest route lets decide."""
    routed = next((r for r in reversed(pair.routes) if r.task is task), None)
    if routed is None:
        return None
    rows = [
        a
        for a in pair.of(task, by_person=False)
        if isinstance(a.body, MvAnswered | EvAnswered) and a.body.model == routed.verifier
    ]
    return rows[-1] if rows else None


# -- EV ------------------------------------------------------------------------


def step_after_ev(pair: PairState, rules: ConceptRulesSet) -> tuple[ConceptStep, str] | None:
    """Where exhaustivity verification leads, and in words why when the pair is dropped;
    None while answers are missing."""
    if pair.route(ConceptTask.EV) is Route.AUTO:
        answer = _deciding(pair, ConceptTask.EV)
        if answer is not None and isinstance(answer.body, EvAnswered):
            step = AFTER_EV[answer.body.answer]
            return step, answer.body.answer.value if step is ConceptStep.REJECTED else ""
    people = pair.of(ConceptTask.EV, by_person=True)
    needed = reviewers_needed(pair, ConceptTask.EV, rules)
    steps = [_step_of(a) for a in people]
    against = [reason for step, reason in steps if step is ConceptStep.REJECTED]
    if 2 * len(against) > needed:
        return ConceptStep.REJECTED, against[0]
    if len(people) < needed:
        return None
    if any(step is ConceptStep.CORRECT for step, _ in steps):
        return ConceptStep.CORRECT, ""
    return ConceptStep.FINAL, ""


def _step_of(answer: Answer) -> tuple[ConceptStep, str]:
    body = answer.body
    if isinstance(body, PairRefused):
        return ConceptStep.REJECTED, body.reason or "refused"
    if not isinstance(body, EvAnswered):
        return ConceptStep.FINAL, ""
    step = AFTER_EV[body.answer]
    return step, body.answer.value if step is ConceptStep.REJECTED else ""


# -- correction ------------------------------------------------------------------


def corrected_version(pair: PairState, answer: Answer) -> Version:
    """The account that a correction amounts to."""
    body = answer.body
    if not isinstance(body, Corrected):
        return Version(answer.worker_id, pair.masks)
    known = known_masks(pair)
    kept = tuple(known[key] for key in body.kept)
    return Version(
        answer.worker_id,
        (*kept, *body.edited, *body.added),
        body.is_instance_exhaustive,
        body.is_pixel_exhaustive,
    )


def known_masks(pair: PairState) -> dict[str, ConceptMask]:
    """Every mask that a correction of the pair may keep, by key."""
    proposed = pair.proposal.masks if pair.proposal else ()
    made = (m for v in pair.versions for m in v.masks)
    return {m.key: m for m in (*proposed, *pair.accepted, *made)}


def after_correction(
    pair: PairState, rules: ConceptRulesSet
) -> tuple[tuple[Version, ...], str] | None:
    """What correction came to: the versions, and in words why the pair is dropped (empty
    when it is not); None while answers are missing."""
    people = pair.of(ConceptTask.CORRECT, by_person=True)
    needed = reviewers_needed(pair, ConceptTask.CORRECT, rules)
    refused = [a.body.reason or "refused" for a in people if isinstance(a.body, PairRefused)]
    if 2 * len(refused) > needed:
        return (), refused[0]
    if len(people) < needed:
        return None
    done = [a for a in people if isinstance(a.body, Corrected)]
    return tuple(corrected_version(pair, a) for a in done), ""


def verified_version(masks: Sequence[ConceptMask]) -> Version:
    """The account of a pair whose verified proposal is exhaustive."""
    return Version("", tuple(masks), not any(m.is_group for m in masks), True)
