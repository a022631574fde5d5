"""The mesh on real sockets: who is heard, who is thrown out, and what it costs the others."""

import asyncio
import os
import ssl
from dataclasses import replace

import pytest

from chainnode.discipline import LIE_COST
from chainnode.handshake import HandshakeRefused, client_context, encode_hello
from chainnode.peer_messages import BatchBytes, BatchRequest, Head, Hello, Ping, RefusalCode, Refused
from chainnode.raw_peer import RawPeer
from chainnode.wire import PAYLOAD_MAX, Frame, FrameClass, decode_message, encode_frame, encode_message
from consensus.messages import Status, Vote
from primitives.certificate import Phase
from primitives.codec import Malformed
from primitives.validators import NodeId
from tests.chainnode.mesh import (
    CHAIN,
    FAST,
    Node,
    eventually,
    identities,
    make_node,
    members_of,
    mesh,
    run,
    start,
    stop,
    until,
)


def vote(height: int, signer: int = 0) -> Vote:
    return Vote(Phase.PREPARE, 0, 0, height, bytes(32), signer, bytes(64))


async def raw(node: Node, these: list, me: int = 1) -> RawPeer:  # type: ignore[type-arg]
    return await RawPeer.connect(
        "127.0.0.1", node.port, these[me], members_of(these), CHAIN, NodeId(me), node.me
    )


def refusals(frames: list[Frame]) -> list[int]:
    messages = [decode_message(frame) for frame in frames]
    return [message.code for message in messages if isinstance(message, Refused)]


def test_everybody_hears_everybody_in_order() -> None:
    async def scenario() -> None:
        async with mesh(4) as nodes:
            for height in range(200):
                assert nodes[0].peers.broadcast(vote(height)) == 3
            assert nodes[2].peers.send(NodeId(0), vote(5, 2))
            for node in nodes[1:]:
                await until(node, lambda node=node: len(node.heard) == 200)  # type: ignore[misc]
                assert node.heard == [(NodeId(0), vote(height)) for height in range(200)]
            await until(nodes[0], lambda: nodes[0].heard == [(NodeId(2), vote(5, 2))])

    run(scenario)


@pytest.mark.pitfall(75)
def test_votes_overtake_batches_that_wait() -> None:
    async def scenario() -> None:
        async with mesh(2) as (sender, receiver):
            for number in range(8):
                assert sender.peers.send(NodeId(1), BatchBytes(bytes([number]) * 400_000))
            assert sender.peers.send(NodeId(1), vote(1))
            await until(receiver, lambda: len(receiver.heard) == 9)
            assert isinstance(receiver.heard[0][1], Vote)
            batches = [m.raw[0] for _, m in receiver.heard[1:] if isinstance(m, BatchBytes)]
            assert batches == list(range(8))

    run(scenario)


def test_a_restarted_node_is_reached_again() -> None:
    async def scenario() -> None:
        these = identities(2)
        first, second = make_node(0, these), make_node(1, these)
        first.peers.set_address(NodeId(1), "127.0.0.1", second.port)
        second.peers.set_address(NodeId(0), "127.0.0.1", first.port)
        start(first)
        start(second)
        await until(first, lambda: first.peers.connected() == [1])
        await stop(second)
        await until(first, lambda: first.peers.connected() == [])
        assert not first.peers.send(NodeId(1), vote(1))
        again = make_node(1, these, port=second.port)
        again.peers.set_address(NodeId(0), "127.0.0.1", first.port)
        start(again)
        await until(first, lambda: first.peers.connected() == [1])
        assert first.peers.send(NodeId(1), vote(2))
        await until(again, lambda: again.heard == [(NodeId(0), vote(2))])
        await stop(again)
        await stop(first)

    run(scenario)


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


@pytest.mark.parametrize("cut", [1, 4, 5, 6, 100])
def test_frames_may_arrive_in_pieces(cut: int) -> None:
    async def scenario() -> None:
        these = identities(2)
        node = make_node(0, these)
        start(node)
        peer = await raw(node, these)
        data = encode_message(vote(1, 1)) + encode_message(vote(2, 1))
        for start_at in range(0, len(data), cut):
            peer.send_bytes(data[start_at : start_at + cut])
            await peer.writer.drain()
        await until(node, lambda: [m for _, m in node.heard] == [vote(1, 1), vote(2, 1)])
        peer.close()
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


@pytest.mark.pitfall(72)
def test_a_peer_that_does_not_read_is_dropped_with_bounded_memory() -> None:
    """Pitfall 72. The others hear everything meanwhile."""

    async def scenario() -> None:
        these = identities(3)
        server, port, accepted = await RawPeer.accept(these[1], members_of(these), CHAIN, NodeId(1))
        node = make_node(0, these, replace(FAST, stall_seconds=0.2))
        other = make_node(2, these)
        node.peers.set_address(NodeId(1), "127.0.0.1", port)
        node.peers.set_address(NodeId(2), "127.0.0.1", other.port)
        start(node)
        start(other)
        await until(node, lambda: node.peers.connected() == [1, 2])
        stuck = await accepted.get()
        peak = count = 0
        body = os.urandom(300_000)
        while 1 in node.peers.connected():
            node.peers.send(NodeId(1), BatchBytes(body))
            node.peers.send(NodeId(2), vote(count))
            count += 1
            peak = max(peak, node.peers.statuses()[0].waiting_bytes)
            await asyncio.sleep(0.005)
        assert peak <= 8 * 1024 * 1024 + 1024 * 1024
        assert node.peers.statuses()[0].dropped > 0
        assert "did not read" in node.peers.statuses()[0].last_fault
        await until(other, lambda: len(other.heard) == count)
        stuck.close()
        server.close()
        await stop(node)
        await stop(other)

    run(scenario)


def test_more_votes_than_a_peer_may_owe_close_its_link() -> None:
    async def scenario() -> None:
        async with mesh(2) as (sender, _):
            accepted = [sender.peers.send(NodeId(1), vote(height)) for height in range(5000)]  # one loop iteration
            assert accepted[:4096] == [True] * 4096
            assert accepted[4096:] == [False] * 904
            await until(sender, lambda: (NodeId(1), False) in sender.links)

    run(scenario)


def test_only_the_newest_status_waits() -> None:
    async def scenario() -> None:
        async with mesh(2) as (sender, receiver):
            for decided in range(10):
                sender.peers.broadcast(Status(0, 0, True, decided, 0, ()))
            sender.peers.broadcast(vote(1))
            await until(receiver, lambda: len(receiver.heard) == 2)
            assert [m for _, m in receiver.heard] == [vote(1), Status(0, 0, True, 9, 0, ())]

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


def test_a_silent_link_is_closed_and_pings_keep_an_idle_one() -> None:
    async def scenario() -> None:
        these = identities(2)
        node = make_node(0, these, replace(FAST, ping_seconds=0.05, dead_seconds=0.5))
        start(node)
        silent = await raw(node, these)
        assert await silent.closed() == []
        alive = await raw(node, these)
        for number in range(20):
            alive.send(Ping(number))
            frame = await alive.read_frame()
            assert frame is not None and frame.frame_class == FrameClass.CONTROL
            await asyncio.sleep(0.05)
        alive.close()
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


def test_a_second_dial_of_the_same_peer_replaces_the_first() -> None:
    async def scenario() -> None:
        these = identities(2)
        node = make_node(0, these)
        start(node)
        first = await raw(node, these)
        second = await raw(node, these)
        assert await first.closed() == []
        second.send(vote(3, 1))
        await until(node, lambda: node.heard == [(NodeId(1), vote(3, 1))])
        second.close()
        await stop(node)

    run(scenario)


def test_the_listener_reports_a_taken_port_before_anything_starts() -> None:
    async def scenario() -> None:
        these = identities(2)
        node = make_node(0, these)
        with pytest.raises(OSError, match="in use"):
            make_node(1, these, port=node.port)
        start(node)
        await asyncio.sleep(0)  # a task that never began closes nothing
        await stop(node)

    run(scenario)
