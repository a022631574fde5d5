"""Clients that connect and then do little or nothing: closed in their deadline, and nobody else waits (T20, W01)."""

import json
import selectors
import socket
import time
from collections.abc import Iterator

import msgspec
import pytest

from chainnode.wire import encode_frame
from tests.adversary.sockets import HEALTH_SECONDS_MAX, HOST, connect, health_seconds, resident_mib, unharmed
from tests.integration.local_network import Network

CLOSED_SECONDS = 13.0  # the deadline for headers and for a first frame is 10 s; the rest is for a busy machine
PEERS_CLOSED_SECONDS = 8.0  # and 5 s for TLS and the greeting


class Crowd:
    """Silent connections; which of them are still open."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.opened = time.monotonic()  # the last of them
        self.closed: dict[str, list[float]] = {}

    def add(self, kind: str, count: int, port: int, first: bytes = b"") -> None:
        """`count` connections from eight addresses, so that no other client shares one."""
        self.closed[kind] = []
        for number in range(count):
            client = connect(port, f"127.0.0.{10 + number % 8}")
            if first:
                client.sendall(first)
            client.setblocking(False)
            self.opened = time.monotonic()
            self.selector.register(client, selectors.EVENT_READ, (kind, self.opened))

    def wait(self, seconds: float) -> None:
        """Note who is closed within that time."""
        for key, _ in self.selector.select(seconds):
            client = key.fileobj
            assert isinstance(client, socket.socket)
            try:
                heard = client.recv(4096)
            except ConnectionError:
                heard = b""
            if not heard:
                kind, opened = key.data
                self.closed[kind].append(time.monotonic() - opened)
                self.selector.unregister(client)
                client.close()

    def close(self) -> None:
        for key in list(self.selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self.selector.close()


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    made = Crowd()
    yield made
    made.close()


def test_silent_and_half_spoken_connections_are_closed_and_cost_nobody_else(network: Network, crowd: Crowd) -> None:
    """The slow test of this folder: it waits for the real deadline of ten seconds, once for all doors."""
    node = network.places[0]
    begun = f"POST /v1/transactions HTTP/1.1\r\nHost: {HOST}\r\nContent-".encode()
    with unharmed(network):
        crowd.add("http silent", 200, node.http_port)
        crowd.add("http header", 50, node.http_port, begun)
        crowd.add("peer silent", 100, node.peer_port)
        crowd.add("peer begun", 50, node.peer_port, b"\x16\x03\x01\x02\x00\x01")
        crowd.add("admin silent", 60, node.admin_port)
        crowd.add("ingress silent", 40, node.ingress_port)
        crowd.add("ingress begun", 20, node.ingress_port, encode_frame(1, bytes(100))[:50])
        expected = {"http silent": 200, "http header": 50, "peer silent": 100, "peer begun": 50, "admin silent": 60,
                    "ingress silent": 40, "ingress begun": 20}  # fmt: skip
        served = 0
        while crowd.selector.get_map() and time.monotonic() < crowd.opened + CLOSED_SECONDS:
            crowd.wait(0.5)
            assert health_seconds(node) < HEALTH_SECONDS_MAX
            if served < 3:
                line = network.submit(node, [network.issue(f"slow-{served}", 0)])[0]
                assert line["code"] == "BAD_AMOUNT" and line["height"], line
                served += 1
    assert {kind: len(times) for kind, times in crowd.closed.items()} == expected
    for kind, times in crowd.closed.items():
        assert max(times) < (PEERS_CLOSED_SECONDS if "peer" in kind else CLOSED_SECONDS), (kind, max(times))
    assert served == 3


def test_a_reader_that_does_not_read_is_given_up(network: Network) -> None:
    """Requests in one go and no answer taken: the node stops reading them, and keeps little of it."""
    node = network.places[1]
    pid = network.devnet.process(node)
    before = resident_mib(pid)
    with unharmed(network), connect(node.http_port, "127.0.0.30") as client:
        client.settimeout(0.5)
        request = f"GET /openapi.json HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode() * 100
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 64 * 1024 * 1024:
                client.sendall(request)
                sent += len(request)
        assert health_seconds(node) < HEALTH_SECONDS_MAX
        assert resident_mib(pid) - before < 32, "the node keeps what nobody reads"


def test_connections_beyond_the_limit_are_told_so(network: Network) -> None:
    """64 per address; another address is served, and the places come back."""
    node = network.places[2]
    held = [connect(node.http_port, "127.0.0.40") for _ in range(64)]
    try:
        with connect(node.http_port, "127.0.0.40") as one_more:
            raw = one_more.recv(4096)
        assert raw.startswith(b"HTTP/1.1 503 ") and json.loads(raw.partition(b"\r\n\r\n")[2])["code"] == "HN-1011"
        assert health_seconds(node, "127.0.0.41") < HEALTH_SECONDS_MAX
    finally:
        for client in held:
            client.close()
    assert health_seconds(node) < HEALTH_SECONDS_MAX


def test_the_ingress_closes_what_is_no_frame(network: Network) -> None:
    node = network.places[3]
    whole = msgspec.msgpack.encode([0, [b"junk"]])
    broken = (
        bytes(5), b"\xff\xff\xff\xff\x01", (1024 * 1024 + 1).to_bytes(4, "big") + b"\x01", b"\0\0\0\1\x09x",
        encode_frame(2, whole), encode_frame(1, b"\xc1"), encode_frame(1, whole + b"\0"), encode_frame(1, b"\x91\x00"),
        encode_frame(1, msgspec.msgpack.encode([0, []])), encode_frame(1, msgspec.msgpack.encode([0, [b""] * 513])),
        encode_frame(1, b"\x92\xcd\x00\x00\x91\xc4\x01x"), b"GET / HTTP/1.1\r\n\r\n",
    )  # fmt: skip
    with unharmed(network):
        for raw in broken:
            with connect(node.ingress_port) as client:
                client.sendall(raw)
                assert client.recv(4096) == b"", raw[:20]
        with connect(node.ingress_port) as client:
            client.sendall(encode_frame(1, whole))
            answer = encode_frame(2, msgspec.msgpack.encode([0, [1001], 0]))
            assert client.recv(4096) == answer, "junk is answered DECODE"
