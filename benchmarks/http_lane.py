"""The way to one node over HTTP: keep-alive connections, bulks of raw transactions, the answer waits for the receipts.

A client library would cost the generator more than the node spends on a transaction, so this speaks just enough
HTTP/1.1: one request at a time per connection, an answer with Content-Length.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from benchmarks.generator import Desk
from benchmarks.outcomes import Ending
from primitives.codec import encode
from primitives.codes import Code
from primitives.transaction import decode_transaction

CONNECTIONS: Final = 48  # below what a node allows one address
BULK_BYTES_MAX: Final = 200 * 1024  # below the body limit of 256 KiB
WAIT_MS: Final = 5_000
ANSWER_SECONDS: Final = WAIT_MS / 1000 + 5
DOWN_SECONDS: Final = 0.5
_ENDINGS: Final = {"committed": Ending.COMMITTED, "rejected": Ending.REJECTED, "expired": Ending.EXPIRED}


class Line(msgspec.Struct, frozen=True):
    """What a node says of one transaction of a bulk."""

    status: str
    number: int | None = None
    height: int | None = None


class Outcome(msgspec.Struct, frozen=True):
    """What a node says of a transaction that it is asked for."""

    status: str
    receipt: Line | None = None


class Problem(msgspec.Struct, frozen=True):
    """The part of problem+json that counts here."""

    name: str = ""


_LINES: Final = msgspec.json.Decoder(list[Line])
_OUTCOME: Final = msgspec.json.Decoder(Outcome)
_PROBLEM: Final = msgspec.json.Decoder(Problem)


class HttpConnection(asyncio.Protocol):
    """One connection with at most one request in flight."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport), "HTTP is a stream"
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("the node closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or self._answer is None or self._answer.done():
            return
        head = bytes(self._buffer[:end]).lower()
        length = int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0] or b"0")
        if len(self._buffer) < end + 4 + length:
            return
        body = bytes(self._buffer[end + 4 : end + 4 + length])
        self._buffer.clear()
        if b"\r\nconnection: close" in head:
            self.close()
        self._answer.set_result((int(head[9:12]), body))

    async def request(self, raw: bytes, seconds: float) -> tuple[int, bytes]:
        """Status and body. Raises: ConnectionError, TimeoutError; then the connection is of no more use."""
        if self.closed or self._transport is None:
            raise ConnectionError("the connection is closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(raw)
        try:
            async with asyncio.timeout(seconds):
                return await self._answer
        except TimeoutError:
            self.close()
            raise

    def close(self) -> None:
        """Close now."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()


class HttpLane:
    """See generator.AskingLane. Use it inside its `async with`: then its connections are closed at the end."""

    def __init__(self, url: str, raws: Sequence[bytes], desk: Desk, connections: int = CONNECTIONS) -> None:
        parts = urlsplit(url)
        self._host: Final = parts.hostname or "127.0.0.1"
        self._port: Final = parts.port or 80
        self._raws: Final = raws
        self._desk: Final = desk
        self._free: Final[list[HttpConnection]] = []
        self._unopened = connections
        self._down_until = 0.0
        self._tasks: Final[set[asyncio.Task[None]]] = set()

    async def __aenter__(self) -> "HttpLane":
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in self._free:
            connection.close()

    def room(self) -> int:
        if asyncio.get_running_loop().time() < self._down_until:
            return 0
        return 1 << 30 if self._free or self._unopened else 0

    def send(self, numbers: Sequence[int]) -> None:
        rest = list(numbers)
        fitting: list[int] = []
        size = 0
        while rest and (not fitting or size + len(self._raws[rest[0]]) + 5 <= BULK_BYTES_MAX):
            size += len(self._raws[rest[0]]) + 5
            fitting.append(rest.pop(0))
        connection = self._free.pop() if self._free else None
        self._unopened -= connection is None
        self._start(self._post(connection, fitting))
        if rest:
            self._desk.unsent(rest)

    def ask(self, number: int) -> None:
        self._start(self._get(number))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open(self) -> HttpConnection | None:
        try:
            async with asyncio.timeout(DOWN_SECONDS):
                loop = asyncio.get_running_loop()
                return (await loop.create_connection(HttpConnection, self._host, self._port))[1]
        except (OSError, TimeoutError):
            self._down_until = asyncio.get_running_loop().time() + DOWN_SECONDS
            return None

    def _keep(self, connection: HttpConnection) -> None:
        if connection.closed:
            self._unopened += 1
        else:
            self._free.append(connection)

    async def _post(self, connection: HttpConnection | None, numbers: list[int]) -> None:
        connection = connection or await self._open()
        if connection is None:
            self._unopened += 1
            self._desk.unsent(numbers)
            return
        body = encode([self._raws[number] for number in numbers])
        head = (
            f"POST /v1/transactions?wait=committed&timeout_ms={WAIT_MS} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n"
            f"Content-Type: application/vnd.hnchain.bulk\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            status, answer = await connection.request(head.encode() + body, ANSWER_SECONDS)
        except (OSError, TimeoutError):
            self._down_until = asyncio.get_running_loop().time() + DOWN_SECONDS
            self._desk.unknown(numbers)
        else:
            self._read(numbers, status, answer)
        finally:
            self._keep(connection)

    def _read(self, numbers: list[int], status: int, answer: bytes) -> None:
        if status != 200:
            name = _PROBLEM.decode(answer).name if answer else ""
            code = Code[name] if name in Code.__members__ else Code.NOT_READY
            for number in numbers:
                self._desk.refused(number, code)
            return
        for number, line in zip(numbers, _LINES.decode(answer), strict=True):
            if line.status in _ENDINGS:
                self._desk.settled(number, _ENDINGS[line.status], line.number or 0, line.height or 0)
            elif line.status == "refused":
                self._desk.refused(number, line.number or 0)
            else:
                self._desk.unknown((number,))

    async def _get(self, number: int) -> None:
        decoded = decode_transaction(self._raws[number])
        connection = self._free.pop() if self._free else await self._open()
        if connection is None:
            self._desk.unknown((number,))
            return
        path = f"/v1/transactions/{decoded.id.hex()}?valid_until={decoded.transaction.envelope.valid_until}"
        head = f"GET {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n\r\n"
        try:
            status, answer = await connection.request(head.encode(), ANSWER_SECONDS)
        except (OSError, TimeoutError):
            self._desk.unknown((number,))
            connection.close()
            return
        self._keep(connection)
        outcome = _OUTCOME.decode(answer) if status == 200 else Outcome("unknown")
        if outcome.status in _ENDINGS:
            receipt = outcome.receipt or Line("", int(Code.EXPIRED_TX))
            self._desk.settled(number, _ENDINGS[outcome.status], receipt.number or 0, receipt.height or 0)
        else:
            self._desk.unknown((number,))
