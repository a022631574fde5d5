"""Transport certificates and greetings, without sockets. The refusals on the wire: test_greetings.py."""

import ssl
from datetime import UTC, datetime

import pytest
from cryptography import x509
from msgspec.structs import replace

from chainnode.handshake import (
    HandshakeRefused,
    check_hello,
    client_context,
    create_identity,
    encode_hello,
    node_of_certificate,
    server_context,
    trust,
)
from chainnode.outbox import Outbox, QueueBound
from chainnode.peer_messages import Hello, RefusalCode
from chainnode.wire import FrameClass, FrameReader
from primitives.validators import NodeId, ValidatorSet
from tests.chainnode.mesh import CHAIN, identities, members_of


def test_an_identity_is_a_function_of_name_and_seed() -> None:
    assert create_identity("hotel", bytes(32)) == create_identity("hotel", bytes(32))
    assert create_identity("hotel", bytes(32)).certificate != create_identity("hotel", b"\x01" * 32).certificate
    assert "PRIVATE" not in repr(create_identity("hotel", bytes(32)))


def test_no_clock_can_lock_a_node_out() -> None:
    certificate = x509.load_der_x509_certificate(create_identity("hotel", bytes(32)).certificate)
    assert certificate.not_valid_before_utc <= datetime(2000, 1, 1, tzinfo=UTC)
    assert certificate.not_valid_after_utc.year == 9999
    assert len(create_identity("x" * 64, bytes(32)).certificate) < 4096


def test_contexts_demand_certificates_and_tls_13() -> None:
    these = identities(4)
    for make in (server_context, client_context):
        context = make(these[0], members_of(these))
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.minimum_version == ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize("rubbish", [b"", b"\x30", b"\x30sanya", b"\x30\x82\x01\x00" + bytes(256)])
def test_a_member_with_rubbish_for_a_certificate_stops_nobody(rubbish: bytes) -> None:
    """The rules see only its first byte, so a transaction can seat it: every node must live through that epoch."""
    these = identities(4)
    members = members_of(these)
    seats = tuple(seat and replace(seat, transport_certificate=rubbish) if i == 1 else seat
                  for i, seat in enumerate(members.seats))  # fmt: skip
    broken = ValidatorSet(seats)
    for make in (server_context, client_context):
        context = make(these[0], broken)
        trust(context, broken)
        assert context.cert_store_stats()["x509"] == 3


def test_a_certificate_names_its_node_and_no_other_does() -> None:
    these = identities(4)
    members = members_of(these)
    assert [node_of_certificate(members, i.certificate) for i in these] == [0, 1, 2, 3]
    assert node_of_certificate(members, identities(1, salt=1)[0].certificate) is None
    assert node_of_certificate(members, None) is None


def test_a_greeting_round_trip() -> None:
    hello = Hello(CHAIN, 2, bytes(16))
    (frame,) = FrameReader().feed(encode_hello(hello))
    assert check_hello(frame, NodeId(0), CHAIN, NodeId(2)) == hello


@pytest.mark.pitfall(76, 80)
@pytest.mark.parametrize(
    ("data", "code"),
    [  # each row repairs the fault above it, so the rows also prove the order of the checks
        (encode_hello(Hello(bytes(32), 0, bytes(16)), version=9), RefusalCode.VERSION),
        (encode_hello(Hello(bytes(32), 0, bytes(16))), RefusalCode.CHAIN),
        (encode_hello(Hello(CHAIN, 0, bytes(16))), RefusalCode.SELF),
        (encode_hello(Hello(CHAIN, 3, bytes(16))), RefusalCode.UNKNOWN_NODE),
    ],
)
def test_refusals_in_order(data: bytes, code: RefusalCode) -> None:
    (frame,) = FrameReader().feed(data)
    with pytest.raises(HandshakeRefused) as caught:
        check_hello(frame, NodeId(0), CHAIN, NodeId(2))
    assert caught.value.code == code


def test_an_outbox_empties_by_priority_and_drops_by_class() -> None:
    outbox = Outbox({
        FrameClass.VOTE: QueueBound(2, 100, drop=False),
        FrameClass.BATCH: QueueBound(2, 100, drop=True),
    })
    assert [outbox.push(FrameClass.BATCH, b"b%d" % i) for i in range(3)] == [True] * 3
    assert [outbox.push(FrameClass.VOTE, b"v%d" % i) for i in range(3)] == [True, True, False]
    outbox.push_latest(b"s0")
    outbox.push_latest(b"s1")
    assert outbox.dropped == 2
    assert outbox.waiting == 10
    assert [outbox.pop() for _ in range(6)] == [b"v0", b"v1", b"s1", b"b1", b"b2", None]
    assert outbox.empty and outbox.waiting == 0


def test_an_outbox_counts_bytes_too() -> None:
    outbox = Outbox({FrameClass.BATCH: QueueBound(10, 100, drop=True)})
    for size in (60, 60, 30, 80):
        assert outbox.push(FrameClass.BATCH, bytes(size))
        assert outbox.waiting <= 100
    assert outbox.dropped == 3
