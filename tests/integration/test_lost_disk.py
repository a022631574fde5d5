"""A validator that lost its disk comes back by a snapshot of nodes that have pruned, past one that lies."""

import http.client
import http.server
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chainnode.devnet import wait_for
from chainnode.devnet_layout import NodePlace
from chainnode.genesis_file import genesis_changes
from chainnode.ledger_audit import audit_config
from chainnode.resync import Blamed, Progress, Resync
from chainnode.snapshot_sources import HttpSource
from chainnode.upkeep import back_up, prune_history, take_snapshot
from ledger.snapshot_folder import SnapshotFolder
from tests.integration.local_network import Network, local_network

STEP_MS = 8_000
BLOCKS = 275


@contextmanager
def lying_door(place: NodePlace) -> Iterator[str]:
    """A node's API with one byte of each chunk changed."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", place.http_port, timeout=10)
            connection.request("GET", self.path)
            answer = connection.getresponse()
            body = answer.read()
            connection.close()
            if "/chunks/" in self.path and answer.status == 200:
                body = body[:-1] + bytes([body[-1] ^ 1])
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def tell_time(network: Network, places: tuple[NodePlace, ...], time_ms: int) -> None:
    for place in places:
        network.devnet.admin(place, "POST", "/admin/clock", {"time_ms": time_ms})


def grow(network: Network, places: tuple[NodePlace, ...], blocks: int, time_ms: int) -> int:
    """So many blocks, each at a later time, a payment in some. Returns: the time of the last."""
    start = network.height(places[0])
    while (height := network.height(places[0])) < start + blocks:
        time_ms += STEP_MS
        tell_time(network, places, time_ms)
        assert wait_for(lambda: network.height(places[0]) > height, 10), f"no block above {height}"
    return time_ms


def config(network: Network, place: NodePlace) -> Path:
    return network.devnet.folder(place) / "node.toml"


@pytest.mark.pitfall(44, 59, 79)
def test_from_a_pruned_network_past_a_liar(tmp_path: Path) -> None:
    with local_network(tmp_path, test_clock=True) as network:
        first, second, _, lost = network.places
        time_ms = grow(network, network.places, BLOCKS, network.genesis.time * 1000)
        floor = prune_history(config(network, first), 1, lambda done, total: None)
        assert 0 < floor <= BLOCKS - 256 + 10
        network.devnet.kill(lost)
        others = network.places[:3]
        for place in (first, second):
            height = take_snapshot(config(network, place), lambda done, total: None)
            assert height >= BLOCKS - 5
        data = network.devnet.folder(lost) / "data"
        shutil.rmtree(data)
        news: list[Blamed | Progress] = []
        with lying_door(second) as door:
            sources = [HttpSource(door), HttpSource(first.url)]
            done = Resync(data, network.genesis, genesis_changes(network.genesis), sources, news.append).run()
        assert [(b.source, b.lied) for b in done.blamed] == [(door, True)]
        network.devnet.start(lost)
        network.devnet.wait_answering((lost,))
        tell_time(network, network.places, time_ms := time_ms + STEP_MS)
        grow(network, network.places, 5, time_ms)
        network.wait_equal()
        status = network.get(lost, "/v1/status")
        assert status["role"] == "abstaining", "it signs nothing in this epoch, and says so"
        signers = {name for height in range(done.height + 3, network.height(first) - 1)
                   for name in network.get(first, f"/v1/blocks/{height}/certificate")["signers"]}  # fmt: skip
        assert signers == {place.name for place in others}
        for place in network.places:
            network.devnet.kill(place)
        for place in (first, lost):
            found = audit_config(config(network, place), lambda height, stop: None)
            assert found["ok"], found
            assert found["start"] > 0


def test_a_backup_of_a_running_node_is_one_of_a_stopped_node_too(tmp_path: Path) -> None:
    with local_network(tmp_path) as network:
        place = network.places[1]
        assert network.submit(place, [network.issue("B-1")])[0]["status"] == "committed"
        running = back_up(config(network, place), tmp_path / "running", lambda done, total: None)
        network.wait_equal()
        for node in network.places:
            network.devnet.signal(node, 15)
        assert wait_for(lambda: network.devnet.process(place) is None, 20)
        stopped = back_up(config(network, place), tmp_path / "stopped", lambda done, total: None)
        assert stopped >= running >= 1
        assert SnapshotFolder(tmp_path / "stopped").heights() == [stopped]
        assert (tmp_path / "stopped" / "genesis.json").is_file()
