"""How good a set of decided pairs, or a model's proposals, are against the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from samnb.engine.concepts.state import PairState
from samnb.engine.concepts.world import ConceptTruth, encoded, ious
from samnb.events.concepts import ConceptMask, ConceptStep
from samnb.metrics.cgf1 import CgScore, count_pair, mask_ious, total
from samnb.types import Rle

if TYPE_CHECKING:
    from samnb.engine.concepts.session import ConceptSession


def score_pairs(
    loop: ConceptSession,
    truth: ConceptTruth,
    pairs: Iterable[PairState] | None = None,
    *,
    masks_of: Callable[[PairState], Sequence[ConceptMask]] | None = None,
) -> CgScore:
    """Score masks against the truth: cgF1, pmF1 and IL_MCC; masklets by their volume.

    Args:
        loop: the project.
        truth: what every phrase names.
        pairs: which; None for all that are decided, those left out that a filter
            dropped. A rejected pair counts as one for which nothing was found, and a phrase
            that the truth does not know for nothing.
        masks_of: what to score; None takes the decided masks.
    """
    masks_of = masks_of or decided_masks
    rows = list(loop.state.pairs.values() if pairs is None else pairs)
    if pairs is None:
        rows = [p for p in rows if p.is_done and not p.dropped_by]
    counts = []
    for pair in rows:
        media = loop.session.media(pair.item.media_id)
        true = truth.find(media, pair.phrase)
        if true is None:
            continue
        if pair.is_video:
            volumes = [loop.pixels(media.id, m) for m in masks_of(pair)]
            counts.append(count_pair(ious(volumes, true)))
            continue
        runs: dict[str, Rle] = dict(loop.session.masks(m.mask_id for m in masks_of(pair)))
        predicted = [runs[m.mask_id] for m in masks_of(pair)]
        counts.append(count_pair(mask_ious(predicted, encoded(true))))
    return total(counts)


def decided_masks(pair: PairState) -> tuple[ConceptMask, ...]:
    """The masks of the first account of a final pair; none for a dropped one."""
    return pair.versions[0].masks if pair.step is ConceptStep.FINAL else ()


def proposed_masks(pair: PairState) -> tuple[ConceptMask, ...]:
    """The masks that the newest proposal put forward."""
    return pair.proposal.masks if pair.proposal else ()
