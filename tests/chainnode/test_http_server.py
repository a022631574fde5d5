"""The listener over real sockets: limits, deadlines, headers, streams. The deadlines are shortened, never slept out."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from chainnode.connections import ConnectionLimits
from chainnode.failures import PortTaken
from chainnode.http_server import BODY_BYTES_MAX, HttpServer, HttpSettings
from chainnode.metrics import Metrics
from tests.chainnode.solo import Town

HOST = "127.0.0.1"
DEFAULT = HttpSettings()
SECONDS = 5


@asynccontextmanager
async def served(settings: HttpSettings = DEFAULT) -> AsyncIterator[tuple[Town, int, Metrics]]:
    town = Town()
    metrics = Metrics()
    metrics.watch(town.node)
    server = HttpServer(town.node, metrics, settings)
    port = await server.start(HOST, 0)
    try:
        yield town, port, metrics
    finally:
        await server.stop()


async def send(port: int, raw: bytes) -> bytes:
    """Everything that the server says until it closes."""
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(raw)
    try:
        async with asyncio.timeout(SECONDS):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def head(raw: bytes) -> int:
    return int(raw.split(b" ", 2)[1]) if raw.startswith(b"HTTP/1.") else 0


def problem(raw: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(raw.partition(b"\r\n\r\n")[2])
    return found


def get(path: str, *headers: str, host: str = HOST) -> bytes:
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode()


def test_pages_and_answers_carry_their_headers() -> None:
    async def scenario() -> None:
        async with served() as (_, port, _metrics):
            page = await send(port, get("/", "Accept-Language: zh"))
            assert head(page) == 200 and "网络概览".encode() in page
            assert b"Content-Security-Policy: default-src 'none'" in page and b"nosniff" in page
            assert b"Access-Control-Allow-Origin" not in page
            status = await send(port, get("/v1/status"))
            assert head(status) == 200 and problem(status)["height"] == 0
            assert b"application/json" in status and b"no-store" in status
            metrics = await send(port, get("/metrics"))
            assert b'hn_http_connections{listener="public"} 1.0' in metrics
            assert b"hn_consensus_height 0.0" in metrics and b"hn_http_requests_total" in metrics
            for path in ("/docs", "/openapi.json", "/web/style.css", "/web/live.js", "/health", "/blocks/latest"):
                assert head(await send(port, get(path))) == 200, path

    asyncio.run(scenario())


def test_no_page_loads_anything_from_outside() -> None:
    async def scenario() -> None:
        async with served() as (town, port, _):
            identity = town.run(town.issue("o1")).hex()
            for path in ("/", "/docs", "/blocks/1", f"/transactions/{identity}", "/web/style.css", "/web/live.js"):
                text = (await send(port, get(path))).decode()
                assert "://" not in text.replace("http://www.w3.org/2000/svg", ""), path
                assert "<script>" not in text and " style=" not in text and " onclick" not in text, path

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("request_bytes", "status", "name"),
    [
        (get("/admin/status"), 404, "NOT_FOUND"),
        (get("/admin/stop"), 404, "NOT_FOUND"),
        (get("/nothing"), 404, "NOT_FOUND"),
        (get("/../../etc/passwd"), 404, "NOT_FOUND"),
        (get("/web/..%2Fpages.py"), 404, "NOT_FOUND"),
        (get("/v1/blocks/%00"), 400, "BAD_REQUEST"),
        (get("/v1/headers?limit=1000000000"), 400, "BAD_REQUEST"),
        (get("/v1/headers?limit=1&limit=2"), 400, "BAD_REQUEST"),
        (get("/v1/transactions"), 405, "BAD_REQUEST"),
        (get("/v1/status", host="evil.example"), 421, "BAD_REQUEST"),
        (get("/v1/status", host="127.0.0.1.evil.example:80"), 421, "BAD_REQUEST"),
        (get("/v1/events?from=x"), 400, "BAD_REQUEST"),
    ],
)
def test_refused_requests(request_bytes: bytes, status: int, name: str) -> None:
    async def scenario() -> None:
        async with served() as (_, port, _metrics):
            raw = await send(port, request_bytes)
            assert (head(raw), problem(raw)["name"]) == (status, name)
            assert b"application/problem+json" in raw

    asyncio.run(scenario())


def test_hosts_of_this_machine_are_served_with_any_port() -> None:
    async def scenario() -> None:
        async with served() as (_, port, _metrics):
            for host in ("127.0.0.1", f"localhost:{port}", "[::1]:80", "LOCALHOST"):
                assert head(await send(port, get("/health", host=host))) == 200, host

    asyncio.run(scenario())


def post(path: str, body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = [f"POST {path} HTTP/1.1", f"Host: {HOST}", "Connection: close", *headers]
    if length is not None or not any("chunked" in line for line in headers):
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (post("/v1/transactions", b"", "Content-Type: application/msgpack", length=BODY_BYTES_MAX + 1), 413),
        (post("/v1/transactions", b"%x\r\n" % (BODY_BYTES_MAX + 1) + bytes(BODY_BYTES_MAX + 1) + b"\r\n",
              "Content-Type: application/json", "Transfer-Encoding: chunked"), 413),  # it does not end
        (post("/v1/transactions", b"{}", "Content-Type: application/json", "Content-Encoding: gzip"), 415),
        (post("/v1/transactions", b"{}", "Content-Type: text/plain"), 415),
        (post("/v1/transactions", b"{}", "Content-Type: application/json", "Origin: https://evil.example"), 403),
        (post("/v1/transactions", b"{}", "Content-Type: application/json", "Origin: null"), 403),
        (post("/v1/transactions", b"{}", "Content-Type: application/json", "Origin: http://localhost:1"), 400),
        (post("/v1/transactions", b"{}", "Content-Length: 2", "Content-Type: application/json", length=3), 400),
        (post("/v1/transactions", b"0\r\n\r\n", "Content-Type: application/json", "Transfer-Encoding: chunked",
              length=3), 400),
        (b"GET /v1/status HTTP/1.1\nHost: 127.0.0.1\n\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), 400),
    ],
)  # fmt: skip
def test_hostile_bodies_and_framing(request_bytes: bytes, status: int) -> None:
    async def scenario() -> None:
        async with served() as (town, port, _metrics):
            answer = await send(port, request_bytes)
            assert head(answer) == status and problem(answer)["code"].startswith("HN-")
            assert b"aiohttp" not in answer
            assert head(await send(port, get("/health"))) == 200
            assert town.node.engine.height == 0

    asyncio.run(scenario())


def quick(**fields: Any) -> HttpSettings:
    return replace(HttpSettings(), connections=ConnectionLimits(**fields))


@pytest.mark.parametrize("raw", [b"", b"GET /v1/status HT", b"GET /v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "])
def test_headers_that_do_not_end_are_cut(raw: bytes) -> None:
    async def scenario() -> None:
        async with served(quick(header_deadline_s=0.05)) as (_, port, metrics):
            assert await send(port, raw) == b""
            assert b'hn_http_refused_total{limit="header_deadline"} 1.0' in metrics.text()

    asyncio.run(scenario())


def test_a_second_request_with_slow_headers_is_cut_too() -> None:
    async def scenario() -> None:
        async with served(quick(header_deadline_s=0.05)) as (_, port, _metrics):
            whole = f"GET /health HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(whole)
            assert head(await reader.readuntil(b"}")) == 200
            writer.write(b"GET /hea")
            async with asyncio.timeout(5):
                assert await reader.read() == b""
            writer.close()

    asyncio.run(scenario())


def test_a_body_that_does_not_end_is_cut() -> None:
    async def scenario() -> None:
        async with served(replace(HttpSettings(), request_deadline_s=0.05)) as (_, port, _metrics):
            raw = post("/v1/transactions", b"ab", "Content-Type: application/msgpack", length=100)
            answer = await send(port, raw)
            assert head(answer) == 408 and problem(answer)["phase"] == "limits"

    asyncio.run(scenario())


@pytest.mark.parametrize("more", [
    b"0\r\n" + b"a: b\r\n" * 200, b"0\r\n" + b"a: b\r\n" * 5_000, b"-1\r\n", b"0\r\na : b\r\n\r\n",
])  # fmt: skip
def test_a_body_that_turns_out_broken_fails_at_once(more: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """The parser refuses it in a later piece than the headers, when the request already waits for the body; that is no
    fault of the node, and its log has nothing of it."""

    async def scenario() -> None:
        async with served() as (_, port, _metrics):
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(post("/v1/transactions", b"", "Content-Type: application/json", "Transfer-Encoding: chunked"))
            assert head(await send(port, get("/health"))) == 200  # the headers were read before this
            writer.write(more)
            try:
                async with asyncio.timeout(SECONDS):
                    answer = await reader.readuntil(b"}")
            finally:
                writer.close()
            assert head(answer) == 400 and b'"code":"HN-9007"' in answer, answer
            assert head(await send(port, get("/health"))) == 200
        assert not caplog.records

    asyncio.run(scenario())


def test_connections_are_limited_in_all_and_per_address() -> None:
    async def scenario() -> None:
        for limits, name in ((quick(total=2), "connections"), (quick(per_address=2), "connections_per_address")):
            async with served(limits) as (_, port, metrics):
                held = [await asyncio.open_connection(HOST, port) for _ in range(2)]
                for _, writer in held:  # the connection counts once the server has accepted it
                    writer.write(f"GET /health HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
                for reader, _ in held:
                    await reader.readuntil(b"}")
                refused = await send(port, get("/health"))
                assert head(refused) == 503 and problem(refused)["code"] == "HN-1011"
                assert f'limit="{name}"'.encode() in metrics.text()
                for _, writer in held:
                    writer.close()
                    await writer.wait_closed()
                answers = [head(await send(port, get("/health"))) for _ in range(20)]
                assert answers[-1] == 200, "closed connections are counted no more"

    asyncio.run(scenario())


def test_the_rate_limit_answers_429_with_retry_after() -> None:
    async def scenario() -> None:
        async with served(replace(HttpSettings(), rate_per_address=1)) as (_, port, _metrics):
            answers = [await send(port, get("/health")) for _ in range(4)]
            assert head(answers[0]) == 200
            limited = next(raw for raw in answers if head(raw) == 429)
            assert b"Retry-After: " in limited and problem(limited)["name"] == "RATE_LIMITED"

    asyncio.run(scenario())


def test_a_taken_port_is_named() -> None:
    async def scenario() -> None:
        async with served() as (town, port, metrics):
            with pytest.raises(PortTaken, match=str(port)):
                await HttpServer(town.node, metrics, HttpSettings()).start(HOST, port)

    asyncio.run(scenario())


def test_stop_lets_a_running_request_finish() -> None:
    async def scenario() -> None:
        town, metrics = Town(), Metrics()
        town.node.paused = True
        server = HttpServer(town.node, metrics, HttpSettings())
        port = await server.start(HOST, 0)
        raw = post("/v1/transactions", town.issue("o1"), "Content-Type: application/msgpack")
        waiting = asyncio.create_task(send(port, raw))
        await town.node.pooled.wait()
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0)
        town.node.commit_pool()
        answer = await waiting
        await stopping
        assert head(answer) == 200 and problem(answer)["code"] == "OK"

    asyncio.run(scenario())


def test_a_client_library_posts_and_reads() -> None:
    async def scenario() -> None:
        async with served() as (town, port, _metrics), aiohttp.ClientSession(f"http://{HOST}:{port}") as session:
            headers = {"Content-Type": "application/msgpack", "Accept-Language": "zh-CN"}
            async with session.post("/v1/transactions", data=town.issue("o1"), headers=headers) as answer:
                assert answer.status == 200 and (await answer.json())["code"] == "OK"
            async with session.post("/v1/transactions", data=town.issue("o2", 10**9), headers=headers) as answer:
                assert answer.status == 409 and answer.content_type == "application/problem+json"
                assert "准备金" in (await answer.json())["title"]
            async with session.head("/v1/status") as answer:
                assert answer.status == 200 and await answer.read() == b""

    asyncio.run(scenario())
