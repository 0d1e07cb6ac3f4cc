"""SAM 3 through `transformers`: phrases and exemplar boxes, on pictures and on video.

A ``Sam3VideoModel`` checkpoint (``facebook/sam3`` is one) holds detector and tracker and is
used for both. A checkpoint of the detector alone (``Sam3Model``) answers for pictures, and
another tracker follows what it found.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from samnb.types import ModelError

try:
    import numpy as np
    import torch
    from torch import Tensor
    from torch.nn import functional
    from transformers import (
        Sam3Model,
        Sam3Processor,
        Sam3VideoModel,
        Sam3VideoProcessor,
    )
except ImportError as error:
    raise ModelError(
        f"the SAM 3 adapter needs torch and transformers 5 or newer, got '{error}'; "
        "install them with: pip install 'samnb[transformers]'"
    ) from error

from samnb.models.base import FrameSource, Image, Prediction, Tracker
from samnb.models.concept import check_exemplars, check_image
from samnb.models.concept_video import follow
from samnb.models.concepts import ConceptPrediction, Exemplars, Instance
from samnb.models.device import resolve_device, resolve_dtype
from samnb.models.pretrained import load_pretrained, require_all_weights, require_model_type

MODEL_TYPES: Final = ("sam3", "sam3_video")
"""What ``config.json`` of a usable folder says under ``model_type``."""
MIN_SCORE: Final = 0.05
"""Queries that score lower than this are not worth a mask."""


class Sam3Segmenter:
    """A SAM 3 behind the :class:`~samnb.models.concepts.ConceptSegmenter` contract.

    Args:
        model: a ``Sam3VideoModel``, or a ``Sam3Model`` that knows pictures only.
        processor: the ``Sam3Processor`` saved with it.
        name: name and version for the log.
        video_processor: the ``Sam3VideoProcessor`` saved with a ``Sam3VideoModel``.
        make_tracker: makes the tracker that follows what a ``Sam3Model`` found in a video.
        device: where it runs; None takes the fastest device present.
        dtype: number format; None is float32.

    Raises:
        ModelError: neither of these models, or the device or dtype cannot be used.
    """

    def __init__(
        self,
        model: Sam3Model | Sam3VideoModel,
        processor: Sam3Processor,
        name: str,
        *,
        video_processor: Sam3VideoProcessor | None = None,
        make_tracker: Callable[[], Tracker] | None = None,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
    ) -> None:
        if not isinstance(model, Sam3Model | Sam3VideoModel):
            raise ModelError(f"model: expected Sam3Model or Sam3VideoModel, got {type(model)}")
        self._device, self._dtype = resolve_device(device), resolve_dtype(dtype)
        whole: Any = model.to(device=self._device, dtype=self._dtype).eval()
        self._video: Any = whole if isinstance(model, Sam3VideoModel) else None
        self._detector: Any = whole.detector_model if self._video is not None else whole
        self._processor: Any = processor
        self._video_processor: Any = video_processor
        self._make_tracker = make_tracker
        self._name = name

    @property
    def name(self) -> str:
        """Name and version as it is written into the log."""
        return self._name

    @torch.no_grad()
    def segment(
        self,
        image: Image,
        phrases: Sequence[str],
        exemplars: Mapping[str, Exemplars] | None = None,
    ) -> tuple[ConceptPrediction, ...]:
        """Answer for every phrase; the picture is encoded once.

        Exemplar boxes go to the model's own geometry encoder, with the phrase.

        Raises:
            InputError: no such image, or exemplars of a phrase that is not asked for.
        """
        check_image(image)
        check_exemplars(phrases, exemplars)
        if not phrases:
            return ()
        # A copy, because the processor takes neither read-only arrays nor turned views.
        pixels = self._processor(images=np.array(image, order="C"), return_tensors="pt")
        seen = self._detector.get_vision_features(pixels.pixel_values.to(self._device, self._dtype))
        return tuple(
            self._answer(seen, phrase, (exemplars or {}).get(phrase), image.shape[:2])
            for phrase in phrases
        )

    def _answer(
        self, seen: Any, phrase: str, shown: Exemplars | None, size_hw: tuple[int, ...]
    ) -> ConceptPrediction:
        words = self._processor.tokenizer(
            [phrase], return_tensors="pt", padding="max_length", max_length=32, truncation=True
        ).to(self._device)
        mask = words.attention_mask
        text = self._detector.get_text_features(input_ids=words.input_ids, attention_mask=mask)
        # The whole output goes in, whatever the documentation says: forward() reads its
        # `pooler_output`.
        out = self._detector(
            vision_embeds=seen, text_embeds=text, attention_mask=mask, **self._boxes(shown, size_hw)
        )
        scores = out.pred_logits[0].float().sigmoid()
        presence = 1.0
        if out.presence_logits is not None:
            presence = float(out.presence_logits[0].float().sigmoid())
        rows = torch.nonzero(scores > MIN_SCORE)[:, 0]
        rows = rows[scores[rows].argsort(descending=True, stable=True)]
        found = []
        for row in rows.tolist():  # one by one: all masks of a large picture are gigabytes
            # Probabilities are resized, not logits, as the package's own processor does.
            soft = functional.interpolate(
                out.pred_masks[0, row][None, None].float().sigmoid(),
                (size_hw[0], size_hw[1]), mode="bilinear", align_corners=False,
            )  # fmt: skip
            instance = Instance((soft[0, 0] > 0.5).cpu().numpy(), float(scores[row]))
            if instance.mask.any():
                found.append(instance)
        return ConceptPrediction(presence, tuple(found))

    def _boxes(self, shown: Exemplars | None, size_hw: tuple[int, ...]) -> dict[str, Tensor]:
        """Exemplars as the model reads them: centre and size as shares of the picture."""
        if shown is None or len(shown.positive_xyxy) + len(shown.negative_xyxy) == 0:
            return {}
        xyxy = np.concatenate([shown.positive_xyxy, shown.negative_xyxy]).astype(np.float32)
        share = xyxy / np.array([size_hw[1], size_hw[0]] * 2, np.float32)
        middle, extent = (share[:, :2] + share[:, 2:]) / 2, share[:, 2:] - share[:, :2]
        boxes = np.concatenate([middle, extent], 1).astype(np.float32)
        labels = [1] * len(shown.positive_xyxy) + [0] * len(shown.negative_xyxy)
        return {
            "input_boxes": torch.from_numpy(boxes)[None].to(self._device, self._dtype),
            "input_boxes_labels": torch.tensor([labels], device=self._device),
        }

    def segment_video(
        self, frames: FrameSource, phrase: str
    ) -> Generator[tuple[int, dict[int, Prediction]], None, None]:
        """Find and follow all instances of a phrase.

        With a ``Sam3VideoModel`` frames stream through its own session, one at a time and
        without the delay by which it would take back short-lived objects; without one, see
        :func:`samnb.models.concept_video.follow`.

        Raises:
            ModelError: the model knows pictures only and there is no tracker.
        """
        if self._video is not None and self._video_processor is not None:
            return self._stream(frames, phrase)
        if self._make_tracker is None:
            raise ModelError(
                f"{self.name}: expected a Sam3VideoModel or a tracker for video, got neither"
            )
        return follow(lambda image: self.segment(image, [phrase])[0], self._make_tracker(), frames)

    def _stream(
        self, frames: FrameSource, phrase: str
    ) -> Generator[tuple[int, dict[int, Prediction]], None, None]:
        processor = self._video_processor
        session = processor.init_video_session(inference_device=self._device, dtype=self._dtype)
        session = processor.add_text_prompt(session, phrase)
        numbers: dict[int, int] = {}  # the session's own ids begin at 0
        for position in range(len(frames)):
            with torch.no_grad():
                pixels = processor(
                    images=np.array(frames.frame(position), order="C"),
                    device=self._device, return_tensors="pt",
                )  # fmt: skip
                frame = pixels.pixel_values[0].to(self._dtype)
                out = self._video(inference_session=session, frame=frame, frame_idx=position)
                told = processor.postprocess_outputs(
                    session, out, original_sizes=pixels.original_sizes
                )
            # Only the number of frames is read later on, not what is in them.
            session.processed_frames[position] = None
            found: dict[int, Prediction] = {}
            for own, score, mask in zip(
                told["object_ids"].tolist(), told["scores"].tolist(), told["masks"], strict=True
            ):
                obj_id = numbers.setdefault(own, len(numbers) + 1)
                there = float(out.obj_id_to_tracker_score.get(own, score))
                found[obj_id] = Prediction(mask.cpu().numpy(), _unit(score), _unit(there), 1.0)
            yield position, found


def load_sam3(
    source: str | Path,
    *,
    make_tracker: Callable[[], Tracker] | None = None,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
) -> Sam3Segmenter:
    """Load a folder written by ``save_pretrained``, or a hub name such as ``facebook/sam3``.

    Args:
        source: a folder with ``config.json``, weights and processor, or a hub name.
        make_tracker: see :class:`Sam3Segmenter`.
        device: where it runs; None takes the fastest device present.
        dtype: number format; None is float32.

    Raises:
        ModelError: not such a folder, weights are missing, or the hub cannot be reached.
    """

    def load(place: str) -> tuple[Any, tuple[Any, Any]]:
        is_video = require_model_type(place, MODEL_TYPES) == "sam3_video"
        model, info = (Sam3VideoModel if is_video else Sam3Model).from_pretrained(
            place, dtype=resolve_dtype(dtype), output_loading_info=True
        )
        require_all_weights(info)
        video_processor = Sam3VideoProcessor.from_pretrained(place) if is_video else None
        return model, (Sam3Processor.from_pretrained(place), video_processor)

    model, (processor, video_processor), name = load_pretrained(
        source, "a SAM 3 model", load, has_licence=True
    )
    return Sam3Segmenter(
        model, processor, name,
        video_processor=video_processor, make_tracker=make_tracker, device=device, dtype=dtype,
    )  # fmt: skip


def _unit(value: float) -> float:
    return float(min(max(value, 0.0), 1.0))
