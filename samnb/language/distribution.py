"""How the phrases of a project spread over a tree of concepts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from samnb.language.ontology import Ontology
from samnb.types import InputError

if TYPE_CHECKING:
    import pandas as pd

OUTSIDE: Final = "(not in the tree)"
"""Name of the row with the phrases that the tree does not know."""


def concept_distribution(
    phrases: Iterable[str] | Mapping[str, int], ontology: Ontology
) -> pd.DataFrame:
    """Count phrases per concept, with all that is below it.

    Args:
        phrases: one entry per pair of media and phrase, or counts by phrase (pairs, instances
            or whatever is to be compared).
        ontology: the tree.

    Returns:
        one row per concept that occurs or has one below it that does, parents before children,
        with the columns concept, parent, top (name of its branch), depth (0 at the top), own
        (counts of phrases that name it), total (with all narrower concepts), share (of all
        counts) and examples. Phrases outside the tree are in a last row.

    Raises:
        InputError: a count is negative.
    """
    import pandas as pd

    counts = Counter(dict(phrases)) if isinstance(phrases, Mapping) else Counter(phrases)
    if any(n < 0 for n in counts.values()):
        raise InputError("phrases: expected counts of 0 or more")
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    examples: dict[str, list[str]] = {}
    for phrase, n in counts.items():
        match = ontology.find(phrase)
        name = match.node if match is not None else OUTSIDE
        own[name] += n
        examples.setdefault(name, []).append(phrase)
        for above in (name, *(ontology.ancestors(name) if match is not None else ())):
            total[above] += n
    everything = sum(counts.values())
    rows = []
    for name in (*_top_down(ontology), OUTSIDE):
        if name not in total:
            continue
        line = ontology.ancestors(name) if name != OUTSIDE else ()
        rows.append(
            (
                name,
                line[0] if line else "",
                line[-1] if line else name,
                len(line),
                own[name],
                total[name],
                total[name] / everything if everything else 0.0,
                ", ".join(sorted(examples.get(name, ()), key=lambda p: -counts[p])[:3]),
            )
        )
    columns = ["concept", "parent", "top", "depth", "own", "total", "share", "examples"]
    return pd.DataFrame(rows, columns=columns)


def _top_down(ontology: Ontology) -> Iterable[str]:
    waiting = list(reversed(ontology.children()))
    while waiting:
        name = waiting.pop()
        yield name
        waiting += reversed(ontology.children(name))
