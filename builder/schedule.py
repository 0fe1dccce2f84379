"""Carries out tasks that depend on one another, several at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

from builder.cancel import Cancel

Result = TypeVar("Result")


def run_all(
    needs: Mapping[int, frozenset[int]],
    work: Callable[[int], Result],
    *,
    jobs: int,
    cancel: Cancel,
    finished: Callable[[int, Result], None],
) -> None:
    """Do `work` for each key of `needs` once the tasks in its value are finished, in the given order, at most `jobs` at a time.

    `finished` is called in this thread for each. What the first to fail raises is raised here when `cancel` has ended the
    others; so is KeyboardInterrupt. With one job nothing runs in another thread.
    """
    if jobs == 1:
        for task in needs:
            finished(task, work(task))
        return
    waiting, running, done = list(needs), set[int](), set[int]()
    results: SimpleQueue[tuple[int, Future[Result]]] = SimpleQueue()
    try:
        while waiting or running:
            ready = [task for task in waiting if needs[task] <= done]
            for task in ready[: jobs - len(running)]:
                waiting.remove(task)
                running.add(task)
                # Not one of a pool, which the interpreter would wait for at its end.
                threading.Thread(target=_do, args=(task, work, results), name=f"stage-{task}", daemon=True).start()
            task, future = results.get()
            running.remove(task)
            finished(task, future.result())
            done.add(task)
    except BaseException:
        cancel.set()
        while running:
            running.remove(results.get()[0])
        raise


def _do(task: int, work: Callable[[int], Result], results: SimpleQueue[tuple[int, Future[Result]]]) -> None:
    future: Future[Result] = Future()
    try:
        future.set_result(work(task))
    except BaseException as error:  # noqa: BLE001 - it is raised again where the result is taken
        future.set_exception(error)
    results.put((task, future))
