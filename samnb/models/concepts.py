"""The contract between the concept engine and the models that it runs.

Four small protocols: a :class:`Captioner` says what a picture shows, a
:class:`ConceptSegmenter` finds every instance of a noun phrase, a :class:`ConceptVerifier`
judges masks (MV) and exhaustivity (EV), and a :class:`PhraseProposer` names what a picture
might be mistaken to show. Nothing here imports torch.

Source of the tasks: SAM 3 paper, section 4 and its appendix on the data engine.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from samnb.models.base import BoolMask, FrameSource, Image, Prediction

Probabilities = npt.NDArray[np.float64]
"""Probabilities per option, the options in the order of their enum; rows sum to 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Exemplars:
    """Boxes that show what is meant, in media pixels.

    Attributes:
        positive_xyxy: (N, 4) float32, each around one instance of the concept.
        negative_xyxy: (M, 4) float32, each around something that is not one.
    """

    positive_xyxy: npt.NDArray[np.float32] = field(
        default_factory=lambda: np.zeros((0, 4), np.float32)
    )
    negative_xyxy: npt.NDArray[np.float32] = field(
        default_factory=lambda: np.zeros((0, 4), np.float32)
    )


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """One instance of a concept in a picture.

    Attributes:
        mask: (H, W) bool in media pixels.
        score: probability in [0, 1] that this is an instance, given that there is one
            (before presence is multiplied in; SAM 3 paper, presence token).
    """

    mask: BoolMask
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class ConceptPrediction:
    """What a segmenter found for one phrase in one picture.

    Attributes:
        presence: probability in [0, 1] that the concept is in the picture at all.
        instances: every candidate worth looking at, best first, also those below the threshold.
    """

    presence: float
    instances: tuple[Instance, ...] = ()

    def kept(self, threshold: float = 0.5) -> tuple[Instance, ...]:
        """Instances whose score times presence exceeds ``threshold`` (SAM 3: 0.5)."""
        return tuple(i for i in self.instances if i.score * self.presence > threshold)


@runtime_checkable
class Captioner(Protocol):
    """Says in words what a picture shows."""

    @property
    def name(self) -> str:
        """Name and version as it is written into the log."""

    def caption(self, image: Image) -> str:
        """Describe a picture, (H, W, 3) uint8 RGB, in one or more sentences."""


@runtime_checkable
class PhraseProposer(Protocol):
    """Names what a picture might be mistaken to show: candidates for hard negatives."""

    @property
    def name(self) -> str:
        """Name and version as it is written into the log."""

    def propose(self, phrase: str, image: Image | None = None) -> tuple[str, ...]:
        """Return phrases that are easily confused with ``phrase``, best first."""


@runtime_checkable
class ConceptSegmenter(Protocol):
    """Finds all instances of a noun phrase."""

    @property
    def name(self) -> str:
        """Name and version as it is written into the log, e.g. ``concept@1``."""

    def segment(
        self,
        image: Image,
        phrases: Sequence[str],
        exemplars: Mapping[str, Exemplars] | None = None,
    ) -> tuple[ConceptPrediction, ...]:
        """Answer for every phrase, in their order; the picture is looked at once.

        Args:
            image: (H, W, 3) uint8 RGB.
            phrases: noun phrases.
            exemplars: boxes by phrase.

        Raises:
            ModelError: the model cannot take what was asked, such as exemplars.
        """

    def segment_video(
        self, frames: FrameSource, phrase: str
    ) -> Generator[tuple[int, dict[int, Prediction]], None, None]:
        """Yield ``(position, {obj_id: Prediction})`` for every frame, objects numbered from 1.

        Nothing is read before the first frame is asked for; then all of the video may be, for
        what is found late is followed back to where it came from. Closing the iterator ends it.
        """


@runtime_checkable
class ConceptVerifier(Protocol):
    """Answers MV and EV with a probability for every option."""

    @property
    def name(self) -> str:
        """Name and version as it is written into the log."""

    def verify_masks(self, image: Image, phrase: str, masks: Sequence[BoolMask]) -> Probabilities:
        """Judge each mask by itself (SAM 3 paper, mask verification).

        Returns:
            (N, 5) float64, columns in the order of :class:`samnb.types.MvAnswer`.
        """

    def verify_exhaustive(
        self, image: Image, phrase: str, masks: Sequence[BoolMask]
    ) -> Probabilities:
        """Judge whether the accepted masks, none or more, are all there is.

        Returns:
            (6,) float64 in the order of :class:`samnb.types.EvAnswer`. With no masks,
            ``1 - P(ACCEPT)`` is the EV presence score (SAM 3 paper, section on AI verifiers).
        """
