"""Work for a disk: in place while the disk is quick, in its thread when it is slow, never two at a time."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from chainnode.disk_thread import REMEMBERED, TRIED, DiskThread, Idleness


class Stopwatch:
    """Every action takes `seconds` by it."""

    def __init__(self) -> None:
        self.now = self.seconds = 0.0

    def __call__(self) -> float:
        self.now += self.seconds  # of the two readings of one action the second comes so much later
        return self.now


@pytest.fixture
def watch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def disk(watch: Stopwatch) -> Iterator[DiskThread]:
    with DiskThread("disk", 0.001, watch) as made:
        yield made


def threads_of(disk: DiskThread, runs: int) -> list[bool]:
    """Of each run, whether the loop's own thread did it."""
    where: list[bool] = []

    async def work() -> None:
        for _ in range(runs):
            await disk.run(lambda: where.append(threading.current_thread() is threading.main_thread()))

    asyncio.run(work())
    return where


def test_a_quick_disk_is_served_in_place(disk: DiskThread, watch: Stopwatch) -> None:
    watch.seconds = 0.0005
    assert all(threads_of(disk, 50))


def test_a_disk_that_becomes_slow_gets_its_thread_and_loses_it_when_it_is_quick_again(
    disk: DiskThread, watch: Stopwatch
) -> None:
    watch.seconds = 0.010
    where = threads_of(disk, 3 * REMEMBERED)
    assert where[0] and sum(where[REMEMBERED:]) == 2 * REMEMBERED // TRIED, "the loop went on standing still for it"
    watch.seconds = 0.0001
    where = threads_of(disk, REMEMBERED * TRIED)
    assert where.index(True) < TRIED and all(where[-REMEMBERED:]), "what was slow once stays slow"


def test_a_quick_disk_beside_which_the_processor_is_waited_for_is_served_in_place(
    disk: DiskThread, watch: Stopwatch
) -> None:
    """A busy machine: most runs take long, but what is quick shows that it is not the disk."""
    where = []
    for number in range(10 * REMEMBERED):
        watch.seconds = 0.0001 if number % 3 == 0 else 0.010
        where += threads_of(disk, 1)
    assert all(where)


def test_what_the_thread_waits_for_says_nothing_of_the_disk(watch: Stopwatch) -> None:
    """It waits for the interpreter, up to 5 ms at each turn: by its own time it would never give the work back."""

    def clock() -> float:
        watch.seconds = 0.0001 if threading.current_thread() is threading.main_thread() else 0.010
        return watch()

    with DiskThread("disk", 0.001, clock) as disk:
        disk._takes = 0.010
        assert all(threads_of(disk, REMEMBERED * TRIED)[-REMEMBERED:])


@pytest.fixture
def idleness() -> Iterator[Idleness]:
    clock = Idleness()
    yield clock
    clock.close()


def test_computing_is_no_waiting_for_the_disk(idleness: Idleness) -> None:
    began = idleness()
    sum(range(1_000_000))
    computed = idleness() - began
    threading.Event().wait(0.05)
    assert idleness() - began >= 0.05 > computed


def test_being_ready_is_no_waiting_for_the_disk(idleness: Idleness) -> None:
    """Two threads on one processor, one of them with the smaller share: the kernel counts how long it was ready."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    rival = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(0.2)  # it has begun
        began, clock = time.perf_counter(), idleness()
        used = time.thread_time()
        while time.thread_time() - used < 0.3:
            pass
        lost = time.perf_counter() - began - 0.3
        assert lost > 0.1, "nobody competed: the test says nothing"
        assert idleness() - clock < lost / 4
    finally:
        os.sched_setaffinity(0, cores)
        rival.kill()
        rival.wait()


def test_one_long_sync_among_many_quick_ones_is_forgiven(disk: DiskThread, watch: Stopwatch) -> None:
    watch.seconds = 0.0001
    threads_of(disk, 50)
    watch.seconds = 0.010
    threads_of(disk, 1)
    watch.seconds = 0.0001
    assert all(threads_of(disk, 20))


def test_nothing_is_done_in_place_while_the_thread_is_at_work(disk: DiskThread) -> None:
    """A snapshot or a piece of pruning between two blocks: what comes next waits for its end."""
    order: list[str] = []

    async def work() -> None:
        begun, go_on = threading.Event(), threading.Event()

        def long() -> None:
            begun.set()
            go_on.wait(10)
            order.append("long")

        future = asyncio.get_running_loop().run_in_executor(disk, long)
        await asyncio.to_thread(begun.wait, 10)
        assert not disk.in_place
        next_one = asyncio.create_task(disk.run(lambda: order.append("next")))
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(future, next_one)

    asyncio.run(work())
    assert order == ["long", "next"]


@pytest.mark.parametrize("seconds", [0.0, 0.1])
def test_what_the_disk_raises_is_raised_to_the_caller(disk: DiskThread, watch: Stopwatch, seconds: float) -> None:
    """In place and in the thread: nothing goes on after a failed sync (pitfall 43)."""
    watch.seconds = seconds
    threads_of(disk, REMEMBERED)
    assert disk.in_place is (seconds == 0.0)

    def fails() -> None:
        raise OSError(5, "io")

    action: Callable[[], None] = fails
    with pytest.raises(OSError, match="io"):
        asyncio.run(disk.run(action))
