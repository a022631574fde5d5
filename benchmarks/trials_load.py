"""Trials of pure load: throughput and latency of a network in which nothing breaks."""

import statistics
from typing import Final

from benchmarks.knee import KEPT_SHARE, Step, find, knee_of, step_of
from benchmarks.machine import lane_verifies_per_second
from benchmarks.report import Result
from benchmarks.run import RunFailed
from benchmarks.scoreboard import Outcome
from benchmarks.trial import Stand, Tally, load
from benchmarks.workload import BATCH_OPERATIONS
from chainnode.eight_lanes import Lanes

BEST_OUTSTANDING: Final = 4_096
BEST_SECONDS: Final = 60.0
SECONDS: Final = 8.0
IDLE_SECONDS: Final = 6.0
BATCHES_OUTSTANDING: Final = 128  # 0.7 MiB of envelopes: less than the pools of four nodes take at any time
QUERIES_MAX: Final = 12_000.0  # per second; more than two cores answer
QUERIES_BESIDE: Final = 50.0  # transactions per second, so that there is something new to ask for
QUERY_SECONDS: Final = 6.0
IDLE_RATE: Final = 5.0
STEP_SECONDS: Final = 6.0  # of a load that looks for the knee
FIRST_SHARE: Final = 0.7  # of the best, where the search begins
RATE_MAX: Final = 40_000.0
PRECISION: Final = 0.08
KNEE_P99_MS: Final = 500.0
RATE_UNKNOWN: Final = 2_000.0  # of what was not measured


def best(stand: Stand) -> Outcome:
    """The most that is committed per second, sustained; and what a transaction costs then. Each run has a network of
    its own: the state grows while it lasts."""
    tally = Tally()
    for _ in range(stand.runs):
        with stand.network() as network:
            result = load(stand, tally, network, stand.seconds(BEST_SECONDS), outstanding=BEST_OUTSTANDING)
        tally.add("best", result.committed_per_s)
        tally.add("steady", steadiness(result))
        tally.add("share", result.share_of_limit)
        in_lanes = lane_verifies_per_second()
        if in_lanes is not None:
            tally.add("share_lanes", result.share_of_limit / result.baseline.us * 1e6 / in_lanes)
        tally.add("cpu", result.cost.nodes_us_per_transaction)
        tally.add("growth", growth_bytes(result))
    return tally.outcome()


def steadiness(result: Result) -> float:
    """Commits in the last quarter of the measured time, of those in its first quarter; 0 if there were none."""
    start, end = int(result.settings.warmup), int(result.settings.warmup + result.settings.duration)
    seconds = result.per_second[start:end]
    quarter = max(1, (end - start) // 4)
    late = sum(seconds[end - start - quarter :])
    return late / max(1, sum(seconds[:quarter]))


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


def half(stand: Stand) -> Outcome:
    """The knee, once, and the latency at half of it. Raises: RunFailed if no rate is kept up with."""
    tally = Tally()
    with stand.network() as network:

        def attempt(rate: float, seconds: float) -> Step:
            return step_of(load(stand, tally, network, seconds, rate=rate))

        first = stand.found.get("best", RATE_UNKNOWN) * FIRST_SHARE
        precision = 1.0 if stand.short else PRECISION
        steps = find(attempt, first, RATE_MAX, precision, KNEE_P99_MS, stand.seconds(STEP_SECONDS))
        knee = knee_of(steps, KNEE_P99_MS)
        if not knee:
            raise RunFailed(f"no knee: not even {min(step.rate for step in steps):,.0f} tx/s were kept up with")
        tally.add("knee", knee)
        for _ in range(stand.runs):
            latency = load(stand, tally, network, stand.seconds(SECONDS), rate=knee / 2).latency["all"]
            tally.add("half_p50", latency.p50)
            tally.add("half_p99", latency.p99)
    tally.note(f"a rate is kept up with if {KEPT_SHARE:.0%} are committed in time and p99 <= {KNEE_P99_MS:.0f} ms",
               f"跟上：{KEPT_SHARE:.0%} 按时提交且 p99 ≤ {KNEE_P99_MS:.0f} ms")  # fmt: skip
    return tally.outcome()


def queries(stand: Stand) -> Outcome:
    """Queries beside a few transactions: how many are answered of more than can be, then the latency at half of that.
    Once: nothing is judged. Raises: RunFailed if none is answered."""
    tally = Tally()
    with stand.network() as network:
        seconds = stand.seconds(QUERY_SECONDS)
        flood = load(stand, tally, network, seconds, rate=QUERIES_BESIDE, queries=QUERIES_MAX)
        if flood.queries is None or not flood.queries.answered_per_s:
            raise RunFailed("no query was answered")
        answered = flood.queries.answered_per_s
        calm = load(stand, tally, network, seconds, rate=QUERIES_BESIDE, queries=answered / 2)
    tally.add("queries", answered)
    if calm.queries is not None:
        tally.add("query_p99", calm.queries.latency.p99)
        tally.sound = tally.sound and not calm.queries.failed
    tally.note(f"{QUERIES_MAX:,.0f} asked per second beside {QUERIES_BESIDE:.0f} tx/s; p99 at half of the answered",
               f"每秒提出 {QUERIES_MAX:,.0f} 次，同时 {QUERIES_BESIDE:.0f} 笔/秒；p99 取自所答速率的一半")  # fmt: skip
    return tally.outcome()


def idle(stand: Stand) -> Outcome:
    """A transaction now and then."""
    tally = Tally()
    with stand.network() as network:
        for _ in range(stand.runs):
            result = load(stand, tally, network, stand.seconds(IDLE_SECONDS), rate=IDLE_RATE)
            tally.add("idle_p50", result.latency["all"].p50)
    return tally.outcome()
