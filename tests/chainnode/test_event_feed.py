"""The event feed: a cursor into the committed log, resumable anywhere, and nobody waits for a slow reader."""

import asyncio
import json
import socket
from dataclasses import replace
from typing import Any

import pytest

from chainnode.event_feed import Cursor, EventsQuery, read_cursor, start_of, stream_events
from chainnode.http_server import HttpServer, HttpSettings
from chainnode.metrics import Metrics
from chainnode.problem import Refused
from primitives.transaction import decode_transaction
from tests.chainnode.solo import Town
from tests.points.market import ADDRESS


def parse(chunk: bytes) -> list[tuple[str, str, Any]]:
    """(event, id, data) of each message."""
    found = []
    for message in chunk.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in message.splitlines() if line)
        if "event" in fields:
            found.append((fields["event"], fields["id"], json.loads(fields["data"])))
    return found


async def first(town: Town, start: Cursor, count: int, account: bytes | None = None) -> list[tuple[str, str, Any]]:
    found: list[tuple[str, str, Any]] = []
    stream = stream_events(town.node, start, None if account is None else frozenset((account,)))
    async with asyncio.timeout(5):
        async for chunk in stream:
            found += parse(chunk)
            if len(found) >= count:
                break
    await stream.aclose()  # type: ignore[attr-defined]  # an async generator
    return found


def test_every_receipt_and_block_in_order_from_any_cursor() -> None:
    town = Town()
    town.run(town.issue("o1"))
    town.node.flush()
    town.run(town.redeem("b1", 100))
    whole = asyncio.run(first(town, Cursor(0, 0), 6))
    assert [(kind, at) for kind, at, _ in whole] == [
        ("block", "0.0"), ("receipt", "1.0"), ("block", "1.1"), ("block", "2.0"), ("receipt", "3.0"), ("block", "3.1"),
    ]  # fmt: skip
    assert whole[1][2]["events"][0]["kind"] == "Issued"
    for position, (_, at, _) in enumerate(whole[:-1]):
        after = start_of(town.node.chain, EventsQuery(), at)
        assert asyncio.run(first(town, after, len(whole) - position - 1)) == whole[position + 1 :]


def test_only_what_names_an_account() -> None:
    town = Town()
    town.run(town.issue("o1"))
    town.run(town.issue("o2", to="v"))
    found = asyncio.run(first(town, Cursor(1, 0), 3, ADDRESS["v"]))
    assert [(kind, at) for kind, at, _ in found] == [("block", "1.1"), ("receipt", "2.0"), ("block", "2.1")]


def test_news_arrive_as_they_are_committed() -> None:
    town = Town()

    async def scenario() -> None:
        start = start_of(town.node.chain, EventsQuery(), "")
        reading = asyncio.create_task(first(town, start, 4))
        await asyncio.sleep(0)
        town.run(town.issue("o1"))
        town.run(town.issue("o2"))
        assert [at for _, at, _ in await reading] == ["1.0", "1.1", "2.0", "2.1"]
        assert not town.node.commits._sleepers

    asyncio.run(scenario())


@pytest.mark.parametrize("text", ["", "1", "1.", ".1", "-1.0", "1.0.0", "a.b", "١.٠", "1" * 30 + ".0"])
def test_cursors_off_the_form_are_refused(text: str) -> None:
    with pytest.raises(Refused):
        read_cursor(text)


def test_a_reader_over_http_resumes_by_its_last_event_id() -> None:
    async def scenario() -> None:
        town = Town()
        town.run(town.issue("o1"))
        town.run(town.issue("o2"))
        server = HttpServer(town.node, Metrics(), HttpSettings())
        port = await server.start("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 1.1\r\n\r\n")
        async with asyncio.timeout(5):
            raw = await reader.readuntil(b"id: 2.1\n")
        assert b"text/event-stream" in raw and b"id: 2.0\n" in raw and b"id: 1.1\n" not in raw
        await server.stop()
        writer.close()

    asyncio.run(scenario())


def test_a_reader_that_takes_nothing_is_closed_and_costs_nobody_else() -> None:
    town = Town()
    for block in range(40):  # about 1 MB of messages: more than the buffers on the way hold
        town.node.commit([decode_transaction(town.issue(f"o{block}.{n}", units=1)) for n in range(40)])

    async def scenario() -> None:
        metrics = Metrics()
        server = HttpServer(town.node, metrics, replace(HttpSettings(), slow_reader_s=0.05))
        port = await server.start("127.0.0.1", 0)
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.setblocking(False)
        await asyncio.get_running_loop().sock_connect(slow, ("127.0.0.1", port))
        slow.send(b"GET /v1/events?from=0.0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(20):
            while b'limit="slow_reader"} 1.0' not in metrics.text():
                assert len(await first(town, Cursor(0, 0), 100)) >= 100
        slow.close()
        await server.stop()

    asyncio.run(scenario())
