"""kill -9 at random instants under load: nothing acknowledged is lost or applied twice, and it comes back fast."""

import random
import time
from pathlib import Path

from chainnode.devnet_layout import NodePlace
from tests.chaos.findings import Finding
from tests.chaos.ledgers import count_lost, count_twice, issued_units, replay_faults
from tests.chaos.load import StubbornLoad
from tests.integration.local_network import Network, local_network

RESTART_SECONDS_MAX = 5.0
BLOCKS_FOR_RESTART = 10_000
LOAD_THREADS = 3
GROW_SECONDS_MAX = 900.0
CUTS = 10
CUT_SECONDS_MAX = 10.0
UP_SECONDS_MAX = 1.0  # between two kills, drawn anew each time; 0 hits a node that just started


def kill_often(folder: Path, seed: int, kills: int) -> list[Finding]:
    """`kills` single kills; the restart time that counts is that over at least BLOCKS_FOR_RESTART blocks."""
    draw = random.Random(f"{seed}/kills")
    with local_network(folder) as network:
        slowest = 0.0
        with StubbornLoad(network, threads=LOAD_THREADS, prefix="K") as load:
            load.wait_acknowledged(50)
            for number in range(kills):
                time.sleep(draw.random() * UP_SECONDS_MAX)
                slowest = max(slowest, _kill_and_return(network, draw.choice(network.places)))
                if number % 20 == 19:
                    print(f"  {number + 1} kills, {len(load.acknowledged)} acknowledged, slowest {slowest:.2f} s",
                          flush=True)  # fmt: skip
            _grow(network, network.places[0])
            times = [_restart(network, place) for place in network.places]
        height, _ = network.wait_equal(30.0)
        sums = _ledgers_after("kills", f"{kills} kills", network, load)
    ready, committed = (max(column) for column in zip(*times, strict=True))
    return [
        *sums,
        Finding("kills", f"restart to serving under load, {height} blocks", f"<= {RESTART_SECONDS_MAX} s",
                f"{ready:.2f} s", ready <= RESTART_SECONDS_MAX and height >= BLOCKS_FOR_RESTART),
        Finding("kills", "restart to the first commit through that node", "(seen)", f"{committed:.2f} s", True),
        Finding("kills", "slowest of all restarts while killing", "(seen)", f"{slowest:.2f} s", True),
    ]  # fmt: skip


def cut_often(folder: Path, seed: int) -> list[Finding]:
    """kill -9 of all four at once, CUTS times under one load that never stops asking."""
    draw = random.Random(f"{seed}/cuts")
    longest = 0.0
    with local_network(folder) as network:
        with StubbornLoad(network, threads=LOAD_THREADS, prefix="W") as load:
            for _ in range(CUTS):
                load.wait_acknowledged(len(load.acknowledged) + draw.randrange(1, 200), 60.0)
                network.kill_all()
                began, count = time.monotonic(), len(load.acknowledged)
                network.start_all()
                load.wait_acknowledged(count + 1, 60.0)
                longest = max(longest, time.monotonic() - began)
        network.wait_equal(30.0)
        sums = _ledgers_after("cuts", f"{CUTS} cuts of all", network, load)
    return [
        *sums,
        Finding("cuts", "from the cut to the next commit", f"<= {CUT_SECONDS_MAX} s", f"{longest:.2f} s",
                longest <= CUT_SECONDS_MAX),
    ]  # fmt: skip


def _ledgers_after(scenario: str, deed: str, network: Network, load: StubbornLoad) -> list[Finding]:
    """Stops the network and holds its ledgers against what the load was told."""
    issued = issued_units(network, network.places[0])
    network.devnet.stop()
    lost = count_lost(network, load.acknowledged, network.places)
    twice = count_twice(network, network.places[0], issued) + len(load.contradicted)
    faults = replay_faults(network, network.places)
    told = f"{len(load.acknowledged)} acked, {load.resent} sent again"
    return [
        Finding(scenario, f"acked and lost ({deed}, {told})", "0", str(lost), lost == 0),
        Finding(scenario, "applied twice, or acknowledged at two places", "0", str(twice), twice == 0),
        Finding(scenario, "ledgers that do not replay", "0", str(len(faults)) + " ".join(faults), not faults),
    ]


def _kill_and_return(network: Network, place: NodePlace) -> float:
    assert network.devnet.kill(place), f"{place.name} did not run: {network.devnet.last_words(place)}"
    began = time.monotonic()
    network.devnet.start(place)
    network.devnet.wait_ready((place,), 60.0)
    return time.monotonic() - began


def _grow(network: Network, place: NodePlace) -> None:
    """Until the chain is long enough; the load makes blocks meanwhile."""
    deadline = time.monotonic() + GROW_SECONDS_MAX
    while (height := network.height(place)) < BLOCKS_FOR_RESTART:
        assert time.monotonic() < deadline, f"only {height} blocks after {GROW_SECONDS_MAX:.0f} s more"
        time.sleep(0.5)


def _restart(network: Network, place: NodePlace) -> tuple[float, float]:
    """Seconds from the start of the process until the node says that it serves, and until a commit came through it."""
    began = time.monotonic()
    ready = _kill_and_return(network, place)
    line = network.submit(place, [network.issue(f"back-{place.name}")])[0]
    assert line["status"] == "committed", line
    return ready, time.monotonic() - began
