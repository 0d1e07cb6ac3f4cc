from samnb.engine.concepts.verifying import SHIPPED, load
from samnb.models.verifier_mirror import SUFFIX
from samnb.models.verifier_shipped import shipped_weights


def test_the_verifier_that_ships_looks_twice_and_a_version_as_it_earned_its_leave():
    twice, once = load(SHIPPED), load(str(shipped_weights()))
    assert twice.name == once.name + SUFFIX


def test_a_verifier_in_hand_is_taken_as_it_is():
    judge = load(SHIPPED)
    assert load(judge) is judge
