"""One look at a picture: every whole thing in it, with a fine mask and an embedding."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from samnb.models.backend import Features
from samnb.models.base import BoolMask, Image
from samnb.models.concept_crops import (
    Pyramid,
    Squares,
    paste,
    reframe,
    squares_around,
    squares_within,
    view_maps,
)
from samnb.models.concept_net import ConceptNet
from samnb.models.concept_proposals import Proposals, Proposer, propose
from samnb.models.tracker import MemoryTracker

MIN_QUALITY: Final = 0.1
"""What is less likely than this to be one whole thing is forgotten."""
SAME_IOU: Final = 0.7
"""Two masks that overlap more than this show the same, and the better one stays."""
NMS_IOU: Final = 0.5
"""Of two masks that overlap more than this, a phrase names the likelier one alone."""
INSIDE: Final = 0.85
"""Nor does it name a mask of which more than this share lies in a likelier one, or the other
way round: one of the two is a part of the other, or holds something beside it."""
MAX_THINGS: Final = 60
DRAWN_IOU: Final = 0.85
"""Two drawings that overlap more than this are looked at once."""
GRID: Final = 3
"""Clicks along each side beside those where the proposer sees something."""
_COMPARED: Final = 160
"""Masks are compared in pictures of this many pixels along the longer side."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What is in a picture, best first.

    Attributes:
        size_hw: height and width of the picture.
        squares: (N, 3) float32, where the views are.
        mask_logits: (N, CROP, CROP) float32.
        quality: (N,) float32 in [0, 1], probability of being one whole thing.
        embedding: (N, D) float32, see :class:`samnb.models.concept_net.Seen`.
        features: of the picture, to decode exemplars from.
        pasted: masks that were asked for before.
        small: what was compared before, see :meth:`compared`.
    """

    size_hw: tuple[int, int]
    squares: Squares
    mask_logits: npt.NDArray[np.float32]
    quality: npt.NDArray[np.float32]
    embedding: Tensor
    features: Features
    pasted: dict[int, BoolMask] = field(default_factory=dict)
    small: list[npt.NDArray[np.float32]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.quality)

    def mask(self, at: int) -> BoolMask:
        """Return one mask, (H, W) bool."""
        if at not in self.pasted:
            self.pasted[at] = paste(self.mask_logits[at], self.squares[at], self.size_hw)
        return self.pasted[at].copy()

    def compared(self) -> npt.NDArray[np.float32]:
        """All masks, small and flat, to be compared with each other: (N, P) float32, 0 or 1."""
        if not self.small:
            self.small.append(_small(self.mask_logits, self.squares, self.size_hw))
        return self.small[0]

    def rows(self, chosen: list[int]) -> Look:
        """Return some of the things."""
        return replace(
            self,
            squares=self.squares[chosen],
            mask_logits=self.mask_logits[chosen],
            quality=self.quality[chosen],
            embedding=self.embedding[chosen],
            pasted={},
            small=[self.small[0][chosen]] if self.small else [],
        )

    def joined(self, more: Look) -> Look:
        """Return these things and, after them, others of the same picture."""
        return replace(
            self,
            squares=np.concatenate([self.squares, more.squares]),
            mask_logits=np.concatenate([self.mask_logits, more.mask_logits]),
            quality=np.concatenate([self.quality, more.quality]),
            embedding=torch.cat([self.embedding, more.embedding]),
            pasted={},
            small=[],
        )


def look_at(
    tracker: MemoryTracker, proposer: Proposer, net: ConceptNet, image: Image, *, grid: int = GRID
) -> Look:
    """Propose masks, refine and judge them, and drop repetitions.

    Args:
        tracker: its eyes give features and answer clicks.
        proposer: says where to click.
        net: in evaluation mode.
        image: (H, W, 3) uint8 RGB.
        grid: see :func:`samnb.models.concept_proposals.propose`.
    """
    features, found = propose(tracker, proposer, image, grid=grid)
    return tidy(look_over(net, image, found, features))


def look_over(net: ConceptNet, image: Image, found: Proposals, features: Features) -> Look:
    """Look at proposals; only those that are the same as others are dropped."""
    return _read(net, image, *frame(net, image, found), features)


def view_all(net: ConceptNet, image: Image, maps: Tensor, features: Features) -> Look:
    """Look at masks, (N, h, w) float32 in [0, 1], as they are; none is dropped."""
    return _read(net, image, *views_around(image, maps), features)


def views_around(image: Image, maps: Tensor) -> tuple[Squares, Tensor]:
    """Where (N, h, w) masks are, and views of them, (N, 4, CROP, CROP) as the net reads them."""
    size_hw = image.shape[0], image.shape[1]
    squares = squares_around(maps > 0.5, size_hw)
    prior = view_maps(maps, squares, size_hw)
    return squares, torch.cat([Pyramid(image).views(squares), prior[:, None]], 1)


@torch.no_grad()
def frame(net: ConceptNet, image: Image, found: Proposals) -> tuple[Squares, Tensor]:
    """Draw what is proposed, and view each drawing in a square of its own.

    A proposal is at times a part of a thing, or the thing and more, and then its view shows too
    little or is too coarse. Once it is drawn, its place is known better. Of drawings that are the
    same, that of the proposal with the most confidence is kept.

    Args:
        net: draws.
        image: (H, W, 3) uint8 RGB.
        found: what is proposed, best first.

    Returns:
        squares and (M, 4, CROP, CROP) views, M at most the number of proposals.
    """
    squares, views = views_around(image, found.maps)
    drawn = net.drawer(views.to(net.vectors.device))[0].cpu()
    small = _small(drawn.numpy(), squares, (image.shape[0], image.shape[1]))
    kept: list[int] = []
    for at in range(len(squares)):
        if small[at].any() and not (_overlap(small, at, kept)[0] > DRAWN_IOU).any():
            kept.append(at)
    drawn, squares = drawn[kept], squares[kept]
    again = squares_within(drawn > 0, squares)
    prior = reframe(drawn.sigmoid(), squares, again)
    return again, torch.cat([Pyramid(image).views(again), prior[:, None]], 1)


@torch.no_grad()
def _read(
    net: ConceptNet, image: Image, squares: Squares, views: Tensor, features: Features
) -> Look:
    seen = net.look_twice(views.to(net.vectors.device))
    return Look(
        (image.shape[0], image.shape[1]),
        squares,
        seen.mask.cpu().numpy(),
        seen.quality.sigmoid().cpu().numpy(),
        seen.embedding.cpu(),
        features,
    )


def _small(
    logits: npt.NDArray[np.float32], squares: Squares, size_hw: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """Drawn masks in a small picture, flat: (N, P) float32, 0 or 1."""
    scale = min(1.0, _COMPARED / max(size_hw))
    h, w = (max(1, round(side * scale)) for side in size_hw)
    masks = [
        paste(one, square * scale, (h, w)).ravel()
        for one, square in zip(logits, squares, strict=True)
    ]
    return np.array(masks, np.float32).reshape(len(logits), h * w)


def tidy(look: Look) -> Look:
    """Sort by quality and keep what is likely one whole thing, each once.

    Parts stay, and what holds more than one thing: which of them is meant, a phrase tells (see
    :func:`distinct`).
    """
    order = [i for i in np.argsort(-look.quality) if look.quality[i] >= MIN_QUALITY]
    shares = look.compared()
    kept: list[int] = []
    for at in order:
        if shares[at].any() and not (_overlap(shares, at, kept)[0] > SAME_IOU).any():
            kept.append(int(at))
    return look.rows(kept[:MAX_THINGS])


def distinct(look: Look, chance: npt.NDArray[np.float32]) -> list[int]:
    """Choose the things that one phrase may name together, the likeliest first.

    Args:
        look: what is in the picture.
        chance: (N,), how likely the phrase names each; any scale.
    """
    shares = look.compared()
    kept: list[int] = []
    for at in np.argsort(-chance, kind="stable").tolist():
        iou, inside = _overlap(shares, at, kept)
        if not ((iou > NMS_IOU) | (inside > INSIDE)).any():
            kept.append(at)
    return kept


def _overlap(
    masks: npt.NDArray[np.float32], at: int, others: list[int]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """IoU of a mask with others, and the share that they have of the smaller of the two."""
    shared = masks[others] @ masks[at]
    area, theirs = masks[at].sum(), masks[others].sum(1)
    iou = shared / np.maximum(area + theirs - shared, 1)
    return iou, shared / np.maximum(np.minimum(area, theirs), 1)
