"""Another domain of the concept world: other words, other places, nothing of the first lost."""

import numpy as np
import pytest

from samnb.synthetic.concepts import hard_negatives, make_concept_scene
from samnb.synthetic.household import DOMAINS, HOUSEHOLD, PLAYROOM
from samnb.synthetic.things import WORLD, Phrase, parse_phrase
from samnb.types import InputError

SCENES = [make_concept_scene(seed, domain=HOUSEHOLD, difficulty=0.3) for seed in range(6)]


def test_a_phrase_is_understood_in_its_own_domain_alone():
    assert parse_phrase("two mottled brown lamps".removeprefix("two "), HOUSEHOLD) == Phrase(
        "lamp", "brown", "mottled"
    )
    assert parse_phrase("lamp") is None and parse_phrase("turtle", HOUSEHOLD) is None
    assert parse_phrase("gray cups", HOUSEHOLD) and parse_phrase("gray cups") is None


def test_things_captions_and_truth_are_of_the_domain():
    for scene in SCENES:
        assert {t.noun for t in scene.things} <= set(HOUSEHOLD.nouns)
        assert any(place.where in scene.caption for place in HOUSEHOLD.places.values())
        for phrase in scene.phrases:
            masks = scene.truth(phrase)
            assert masks and all(m.any() for m in masks)
        assert scene.truth("turtle") == ()


def test_new_words_and_known_ones_are_both_met():
    nouns = {
        t.noun for seed in range(30) for t in make_concept_scene(seed, domain=HOUSEHOLD).things
    }
    assert nouns - set(WORLD.nouns) and nouns & set(WORLD.nouns)


def test_hard_negatives_are_absent_and_of_the_domain():
    for scene in SCENES:
        found = [n for phrase in scene.phrases for n in hard_negatives(scene, phrase)]
        assert found and all(parse_phrase(n, HOUSEHOLD) for n in found)
        assert not any(scene.named(n) for n in found)
    with pytest.raises(InputError, match="expected words of the household, got 'turtle'"):
        hard_negatives(SCENES[0], "turtle")


@pytest.mark.parametrize("name", sorted(DOMAINS))
def test_a_domain_understands_what_it_says(name):
    domain = DOMAINS[name]
    scene = make_concept_scene(3, domain=domain)
    assert domain.name == name and scene.phrases
    assert all(parse_phrase(phrase, domain) for phrase in scene.phrases)


def test_the_playroom_is_nearer_to_the_world_than_the_household():
    new = [set(one.nouns) - set(WORLD.nouns) for one in (PLAYROOM, HOUSEHOLD)]
    shares = [len(n) / len(one.nouns) for n, one in zip(new, (PLAYROOM, HOUSEHOLD), strict=True)]
    assert shares == [0.25, 0.5] and new[0] < new[1]


@pytest.mark.parametrize("name", sorted(set(HOUSEHOLD.places) - set(WORLD.places)))
def test_a_place_fills_the_frame_and_is_not_one_colour(name):
    painted = HOUSEHOLD.places[name].paint(np.random.default_rng(0), (60, 80))
    assert painted.shape == (60, 80, 3) and 0.02 < painted.std() < 0.5


@pytest.mark.parametrize("noun", sorted(set(HOUSEHOLD.nouns) - set(WORLD.nouns)))
def test_every_new_thing_is_drawn(noun):
    from samnb.synthetic.concepts import draw_thing

    sprite = draw_thing(np.random.default_rng(0), ("gray", "mottled", noun), 64, HOUSEHOLD)
    cover = np.asarray(sprite)[..., 3] > 127
    assert 0.1 < cover.mean() < 0.95
