"""Eyes for clicks: a second, finer look at the frames that a person points at.

A tracker has to keep up with a video, frame by frame: it looks at small pictures, and its decoder
has learned to follow what memory says. Who clicks looks at one frame for seconds. There a model
that sees more pixels, and that was taught clicks and nothing else, draws the better mask; memory
then learns from that mask as if a person had drawn it.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from samnb.models.backend import Backend, Decoded, Features, ModelPrompt, Output
from samnb.models.secondlook import with_middle

_STRIDE = 4  # of mask logits, in pixels of the model's picture


def click(
    eyes: Backend, look: Features, prompt: ModelPrompt, previous: Tensor | None, size: int
) -> Output:
    """Answer the clicks that start an object on a frame.

    Args:
        eyes: who looks.
        look: the frame as they see it.
        prompt: clicks and box in their pixels.
        previous: (1, 1, h, w) logits that the clicks refine.
        size: side in pixels of the picture that the tracker sees.

    Returns:
        A mask at the tracker's size and, as `fine`, as it was drawn. Its pointer is empty: the
        tracker has not looked at it.
    """
    seen = eyes.segment(look, prompt, previous=previous)
    output = Output(seen.logits, seen.confidence, seen.score)
    _draw(output, seen, size)
    return output


def correct(
    eyes: Backend,
    look: Features,
    prompt: ModelPrompt,
    previous: Tensor | None,
    output: Output,
    size: int,
) -> None:
    """Answer clicks on a tracked frame, in place: what memory knows comes in through `previous`.

    Args:
        eyes: who looks.
        look: the frame as they see it.
        prompt: clicks and box in the tracker's pixels.
        previous: (1, 1, h, w) logits that the clicks correct; None where there was no mask.
        output: what the tracker said; pointer and presence stay.
        size: side in pixels of the picture that the tracker sees.
    """
    if prompt.coords is None or prompt.labels is None:
        return
    coords, labels = prompt.coords, prompt.labels
    if previous is not None:
        coords, labels = with_middle(coords, labels, previous, size)
    finer = ModelPrompt(coords * (eyes.size / size), labels)
    _draw(output, eyes.segment(look, finer, previous=previous), size)


def _draw(output: Output, seen: Decoded, size: int) -> None:
    side = size // _STRIDE
    output.fine = seen.logits
    output.logits = F.interpolate(
        seen.logits, (side, side), mode="bilinear", align_corners=False, antialias=True
    )
    output.confidence = seen.confidence
