"""The processes that load the network: started, all set off at one moment, and their books put together."""

import asyncio
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, NamedTuple

import msgspec

from benchmarks.load_process import READY, Answer, Orders
from benchmarks.outcomes import Book, book_of
from chainnode.devnet import child_environment

READY_SECONDS: Final = 60.0
HEAD_START_SECONDS: Final = 0.3  # so that the last one to hear of the start still hears it before
LATE_SECONDS: Final = 60.0  # beyond the end of the drain, before a process counts as stuck
LAST_WORDS: Final = 2_000


class LoadFailed(Exception):
    """A generator process ended or hung; nothing was measured."""


@dataclass(frozen=True, slots=True)
class Member:
    """One process and what it was told."""

    orders: Orders
    process: asyncio.subprocess.Process


class Books(NamedTuple):
    """What one process brought back."""

    sent: Book
    asked: Book


class Fleet:
    """Use it in an `async with`: no process outlives it."""

    def __init__(self, orders: Sequence[Orders]) -> None:
        self._orders: Final = orders
        self._members: Final[list[Member]] = []
        self.started = math.inf  # monotonic seconds; until then the start lies ahead

    @property
    def processes(self) -> dict[str, int | None]:
        """Process ids by name."""
        return {f"generator{member.orders.part}": member.process.pid for member in self._members}

    async def __aenter__(self) -> "Fleet":
        """Start all and wait until every one is connected. Raises: LoadFailed."""
        try:
            for orders in self._orders:
                self._members.append(Member(orders, await _process(orders)))
                await _tell(self._members[-1], msgspec.json.encode(orders))
            for member in self._members:
                await self._connected(member)
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def run(self) -> list[Books]:
        """Set all off and wait for their books, in the order of `orders`. Raises: LoadFailed."""
        self.started = time.monotonic() + HEAD_START_SECONDS
        for member in self._members:
            await _tell(member, str(self.started).encode())
        return list(await asyncio.gather(*(self._book(member) for member in self._members)))

    async def _connected(self, member: Member) -> None:
        assert member.process.stdout is not None, "opened as a pipe"
        try:
            async with asyncio.timeout(READY_SECONDS):
                line = await member.process.stdout.readline()
        except TimeoutError as error:
            raise LoadFailed(f"generator {member.orders.part} not ready after {READY_SECONDS:.0f} s") from error
        if line != READY:
            raise await _failure(member)

    async def _book(self, member: Member) -> Books:
        limit = HEAD_START_SECONDS + member.orders.give_up + LATE_SECONDS
        try:
            async with asyncio.timeout(limit):
                await member.process.wait()
        except TimeoutError as error:
            raise LoadFailed(f"generator {member.orders.part} hangs") from error
        if member.process.returncode:
            raise await _failure(member)
        raw = await asyncio.to_thread(Path(member.orders.answer).read_bytes)
        answer = msgspec.msgpack.decode(raw, type=Answer)
        return Books(book_of(answer.book), book_of(answer.queries))

    async def _end(self) -> None:
        for member in self._members:
            if member.process.returncode is None:
                member.process.kill()
        await asyncio.gather(*(member.process.wait() for member in self._members))


async def _process(orders: Orders) -> asyncio.subprocess.Process:
    with _errors(orders) as errors:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.load_process", env=child_environment(), stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=errors,
        )  # fmt: skip


def _errors(orders: Orders) -> BinaryIO:
    return open(_words(orders), "wb")


def _words(orders: Orders) -> Path:
    """What it says when it fails."""
    return Path(orders.answer).with_suffix(".log")


async def _tell(member: Member, line: bytes) -> None:
    assert member.process.stdin is not None, "opened as a pipe"
    try:
        member.process.stdin.write(line + b"\n")
        await member.process.stdin.drain()
    except OSError as error:
        raise await _failure(member) from error


async def _failure(member: Member) -> LoadFailed:
    raw = await asyncio.to_thread(_words(member.orders).read_bytes)
    words = raw[-LAST_WORDS:].decode("utf-8", "replace").strip()
    return LoadFailed(f"generator {member.orders.part} ended: {words}")
