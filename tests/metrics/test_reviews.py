import math

import numpy as np
import pytest

from samnb.metrics.reviews import Job, leave_one_out
from samnb.types import InputError, MvAnswer

YES, NO = MvAnswer.ACCEPT, MvAnswer.REJECT


def test_each_person_is_judged_by_the_majority_of_the_others():
    # Left out: a, the others tie; b likewise; c, the others agree on yes. c said no.
    found = leave_one_out([Job({"a": YES, "b": YES, "c": NO}, ai=YES)])
    assert (found.human, found.ai) == (0.0, 1.0)
    assert (found.n_turns, found.n_ties, found.n_jobs) == (1, 2, 1)
    assert found.difference == 1.0


def test_person_and_machine_are_judged_by_the_same_truths():
    reviews = {"a": YES, "b": YES, "c": YES, "d": NO}
    found = leave_one_out([Job(reviews, ai=NO)])
    # a, b, c left out: majority yes (2 of 3), they are right; d: majority yes, d is wrong.
    assert found.human == pytest.approx(3 / 4)
    assert found.ai == 0.0


def test_a_job_with_more_reviewers_does_not_weigh_more():
    agree = Job({"a": YES, "b": YES}, ai=YES)
    many = Job(dict.fromkeys("abcdefgh", YES), ai=NO)
    assert leave_one_out([agree, many]).ai == pytest.approx(0.5)


def test_the_machine_is_compared_only_on_the_jobs_that_it_answered():
    done, left = Job({"a": YES, "b": YES}, ai=YES), Job({"a": YES, "b": NO})
    found = leave_one_out([done, left])
    assert found.human == pytest.approx(0.5)
    assert found.difference == 0.0
    assert math.isnan(leave_one_out([left]).ai)


def test_three_people_of_three_quarters_accuracy_come_out_as_worth_what_they_are():
    rng = np.random.default_rng(0)
    jobs = []
    for _ in range(4000):
        truth = YES if rng.random() < 0.5 else NO
        other = NO if truth is YES else YES
        answers = [truth if rng.random() < 0.75 else other for _ in range(3)]
        jobs.append(Job(dict(zip("abc", answers, strict=True)), ai=truth))
    found = leave_one_out(jobs)
    # Where two people agree they are right with 0.75² / (0.75² + 0.25²) = 0.9.
    assert found.ai > found.human + 0.1
    assert found.difference / found.difference_se > 10


def test_jobs_with_one_review_are_passed_over():
    found = leave_one_out([Job({"a": YES}), Job({"a": YES, "b": YES})])
    assert (found.n_jobs, found.n_ties) == (1, 0)
    with pytest.raises(InputError, match="two reviews"):
        leave_one_out([Job({"a": YES})])
