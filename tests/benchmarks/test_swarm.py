"""Load from many machines: an even pace, what a node's answers count as, and figures that are put together."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import msgspec
import pytest
from hdrh.histogram import HdrHistogram

from benchmarks.latencies import histogram_of, percentiles
from benchmarks.network import demo_keys
from benchmarks.swarm import Pace, Sender, Tally
from benchmarks.workload import cast_of
from primitives.codes import Code
from primitives.hashing import Digest
from primitives.transaction import decode_transaction

SEED = bytes(range(32))
CAST = cast_of(Digest(bytes(32)), SEED, demo_keys(SEED), 8)


@contextmanager
def node(status: int, answer: object) -> Iterator[tuple[str, list[list[bytes]]]]:
    """A listener that gives one answer to everything; its URL and what it was sent."""
    seen: list[list[bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            seen.append(msgspec.msgpack.decode(self.rfile.read(int(self.headers["Content-Length"]))))
            body = msgspec.json.encode(answer)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def send(url: str, count: int) -> list[str]:
    sender = Sender(CAST, url, "mixed", 1)
    try:
        return sender.send(sender.write(count))
    finally:
        sender.close()


def test_the_pace_is_even_and_a_late_one_is_not_forgiven() -> None:
    pace = Pace(100.0, 0.5)
    assert pace.due == 100.0
    assert pace.wait(100.1) == pytest.approx(0.4) and pace.due == 100.5
    assert pace.wait(103.0) == 0.0 and pace.due == 101.0, "two seconds late: it counts from 101"
    assert [pace.wait(103.0) for _ in range(3)] == [0.0, 0.0, 0.0] and pace.due == 102.5


def test_every_answer_has_a_name() -> None:
    lines = [
        {"status": "committed", "number": 0}, {"status": "rejected", "number": int(Code.INSUFFICIENT)},
        {"status": "refused", "number": int(Code.POOL_FULL)}, {"status": "expired", "number": int(Code.EXPIRED_TX)},
        {"status": "pending", "number": None}, {"status": "rejected", "number": 4999},
    ]  # fmt: skip
    with node(200, lines) as (url, seen):
        outcomes = send(url, len(lines))
        assert outcomes == ["committed", "INSUFFICIENT", "POOL_FULL", "EXPIRED_TX", "unknown", "HN-4999"]
        assert len({decode_transaction(raw).id for raw in seen[0]}) == len(lines)
    with node(429, {"name": "POOL_FULL"}) as (url, _):
        assert send(url, 3) == ["POOL_FULL"] * 3
    with node(502, ["no problem document"]) as (url, _):
        assert send(url, 1) == ["HTTP 502"]
    assert send("http://127.0.0.1:9", 2) == ["unknown"] * 2


def test_two_users_never_sign_the_same() -> None:
    first, second = (Sender(CAST, "http://127.0.0.1:9", "hot-issuer", 1) for _ in range(2))
    ids = [decode_transaction(raw).id for sender in (first, second) for _ in range(3) for raw in sender.write(5)]
    assert len(set(ids)) == 30


def test_figures_of_parts_are_those_of_the_whole() -> None:
    dice = random.Random(3)
    ends = [(dice.random(), dice.choice(["committed", "committed", "POOL_FULL", "unknown"])) for _ in range(500)]
    together, parts = Tally(), [Tally() for _ in range(3)]
    for number, (seconds, outcome) in enumerate(ends):
        parts[number % 3].add(seconds, outcome)
        if number % 50 == 49:  # workers report every few seconds, and begin anew
            together.put(parts[number % 3].taken())
    for part in parts:
        together.put(msgspec.json.decode(msgspec.json.encode(part.taken())))
    found = together.result("mixed", 6, 5.0, 3, 10.0)
    committed = [seconds for seconds, outcome in ends if outcome == "committed"]
    assert sum(found.outcomes.values()) == 500 and found.outcomes["committed"] == len(committed)
    assert found.committed_per_s == len(committed) / 10
    assert found.latency["all"] == percentiles(histogram_of(seconds for seconds, _ in ends))
    assert found.latency["committed"] == percentiles(histogram_of(committed))
    assert HdrHistogram.decode(found.histograms["failed"]).get_total_count() == 500 - len(committed)
