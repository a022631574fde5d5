"""Trials in which a node dies under load."""

import signal
from typing import Final

from benchmarks.aftermath import standing
from benchmarks.network import READY_SECONDS, Network
from benchmarks.scoreboard import Outcome
from benchmarks.trial import Stand, Tally, load
from benchmarks.trials_load import RATE_UNKNOWN, SECONDS
from chainnode.devnet_layout import NodePlace

OUTSTANDING: Final = 512
KILL_AT: Final = 0.4  # of the load


def follower(stand: Stand) -> Outcome:
    """Pairs of loads in one network: all nodes, and one that does not lead dead."""
    tally = Tally()
    with stand.network() as network:
        for _ in range(stand.runs):
            seconds = stand.seconds(SECONDS)
            whole = load(stand, tally, network, seconds, outstanding=OUTSTANDING).committed_per_s
            victim = next(place for place in network.devnet.places if place.name != leader_of(network))
            network.devnet.kill(victim)
            rest = load(stand, tally, network, seconds, outstanding=OUTSTANDING).committed_per_s
            tally.add("follower", rest / whole if whole else 0.0)
            _bring_back(network, victim)
    tally.note("a dead node leaves its share of these cores to the others", "宕机节点让出的 CPU 归其余节点使用")
    return tally.outcome()


def leader(stand: Stand) -> Outcome:
    """An open loop at half the knee; the leader is killed in the middle and stays dead."""
    tally = Tally()
    rate = stand.found.get("knee", RATE_UNKNOWN) / 2
    with stand.network() as network:
        for _ in range(stand.runs):
            victim = network.devnet.place(leader_of(network))
            before = views(network)
            seconds = max(stand.seconds(SECONDS), 5.0)
            result = load(stand, tally, network, seconds, rate=rate,
                          at=(KILL_AT, lambda place=victim: _strike(network, place)))  # type: ignore[misc]  # fmt: skip
            tally.add("leader_gap", result.longest_gap_ms / 1000)
            tally.add("leader_views", max(views(network).values()) - max(before.values()))
            _bring_back(network, victim)
    tally.note(f"open loop, {rate:,.0f} tx/s", f"开环，{rate:,.0f} 笔/秒")
    return tally.outcome()


def _strike(network: Network, place: NodePlace) -> None:
    network.devnet.signal(place, signal.SIGKILL)


def leader_of(network: Network) -> str:
    """The name of the node that leads, as the furthest view knows it."""
    found = [status for status in network.statuses().values() if status is not None]
    return str(max(found, key=lambda status: (status["epoch"], status["view"]))["leader"])


def views(network: Network) -> dict[str, int]:
    """The view of every node that answers."""
    return {name: int(status["view"]) for name, status in network.statuses().items() if status is not None}


def _bring_back(network: Network, place: NodePlace) -> None:
    network.devnet.start(place)
    network.devnet.wait_ready(network.devnet.places, READY_SECONDS)
    standing(network)
