"""A door gives its port back whenever its opening is cut short: cancelled at any turn, never begun, or another's port
was taken."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import pytest

from chainnode.config import load_config
from chainnode.failures import PortTaken
from chainnode.http_server import HttpServer, HttpSettings
from chainnode.ingress import IngressServer
from chainnode.listening_ports import LOOPBACK, free_ports, is_free
from chainnode.metrics import Metrics
from chainnode.node import Node
from chainnode.process import read_identity
from ledger.data_directory import open_data_directory
from tests.chainnode.doors import Door
from tests.chainnode.mesh import identities, make_node, run
from tests.chainnode.solo import Town
from tests.integration.local_network import Network, local_network

TURNS: Final = range(8)  # of the loop; more than any door needs to open


async def cancelled_after(turns: int, work: Callable[[], Awaitable[object]]) -> None:
    async def begin() -> None:
        await work()

    task = asyncio.create_task(begin())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("turns", TURNS)
def test_an_ingress_cancelled_at_any_turn_gives_its_port_back(turns: int) -> None:
    async def scenario() -> None:
        server = IngressServer(LOOPBACK, 0, Door().submit, asyncio.get_running_loop().time)
        port = server.listen()
        assert not is_free(port)
        await cancelled_after(turns, server.run)
        if not turns:
            server.close()  # a task that never began closes nothing
        assert is_free(port)

    run(scenario)


@pytest.mark.parametrize("turns", TURNS)
def test_a_mesh_cancelled_at_any_turn_gives_its_port_back(turns: int) -> None:
    async def scenario() -> None:
        node = make_node(0, identities(1))
        await cancelled_after(turns, node.peers.run)
        if not turns:
            node.peers.close()
        assert is_free(node.port)

    run(scenario)


@pytest.mark.parametrize("turns", TURNS)
def test_an_http_listener_cancelled_at_any_turn_gives_its_port_back(turns: int) -> None:
    async def scenario() -> None:
        (port,) = free_ports(1)
        server = HttpServer(Town().node, Metrics(), HttpSettings())
        await cancelled_after(turns, lambda: server.start(LOOPBACK, port))
        await server.stop()
        assert is_free(port)

    run(scenario)


def test_a_node_that_finds_a_port_taken_leaves_none_bound(tmp_path: Path) -> None:
    async def scenario(network: Network) -> None:
        place = network.places[0]
        config = load_config(network.devnet.folder(place) / "node.toml")
        keys, identity = read_identity(config)
        data = open_data_directory(Path(config.data), network.genesis)
        other = socket.create_server((LOOPBACK, place.admin_port))
        with closing(data), other, pytest.raises(PortTaken, match=str(place.admin_port)):
            await Node(config, network.genesis, data, keys, identity, bytes(32)).run()
        ports = (place.peer_port, place.ingress_port, place.http_port)
        assert [port for port in ports if not is_free(port)] == []

    with local_network(tmp_path, start=False) as network:
        run(lambda: scenario(network))
