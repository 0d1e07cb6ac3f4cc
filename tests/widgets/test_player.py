"""Playing: steady, never ahead of the browser."""

from __future__ import annotations

import pytest

from samnb.widgets.jobs import Inline
from samnb.widgets.player import Player
from tests.squares import Clock
from tests.widgets.conftest import Later


class Rig:
    def __init__(self, n_steps):
        self.steps, self.n_steps = 0, n_steps
        self.clock, self.later = Clock(), Later()
        self.player = Player(self.step, Inline(), self.later, self.clock)
        self.player.rate_fps = 10.0

    def step(self):
        self.steps += 1
        return self.steps < self.n_steps

    def delays(self):
        return [delay_s for delay_s, _ in self.later.waiting]


@pytest.fixture
def rig():
    return Rig(n_steps=5)


def test_the_next_frame_waits_until_it_is_due(rig):
    rig.player.start()
    rig.clock.now_s += 0.03
    rig.player.acked()
    assert rig.steps == 1 and rig.delays() == [pytest.approx(0.07)]
    rig.later.run()
    assert rig.steps == 2


def test_a_slow_browser_is_waited_for_and_not_made_up_for_by_rushing(rig):
    rig.player.start()
    rig.clock.now_s += 3.0
    rig.player.acked()
    assert rig.delays() == [pytest.approx(-2.9)]
    rig.later.run()
    rig.player.acked()
    assert rig.delays() == [pytest.approx(0.0, abs=1e-6)]


def test_one_answer_gives_one_step(rig):
    rig.player.start()
    rig.player.acked()
    rig.player.acked()
    assert len(rig.later.waiting) == 1


def test_stopping_holds_also_what_was_under_way(rig):
    rig.player.start()
    rig.player.acked()
    rig.player.stop()
    rig.later.run()
    rig.player.acked()
    assert rig.steps == 1 and not rig.later.waiting


def test_it_ends_with_the_last_frame():
    rig = Rig(n_steps=1)
    rig.player.start()
    rig.player.acked()
    assert rig.steps == 1 and not rig.later.waiting
