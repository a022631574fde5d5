"""The way to one node over its binary ingress: one connection, bulks overlap, receipts come as they are made."""

import asyncio
from collections.abc import Sequence
from typing import Final

from benchmarks.generator import Desk
from benchmarks.outcomes import Ending
from chainnode.ingress_client import IngressClient
from chainnode.ingress_frames import BULK_TRANSACTIONS_MAX, Outcome
from primitives.codes import Code
from primitives.hashing import Digest

IN_HAND_MAX: Final = 3_584  # below what a node takes from one connection before it stops reading
BULK_BYTES_MAX: Final = 1_000_000
DOWN_SECONDS: Final = 0.5


class IngressLane:
    """See generator.Lane. `ids` are those of the raw transactions."""

    def __init__(
        self, host: str, port: int, raws: Sequence[bytes], ids: Sequence[Digest], desk: Desk, waits: bool = False
    ) -> None:  # fmt: skip
        """`waits`: after a refusal for lack of room, as long as the node says. So does the client of a closed loop; an
        open one sends when the time has come."""
        self._address: Final = (host, port)
        self._raws: Final = raws
        self._ids: Final = ids
        self._desk: Final = desk
        self._numbers: Final[dict[bytes, int]] = {}  # of what waits for its outcome here
        self._client: IngressClient | None = None
        self._opening = False
        self._down_until = 0.0
        self._waits: Final = waits
        self._told_until = 0.0
        self._tasks: Final[set[asyncio.Task[None]]] = set()

    async def __aenter__(self) -> "IngressLane":
        await self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.close()

    def room(self) -> int:
        if self._client is None:
            if not self._opening and asyncio.get_running_loop().time() >= self._down_until:
                self._start_opening()
            return 0
        if self._waits and asyncio.get_running_loop().time() < self._told_until:
            return 0
        return min(BULK_TRANSACTIONS_MAX, max(0, IN_HAND_MAX - len(self._numbers)))

    def send(self, numbers: Sequence[int]) -> None:
        client = self._client
        if client is None:
            self._desk.unsent(numbers)
            return
        bulk: list[int] = []
        size = 0
        for number in numbers:
            size += len(self._raws[number]) + 5
            if bulk and size > BULK_BYTES_MAX:
                break
            bulk.append(number)
        for number in bulk:
            self._numbers[self._ids[number]] = number
        answer = client.submit([self._raws[number] for number in bulk])
        answer.add_done_callback(lambda done: self._answered(bulk, done))
        if len(bulk) < len(numbers):
            self._desk.unsent(numbers[len(bulk) :])

    def _answered(self, bulk: list[int], answer: "asyncio.Future[tuple[int, ...]]") -> None:
        if answer.cancelled() or answer.exception() is not None:
            return  # the connection is gone: _lost reports all that waits
        if self._client is not None and self._client.retry_ms:
            self._told_until = asyncio.get_running_loop().time() + self._client.retry_ms / 1000
        for number, code in zip(bulk, answer.result(), strict=True):
            if code == Code.OK:
                continue
            if self._numbers.pop(self._ids[number], None) is None:
                continue
            if code == Code.DUPLICATE_TX:
                self._desk.unknown((number,))
            else:
                self._desk.refused(number, code)

    def _outcomes(self, items: Sequence[Outcome]) -> None:
        for item in items:
            number = self._numbers.pop(item.tx, None)
            if number is None:
                continue
            if item.height == 0:
                self._desk.settled(number, Ending.EXPIRED, item.code, 0)
            else:
                done = item.code in (Code.OK, Code.OK_DUPLICATE)
                ending = Ending.COMMITTED if done else Ending.REJECTED
                self._desk.settled(number, ending, item.code, item.height)

    def _start_opening(self) -> None:
        self._opening = True
        self._start(self._open())

    def _start(self, work: "asyncio._CoroutineLike[None]") -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open(self) -> None:
        try:
            async with asyncio.timeout(DOWN_SECONDS):
                self._client = await IngressClient.connect(*self._address, self._outcomes)
        except (OSError, TimeoutError):
            self._down_until = asyncio.get_running_loop().time() + DOWN_SECONDS
        else:
            self._start(self._watch(self._client))
        finally:
            self._opening = False

    async def _watch(self, client: IngressClient) -> None:
        await client.closed.wait()
        self._client = None
        self._down_until = asyncio.get_running_loop().time() + DOWN_SECONDS
        lost = list(self._numbers.values())
        self._numbers.clear()
        self._desk.unknown(lost)
