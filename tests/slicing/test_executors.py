"""Work is done once each, in batches, wherever it is done; its cost decides how much at once."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import connection

import pytest

from lumpcli.errors import RunError, UsageError
from lumpcli.slicing import Pool, pool
from lumpcli.slicing.executors import BATCH, Serial


def squares(numbers: Sequence[int]) -> list[int]:
    return [n * n for n in numbers]


def lost(numbers: Sequence[int]) -> list[int]:
    os._exit(3)


def slow(numbers: Sequence[int]) -> list[int]:
    time.sleep(60)
    return list(numbers)


def whose(numbers: Sequence[int]) -> list[int]:
    return [os.getpid() for _ in numbers]


class Recorder:
    """Does at most `most` of what it is given, and remembers the batches."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.batches: list[list[int]] = []

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        return [n * n for n in numbers[: self.most]]


@pytest.mark.parametrize("most", [1, 3, BATCH])
@pytest.mark.parametrize("count", [0, 1, BATCH, 3 * BATCH + 1])
def test_what_is_handed_back_is_done_next(most, count):
    work = Recorder(most)
    with pool(1, None) as workers:
        found = list(workers.run(work, range(count)))
    assert found == [n * n for n in range(count)]
    assert max(map(len, work.batches), default=0) == min(BATCH, count)
    assert len(work.batches) == -(-count // most)


def test_results_come_as_they_are_made():
    work = Recorder(2)
    with pool(1, None) as workers:
        results = workers.run(work, range(9))
        assert (next(results), len(work.batches)) == (0, 1)
        assert [next(results) for _ in range(3)] == [1, 4, 9]
        assert len(work.batches) == 2


@pytest.mark.parametrize("window", [1, 5])
def test_any_executor_will_do(window):
    with ThreadPoolExecutor(3) as threads:
        found = Pool(threads, window).run(Recorder(3), range(50))
        assert sorted(found) == [n * n for n in range(50)]


def test_processes():
    with pool(2, None) as workers:
        assert sorted(workers.run(squares, range(20))) == [n * n for n in range(20)]
        assert os.getpid() not in set(workers.run(whose, range(3)))
    assert multiprocessing.active_children() == []


def test_an_error_of_the_work_is_raised():
    with pytest.raises(ZeroDivisionError), pool(1, None) as workers:
        list(workers.run(lambda numbers: [1 // 0], range(3)))
    future = Serial().submit(int, "x")
    assert isinstance(future.exception(), ValueError)


def test_a_lost_process_is_an_error():
    with pytest.raises(RunError, match="a process that makes slices was lost"), pool(2, None) as p:
        list(p.run(lost, range(3)))


def test_processes_end_at_once_when_the_block_fails():
    children = []

    def interrupted():
        with pool(2, None) as workers:
            workers.executor.submit(slow, [1])
            time.sleep(0.5)
            children.extend(multiprocessing.active_children())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert children
    # asked of the system: the executor's thread may still be noting down what it knows of them
    assert len(connection.wait([child.sentinel for child in children], 0)) == len(children)


def test_a_cluster_needs_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"pip install 'lumpcli\[distributed\]'"), pool(1, "x"):
        raise AssertionError("no cluster is there")


class Client:
    """Stands for dask's: an executor by way of a scheduler."""

    def __init__(self, address: str, **options: object) -> None:
        if address == "tcp://nobody:1":
            raise TimeoutError("no answer")
        self.closed = False

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.closed = True

    def get_executor(self, **options: object) -> Serial:
        return Serial()


def test_a_cluster_is_an_executor(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", type(sys)("distributed"))
    monkeypatch.setattr(sys.modules["distributed"], "Client", Client, raising=False)
    with pool(1, "tcp://host:1") as workers:
        assert list(workers.run(squares, range(5))) == [0, 1, 4, 9, 16]
    with (
        pytest.raises(RunError, match="answers at tcp://nobody:1: no answer"),
        pool(1, "tcp://nobody:1"),
    ):
        raise AssertionError("no cluster is there")
