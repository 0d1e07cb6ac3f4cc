"""What other models tell the small verifier: a segmenter's scores, a second decode.

All aids are optional and plain callables. A verifier remembers how many numbers each gave
when it was trained and refuses to run with others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from samnb.masks.ops import bounds
from samnb.models.base import BoolMask, FramePrompts, Image, Tracker
from samnb.models.concepts import ConceptPrediction, ConceptSegmenter, Instance
from samnb.models.verifier_features import overlaps
from samnb.types import ModelError

Floats: TypeAlias = npt.NDArray[np.float32]
Scorer: TypeAlias = Callable[[Image, str, Sequence[BoolMask]], Floats]
"""``(image, phrase, masks) -> (N, K)``, K numbers for each mask, about zero to one."""
Candidates: TypeAlias = Callable[[Image, str], Sequence[Instance]]
"""``(image, phrase)`` to everything that might be an instance, scores with presence in."""


@runtime_checkable
class SeesEverything(Protocol):
    """A segmenter that can list all it sees."""

    def everything(self, image: Image, phrase: str) -> ConceptPrediction:
        """Answer for a phrase with every candidate, also those not worth looking at."""


@runtime_checkable
class TellsWhy(SeesEverything, Protocol):
    """One that can also say why."""

    def evidence(self, image: Image, phrase: str) -> Floats:
        """(N, K) float32 log-odds behind the score of each candidate, in their order."""


@runtime_checkable
class KnowsItsWords(Protocol):
    """A segmenter that can say how far it can be asked about a phrase at all."""

    def experience(self, phrase: str) -> float:
        """0 where a word was never seen, 1 where all are well known."""


@dataclass(frozen=True, slots=True)
class Aids:
    """What else a small verifier may ask.

    Attributes:
        candidates: for exhaustivity, what might be missing. Without it the verifier sees
            the accepted masks alone and can hardly tell.
        scorer: numbers for each mask and phrase, such as an image-text model's.
        redraw: numbers for each mask alone; called with an empty phrase.
        experience: how far what the others say about a phrase means anything, in [0, 1]. Without
            it it always does.
        name: names the models behind them, for the lineage.
    """

    candidates: Candidates | None = None
    scorer: Scorer | None = None
    redraw: Scorer | None = None
    name: str = ""
    experience: Callable[[str], float] | None = None

    def extra(self, image: Image, phrase: str, masks: Sequence[BoolMask]) -> Floats:
        """All numbers for each mask, (N, K) float32."""
        found = [np.zeros((len(masks), 0), np.float32)]
        for aid, words in ((self.scorer, phrase), (self.redraw, "")):
            if aid is not None and masks:
                values = np.asarray(aid(image, words, masks), np.float32)
                if values.ndim != 2 or len(values) != len(masks):
                    raise ModelError(f"scorer: expected ({len(masks)}, K), got {values.shape}")
                found.append(values)
        return np.concatenate(found, axis=1)


def segmenter_aids(segmenter: ConceptSegmenter, *, tracker: Tracker | None = None) -> Aids:
    """Aids from the segmenter whose masks are verified, and a second decode if wanted.

    A segmenter that can is asked for everything in the picture, however unlikely: what it
    takes for something else may be what is missing.

    The answer for the picture and phrase last asked is kept, so that masks and candidates
    of one pair cost one run.

    Args:
        segmenter: gives candidates and scores.
        tracker: decodes each mask anew from its box; costs one decode for each mask.
    """
    last: list[tuple[Image, str, tuple[Instance, ...], Floats]] = []

    def ask(image: Image, phrase: str) -> tuple[tuple[Instance, ...], Floats]:
        if last and last[0][0] is image and last[0][1] == phrase:
            return last[0][2:]
        if isinstance(segmenter, SeesEverything):
            found = segmenter.everything(image, phrase)
        else:
            found = segmenter.segment(image, [phrase])[0]
        told = tuple(Instance(i.mask, i.score * found.presence) for i in found.instances)
        why = np.zeros((len(told), 0), np.float32)
        if isinstance(segmenter, TellsWhy):
            why = segmenter.evidence(image, phrase)
        last[:] = [(image, phrase, told, why)]
        return told, why

    def candidates(image: Image, phrase: str) -> Sequence[Instance]:
        return ask(image, phrase)[0]

    def scorer(image: Image, phrase: str, masks: Sequence[BoolMask]) -> Floats:
        return agreement(*ask(image, phrase), masks)

    name = segmenter.name if tracker is None else f"{segmenter.name}+{tracker.name}"
    redraw = None if tracker is None else second_decode(tracker)
    experience = segmenter.experience if isinstance(segmenter, KnowsItsWords) else None
    return Aids(candidates, scorer, redraw, name, experience)


def agreement(candidates: Sequence[Instance], why: Floats, masks: Sequence[BoolMask]) -> Floats:
    """How a segmenter's candidates speak of each mask, (N, 6 + K) float32.

    Columns: best IoU with a candidate, that candidate's score, the highest score among
    candidates that overlap at all, the highest score of all; the log-odds of the second and
    the fourth, a quarter of each; a quarter of the best candidate's evidence.

    Args:
        candidates: what the segmenter sees, C of them.
        why: (C, K) log-odds behind their scores; K may be 0.
        masks: (H, W) bool each.
    """
    scores = np.array([c.score for c in candidates])
    top = float(scores.max(initial=0.0))
    shared, ious = overlaps(masks, [c.mask for c in candidates])
    rows = np.zeros((len(masks), 6 + why.shape[1]), np.float32)
    for at in range(len(masks)):
        best, iou, score, near = -1, 0.0, 0.0, 0.0
        if shared[at].any():
            best = int(np.lexsort((scores, ious[at]))[-1])
            iou, score = float(ious[at, best]), float(scores[best])
            near = float(scores[shared[at] > 0].max())
        rows[at, :6] = (iou, score, near, top, _odds(score) / 4, _odds(top) / 4)
        rows[at, 6:] = why[best] / 4 if best >= 0 else -_NOTHING / 4
    return rows


_NOTHING: Final = 12.0
"""Log-odds against a mask where the segmenter sees nothing."""


def _odds(score: float) -> float:
    """Log-odds of a probability, kept finite."""
    kept = min(max(score, 1e-4), 1 - 1e-4)
    return float(np.log(kept / (1 - kept)))


def second_decode(tracker: Tracker) -> Scorer:
    """A scorer that draws each mask anew from its box, without knowing the phrase.

    Columns: IoU of the two masks, the model's own confidence, presence. A mask that the
    model would draw otherwise is cut, swollen or moved, or holds more than one thing.
    """

    def redraw(image: Image, _phrase: str, masks: Sequence[BoolMask]) -> Floats:
        rows = np.zeros((len(masks), 3), np.float32)
        track = tracker.open(_OneFrame(image))
        try:
            for at, mask in enumerate(masks):
                box = bounds(mask)
                if box is None:
                    continue
                edges = (box[1].start, box[0].start, box[1].stop, box[0].stop)
                again = track.segment(0, FramePrompts(box_xyxy=np.array(edges, np.float32)))
                shared = int(np.count_nonzero(again.mask & mask))
                union = int(np.count_nonzero(again.mask | mask))
                rows[at] = (shared / max(union, 1), again.confidence, again.presence)
        finally:
            track.close()
        return rows

    return redraw


@dataclass(frozen=True, slots=True, eq=False)
class _OneFrame:
    """One picture as a frame source."""

    image: Image

    @property
    def size_hw(self) -> tuple[int, int]:
        return self.image.shape[0], self.image.shape[1]

    def __len__(self) -> int:
        return 1

    def frame(self, index: int) -> Image:
        return self.image
