"""kill -9 at random instants under load: nothing acknowledged is lost or applied twice, and it comes back fast."""

import random
import time
from pathlib import Path

from chainnode.devnet_layout import NodePlace
from tests.chaos.findings import Finding
from tests.chaos.ledgers import count_lost, count_twice, replay_faults
from tests.integration.local_network import Load, Network, local_network

RESTART_SECONDS_MAX = 5.0
BLOCKS_FOR_RESTART = 10_000
UP_SECONDS_MAX = 1.0  # between two kills, drawn anew each time; 0 hits a node that just started


def kill_often(folder: Path, seed: int, kills: int) -> list[Finding]:
    """`kills` single kills; the restart time that counts is that over at least BLOCKS_FOR_RESTART blocks."""
    draw = random.Random(f"{seed}/kills")
    with local_network(folder) as network:
        slowest = 0.0
        with Load(network, threads=3, prefix="K") as load:
            load.wait_acknowledged(50)
            for number in range(kills):
                time.sleep(draw.random() * UP_SECONDS_MAX)
                slowest = max(slowest, _kill_and_return(network, draw.choice(network.places)))
                if number % 20 == 19:
                    print(f"  {number + 1} kills, {len(load.acknowledged)} acknowledged, slowest {slowest:.2f} s",
                          flush=True)  # fmt: skip
            restart = max(_restart_at_height(network, place) for place in network.places)
        height, _ = network.wait_equal(30.0)
        network.devnet.stop()
        lost = count_lost(network, load.acknowledged, network.places)
        twice = count_twice(network, network.places[0])
        faults = replay_faults(network, network.places)
    told = f"{len(load.acknowledged)} acked"
    return [
        Finding("kills", f"acknowledged and lost ({kills} kills, {told})", "0", str(lost), lost == 0),
        Finding("kills", "applied twice", "0", str(twice), twice == 0),
        Finding("kills", "ledgers that do not replay", "0", str(len(faults)) + " ".join(faults), not faults),
        Finding("kills", f"restart to serving at {height} blocks", f"<= {RESTART_SECONDS_MAX} s", f"{restart:.2f} s",
                restart <= RESTART_SECONDS_MAX and height >= BLOCKS_FOR_RESTART),
        Finding("kills", "slowest of all restarts under load", "(seen)", f"{slowest:.2f} s", True),
    ]  # fmt: skip


def _kill_and_return(network: Network, place: NodePlace) -> float:
    assert network.devnet.kill(place), f"{place.name} did not run"
    began = time.monotonic()
    network.devnet.start(place)
    network.devnet.wait_ready((place,), 60.0)
    return time.monotonic() - began


def _restart_at_height(network: Network, place: NodePlace) -> float:
    """Restart time once the chain is long enough; more blocks are made by the load meanwhile."""
    deadline = time.monotonic() + 600
    while network.height(place) < BLOCKS_FOR_RESTART:
        assert time.monotonic() < deadline, f"only {network.height(place)} blocks after 600 s"
        time.sleep(0.5)
    return _kill_and_return(network, place)
