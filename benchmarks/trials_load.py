"""Trials of pure load: throughput and latency of a network in which nothing breaks."""

import statistics
from typing import Final

from benchmarks.report import Result
from benchmarks.scoreboard import Outcome
from benchmarks.trial import Stand, Tally, load
from benchmarks.workload import BATCH_OPERATIONS
from chainnode.eight_lanes import Lanes

BEST_OUTSTANDING: Final = 2_048
BEST_SECONDS: Final = 60.0
SECONDS: Final = 12.0
BATCHES_OUTSTANDING: Final = 64
IDLE_RATE: Final = 5.0
HALF_SECONDS: Final = 15.0
RATE_UNKNOWN: Final = 2_000.0  # of a knee that was not measured


def best(stand: Stand) -> Outcome:
    """The most that is committed per second, sustained; and what a transaction costs then."""
    tally = Tally()
    with stand.network() as network:
        for _ in range(stand.runs):
            result = load(stand, tally, network, stand.seconds(BEST_SECONDS), outstanding=BEST_OUTSTANDING)
            tally.add("best", result.committed_per_s)
            tally.add("share", result.share_of_limit)
            tally.add("cpu", result.cost.nodes_us_per_transaction)
            tally.add("growth", growth_bytes(result))
    return tally.outcome()


def growth_bytes(result: Result) -> float:
    """Of the ledger of one node per transaction; what the log of the database holds twice for a while is in it."""
    sizes = list(result.cost.ledger_bytes.values())
    return statistics.median(sizes) / max(1, result.endings["committed"]) if sizes else 0.0


def w512(stand: Stand) -> Outcome:
    """Throughput and latency at 512 outstanding."""
    tally = Tally()
    with stand.network() as network:
        for _ in range(stand.runs):
            result = load(stand, tally, network, stand.seconds(SECONDS), outstanding=512)
            tally.add("w512", result.committed_per_s)
            tally.add("w512_p50", result.latency["all"].p50)
    return tally.outcome()


def plain(stand: Stand) -> Outcome:
    """As on a processor without AVX-512: every signature through libsodium."""
    off: Lanes = "off"
    tally = Tally()
    with stand.network(lanes=off) as network:
        for _ in range(stand.runs):
            result = load(stand, tally, network, stand.seconds(SECONDS), outstanding=BEST_OUTSTANDING)
            tally.add("plain", result.committed_per_s)
    return tally.outcome()


def batch(stand: Stand) -> Outcome:
    """Operations per second in envelopes of 100."""
    tally = Tally()
    with stand.network() as network:
        for _ in range(stand.runs):
            seconds = stand.seconds(SECONDS)
            result = load(stand, tally, network, seconds, outstanding=BATCHES_OUTSTANDING, profile="batch",
                          operations=BATCH_OPERATIONS)  # fmt: skip
            tally.add("batch", result.operations_per_s)
    return tally.outcome()


def idle(stand: Stand) -> Outcome:
    """A transaction now and then."""
    tally = Tally()
    with stand.network() as network:
        for _ in range(stand.runs):
            result = load(stand, tally, network, stand.seconds(SECONDS), rate=IDLE_RATE)
            tally.add("idle_p50", result.latency["all"].p50)
    return tally.outcome()
