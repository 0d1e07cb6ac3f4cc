import numpy as np
import pytest

from samnb.engine.concepts.acts import Drawn
from samnb.engine.concepts.reviewers import PERFECT, SimulatedReviewer, Skill, wobbled
from samnb.engine.simulation import SimulatedClock
from samnb.events.concepts import ConceptStep
from samnb.types import InputError
from tests.engine.concepts.world import SIZE_HW, Segmenter, square


class Truth:
    def __init__(self, masks):
        self.masks = masks

    def find(self, media, phrase):
        return self.masks.get(phrase)


@pytest.fixture
def sim_clock(desk, clock):
    desk.session.clock = SimulatedClock(clock.now_s)
    return desk.session.clock


def door_of(desk, sim_clock, name):
    door = desk(name)
    door.session.clock = sim_clock
    return door


def test_a_perfect_reviewer_takes_a_pair_to_the_truth(desk, sim_clock):
    truth = Truth({"cup": (square(0), square(1)), "dog": ()})
    door = desk()
    cup, dog = door.add_pairs(desk.media_id, ["cup", "dog"])
    door.propose(Segmenter({"cup": [(0, 0.9), (2, 0.8)], "dog": [(3, 0.9)]}))
    reviewer = SimulatedReviewer(truth, PERFECT, clock=sim_clock)
    for task, name in (("mv", "m"), ("ev", "e"), ("correct", "c")):
        reviewer.work(door_of(desk, sim_clock, name), task)
    cup, dog = desk().pair(cup.id), desk().pair(dog.id)
    assert dog.is_negative
    assert cup.versions[0].masks[0].key == cup.proposal.masks[0].key
    made = {desk().mask(m.mask_id).tobytes() for m in cup.versions[0].masks}
    assert made == {square(0).tobytes(), square(1).tobytes()}
    times = PERFECT.times
    seconds = {a.task.value: a.seconds_s for a in cup.answers}
    assert seconds == {
        "mv": 2 * times.mv_mask_s, "ev": times.ev_s, "correct": times.examine_s + times.draw_s
    }  # fmt: skip


def test_correction_takes_wrong_masks_away_and_makes_poor_ones_anew(desk, sim_clock):
    poor = np.roll(square(0), 2, axis=1)  # IoU 0.5
    truth = Truth({"cup": (square(0),)})
    door = desk()
    (pair,) = door.add_pairs(desk.media_id, ["cup"])
    door.propose_masks(pair.id, [Drawn(poor), Drawn(square(3))])
    door.send_to_correction(pair.id)
    SimulatedReviewer(truth, PERFECT, clock=sim_clock).work(
        door_of(desk, sim_clock, "c"), "correct"
    )
    body = desk().pair(pair.id).answers[-1].body
    poor_key, strange_key = (m.key for m in desk().pair(pair.id).proposal.masks)
    assert body.removed == (strange_key,) and body.edited[0].parent == poor_key
    (mask,) = desk().pair(pair.id).versions[0].masks
    assert (desk().mask(mask.mask_id) == square(0)).all()


def test_errors_come_at_their_rate(desk, sim_clock):
    names = [f"thing {n}" for n in range(120)]
    truth = Truth(dict.fromkeys(names, ()))
    door = desk()
    door.add_pairs(desk.media_id, names)
    door.propose(Segmenter({}))
    SimulatedReviewer(truth, Skill(ev_accuracy=0.7), clock=sim_clock, seed=2).work(
        door_of(desk, sim_clock, "e"), "ev"
    )
    wrong = {p.phrase for p in desk().state.pairs.values() if p.step is ConceptStep.CORRECT}
    assert 20 <= len(wrong) <= 52  # 36 expected


def test_what_means_nothing_is_refused(desk, sim_clock):
    with pytest.raises(InputError, match="mv_accuracy"):
        Skill(mv_accuracy=1.5)


def test_a_phrase_that_the_truth_does_not_know_is_rejected(desk, sim_clock):
    (pair,) = desk().add_pairs(desk.media_id, ["meadow"])
    desk().propose(Segmenter({}))
    SimulatedReviewer(Truth({}), clock=sim_clock).work(door_of(desk, sim_clock, "e"), "ev")
    assert desk().pair(pair.id).step is ConceptStep.REJECTED


def test_a_wobbly_hand_is_off_by_its_reach_at_most_and_never_draws_nothing():
    rng = np.random.default_rng(0)
    dot = np.zeros(SIZE_HW, bool)
    dot[5, 5] = True
    for _ in range(30):
        drawn = wobbled(dot, rng, 1)
        assert drawn.any() and not drawn[:3].any() and not drawn[8:].any()
