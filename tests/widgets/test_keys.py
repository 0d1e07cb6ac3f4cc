"""The key map is the single source: complete, without clashes, in words."""

import pytest

from samnb.widgets.keys import KEYMAP, Action, Desk, action_of, all_keys, bindings, printed


@pytest.mark.parametrize("desk", list(Desk))
def test_no_key_means_two_things_at_a_desk(desk):
    keys = [key for b in bindings(desk) for key in b.keys]
    assert sorted(keys) == sorted(set(keys))


def test_every_action_has_a_line_with_key_and_words():
    assert {b.action for b in KEYMAP} == set(Action)
    assert all(b.keys and b.words and b.help for b in KEYMAP)


def test_a_key_can_mean_something_else_to_a_verifier():
    assert action_of("x", Desk.ANNOTATE) is Action.ERASER
    assert action_of("x", Desk.VERIFY) is Action.REJECT


def test_only_steps_and_sizes_repeat_while_held():
    _, repeats = all_keys()
    assert "d" in repeats
    assert not {"f", "Enter", "z", "y", "n", "t"} & set(repeats)


@pytest.mark.parametrize(
    ("key", "text"),
    [("a", "A"), ("Shift+z", "Shift+Z"), (" ", "Space"), ("ArrowLeft", "←"), ("+", "+")],
)
def test_keys_are_printed_as_people_write_them(key, text):
    assert printed(key) == text
