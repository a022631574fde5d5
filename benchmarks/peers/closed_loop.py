"""So many transfers outstanding all the time, for a fixed time; then no new ones, and the rest is waited for."""

import asyncio
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from typing import Final

from benchmarks.latencies import encoded, histogram_of, percentiles
from benchmarks.outcomes import Book, Ending
from benchmarks.peers.figures import Load, Measured
from benchmarks.peers.programs import tree_cpu_seconds
from benchmarks.peers.systems import Books, Client, Door, SystemFailed
from benchmarks.peers.transfers import OPENING, transfers
from primitives.codes import Code

DRAIN_SECONDS: Final = 15.0  # as for a run of our own
RATE_MAX: Final = 200_000  # transfers that the book has room for, per second


def measured(door: Door, load: Load, processes: Sequence[int]) -> Measured:
    """One load in a fresh process: a client library of one system leaves nothing behind for the next one.

    `processes`: whose CPU counts, with that of their children. Raises: SystemFailed.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measured, door, load, tuple(processes)).result()


def _measured(door: Door, load: Load, processes: Sequence[int]) -> Measured:
    return asyncio.run(_through(door, load, processes))


async def _through(door: Door, load: Load, processes: Sequence[int]) -> Measured:
    client = await door.connect(load.accounts, load.outstanding)
    try:
        before = await client.books()
        book, system_cpu, own_cpu = await drive(client, load, processes)
        after = await client.books()
    finally:
        await client.close()
    return measured_of(book, load, system_cpu, own_cpu, faults_of(book, load, before, after))


def measured_of(book: Book, load: Load, system_cpu: float, own_cpu: float, faults: Sequence[str]) -> Measured:
    """The figures of the window: rates by when transfers were done, latencies by when they were sent."""
    committed = book.committed_between(load.warmup, load.stop)
    histogram = histogram_of(book.latencies(book.between(load.warmup, load.stop)))
    found = percentiles(histogram)
    return Measured(
        committed / load.duration, found.p50, found.p99, committed, system_cpu, own_cpu,
        book.count_of(range(book.released)), tuple(faults), encoded(histogram),
    )  # fmt: skip


def faults_of(book: Book, load: Load, before: Books, after: Books) -> list[str]:
    """What the system holds, against what it answered. Something unresolved may have been done or not."""
    endings = book.count_of(range(book.released))
    done, doubtful = endings["committed"], endings["unresolved"]
    orders = after.orders - before.orders
    found = []
    if after.total != OPENING * load.accounts:
        found.append(f"balances {after.total}, expected {OPENING * load.accounts}")
    if not done <= orders <= done + doubtful:
        found.append(f"{orders} orders, answered {done}, without an answer {doubtful}")
    if book.released + load.outstanding > book.count:
        found.append(f"more than {RATE_MAX} per second: the book was full")
    return found + [f"{endings[name]} {name}" for name in ("rejected", "unresolved") if endings[name]]


async def drive(client: Client, load: Load, processes: Sequence[int]) -> tuple[Book, float, float]:
    """One load, drained: a caller per bulk, each with one call in the air.

    Returns: the book, and (system's, own) CPU seconds within the window. Raises: SystemFailed.
    """
    book = Book(int(RATE_MAX * load.stop))
    work = transfers(load.accounts, load.seed)
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def call_on(size: int) -> None:
        while (now := loop.time() - began) < load.stop and book.released + size <= book.count:
            numbers = range(book.released, book.released + size)
            for number in numbers:
                book.release(number, now)
            book.mark_sent(numbers, now)
            answers = await client.transfer(list(islice(work, size)))
            now = loop.time() - began
            for number, done in zip(numbers, answers, strict=True):
                book.settle(number, Ending.COMMITTED if done else Ending.REJECTED, Code.OK, 0, now)

    window = asyncio.create_task(_window(load, processes))
    failure: BaseException | None = None
    try:
        async with asyncio.timeout(load.stop + DRAIN_SECONDS), asyncio.TaskGroup() as group:
            for size in bulks(load.outstanding, client.bulk):
                group.create_task(call_on(size))
    except* TimeoutError:
        pass  # what is open stays unresolved, and the books say so
    except* SystemFailed as failures:
        failure = _first(failures)
    if failure is not None:  # raised here: within `except*` the earliest 3.11 would make a group of it
        window.cancel()
        raise SystemFailed(str(failure)) from None
    book.close(loop.time() - began)
    return book, *await window


def bulks(outstanding: int, bulk: int) -> list[int]:
    """Sizes of the calls that together keep exactly so many outstanding."""
    whole, rest = divmod(outstanding, bulk)
    return [bulk] * whole + [rest] * (rest > 0)


def _first(group: BaseException) -> BaseException:
    return _first(group.exceptions[0]) if isinstance(group, BaseExceptionGroup) else group


async def _window(load: Load, processes: Sequence[int]) -> tuple[float, float]:
    await asyncio.sleep(load.warmup)
    system, own = tree_cpu_seconds(processes), time.process_time()
    await asyncio.sleep(load.duration)
    return tree_cpu_seconds(processes) - system, time.process_time() - own
