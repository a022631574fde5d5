"""Trials of size: networks beside ten thousand and a million accounts, and a start with a hundred thousand blocks."""

import statistics
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.crowded_network import crowded_network
from benchmarks.long_chain import long_chain, start
from benchmarks.machine import verifies_per_second
from benchmarks.scoreboard import Outcome
from benchmarks.trial import Stand, Tally, load
from benchmarks.trials_load import BEST_OUTSTANDING

ACCOUNTS: Final = (10_000, 1_000_000)
LOAD_SECONDS: Final = 8.0
BLOCKS: Final = 100_000
SMALLER: Final = 50  # times, where a short trial is asked for


def accounts(stand: Stand) -> Outcome:
    """Two networks at once, with few and with many accounts, everybody drawn alike; they are loaded in turn, and each
    pair of loads says what the many leave of the rate."""
    tally = Tally()
    few, many = (count // SMALLER for count in ACCOUNTS) if stand.short else ACCOUNTS
    with crowded_network(few, stand.folder) as small, crowded_network(many, stand.folder) as large:
        for run in range(stand.runs):
            rates = {}
            for network in (small, large) if run % 2 == 0 else (large, small):
                result = load(stand, tally, network, stand.seconds(LOAD_SECONDS), outstanding=BEST_OUTSTANDING)
                rates[network.devnet.directory] = result.committed_per_s
            tally.add("accounts", rates[large.devnet.directory] / max(rates[small.devnet.directory], 1.0))
            tally.add("accounts_rate", rates[large.devnet.directory])
    tally.note(f"{few:,} and {many:,} accounts, pairs of loads of {stand.seconds(LOAD_SECONDS):.0f} s",
               f"{few:,} 与 {many:,} 个账户，成对负载各 {stand.seconds(LOAD_SECONDS):.0f} 秒")  # fmt: skip
    return tally.outcome()


def startup(stand: Stand) -> Outcome:
    """The start of a process on a long chain, until it could execute the next block."""
    tally = Tally()
    tally.verify_us.append(1e6 / verifies_per_second())
    blocks = BLOCKS // SMALLER if stand.short else BLOCKS
    with tempfile.TemporaryDirectory(prefix="hnchain-bench-", dir=stand.folder) as folder:
        long_chain(Path(folder) / "chain", blocks, stand.say)
        started = start(Path(folder) / "chain", max(stand.runs, 3))
    for seconds in started.total_s:
        tally.add("startup", seconds)
    tally.note(f"{started.blocks:,} blocks; opening {statistics.median(started.open_s):.2f} s",
               f"{started.blocks:,} 个区块；打开账本 {statistics.median(started.open_s):.2f} 秒")  # fmt: skip
    return tally.outcome()
