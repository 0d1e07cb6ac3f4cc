from __future__ import annotations

import pytest

from samnb.synthetic.clip import ClipObject, caption
from samnb.synthetic.sprites import KINDS
from samnb.synthetic.textures import COLOURS


def _thing(category: str, colour: str = "red", pattern: str = "plain") -> ClipObject:
    return ClipObject(1, category, colour, pattern)


@pytest.mark.parametrize(
    ("things", "said"),
    [
        ([_thing("ball")], "A red ball in a meadow."),
        ([_thing("ball", "orange")], "An orange ball in a meadow."),
        ([_thing("ball")] * 2, "Two red balls in a meadow."),
        ([_thing("fish")] * 3, "Three red fish in a meadow."),
        ([_thing("leaf"), _thing("leaf")], "Two red leaves in a meadow."),
        (
            [_thing("butterfly", "blue", "spotted"), _thing("ball"), _thing("ball")],
            "A spotted blue butterfly and two red balls in a meadow.",
        ),
        (
            [_thing("ball"), _thing("bird", "white"), _thing("toy car", "gray")],
            "A red ball, a white bird and a gray toy car in a meadow.",
        ),
        ([_thing("ball")] * 12, "12 red balls in a meadow."),
    ],
)
def test_caption_counts_and_uses_plurals(things: list[ClipObject], said: str) -> None:
    assert caption(things, "in a meadow") == said


def test_plain_is_not_said_and_other_patterns_are() -> None:
    assert _thing("ball").phrase == "red ball"
    assert _thing("ball", "green", "striped").phrase == "striped green ball"
    assert _thing("ball", "green", "striped").plural == "striped green balls"


def test_no_two_categories_share_a_plural() -> None:
    plurals = [kind.plural for kind in KINDS.values()]
    assert len(set(plurals)) == len(plurals)
    assert not set(COLOURS) & set(KINDS)
