import pytest

from samnb.engine.gate import Gate, is_better

OLD = {"jf": 0.60, "clicks": 4.0}


@pytest.mark.parametrize(
    ("new", "gate", "expected", "says"),
    [
        ({"jf": 0.70, "clicks": 3.0}, Gate(), True, "0.600 -> 0.700"),
        ({"jf": 0.60, "clicks": 3.0}, Gate(), False, "J&F did not rise"),
        ({"jf": 0.55, "clicks": 3.0}, Gate(), False, "J&F did not rise"),
        ({"jf": 0.70, "clicks": 4.1}, Gate(), False, "more clicks are needed"),
        ({"jf": 0.70, "clicks": 4.1}, Gate(more_clicks=0.5), True, "4.00 -> 4.10"),
        ({"jf": 0.61, "clicks": 4.0}, Gate(min_gain=0.02), False, "J&F did not rise"),
        ({"jf": 0.61, "clicks": 4.0}, Gate(), True, "4.00 -> 4.00"),
    ],
)
def test_both_figures_have_to_agree(new, gate, expected, says):
    good, reason = is_better(new, OLD, gate)
    assert good is expected and says in reason


def test_a_version_that_forgets_is_not_better():
    new = {"jf": 0.8, "clicks": 2.0}
    replay = {"old_replay": {"jf": 0.9}, "new_replay": {"jf": 0.88}}
    good, reason = is_better(new, OLD, Gate(), **replay)
    assert not good and "it forgets" in reason and "0.900 -> 0.880" in reason
    assert is_better(new, OLD, Gate(max_forgetting=0.03), **replay)[0]


def test_all_faults_are_named():
    _, reason = is_better({"jf": 0.1, "clicks": 9.0}, OLD, Gate())
    assert reason.startswith("J&F did not rise and more clicks are needed: held-out J&F")
