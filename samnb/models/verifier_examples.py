"""What a verifier learns from: verdicts as plain records, and by-products of correction.

Source of the by-products: SAM 3 paper (arXiv 2511.16719), appendix on the AI verifiers:
each mask that a person added in correction is an accepted mask, each finished correction
an exhaustive pair.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from samnb.models.base import BoolMask, Image
from samnb.types import EvAnswer, InputError, MvAnswer

ImageLoader: TypeAlias = Callable[[], Image]
"""Reads the picture, (H, W, 3) uint8 RGB, each time it is called."""


@dataclass(frozen=True, slots=True, eq=False)
class MvExample:
    """A verdict on one mask.

    Attributes:
        key: the picture it is about; examples of one picture are never on both sides of
            a fold.
        image: reads the picture.
        phrase: the noun phrase.
        mask: (H, W) bool.
        answer: what was answered.
        weight: how much it counts; 0 leaves it out.
    """

    key: str
    image: ImageLoader
    phrase: str
    mask: BoolMask
    answer: MvAnswer
    weight: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class EvExample:
    """A verdict on whether the accepted masks are all there is.

    Attributes:
        key: as for :class:`MvExample`.
        image: reads the picture.
        phrase: the noun phrase.
        masks: the accepted masks, (H, W) bool each; none for a pair without.
        answer: what was answered.
        weight: how much it counts; 0 leaves it out.
    """

    key: str
    image: ImageLoader
    phrase: str
    masks: tuple[BoolMask, ...]
    answer: EvAnswer
    weight: float = 1.0


Example: TypeAlias = MvExample | EvExample


def examples_of_correction(
    key: str,
    image: ImageLoader,
    phrase: str,
    *,
    kept: Sequence[BoolMask],
    added: Sequence[BoolMask],
    removed: Sequence[BoolMask] = (),
    is_exhaustive: bool = True,
    weight: float = 1.0,
) -> tuple[Example, ...]:
    """Turn one finished correction into examples.

    The paper names two by-products, the added masks and the finished pair. Two more follow
    from the same work: a mask that the person took away was wrong, and the masks that
    were there before did not suffice if any was added.

    Args:
        key: the picture.
        image: reads it.
        phrase: the noun phrase.
        kept: accepted masks that stayed.
        added: masks that the person made.
        removed: accepted masks that the person took away or redrew.
        is_exhaustive: the person said that nothing is missing any more.
        weight: how much each example counts.
    """
    if not phrase.strip():
        raise InputError("phrase: expected words, got none")
    found: list[Example] = [
        MvExample(key, image, phrase, mask, MvAnswer.ACCEPT, weight) for mask in added
    ]
    found += [MvExample(key, image, phrase, mask, MvAnswer.REJECT, weight) for mask in removed]
    if is_exhaustive:
        masks = (*kept, *added)
        found.append(EvExample(key, image, phrase, masks, EvAnswer.ACCEPT, weight))
    if added:
        found.append(EvExample(key, image, phrase, tuple(kept), EvAnswer.REJECT, weight))
    return tuple(found)
