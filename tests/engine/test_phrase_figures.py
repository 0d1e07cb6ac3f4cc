"""Figures of phrases."""

from __future__ import annotations

import pandas as pd
import pytest

from samnb.engine.phrase_figures import plot_distribution, plot_stages
from samnb.language.distribution import OUTSIDE, concept_distribution
from samnb.language.ontologyfile import parse_ontology
from samnb.types import InputError

TREE = parse_ontology({"animal": {"cat": ["siamese cat"], "dog": []}, "cup": []})
TABLE = concept_distribution({"cat": 5, "dog": 1, "cup": 3, "xyzzy": 1}, TREE)


def bars(figure):
    (axes,) = figure.axes
    names = [t.get_text() for t in axes.get_yticklabels()]
    return dict(zip(names, [b.get_width() for b in axes.patches], strict=True))


def test_branches_stand_by_their_share_most_frequent_first():
    found = bars(plot_distribution(TABLE))
    assert found == pytest.approx({"animal": 60.0, "cup": 30.0, OUTSIDE: 10.0})
    assert list(found) == ["animal", "cup", OUTSIDE]
    assert list(bars(plot_distribution(TABLE, n=1))) == ["animal"]


def test_one_branch_can_be_opened():
    assert bars(plot_distribution(TABLE, under="animal")) == pytest.approx({"cat": 50, "dog": 10})
    with pytest.raises(InputError, match="'zebra'"):
        plot_distribution(TABLE, under="zebra")
    with pytest.raises(InputError, match="1 or more"):
        plot_distribution(TABLE, n=0)


def test_two_tables_stand_side_by_side():
    later = concept_distribution({"cup": 1, "cat": 1}, TREE)
    (axes,) = plot_distribution(TABLE, later, labels=("all", "balanced")).axes
    assert [b.get_width() for b in axes.patches] == pytest.approx([60, 30, 10, 50, 50, 0])
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["all", "balanced"]


def test_an_empty_table_gives_an_empty_figure():
    empty = concept_distribution([], TREE)
    assert plot_distribution(empty)._repr_png_().startswith(b"\x89PNG")


def test_stages_stand_with_what_they_dropped():
    counts = pd.DataFrame([("caption", 3, "x"), ("balance", 7, "y")],
                          columns=["stage", "dropped", "examples"])  # fmt: skip
    assert bars(plot_stages(counts)) == {"caption": 3, "balance": 7}
