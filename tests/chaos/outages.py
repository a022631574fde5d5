"""A paused half of the network, and a leader killed under load."""

import signal
import time
from pathlib import Path

from tests.chaos.findings import Finding
from tests.integration.local_network import Load, local_network

PAUSE_SECONDS = 60.0
RESUME_SECONDS_MAX = 15.0
GAP_SECONDS_MAX = 3.0
LEADERS_KILLED = 3


def pause_half(folder: Path, seed: int) -> list[Finding]:
    """2 of 4 stand still for a minute: nothing is committed meanwhile, and it goes on within seconds (pitfall 49)."""
    del seed
    with local_network(folder) as network, Load(network, threads=2, prefix="P") as load:
        load.wait_acknowledged(40)
        for place in network.places[2:]:
            network.devnet.signal(place, signal.SIGSTOP)
        time.sleep(1.0)
        before = len(load.acknowledged)
        time.sleep(PAUSE_SECONDS)
        meanwhile = len(load.acknowledged) - before
        for place in network.places[2:]:
            network.devnet.signal(place, signal.SIGCONT)
        resumed, count = time.monotonic(), len(load.acknowledged)
        load.wait_acknowledged(count + 1, 60.0)
        back = time.monotonic() - resumed
    return [
        Finding("pause", "commits without a quorum", "0", str(meanwhile), meanwhile == 0),
        Finding("pause", f"first commit after {PAUSE_SECONDS:.0f} s of pause of 2 of 4", f"<= {RESUME_SECONDS_MAX} s",
                f"{back:.2f} s", back <= RESUME_SECONDS_MAX),
    ]  # fmt: skip


def kill_leaders(folder: Path, seed: int) -> list[Finding]:
    """The leader is killed under load, several times; the longest time without a commit counts."""
    del seed
    longest = 0.0
    with local_network(folder) as network, Load(network, threads=3, prefix="G") as load:
        load.wait_acknowledged(60)
        for _ in range(LEADERS_KILLED):
            leader = network.devnet.place(network.get(network.places[0], "/v1/status")["leader"])
            witness = next(place for place in network.places if place != leader)
            height = network.height(witness)
            network.devnet.kill(leader)
            killed = last = time.monotonic()
            while time.monotonic() - killed < 8.0:
                now = network.height(witness)
                if now > height:
                    height, last = now, time.monotonic()
                longest = max(longest, time.monotonic() - last)
                time.sleep(0.01)
            network.devnet.start(leader)
            network.devnet.wait_ready(network.places, 60.0)
    what = f"longest gap, {LEADERS_KILLED} leaders killed under load"
    return [Finding("leader", what, f"<= {GAP_SECONDS_MAX} s", f"{longest:.2f} s", longest <= GAP_SECONDS_MAX)]
