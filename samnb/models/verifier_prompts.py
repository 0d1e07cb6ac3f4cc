"""The two questions as multiple choice, in words for a vision-language model.

Source of the options and their meaning: SAM 3 paper (arXiv 2511.16719), the appendix's
tables of verification prompts. The wording is ours. Which letter stands for which option is
free, so the order is an argument.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from samnb.types import EvAnswer, InputError, MvAnswer

LETTERS: Final = "ABCDEF"
MV_ORDER: Final = tuple(MvAnswer)
EV_ORDER: Final = tuple(EvAnswer)

MV_MEANINGS: Final[Mapping[MvAnswer, str]] = {
    MvAnswer.ACCEPT: (
        "Accept. The label describes the marked object, and the mask is good: its boundary need "
        "not be exact to the pixel, but every important part is covered."
    ),
    MvAnswer.ACCEPT_AS_TEXT: (
        "Accept as text. The mask covers written text, the label is exactly that text, and every "
        "character is covered."
    ),
    MvAnswer.REJECT: (
        "Reject. Anything else: the label does not describe the marked object, or the mask is "
        "poor, has holes, misses parts or covers too much."
    ),
    MvAnswer.WHOLE_IMAGE: (
        "Whole image. The label describes the picture as a whole: its setting, place, medium or "
        "kind."
    ),
    MvAnswer.FLAG_LABEL: (
        "Flag label. The label concerns race, ethnicity, sexual orientation, religion, social "
        "status, a medical condition or a disability, is a slur or profane, or calls a person an "
        "animal."
    ),
}
EV_MEANINGS: Final[Mapping[EvAnswer, str]] = {
    EvAnswer.ACCEPT: "Accept. No instance of the label is without a box.",
    EvAnswer.REJECT: (
        "Reject. Instances are without a box, and at least some of them can be told apart."
    ),
    EvAnswer.REJECT_UNSEPARATED: (
        "Reject but unseparated. Instances are without a box, and they cannot be told apart."
    ),
    EvAnswer.WHOLE_IMAGE: MV_MEANINGS[MvAnswer.WHOLE_IMAGE],
    EvAnswer.FLAG_LABEL: MV_MEANINGS[MvAnswer.FLAG_LABEL],
    EvAnswer.UNGROUNDABLE: (
        "Ungroundable, vague or unsure. The label names nothing that can be pointed at, is too "
        "vague, or it cannot be said whether it is there."
    ),
}
"""Vague labels stand under one option only; the paper names them under two."""

A = TypeVar("A", MvAnswer, EvAnswer)


def mv_prompt(phrase: str, order: Sequence[MvAnswer] = MV_ORDER) -> str:
    """The question about one mask, shown by :func:`samnb.masks.views.mv_view`."""
    return (
        "Two views of one picture. Left: a wider view with a fuchsia box around a region. Right: "
        "a zoomed view of it with a mask laid over in fuchsia.\n"
        f'Label: "{_clean(phrase)}"\n'
        "Is the mask a good mask of one thing that the label describes?\n"
        f"{_listed(order, MV_MEANINGS)}\n"
        "Answer with one letter."
    )


def ev_prompt(phrase: str, n_boxes: int, order: Sequence[EvAnswer] = EV_ORDER) -> str:
    """The question about all masks, shown by :func:`samnb.masks.views.ev_view`."""
    if n_boxes < 0:
        raise InputError(f"n_boxes: expected 0 or more, got {n_boxes}")
    shown = (
        "A picture with zero boxes: nothing has been found in it."
        if n_boxes == 0
        else f"A picture with {n_boxes} red box{'' if n_boxes == 1 else 'es'}, one around each "
        "instance found."
    )
    return (
        f'{shown}\nLabel: "{_clean(phrase)}"\n'
        "Does every instance of the label have a box?\n"
        f"{_listed(order, EV_MEANINGS)}\n"
        "Answer with one letter."
    )


def check_order(order: Sequence[A], options: Sequence[A]) -> tuple[A, ...]:
    """Refuse an order that does not name every option once."""
    if sorted(o.value for o in order) != sorted(o.value for o in options):
        raise InputError(
            f"order: expected each of {[o.value for o in options]} once, "
            f"got {[o.value for o in order]}"
        )
    return tuple(order)


def _listed(order: Sequence[A], meanings: Mapping[A, str]) -> str:
    return "\n".join(
        f"{letter}. {meanings[answer]}" for letter, answer in zip(LETTERS, order, strict=False)
    )


def _clean(phrase: str) -> str:
    """A phrase on one line, without the quotes that would end it."""
    return " ".join(phrase.replace('"', "'").split())
