"""The mesh on real sockets: who is heard, in which order, and what waiting costs."""

import asyncio
import os
from dataclasses import replace

import pytest

from chainnode.peer_messages import BatchBytes, Ping
from chainnode.raw_peer import RawPeer
from chainnode.wire import FrameClass, encode_message
from consensus.messages import Status, Vote
from primitives.validators import NodeId
from tests.chainnode.mesh import (
    CHAIN,
    FAST,
    identities,
    make_node,
    members_of,
    mesh,
    raw,
    run,
    start,
    stop,
    until,
    vote,
)


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
        for _ in range(40):  # more than may wait, however late this machine comes to the next line
            node.peers.send(NodeId(1), BatchBytes(body))
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
