"""An open-vocabulary detector that prompts a tracker: boxes by phrase, masks by box.

This is how the SAM 3 paper's first phase proposed masks (section 4, phase 1). OWLv2 and
Grounding DINO come through `transformers`; any :class:`~samnb.models.base.Tracker` makes masks
of their boxes and follows them.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from samnb.types import ModelError

try:
    import numpy as np
    import numpy.typing as npt
    import torch
    from transformers import (
        GroundingDinoForObjectDetection,
        GroundingDinoProcessor,
        Owlv2ForObjectDetection,
        Owlv2Processor,
    )
except ImportError as error:
    raise ModelError(
        f"detectors need torch and transformers 4.51 or newer, got '{error}'; "
        "install them with: pip install 'samnb[transformers]'"
    ) from error

from samnb.models.base import FramePrompts, FrameSource, Image, Prediction, Tracker
from samnb.models.concept import check_exemplars, check_image
from samnb.models.concept_video import follow
from samnb.models.concepts import ConceptPrediction, Exemplars, Instance
from samnb.models.device import resolve_device
from samnb.models.grid import box_nms
from samnb.models.pretrained import load_pretrained, require_all_weights, require_model_type

OWLV2, GROUNDING_DINO = "owlv2", "grounding-dino"
THRESHOLDS: Final = {OWLV2: 0.2, GROUNDING_DINO: 0.3}
"""Detector scores that count as even odds; detectors of this kind hardly ever reach 0.5."""
FLOOR: Final = 0.25
"""Boxes below this share of the threshold are not worth a mask."""
NMS_IOU: Final = 0.7
MAX_BOXES: Final = 100


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """What a detector found for one phrase, best first.

    Attributes:
        xyxy: (N, 4) float32, media pixels.
        scores: (N,) float32 in [0, 1], the detector's own.
    """

    xyxy: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]


class BoxDetector(Protocol):
    """Finds boxes of phrases."""

    @property
    def name(self) -> str:
        """Name and version."""

    @property
    def threshold(self) -> float:
        """The score that counts as even odds."""

    def detect(self, image: Image, phrases: Sequence[str]) -> list[Boxes]:
        """Answer for every phrase of one picture, (H, W, 3) uint8 RGB, in their order."""


class TransformersDetector:
    """OWLv2 or Grounding DINO.

    Args:
        model: one of the two.
        processor: saved with it.
        name: name and version.
        threshold: None for that of :data:`THRESHOLDS`.
        device: where it runs; None takes the fastest device present.

    Raises:
        ModelError: another model, or the device cannot be used.
    """

    def __init__(
        self,
        model: Owlv2ForObjectDetection | GroundingDinoForObjectDetection,
        processor: Owlv2Processor | GroundingDinoProcessor,
        name: str,
        *,
        threshold: float | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        kind = str(model.config.model_type)
        if kind not in THRESHOLDS:
            raise ModelError(f"model: expected one of {sorted(THRESHOLDS)}, got {kind!r}")
        self._device = resolve_device(device)
        self._kind, self._name = kind, name
        self._model: Any = model.to(self._device).eval()
        self._processor: Any = processor
        self._threshold = THRESHOLDS[kind] if threshold is None else threshold

    @property
    def name(self) -> str:
        """Name and version."""
        return self._name

    @property
    def threshold(self) -> float:
        """The score that counts as even odds."""
        return self._threshold

    @torch.no_grad()
    def detect(self, image: Image, phrases: Sequence[str]) -> list[Boxes]:
        """Answer for every phrase, one pass each, so that phrases do not compete."""
        picture = np.array(image, order="C")
        return [self._detect(picture, phrase) for phrase in phrases]

    def _detect(self, image: Image, phrase: str) -> Boxes:
        floor, size_hw = FLOOR * self._threshold, (image.shape[0], image.shape[1])
        if self._kind == OWLV2:
            given = self._processor(
                text=[[f"a photo of a {phrase}"]], images=image, return_tensors="pt"
            ).to(self._device)
            found = self._processor.post_process_grounded_object_detection(
                self._model(**given), threshold=floor, target_sizes=[size_hw]
            )[0]
        else:
            given = self._processor(
                text=[f"{phrase.lower().rstrip('.')}."], images=image, return_tensors="pt"
            ).to(self._device)
            found = self._processor.post_process_grounded_object_detection(
                self._model(**given), given.input_ids,
                threshold=floor, text_threshold=floor, target_sizes=[size_hw],
            )[0]  # fmt: skip
        xyxy = found["boxes"].float().cpu().numpy().reshape(-1, 4)
        scores = found["scores"].float().cpu().numpy()
        limit = np.array([size_hw[1], size_hw[0]] * 2, np.float32)
        xyxy = np.clip(xyxy, 0, limit).astype(np.float32)
        is_box = (xyxy[:, 2] - xyxy[:, 0] >= 1) & (xyxy[:, 3] - xyxy[:, 1] >= 1)
        order = [i for i in np.argsort(-scores, kind="stable") if is_box[i]]
        order = [order[i] for i in box_nms(xyxy[order], NMS_IOU)][:MAX_BOXES]
        return Boxes(xyxy[order], scores[order])


class DetectorSegmenter:
    """A detector and a tracker behind :class:`~samnb.models.concepts.ConceptSegmenter`.

    Detectors of this kind have no presence score: the best box stands for it. Exemplar boxes
    are taken at their word: a positive one is an instance, a negative one removes what
    overlaps it. Nothing is learned from them about the rest of the picture.

    Args:
        detector: finds boxes.
        tracker: makes masks of them.
    """

    def __init__(self, detector: BoxDetector, tracker: Tracker) -> None:
        self._detector, self._tracker = detector, tracker

    @property
    def name(self) -> str:
        """Names and versions of both, joined by a plus sign."""
        return f"{self._detector.name}+{self._tracker.name}"

    def segment(
        self,
        image: Image,
        phrases: Sequence[str],
        exemplars: Mapping[str, Exemplars] | None = None,
    ) -> tuple[ConceptPrediction, ...]:
        """Answer for every phrase; the tracker encodes the picture once.

        Raises:
            InputError: no such image, or exemplars of a phrase that is not asked for.
        """
        check_image(image)
        check_exemplars(phrases, exemplars)
        if not phrases:
            return ()
        session = self._tracker.open(_Still(image))
        try:
            answers = []
            found = self._detector.detect(image, phrases)
            for phrase, boxes in zip(phrases, found, strict=True):
                odds = even_odds(boxes.scores, self._detector.threshold)
                xyxy, chance = heed((exemplars or {}).get(phrase), boxes.xyxy, odds)
                presence = float(chance.max()) if len(chance) else 0.0
                pairs = (
                    (session.segment(0, FramePrompts(box_xyxy=box)).mask, one)
                    for box, one in zip(xyxy, chance, strict=True)
                )
                kept = [Instance(m, float(c) / max(presence, 1e-6)) for m, c in pairs if m.any()]
                answers.append(ConceptPrediction(presence, tuple(kept)))
            return tuple(answers)
        finally:
            session.close()

    def segment_video(
        self, frames: FrameSource, phrase: str
    ) -> Generator[tuple[int, dict[int, Prediction]], None, None]:
        """Detect now and then, follow on all; see :func:`~.concept_video.follow`."""
        return follow(lambda image: self.segment(image, [phrase])[0], self._tracker, frames)


def even_odds(scores: npt.NDArray[np.float32], threshold: float) -> npt.NDArray[np.float64]:
    """Shift scores so that ``threshold`` becomes 0.5, on the scale of log-odds."""
    held = np.clip(np.asarray(scores, np.float64), 1e-6, 1 - 1e-6)
    odds = held / (1 - held) * (1 - threshold) / threshold
    return np.asarray(odds / (1 + odds))


def heed(
    shown: Exemplars | None, xyxy: npt.NDArray[np.float32], chance: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """Put positive exemplars first and drop what overlaps them or a negative one."""
    if shown is None:
        return xyxy, chance
    given = np.concatenate([shown.positive_xyxy, shown.negative_xyxy]).astype(np.float32)
    everything = np.concatenate([given, xyxy])
    free = [
        i - len(given)
        for i in range(len(given), len(everything))
        if not any(_overlap(everything[i], box) > 0.5 for box in given)
    ]
    positive = np.asarray(shown.positive_xyxy, np.float32).reshape(-1, 4)
    sure = np.full(len(positive), 0.99)
    return np.concatenate([positive, xyxy[free]]), np.concatenate([sure, chance[free]])


def load_detector(
    source: str | Path, tracker: Tracker, *, device: str | torch.device | None = None
) -> DetectorSegmenter:
    """Load OWLv2 or Grounding DINO from a folder or the hub, and let it prompt a tracker.

    Raises:
        ModelError: another kind of model, weights are missing, or the hub cannot be reached.
    """

    def load(place: str) -> tuple[Any, Any]:
        is_owl = require_model_type(place, THRESHOLDS) == OWLV2
        model, info = (
            Owlv2ForObjectDetection if is_owl else GroundingDinoForObjectDetection
        ).from_pretrained(place, output_loading_info=True)
        require_all_weights(info)
        return model, (Owlv2Processor if is_owl else GroundingDinoProcessor).from_pretrained(place)

    model, processor, name = load_pretrained(source, "OWLv2 or Grounding DINO", load)
    detector = TransformersDetector(model, processor, name, device=device)
    return DetectorSegmenter(detector, tracker)


class _Still:
    """A picture as a video of one frame."""

    def __init__(self, image: Image) -> None:
        self._image = image

    @property
    def size_hw(self) -> tuple[int, int]:
        return self._image.shape[0], self._image.shape[1]

    def __len__(self) -> int:
        return 1

    def frame(self, index: int) -> Image:
        return self._image


def _overlap(one: npt.NDArray[np.float32], two: npt.NDArray[np.float32]) -> float:
    low, high = np.maximum(one[:2], two[:2]), np.minimum(one[2:], two[2:])
    shared = float(np.prod(np.maximum(high - low, 0)))
    union = float(np.prod(one[2:] - one[:2]) + np.prod(two[2:] - two[:2])) - shared
    return shared / union if union > 0 else 0.0
