"""Verifiers at inference: EV says whether anything is there, MV strikes out bad masks.

Source: SAM 3 paper (arXiv 2511.16719), section on AI verifiers and its ablation: the EV
presence score, ``1 - P(Accept | zero boxes)``, takes the place of the segmenter's presence;
object scores times presence are compared with 0.5; then MV is run on each mask that is left
and the rejected ones go.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from samnb.models.base import Image
from samnb.models.concepts import ConceptPrediction, ConceptVerifier, Probabilities
from samnb.types import EvAnswer, InputError, MvAnswer

THRESHOLD: Final = 0.5
"""Score times presence above which a mask is kept (SAM 3)."""

_EV_ACCEPT: Final = tuple(EvAnswer).index(EvAnswer.ACCEPT)
_MV_ACCEPTS: Final = [
    tuple(MvAnswer).index(answer) for answer in (MvAnswer.ACCEPT, MvAnswer.ACCEPT_AS_TEXT)
]


def ev_presence(verifier: ConceptVerifier, image: Image, phrase: str) -> float:
    """Probability that the phrase names anything in the picture, in [0, 1].

    All options but Accept count as present (SAM 3 paper, same section).
    """
    return 1.0 - float(verifier.verify_exhaustive(image, phrase, ())[_EV_ACCEPT])


def acceptance(probabilities: Probabilities) -> Probabilities:
    """Probability that each mask is to be kept, (N,), from (N, 5): both accepting options."""
    table = np.asarray(probabilities, np.float64)
    if table.ndim != 2 or table.shape[1] != len(MvAnswer):
        raise InputError(f"probabilities: expected (N, {len(MvAnswer)}), got {table.shape}")
    return np.asarray(table[:, _MV_ACCEPTS].sum(axis=1), np.float64)


def with_verifier(
    prediction: ConceptPrediction,
    image: Image,
    phrase: str,
    *,
    ev: ConceptVerifier | None = None,
    mv: ConceptVerifier | None = None,
    threshold: float = THRESHOLD,
    min_acceptance: float = 0.5,
) -> ConceptPrediction:
    """Correct a segmenter's answer by verifiers.

    The paper does not say when a mask counts as rejected; here it is when accepting is less
    likely than ``min_acceptance``. Candidates below the threshold are not judged and stay
    as they are, for whoever looks at them.

    Args:
        prediction: what the segmenter found.
        image: (H, W, 3) uint8 RGB.
        phrase: the noun phrase.
        ev: judges presence; None leaves the segmenter's.
        mv: judges the masks that are left; None leaves them.
        threshold: on score times presence.
        min_acceptance: least probability of the two accepting options together.
    """
    presence = prediction.presence if ev is None else ev_presence(ev, image, phrase)
    found = ConceptPrediction(presence, prediction.instances)
    kept = found.kept(threshold)
    if mv is None or not kept:
        return found
    good = acceptance(mv.verify_masks(image, phrase, [one.mask for one in kept]))
    struck = {
        id(one) for one, chance in zip(kept, good.tolist(), strict=True) if chance < min_acceptance
    }
    return ConceptPrediction(presence, tuple(i for i in found.instances if id(i) not in struck))
