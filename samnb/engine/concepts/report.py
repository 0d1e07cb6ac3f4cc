"""All tables of the concept loop together, as ``samnb stats`` prints them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samnb.engine.concepts import stats
from samnb.engine.concepts.accuracy import against_people
from samnb.engine.concepts.filters import filters
from samnb.engine.effort import Source
from samnb.engine.history import read_history
from samnb.language.distribution import concept_distribution
from samnb.language.ontology import Ontology
from samnb.language.ontologyfile import default_ontology

if TYPE_CHECKING:
    import pandas as pd


def tables(source: Source) -> dict[str, pd.DataFrame]:
    """Return the tables that have a row, by name: pairs (summed up), filters, segmenters,
    verifiers, reviewers, and accuracy of people and models."""
    events, _ = read_history(source)
    found = {
        "filters": filters(events),
        "segmenters": stats.segmenters(events),
        "verifiers": stats.verifiers(events),
        "reviewers": stats.reviewers(events),
        "accuracy": against_people(events),
    }
    if not events.pairs.pairs:
        return {}
    return {"pairs": stats.summary(events)} | {n: t for n, t in found.items() if len(t)}


def concepts(source: Source, ontology: Ontology | None = None) -> pd.DataFrame:
    """Count the pairs of a project by concept; see
    :func:`samnb.language.distribution.concept_distribution`.

    Args:
        source: a session, a log, or events.
        ontology: the tree; None takes the one that ships.
    """
    phrases = [p.phrase for p in stats.read_state(source).pairs.values()]
    return concept_distribution(phrases, ontology or default_ontology())
