"""Sends signed transactions over the binary ingress without holding back, and writes down what became of each.

Unlike the lanes of generator.py it keeps no count of what a node has in hand: it is there to meet back-pressure.
"""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from itertools import cycle
from typing import Final, Protocol

from benchmarks.outcomes import Book, Ending
from chainnode.ingress_client import IngressClient
from chainnode.ingress_frames import Outcome, Submit, encode_ingress
from primitives.codes import Code
from primitives.hashing import Digest

BULK: Final = 256
PACE_SECONDS: Final = 0.002
FORGED_BULK: Final = 400


class RanDry(Exception):
    """A transaction was due and none was left: fewer were signed than the load takes."""


class Signed(Protocol):
    """The transactions of a run by number."""

    def raw(self, number: int) -> bytes: ...

    def id(self, number: int) -> Digest: ...


class Flood:
    """One load of several phases; use it in an `async with`. Times of the book are seconds since it was entered."""

    def __init__(self, signed: Signed, count: int, nodes: Sequence[tuple[str, int]], connections: int) -> None:
        """`connections`: to each node."""
        self.book: Final = Book(count)
        self.admitted = 0
        self.broken = 0  # connections that a node closed
        self.told_ms = 0  # the longest time after which to come again
        self._signed: Final = signed
        self._addresses: Final = list(nodes) * connections
        self._numbers: Final[dict[bytes, int]] = {}  # of what has no end yet
        self._started = 0.0
        self._lanes: list[IngressClient] = []
        self._next = cycle(self._lanes)

    async def __aenter__(self) -> "Flood":
        self._lanes = [await IngressClient.connect(host, port, self._heard) for host, port in self._addresses]
        self._next = cycle(self._lanes)
        self._started = time.monotonic()
        return self

    async def __aexit__(self, *_: object) -> None:
        for lane in self._lanes:
            await lane.close()

    def now(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    async def closed(self, outstanding: int, seconds: float) -> tuple[float, float]:
        """So many at a time. Returns: when it began and ended. Raises: RanDry."""
        began = self.now()
        while (now := self.now()) < began + seconds:
            while self.book.open < outstanding:
                self._send([now] * min(BULK, outstanding - self.book.open))
            await asyncio.sleep(PACE_SECONDS)
        return began, self.now()

    async def open(self, rate: float, seconds: float) -> tuple[float, float]:
        """At this rate, whatever the nodes do. Returns: when it began and ended. Raises: RanDry."""
        began, sent = self.now(), 0
        while (now := self.now()) < began + seconds:
            due = int((now - began) * rate)
            while sent < due:
                times = [began + number / rate for number in range(sent, min(due, sent + BULK))]
                self._send(times)
                sent += len(times)
            await asyncio.sleep(PACE_SECONDS)
        return began, self.now()

    async def drain(self, seconds: float) -> None:
        """Until all have their end, or the time is over."""
        deadline = self.now() + seconds
        while self.book.open and self.now() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(PACE_SECONDS)
        self.book.close(self.now())

    def _send(self, intended: Sequence[float]) -> None:
        first = self.book.released
        numbers = range(first, first + len(intended))
        if numbers.stop > self.book.count:
            raise RanDry(f"the {self.book.count:,} signed transactions did not last longer than {self.now():.1f} s")
        for number, at in zip(numbers, intended, strict=True):
            self.book.release(number, at)
            self._numbers[self._signed.id(number)] = number
        lane = next(self._next)
        answer = lane.submit([self._signed.raw(number) for number in numbers])
        answer.add_done_callback(partial(self._answered, lane, numbers))

    def _answered(self, lane: IngressClient, numbers: range, answer: "asyncio.Future[tuple[int, ...]]") -> None:
        if answer.cancelled() or answer.exception() is not None:
            self.broken += 1  # they stay without an answer
            return
        self.told_ms = max(self.told_ms, lane.retry_ms)
        for number, code in zip(numbers, answer.result(), strict=True):
            if code == Code.OK:
                self.admitted += 1
            elif self._numbers.pop(self._signed.id(number), None) is not None:
                self.book.settle(number, Ending.REFUSED, code, 0, self.now())

    def _heard(self, items: Sequence[Outcome]) -> None:
        now = self.now()
        for item in items:
            number = self._numbers.pop(item.tx, None)
            if number is None:
                continue
            ending = Ending.COMMITTED if item.code in (Code.OK, Code.OK_DUPLICATE) else Ending.REJECTED
            self.book.settle(number, Ending.EXPIRED if item.height == 0 else ending, item.code, item.height, now)


def forged_frame(raw: bytes) -> bytes:
    """A bulk of this transaction with a signature that does not verify; one curve operation shows it."""
    false = raw[:-1] + bytes((raw[-1] ^ 1,))
    return encode_ingress(Submit(0, (false,) * FORGED_BULK))
