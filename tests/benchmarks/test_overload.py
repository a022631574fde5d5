"""More than a network can take: when it is well again, and a flood that fills no memory with what has ended."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import cycle
from typing import Final

import pytest

from benchmarks.flood import Flood, RanDry
from benchmarks.outcomes import Book, Ending
from benchmarks.overload import OUTSTANDING, Phases, count_of, normal_after, with_enough
from chainnode.ingress_frames import Outcome
from primitives.codes import Code
from primitives.hashing import Digest

LIMIT: Final = 0.5


def book_of(*ends: tuple[float, float, Ending]) -> Book:
    """(intended, done, ending) each."""
    book = Book(len(ends))
    for number, (intended, done, ending) in enumerate(ends):
        book.release(number, intended)
        book.settle(number, ending, 0, 1, done)
    return book


def test_it_is_normal_again_after_the_last_that_was_late_or_refused() -> None:
    quick = [(10.0 + n, 10.1 + n, Ending.COMMITTED) for n in range(8)]
    assert normal_after(book_of(*quick), 10.0, 18.0, LIMIT) == 0
    late = [*quick[:2], (12.0, 12.6, Ending.COMMITTED), *quick[3:]]
    assert normal_after(book_of(*late), 10.0, 18.0, LIMIT) == 2.0
    refused = [*late[:4], (14.0, 14.1, Ending.REFUSED), *late[5:]]
    assert normal_after(book_of(*refused), 10.0, 18.0, LIMIT) == 4.0
    assert normal_after(book_of(*refused), 15.0, 18.0, LIMIT) == 0, "what was sent before does not count"


class Signed:
    """Ids that name their numbers."""

    def raw(self, number: int) -> bytes:
        return bytes([number])

    def id(self, number: int) -> Digest:
        return Digest(bytes([number]) * 32)


class Lane:
    """Answers a bulk when it is told to."""

    retry_ms = 250

    def __init__(self) -> None:
        self.answers: list[asyncio.Future[tuple[int, ...]]] = []

    def submit(self, _: Sequence[bytes]) -> "asyncio.Future[tuple[int, ...]]":
        self.answers.append(asyncio.get_running_loop().create_future())
        return self.answers[-1]


def test_every_transaction_of_a_flood_has_one_end() -> None:
    async def scenario() -> None:
        flood, lane = Flood(Signed(), 5, [], 0), Lane()
        flood._next = iter([lane] * 2)  # type: ignore[assignment]
        flood._send([0.0] * 3)
        flood._send([1.0] * 2)
        flood._heard([Outcome(bytes([0]) * 32, 7, 0, Code.OK)])  # a block was quicker than the answer
        lane.answers[0].set_result((Code.OK, Code.OK, Code.POOL_FULL))
        lane.answers[1].set_exception(ConnectionError("closed"))
        await asyncio.sleep(0)
        flood._heard([Outcome(bytes([1]) * 32, 0, 0, Code.EXPIRED_TX), Outcome(bytes([2]) * 32, 7, 1, Code.OK)])
        book = flood.book
        assert list(book.ending) == [Ending.COMMITTED, Ending.EXPIRED, Ending.REFUSED, Ending.UNRESOLVED,
                                     Ending.UNRESOLVED]  # fmt: skip
        assert (flood.admitted, flood.broken, book.open) == (2, 1, 2), "what nobody answered is not forgotten"
        assert len(flood._numbers) == 2 and flood.told_ms == 250

    asyncio.run(scenario())


@pytest.mark.parametrize("load", [lambda flood: flood.closed(4, 5.0), lambda flood: flood.open(2_000.0, 5.0)])
@pytest.mark.parametrize("count", [0, 3])
def test_a_flood_that_runs_dry_fails_and_reports_no_lower_rate(
    load: Callable[[Flood], Awaitable[tuple[float, float]]], count: int
) -> None:
    async def scenario() -> None:
        flood = Flood(Signed(), count, [], 0)
        flood._started = time.monotonic()
        flood._next = cycle([Lane()])  # type: ignore[list-item]
        async with asyncio.timeout(2.0):
            with pytest.raises(RanDry, match=f"the {count} signed transactions did not last"):
                await load(flood)

    asyncio.run(scenario())


def test_a_load_that_runs_dry_is_made_again_with_twice_as_many() -> None:
    tried: list[int] = []

    def load(count: int) -> None:
        tried.append(count)
        if count < 70_000:
            raise RanDry(f"{count} are too few")

    with_enough(load, 20_000)
    assert tried == [20_000, 40_000, 80_000]


@pytest.mark.parametrize("best", [10.0, 5_000.0, 50_000.0])
@pytest.mark.parametrize("knee", [1_000.0, 5_000.0, 50_000.0])
def test_what_is_signed_lasts_for_every_rate_that_was_found(knee: float, best: float) -> None:
    overloaded, calm, closed = 60 * 3 * knee, 0.2 * knee * (4 + 9), 2 * best * 10
    count = count_of(3.0, 60.0, Phases(best=10.0, calm=4.0, after=9.0), knee, best)
    assert count >= overloaded + calm + closed + OUTSTANDING
    assert count <= overloaded + calm + 10 * max(3 * best, 6_000) + OUTSTANDING + 1, "and no more than it must"
