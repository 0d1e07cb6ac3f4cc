"""Verifiers at inference: EV says whether anything is there, MV strikes out bad masks.

Source: SAM 3 paper (arXiv 2511.16719), section on AI verifiers and its ablation: the EV
presence score, ``1 - P(Accept | zero boxes)``, takes the place of the segmenter's presence;
object scores times presence are compared with 0.5; then MV is run on each mask that is left
and the rejected ones go.

Here both overrule the segmenter only where they are sure. A mask or a phrase dropped by an
answer that is right six times in ten costs more than it gives: a threshold on probabilities
makes F1 greatest at half of the F1 that is reached (Lipton, Elkan and Naryanaswamy, ECML 2014,
arXiv 1402.1892, theorem 1), not at a half. Where decided pairs have told what both are worth, a
mask's fate is a weighted sum of both opinions (:mod:`samnb.models.verifier_weighing`).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from samnb.models.base import Image
from samnb.models.concepts import ConceptPrediction, ConceptVerifier, Instance, Probabilities
from samnb.models.verifier_weighing import Weighing
from samnb.types import EvAnswer, InputError, MvAnswer

THRESHOLD: Final = 0.5
"""Score times presence above which a mask is kept (SAM 3)."""
LEAST: Final = 0.3
"""Probability below which a verifier overrules the segmenter: half of a pmF1 of 0.6. A segmenter
that reaches more, as the default one does in its own world, could be overruled earlier."""

_EV_ACCEPT: Final = tuple(EvAnswer).index(EvAnswer.ACCEPT)
_MV_ACCEPTS: Final = [
    tuple(MvAnswer).index(answer) for answer in (MvAnswer.ACCEPT, MvAnswer.ACCEPT_AS_TEXT)
]


def ev_presence(verifier: ConceptVerifier, image: Image, phrase: str) -> float:
    """Probability that the phrase names anything in the picture, in [0, 1].

    All options but Accept count as present (SAM 3 paper, same section).
    """
    return 1.0 - float(verifier.verify_exhaustive(image, phrase, ())[_EV_ACCEPT])


def combined_presence(segmenter: float, ev: float, least: float = LEAST) -> float:
    """The segmenter's presence, or EV's where that is below ``least`` or, where it is the
    higher one, above ``1 - least``."""
    if ev < least:
        return ev
    return max(segmenter, ev) if ev > 1 - least else segmenter


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
    min_acceptance: float = LEAST,
    replaces_presence: bool = False,
    weighing: Weighing | None = None,
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
        replaces_presence: EV's presence always takes the place of the segmenter's, as in the
            paper; else only where it is sure, see :func:`combined_presence`.
        weighing: of the segmenter's opinion and MV's, which is then asked about every candidate:
            masks that it accepts may come in as well as go. None lets MV strike out alone.
    """
    presence = prediction.presence
    if ev is not None:
        told = ev_presence(ev, image, phrase)
        presence = told if replaces_presence else combined_presence(presence, told)
    found = ConceptPrediction(presence, prediction.instances)
    if mv is not None and weighing is not None:
        return _weighed(found, image, phrase, mv, weighing)
    kept = found.kept(threshold)
    if mv is None or not kept:
        return found
    good = acceptance(mv.verify_masks(image, phrase, [one.mask for one in kept]))
    struck = {
        id(one) for one, chance in zip(kept, good.tolist(), strict=True) if chance < min_acceptance
    }
    return ConceptPrediction(presence, tuple(i for i in found.instances if id(i) not in struck))


def _weighed(
    found: ConceptPrediction, image: Image, phrase: str, mv: ConceptVerifier, by: Weighing
) -> ConceptPrediction:
    """Give every candidate the chance that both opinions together leave it."""
    every = [one for one in found.instances if one.mask.any()]
    if not every:
        return found
    accepted = acceptance(mv.verify_masks(image, phrase, [one.mask for one in every]))
    chances = by.chances([one.score * found.presence for one in every], accepted)
    # Being one implies that there is one.
    presence = max(found.presence, float(chances.max()))
    order = np.argsort(-chances, kind="stable").tolist()
    return ConceptPrediction(
        presence, tuple(Instance(every[at].mask, float(chances[at]) / presence) for at in order)
    )
