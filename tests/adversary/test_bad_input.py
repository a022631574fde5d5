"""All that a stranger may send as a transaction: a stable code, no state, the same process (R01-R05)."""

import gzip
import json
import secrets
import struct
import time
from collections.abc import Callable
from typing import Any

import msgpack
import pytest

from chainnode.json_text import parse_json
from primitives.codec import encode
from primitives.codes import Code
from primitives.hashing import TAG_TRANSACTION, tagged_hash
from primitives.json_form import transaction_to_plain
from primitives.keys import SigningKey, address_of
from primitives.kinds import Issue, Transfer
from primitives.transaction import Envelope, KeySignature, Transaction, decode_transaction, sign_transaction
from tests.adversary.sockets import ask, check, post
from tests.integration.local_network import BULK, PEOPLE_KEYS, Network

MSGPACK = "application/msgpack"
LIMIT = 256 * 1024
ALICE = address_of(PEOPLE_KEYS["alice"].public_key)
HOTEL = PEOPLE_KEYS["hotel"]
pytestmark = pytest.mark.usefixtures("no_trace")


# ---- the JSON form


def json_text(network: Network) -> str:
    return json.dumps(transaction_to_plain(decode_transaction(network.issue(secrets.token_hex(8), 7)).transaction))


def changed(text: str, path: str, literal: str) -> bytes:
    """The text with the value at `path` (a name, or body.name) written literally so."""
    plain = json.loads(text)
    *above, name = path.split(".")
    place = plain
    for step in above:
        place = place[step]
    place[name] = "@@@"
    return json.dumps(plain).replace('"@@@"', literal).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("literal", [
    "-1", '"-1"', "18446744073709551616", '"18446744073709551616"', "1.0", "1e0", "1e400", "-1e400", '"1 "', '"+1"',
    '"01"', '""', '"１"', "true", "null", "[]", "{}", "9" * 5000, "-" + "9" * 5000, '"0x10"', '"1_000"', "0.1e1",
])  # fmt: skip
def test_what_is_no_amount(network: Network, literal: str) -> None:
    for field in ("units", "cash_value"):
        check(post(network.places[0], changed(json_text(network), f"body.{field}", literal)), 400, Code.BAD_AMOUNT)


@pytest.mark.parametrize(("path", "literal"), [
    ("body.units", "NaN"), ("body.units", "Infinity"), ("body.units", "-Infinity"), ("body.units", "1,}"),
    ("body.order_id", '"\\ud800"'), ("body.order_id", '"a b"'), ("body.order_id", '"\\u0000"'), ("body.order_id", '""'),
    ("body.order_id", '"' + "x" * 65 + '"'), ("body.order_id", "7"), ("body.reason", '"GIFT"'), ("body.class", "null"),
    ("body.to", '"hn1qqqq"'), ("body.to", '"' + "00" * 20 + '"'), ("body.colour", "1"), ("body.units\\u0000", "1"),
    ("colour", "1"), ("kind", '"mint"'), ("kind", "null"), ("kind", '["issue"]'), ("kind", '{"a": 1}'), ("kind", "1"),
    ("kind", '"Issue"'), ("kind", '"batch"'), ("body", "null"), ("body", "[]"), ("body", "1"), ("sender", '""'),
    ("chain_id", '"00"'), ("chain_id", '"' + "zz" * 32 + '"'), ("chain_id", '"' + "AB" * 32 + '"'), ("chain_id", "0"),
    ("nonce", '"' + "00" * 15 + '"'), ("nonce", '"' + "00 " * 16 + '"'), ("nonce", "null"), ("valid_until", "-1"),
    ("valid_until", "1e9"), ("valid_until", "1760000000.0"), ("valid_until", "18446744073709551616"),
    ("valid_until", '"1760000000"'), ("valid_until", "true"), ("signatures", "[]"), ("signatures", "{}"),
    ("signatures", "null"), ("signatures", "[null]"), ("signatures", '[{"key": "00", "sig": "00"}]'),
    ("signatures", json.dumps([{"key": "00" * 32, "sig": "00" * 64}] * 2)),
    ("signatures", json.dumps([{"key": f"{n:064x}", "sig": "00" * 64} for n in range(17)])),
])  # fmt: skip
def test_json_that_is_no_transaction(network: Network, path: str, literal: str) -> None:
    check(post(network.places[0], changed(json_text(network), path, literal)), 400, Code.DECODE)


TEXTS: dict[str, Callable[[str], bytes]] = {
    "empty": lambda text: b"",
    "a byte-order mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
    "UTF-32": lambda text: text.encode("utf-32"),
    "Latin-1": lambda text: text.replace("issue", "ÿ").encode("latin-1"),
    "an overlong sequence": lambda text: text.encode().replace(b"issue", b"issu\xc1\xa5"),
    "a name twice": lambda text: text.replace('"kind"', '"kind": "void", "kind"').encode(),
    "a name twice, spelled in two ways": lambda text: text.replace('"kind"', '"\\u006bind": "void", "kind"').encode(),
    "a name twice inside": lambda text: text.replace('"units"', '"units": 1, "units"').encode(),
    "two values": lambda text: (text + text).encode(),
    "a comment": lambda text: (text + "// x").encode(),
    "an open end": lambda text: text[:-1].encode(),
    "a zero byte behind": lambda text: text.encode() + b"\0",
    "200,000 lists": lambda text: b"[" * 200_000,
    "90,000 closed lists": lambda text: b"[" * 90_000 + b"]" * 90_000,
    "40,000 objects": lambda text: b'{"a":' * 40_000,
    "nested where the body stands": lambda text: changed(text, "body", "[" * 100_000 + "]" * 100_000),
    "26,000 names and one twice": lambda text: (
        "{" + ",".join(f'"{n:x}":1' for n in range(26_000)) + ',"q":1,"q":1}'
    ).encode(),
    "a list of everything": lambda text: b"[" + b"0," * 130_000 + b"0]",
    "a bare word": lambda text: b"null",
    "a gzip bomb": lambda text: gzip.compress(bytes(4_000_000)),
}


@pytest.mark.parametrize("name", TEXTS)
def test_texts_that_are_no_json(network: Network, name: str) -> None:
    check(post(network.places[0], TEXTS[name](json_text(network))), 400, Code.DECODE)


def test_a_name_that_comes_twice_late_costs_no_more() -> None:
    """Each of 26,000 names against each took 15 s of a node's only thread (T18)."""
    raw = TEXTS["26,000 names and one twice"]("")
    started = time.process_time()
    with pytest.raises(ValueError, match="twice"):
        parse_json(raw)
    assert time.process_time() - started < 1


# ---- the binary form


def spell(value: Any, long: bool) -> bytes:
    """MessagePack by hand: `long` writes integers and lengths longer than they need be."""
    match value:
        case bool() | None:
            return msgpack.packb(value)
        case int():
            return b"\xcf" + value.to_bytes(8, "big") if long else msgpack.packb(value)
        case bytes():
            return b"\xc6" + len(value).to_bytes(4, "big") + value if long else msgpack.packb(value)
        case str():
            return b"\xdb" + len(value).to_bytes(4, "big") + value.encode() if long else msgpack.packb(value)
        case _:
            head = b"\xdd" + len(value).to_bytes(4, "big") if long else msgpack.packb([None] * len(value))[:1]
            return head + b"".join(spell(item, long) for item in value)


def signed_as_written(envelope: bytes, key: SigningKey = HOTEL) -> bytes:
    """A transaction around these very envelope bytes; the signature is valid over them."""
    identity = tagged_hash(TAG_TRANSACTION, envelope)
    return b"\x92" + envelope + encode((KeySignature(key.public_key, key.sign(identity)),))


def envelope_of(network: Network, **changes: Any) -> Envelope:
    fields = {
        "chain_id": network.chain_id, "sender": address_of(HOTEL.public_key), "nonce": secrets.token_bytes(16),
        "valid_until": int(time.time()) + 300, "body": Issue("hotel", ALICE, 7, secrets.token_hex(8), "EARN", 700),
    }  # fmt: skip
    return Envelope(**{**fields, **changes})


def plain_envelope(network: Network) -> list[Any]:
    found: list[Any] = msgpack.unpackb(encode(envelope_of(network)))
    return found


def one_long(network: Network, position: int) -> bytes:
    """Only one field of the envelope in a longer spelling."""
    plain = plain_envelope(network)
    return signed_as_written(b"\x95" + b"".join(spell(item, i == position) for i, item in enumerate(plain)))


def with_body(network: Network, position: int, raw: bytes) -> bytes:
    """A body whose element at `position` is written as these bytes."""
    plain = plain_envelope(network)
    body = [spell(item, False) for item in plain[4]]
    body[position] = raw
    return signed_as_written(b"\x95" + b"".join(spell(item, False) for item in plain[:4]) + bytes([0x90 + len(body)])
                             + b"".join(body))  # fmt: skip


UNITS = 3  # of an issue: kind, class, to, units, order_id, ...
BINARY: dict[str, Callable[[Network], bytes]] = {
    "nothing": lambda n: b"",
    "one zero": lambda n: b"\0",
    "a truncated one": lambda n: n.issue("cut")[:-1],
    "a byte behind": lambda n: n.issue("longer") + b"\0",
    "two at once": lambda n: n.issue("first") + n.issue("second"),
    "all in long spelling, signed": lambda n: signed_as_written(spell(plain_envelope(n), True)),
    "a long nonce header": lambda n: one_long(n, 2),
    "a long valid_until": lambda n: one_long(n, 3),
    "a long body": lambda n: one_long(n, 4),
    "long units": lambda n: with_body(n, UNITS, b"\xcd\x00\x07"),
    "negative units": lambda n: with_body(n, UNITS, b"\xff"),
    "signed units": lambda n: with_body(n, UNITS, b"\xd3" + (7).to_bytes(8, "big")),
    "units as a float": lambda n: with_body(n, UNITS, b"\xcb" + struct.pack(">d", 7.0)),
    "units as a short float": lambda n: with_body(n, UNITS, b"\xca" + struct.pack(">f", 7.0)),
    "units as NaN": lambda n: with_body(n, UNITS, b"\xcb" + struct.pack(">d", float("nan"))),
    "units as nothing": lambda n: with_body(n, UNITS, b"\xc0"),
    "units as truth": lambda n: with_body(n, UNITS, b"\xc3"),
    "units as text": lambda n: with_body(n, UNITS, b"\xa17"),
    "units as an extension": lambda n: with_body(n, UNITS, b"\xd4\x01\x07"),
    "units as a time": lambda n: with_body(n, UNITS, b"\xd6\xff\x00\x00\x00\x07"),
    "units as a list": lambda n: with_body(n, UNITS, b"\x91\x07"),
    "units as a map": lambda n: with_body(n, UNITS, b"\x81\x07\x07"),
    "the order id as bytes": lambda n: with_body(n, 4, b"\xc4\x01a"),
    "the order id in bad UTF-8": lambda n: with_body(n, 4, b"\xa2\xc3\x28"),
    "the order id with a line end": lambda n: with_body(n, 4, b"\xa2a\n"),
    "an unknown kind": lambda n: with_body(n, 0, b"\xa4mint"),
    "a kind of no text": lambda n: with_body(n, 0, b"\x01"),
    "an element too many": lambda n: with_body(n, 1, b"\xa5hotel\xa5hotel"),
    "a map for the envelope": lambda n: b"\x92\x80\x90",
    "a list of 4 billion": lambda n: b"\xdd\xff\xff\xff\xff",
    "bytes of 4 billion": lambda n: b"\x92\xc6\xff\xff\xff\xff",
    "60,000 lists": lambda n: b"\x91" * 60_000,
    "60,000 empty lists": lambda n: b"\xdc\xea\x60" + b"\x90" * 60_000,
    "60,000 maps": lambda n: b"\x81\xa0" * 30_000,
    "no signature": lambda n: b"\x92" + encode(envelope_of(n)) + b"\x90",
    "one signature twice": lambda n: encode(Transaction(
        envelope_of(n), (KeySignature(bytes(32), bytes(64)),) * 2)),
    "signatures out of order": lambda n: encode(Transaction(
        envelope_of(n), tuple(KeySignature(bytes([k]) * 32, bytes(64)) for k in (2, 1)))),
    "17 signatures": lambda n: encode(Transaction(
        envelope_of(n), tuple(KeySignature(bytes([k]) * 32, bytes(64)) for k in range(17)))),
}  # fmt: skip


@pytest.mark.parametrize("name", BINARY)
def test_bytes_that_are_no_transaction(network: Network, name: str) -> None:
    raw = BINARY[name](network)
    check(post(network.places[0], raw, MSGPACK), 400, Code.DECODE)
    bulk = post(network.places[0], msgpack.packb([raw]), BULK)
    assert bulk.status == 200 and json.loads(bulk.body)[0]["code"] == "DECODE"


def test_the_hand_made_spelling_is_the_canonical_one_if_short(network: Network) -> None:
    """Else the cases above would be refused for another reason than the one they name."""
    envelope = envelope_of(network)
    assert spell(msgpack.unpackb(encode(envelope)), False) == encode(envelope)
    assert decode_transaction(signed_as_written(encode(envelope))).transaction.envelope == envelope
    assert decode_transaction(with_body(network, UNITS, b"\x08"))


def sign_wrongly(network: Network) -> bytes:
    raw = bytearray(network.issue("forged"))
    raw[-1] ^= 1
    return bytes(raw)


def a_stranger(network: Network) -> bytes:
    key = SigningKey.from_seed(bytes([77]) * 32)
    envelope = envelope_of(network, sender=address_of(key.public_key))
    return sign_transaction(envelope, [key])


REFUSED: dict[str, tuple[Callable[[Network], bytes], Code | tuple[Code, ...]]] = {
    "a signature of other bytes": (sign_wrongly, Code.BAD_SIGNATURE),
    "somebody else's key": (
        lambda n: sign_transaction(envelope_of(n), [PEOPLE_KEYS["bob"]]), (Code.BAD_SIGNATURE, Code.NOT_AUTHORISED)),
    "a key of small order": (
        lambda n: encode(Transaction(envelope_of(n), (KeySignature(b"\1" + bytes(31), b"\1" + bytes(63)),))),
        (Code.BAD_SIGNATURE, Code.NOT_AUTHORISED)),
    "another chain": (lambda n: sign_transaction(envelope_of(n, chain_id=bytes(32)), [HOTEL]), Code.WRONG_CHAIN),
    "out of date": (
        lambda n: sign_transaction(envelope_of(n, valid_until=int(time.time()) - 60), [HOTEL]), Code.EXPIRED_TX),
    "too far ahead": (
        lambda n: sign_transaction(envelope_of(n, valid_until=int(time.time()) + 900), [HOTEL]), Code.TTL_TOO_LONG),
    "the end of time": (
        lambda n: sign_transaction(envelope_of(n, valid_until=2**64 - 1), [HOTEL]), Code.TTL_TOO_LONG),
    "the beginning of time": (
        lambda n: sign_transaction(envelope_of(n, valid_until=0), [HOTEL]), Code.EXPIRED_TX),
    "an unknown sender": (a_stranger, Code.ACCOUNT_UNKNOWN),
    "no units": (lambda n: n.issue("none", 0), Code.BAD_AMOUNT),
    "the largest units": (
        lambda n: n.sign("hotel", Issue("hotel", ALICE, 2**64 - 1, "all", "EARN", 0)),
        (Code.OVERFLOW, Code.RESERVE_EXCEEDED)),
    "units past the sign": (
        lambda n: n.sign("hotel", Issue("hotel", ALICE, 2**63, "half", "EARN", 2**63)),
        (Code.OVERFLOW, Code.RESERVE_EXCEEDED)),
    "another merchant's class": (
        lambda n: n.sign("museum", Issue("hotel", ALICE, 1, "mine", "EARN", 100)), Code.NOT_ISSUER),
    "points to a merchant": (
        lambda n: n.sign("hotel", Issue("hotel", address_of(PEOPLE_KEYS["bus"].public_key), 1, "m", "EARN", 100)),
        Code.NOT_AUTHORISED),
    "to oneself": (lambda n: n.sign("alice", Transfer("hotel", 1, ALICE)),
                   (Code.SELF_TRANSFER, Code.TRANSFER_DISABLED)),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_rules_refuse(network: Network, name: str) -> None:
    make, code = REFUSED[name]
    check(post(network.places[1], make(network), MSGPACK), 409, code)


@pytest.mark.pitfall(70)
def test_one_transaction_sent_a_hundred_times_to_four_nodes(network: Network) -> None:
    """R05: one receipt, applied once, whichever node and form it comes in."""
    order = secrets.token_hex(8)
    raw = network.issue(order, 0)  # rejected: the state root stays; its id is used up all the same
    text = json.dumps(transaction_to_plain(decode_transaction(raw).transaction)).encode()
    seen = set()
    for number in range(100):
        place = network.places[number % 4]
        heard = post(place, text) if number % 3 == 0 else post(place, raw, MSGPACK)
        receipt = heard.problem["receipt"]
        seen.add((heard.status, receipt["tx"], receipt["height"], receipt["index"], receipt["code"]))
    assert len(seen) == 1 and next(iter(seen))[4] == "BAD_AMOUNT"


def test_a_bulk_that_is_none(network: Network) -> None:
    place = network.places[0]
    for body in (b"", b"\x90", b"\x80", b"\xc0", b"\x91\x01", b"\x91\xa1a", b"\xdd\xff\xff\xff\xff", b"\x91" * 60_000,
                 msgpack.packb([b""] * 2049), msgpack.packb([b""]) + b"\0"):  # fmt: skip
        check(post(place, body, BULK), 400, Code.DECODE)


def test_bodies_over_the_limit(network: Network) -> None:
    place = network.places[0]
    for media_type in (MSGPACK, "application/json", BULK):
        check(post(place, bytes(LIMIT + 1), media_type), 413, Code.TOO_LARGE)
    check(post(place, bytes(64 * 1024 + 1), MSGPACK), 413, Code.TOO_LARGE)
    check(ask(place, "POST", "/v1/transactions", f"Content-Type: {MSGPACK}", "Content-Length: 1000000000000"), 413,
          Code.TOO_LARGE)  # fmt: skip
