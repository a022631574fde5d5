"""A node joins by snapshot under load; a validator is added and another removed by transactions under load."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from chainnode.devnet_layout import NodePlace
from chainnode.devnet_members import add_node, membership_of
from chainnode.listening_ports import free_ports
from primitives.kinds_validators import ValidatorRemove
from tests.chaos.findings import Finding
from tests.chaos.ledgers import count_lost, count_twice, floor_of, issued_units
from tests.chaos.load import StubbornLoad
from tests.integration.local_network import Network, local_network
from tests.integration.test_epochs import decide, wait_epoch

PAUSE_SECONDS_MAX = 3.0
JOIN_SECONDS_MAX = 60.0
BLOCKS_BEFORE = 300
SETTLE_SECONDS = 3.0


def join_and_change(folder: Path, seed: int) -> list[Finding]:
    """Everything in one network: snapshot, join, add, remove, while a load runs."""
    del seed
    with local_network(folder) as network:
        with StubbornLoad(network, threads=2, prefix="M") as load:
            while network.height(network.places[0]) < BLOCKS_BEFORE:
                time.sleep(0.2)
            began = time.monotonic()
            place, snapshot = _join_by_snapshot(network)
            changed = time.monotonic()
            decide(network, membership_of(network.devnet, place, network.genesis))
            joined, head = _reach_head(network, place, began)
            wait_epoch(network, 1, network.places)
            network.devnet.wait_ready((place,), JOIN_SECONDS_MAX)
            time.sleep(SETTLE_SECONDS)
            added, changed = load.gap(changed), time.monotonic()
            leaver = network.places[1]
            decide(network, ValidatorRemove(leaver.name))
            stayed = tuple(p for p in network.places if p != leaver)
            wait_epoch(network, 2, stayed)
            time.sleep(SETTLE_SECONDS)
            removed = load.gap(changed)
            voted = _votes_without(network, load, stayed, place)
        network.wait_equal(30.0, stayed)
        issued = issued_units(network, stayed[0])
        network.devnet.stop()
        lost = count_lost(network, load.acknowledged, stayed)
        doubts = count_twice(network, stayed[0], issued) + len(load.contradicted)
        floor = floor_of(network, place)
    seconds = f"<= {PAUSE_SECONDS_MAX} s"
    return [
        Finding("members", "fresh node at the head under load, by snapshot", f"<= {JOIN_SECONDS_MAX:.0f} s",
                f"{joined:.1f} s, from {snapshot} to {head}", joined <= JOIN_SECONDS_MAX and min(snapshot, floor) > 0),
        Finding("members", "longest gap around adding a validator", seconds, f"{added:.2f} s",
                added <= PAUSE_SECONDS_MAX),
        Finding("members", "longest gap around removing one", seconds, f"{removed:.2f} s",
                removed <= PAUSE_SECONDS_MAX),
        Finding("members", "commits that need the new node's vote", "> 0", str(voted), voted > 0),
        Finding("members", "acknowledged and lost", "0", str(lost), lost == 0),
        Finding("members", "applied twice", "0", str(doubts), doubts == 0),
    ]  # fmt: skip


def _join_by_snapshot(network: Network) -> tuple[NodePlace, int]:
    """A new node fetches the snapshot of the others over HTTP and starts from it, at the height that is returned."""
    hnchain(network, "node", "snapshot", "--config", str(network.devnet.folder(network.places[0]) / "node.toml"))
    network.devnet, place = add_node(network.devnet, network.genesis, tuple(free_ports(4)))  # type: ignore[arg-type]
    config = network.devnet.folder(place) / "node.toml"
    sources = [part for other in network.places[:2] for part in ("--from", other.url)]
    done = json.loads(hnchain(network, "node", "resync", "--config", str(config), *sources, "-o", "json"))
    network.devnet.start(place)
    network.devnet.wait_answering((place,))
    return place, int(done["height"])


def _reach_head(network: Network, place: NodePlace, began: float) -> tuple[float, int]:
    """(seconds, height) until the node has a block that was the newest of another one a moment before."""
    while True:
        head = network.height(network.places[0])
        if network.height(place) >= head:
            return time.monotonic() - began, head
        assert time.monotonic() - began < 3 * JOIN_SECONDS_MAX, f"{place.name} at {network.height(place)} of {head}"
        time.sleep(0.05)


def _votes_without(network: Network, load: StubbornLoad, stayed: Sequence[NodePlace], place: NodePlace) -> int:
    """Commits while another one is down, of four: none without the vote of `place`."""
    down = next(p for p in stayed if p != place)
    network.devnet.kill(down)
    time.sleep(SETTLE_SECONDS)
    before = len(load.acknowledged)
    time.sleep(SETTLE_SECONDS)
    found = len(load.acknowledged) - before
    network.devnet.start(down)
    network.devnet.wait_ready((down,), JOIN_SECONDS_MAX)
    return found


def hnchain(network: Network, *arguments: str) -> str:
    """The command as its users call it; fails with what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "cli", *arguments], capture_output=True, text=True, timeout=180, check=False,
        cwd=network.devnet.directory,
    )  # fmt: skip
    assert done.returncode == 0, (arguments, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout
