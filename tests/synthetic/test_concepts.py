import numpy as np
import pytest

from samnb.synthetic.concepts import (
    HELD_OUT,
    MIN_VISIBLE,
    VOCABULARY,
    hard_negatives,
    make_concept_scene,
)
from samnb.synthetic.things import NOUNS, Phrase, parse_phrase
from samnb.types import InputError

SCENES = [make_concept_scene(seed) for seed in range(6)]


def test_a_seed_gives_the_same_picture_again():
    again = make_concept_scene(3)
    assert np.array_equal(again.image, SCENES[3].image)
    assert np.array_equal(again.labels, SCENES[3].labels)
    assert again.caption == SCENES[3].caption


def test_seeds_and_splits_differ():
    pictures = [s.image for s in SCENES] + [make_concept_scene(0, split="test").image]
    assert all(not np.array_equal(a, b) for i, a in enumerate(pictures) for b in pictures[i + 1 :])


def test_pictures_have_the_size_asked_for():
    scene = make_concept_scene(1, size_hw=(96, 128))
    assert scene.image.shape == (96, 128, 3) and scene.image.dtype == np.uint8
    assert scene.labels.shape == (96, 128)


def test_every_phrase_names_something_and_masks_are_whole_visible_things():
    for scene in SCENES:
        assert scene.phrases
        for phrase in scene.phrases:
            masks = scene.truth(phrase)
            assert masks and all(m.any() and m.dtype == np.bool_ for m in masks)
            assert np.stack(masks).sum(0).max() == 1, "visible parts do not overlap"


def test_a_specific_phrase_names_a_subset_of_the_general_one():
    for scene in SCENES:
        for thing in scene.things:
            texture, colour, noun = thing.texture, thing.colour, thing.noun
            special = {t.number for t in scene.named(f"{texture} {colour} {noun}")}
            middle = {t.number for t in scene.named(f"{colour} {noun}")}
            assert {thing.number} <= special <= middle <= {t.number for t in scene.named(noun)}


def test_words_may_come_with_an_article_in_the_plural_and_in_any_order():
    assert parse_phrase("the red striped cups") == Phrase("cup", "red", "striped")
    assert parse_phrase("An orange leaf") == Phrase("leaf", "orange")
    assert parse_phrase("animals") == Phrase("animal")


@pytest.mark.parametrize("text", ["", "a", "sofa", "shiny cup", "red blue cup", "red"])
def test_other_words_name_nothing(text):
    assert parse_phrase(text) is None
    assert SCENES[0].truth(text) == ()


def test_a_group_names_all_its_members():
    for scene in SCENES:
        wanted = {t.number for t in scene.things if NOUNS[t.noun].group == "animal"}
        assert {t.number for t in scene.named("animal")} == wanted


def test_the_training_split_never_shows_what_is_held_out_and_the_test_split_does():
    shown = {t.combination for seed in range(30) for t in make_concept_scene(seed).things}
    assert not shown & HELD_OUT
    tested = [t.combination for s in range(10) for t in make_concept_scene(s, split="test").things]
    assert np.mean([c in HELD_OUT for c in tested]) > 0.15


def test_every_word_is_learnable_without_what_is_held_out():
    everything = len(VOCABULARY["colours"]) * len(VOCABULARY["textures"]) * len(NOUNS)
    assert 0.08 < len(HELD_OUT) / everything < 0.3
    for noun in VOCABULARY["nouns"]:
        assert not Phrase(noun).is_held_out
    for colour in VOCABULARY["colours"]:
        assert sum(not Phrase(n, colour).is_held_out for n in NOUNS) >= 12


def test_hard_negatives_are_one_word_away_and_absent():
    for scene in SCENES:
        for phrase in scene.phrases:
            asked = parse_phrase(phrase)
            negatives = hard_negatives(scene, phrase)
            assert len(negatives) >= 5
            for negative in negatives:
                other = parse_phrase(negative)
                changed = [
                    other.noun != asked.noun,
                    other.colour != asked.colour,
                    other.texture != asked.texture,
                ]
                assert sum(changed) == 1
                assert scene.truth(negative) == ()
                assert not other.is_held_out


def test_hard_negatives_come_with_the_most_confusing_first():
    scene = next(s for s in SCENES if len({t.noun for t in s.things}) > 1)
    phrase = f"{scene.things[0].colour} {scene.things[0].noun}"
    first = parse_phrase(hard_negatives(scene, phrase)[0])
    seen = {w for t in scene.things for w in t.combination}
    new = {first.noun, first.colour, first.texture} - set(phrase.split())
    assert new & seen


def test_hard_negatives_of_unknown_words_say_both_sides():
    with pytest.raises(InputError, match=r"expected words of VOCABULARY, got 'sofa'"):
        hard_negatives(SCENES[0], "sofa")


def test_the_caption_names_every_thing():
    for scene in SCENES:
        for thing in scene.things:
            name = thing.phrases[-1]
            assert name in scene.caption or name.removesuffix(thing.noun) in scene.caption


def test_hidden_things_do_not_count_and_partly_hidden_ones_do():
    hard = [make_concept_scene(seed, difficulty=1.0) for seed in range(12)]
    shares = [t.visible for s in hard for t in s.things]
    assert MIN_VISIBLE <= min(shares) < 0.8


def test_difficulty_brings_more_and_smaller_things():
    def told(difficulty):
        scenes = [make_concept_scene(s, difficulty=difficulty) for s in range(8)]
        areas = [m.sum() for s in scenes for t in s.things for m in s.truth(t.phrases[-1])]
        return len(areas), float(np.median(areas))

    (few, large), (many, small) = told(0.0), told(1.0)
    assert few < many and large > small


@pytest.mark.parametrize(
    "arguments", [{"size_hw": (10, 90)}, {"difficulty": 2.0}, {"split": "validation"}]
)
def test_arguments_out_of_range_are_named(arguments):
    with pytest.raises(InputError, match=f"{next(iter(arguments))}: expected"):
        make_concept_scene(0, **arguments)
