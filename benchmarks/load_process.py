"""One process that loads the network: its share of the signed transactions, at times fixed before all of them start.

`python -m benchmarks.load_process` reads Orders (one line of JSON), says "ready" once it is connected, reads the
moment of the start (seconds of the monotonic clock, which all processes of a machine share), sends, waits for every
end, and writes what it knows to a file.
"""

import asyncio
import gc
import random
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks import queries
from benchmarks.generator import Generator, Lane, Plan
from benchmarks.http_lane import CONNECTIONS, HttpLane
from benchmarks.ingress_lane import IngressLane
from benchmarks.outcomes import Book, Ending
from benchmarks.signed_file import Share, SignedFile
from primitives.hashing import Digest

READY: Final = b"ready\n"
BULK_MAX: Final = 256


class Orders(msgspec.Struct, frozen=True):
    """What one of `parts` processes does. Seconds since the start; `outstanding` is its own share, 0 = open loop.
    `ingress`: host and port per node, none: over HTTP. `pokes`: transactions whose only purpose is a block."""

    signed: str
    answer: str
    part: int
    parts: int
    urls: list[str]
    ingress: list[tuple[str, int]]
    rate: float
    outstanding: int
    seconds: float
    lifetime: float
    give_up: float
    pokes: list[bytes]
    count: int  # of all parts; the file may hold more
    queries: float = 0.0  # per second, of all parts
    accounts: list[str] = []  # addresses that are asked for

    def due(self, count: int) -> list[float]:
        """Send times of its transactions: every `parts`-th of the run's, made before the run and never moved."""
        return [] if self.outstanding else [(self.part + self.parts * n) / self.rate for n in range(count)]


    def queries_due(self) -> list[float]:
        """When its queries are asked: every `parts`-th of all, as long as there is load."""
        return [n / self.queries for n in range(self.part, int(self.queries * self.seconds), self.parts)]


class Answer(msgspec.Struct, frozen=True):
    """What a process brings back: see outcomes.Book.plain. `queries`: as queries.QueryLoad fills it."""

    book: dict[str, Any]
    queries: dict[str, Any]


async def load(orders: Orders, file: SignedFile) -> tuple[Book, Book]:
    """Connect, wait for the start, send and ask; (transactions, queries)."""
    numbers = range(orders.part, orders.count, orders.parts)
    raws = Share(file, numbers, orders.pokes)
    count = len(raws) - len(orders.pokes)
    due = orders.due(count)
    bulk = min(max(1, orders.outstanding // 16), BULK_MAX) if orders.outstanding else BULK_MAX
    plan = Plan(due, orders.outstanding, orders.seconds, orders.give_up, bulk)
    pokes = list(range(count, len(raws)))
    async with AsyncExitStack() as stack:
        asking: list[HttpLane] = []

        def poke() -> None:
            if pokes:
                asking[0].send([pokes.pop()])

        generator = Generator(count, plan, poke, orders.lifetime)
        for url in orders.urls:
            lane = HttpLane(url, raws, generator, max(1, CONNECTIONS // orders.parts))
            asking.append(await stack.enter_async_context(lane))
        lanes: Sequence[Lane] = asking
        if orders.ingress:
            ids = [Digest(one) for one in Share(file, numbers, ids=True)]
            lanes = [
                await stack.enter_async_context(IngressLane(host, port, raws, ids, generator, bool(plan.outstanding)))
                for host, port in orders.ingress
            ]
        generator.attach(lanes, asking)
        wanted = Wanted(orders.accounts, generator.book, Share(file, numbers, ids=True))
        connections = max(1, queries.CONNECTIONS // orders.parts)
        asker = queries.QueryLoad(orders.urls, orders.queries_due(), wanted.path_of, connections)
        start = await _start()
        asked = asyncio.create_task(asker.run(start))
        return await generator.run(start), await asked


class Wanted:
    """What is asked for: in turn an account, and a transaction that this process knows to be committed."""

    def __init__(self, accounts: Sequence[str], book: Book, ids: Sequence[bytes]) -> None:
        self._accounts: Final = accounts
        self._book: Final = book
        self._ids: Final = ids
        self._random: Final = random.Random(len(ids))  # not a secret: it only has to spread

    def path_of(self, number: int) -> str:
        """Of the query with this number."""
        if number % 2 and self._book.released:
            one = self._random.randrange(self._book.released)
            if self._book.ending[one] == Ending.COMMITTED:
                return f"/v1/transactions/{self._ids[one].hex()}"
        return f"/v1/accounts/{self._random.choice(self._accounts)}"


async def _start() -> float:
    """Say that everything is connected, and hear when to begin."""
    gc.collect()
    gc.freeze()  # what is here now is no garbage: nothing to look through during the run
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    line = await asyncio.to_thread(sys.stdin.buffer.readline)
    if not line:
        raise SystemExit(1)  # whoever gave the orders is gone
    return float(line)


def main() -> None:
    """See the module."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who gave the orders ends this process
    orders = msgspec.json.decode(sys.stdin.buffer.readline(), type=Orders)
    with SignedFile(Path(orders.signed)) as file:
        book, asked = asyncio.run(load(orders, file))
    Path(orders.answer).write_bytes(msgspec.msgpack.encode(Answer(book.plain(), asked.plain())))


if __name__ == "__main__":
    main()
