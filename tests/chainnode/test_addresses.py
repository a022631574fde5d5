"""Addresses come from transactions: whatever the rules let in, nobody's mesh may end by it."""

import pytest

from primitives.validators import NodeId
from tests.chainnode.mesh import FAST, identities, make_node, run, start, stop, until, vote


@pytest.mark.parametrize("host", [".", "a..b", "x" * 100, "*", "%", "::1%zz"])
def test_a_member_whose_address_is_none_stops_nobody(host: str) -> None:
    """The rules look at the form of an address only; some of that form are no name that a resolver takes."""

    async def scenario() -> None:
        these = identities(3)
        first, second = make_node(0, these, FAST), make_node(1, these, FAST)
        first.peers.set_address(NodeId(2), host, 1)
        first.peers.set_address(NodeId(1), "127.0.0.1", second.port)
        second.peers.set_address(NodeId(0), "127.0.0.1", first.port)
        for node in (first, second):
            start(node)
        await until(second, lambda: NodeId(0) in second.peers.connected())
        await until(first, lambda: NodeId(1) in first.peers.connected())
        first.peers.set_address(NodeId(2), host, 2)
        for height in range(3):
            assert first.peers.send(NodeId(1), vote(height))
        await until(second, lambda: len(second.heard) == 3)
        assert first.task is not None and not first.task.done()
        for node in (first, second):
            await stop(node)

    run(scenario)
