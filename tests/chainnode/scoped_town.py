"""A node whose reads are scoped, behind a real listener, and asking it as this or that account."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from chainnode.api import ROUTES
from chainnode.calls import Route
from chainnode.http_server import HttpServer, HttpSettings
from chainnode.metrics import Metrics
from primitives.read_ticket import sign_ticket, ticket_text
from tests.chainnode.solo import Town, make_genesis
from tests.points.market import address, key_of

HOST = "127.0.0.1"


def ticket(town: Town, name: str, seconds: int = 600, key: str = "", **other: Any) -> str:
    """The text of a ticket of this account, by its first key unless another is named."""
    chain = other.get("chain", town.chain_id)
    until = other.get("until", town.node.now_ms() // 1000 + seconds)
    return ticket_text(sign_ticket(chain, address(name), until, key_of(key or name)))


class Asker:
    """Asks one listener of a town: (path, whose ticket, *further header lines)."""

    def __init__(self, town: Town, port: int) -> None:
        self._town, self._port = town, port

    async def raw(self, path: str, who: str = "", *lines: str, body: bytes = b"") -> bytes:
        fields = [f"Authorization: Bearer {ticket(self._town, who)}"] if who else []
        fields += [] if not body else ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        return await exchange(self._port, "POST" if body else "GET", path, [*fields, *lines], body)

    async def __call__(
        self, path: str, who: str = "", *lines: str, body: dict[str, Any] | None = None
    ) -> tuple[int, Any]:
        """Status and JSON; None: no JSON."""
        answer = await self.raw(path, who, *lines, body=b"" if body is None else json.dumps(body).encode())
        head, _, rest = answer.partition(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), json.loads(rest) if rest[:1] in (b"{", b"[") else None


@asynccontextmanager
async def scoped(town: Town, on: bool = True, routes: tuple[Route, ...] = ROUTES) -> AsyncIterator[Asker]:
    server = HttpServer(town.node, Metrics(), HttpSettings(scoped=on), routes)
    try:
        yield Asker(town, await server.start(HOST, 0))
    finally:
        await server.stop()


async def exchange(port: int, method: str, path: str, lines: list[str], body: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(HOST, port)
    head = "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {HOST}", "Connection: close", *lines, "", ""])
    writer.write(head.encode("utf-8", "surrogateescape") + body)
    try:
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()


def lively() -> Town:
    """A town with a payment, a hold and a debt: u pays A's points at B; v has nothing to do with it."""
    town = Town(make_genesis())
    town.run(town.issue("i1"))
    town.run(town.redeem("b1", 3000))
    town.node.flush()
    town.node.flush()  # so that what was done can be proven
    return town
