"""Eyes for clicks: a finer look at the frame on which a person starts an object.

A tracker has to keep up with a video, frame by frame: it looks at small pictures, and its decoder
has learned to follow what memory says. Who clicks looks at one frame for seconds. There a model
that sees more pixels, and that was taught clicks and nothing else, draws the better mask; memory
then learns from that mask as if a person had drawn it.

Corrections of tracked frames stay with the tracker: its decoder was taught to mend what memory gets
wrong, and knows how good the result is. Answered by these eyes, one round of three clicks on drawn
clips left J&F at 0.75 where the tracker's own gave 0.80.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from samnb.models.backend import Backend, Features, ModelPrompt, Output

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
    side = size // _STRIDE
    small = F.interpolate(
        seen.logits, (side, side), mode="bilinear", align_corners=False, antialias=True
    )
    return Output(small, seen.confidence, seen.score, fine=seen.logits)


def read(backend: Backend, features: Features, output: Output) -> None:
    """Fill in pointer and presence of a mask that the eyes drew, as of one given by hand.

    Args:
        backend: the tracker.
        features: the frame as the tracker sees it.
        output: what `click` gave; changed in place.
    """
    side = backend.size
    large = F.interpolate(output.drawn, (side, side), mode="bilinear", align_corners=False)
    given = ModelPrompt(mask=(large > 0).float())
    (told,) = backend.decode(features, 0, [None], n_frames=1, is_reverse=False, prompt=given)
    output.pointer, output.score = told.pointer, told.score
