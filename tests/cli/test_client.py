"""The client's honesty: what it says about a transaction is what it knows, whatever the nodes do."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest

from cli.client import Client, Signed
from cli.verdicts import Refusal, Verdict
from primitives.codes import Code

ID = "ab" * 32
SIGNED = Signed(b"bytes", ID, 2_000_000_000)
RECEIPT = {"tx": ID, "height": 3, "index": 0, "code": "OK", "number": 0}
REJECTED = {"tx": ID, "height": 3, "index": 0, "code": "INSUFFICIENT", "number": 3003, "detail": ""}
UNREACHABLE = "http://127.0.0.1:1"
Reply = tuple[int, Any] | None  # None: hang up without an answer


@contextmanager
def node(*replies: Reply, lookup: Any = None) -> Iterator[tuple[str, list[str]]]:
    """A node that answers POSTs from a list, the last one for ever, and GETs with `lookup`; and what it was asked."""
    asked: list[str] = []
    line = list(replies)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(f"POST {self.path.partition('?')[0]}")
            self.reply(line.pop(0) if len(line) > 1 else line[0])

        def do_GET(self) -> None:
            asked.append("GET")
            self.reply((200, lookup) if lookup is not None else (404, {"code": "HN-9008"}))

        def reply(self, answer: Reply) -> None:
            if answer is None:
                self.close_connection = True
                return
            raw = msgspec.json.encode(answer[1])
            self.send_response(answer[0])
            self.send_header("Content-Length", str(len(raw)))
            self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def refusal_of(act: Callable[[], object]) -> Refusal:
    with pytest.raises(Refusal) as caught:
        act()
    return caught.value


def test_no_node_means_nothing_sent() -> None:
    refusal = refusal_of(lambda: Client([UNREACHABLE, UNREACHABLE]).submit(SIGNED, True, 5))
    assert refusal.verdict is Verdict.UNREACHABLE


def test_the_next_node_takes_over() -> None:
    with node((200, RECEIPT)) as (url, _):
        fate = Client([UNREACHABLE, url]).submit(SIGNED, True, 5)
    assert (fate.status, fate.receipt) == ("committed", RECEIPT)


def test_a_rejected_receipt_is_a_definite_no() -> None:
    with node((409, {"code": "HN-3003", "name": "INSUFFICIENT", "receipt": REJECTED})) as (url, _):
        fate = Client([url]).submit(SIGNED, True, 5)
    assert (fate.status, fate.receipt) == ("rejected", REJECTED)


def test_refused_at_the_door_is_a_definite_no() -> None:
    with node((409, {"code": "HN-2001", "name": "ACCOUNT_UNKNOWN", "phase": "admission", "receipt": None})) as (url, _):
        fate = Client([url]).submit(SIGNED, True, 5)
    assert fate.status == "rejected" and fate.receipt is None


def test_after_a_broken_connection_a_refusal_at_the_door_proves_nothing() -> None:
    """The first copy may be under way; only the outcome under the id counts."""
    door = (409, {"code": "HN-3003", "name": "INSUFFICIENT", "phase": "admission", "receipt": None})
    known = {"id": ID, "status": "committed", "receipt": RECEIPT}
    with node(None, door, lookup=known) as (url, asked):
        fate = Client([url]).submit(SIGNED, True, 5)
    assert fate.status == "committed" and asked.count("GET") == 1


def test_broken_connections_only_leave_the_outcome_unknown() -> None:
    with node(None) as (url, asked):
        refusal = refusal_of(lambda: Client([url]).submit(SIGNED, True, 0.5))
    assert refusal.verdict is Verdict.UNKNOWN and refusal.more["tx"] == ID
    assert len(asked) > 1, "the same bytes are sent again: that is safe"


def test_admitted_but_undecided_is_unknown_at_the_deadline() -> None:
    pending = {"id": ID, "status": "pending", "receipt": None}
    with node((504, {"name": "OUTCOME_UNKNOWN"}), lookup=pending) as (url, _):
        refusal = refusal_of(lambda: Client([url]).submit(SIGNED, True, 0.5))
    assert (refusal.verdict, refusal.code) == (Verdict.UNKNOWN, Code.OUTCOME_UNKNOWN)


def test_expired_is_final() -> None:
    expired = {"id": ID, "status": "expired", "receipt": None}
    with node((202, {"id": ID, "status": "pending"}), lookup=expired) as (url, _):
        assert Client([url]).submit(SIGNED, True, 5).status == "expired"


def test_without_waiting_admitted_is_the_answer() -> None:
    with node((202, {"id": ID, "status": "pending"})) as (url, asked):
        assert Client([url]).submit(SIGNED, False, 5).status == "admitted"
    assert asked == ["POST /v1/transactions"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_node_is_asked_again(status: int) -> None:
    with node((status, {"name": "POOL_FULL"}), (200, RECEIPT)) as (url, _):
        assert Client([url]).submit(SIGNED, True, 5).status == "committed"


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "127.0.0.1:80", "http://", "https://127.0.0.1"])
def test_what_is_no_address_is_exit_2(url: str) -> None:
    assert refusal_of(lambda: Client([url]).get("/v1/status")).verdict is Verdict.USAGE


def test_reads_pass_over_a_broken_node() -> None:
    with node((200, {}), lookup={"height": 1}) as (url, _):
        assert Client([UNREACHABLE, url]).get("/v1/status") == {"height": 1}
