"""A vision-language model as verifier: the softmax over the option letters' logits.

Source: SAM 3 paper (arXiv 2511.16719), appendix on AI verifiers: the question is multiple
choice, the model answers with one letter, and the probabilities of the options are the
softmax over the logits of the letters' tokens at the place of the answer.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from PIL import Image as PilImage
from torch import Tensor

from samnb.masks.views import ev_view, mv_view
from samnb.metrics.calibration import apply_temperature
from samnb.models.checkpoints import file_version
from samnb.models.device import resolve_device, resolve_dtype
from samnb.models.pretrained import load_pretrained
from samnb.models.verifier_prompts import (
    EV_ORDER,
    LETTERS,
    MV_ORDER,
    check_order,
    ev_prompt,
    mv_prompt,
)
from samnb.types import EvAnswer, ModelError, MvAnswer

if TYPE_CHECKING:
    from samnb.models.base import BoolMask, Image
    from samnb.models.concepts import Probabilities

VLM_EXTRA: Final = "pip install 'samnb[vlm]'"


class VlmVerifier:
    """Any image-text-to-text checkpoint behind :class:`~samnb.models.concepts.ConceptVerifier`.

    Args:
        model: the model with its weights; decoder-only, as all models made for
            conversation are.
        processor: the processor that was saved with it, with a chat template.
        name: name and version for the log.
        mv_order: options of mask verification in the order of the letters A to E.
        ev_order: options of exhaustivity verification in the order of A to F.
        mv_temperature: divides the logits of mask verification; fitted by
            :func:`samnb.metrics.calibration.fit_temperature` on answers not trained on.
        ev_temperature: the same for exhaustivity.
        device: where it runs; None takes the fastest device present.
        dtype: number format of weights and computation; None is float32.

    Raises:
        ModelError: no chat template, a letter is not one token, or the device or dtype
            cannot be used.
        InputError: an order does not name every option once.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        name: str,
        *,
        mv_order: Sequence[MvAnswer] = MV_ORDER,
        ev_order: Sequence[EvAnswer] = EV_ORDER,
        mv_temperature: float = 1.0,
        ev_temperature: float = 1.0,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
    ) -> None:
        if not getattr(processor, "chat_template", None):
            raise ModelError(
                f"{name}: expected a processor with a chat template, got one without; a verifier "
                "has to be asked"
            )
        if getattr(model.config, "is_encoder_decoder", False):
            raise ModelError(f"{name}: expected a decoder-only model, got an encoder-decoder")
        self.mv_order = check_order(mv_order, MV_ORDER)
        self.ev_order = check_order(ev_order, EV_ORDER)
        self.mv_temperature, self.ev_temperature = mv_temperature, ev_temperature
        self.device, self.dtype = resolve_device(device), resolve_dtype(dtype)
        self.model = model.to(device=self.device, dtype=self.dtype).eval()
        self.processor = processor
        self.letter_ids = letter_ids(getattr(processor, "tokenizer", processor), name)
        self._name = name
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """Name and version as it is written into the log."""
        return self._name

    def verify_masks(self, image: Image, phrase: str, masks: Sequence[BoolMask]) -> Probabilities:
        """Judge each mask by itself, in the two-panel view; see the protocol.

        An empty mask has no view and is rejected without asking.

        Returns:
            (N, 5) float64.
        """
        rows = np.zeros((len(masks), len(MV_ORDER)))
        prompt = mv_prompt(phrase, self.mv_order)
        for at, mask in enumerate(masks):
            if mask.any():
                logits = self._ask(mv_view(image, mask), prompt, len(MV_ORDER))
                rows[at] = _in_order(logits, self.mv_order, MV_ORDER, self.mv_temperature)
            else:
                rows[at, MV_ORDER.index(MvAnswer.REJECT)] = 1.0
        return rows

    def verify_exhaustive(
        self, image: Image, phrase: str, masks: Sequence[BoolMask]
    ) -> Probabilities:
        """Judge whether the masks are all there is, in the boxed view; see the protocol.

        Returns:
            (6,) float64.
        """
        n_boxes = sum(bool(mask.any()) for mask in masks)
        prompt = ev_prompt(phrase, n_boxes, self.ev_order)
        logits = self._ask(ev_view(image, masks), prompt, len(EV_ORDER))
        return _in_order(logits, self.ev_order, EV_ORDER, self.ev_temperature)

    def letter_logits(self, view: Image, prompt: str, n_options: int) -> Tensor:
        """Logits of the first letters at the place of the answer, (n_options,) float32.

        Gradients flow where they are switched on; the caller sets the model's mode.
        """
        inputs = self.inputs(view, prompt)
        logits = self.model(**inputs).logits[0, -1].float()
        found: Tensor = logits[self.letter_ids[:n_options]]
        return found

    def inputs(self, view: Image, prompt: str) -> Mapping[str, Any]:
        """What the model takes: one picture and one question, ready for the answer."""
        content = [{"type": "image"}, {"type": "text", "text": prompt}]
        asked = self.processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
        made = self.processor(images=[PilImage.fromarray(view)], text=[asked], return_tensors="pt")
        # Tokenizers of another family may add entries that the model knows nothing of.
        return {
            key: value.to(self.device, self.dtype if value.is_floating_point() else None)
            for key, value in made.items()
            if isinstance(value, Tensor) and key != "token_type_ids"
        }

    def _ask(self, view: Image, prompt: str, n_options: int) -> Tensor:
        # Some models keep positions of the last call on themselves.
        with self._lock, torch.inference_mode():
            return self.letter_logits(view, prompt, n_options)


def letter_ids(tokenizer: Any, name: str) -> list[int]:
    """The token of each letter A to F, as it stands alone.

    Raises:
        ModelError: a letter is not exactly one token, or two letters share one.
    """
    found = []
    for letter in LETTERS:
        ids = tokenizer(letter, add_special_tokens=False)["input_ids"]
        # Some tokenizers write a space of its own before the first word.
        if len(ids) == 2 and not tokenizer.decode(ids[:1]).strip():
            ids = ids[1:]
        if len(ids) != 1 or ids[0] == getattr(tokenizer, "unk_token_id", None):
            raise ModelError(f"{name}: expected one token for the letter {letter}, got {ids}")
        found.append(int(ids[0]))
    if len(set(found)) != len(found):
        raise ModelError(f"{name}: expected a token for each letter, got {found}")
    return found


def load_vlm_verifier(
    source: str | Path,
    *,
    adapter: str | Path | None = None,
    mv_order: Sequence[MvAnswer] = MV_ORDER,
    ev_order: Sequence[EvAnswer] = EV_ORDER,
    mv_temperature: float = 1.0,
    ev_temperature: float = 1.0,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
) -> VlmVerifier:
    """Load a verifier from a local folder or from the hub.

    Args:
        source: a folder written by ``save_pretrained``, or a hub name of an
            image-text-to-text model such as ``HuggingFaceTB/SmolVLM-256M-Instruct``.
        adapter: a folder written by :func:`samnb.models.verifier_lora.finetune_vlm`.
        mv_order: see :class:`VlmVerifier`.
        ev_order: see :class:`VlmVerifier`.
        mv_temperature: see :class:`VlmVerifier`.
        ev_temperature: see :class:`VlmVerifier`.
        device: where it runs; None takes the fastest device present.
        dtype: number format of weights and computation; None is float32.

    Raises:
        ModelError: transformers or peft is missing, or there is no such model or adapter.
    """
    model, processor, name = load_pretrained(source, "an image-text-to-text model", _load)
    if adapter is not None:
        folder = Path(adapter)
        try:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, str(folder))
        except ImportError as error:
            raise ModelError(f"adapters need peft, got '{error}'; install: {VLM_EXTRA}") from error
        # Whatever peft raises for a folder that is not an adapter, the remedy is the same.
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ModelError(
                f"{folder}: expected an adapter for {source}, could not load it ({reason})"
            ) from error
        name = f"{name}+{folder.name}@{file_version(sorted(folder.glob('*.safetensors')))}"
    return VlmVerifier(
        model,
        processor,
        name,
        mv_order=mv_order,
        ev_order=ev_order,
        mv_temperature=mv_temperature,
        ev_temperature=ev_temperature,
        device=device,
        dtype=dtype,
    )


def _load(place: str) -> tuple[Any, Any]:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    return AutoModelForImageTextToText.from_pretrained(place), AutoProcessor.from_pretrained(place)


def _in_order(
    logits: Tensor,
    asked: Sequence[MvAnswer | EvAnswer],
    options: Sequence[MvAnswer | EvAnswer],
    temperature: float,
) -> Probabilities:
    """Softmax over the letters, brought from the order asked into that of the enum."""
    chances = apply_temperature(logits.double().softmax(dim=0).cpu().numpy(), temperature)
    return np.asarray(chances[[asked.index(option) for option in options]], np.float64)
