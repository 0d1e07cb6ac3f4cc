"""Candidates for hard negatives, and what is put aside at once."""

from __future__ import annotations

import pytest

from samnb.language.negatives import propose_negatives
from samnb.language.ontologyfile import default_ontology
from samnb.language.proposers import AttributeSwap, NounSwap, OntologyProposer
from samnb.synthetic.concepts import make_concept_scene
from samnb.types import InputError

TREE = default_ontology()


class Says:
    """A proposer with a fixed answer."""

    def __init__(self, *phrases, name="says"):
        self.phrases, self.name, self.seen = phrases, name, []

    def propose(self, phrase, image=None):
        self.seen.append((phrase, image))
        return self.phrases


def test_candidates_carry_where_they_came_from():
    found = propose_negatives(
        ["a gray Siamese cat"],
        [OntologyProposer(TREE, ["sibling", "uncle"]), AttributeSwap()],
        ontology=TREE,
        per_positive=4,
    )
    assert [(c.phrase, c.proposer, c.relation) for c in found] == [
        ("tabby cat", "ontology", "sibling"),
        ("white siamese cat", "attribute swap", ""),
        ("dog", "ontology", "uncle"),
        ("black siamese cat", "attribute swap", ""),
    ]
    assert all(c.positive == "a gray siamese cat" and c.is_kept and not c.is_hard for c in found)


@pytest.mark.parametrize(
    ("phrase", "by", "reason"),
    [
        ("Gray siamese cats", "positive", "same as 'gray siamese cat'"),
        ("hound", "positive", "same as 'dog'"),
        ("cat", "wider", "true wherever 'gray siamese cat' is"),
        ("gray animal", "wider", "true wherever"),
        ("sleeping gray siamese cat", "narrower", "a kind of 'gray siamese cat'"),
        ("boat", "known", "already decided"),
        ("tabby cat", "", ""),
    ],
)
def test_what_is_put_aside_says_why(phrase, by, reason):
    first = propose_negatives(
        ["gray siamese cat", "dog"], [Says(phrase)], ontology=TREE, known=["boats"]
    )[0]
    assert first.discarded_by == by
    assert reason in first.reason


def test_other_positives_do_not_forbid_a_fair_question():
    found = propose_negatives(["red cup", "cup"], [Says("blue cup")], ontology=TREE)
    assert [c.discarded_by for c in found] == ["", "narrower"]
    found = propose_negatives(["cup", "red cup"], [Says("blue cup")], ontology=TREE)
    assert [c.discarded_by for c in found] == ["narrower", ""]


def test_a_phrase_is_proposed_once_for_a_picture():
    found = propose_negatives(["cat", "dog"], [Says("fox"), Says("foxes")], ontology=TREE)
    assert [c.discarded_by for c in found] == ["", "known", "known", "known"]


def test_room_for_each_positive_and_turns_between_proposers():
    found = propose_negatives(
        ["cat"], [Says("fox", "wolf"), Says("bear", "lion", name="other")], per_positive=3
    )
    assert [c.phrase for c in found] == ["fox", "bear", "wolf"]
    with pytest.raises(InputError, match="per_positive"):
        propose_negatives(["cat"], [], per_positive=0)


def test_proposers_see_the_picture():
    says, image = Says("fox"), object()
    propose_negatives(["cat"], [says], image=image)
    assert says.seen == [("cat", image)]


def test_in_the_concept_world_most_candidates_are_absent_and_many_are_found():
    n_absent = n_all = 0
    scenes = [make_concept_scene(seed, size_hw=(64, 80)) for seed in range(8)]
    swap = NounSwap([p for s in scenes for p in s.phrases], TREE)
    for scene in scenes:
        found = propose_negatives(
            scene.phrases, [AttributeSwap([("red", "blue", "pink")]), swap], ontology=TREE
        )
        kept = [c.phrase for c in found if c.is_kept]
        n_all += len(kept)
        n_absent += sum(not scene.truth(p) for p in kept)
    assert n_all > 100
    assert n_absent / n_all > 0.95
