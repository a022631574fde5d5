"""A client that keeps no rule: it sends any bytes from any loopback address and reads whatever comes back."""

import json
import select
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from chainnode.devnet_layout import NodePlace
from primitives.codes import Code, code_text
from tests.integration.local_network import Network

HOST = "127.0.0.1"
HEALTH_SECONDS_MAX = 0.25
ATTEMPTS = 20  # the machine of a test run is busy; a node that is held up fails all of them


class Heard(NamedTuple):
    """`status` 0: closed without an answer."""

    status: int
    headers: bytes
    body: bytes

    @property
    def problem(self) -> Any:
        """The problem document; fails unless the answer is one with a published code."""
        assert b"application/problem+json" in self.headers, (self.headers, self.body[:200])
        found = json.loads(self.body)
        assert found["code"].startswith("HN-") and len(found["code"]) == 7 and found["fix"], found
        return found


def connect(port: int, address: str = HOST, seconds: float = 20) -> socket.socket:
    """A connection from one of the loopback addresses 127.x.y.z."""
    return socket.create_connection((HOST, port), timeout=seconds, source_address=(address, 0))


def talk(port: int, pieces: Iterable[bytes], seconds: float = 20, address: str = HOST) -> bytes:
    """Send the pieces while listening; everything that was heard until the other side closed."""
    heard, queue, pending = bytearray(), iter(pieces), b""
    deadline = time.monotonic() + seconds
    with connect(port, address, seconds) as client:
        client.setblocking(False)
        sending = True
        while True:
            left = deadline - time.monotonic()
            assert left > 0, f"not closed after {seconds} s; heard {bytes(heard[:300])!r}"
            readable, writable, _ = select.select([client], [client] if sending else [], [], left)
            try:
                if readable:
                    part = client.recv(65536)
                    if not part:
                        return bytes(heard)
                    heard += part
                if writable:
                    pending = pending or next(queue, b"")
                    sending = bool(pending)
                    pending = pending[client.send(pending) :] if pending else b""
            except ConnectionError:
                return bytes(heard)


def read_answer(raw: bytes) -> Heard:
    """The first answer in the bytes."""
    head, _, body = raw.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1]) if head.startswith(b"HTTP/1.") else 0
    return Heard(status, head, body)


def ask(place: NodePlace | int, method: str, path: str, *headers: str, body: bytes = b"") -> Heard:
    """One request on one connection; a bare number is a port."""
    port = place if isinstance(place, int) else place.http_port
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}", "Connection: close", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return read_answer(talk(port, ["\r\n".join([*lines, "", ""]).encode("latin-1") + body]))


def post(place: NodePlace, body: bytes, media_type: str = "application/json", query: str = "") -> Heard:
    """A transaction, or what poses as one."""
    return ask(place, "POST", f"/v1/transactions{query}", f"Content-Type: {media_type}", body=body)


def check(heard: Heard, status: int | tuple[int, ...], code: Code | tuple[Code, ...]) -> None:
    """The answer is a problem document with one of these statuses and codes."""
    statuses, codes = (status,) if isinstance(status, int) else status, (code,) if isinstance(code, Code) else code
    found = heard.problem
    assert heard.status in statuses, (heard.status, found)
    assert found["code"] in {code_text(one) for one in codes}, found
    assert found["status"] == heard.status


def health_seconds(place: NodePlace, address: str = HOST) -> float:
    """How long /health takes at its quickest of a few attempts; fails unless it answers 200."""
    quickest = 60.0
    raw = f"GET /health HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()
    for _ in range(ATTEMPTS):
        started = time.monotonic()
        heard = read_answer(talk(place.http_port, [raw], address=address))
        assert heard.status == 200, heard
        quickest = min(quickest, time.monotonic() - started)
        if quickest < HEALTH_SECONDS_MAX:
            break
    return quickest


@contextmanager
def unharmed(network: Network) -> Iterator[None]:
    """What happens inside changes no state, ends no process and leaves every node quick."""
    before = [(place, network.devnet.process(place)) for place in network.places]
    assert all(pid is not None for _, pid in before)
    _, root = network.wait_equal()
    yield
    assert [(place, network.devnet.process(place)) for place in network.places] == before, "a node died"
    assert all(health_seconds(place) < HEALTH_SECONDS_MAX for place in network.places)
    assert network.wait_equal()[1] == root, "the state changed"


def resident_mib(pid: int | None) -> int:
    """Memory of a process that is in RAM."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) // 1024
