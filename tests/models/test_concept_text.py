import pytest

from samnb.models.concept_text import learn_words, split_words

KNOWN = {"cup": 0, "leaf": 1, "butterfly": 2, "knife": 3, "fish": 4, "glass": 5, "glasses": 6}


@pytest.mark.parametrize(
    ("phrase", "words"),
    [
        ("the Red, striped cups", ("red", "striped", "cup")),
        ("leaves", ("leaf",)),
        ("two butterflies", ("two", "butterfly")),
        ("knives", ("knife",)),
        ("fish", ("fish",)),
        ("glasses", ("glasses",)),
        ("buses", ("buses",)),
        ("cup of a cup", ("cup",)),
        ("blue-gray cup", ("blue", "gray", "cup")),
        ("...", ()),
    ],
)
def test_phrases_become_words_the_model_may_know(phrase, words):
    assert split_words(phrase, KNOWN) == words


def test_new_words_are_listed_once_and_in_order():
    assert learn_words(["tin cup", "a tin leaf", "big leaf"], KNOWN) == ("tin", "big")
