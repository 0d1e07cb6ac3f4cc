"""Drawing one frame: a place, things from back to front, and who is seen where."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image as PilImage
from PIL import ImageFilter

from samnb.synthetic.motion import Camera, Track
from samnb.synthetic.textures import Floats

Matrix: TypeAlias = npt.NDArray[np.float64]
"""(3, 3) float64, maps homogeneous x, y."""

_STIFF = 0.01
"""Bending below this amplitude is not drawn."""
_CELLS = 4
"""A bending thing is drawn as so many times so many patches."""


@dataclass(frozen=True, eq=False)
class Thing:
    """Something in a scene.

    Attributes:
        number: its label in 1..255; 0 for what hides others and has no mask.
        sprite: premultiplied ``RGBa`` image, square.
        track: its motion.
        shadow: darkness of its shadow in [0, 1].
        shadow_kind: ``contact`` (an oval under its feet) or ``cast`` (its own outline, beside
            it, for what is seen from above).
        outline: ``L`` image of what belongs to a thing that is seen through; None for solid
            ones, where the picture's own transparency says it.
    """

    number: int
    sprite: PilImage.Image
    track: Track
    shadow: float = 0.0
    shadow_kind: str = "contact"
    outline: PilImage.Image | None = None

    @cached_property
    def shadow_sprite(self) -> PilImage.Image:
        """What falls on the ground, as an ``L`` image: white where it is darkest."""
        if self.shadow_kind == "contact":
            return _OVAL
        outline = self.sprite.getchannel("a")
        return outline.filter(ImageFilter.GaussianBlur(self.sprite.width / 24))


@dataclass(frozen=True, eq=False)
class Scene:
    """A place, what moves in it, and the camera.

    Attributes:
        size_hw: of the frames in pixels.
        place: (H, W, 3) uint8 picture of the place, larger than a frame.
        camera: its motion.
        things: from back to front.
        grain: (h, w) float32, sensor noise in steps of 1/255, larger than a frame; its mean is
            0.5, so that cutting off the fraction rounds.
        seed: picks the part of the grain that each frame gets.
    """

    size_hw: tuple[int, int]
    place: PilImage.Image
    camera: Camera
    things: tuple[Thing, ...]
    grain: Floats
    seed: int

    def render(self, index: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        """Draw a frame.

        Returns:
            (H, W, 3) uint8 RGB, and (H, W) uint8 labels: the number of the thing that covers
            more than half of the pixel, 0 where none does.
        """
        view = self._view(index)
        height, width = self.size_hw
        back = self.place.transform(
            (width, height),
            PilImage.Transform.AFFINE,
            tuple(np.linalg.inv(view)[:2].ravel()),
            PilImage.Resampling.BILINEAR,
        )
        frame = np.asarray(back, np.float32).copy()
        labels = np.zeros((height, width), np.uint8)
        share = np.zeros((height, width), np.float32)
        for thing in self.things:
            _draw(thing, index, view, frame, labels, share)
        labels[share <= 0.5] = 0
        if self.camera.light[index] != 1.0:
            frame *= np.float32(self.camera.light[index])
        chance = np.random.default_rng([self.seed, index])
        top = int(chance.integers(0, self.grain.shape[0] - height + 1))
        left = int(chance.integers(0, self.grain.shape[1] - width + 1))
        frame += self.grain[top : top + height, left : left + width, None]
        np.clip(frame, 0, 255, out=frame)
        return frame.astype(np.uint8), labels

    def _view(self, index: int) -> Matrix:
        """From pixels of the place to pixels of the frame."""
        height, width = self.size_hw
        x, y = self.camera.xy[index]
        zoom, roll = self.camera.zoom[index], self.camera.roll[index]
        c, s = zoom * np.cos(roll), zoom * np.sin(roll)
        turn = np.array([[c, -s, width / 2], [s, c, height / 2], [0, 0, 1]])
        return np.asarray(turn @ np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1]]))


def sprite_size(half: float) -> int:
    """Return a sprite size that is fine enough for a thing of this half size."""
    return int(np.clip(8 * np.ceil(2.3 * half / 8), 32, 320))


def _draw(
    thing: Thing,
    index: int,
    view: Matrix,
    frame: Floats,
    labels: npt.NDArray[np.uint8],
    share: Floats,
) -> None:
    track = thing.track
    x, y = track.xy[index]
    half_w, half_h = track.half_wh[index]
    c, s = np.cos(track.angle[index]), np.sin(track.angle[index])
    size = thing.sprite.width
    unit = np.array([[2 / size, 0, -1], [0, 2 / size, -1], [0, 0, 1]])
    body = np.array([[c * half_w, -s * half_h, x], [s * half_w, c * half_h, y], [0, 0, 1]])
    if thing.shadow > 0:
        _draw_shadow(thing, index, view, body, frame)
    to_frame = view @ body @ unit
    found = _warp(thing.sprite, to_frame, frame.shape[:2], track, index)
    if found is None:
        return
    box, layer = found
    alpha = layer[..., 3:] / 255
    frame[box] = frame[box] * (1 - alpha) + layer[..., :3]
    cover = alpha[..., 0]
    if thing.outline is not None:
        own = _warp(thing.outline, to_frame, frame.shape[:2], track, index)
        cover = cover if own is None else own[1] / 255
    share[box] *= 1 - cover
    is_mine = cover > 0.5
    labels[box][is_mine] = thing.number
    share[box][is_mine] = cover[is_mine] if thing.number else 0.0


def _draw_shadow(thing: Thing, index: int, view: Matrix, body: Matrix, frame: Floats) -> None:
    half_w, half_h = np.abs(thing.track.half_wh[index])
    if thing.shadow_kind == "contact":
        x, y = thing.track.xy[index]
        place = np.array([[half_w, 0, x], [0, 0.22 * half_h, y + 0.9 * half_h], [0, 0, 1]])
    else:
        shift = np.array([[1, 0, 0.16 * half_h], [0, 1, 0.2 * half_h], [0, 0, 1]])
        place = shift @ body
    sprite = thing.shadow_sprite
    size = sprite.width
    unit = np.array([[2 / size, 0, -1], [0, 2 / size, -1], [0, 0, 1]])
    found = _warp(sprite, view @ place @ unit, frame.shape[:2], None, index)
    if found is not None:
        box, dark = found
        frame[box] *= 1 - (thing.shadow / 255) * dark[..., None]


def _warp(
    sprite: PilImage.Image,
    to_frame: Matrix,
    frame_hw: tuple[int, ...],
    track: Track | None,
    index: int,
) -> tuple[tuple[slice, slice], Floats] | None:
    """Return the part of the frame that a sprite may touch, and the sprite as seen there."""
    size = sprite.width
    corners = to_frame @ np.array([[0, size, size, 0], [0, 0, size, size], [1, 1, 1, 1]])
    slack = 0.12 * np.ptp(corners[:2], axis=1)  # bending reaches beyond the corners
    low = np.floor(np.maximum(corners[:2].min(1) - slack, 0)).astype(int)
    high = np.ceil(np.minimum(corners[:2].max(1) + slack, frame_hw[1::-1])).astype(int)
    width, height = (high - low).tolist()
    if width <= 0 or height <= 0:
        return None
    back = np.linalg.inv(to_frame) @ np.array([[1, 0, low[0]], [0, 1, low[1]], [0, 0, 1]])
    if track is None or track.bend[index, 0] < _STIFF:
        method, data = PilImage.Transform.AFFINE, tuple(back[:2].ravel())
        warped = sprite.transform((width, height), method, data, PilImage.Resampling.BILINEAR)
    else:
        mesh = _mesh(width, height, back, size, track, index)
        method = PilImage.Transform.MESH
        warped = sprite.transform((width, height), method, mesh, PilImage.Resampling.BILINEAR)
    box = slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))
    return box, np.asarray(warped, np.float32)


def _mesh(
    width: int, height: int, back: Matrix, size: int, track: Track, index: int
) -> list[tuple[tuple[int, int, int, int], tuple[float, ...]]]:
    """Return patches of the output and the corners of each in the sprite."""
    columns = np.unique(np.linspace(0, width, _CELLS + 1).round().astype(int))
    rows = np.unique(np.linspace(0, height, _CELLS + 1).round().astype(int))
    x, y = np.meshgrid(columns, rows)
    points = back @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    u, v = 2 * points[0] / size - 1, 2 * points[1] / size - 1
    amplitude, phase = track.bend[index]
    if track.bend_kind == "wag":
        v = v + amplitude * np.clip((1 - u) / 2, 0, 1.2) ** 1.5 * np.sin(phase * 1.6 + 2 * u)
    else:
        u, v = (
            u + amplitude * np.sin(2.2 * v + phase),
            v + amplitude * np.sin(2.6 * u + 1.3 * phase),
        )
    at = np.stack([(u + 1) * size / 2, (v + 1) * size / 2], -1).reshape(len(rows), len(columns), 2)
    patches = []
    for i in range(len(rows) - 1):
        for j in range(len(columns) - 1):
            box = (int(columns[j]), int(rows[i]), int(columns[j + 1]), int(rows[i + 1]))
            quad = (*at[i, j], *at[i + 1, j], *at[i + 1, j + 1], *at[i, j + 1])
            patches.append((box, tuple(float(q) for q in quad)))
    return patches


def _soft_oval(size: int = 64) -> PilImage.Image:
    rows, columns = (np.mgrid[0:size, 0:size] + 0.5) * (2 / size) - 1
    dark = np.clip(1.25 * (1 - np.hypot(rows, columns)), 0, 1)
    return PilImage.fromarray((255 * dark).astype(np.uint8))


_OVAL = _soft_oval()
