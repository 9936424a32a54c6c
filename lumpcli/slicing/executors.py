"""Where slices are made: here, in processes, or on a dask cluster; one interface for all."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from lumpcli.errors import RunError, UsageError

P = ParamSpec("P")
R = TypeVar("R")

BATCH = 8  # numbers in one task
_WAITING = 4  # tasks per process that are handed over in advance
_CLUSTER = 256  # the same, for a cluster of any size
_PATIENCE = "10s"  # for the scheduler to answer

# Makes what numbers stand for, one after the other, until a second has gone: small work comes in
# batches, large work one by one. Returns what was made of the first numbers, at least of one.
Work = Callable[[Sequence[int]], Sequence[R]]


class Serial(Executor):
    """Runs each task at once, in this thread."""

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """The future of a call, which is over."""
        future: Future[R] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@dataclass(frozen=True)
class Pool:
    """An executor, and how many tasks it gets in advance."""

    executor: Executor
    window: int

    def run(self, work: Work[R], numbers: Sequence[int]) -> Iterator[R]:
        """What `work` makes of all numbers, in the order in which it is done.

        Raises what the work raises, and RunError when a process or a worker is lost.
        """
        left, waiting = deque(numbers), dict[Future[Sequence[R]], list[int]]()
        try:
            while left or waiting:
                while left and len(waiting) < self.window:
                    batch = [left.popleft() for _ in range(min(BATCH, len(left)))]
                    waiting[self.executor.submit(work, batch)] = batch
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    made = future.result()
                    left.extendleft(reversed(waiting.pop(future)[len(made) :]))
                    yield from made
        except BrokenProcessPool as error:
            raise RunError(f"a process that makes slices was lost: {error}") from None
        finally:
            for future in waiting:
                future.cancel()


@contextmanager
def pool(jobs: int, address: str | None) -> Iterator[Pool]:
    """The dask cluster whose scheduler is at an address, or so many processes, or this one."""
    if address is not None:
        with _cluster(address) as executor:
            yield Pool(executor, _CLUSTER)
    elif jobs > 1:
        with _processes(jobs) as executor:
            yield Pool(executor, _WAITING * jobs)
    else:
        yield Pool(Serial(), 1)


@contextmanager
def _processes(jobs: int) -> Iterator[Executor]:
    """New processes, ended at once when the block fails: what they are at takes seconds.

    They are spawned: this process has threads, which a fork would not survive.
    """
    before = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(jobs, context, _begin)
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - before:
            child.terminate()
            child.join()
        raise
    executor.shutdown()


def _begin() -> None:
    """A new process: Ctrl-C is for its parent, which ends it, and without which it ends itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _cluster(address: str) -> Iterator[Executor]:
    """The executor of a cluster. UsageError without dask, RunError where nobody answers."""
    try:
        import distributed
    except ImportError:
        raise UsageError(
            "a dask cluster needs the package distributed: pip install 'lumpcli[distributed]'"
        ) from None
    connect: Any = distributed.Client
    try:
        client: Any = connect(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise RunError(f"no dask scheduler answers at {address}: {error}") from None
    with client:
        yield client.get_executor(pure=False)
