"""What models learn from a log: decided pairs, verdicts, and the by-products of correction."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from samnb.engine.concepts.state import PairState
from samnb.events.concepts import (
    ConceptMask,
    ConceptProposed,
    ConceptStep,
    Corrected,
    EvAnswered,
    MvAnswered,
)
from samnb.masks import rle as rle_ops
from samnb.models.base import BoolMask, Image
from samnb.models.verifier_examples import EvExample, Example, MvExample, examples_of_correction

if TYPE_CHECKING:
    from samnb.engine.concepts.session import ConceptSession


@dataclass(frozen=True, slots=True, eq=False)
class PairExample:
    """A decided pair of a picture, with its pixels.

    Attributes:
        pair_id: the pair.
        media_id: the picture.
        image: (H, W, 3) uint8 RGB.
        phrase: the noun phrase.
        masks: all instances, (H, W) bool each; none for a verified negative.
    """

    pair_id: str
    media_id: str
    image: Image
    phrase: str
    masks: tuple[BoolMask, ...]


def is_usable(pair: PairState) -> bool:
    """Whether a pair can be trained on and measured on: a picture, final, and with a mask
    for every instance."""
    return (
        pair.step is ConceptStep.FINAL
        and not pair.is_video
        and pair.versions[0].is_instance_exhaustive
    )


def pair_examples(loop: ConceptSession, pairs: Sequence[PairState]) -> list[PairExample]:
    """Return decided pairs with their pixels; pairs of one picture share its array."""
    images: dict[str, Image] = {}
    found = []
    for pair in pairs:
        media_id = pair.item.media_id
        if media_id not in images:
            images[media_id] = loop.image(media_id)
        masks = tuple(loop.mask(m.mask_id) for m in pair.versions[0].masks if not m.is_group)
        found.append(PairExample(pair.id, media_id, images[media_id], pair.phrase, masks))
    return found


def snapshot_id(pairs: Sequence[PairState]) -> str:
    """Content hash of phrases and masks, by which the lineage knows what was learned."""
    rows = sorted(
        (p.item.media_id, p.phrase, *(m.mask_id for m in p.versions[0].masks)) for p in pairs
    )
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]


def verifier_examples(
    loop: ConceptSession, pairs: Sequence[PairState] | None = None
) -> list[Example]:
    """Return every verdict of people as an example, with the by-products of correction.

    Args:
        loop: the project.
        pairs: which; None for all pictures that are not held out.
    """
    state = loop.refresh()
    if pairs is None:
        pairs = [p for p in state.pairs.values() if not p.is_held_out and not p.is_video]
    found: list[Example] = []
    for pair in pairs:
        found += _of_pair(loop, pair)
    return found


def _of_pair(loop: ConceptSession, pair: PairState) -> list[Example]:
    key = pair.item.media_id
    image = partial(loop.image, key)
    known = every_mask(pair)

    def pixels(keys: Sequence[str]) -> list[BoolMask]:
        runs = loop.session.masks(known[k].mask_id for k in keys)
        return [rle_ops.decode(runs[known[k].mask_id]) for k in keys]

    found: list[Example] = []
    for answer in (*pair.past, *pair.answers):
        body = answer.body
        if not answer.is_person:
            continue
        if isinstance(body, MvAnswered):
            masks = pixels([a.key for a in body.answers])
            found += [
                MvExample(key, image, pair.phrase, mask, one.answer)
                for one, mask in zip(body.answers, masks, strict=True)
            ]
        elif isinstance(body, EvAnswered):
            shown = tuple(pixels(body.shown))
            found.append(EvExample(key, image, pair.phrase, shown, body.answer))
        elif isinstance(body, Corrected):
            redrawn = [m.parent for m in body.edited]
            found += examples_of_correction(
                key,
                image,
                pair.phrase,
                kept=pixels(body.kept),
                added=pixels([m.key for m in (*body.added, *body.edited) if not m.is_group]),
                removed=pixels([*body.removed, *redrawn]),
                is_exhaustive=body.is_instance_exhaustive,
            )
    return found


def every_mask(pair: PairState) -> dict[str, ConceptMask]:
    """Every mask that was ever proposed or made for a pair, by key."""
    found: dict[str, ConceptMask] = {}
    for entry in pair.entries:
        body = entry.event.body
        if isinstance(body, ConceptProposed):
            found |= {m.key: m for m in body.masks}
        elif isinstance(body, Corrected):
            found |= {m.key: m for m in (*body.added, *body.edited)}
    for version in pair.versions:
        found |= {m.key: m for m in version.masks}
    return found
