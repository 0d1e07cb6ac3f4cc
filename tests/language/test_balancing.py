"""Balancing against what is there already."""

from __future__ import annotations

import pytest

from samnb.language.balancing import Standing, balance, enough
from samnb.language.ontologyfile import default_ontology
from samnb.language.records import run_stages
from samnb.types import InputError

TREE = default_ontology()


def reasons(stage, *phrases):
    return [r.reason for r in run_stages(phrases, [stage])]


def test_what_is_annotated_often_or_already_right_is_left_out():
    standings = {
        "dog": Standing(n_instances=500),
        "cat": Standing(n_instances=3, n_pairs=20, score=0.95),
        "cup": Standing(n_instances=3, n_pairs=20, score=0.5),
        "hat": Standing(n_instances=3, n_pairs=2, score=1.0),
    }
    found = reasons(balance(standings), "dogs", "cat", "cup", "hat", "kite")
    assert found == [
        "500 instances are annotated, 500 are enough",
        "the model is right already (0.95 on 20 pairs)",
        "", "", "",
    ]  # fmt: skip


def test_the_bounds_are_the_users():
    policy = enough(max_instances=2, max_score=0.4, min_pairs=1)
    standings = {"dog": Standing(2), "cup": Standing(0, 1, 0.4), "cat": Standing(1, 1, 0.3)}
    found = reasons(balance(standings, policy), "dog", "cup", "cat")
    assert [bool(r) for r in found] == [True, True, False]


def test_a_policy_is_any_function():
    stage = balance({}, lambda phrase, standing: "no dogs today" if phrase == "dog" else "")
    assert reasons(stage, "dog", "cat") == ["no dogs today", ""]


def test_synonyms_share_a_standing_by_the_tree():
    standings = {"couch": Standing(n_instances=900)}
    assert reasons(balance(standings, ontology=TREE), "sofa")[0]
    assert reasons(balance(standings), "settee") == [""]


def test_two_standings_for_one_phrase_are_refused():
    with pytest.raises(InputError, match="'dogs' again"):
        balance({"dog": Standing(), "dogs": Standing(4)})


@pytest.mark.parametrize("bad", [{"max_instances": 0}, {"max_score": 1.5}, {"min_pairs": 0}])
def test_bounds_out_of_range_are_refused(bad):
    with pytest.raises(InputError, match="enough"):
        enough(**bad)
