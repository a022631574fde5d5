"""Floods of what costs most: others' payments commit meanwhile, and the node's memory stays bounded (T9, T36)."""

import http.client
import secrets
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
import pytest

from chainnode.devnet_layout import NodePlace
from chainnode.ingress_frames import Submit, encode_ingress
from primitives.codec import encode
from primitives.codes import Code
from primitives.keys import address_of
from primitives.kinds import BatchOperations, PaymentRequest, Redeem
from primitives.transaction import KeySignature, Transaction, decode_transaction, request_digest
from tests.adversary.sockets import HEALTH_SECONDS_MAX, HOST, connect, health_seconds, resident_mib
from tests.integration.local_network import BULK, PEOPLE_KEYS, Network

FLOOD_SECONDS = 5.0
MEMORY_MIB_MAX = 64
Flood = Callable[[threading.Event], None]


def forged(network: Network) -> bytes:
    """Alice's, well-formed, of one curve operation."""
    raw = bytearray(network.sign("alice", BatchOperations((redeem(network, True),))))
    raw[-1] ^= 1
    return bytes(raw)


def redeem(network: Network, genuine: bool) -> Redeem:
    """Of a museum's request, signed by it or not."""
    key = PEOPLE_KEYS["museum"]
    fields = (address_of(key.public_key), secrets.token_hex(4), 1, int(time.time()) + 200, key.public_key)
    signature = key.sign(request_digest(network.chain_id, PaymentRequest(*fields, bytes(64))))
    return Redeem(PaymentRequest(*fields, signature if genuine else bytes(64)), 1)


def heavy(network: Network) -> bytes:
    """Some 60 KiB whose 250th inner signature is the first wrong one: all others must be verified before it shows."""
    operations = [redeem(network, True)] * 249 + [redeem(network, False)]
    return network.sign("alice", BatchOperations(tuple(operations)))


def posting(port: int, body: bytes) -> Flood:
    def flood(stop: threading.Event) -> None:
        connection = http.client.HTTPConnection(HOST, port, timeout=30, source_address=("127.0.0.50", 0))
        while not stop.is_set():
            try:
                connection.request("POST", "/v1/transactions?wait=admitted", body, {"Content-Type": BULK})
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                connection.close()
        connection.close()

    return flood


def pouring(port: int, frame: bytes, reads: bool) -> Flood:
    """As fast as the socket takes it; answers are read or not."""

    def pour(client: socket.socket, stop: threading.Event) -> None:
        client.setblocking(False)
        rest = memoryview(frame)
        while not stop.is_set():
            readable, writable, _ = select.select([client] if reads else [], [client], [], 0.2)
            if readable and not client.recv(65536):
                return
            if writable:
                rest = rest[client.send(rest) :] or memoryview(frame)

    def flood(stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                with connect(port, "127.0.0.51") as client:
                    pour(client, stop)
            except OSError:
                stop.wait(0.05)

    return flood


@contextmanager
def under(floods: list[Flood]) -> Iterator[None]:
    stop = threading.Event()
    threads = [threading.Thread(target=flood, args=(stop,), daemon=True) for flood in floods]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive(), "a flood does not end"


FLOODS: dict[str, Callable[[Network, int], list[Flood]]] = {
    "bulks of forged signatures": lambda network, n: [
        posting(network.places[n].http_port, msgspec.msgpack.encode([forged(network)] * 600))],
    "bulks of forged signatures on 24 connections": lambda network, n: [
        posting(network.places[n].http_port, msgspec.msgpack.encode([forged(network)] * 700))] * 24,
    "forged signatures on the ingress": lambda network, n: [
        pouring(network.places[n].ingress_port, encode_ingress(Submit(0, (forged(network),) * 500)), True)],
    "heavy transactions on many connections": lambda network, n: [
        pouring(network.places[n].ingress_port, encode_ingress(Submit(0, (heavy(network),) * 15)), False)] * 2,
    "the smallest frames": lambda network, n: [
        pouring(network.places[n].ingress_port, encode_ingress(Submit(0, (b"",))) * 5_000, True)],
    "the smallest chunks": lambda network, n: [
        pouring(network.places[n].http_port,
                f"POST /v1/transactions HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
                "Transfer-Encoding: chunked\r\n\r\n".encode() + b"1\r\n[\r\n" * 40_000, False)],
}  # fmt: skip


@pytest.mark.pitfall(69)
@pytest.mark.parametrize("name", FLOODS)
def test_others_pay_while_one_floods(network: Network, name: str) -> None:
    number = list(FLOODS).index(name) % 4
    node, pid = network.places[number], network.devnet.process(network.places[number])
    floods = FLOODS[name](network, number)
    before = peak = resident_mib(pid)
    paid = 0
    with under(floods):
        ends = time.monotonic() + FLOOD_SECONDS
        while time.monotonic() < ends or paid < 3:
            raw = network.issue(f"paid-{number}-{paid}-{secrets.token_hex(4)}")
            line = network.submit(node, [raw])[0]  # within 20 s; an idle node takes 30 ms
            assert line["status"] == "committed", line
            paid += 1
            assert health_seconds(node) < HEALTH_SECONDS_MAX
            peak = max(peak, resident_mib(pid))
    ask_ingress(node, (b"",), (Code.DECODE,))
    assert peak - before < MEMORY_MIB_MAX, f"{before} MiB grew to {peak} MiB"
    assert network.devnet.process(node) == pid, "the node died"
    assert health_seconds(node) < HEALTH_SECONDS_MAX
    network.wait_equal()


def test_the_floods_are_what_they_claim(network: Network) -> None:
    """Well-formed, small enough to be taken, and refused only at the price that they are meant to have."""
    one, many = decode_transaction(forged(network)), heavy(network)
    assert len(many) < 64 * 1024 and decode_transaction(many)
    pair = one.transaction.signatures[0]
    assert encode(Transaction(one.transaction.envelope, (KeySignature(pair.key, pair.sig),))) == one.raw
    ask_ingress(network.places[0], (one.raw, many, b""), (Code.BAD_SIGNATURE, Code.BAD_SIGNATURE, Code.DECODE))


def ask_ingress(place: NodePlace, raws: tuple[bytes, ...], codes: tuple[Code, ...]) -> None:
    """A bulk that comes behind a flood is answered as soon as there is a place: a client that left with unread bytes
    keeps its own until its bulk's turn, at most 64 of them."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with connect(place.ingress_port) as client:
                client.sendall(encode_ingress(Submit(7, raws)))
                header = client.recv(5, socket.MSG_WAITALL)
                if header:
                    answer = client.recv(struct.unpack(">I", header[:4])[0], socket.MSG_WAITALL)
                    break
        except ConnectionError:
            pass
        assert time.monotonic() < deadline, "no place after a minute"
    assert msgspec.msgpack.decode(answer) == [7, [int(code) for code in codes], 0]
