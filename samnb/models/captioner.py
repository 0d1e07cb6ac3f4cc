"""Captions by any image-to-text or image-text-to-text checkpoint of transformers.

BLIP, GIT and vision-encoder-decoder models write a caption by themselves; models that are made
for conversation are asked for one through their chat template.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image as PilImage

from samnb.models.generation import Writer
from samnb.models.pretrained import load_pretrained
from samnb.types import InputError

if TYPE_CHECKING:
    import torch

    from samnb.models.base import Image

PROMPT: Final = (
    "Describe this picture in two or three sentences. Name every kind of thing that can be seen, "
    "with its colour, pattern or material."
)
"""What a conversing model is asked; our own words, the paper does not print its prompt."""


class TransformersCaptioner:
    """A checkpoint behind :class:`~samnb.models.concepts.Captioner`.

    Args:
        model: the model with its weights.
        processor: the processor that was saved with it.
        name: name and version for the log.
        prompt: what the model is asked, or the beginning of the caption for a model without
            chat template; None is :data:`PROMPT` for the former and nothing for the latter.
        max_new_tokens: length of a caption at most.
        device: where it runs; None takes the fastest device present.
        dtype: number format of weights and computation; None is float32.

    Raises:
        ModelError: the device or dtype cannot be used.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        name: str,
        *,
        prompt: str | None = None,
        max_new_tokens: int = 96,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
    ) -> None:
        if max_new_tokens < 1:
            raise InputError(f"max_new_tokens: expected 1 or more, got {max_new_tokens}")
        self._processor = processor
        self._name = name
        self._max_new_tokens = max_new_tokens
        self._is_chat = bool(getattr(processor, "chat_template", None))
        self._prompt = PROMPT if prompt is None and self._is_chat else prompt
        tokenizer = getattr(processor, "tokenizer", processor)
        self._writer = Writer(model, tokenizer, device=device, dtype=dtype)

    @property
    def name(self) -> str:
        """Name and version as it is written into the log."""
        return self._name

    def caption(self, image: Image) -> str:
        """Describe a picture; a begun caption is left out of what is returned.

        Args:
            image: (H, W, 3) uint8 RGB.

        Raises:
            InputError: the picture has another shape or dtype.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise InputError(
                f"image: expected (H, W, 3) uint8, got {tuple(image.shape)} {image.dtype}"
            )
        picture = PilImage.fromarray(np.ascontiguousarray(image))
        text = self._writer.write(self._inputs(picture), max_new_tokens=self._max_new_tokens)
        text = " ".join(text.split())
        begun = " ".join((self._prompt or "").split())
        # Encoder-decoders give a begun caption back in tokens of their own; "a picture of" is
        # no news.
        is_repeated = bool(begun) and text.lower().startswith(begun.lower())
        return text[len(begun) :].strip() if is_repeated else text

    def _inputs(self, picture: PilImage.Image) -> dict[str, Any]:
        if not self._is_chat:
            texts = {} if self._prompt is None else {"text": self._prompt}
            return dict(self._processor(images=picture, return_tensors="pt", **texts))
        content = [{"type": "image"}, {"type": "text", "text": self._prompt}]
        asked = self._processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
        return dict(self._processor(images=picture, text=asked, return_tensors="pt"))


def load_captioner(
    source: str | Path,
    *,
    prompt: str | None = None,
    max_new_tokens: int = 96,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
) -> TransformersCaptioner:
    """Load a captioner from a local folder or from the hub.

    Args:
        source: a folder written by ``save_pretrained``, or a hub name such as
            ``Salesforce/blip-image-captioning-base``.
        prompt: see :class:`TransformersCaptioner`.
        max_new_tokens: length of a caption at most.
        device: where it runs; None takes the fastest device present.
        dtype: number format of weights and computation; None is float32.

    Raises:
        ModelError: transformers is missing, or there is no such model.
    """
    model, processor, name = load_pretrained(source, "an image-to-text model", _load)
    return TransformersCaptioner(
        model,
        processor,
        name,
        prompt=prompt,
        max_new_tokens=max_new_tokens,
        device=device,
        dtype=dtype,
    )


def _load(place: str) -> tuple[Any, Any]:
    from transformers import (
        AutoImageProcessor,
        AutoModelForImageTextToText,
        AutoProcessor,
        AutoTokenizer,
    )

    model = AutoModelForImageTextToText.from_pretrained(place)
    if model.config.model_type == "vision-encoder-decoder":
        # These were saved in two parts; no processor class knows both.
        return model, _TwoParts(
            AutoImageProcessor.from_pretrained(place), AutoTokenizer.from_pretrained(place)
        )
    return model, AutoProcessor.from_pretrained(place)


class _TwoParts:
    """Image processor and tokenizer of an encoder-decoder model, called like one processor."""

    def __init__(self, image_processor: Any, tokenizer: Any) -> None:
        self._image_processor = image_processor
        self.tokenizer = tokenizer

    def __call__(
        self, images: PilImage.Image, return_tensors: str, text: str | None = None
    ) -> dict[str, Any]:
        found = dict(self._image_processor(images=images, return_tensors=return_tensors))
        if text is not None:
            tokens = self.tokenizer(text, return_tensors=return_tensors, add_special_tokens=False)
            found["decoder_input_ids"] = tokens.input_ids
        return found
