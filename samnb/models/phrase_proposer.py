"""A language model of transformers as proposer of hard negatives.

SAM 3's engine asked a multimodal model for phrases that look like a verified positive (SAM 3
paper, appendix on hard negatives). Any text-generation checkpoint can be asked here; what it
writes is read as a list, and the adversariality check throws out what fools nobody.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from samnb.models.generation import Writer, parse_list
from samnb.models.pretrained import load_pretrained
from samnb.types import InputError

if TYPE_CHECKING:
    import torch

    from samnb.models.base import Image

PROMPT: Final = (
    'List {n} short noun phrases for things that look much like "{phrase}" but are not one. '
    "Each shall be at most four words, one per line, without explanation."
)
"""What the model is asked; our own words, the paper does not print its prompt."""


class TransformersPhraseProposer:
    """A text-generation checkpoint behind :class:`~samnb.models.concepts.PhraseProposer`.

    Args:
        model: the model with its weights.
        tokenizer: the tokenizer that was saved with it.
        name: name and version for the log.
        prompt: with the fields ``{phrase}`` and ``{n}``.
        n: phrases that are asked for, and proposed at most.
        max_new_tokens: length of the answer at most.
        device: where it runs; None takes the fastest device present.
        dtype: number format of weights and computation; None is float32.

    Raises:
        InputError: the prompt has no place for the phrase, or a number is below 1.
        ModelError: the device or dtype cannot be used.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        name: str,
        *,
        prompt: str = PROMPT,
        n: int = 10,
        max_new_tokens: int = 160,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
    ) -> None:
        if "{phrase}" not in prompt:
            raise InputError(f"prompt: expected a text with '{{phrase}}', got {prompt!r}")
        if n < 1 or max_new_tokens < 1:
            raise InputError(f"n, max_new_tokens: expected 1 or more, got {n}, {max_new_tokens}")
        self._tokenizer = tokenizer
        self._name, self._prompt, self._n = name, prompt, n
        self._max_new_tokens = max_new_tokens
        self._writer = Writer(model, tokenizer, device=device, dtype=dtype)

    @property
    def name(self) -> str:
        """Name and version as it is written into the log."""
        return self._name

    def propose(self, phrase: str, image: Image | None = None) -> tuple[str, ...]:
        """Return what the model lists, without the phrase itself; the picture is not looked at."""
        asked = self._prompt.replace("{phrase}", phrase).replace("{n}", str(self._n))
        if getattr(self._tokenizer, "chat_template", None):
            asked = self._tokenizer.apply_chat_template(
                [{"role": "user", "content": asked}], add_generation_prompt=True, tokenize=False
            )
            # The template has put the special tokens in.
            inputs = self._tokenizer(asked, return_tensors="pt", add_special_tokens=False)
        else:
            inputs = self._tokenizer(asked, return_tensors="pt")
        text = self._writer.write(dict(inputs), max_new_tokens=self._max_new_tokens)
        found = parse_list(text, limit=self._n + 1)
        return tuple(p for p in found if p != phrase.lower())[: self._n]


def load_phrase_proposer(
    source: str | Path,
    *,
    prompt: str = PROMPT,
    n: int = 10,
    max_new_tokens: int = 160,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
) -> TransformersPhraseProposer:
    """Load a language model from a local folder or from the hub.

    Args:
        source: a folder written by ``save_pretrained``, or the hub name of a text-generation
            model.
        prompt: see :class:`TransformersPhraseProposer`.
        n: phrases that are asked for, and proposed at most.
        max_new_tokens: length of the answer at most.
        device: where it runs; None takes the fastest device present.
        dtype: number format of weights and computation; None is float32.

    Raises:
        ModelError: transformers is missing, or there is no such model.
    """
    model, tokenizer, name = load_pretrained(source, "a text-generation model", _load)
    return TransformersPhraseProposer(
        model,
        tokenizer,
        name,
        prompt=prompt,
        n=n,
        max_new_tokens=max_new_tokens,
        device=device,
        dtype=dtype,
    )


def _load(place: str) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(place)
    return model, AutoTokenizer.from_pretrained(place)
