"""What an adapter must be able to compute; the bookkeeping around it is shared.

SAM 2 exists in several packages with equal mathematics and different plumbing. A
:class:`Backend` is the plumbing of one package: encode a frame, decode a mask, remember it. Which
frames are remembered, which prompts count and what is yielded is decided once, in
:mod:`samnb.models.tracker`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

import torch
from torch import Tensor

from samnb.models.base import Image

GONE_LOGIT: Final = -1024.0
"""Mask logits of an absent object (released SAM 2 code)."""

BankKey: TypeAlias = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """One encoded frame.

    Attributes:
        maps: feature maps (H*W, 1, C), highest resolution first.
        code: position code of the last map, (H*W, 1, C).
        sizes_hw: height and width of every map.
    """

    maps: tuple[Tensor, ...]
    code: Tensor
    sizes_hw: tuple[tuple[int, int], ...]

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors held."""
        return sum(t.numel() * t.element_size() for t in (*self.maps, self.code))

    def pictures(self) -> list[Tensor]:
        """The feature maps as (1, C, h, w), highest resolution first."""
        return [
            m.permute(1, 2, 0).reshape(1, -1, *hw)
            for m, hw in zip(self.maps, self.sizes_hw, strict=True)
        ]


@dataclass(slots=True, eq=False)
class Decoded:
    """What the mask decoder says about one object on one frame.

    Attributes:
        logits: (1, 1, h, w) float32 mask logits at the decoder's resolution.
        confidence: predicted IoU, as the model gives it (it may leave [0, 1]).
        score: (1, 1) logit of the object being in the picture.
    """

    logits: Tensor
    confidence: float
    score: Tensor

    @property
    def drawn(self) -> Tensor:
        """The finest logits of this mask, which people are shown and click on."""
        return self.logits


@dataclass(slots=True, eq=False)
class Output(Decoded):
    """A decoded mask together with what later frames attend to.

    Attributes:
        pointer: the object pointer, in the backend's own shape; empty until it is remembered where
            the mask came from other eyes.
        memory: spatial memory in the backend's own shape; None until it is remembered.
        look: mean features under the mask, a vector (C,) for each map; empty where the backend does
            not recognise objects by their looks (see :mod:`samnb.models.looks`).
        rule: (D + 1,) what tells it from the rest of its frame; empty like `look`.
        place: (4,) float32, where the mask is in shares of the picture: x and y of its centre, its
            area, and whether there is any (1 or 0); empty like `look`.
        is_trusted: whether other frames may attend to it.
        fine: (1, 1, H, W) float32, the same mask as the eyes for clicks drew it; None where they
            did not.
    """

    pointer: Tensor = field(default_factory=lambda: torch.zeros(0))
    memory: Tensor | None = None
    look: tuple[Tensor, ...] = ()
    rule: Tensor = field(default_factory=lambda: torch.zeros(0))
    place: Tensor = field(default_factory=lambda: torch.zeros(0))
    is_trusted: bool = True
    fine: Tensor | None = None

    @property
    def drawn(self) -> Tensor:
        """The finest logits of this mask, which people are shown and click on."""
        return self.logits if self.fine is None else self.fine

    @property
    def shown(self) -> Tensor | None:
        """The logits that a further click refines; None where the mask was taken away."""
        return self.drawn if bool((self.logits > GONE_LOGIT).any()) else None

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors held."""
        held = [self.logits, self.score, self.pointer, *self.look, self.rule, self.place]
        held += [one for one in (self.memory, self.fine) if one is not None]
        return sum(t.numel() * t.element_size() for t in held)


@dataclass(frozen=True, slots=True, eq=False)
class Bank:
    """The past of one object as one frame may see it.

    Attributes:
        prompted: outputs of prompted frames by position; not empty.
        recent: outputs of tracked frames within reach, by position.
    """

    prompted: Mapping[int, Output]
    recent: Mapping[int, Output]

    @property
    def key(self) -> BankKey:
        """Objects whose banks have equal keys can always be decoded in one batch."""
        return tuple(self.prompted), tuple(self.recent)


@dataclass(frozen=True, slots=True, eq=False)
class ModelPrompt:
    """One object's prompts in model pixels.

    Attributes:
        coords: (1, P, 2) float32, x first; None for a mask.
        labels: (1, P) int32; None for a mask.
        mask: (1, 1, S, S) float32 of zeros and ones at the model's input size; None for points.
    """

    coords: Tensor | None = None
    labels: Tensor | None = None
    mask: Tensor | None = None


class Backend(Protocol):
    """The plumbing of one package that implements SAM 2."""

    @property
    def size(self) -> int:
        """Side in pixels of the model's square input."""

    @property
    def device(self) -> torch.device:
        """Where the model is and prompts must be."""

    @property
    def reach(self) -> int:
        """How many frames back the memory looks."""

    @property
    def max_prompted(self) -> int:
        """How many prompted frames the memory attends to; -1 where the model sets no limit."""

    @property
    def mixes_banks(self) -> bool:
        """Whether objects whose banks have different keys can be decoded in one batch, too."""

    @property
    def eyes(self) -> Backend | None:
        """What answers prompts on a picture: a model that sees more than memory can be asked to
        keep up with. None where this one does both."""

    def encode(self, image: Image) -> Features:
        """Encode a frame, (H, W, 3) uint8 RGB."""

    def segment(
        self, features: Features, prompt: ModelPrompt, *, previous: Tensor | None = None
    ) -> Decoded:
        """Decode one mask from one frame alone; the object counts as present.

        Args:
            features: the frame's features.
            prompt: all prompts on this frame.
            previous: (1, 1, h, w) logits of an earlier mask on this frame that the points refine.
        """

    def decode(
        self,
        features: Features,
        position: int,
        banks: Sequence[Bank | None],
        *,
        n_frames: int,
        is_reverse: bool,
        prompt: ModelPrompt | None = None,
        previous: Tensor | None = None,
    ) -> list[Output]:
        """Decode one mask per bank.

        Args:
            features: the frame's features.
            position: the frame's position.
            banks: one per object, all with the same key unless the backend mixes banks: then those
                with equal keys are neighbours. None (alone) decodes without memory.
            n_frames: length of the video.
            is_reverse: whether time runs backward.
            prompt: prompts on this frame; goes with a single bank.
            previous: (1, 1, h, w) logits of an earlier mask on this frame that the points refine.
        """

    def remember(self, features: Features, outputs: Sequence[Output], *, is_prompted: bool) -> None:
        """Fill in what later frames know of outputs on the frame that ``features`` belong to.

        Tracked outputs that are not trusted may be left out.
        """
