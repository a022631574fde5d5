"""Greetings on real sockets: who is let in. The certificates and greetings themselves: test_handshake.py."""

import asyncio
import ssl
from dataclasses import replace

import pytest

from chainnode.handshake import client_context, encode_hello
from chainnode.peer_messages import Hello, RefusalCode
from chainnode.raw_peer import RawPeer
from chainnode.wire import FrameClass, encode_frame
from primitives.validators import NodeId
from tests.chainnode.mesh import (
    CHAIN,
    FAST,
    eventually,
    identities,
    make_node,
    members_of,
    raw,
    refusals,
    run,
    start,
    stop,
    until,
    vote,
)


def test_tls_12_and_unknown_certificates_are_refused() -> None:
    async def scenario() -> None:
        these = identities(2)
        node = make_node(0, these)
        start(node)
        stranger = identities(2, salt=9)
        old = client_context(these[1], members_of(these))
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await RawPeer.dial("127.0.0.1", node.port, old)
        with pytest.raises((ssl.SSLError, ConnectionError)):  # we do not trust it, and it does not trust us
            await RawPeer.dial("127.0.0.1", node.port, client_context(stranger[1], members_of(stranger)))
        both = client_context(stranger[1], members_of([these[0], stranger[1]]))
        unknown = await RawPeer.dial("127.0.0.1", node.port, both)  # TLS 1.3: the client learns of it while reading
        unknown.send_bytes(encode_hello(Hello(CHAIN, 1, bytes(16))))
        assert await unknown.closed() == []
        assert node.heard == [] and node.links == []
        await stop(node)

    run(scenario)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (encode_hello(Hello(bytes(32), 1, bytes(16))), RefusalCode.CHAIN),
        (encode_hello(Hello(CHAIN, 1, bytes(16)), version=2), RefusalCode.VERSION),
        (encode_hello(Hello(CHAIN, 2, bytes(16))), RefusalCode.UNKNOWN_NODE),
        (encode_hello(Hello(CHAIN, 0, bytes(16))), RefusalCode.SELF),
        (encode_frame(FrameClass.CONTROL, b"\x00\x01\x90"), RefusalCode.MALFORMED),
        (encode_frame(FrameClass.VOTE, b"\x00\x01\x90"), RefusalCode.MALFORMED),
        (b"GET / HTTP/1.1\r\n\r\n", RefusalCode.MALFORMED),
    ],
)
def test_a_wrong_greeting_is_refused_with_its_code(data: bytes, code: RefusalCode) -> None:
    """W10, W11."""

    async def scenario() -> None:
        these = identities(3)
        node = make_node(0, these)
        start(node)
        peer = await RawPeer.dial("127.0.0.1", node.port, client_context(these[1], members_of(these)))
        peer.send_bytes(data)
        assert refusals(await peer.closed()) == [code]
        assert node.heard == []
        await stop(node)

    run(scenario)


def test_a_node_refuses_itself() -> None:
    async def scenario() -> None:
        these = identities(2)
        node = make_node(0, these)
        start(node)
        peer = await RawPeer.dial("127.0.0.1", node.port, client_context(these[0], members_of(these)))
        peer.send_bytes(encode_hello(Hello(CHAIN, 0, bytes(16))))
        assert refusals(await peer.closed()) == [RefusalCode.SELF]
        node.peers.set_address(NodeId(1), "127.0.0.1", node.port)  # a wrong address that is our own
        await eventually(lambda: node.peers.statuses()[0].last_fault != "")
        assert node.peers.connected() == []
        await stop(node)

    run(scenario)


def test_two_hundred_silent_connections_keep_nobody_out() -> None:
    """W01."""

    async def scenario() -> None:
        these = identities(2)
        node = make_node(0, these, replace(FAST, hello_seconds=0.5, lobby_total=64, lobby_per_source=32))
        start(node)
        silent = [await asyncio.open_connection("127.0.0.1", node.port) for _ in range(200)]
        peer = await raw(node, these)
        peer.send(vote(1, 1))
        await until(node, lambda: node.heard == [(NodeId(1), vote(1, 1))])
        for reader, writer in silent:
            async with asyncio.timeout(6):
                assert await reader.read() == b""
            writer.close()
        peer.close()
        await stop(node)

    run(scenario)
