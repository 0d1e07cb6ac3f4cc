"""Clicks on one frame that refine each other, without any memory of other frames.

SAM's interactive use (Segment Anything, appendix on training and evaluation) gives every further
click together with the logits of the mask that the clicks before it made. Here those logits are a
function of the prompts alone: the list is played from its first click on, each click refining the
mask before it. So the same clicks always give the same mask, and taking one back gives the very
mask from before it. What was played is kept for a while, so that a further click costs one decode.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, TypeAlias

from samnb.models.backend import Backend, Decoded, Features
from samnb.models.base import FramePrompts
from samnb.models.convert import to_model_prompt

PREVIOUS_LIMIT: Final = 32.0
"""Earlier logits are clamped to this before they are fed (released SAM 2 predictors), to stay
clear of the -1024 of absent objects."""
_KEPT: Final = 32  # about two frames' clicks of a handful of objects; 16 kB to 256 kB each

_Key: TypeAlias = tuple[int, bytes, bytes, bytes]


class Refiner:
    """Decodes prompts on single frames and remembers what the latest of them gave."""

    def __init__(self) -> None:
        self._held: OrderedDict[_Key, Decoded] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def decode(
        self,
        backend: Backend,
        features: Features,
        position: int,
        prompts: FramePrompts,
        size_hw: tuple[int, int],
    ) -> Decoded:
        """Decode one mask: a box first, then click by click.

        Args:
            backend: the model.
            features: the encoded frame.
            position: the frame's position.
            prompts: all prompts on the frame.
            size_hw: height and width of the frame in pixels.
        """
        if prompts.mask is not None:
            prompt = to_model_prompt(prompts, size_hw, backend.size, backend.device)
            return backend.segment(features, prompt)
        n_clicks = len(prompts.points_xy)
        first = 1 if prompts.box_xyxy is None else 0
        played = n_clicks
        while played >= first and _key(position, prompts, played) not in self._held:
            played -= 1
        decoded = None
        if played >= first:
            key = _key(position, prompts, played)
            self._held.move_to_end(key)
            decoded = self._held[key]
        for n in range(max(played + 1, first), n_clicks + 1):
            part = FramePrompts(prompts.points_xy[:n], prompts.point_labels[:n], prompts.box_xyxy)
            decoded = backend.segment(
                features,
                to_model_prompt(part, size_hw, backend.size, backend.device),
                previous=None
                if decoded is None
                else decoded.logits.clamp(-PREVIOUS_LIMIT, PREVIOUS_LIMIT),
            )
            self._keep(_key(position, prompts, n), decoded)
        if decoded is None:  # check_prompts lets no empty list through
            raise ValueError("prompts: expected points, a box or a mask, got none of them")
        return decoded

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()

    def _keep(self, key: _Key, decoded: Decoded) -> None:
        self._held[key] = decoded
        while len(self._held) > _KEPT:
            self._held.popitem(last=False)


def _key(position: int, prompts: FramePrompts, n_clicks: int) -> _Key:
    box = prompts.box_xyxy
    return (
        position,
        b"" if box is None else box.tobytes(),
        prompts.points_xy[:n_clicks].tobytes(),
        prompts.point_labels[:n_clicks].tobytes(),
    )
