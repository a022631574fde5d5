"""Limits on HTTP connections that aiohttp does not have: how many, from where, and how long headers may take (T26)."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

HEADER_DEADLINE_S: Final = 10.0
READ_BYTES: Final = 8 * 1024  # handed on at a time: a chunk costs the parser 10 us, 43,000 fit into asyncio's 256 KiB
_BUSY_BODY: Final = b'{"title":"too many connections","status":503,"code":"HN-1011","fix":"wait, then try again"}'
_BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nRetry-After: 1\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(_BUSY_BODY), _BUSY_BODY)
)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    total: int = 256
    per_address: int = 64
    header_deadline_s: float = HEADER_DEADLINE_S


DEFAULT_LIMITS: Final = ConnectionLimits()


class ConnectionGate:
    """Counts the open connections of one listener."""

    def __init__(self, limits: ConnectionLimits, refused: Callable[[str], None]) -> None:
        """`refused` hears the name of the limit for each connection turned away or cut."""
        self.limits: Final = limits
        self.refused: Final = refused
        self.open: Final[Counter[str]] = Counter()  # by address
        self.guards: Final[dict[asyncio.Protocol, GuardedConnection]] = {}  # by the protocol inside

    def admit(self, address: str) -> str | None:
        """None, or the limit that the connection would break."""
        if self.open.total() >= self.limits.total:
            return "connections"
        if self.open[address] >= self.limits.per_address:
            return "connections_per_address"
        return None


class GuardedConnection(asyncio.BufferedProtocol):
    """Stands between the socket and aiohttp's protocol, hands everything on in short pieces, and cuts what does not
    finish its headers, or whose chunks are more wrapping than body.

    The timer runs from the first byte of a request (the first one: from the connection) to `headers_done`.
    """

    def __init__(self, gate: ConnectionGate, inside: asyncio.Protocol) -> None:
        self._gate, self._inside = gate, inside
        self._transport: asyncio.Transport | None = None
        self._address = ""
        self._admitted = False
        self._in_request = False
        self._timer: asyncio.TimerHandle | None = None
        self._buffer: Final = bytearray(READ_BYTES)
        self._room: int | None = None  # bytes that a body without a length may still bring

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        assert isinstance(transport, asyncio.Transport), "a listener has stream transports"
        peer = transport.get_extra_info("peername")
        self._address = peer[0] if isinstance(peer, tuple) else "local"
        self._transport = transport
        broken = self._gate.admit(self._address)
        if broken is not None:
            self._gate.refused(broken)
            transport.write(_BUSY)
            transport.close()
            return
        self._admitted = True
        self._gate.open[self._address] += 1
        self._gate.guards[self._inside] = self
        self._inside.connection_made(transport)
        self._arm()

    def get_buffer(self, sizehint: int) -> bytearray:
        """See asyncio.BufferedProtocol."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """See asyncio.BufferedProtocol."""
        if not self._admitted:
            return
        if self._room is not None:
            self._room -= nbytes
            if self._room < 0:
                self._cut("chunk_overhead")
                return
        if not self._in_request:
            self._arm()
        self._inside.data_received(bytes(memoryview(self._buffer)[:nbytes]))

    def headers_done(self, octets_max: int | None) -> None:
        """The request's headers are complete; its body has the request's own deadline, and its bytes on the wire the
        limit `octets_max` (None: its length is known and checked)."""
        self._in_request = True
        self._room = octets_max
        self._disarm()

    def request_done(self, complete: bool) -> None:
        """The answer is ready; the connection may stay open without a request if its body was read to the end."""
        self._in_request = False
        if complete:
            self._room = None

    def eof_received(self) -> bool | None:
        """See asyncio.Protocol."""
        return self._inside.eof_received() if self._admitted else None

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        if self._admitted:
            self._inside.pause_writing()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        if self._admitted:
            self._inside.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._disarm()
        if self._admitted:
            self._gate.open[self._address] -= 1
            if not self._gate.open[self._address]:
                del self._gate.open[self._address]
            self._gate.guards.pop(self._inside, None)
            self._inside.connection_lost(error)

    def _arm(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._gate.limits.header_deadline_s, self._expire)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self._cut("header_deadline")

    def _cut(self, limit: str) -> None:
        self._gate.refused(limit)
        assert self._transport is not None, "only an open connection reads or waits"
        self._transport.abort()
