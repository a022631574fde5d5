"""A paused half of the network, and a leader killed under load."""

import random
import signal
import time
from pathlib import Path

from chainnode.devnet_layout import NodePlace
from tests.chaos.findings import Finding
from tests.chaos.load import StubbornLoad
from tests.integration.local_network import Network, local_network

PAUSE_SECONDS = 60.0
RESUME_SECONDS_MAX = 15.0
GAP_SECONDS_MAX = 3.0
LEADERS_KILLED = 3
WATCHED_SECONDS = 8.0  # after each


def pause_half(folder: Path, seed: int) -> list[Finding]:
    """The leader and another stand still for a minute: nothing is committed meanwhile, and it goes on within seconds
    although the two others asked for view after view (pitfall 49)."""
    with local_network(folder) as network, StubbornLoad(network, threads=2, prefix="P") as load:
        load.wait_acknowledged(40)
        leader = leader_of(network, network.places[0])
        other = random.Random(f"{seed}/pause").choice([place for place in network.places if place != leader])
        for place in (leader, other):
            network.devnet.signal(place, signal.SIGSTOP)
        time.sleep(1.0)
        before = len(load.acknowledged)
        time.sleep(PAUSE_SECONDS)
        meanwhile = len(load.acknowledged) - before
        for place in (leader, other):
            network.devnet.signal(place, signal.SIGCONT)
        resumed, count = time.monotonic(), len(load.acknowledged)
        load.wait_acknowledged(count + 1, 60.0)
        back = time.monotonic() - resumed
        load.wait_acknowledged(count + 100, 60.0)
        views = int(network.get(leader, "/v1/status")["view"])
    what = f"first commit after {PAUSE_SECONDS:.0f} s of pause of 2 of 4"
    return [
        Finding("pause", "commits without a quorum", "0", str(meanwhile), meanwhile == 0),
        Finding("pause", what, f"<= {RESUME_SECONDS_MAX} s", f"{back:.2f} s, view {views}", back <= RESUME_SECONDS_MAX),
    ]


def kill_leaders(folder: Path, seed: int) -> list[Finding]:
    """The leader is killed under load, several times; the longest time without a commit counts."""
    del seed
    blocks = clients = 0.0
    with local_network(folder) as network, StubbornLoad(network, threads=3, prefix="G") as load:
        load.wait_acknowledged(60)
        for _ in range(LEADERS_KILLED):
            leader = leader_of(network, network.places[0])
            witness = next(place for place in network.places if place != leader)
            network.devnet.kill(leader)
            began = time.monotonic()
            blocks = max(blocks, _block_gap(network, witness, WATCHED_SECONDS))
            clients = max(clients, load.gap(began))
            network.devnet.start(leader)
            network.devnet.wait_ready(network.places, 60.0)
    held = blocks <= GAP_SECONDS_MAX and clients <= GAP_SECONDS_MAX
    what = f"longest gap, {LEADERS_KILLED} leaders killed under load"
    told = f"{blocks:.2f} s, clients {clients:.2f} s"
    return [Finding("leader", what, f"<= {GAP_SECONDS_MAX} s", told, held)]


def leader_of(network: Network, witness: NodePlace) -> NodePlace:
    """Who leads now, as the witness sees it."""
    return network.devnet.place(network.get(witness, "/v1/status")["leader"])


def _block_gap(network: Network, witness: NodePlace, seconds: float) -> float:
    height, longest = network.height(witness), 0.0
    began = last = time.monotonic()
    while time.monotonic() - began < seconds:
        now = network.height(witness)
        if now > height:
            height, last = now, time.monotonic()
        longest = max(longest, time.monotonic() - last)
        time.sleep(0.01)
    return longest
