"""Runners: order, newest wins, errors survive."""

import threading

import pytest

from samnb.widgets.jobs import Inline, Thread


@pytest.fixture(params=[Inline, lambda on_error=None: Thread("test", on_error)])
def make(request):
    runners = []

    def build(on_error=None):
        runners.append(request.param(on_error))
        return runners[-1]

    yield build
    for runner in runners:
        runner.close()


def wait_for(runner):
    done = threading.Event()
    runner.post(done.set)
    assert done.wait(10)


def test_work_runs_in_order_even_when_posted_from_work(make):
    runner, seen = make(), []
    runner.post(lambda: (runner.post(lambda: seen.append("inner")), seen.append("outer")))
    wait_for(runner)
    wait_for(runner)
    assert seen == ["outer", "inner"]


def test_of_one_key_only_the_newest_that_waits_runs(make):
    runner, seen = make(), []

    def burst():
        for n in range(5):
            runner.post_latest("frame", lambda n=n: seen.append(n))
        runner.post_latest("other", lambda: seen.append("other"))

    runner.post(burst)
    wait_for(runner)
    wait_for(runner)
    assert seen == [4, "other"]


def test_an_error_is_told_and_later_work_still_runs(make):
    errors, seen = [], []
    runner = make(errors.append)
    runner.post(lambda: 1 / 0)
    runner.post(lambda: seen.append("after"))
    wait_for(runner)
    assert [type(e) for e in errors] == [ZeroDivisionError]
    assert seen == ["after"]


def test_a_closed_thread_takes_no_more_work():
    runner, seen = Thread("test"), []
    wait_for(runner)
    runner.close()
    runner.post(lambda: seen.append("late"))
    assert seen == []
