"""A verifier that looks twice for what is missing: at a picture, and at its mirror image.

What a picture shows does not change in a mirror, but a small model's errors do in part: what it
makes of the two is averaged as log-odds (a geometric mean of the probabilities; one form of
test-time augmentation, as in Krizhevsky, Sutskever and Hinton, NeurIPS 2012, section 4.1, who
average probabilities). It costs the model's time twice and nobody else's. A single mask is judged
in one look: there a second one told nothing new.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from samnb.metrics.calibration import apply_temperature
from samnb.models.base import BoolMask, Image
from samnb.models.concepts import ConceptVerifier, Probabilities

SUFFIX: Final = "+mirror"
"""What the name of such a verifier ends with."""
_LEAST: Final = 1e-6
_T = TypeVar("_T", np.bool_, np.uint8)


class MirrorVerifier:
    """Two looks at a pair behind one :class:`~samnb.models.concepts.ConceptVerifier`.

    Args:
        verifier: looks at pictures as they are.
        mirrored: looks at their mirror images; the same model, perhaps a copy that keeps what it
            saw last apart. None takes ``verifier``.
        temperature: of the mean, below 1: two looks that agree are surer than each by itself.
    """

    def __init__(
        self,
        verifier: ConceptVerifier,
        mirrored: ConceptVerifier | None = None,
        *,
        temperature: float = 1.0,
    ) -> None:
        self._plain, self._mirrored = verifier, mirrored or verifier
        self._temperature = temperature

    @property
    def name(self) -> str:
        """The verifier's name, and that it looked twice."""
        return self._plain.name + SUFFIX

    def verify_masks(self, image: Image, phrase: str, masks: Sequence[BoolMask]) -> Probabilities:
        """Judge each mask by itself, in one look; see the protocol.

        Returns:
            (N, 5) float64.
        """
        return self._plain.verify_masks(image, phrase, masks)

    def verify_exhaustive(
        self, image: Image, phrase: str, masks: Sequence[BoolMask]
    ) -> Probabilities:
        """Judge whether the masks are all there is; see the protocol.

        Returns:
            (6,) float64.
        """
        one = self._plain.verify_exhaustive(image, phrase, masks)
        other = self._mirrored.verify_exhaustive(_flip(image), phrase, [_flip(m) for m in masks])
        return apply_temperature(between(one, other), self._temperature)


def between(one: Probabilities, other: Probabilities) -> Probabilities:
    """Geometric mean of two sets of probabilities (..., K), made to add up to 1 again."""
    logs = np.log(np.clip(one, _LEAST, 1)) + np.log(np.clip(other, _LEAST, 1))
    mean = np.exp((logs - logs.max(axis=-1, keepdims=True)) / 2)
    return np.asarray(mean / mean.sum(axis=-1, keepdims=True), np.float64)


def _flip(picture: npt.NDArray[_T]) -> npt.NDArray[_T]:
    return np.ascontiguousarray(picture[:, ::-1])
