"""One process that loads the network: its share of the signed transactions, at times fixed before all of them start.

`python -m benchmarks.load_process` reads Orders (one line of JSON), says "ready" once it is connected, reads the
moment of the start (seconds of the monotonic clock, which all processes of a machine share), sends, waits for every
end, and writes what it knows to a file.
"""

import asyncio
import gc
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks.generator import Generator, Lane, Plan
from benchmarks.http_lane import HttpLane
from benchmarks.ingress_lane import IngressLane
from benchmarks.outcomes import Book
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

    def due(self, count: int) -> list[float]:
        """Send times of its transactions: every `parts`-th of the run's, made before the run and never moved."""
        return [] if self.outstanding else [(self.part + self.parts * n) / self.rate for n in range(count)]


class Answer(msgspec.Struct, frozen=True):
    """What a process brings back: see outcomes.Book.plain."""

    book: dict[str, Any]


async def load(orders: Orders, file: SignedFile) -> Book:
    """Connect, wait for the start, send."""
    raws = Share(file, range(orders.part, orders.count, orders.parts), orders.pokes)
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
            asking.append(await stack.enter_async_context(HttpLane(url, raws, generator)))
        lanes: Sequence[Lane] = asking
        if orders.ingress:
            ids = [Digest(one) for one in Share(file, range(orders.part, orders.count, orders.parts), ids=True)]
            lanes = [
                await stack.enter_async_context(IngressLane(host, port, raws, ids, generator))
                for host, port in orders.ingress
            ]
        generator.attach(lanes, asking)
        return await generator.run(await _start())


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
        book = asyncio.run(load(orders, file))
    Path(orders.answer).write_bytes(msgspec.msgpack.encode(Answer(book.plain())))


if __name__ == "__main__":
    main()
