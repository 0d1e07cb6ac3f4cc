"""Text out of transformers models: one greedy answer, and reading it as a list.

The captioner and the proposer of phrases share it.
"""

from __future__ import annotations

import inspect
import re
import threading
from collections.abc import Mapping
from typing import Any

from samnb.types import ModelError

try:
    import torch
    from transformers import logging as transformers_logging
except ImportError as error:
    raise ModelError(
        f"models that write text need torch and transformers, got '{error}'; "
        "install them with: pip install 'samnb[transformers]'"
    ) from error

from samnb.models.device import resolve_device, resolve_dtype

_MARKER = re.compile(r"^\s*(?:[-*\u2022]+|\(?\d{1,3}[.):])\s*")


class Writer:
    """A model that continues text, with or without a picture: one greedy answer at a time.

    Args:
        model: with ``generate``.
        tokenizer: turns token ids into text.
        device: where it runs; None takes the fastest device present.
        dtype: number format of weights and computation; None is float32.

    Raises:
        ModelError: the device or dtype cannot be used.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
    ) -> None:
        self._device, self._dtype = resolve_device(device), resolve_dtype(dtype)
        self._model = model.to(device=self._device, dtype=self._dtype).eval()
        self._tokenizer = tokenizer
        # Tokenizers of another family may add entries that the model knows nothing of.
        known = inspect.signature(self._model.forward).parameters
        self._known = {*known, "input_ids", "attention_mask"}
        # Models keep caches on themselves while they write.
        self._lock = threading.Lock()

    @property
    def model(self) -> Any:
        """The model itself."""
        return self._model

    def write(self, inputs: Mapping[str, Any], *, max_new_tokens: int) -> str:
        """Return what the model writes next, without the prompt and special tokens.

        Args:
            inputs: tensors as a processor made them, batch size 1.
            max_new_tokens: where it stops at the latest.
        """
        placed = {
            key: value.to(self._device, self._dtype if value.is_floating_point() else None)
            for key, value in inputs.items()
            if isinstance(value, torch.Tensor) and key in self._known
        }
        level = transformers_logging.get_verbosity()
        transformers_logging.set_verbosity_error()
        try:
            with self._lock, torch.inference_mode():
                # Greedy, so that the same picture gives the same words.
                ids = self._model.generate(
                    **placed, max_new_tokens=max_new_tokens, do_sample=False, num_beams=1
                )
        finally:
            transformers_logging.set_verbosity(level)
        new = ids[0]
        prompt = placed.get("input_ids")
        # Some models give the prompt back, some only what is new.
        if prompt is not None and len(new) >= prompt.shape[1]:
            n = int(prompt.shape[1])
            if torch.equal(new[:n], prompt[0]):
                new = new[n:]
        return str(self._tokenizer.decode(new, skip_special_tokens=True)).strip()


def parse_list(text: str, *, limit: int = 30) -> tuple[str, ...]:
    """Read an answer as a list of phrases: lines, commas or semicolons, with or without marks.

    Numbers, bullets, quotes and full stops go; sentences of more than six words are not
    phrases and are left out.

    Args:
        text: what a model wrote.
        limit: phrases at most.
    """
    found: dict[str, None] = {}
    # A numbered list on one line is cut at its numbers.
    marked = re.sub(r"\s(?=\(?\d{1,3}[.)]\s)", "\n", text)
    for part in re.split(r"[\n;,]|\s\|\s", marked):
        phrase = _MARKER.sub("", part).strip().strip("\"'`.*:! ").lower()
        if phrase and any(c.isalpha() for c in phrase) and len(phrase.split()) <= 6:
            found.setdefault(phrase)
    return tuple(found)[:limit]
