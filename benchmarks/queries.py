"""Queries beside the load, at times fixed beforehand: balances of accounts, and outcomes of committed transactions.

Each connection takes the next query that is due and waits for its answer. Where none is free in time a query is asked
late, and its latency counts from when it was due. What is not asked DRAIN_SECONDS after the last one was due is not
asked at all, and has no answer.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

from benchmarks.http_lane import HttpConnection
from benchmarks.outcomes import Book, Ending

CONNECTIONS: Final = 12  # per node; with those of the load, below what a node allows one address
ANSWER_SECONDS: Final = 5.0
DRAIN_SECONDS: Final = 3.0
AGAIN_SECONDS: Final = 0.5  # before a node is connected to again
OK: Final = 200


class QueryLoad:
    """`due`: seconds since the start, ascending. `path_of`: what the query with this number asks for. In the book an
    answer counts as COMMITTED, another status as REFUSED with that status as its code, and no answer as UNRESOLVED."""

    def __init__(
        self, urls: Sequence[str], due: Sequence[float], path_of: Callable[[int], str], connections: int = CONNECTIONS
    ) -> None:
        self.book: Final = Book(len(due))
        self._urls: Final = urls
        self._due: Final = due
        self._path_of: Final = path_of
        self._connections: Final = connections
        self._numbers: Final[Iterator[int]] = itertools.count()
        self._start = 0.0

    async def run(self, start: float) -> Book:
        """Ask everything. `start`: in seconds of the loop's clock."""
        self._start = start
        places = [(parts.hostname or "127.0.0.1", parts.port or 80) for parts in map(urlsplit, self._urls)]
        # A node after the other, so that the queries that come first go to all of them.
        async with asyncio.TaskGroup() as group:
            for _ in range(self._connections):
                for place in places:
                    group.create_task(self._ask_on(place))
        return self.book

    def _now(self) -> float:
        return asyncio.get_running_loop().time() - self._start

    async def _ask_on(self, place: tuple[str, int]) -> None:
        connection: HttpConnection | None = None
        while (number := next(self._numbers)) < len(self._due):
            self.book.release(number, self._due[number])
            if self._now() > self._due[-1] + DRAIN_SECONDS:
                self.book.done[number] = self._now()
                continue
            await asyncio.sleep(self._due[number] - self._now())
            if connection is None or connection.closed:
                connection = await self._connected(place)
            self.book.mark_sent((number,), self._now())
            await self._ask(connection, number, place)
        if connection is not None:
            connection.close()

    async def _ask(self, connection: HttpConnection | None, number: int, place: tuple[str, int]) -> None:
        if connection is None:
            self.book.done[number] = self._now()
            await asyncio.sleep(AGAIN_SECONDS)
            return
        head = f"GET {self._path_of(number)} HTTP/1.1\r\nHost: {place[0]}:{place[1]}\r\n\r\n"
        try:
            status, _ = await connection.request(head.encode(), ANSWER_SECONDS)
        except (OSError, TimeoutError):
            self.book.done[number] = self._now()
            connection.close()
            return
        self.book.settle(number, Ending.COMMITTED if status == OK else Ending.REFUSED, status, 0, self._now())

    async def _connected(self, place: tuple[str, int]) -> HttpConnection | None:
        try:
            async with asyncio.timeout(AGAIN_SECONDS):
                return (await asyncio.get_running_loop().create_connection(HttpConnection, *place))[1]
        except (OSError, TimeoutError):
            return None
