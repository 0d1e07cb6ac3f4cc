"""What a person's clicks on a tracked frame say about the track.

A click off the object can mean "not this part" or "not this thing". Which of the two shows in where
it lies: people click on a surplus part in the middle of that part, which is near the edge of the
mask, and on a wrong thing in its middle. On drawn and composed test clips, where the right answer
is known, the middle of a mask was clicked on in all of 17 cases where the track was on another
thing or on nothing, and in 10 of 142 where only a part was too much.

A correction that came out badly must not teach later frames: of an object that hardly shows, three
clicks may make a mask of anything.
"""

from __future__ import annotations

from typing import Final

from torch import Tensor
from torch.nn import functional as F

from samnb.masks.ops import depth
from samnb.models.backend import ModelPrompt
from samnb.models.candidates import Candidates
from samnb.models.chooser import TRUSTED_FROM, Choice, Chooser, Click, Sought, choose, take

REJECTS_FROM: Final = 0.7
"""A click off the object that lies this deep in the mask, as a share of the greatest depth, rejects
all of it."""
CERTAIN_FROM: Final = 0.75
"""Other frames learn from a mask that clicks have corrected from this confidence on."""
LEARNED_FROM: Final = 0.5
"""They do from this confidence on, where the mask looks like the object, too."""


def is_off_only(prompt: ModelPrompt | None) -> bool:
    """Whether there are clicks, and all of them are off the object."""
    return prompt is not None and prompt.labels is not None and not bool((prompt.labels != 0).any())


def rejecting_clicks(prompt: ModelPrompt, shown: Tensor, size: int) -> Tensor | None:
    """The clicks that say that a mask is on the wrong thing altogether, or None.

    Args:
        prompt: all prompts on the frame; only clicks off the object reject, and of these the last
            one decides.
        shown: (1, 1, h, w) logits of the mask that was clicked on.
        size: side of the model's picture in pixels.

    Returns:
        (K, 2) clicks off the object, in model pixels.
    """
    if prompt.coords is None or not is_off_only(prompt):
        return None
    depths = depth((shown[0, 0] > 0).cpu().numpy())
    x, y = _cells(prompt.coords[0, -1], size, depths.shape[0]).tolist()
    deepest = float(depths.max())
    if deepest == 0 or float(depths[y, x]) < REJECTS_FROM * deepest:
        return None
    return prompt.coords[0]


def look_elsewhere(
    chooser: Chooser, sought: Sought, size: int, click: Click, off_xy: Tensor
) -> None:
    """Replace a rejected mask by the best candidate without it, or by none, in place.

    Args:
        chooser: the networks.
        sought: the one object.
        size: side of the model's picture in pixels.
        click: see :func:`samnb.models.chooser.settle`.
        off_xy: (K, 2) clicks off the object, in model pixels; no candidate may cover one.
    """
    (found,), (numbers,) = sought.around(size, click)
    column, row = _cells(off_xy, size, found.logits.shape[-1]).T
    # Cells beside the click count too: enlarged, a mask reaches half a cell further.
    around = F.max_pool2d(found.logits[:, None], 3, 1, 1)[:, 0]
    kept = ~(around[:, row, column] > 0).any(1)
    if not bool(kept.any()):
        take(sought.outputs[0], found, Choice(None, 0.0))
        return
    rest = Candidates(
        found.logits[kept],
        found.confidence[kept],
        found.overlap[kept][:, kept],
        found.presence,
    )
    (choice,) = choose(chooser, [rest], [numbers[kept]])
    take(sought.outputs[0], rest, choice)


def is_example(chooser: Chooser, sought: Sought, prompt: ModelPrompt) -> bool:
    """Whether other frames may learn from a corrected mask.

    From what a person has drawn, and from an object said to be absent, they may; from clicks where
    the decoder holds the mask for good, or for fair and it looks like the object.

    Args:
        chooser: the networks.
        sought: the one object, its output the corrected mask.
        prompt: all prompts on the frame.
    """
    (output,) = sought.outputs
    if prompt.mask is not None or not bool((output.logits > 0).any()):
        return True
    if output.confidence >= CERTAIN_FROM:
        return True
    (choice,) = choose(chooser, *sought.memory())
    return output.confidence >= LEARNED_FROM and choice.expected_iou >= TRUSTED_FROM


def _cells(xy: Tensor, size: int, side: int) -> Tensor:
    """Cells (..., 2), x first, of points in model pixels on a map of ``side`` cells."""
    return (xy * (side / size)).long().clamp(0, side - 1)
