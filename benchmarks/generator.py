"""Sends transactions at times fixed beforehand, whatever the network does, and follows each to its end.

Open loop: a stalled node does not slow the sender down, and latency counts from the intended time, so a stall shows in
every transaction that should have been sent meanwhile. The closed loop (a fixed number outstanding) hides stalls; it is
there to compare with systems that are measured so, and the report says which one it was.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from benchmarks.outcomes import Book, Ending
from primitives.codes import Code

PACE_SECONDS: Final = 0.001  # what is due within it travels together
LATER_SECONDS: Final = 0.05  # before a node is asked again that was not ready
POKE_SECONDS: Final = 1.0
TRY_ELSEWHERE: Final = (Code.NOT_READY,)


class Desk(Protocol):
    """Where lanes report. Numbers are those of the run's transactions."""

    def settled(self, number: int, ending: Ending, code: int, height: int) -> None: ...

    def refused(self, number: int, code: int) -> None:
        """This node did not take it; whether another one has it is another question."""

    def unsent(self, numbers: Iterable[int]) -> None:
        """No connection: the node has seen nothing."""

    def unknown(self, numbers: Iterable[int]) -> None:
        """Sent, and no final answer: the node may have acted."""


class Lane(Protocol):
    """The way to one node."""

    def room(self) -> int:
        """Transactions that it takes at once now; 0 while the node is down or busy."""

    def send(self, numbers: Sequence[int]) -> None:
        """Begin; every number is reported to the desk, once."""


class AskingLane(Lane, Protocol):
    """A lane that can also be asked what became of a transaction."""

    def ask(self, number: int) -> None:
        """Report `settled` or `unknown` of one that this node refused as expired."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Seconds since the start. `due`: ascending send times, one per transaction (open loop). `outstanding`: closed loop
    with so many at a time, started until `stop`."""

    due: Sequence[float]
    outstanding: int
    stop: float
    give_up: float  # the drain ends then at the latest
    bulk: int = 256


def send_times(rate: float, seconds: float) -> list[float]:
    """Evenly spaced; made before the run, never moved."""
    return [number / rate for number in range(int(rate * seconds))]


class Generator:
    """One run. Implements Desk; `attach` its lanes before `run`."""

    def __init__(
        self, count: int, plan: Plan, poke: Callable[[], None] = lambda: None, lifetime: float = float("inf")
    ) -> None:
        """`poke`: makes the chain's time pass, called once a second when `lifetime` (seconds) is over."""
        self.book: Final = Book(count)
        self._plan: Final = plan
        self._lanes: Final[deque[Lane]] = deque()
        self._asking: Final[deque[AskingLane]] = deque()
        self._poke: Final = poke
        self._poke_at = lifetime + POKE_SECONDS
        self._fresh: Final[deque[int]] = deque()
        self._again: Final[deque[int]] = deque()
        self._later: Final[deque[tuple[float, int]]] = deque()
        self.started = 0.0

    def now(self) -> float:
        """Seconds since the start."""
        return asyncio.get_running_loop().time() - self.started

    def attach(self, lanes: Sequence[Lane], asking: Sequence[AskingLane]) -> None:
        """One lane per node, used in turn; `asking` lanes for what is uncertain (they may be the same)."""
        self._lanes.extend(lanes)
        self._asking.extend(asking)

    async def run(self, start: float | None = None) -> Book:
        """Until every transaction has its end or the drain's deadline has come.

        `start`: in seconds of the loop's clock, None: now. All send times count from it.
        """
        now = asyncio.get_running_loop().time()
        self.started = now if start is None else start
        await asyncio.sleep(self.started - now)
        while True:
            now = self.now()
            self._release(now)
            self._take_back(now)
            self._dispatch(self._again, self._asking, now)
            self._dispatch(self._fresh, self._lanes, now)
            if now >= self._plan.give_up or (self._all_released(now) and not self.book.open):
                break
            if now >= self._poke_at:
                self._poke_at = now + POKE_SECONDS
                self._poke()
            await asyncio.sleep(self._pause(now))
        self.book.close(self.now())
        return self.book

    # ---- Desk

    def settled(self, number: int, ending: Ending, code: int, height: int) -> None:
        if number < self.book.count:
            self.book.settle(number, ending, code, height, self.now())

    def refused(self, number: int, code: int) -> None:
        if number >= self.book.count:
            return
        if self.book.uncertain[number]:
            if code == Code.EXPIRED_TX and self._asking:
                self._asking[0].ask(number)
            else:
                self._later.append((self.now() + LATER_SECONDS, number))
        elif code in TRY_ELSEWHERE:
            self._later.append((self.now() + LATER_SECONDS, number))
        else:
            self.book.settle(number, Ending.REFUSED, code, 0, self.now())

    def unsent(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            if number < self.book.count:
                (self._again if self.book.uncertain[number] else self._fresh).append(number)

    def unknown(self, numbers: Iterable[int]) -> None:
        at = self.now() + LATER_SECONDS
        for number in numbers:
            if number < self.book.count and self.book.ending[number] == Ending.UNRESOLVED:
                self.book.uncertain[number] = 1
                self._later.append((at, number))

    # ---- the loop's parts

    def _all_released(self, now: float) -> bool:
        if self._plan.outstanding:
            return now >= self._plan.stop or self.book.released == self.book.count
        return self.book.released == len(self._plan.due)

    def _release(self, now: float) -> None:
        book, plan = self.book, self._plan
        if plan.outstanding:
            while book.open < plan.outstanding and now < plan.stop and book.released < book.count:
                self._fresh.append(book.released)
                book.release(book.released, now)
            return
        while book.released < len(plan.due) and plan.due[book.released] <= now:
            self._fresh.append(book.released)
            book.release(book.released, plan.due[book.released])

    def _take_back(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            number = self._later.popleft()[1]
            (self._again if self.book.uncertain[number] else self._fresh).append(number)

    def _dispatch(self, queue: deque[int], lanes: "deque[Lane] | deque[AskingLane]", now: float) -> None:
        """Bulks of what waits, to the nodes in turn, as far as they have room."""
        tries = len(lanes)
        while queue and tries:
            lane = lanes[0]
            lanes.rotate(-1)
            room = min(lane.room(), self._plan.bulk)
            if not room:
                tries -= 1
                continue
            tries = len(lanes)
            bulk = [queue.popleft() for _ in range(min(room, len(queue)))]
            self.book.mark_sent(bulk, now)
            lane.send(bulk)

    def _pause(self, now: float) -> float:
        busy = self._fresh or self._again or self._later or self._plan.outstanding
        if busy or self.book.released == len(self._plan.due):
            return PACE_SECONDS
        return min(max(self._plan.due[self.book.released] - now, PACE_SECONDS), LATER_SECONDS)
