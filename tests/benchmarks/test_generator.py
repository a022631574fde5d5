"""The arithmetic of a run: schedules that nothing moves, one ending per transaction, latencies that stalls show in."""

import asyncio
import random
from collections.abc import Sequence

import pytest

from benchmarks.generator import Desk, Generator, Plan, send_times
from benchmarks.latencies import histogram_of, merged, percentiles
from benchmarks.outcomes import Book, Ending
from primitives.codes import Code
from tests.benchmarks.virtual_loop import run_virtually


class StallingLane:
    """A node that answers after `seconds`, and not at all within [stall, resume)."""

    def __init__(self, desk: Desk, seconds: float, stall: float, resume: float) -> None:
        self.desk, self.seconds, self.stall, self.resume = desk, seconds, stall, resume

    def room(self) -> int:
        return 1000

    def send(self, numbers: Sequence[int]) -> None:
        loop = asyncio.get_running_loop()
        done = loop.time() + self.seconds
        if self.stall <= done < self.resume:
            done = self.resume
        for number in numbers:
            loop.call_at(done, self.desk.settled, number, Ending.COMMITTED, 0, 1)

    def ask(self, number: int) -> None:
        raise AssertionError("nothing is uncertain here")


def _with_stall(plan: Plan, count: int) -> Book:
    async def work() -> Book:
        generator = Generator(count, plan)
        lane = StallingLane(generator, 0.002, 4.0, 5.0)
        generator.attach([lane], [lane])
        return await generator.run()

    return run_virtually(work())


def test_a_stall_shows_in_the_open_loop_and_hides_in_the_closed_one() -> None:
    """The same node, the same second of silence: only the open loop tells the truth."""
    opened = _with_stall(Plan(send_times(100, 10), 0, 10, 20), 1000)
    closed = _with_stall(Plan((), 1, 10, 20), 100_000)
    p_open = percentiles(histogram_of(opened.latencies(range(opened.released))))
    p_closed = percentiles(histogram_of(closed.latencies(range(closed.released))))
    assert p_open.count == 1000
    assert p_open.p99 > 850 and 990 <= p_open.max < 1010
    assert p_closed.p99 < 10 and p_closed.max >= 990


def test_a_stall_moves_no_send_time_and_is_the_longest_gap() -> None:
    book = _with_stall(Plan(send_times(100, 10), 0, 10, 20), 1000)
    assert list(book.intended) == send_times(100, 10)
    assert all(0 <= book.sent[n] - book.intended[n] < 0.01 for n in range(1000))
    assert 0.98 < book.longest_gap(0, 10) < 1.02
    assert book.committed_between(4.0, 4.999) == 0
    assert book.committed_between(0, 11) == 1000


def test_the_closed_loop_never_exceeds_its_number() -> None:
    book = _with_stall(Plan((), 8, 10, 20), 100_000)
    begun = [(book.sent[n], 1) for n in range(book.released)]
    events = sorted(begun + [(book.done[n], -1) for n in range(book.released)])
    most = now = 0
    for _, step in events:
        now += step
        most = max(most, now)
    assert most == 8
    assert book.count_of(range(book.released))["unresolved"] == 0


class MoodyLane:
    """A node that does everything a node can do to a transaction, by a seeded dice."""

    def __init__(self, desk: Desk, seed: int, answered: dict[int, set[Ending]]) -> None:
        self.desk, self.dice, self.answered = desk, random.Random(seed), answered

    def room(self) -> int:
        return self.dice.choice((0, 1, 7, 100))

    def send(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            asyncio.get_running_loop().call_later(self.dice.random(), self._answer, number)

    def ask(self, number: int) -> None:
        self._settle(number, Ending.EXPIRED)

    def _settle(self, number: int, ending: Ending) -> None:
        self.answered.setdefault(number, set()).add(ending)
        self.desk.settled(number, ending, 7, 1)

    def _answer(self, number: int) -> None:
        match self.dice.randrange(10):
            case 0:
                self.desk.unknown([number])
            case 1:
                self.desk.unsent([number])
            case 2:
                self.desk.refused(number, Code.NOT_READY)
            case 3:
                self.desk.refused(number, Code.EXPIRED_TX)
            case 4:
                self.desk.refused(number, Code.POOL_FULL)
            case 5:
                self._settle(number, Ending.REJECTED)
            case 6:
                pass  # silence: it stays unresolved
            case _:
                self._settle(number, Ending.COMMITTED)


@pytest.mark.parametrize("seed", range(20))
def test_every_transaction_has_exactly_one_ending(seed: int) -> None:
    answered: dict[int, set[Ending]] = {}

    async def work() -> Book:
        generator = Generator(400, Plan(send_times(200, 2), 0, 2, 30))
        lanes = [MoodyLane(generator, seed * 3 + i, answered) for i in range(3)]
        generator.attach(lanes, lanes)
        return await generator.run()

    book = run_virtually(work())
    counts = book.count_of(range(400))
    assert sum(counts.values()) == book.released == 400
    assert book.open == counts["unresolved"]
    for number in range(400):
        ending = Ending(book.ending[number])
        if ending in (Ending.UNRESOLVED, Ending.REFUSED):
            assert number not in answered
        else:
            assert answered[number] == {ending}
        if ending is Ending.REFUSED:
            assert not book.uncertain[number], "a refusal says nothing about what another node holds"
    every = histogram_of(book.latencies(range(400)))
    assert percentiles(every).count == 400


def test_an_answer_after_the_end_changes_nothing() -> None:
    book = Book(1)
    book.release(0, 0.5)
    assert book.settle(0, Ending.COMMITTED, 0, 3, 1.0)
    assert not book.settle(0, Ending.EXPIRED, 1003, 0, 2.0)
    assert book.latencies([0]) == [0.5] and book.height[0] == 3


def test_what_stays_open_counts_with_its_age() -> None:
    book = Book(2)
    book.release(0, 1.0)
    book.release(1, 2.0)
    book.settle(0, Ending.COMMITTED, 0, 1, 1.5)
    book.close(10.0)
    assert book.latencies(range(2)) == [0.5, 8.0]
    assert book.latencies(range(2), Ending.UNRESOLVED) == [8.0]


def test_merging_histograms_is_counting_together() -> None:
    durations = [i / 1000 for i in range(1, 2001)]
    parts = [histogram_of(durations[start::3]) for start in range(3)]
    together, one = percentiles(merged(parts)), percentiles(histogram_of(durations))
    assert together == one
    assert one.count == 2000 and abs(one.p50 - 1000) <= 1 and abs(one.p99 - 1980) <= 2
    assert percentiles(merged([])).count == 0
