import pytest

from samnb.engine.cards import words


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.36, "36 %"),
        (0.0, "0 %"),
        (1.0, "100 %"),
        (0.0004, "0.04 %"),
        (0.999, "99.9 %"),
        (None, "unknown"),
    ],
)
def test_a_share_never_rounds_to_nothing_or_everything(share, text):
    assert words.percent(share) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (1.33, "1.3 s"), (40, "40 s"), (750, "12.5 min"), (11520, "3.2 h")],
)
def test_a_length_of_time_has_a_fitting_unit(seconds, text):
    assert words.duration(seconds) == text


def test_parts_and_counts_read_as_english():
    assert words.part(3, 4, "masklet") == "3 of 4 masklets (75 %)"
    assert words.part(0, 0) == "0 of 0"
    assert [words.count(n, "pair") for n in (0, 1, 1200)] == ["no pair", "1 pair", "1,200 pairs"]
    assert words.listed(["a", "b", "c"]) == "a, b and c" and words.listed([]) == ""


def test_a_simulated_clock_is_given_no_date():
    assert words.span(0.0, 25.0) == " over 25 s of a clock of its own"
    assert words.span(1.7e9, 1.7e9 + 60) == " from 2023-11-14 22:13 UTC to 2023-11-14 22:14 UTC"


def test_names_cannot_break_a_table():
    cell = words.code("a|b`c\nd")
    assert words.table(["name"], [[cell]])[-1] == "| `a\\|b'c d` |"


def test_a_long_table_says_how_much_is_left_out():
    lines = words.table(["n"], [[str(n)] for n in range(words.MOST_ROWS + 3)])
    assert len(lines) == words.MOST_ROWS + 4 and lines[-1] == "… and 3 more in the JSON form."
