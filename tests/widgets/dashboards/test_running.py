"""Stages at work: order, pause, stop, errors."""

from __future__ import annotations

import threading

import pytest

from samnb.types import FlowError
from samnb.widgets.dashboards.running import Job, Jobs, Status, Switch
from samnb.widgets.dashboards.stages import Bench, Left, Stage
from samnb.widgets.jobs import Inline, Thread


def stage(key, run):
    return Stage(key, "masklets", key, "", lambda _s: Left(0, ""), run)


@pytest.fixture
def make_jobs():
    runners = []

    def make(*stages, runner=None):
        told = []
        runners.append(runner or Inline())
        clock = iter(range(1000)).__next__
        jobs = Jobs(Bench(None), stages, runners[-1], lambda: told.append(1), clock)
        return jobs, told

    yield make
    for runner in runners:
        runner.close()


def test_a_stage_runs_and_tells_what_came_of_it(make_jobs):
    def run(_bench, tick, _cancel):
        tick(1, 2, "half")
        return "all of it"

    jobs, told = make_jobs(stage("a", run))
    jobs.start(["a"])
    assert jobs.jobs["a"] == Job(Status.DONE, 1, 2, "all of it", 1)
    assert jobs.ends == [("a", jobs.jobs["a"])] and jobs.current is None
    assert len(told) >= 4, "asked for, begun, half, done"


def test_an_error_is_that_stage_s_and_the_others_go_on(make_jobs):
    def fail(*_):
        raise FlowError("no verifier")

    jobs, _ = make_jobs(stage("a", fail), stage("b", lambda *_: "fine"))
    jobs.start(["a", "b"])
    assert (jobs.jobs["a"].status, jobs.jobs["a"].text) == (Status.FAILED, "no verifier")
    assert jobs.jobs["b"].status is Status.DONE
    assert [key for key, _ in jobs.ends] == ["b", "a"], "the newest first"


def test_what_nobody_meant_to_raise_is_named_with_its_kind(make_jobs):
    jobs, _ = make_jobs(stage("a", lambda *_: 1 / 0))
    jobs.start(["a"])
    assert jobs.jobs["a"].text.startswith("ZeroDivisionError: ")


def test_people_s_stages_do_not_start(make_jobs):
    jobs, _ = make_jobs(stage("a", None))
    jobs.start(["a"])
    assert jobs.jobs["a"].status is Status.IDLE


class Steps:
    """A stage that goes on when told, and looks at the switch between two steps."""

    def __init__(self, n=3):
        self.n, self.done = n, 0
        self.may, self.at_step = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, _bench, tick, cancel):
        while self.done < self.n and not cancel.is_set():
            self.at_step.release()
            assert self.may.acquire(timeout=60)
            self.done += 1
            tick(self.done, self.n, f"step {self.done}")
        return f"{self.done} steps"


@pytest.fixture
def threaded(make_jobs):
    """A stage under way on a thread, at its first step, and another that waits."""
    steps, ended = Steps(), threading.Event()
    other = stage("b", lambda *_: ended.set() or "b")
    jobs, _ = make_jobs(stage("a", steps), other, runner=Thread("stages"))
    jobs.start(["a", "b", "a"])
    assert steps.at_step.acquire(timeout=60)
    return jobs, steps, ended


def test_stages_wait_for_their_turn_and_are_asked_once(threaded):
    jobs, steps, ended = threaded
    assert jobs.current == "a" and jobs.jobs["b"].status is Status.WAITING
    for _ in range(3):
        steps.may.release()
    assert ended.wait(60)
    assert steps.done == 3 and jobs.jobs["a"].text == "3 steps"


def test_a_pause_holds_between_two_steps_and_ends(threaded):
    jobs, steps, ended = threaded
    jobs.pause()
    assert jobs.jobs["a"].status is Status.PAUSED
    for _ in range(3):
        steps.may.release()
    assert not steps.at_step.acquire(timeout=0.2), "it stands before its second step"
    assert steps.done == 1
    jobs.go_on()
    assert jobs.jobs["a"].status is Status.RUNNING
    assert ended.wait(60) and steps.done == 3


def test_a_stop_ends_a_paused_stage_and_forgets_those_that_wait(threaded):
    jobs, steps, ended = threaded
    jobs.pause()
    steps.may.release()
    jobs.stop()
    assert jobs.jobs["b"].status is Status.IDLE
    jobs.start(["b"])  # asked for anew, it comes after the one that stops
    assert ended.wait(60)
    assert jobs.jobs["a"].status is Status.STOPPED and jobs.jobs["a"].text == "1 steps"


def test_nothing_to_pause_or_stop_is_no_error(make_jobs):
    jobs, _ = make_jobs(stage("a", lambda *_: ""))
    jobs.pause(), jobs.go_on(), jobs.stop()
    assert jobs.jobs["a"].status is Status.IDLE


def test_a_switch_that_is_set_says_so_though_it_was_held():
    switch = Switch()
    assert not switch.is_set()
    switch.hold()
    switch.set()
    assert switch.is_set()
