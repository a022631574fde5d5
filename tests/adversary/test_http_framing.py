"""All that a stranger may send in place of a request: a stable code, no state, the same process (R01)."""

from collections.abc import Iterator

import pytest

from primitives.codes import Code
from primitives.json_form import transaction_to_plain
from primitives.keys import address_of
from primitives.kinds import Transfer
from primitives.transaction import decode_transaction
from tests.adversary.sockets import HOST, ask, check, read_answer, talk
from tests.integration.local_network import PEOPLE_KEYS, Network

ALICE = address_of(PEOPLE_KEYS["alice"].public_key)
pytestmark = pytest.mark.usefixtures("no_trace")


def framed(*lines: str) -> bytes:
    head = ["POST /v1/transactions HTTP/1.1", f"Host: {HOST}", "Content-Type: application/json", *lines, "", ""]
    return "\r\n".join(head).encode("latin-1")


BROKEN: dict[str, tuple[bytes, int | tuple[int, ...]]] = {
    "length and chunks": (framed("Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n", 400),
    "two lengths": (framed("Content-Length: 2", "Content-Length: 3") + b"{}", 400),
    "one length twice": (framed("Content-Length: 2", "Content-Length: 2") + b"{}", 400),
    "a list of lengths": (framed("Content-Length: 2, 2") + b"{}", 400),
    "a signed length": (framed("Content-Length: +2") + b"{}", 400),
    "a negative length": (framed("Content-Length: -1"), 400),
    "a length in hex": (framed("Content-Length: 0x2") + b"{}", 400),
    "a length beyond 64 bits": (framed("Content-Length: 99999999999999999999"), (400, 413)),
    "chunked twice": (framed("Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n", 400),
    "chunked and then not": (framed("Transfer-Encoding: chunked, identity") + b"0\r\n\r\n", 400),
    "a negative chunk": (framed("Transfer-Encoding: chunked", "Connection: close") + b"-1\r\n\r\n", 400),
    "a huge chunk": (framed("Transfer-Encoding: chunked", "Connection: close") + b"f" * 40 + b"\r\n", 400),
    "bare line feeds": (b"GET /v1/status HTTP/1.1\nHost: 127.0.0.1\n\n", 400),
    "a blank before the colon": (b"GET /v1/status HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n", 400),
    "a folded header": (b"GET /v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\r\n b\r\n\r\n", 400),
    "a zero byte in a header": (b"GET /v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\0b\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "a header of 64 KiB": (b"GET /v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 65536 + b"\r\n\r\n", 400),
    "100,000 headers": (b"GET /v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"a:b\r\n" * 100_000 + b"\r\n", 400),
    "a path of 64 KiB": (b"GET /" + b"a" * 65536 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
    "compressed": (framed("Content-Encoding: gzip", "Content-Length: 5") + b"\x1f\x8b\0\0\0", 415),
    "another media type": (framed("Content-Length: 2").replace(b"json", b"xml") + b"{}", 415),
    "a foreign page": (framed("Origin: https://evil.example", "Content-Length: 2") + b"{}", 403),
    "a foreign name": (framed("Content-Length: 2").replace(b"127.0.0.1", b"evil.example") + b"{}", 421),
    "no host": (b"GET /v1/status HTTP/1.1\r\nConnection: close\r\n\r\n", (400, 421)),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_framing(network: Network, name: str) -> None:
    raw, status = BROKEN[name]
    closing = raw.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nConnection: close\r\n", 1)
    heard = read_answer(talk(network.places[0].http_port, [closing]))
    if heard.status == 0:  # more came than the node reads: it closed, and the system dropped its answer
        assert len(raw) > 60_000
        return
    check(heard, status, (Code.BAD_REQUEST, Code.TOO_LARGE))
    assert b"aiohttp" not in heard.headers + heard.body


ENDLESS: dict[str, tuple[bytes, bytes]] = {
    "chunks": (b"", b"10000\r\n" + bytes(65536) + b"\r\n"),
    "chunks of one byte": (b"", b"1\r\na\r\n" * 5_000),
    "a chunk extension": (b"1;", b"a" * 65536),
    "a trailer": (b"0\r\n", b"a: b\r\n" * 5_000),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_endless_bodies(network: Network, name: str) -> None:
    start, more = ENDLESS[name]

    def pieces() -> Iterator[bytes]:
        yield framed("Transfer-Encoding: chunked") + start
        while True:
            yield more

    heard = read_answer(talk(network.places[0].http_port, pieces(), 10))
    if heard.status:
        check(heard, (400, 413), (Code.DECODE, Code.BAD_REQUEST, Code.TOO_LARGE))


@pytest.mark.parametrize("path", [
    "/v1/headers?limit=1000000000", "/v1/headers?limit=0", "/v1/headers?limit=-1", "/v1/headers?limit=1e3",
    "/v1/headers?from=-1", "/v1/headers?from=18446744073709551616", "/v1/headers?limit=1&limit=2", "/v1/status?x=1",
    f"/v1/headers?limit={'9' * 5000}", "/v1/blocks/-1", "/v1/blocks/%00", "/v1/blocks/1e3", "/v1/blocks/٣",
    "/v1/transactions/xyz", "/v1/transactions/" + "AB" * 32, "/v1/accounts/hn1%00", "/v1/accounts/%ff%fe",
    "/v1/events?from=x", "/v1/events?from=1.-1", "/v1/events?account=me", "/v1/status?%ed%a0%80=1", "/v1/classes/%20",
    "/v1/transactions/" + "00" * 32 + "?timeout_ms=1000000000", "/v1/transactions/" + "00" * 32 + "?timeout_ms=-1",
    "/v1/windows/99999999999999999999", "/v1/obligations?window=-1",
])  # fmt: skip
def test_questions_that_are_refused(network: Network, path: str) -> None:
    raw = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()
    check(read_answer(talk(network.places[0].http_port, [raw])), 400, Code.BAD_REQUEST)


def test_pages_of_a_history_are_bounded(network: Network) -> None:
    for field in ("limit=1000000000", "limit=0", "limit=-1", "offset=-1", "cursor=-1", "cursor=1.x"):
        check(ask(network.places[0], "GET", f"/v1/accounts/{transaction_sender(network)}/history?{field}"), 400,
              Code.BAD_REQUEST)  # fmt: skip


def transaction_sender(network: Network) -> str:
    plain = transaction_to_plain(decode_transaction(network.sign("alice", Transfer("hotel", 1, ALICE))).transaction)
    return str(plain["sender"])


@pytest.mark.parametrize("path", [
    "/../../etc/passwd", "/web/../../etc/passwd", "/web/..%2f..%2fetc%2fpasswd", "/web/%2e%2e/api.py", "/web/%00",
    "/web//etc/passwd", "/web/..%5c..%5cx", "/v1/../admin/status", "/admin/status", "/admin/stop", "/v1", "//",
    "/v1//status",    "/v1/blocks/18446744073709551615", "/v1/transactions/" + "00" * 32 + "/proof?timeout_ms=1",
])  # fmt: skip
def test_paths_that_lead_nowhere(network: Network, path: str) -> None:
    heard = ask(network.places[0], "GET", path)
    check(heard, 404, Code.NOT_FOUND)
    assert b"root:" not in heard.body


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods(network: Network, method: str) -> None:
    check(ask(network.places[0], method, "/v1/status"), 405, Code.BAD_REQUEST)
