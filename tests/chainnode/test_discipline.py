"""Lies, charges and floods on real sockets: who is thrown out, and what it costs the others."""

from dataclasses import replace

import pytest

from chainnode.discipline import LIE_COST
from chainnode.handshake import HandshakeRefused, client_context, encode_hello
from chainnode.peer_messages import BatchRequest, Head, Hello, RefusalCode, Refused
from chainnode.raw_peer import RawPeer
from chainnode.wire import PAYLOAD_MAX, FrameClass, decode_message, encode_frame, encode_message
from primitives.codec import Malformed
from primitives.validators import NodeId
from tests.chainnode.mesh import (
    CHAIN,
    FAST,
    identities,
    make_node,
    members_of,
    mesh,
    raw,
    refusals,
    run,
    start,
    stop,
    until,
    vote,
)


@pytest.mark.parametrize(
    "data",
    [
        bytes(4) + b"\x02",
        (PAYLOAD_MAX[FrameClass.VOTE] + 1).to_bytes(4, "big") + b"\x02",
        b"\xff\xff\xff\xff\x05",
        encode_frame(99, b"x"),
        encode_frame(FrameClass.VOTE, b"\xc1"),
        encode_frame(FrameClass.VOTE, b"\x91" * 8000),
        encode_hello(Hello(CHAIN, 1, bytes(16))),
    ],
    ids=["zero", "max+1", "4 GiB", "unknown class", "not a message", "nested", "second hello"],
)
def test_a_malformed_frame_bans_that_peer_only(data: bytes) -> None:
    async def scenario() -> None:
        these = identities(3)
        node = make_node(0, these)
        start(node)
        bad, good = await raw(node, these, 1), await raw(node, these, 2)
        bad.send(vote(1, 1))
        bad.send_bytes(data)
        assert refusals(await bad.closed()) == [RefusalCode.BANNED]
        good.send(vote(2, 2))
        await until(node, lambda: (NodeId(2), vote(2, 2)) in node.heard)
        with pytest.raises(HandshakeRefused, match="BANNED"):  # also later, for a minute
            peer = await RawPeer.dial("127.0.0.1", node.port, client_context(these[1], members_of(these)))
            peer.send_bytes(encode_hello(Hello(CHAIN, 1, bytes(16))))
            message = decode_message((await peer.closed())[0])
            assert isinstance(message, Refused)
            raise HandshakeRefused(RefusalCode(message.code), message.text)
        good.close()
        await stop(node)

    run(scenario)


def test_a_flipped_bit_of_the_frame_costs_the_link() -> None:
    """In the length, the class, the shape. (TLS makes this the sender's own doing.)"""

    async def scenario() -> None:
        these = identities(2)
        whole = encode_message(BatchRequest((bytes(32),)))
        for position, bit in [(0, 7), (3, 0), (4, 2), (5, 3), (8, 5)]:
            node = make_node(0, these)
            start(node)
            peer = await raw(node, these)
            data = bytearray(whole)
            data[position] ^= 1 << bit
            peer.send_bytes(bytes(data))
            peer.send_bytes(whole)
            assert refusals(await peer.closed()) == [RefusalCode.BANNED], (position, bit)
            assert node.heard == []
            await stop(node)

    run(scenario)


def test_a_handler_that_finds_a_lie_bans_and_a_bug_ends_the_node() -> None:
    async def scenario() -> None:
        def handle(sender: NodeId, message: object) -> None:
            if message == vote(1, 1):
                raise Malformed("lie")
            raise KeyError("bug")

        these = identities(3)
        node = make_node(0, these, handle=handle)
        start(node)
        liar, unlucky = await raw(node, these, 1), await raw(node, these, 2)
        liar.send(vote(1, 1))
        assert refusals(await liar.closed()) == [RefusalCode.BANNED]
        unlucky.send(vote(2, 2))
        assert node.task is not None
        with pytest.raises(ExceptionGroup) as caught:
            await node.task
        assert caught.group_contains(KeyError)
        unlucky.close()

    run(scenario)


def test_data_against_the_direction_is_a_lie() -> None:
    async def scenario() -> None:
        these = identities(2)
        server, port, accepted = await RawPeer.accept(these[1], members_of(these), CHAIN, NodeId(1))
        node = make_node(0, these)
        node.peers.set_address(NodeId(1), "127.0.0.1", port)
        start(node)
        await until(node, lambda: node.peers.connected() == [1])
        peer = await accepted.get()
        peer.send(Head(0, bytes(32), None))
        await until(node, lambda: node.peers.connected() == [])
        assert node.heard == []
        assert "direction" in node.peers.statuses()[0].last_fault
        peer.close()
        server.close()
        await stop(node)

    run(scenario)


@pytest.mark.pitfall(75)
def test_charges_add_up_to_a_ban_and_are_forgiven_slowly() -> None:
    async def scenario() -> None:
        async with mesh(3) as nodes:
            assert nodes[0].peers.charge(NodeId(1), LIE_COST // 2, "half a lie")
            assert nodes[0].peers.connected() == [1, 2]
            assert not nodes[0].peers.charge(NodeId(1), LIE_COST // 2, "the other half")
            await until(nodes[0], lambda: nodes[0].peers.connected() == [2])
            assert not nodes[0].peers.send(NodeId(1), vote(1))

    run(scenario)


def test_a_ban_ends() -> None:
    async def scenario() -> None:
        async with mesh(2, replace(FAST, ban_seconds=0.2)) as (first, second):
            first.peers.ban(NodeId(1), "test")
            await until(first, lambda: first.peers.connected() == [])
            await until(first, lambda: first.peers.connected() == [1])
            await until(second, lambda: second.peers.connected() == [0])

    run(scenario)


def test_a_flood_delays_others_but_does_not_silence_them() -> None:
    async def scenario() -> None:
        these = identities(3)
        node = make_node(0, these, replace(FAST, inbound_burst=500.0, inbound_per_second=2000.0))
        start(node)
        flooder, quiet = await raw(node, these, 1), await raw(node, these, 2)
        flooder.send_bytes(encode_message(vote(1, 1)) * 3000)
        quiet.send(vote(2, 2))
        await until(node, lambda: (NodeId(2), vote(2, 2)) in node.heard)
        assert len(node.heard) < 1000, "the quiet peer did not wait for the flood"
        await until(node, lambda: len(node.heard) == 3001)
        flooder.close()
        quiet.close()
        await stop(node)

    run(scenario)
