"""From a frame number and mask ids to pictures: the slow half of showing a frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from samnb.engine.session import Session
from samnb.masks import rle as rle_ops
from samnb.masks.overlay import mask_png
from samnb.models.base import Image
from samnb.types import MaskId, Rle
from samnb.widgets.camera import Camera
from samnb.widgets.pictures import MAX_SIDE, PictureCache, Tile, encode_frame
from samnb.widgets.stage import MaskLayer

_UNCHOSEN: float = 0.7
"""Masks of other objects are drawn this much fainter than the chosen one's."""


@dataclass(frozen=True, slots=True)
class MaskRow:
    """One object's mask on the frame."""

    obj_id: int
    mask_id: MaskId
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """Everything that decides how a frame looks; equal wishes give equal pictures."""

    media_id: str
    frame_idx: int
    rows: tuple[MaskRow, ...]
    opacity: float
    detail_xyxy: tuple[int, int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class Composed:
    """The pictures of a :class:`Wanted`."""

    wanted: Wanted
    tiles: tuple[Tile, ...]
    masks: tuple[MaskLayer, ...]


def detail_for(camera: Camera, ratio: float) -> tuple[int, int, int, int] | None:
    """The part of the medium to send sharply: None while the whole frame is sharp enough."""
    height, width = camera.size_hw
    sent = min(1.0, MAX_SIDE / max(height, width))
    if sent == 1.0 or camera.scale * ratio <= sent * 1.25:
        return None
    return camera.visible_xyxy()


def compose(session: Session, wanted: Wanted, cache: PictureCache) -> Composed:
    """Decode and encode what is wanted, reusing what the cache holds.

    Raises:
        MediaError: the frame cannot be read.
    """
    media = session.media(wanted.media_id)
    height, width = media.size_hw
    stem = f"{wanted.media_id}:{wanted.frame_idx}"

    def image() -> Image:
        return session.reader(wanted.media_id).frame(wanted.frame_idx)

    whole = (0, 0, width, height)
    tiles = [Tile(cache.get(stem, lambda: encode_frame(image())), whole)]
    box = wanted.detail_xyxy
    if box is not None:
        sharp = cache.get(f"{stem}:{box}", lambda: encode_frame(image(), xyxy=box))
        tiles.append(Tile(sharp, box))
    stored = session.masks({row.mask_id for row in wanted.rows})
    masks = tuple(
        _layer(row, stored, wanted.opacity, cache)
        for row in sorted(wanted.rows, key=lambda row: row.is_chosen)
    )
    return Composed(wanted, tuple(tiles), masks)


def _layer(
    row: MaskRow, stored: Mapping[MaskId, Rle], opacity: float, cache: PictureCache
) -> MaskLayer:
    rle = stored[row.mask_id]
    line_px = max(1, round(max(rle.size_hw) / 450)) + int(row.is_chosen)
    key = f"{row.mask_id}:{row.obj_id}:{opacity}:{line_px}"
    picture = cache.get(
        key,
        lambda: mask_png({row.obj_id: rle_ops.decode(rle)}, alpha=opacity, contour_px=line_px),
        "image/png",
    )
    return MaskLayer(picture, 1.0 if row.is_chosen else _UNCHOSEN)
