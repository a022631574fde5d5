"""A node joins by snapshot under load; a validator is added and another removed by transactions under load."""

import subprocess
import sys
import time
from pathlib import Path

from chainnode.devnet_layout import NodePlace
from chainnode.devnet_members import add_node, membership_of
from chainnode.listening_ports import free_ports
from primitives.kinds import ValidatorRemove
from tests.chaos.findings import Finding
from tests.chaos.ledgers import count_lost
from tests.integration.local_network import Load, Network, local_network
from tests.integration.test_epochs import decide, longest_gap, wait_epoch

PAUSE_SECONDS_MAX = 3.0
JOIN_SECONDS_MAX = 60.0
BLOCKS_BEFORE = 300


def join_and_change(folder: Path, seed: int) -> list[Finding]:
    """Everything in one network: snapshot, join, add, remove, while a load runs."""
    del seed
    with local_network(folder) as network:
        with Load(network, threads=2, prefix="M") as load:
            while network.height(network.places[0]) < BLOCKS_BEFORE:
                time.sleep(0.2)
            began = time.monotonic()
            place = _join_by_snapshot(network)
            decide(network, membership_of(network.devnet, place, network.genesis))
            added = longest_gap(load, 5.0)
            wait_epoch(network, 1, network.places)
            network.devnet.wait_ready((place,), JOIN_SECONDS_MAX)
            joined = time.monotonic() - began
            floor = int(network.get(place, "/v1/status").get("floor", 0))
            leaver = network.places[1]
            decide(network, ValidatorRemove(leaver.name))
            removed = longest_gap(load, 5.0)
            stayed = tuple(p for p in network.places if p != leaver)
            wait_epoch(network, 2, stayed)
            load.wait_acknowledged(len(load.acknowledged) + 40)
        network.wait_equal(30.0, stayed)
        network.devnet.stop()
        lost = count_lost(network, load.acknowledged, stayed)
    return [
        Finding("members", "fresh node at the head under load, by snapshot", f"<= {JOIN_SECONDS_MAX:.0f} s",
                f"{joined:.1f} s, floor {floor}", joined <= JOIN_SECONDS_MAX and floor > 0),
        Finding("members", "longest gap around adding a validator", f"<= {PAUSE_SECONDS_MAX} s", f"{added:.2f} s",
                added <= PAUSE_SECONDS_MAX),
        Finding("members", "longest gap around removing one", f"<= {PAUSE_SECONDS_MAX} s", f"{removed:.2f} s",
                removed <= PAUSE_SECONDS_MAX),
        Finding("members", "acknowledged and lost", "0", str(lost), lost == 0),
    ]  # fmt: skip


def _join_by_snapshot(network: Network) -> NodePlace:
    """A new node fetches the snapshot of the others over HTTP and starts from it."""
    hnchain(network, "node", "snapshot", "--config", str(network.devnet.folder(network.places[0]) / "node.toml"))
    network.devnet, place = add_node(network.devnet, network.genesis, tuple(free_ports(4)))  # type: ignore[arg-type]
    config = network.devnet.folder(place) / "node.toml"
    sources = [part for other in network.places[:2] for part in ("--from", other.url)]
    hnchain(network, "node", "resync", "--config", str(config), *sources)
    network.devnet.start(place)
    network.devnet.wait_answering((place,))
    return place


def hnchain(network: Network, *arguments: str) -> str:
    """The command as its users call it; fails with what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "cli", *arguments], capture_output=True, text=True, timeout=180, check=False,
        cwd=network.devnet.directory,
    )  # fmt: skip
    assert done.returncode == 0, (arguments, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout
