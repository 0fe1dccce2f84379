from __future__ import annotations

import threading

import pytest

from builder.cancel import Cancel, Cancelled
from builder.schedule import run_all

PATIENCE = 20.0


def ignore(task: int, result: object) -> None:
    pass


def test_one_job_does_the_tasks_in_order_in_this_thread() -> None:
    done: list[tuple[int, threading.Thread]] = []
    needs = {3: frozenset[int](), 1: frozenset({3}), 2: frozenset[int]()}
    run_all(needs, lambda task: done.append((task, threading.current_thread())), jobs=1, cancel=Cancel(), finished=ignore)
    assert done == [(task, threading.current_thread()) for task in (3, 1, 2)]


def test_independent_tasks_run_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=PATIENCE)
    results: dict[int, int] = {}
    run_all(
        {1: frozenset(), 2: frozenset()},
        lambda task: meeting.wait() * 0 + task,
        jobs=2,
        cancel=Cancel(),
        finished=results.__setitem__,
    )
    assert results == {1: 1, 2: 2}


def test_a_task_begins_when_those_that_it_needs_are_noted_as_finished() -> None:
    results: dict[int, list[int]] = {}
    needs = {1: frozenset[int](), 2: frozenset({1}), 3: frozenset({1}), 4: frozenset({2, 3})}
    run_all(needs, lambda task: sorted(results), jobs=4, cancel=Cancel(), finished=results.__setitem__)
    assert results[1] == []
    assert 1 in results[2]
    assert results[4] == [1, 2, 3]


def test_no_more_run_at_a_time_than_there_are_jobs() -> None:
    lock, running, most = threading.Lock(), set[int](), list[int]()
    meeting = threading.Barrier(2, timeout=PATIENCE)

    def work(task: int) -> None:
        with lock:
            running.add(task)
            most.append(len(running))
        meeting.wait()
        with lock:
            running.discard(task)

    run_all({task: frozenset() for task in range(6)}, work, jobs=2, cancel=Cancel(), finished=ignore)
    assert max(most) == 2


def test_the_first_failure_ends_the_others_and_is_the_one_that_is_raised() -> None:
    cancel, started, ended = Cancel(), threading.Event(), list[str]()

    def work(task: int) -> None:
        if task == 1:
            assert started.wait(PATIENCE)
            raise ValueError("the first")
        started.set()
        try:
            while True:
                cancel.check()
        except Cancelled:
            ended.append("cancelled")
            raise

    with pytest.raises(ValueError, match="the first"):
        run_all({1: frozenset(), 2: frozenset(), 3: frozenset({1})}, work, jobs=3, cancel=cancel, finished=ignore)
    assert ended == ["cancelled"]
