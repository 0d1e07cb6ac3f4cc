"""WordNet as a tree of concepts, from a folder that is already there.

The folder is the ``dict`` folder of Princeton's release (``data.noun``, ``index.noun`` and their
companions), as Linux distributions and NLTK's data carry it. Nothing is fetched.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Final

from samnb.language.ontology import Node, Ontology, canonical
from samnb.types import FormatError, MediaMissingError, ModelError

PHYSICAL: Final = "physical_entity.n.01"
"""What can be seen; the root that is usually wanted."""
_NEEDED: Final = ("data.noun", "index.noun", "lexnames")


def load_wordnet(folder: str | Path, *, root: str = PHYSICAL) -> Ontology:
    """Read the nouns of a WordNet folder below one concept.

    WordNet's concepts may have several parents and words several senses. Of the parents the
    first is taken, the principal one by WordNet's order; a word names its most frequent sense,
    and further senses are left out. So the result is a tree in which every phrase has one place.

    Args:
        folder: with ``data.noun``, ``index.noun`` and ``lexnames``.
        root: name of the concept whose descendants are wanted, in WordNet's own notation.

    Raises:
        MediaMissingError: the folder does not hold WordNet's files.
        ModelError: NLTK, which reads them, is not installed.
        FormatError: there is no concept ``root``, or the files are broken.
    """
    folder = Path(folder)
    missing = [n for n in _NEEDED if not (folder / n).is_file()]
    if missing:
        raise MediaMissingError(
            str(folder), f"not a WordNet folder, {missing} missing", "give its 'dict' folder"
        )
    try:
        from nltk.corpus.reader import WordNetCorpusReader
        from nltk.corpus.reader.wordnet import WordNetError
    except ImportError as error:
        raise ModelError(
            f"WordNet is read by NLTK, got '{error}'; install it with: pip install 'samnb[wordnet]'"
        ) from error
    with warnings.catch_warnings():
        # It says that other languages are not at hand; none is asked for.
        warnings.simplefilter("ignore")
        reader: Any = WordNetCorpusReader(str(folder), None)
    try:
        top = reader.synset(root)
        return Ontology(_nodes(reader, top))
    except (WordNetError, LookupError, OSError) as error:
        raise FormatError(f"{folder}: expected WordNet with {root!r}, {error}") from error


def _nodes(reader: Any, top: Any) -> list[Node]:
    """Walk down from the top; a concept belongs to the first of its parents."""
    nodes: list[Node] = []
    taken: set[str] = set()
    waiting = [(top, "")]
    while waiting:
        level, waiting = waiting, []
        for synset, parent in level:
            names = [n for n in _names(reader, synset) if canonical(n) not in taken]
            # A concept whose words all mean something else first is passed through.
            here = names[0] if names else parent
            if names:
                taken.update(canonical(n) for n in names)
                # One key each: two spellings of one word would be the same synonym twice.
                unique = list({canonical(n): n for n in reversed(names)}.values())[::-1]
                nodes.append(Node(here, parent, tuple(u for u in unique if u != here)))
            for child in synset.hyponyms():
                above = child.hypernyms()
                if above and above[0] == synset:
                    waiting.append((child, here))
    return nodes


def _names(reader: Any, synset: Any) -> list[str]:
    """Return the words of which this is the most frequent sense."""
    return [
        lemma.replace("_", " ").lower()
        for lemma in synset.lemma_names()
        if reader.synsets(lemma, "n")[:1] == [synset]
    ]
