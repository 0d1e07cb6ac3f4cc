"""Learning words in closed form; the net is untrained, and sees what is written into its input."""

import pytest
import torch

from samnb.models.concept_lessons import Lesson
from samnb.models.concept_net import ConceptNet
from samnb.models.concept_words import (
    MIN_PICTURES,
    learn_rules,
    new_words,
    taught_words,
    with_rules,
)

WORDS = ("cup", "red")
N_VIEWS = 30


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return ConceptNet(WORDS).eval()


def lesson(net, seed, *, phrase="tin", is_there=True, is_like=True, others=()):
    """A picture whose first two views are named; ``is_like``: they also look alike."""
    source = torch.Generator().manual_seed(seed)
    n_in = net.even.num_features
    pooled = torch.randn(N_VIEWS, n_in, generator=source)
    if is_like:
        pooled[:2] += 3 * torch.randn(n_in, generator=torch.Generator().manual_seed(999))
    target = torch.zeros(N_VIEWS, 1 + len(others), dtype=torch.int64)
    if is_there:
        target[:2, 0] = 1
    return Lesson(pooled, (phrase, *others), target, torch.full((N_VIEWS,), -1))


def chances(net, word, pooled):
    with torch.no_grad():
        return net.log_probability(net.read(pooled)[0], [word]).exp()[:, 0]


def test_a_word_is_found_in_pictures_that_it_was_not_learned_from(net):
    lessons = [lesson(net, seed) for seed in range(6)]
    rules = learn_rules(net, lessons)
    assert rules["tin"].pictures == 6 and rules["tin"].area > 0.9
    unseen = chances(with_rules(net, rules), "tin", lesson(net, 77).pooled)
    assert unseen[:2].min() > 0.5 > unseen[2:].mean()
    assert chances(net, "tin", lesson(net, 77).pooled).max() < 0.01


def test_a_word_whose_exemplars_have_nothing_in_common_is_not_learned(net):
    assert learn_rules(net, [lesson(net, seed, is_like=False) for seed in range(20)]) == {}


def test_a_word_from_too_few_pictures_is_not_learned(net):
    few = [lesson(net, seed) for seed in range(MIN_PICTURES - 1)]
    assert new_words(net, few) == ("tin",) and learn_rules(net, few) == {}
    absent = [lesson(net, seed, is_there=False) for seed in range(20, 24)]
    assert learn_rules(net, [*few, *absent]) == {} and new_words(net, absent) == ()


def test_each_word_of_a_phrase_is_learned_and_taught_ones_stay(net):
    lessons = [lesson(net, seed, phrase="dented red tins") for seed in range(5)]
    rules = learn_rules(net, lessons)
    assert set(rules) == {"dented", "tins"}
    grown = with_rules(net, rules)
    assert grown.words == (*WORDS, "dented", "tins") and taught_words(grown) == WORDS
    with torch.no_grad():
        pooled = lesson(net, 77).pooled
        before = net.word_logits(net.read(pooled)[0])
        assert torch.allclose(grown.word_logits(grown.read(pooled)[0])[:, :2], before, atol=1e-5)
    assert net.words == WORDS and not net.is_wide


def test_what_is_known_from_more_pictures_stays(net):
    many = learn_rules(net, [lesson(net, seed) for seed in range(8)])
    few = learn_rules(net, [lesson(net, seed) for seed in range(20, 24)])
    grown = with_rules(net, many)
    again = with_rules(grown, few)
    assert again.words == grown.words
    assert torch.equal(again.rules, grown.rules) and again.exemplars[-1] == 8
    more = with_rules(with_rules(net, few), many)
    assert torch.equal(more.rules, grown.rules) and more.exemplars[-1] == 8


def test_learned_words_are_learned_anew_from_all_pictures(net):
    grown = with_rules(net, learn_rules(net, [lesson(net, seed) for seed in range(4)]))
    rules = learn_rules(grown, [lesson(net, seed) for seed in range(7)])
    assert rules["tin"].pictures == 7


def test_nothing_to_learn_leaves_the_net(net):
    assert with_rules(net, learn_rules(net, [lesson(net, 1, phrase="red cup")])) is net
