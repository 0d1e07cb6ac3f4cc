"""What the concept desks say: questions, what an answer leads to, why nothing waits."""

from __future__ import annotations

import html
from collections.abc import Collection
from typing import Final

from samnb.engine.concepts import queue
from samnb.engine.concepts.answers import AFTER_EV, AFTER_MV, MaskFate
from samnb.engine.concepts.queue import Work
from samnb.engine.concepts.state import Answer, ConceptState, PairState
from samnb.events.concepts import (
    ConceptStep,
    ConceptTask,
    EvAnswered,
    MvAnswered,
    PairRefused,
)
from samnb.types import EvAnswer, MvAnswer
from samnb.widgets.concept_keys import Want, line_of

TASK_WORDS: Final = {
    ConceptTask.MV: "Masks (MV)",
    ConceptTask.EV: "Exhaustivity (EV)",
    ConceptTask.CORRECT: "Correction",
    ConceptTask.CONFIRM: "Confirmation",
}
"""Names of the desks."""
DRAWING: Final = frozenset({ConceptTask.CORRECT, ConceptTask.CONFIRM})
"""Tasks at which masks are drawn."""
_COUNT_WORDS: Final = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def counted(n: int, noun: str) -> str:
    """A number with its noun: ``"one box"``, ``"12 boxes"``."""
    number = _COUNT_WORDS[n] if n < len(_COUNT_WORDS) else str(n)
    plural = f"{noun}es" if noun.endswith(("x", "s")) else f"{noun}s"
    return f"{number} {noun if n == 1 else plural}"


def question(work: Work, at: int) -> str:
    """What is asked, without the phrase, which stands above in large type.

    Args:
        work: the pair on the desk.
        at: in MV, position of the mask that is asked about.
    """
    n = len(work.masks)
    if work.task is ConceptTask.MV:
        which = f" · mask {at + 1} of {n}" if n > 1 else ""
        return f"Is this what the fuchsia mask covers, and is the mask good?{which}"
    if work.task is ConceptTask.EV:
        if n == 0:
            return "Nothing is marked. Is there really none of it in this picture?"
        verb = "marks" if n == 1 else "mark"
        return f"{counted(n, 'red box').capitalize()} {verb} what was accepted. Is that all of it?"
    if n == 0:
        return "No mask was accepted, and something is missing. Give each instance a mask."
    if work.task is ConceptTask.CONFIRM:
        return "Corrected once. Look through the clip and add what is still missing."
    return "Something is missing or wrong. Give each instance a mask of its own."


def outcome(task: ConceptTask, want: Want, n_masks: int, n_reviewers: int) -> str:
    """Where an option leads, in a few words, by the tables of the loop.

    Args:
        task: MV or EV.
        want: the option.
        n_masks: masks of the pair at this task.
        n_reviewers: people who are asked this question.
    """
    if task is ConceptTask.MV:
        fate = AFTER_MV[MvAnswer(want.value)]
        if fate is MaskFate.KEEP:
            return "the mask stays" + (_ALL_AGREE if n_reviewers > 1 else "")
        if fate is MaskFate.DROP:
            return "the mask goes"
        return "the phrase is dropped" + (_MOST_AGREE if n_reviewers > 1 else "")
    answer = EvAnswer(want.value)
    step = AFTER_EV[answer]
    if step is ConceptStep.FINAL:
        done = "finished" if n_masks else "finished: a verified negative"
        return done + (_ALL_AGREE if n_reviewers > 1 else "")
    if step is ConceptStep.CORRECT:
        how = ", for a group mask" if answer is EvAnswer.REJECT_UNSEPARATED else ""
        return f"somebody draws what is missing{how}"
    return "the phrase is dropped" + (_MOST_AGREE if n_reviewers > 1 else "")


_ALL_AGREE: Final = ", if everybody asked says so"
_MOST_AGREE: Final = ", if most of those asked say so"


def asked_people(state: ConceptState, pair: PairState, task: ConceptTask) -> int:
    """How many people are asked a question."""
    if task is ConceptTask.CONFIRM:
        return 1
    if task is ConceptTask.EV and not pair.masks:
        return state.rules.n_negative
    return state.rules.n_reviewers


def answer_words(answer: Answer) -> str:
    """An answer as its button says it, for a message."""
    body = answer.body
    if isinstance(body, MvAnswered):
        names = [line_of(Want(a.answer.value), ConceptTask.MV).words for a in body.answers]
        return ", ".join(f"“{name}”" for name in dict.fromkeys(names))
    if isinstance(body, EvAnswered):
        return f"“{line_of(Want(body.answer.value), ConceptTask.EV).words}”"
    if isinstance(body, PairRefused):
        return "“Reject phrase”"
    return "your correction"


def hint(task: ConceptTask, *, has_row: bool, n_rows: int, is_running: bool) -> str:
    """The next sensible thing to do, in one sentence."""
    if task not in DRAWING:
        return "One key answers and brings the next. Z takes your last answer back."
    if is_running:
        return "Following the instance. You can look at other frames meanwhile; Esc stops it."
    if n_rows == 0:
        return "Left click an instance to begin. Enter with no mask says that there is none."
    if has_row:
        return "Click refines the chosen mask; right click takes away. N starts another instance."
    return "Click starts a new instance; Tab or a number chooses one to refine or remove."


# -- nothing to do ------------------------------------------------------------------


def nothing_html(state: ConceptState, task: ConceptTask, worker_id: str, now_s: float) -> str:
    """Why nothing waits for a worker at a task, and what to do about it.

    It tells how much is open and finished, never what anybody answered.
    """
    title = f"<h3>Nothing waits for you at {TASK_WORDS[task]}</h3>"
    parts = [f"<p>{line}</p>" for line in _reasons(state, task, worker_id, now_s)]
    return title + "".join(parts)


def _reasons(state: ConceptState, task: ConceptTask, worker_id: str, now_s: float) -> list[str]:
    if not state.pairs:
        return [
            "There are no pairs of media and phrases yet. In a cell: "
            '<code>session.concepts.add_pairs(media_id, ["red cup"])</code>'
        ]
    pairs = list(state.pairs.values())
    found: list[str] = []
    at_step = [p for p in pairs if p.step.value == task.value]
    refusals = [queue.why_not(state, p, task, worker_id) for p in at_step]
    refused = [reason for reason in refusals if reason]
    if refused:
        n = len(refused)
        wait = "waits" if n == 1 else "wait"
        found.append(f"<b>{n} {wait}, but not for you:</b> {html.escape(refused[0])}.")
    free = [p for p, reason in zip(at_step, refusals, strict=True) if not reason]
    held = [p for p in free if queue.free_slots(state, p, worker_id, now_s) < 1]
    if held:
        n = len(held)
        verb = "is" if n == 1 else "are"
        found.append(f"{n} {verb} on somebody else's desk; unanswered, they come back.")
    n_fresh = _at(pairs, {ConceptStep.PROPOSE})
    if n_fresh:
        wait = "pair waits" if n_fresh == 1 else "pairs wait"
        found.append(
            f"{n_fresh} {wait} for proposals: <code>session.concepts.propose(segmenter)</code>"
        )
    n_open = len(pairs) - n_fresh - len(at_step) - sum(p.is_done for p in pairs)
    if n_open:
        found.append(f"{n_open} of {len(pairs)} pairs wait at other desks.")
    if all(p.is_done for p in pairs):
        found.append(f"All {len(pairs)} pairs are finished. Thank you.")
    found.append('<span class="samnb-quiet">This page looks for new work by itself.</span>')
    return found


def _at(pairs: Collection[PairState], steps: Collection[ConceptStep]) -> int:
    return sum(p.step in steps for p in pairs)
