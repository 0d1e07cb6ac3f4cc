"""WordNet as a tree of concepts, from a folder that is already there.

The folder is the ``dict`` folder of Princeton's release or of Open English WordNet in that
form; Linux distributions and the data of NLTK carry it too. Two of its files are read here, in
the form that WordNet's manual page ``wndb(5WN)`` fixes; no library is needed and nothing fetched.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from samnb.language.ontology import Node, Ontology, canonical
from samnb.types import FormatError, MediaMissingError

PHYSICAL: Final = "physical entity"
"""What can be seen; the root that is usually wanted."""
_PARENTS = ("@", "@i")
"""WordNet's signs for "is a kind of" and "is one of"."""


@dataclass(slots=True)
class _Synset:
    words: list[str]
    parents: list[str]
    children: list[str] = field(default_factory=list)


def load_wordnet(folder: str | Path, *, root: str = PHYSICAL) -> Ontology:
    """Read the nouns of a WordNet folder below one concept.

    WordNet's concepts may have several parents and words several senses. Of the parents the
    first is taken, and a word names its most frequent sense, by WordNet's own order, or where
    that lies outside the chosen branch, its most frequent one inside. So the result is a tree in
    which every phrase has one place. It takes some seconds.

    Args:
        folder: with ``data.noun`` and ``index.noun``.
        root: a word; the concept that it most often names and all below it are read.

    Raises:
        MediaMissingError: the folder does not hold WordNet's files.
        FormatError: a line is not in WordNet's form, or no concept is called ``root``.
    """
    folder = Path(folder)
    missing = [n for n in ("data.noun", "index.noun") if not (folder / n).is_file()]
    if missing:
        raise MediaMissingError(
            str(folder), f"not a WordNet folder, {missing} missing", "give its 'dict' folder"
        )
    synsets = _read_data(folder / "data.noun")
    senses = _read_index(folder / "index.noun")
    top = senses.get(root.replace(" ", "_").lower(), [""])[0]
    if top not in synsets:
        raise FormatError(f"{folder}: expected a concept called {root!r}, got none")
    for offset, synset in synsets.items():
        # The principal parent alone, so that no concept stands in two places.
        if synset.parents and synset.parents[0] in synsets:
            synsets[synset.parents[0]].children.append(offset)
    return Ontology(_nodes(synsets, senses, top))


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Return number and fields of every line but the licence, which is indented."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return [
        (number, line.split("|")[0].split())
        for number, line in enumerate(text.splitlines(), 1)
        if line and not line.startswith(" ")
    ]


def _read_data(path: Path) -> dict[str, _Synset]:
    """Read offset, words and parents: ``offset file n 02hex-count (word id)* ptr-count ptr*``."""
    found: dict[str, _Synset] = {}
    for number, fields in _lines(path):
        try:
            end = 4 + 2 * int(fields[3], 16)
            n_pointers = int(fields[end])
            pointers = fields[end + 1 : end + 1 + 4 * n_pointers]
            parents = [
                pointers[i + 1] for i in range(0, 4 * n_pointers, 4) if pointers[i] in _PARENTS
            ]
        except (ValueError, IndexError) as error:
            raise FormatError(f"{path}, line {number}: expected a synset, {error}") from error
        found[fields[0]] = _Synset([w.replace("_", " ") for w in fields[4:end:2]], parents)
    return found


def _read_index(path: Path) -> dict[str, list[str]]:
    """Read a word's senses, most frequent first: ``word n count ... offset*``."""
    found: dict[str, list[str]] = {}
    for number, fields in _lines(path):
        try:
            found[fields[0]] = fields[-int(fields[2]) :]
        except (ValueError, IndexError) as error:
            raise FormatError(f"{path}, line {number}: expected a word, {error}") from error
    return found


def _nodes(synsets: dict[str, _Synset], senses: dict[str, list[str]], top: str) -> list[Node]:
    """Walk down from the top and give every word to one concept."""
    order = [(top, "")]
    for offset, _ in order:
        # The list grows while it is read, level by level.
        order += [(child, offset) for child in synsets[offset].children]
    keys = {word: canonical(word) for offset, _ in order for word in synsets[offset].words}
    rank: dict[str, tuple[int, str]] = {}
    for offset, _ in order:
        for word in synsets[offset].words:
            known = senses.get(word.replace(" ", "_").lower(), [])
            place = known.index(offset) if offset in known else len(known)
            key = keys[word]
            rank[key] = min(rank.get(key, (place, offset)), (place, offset))
    nodes: list[Node] = []
    names: dict[str, str] = {"": ""}
    for offset, parent in order:
        own: dict[str, str] = {}
        for word in synsets[offset].words:
            key = keys[word]
            if rank[key][1] == offset:
                own.setdefault(key, word.lower())
        # A concept whose words all mean something else first is passed through.
        names[offset] = next(iter(own.values()), names[parent])
        if own:
            name, *synonyms = own.values()
            nodes.append(Node(name, names[parent], tuple(synonyms)))
    return nodes
