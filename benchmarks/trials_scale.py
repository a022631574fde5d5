"""Trials of size: one node beside a million accounts, and its start with a hundred thousand blocks."""

import statistics
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.long_chain import long_chain, start
from benchmarks.machine import verifies_per_second
from benchmarks.scale import carry
from benchmarks.scoreboard import Outcome
from benchmarks.trial import Stand, Tally

ACCOUNTS: Final = (10_000, 1_000_000)
ROUNDS: Final = 8
BLOCKS: Final = 100_000
SMALLER: Final = 50  # times, where a short trial is asked for


def accounts(stand: Stand) -> Outcome:
    """Executing and storing beside few and beside many accounts, in turn; what the many leave of the rate."""
    tally = Tally()
    tally.verify_us.append(1e6 / verifies_per_second())
    counts = tuple(count // SMALLER for count in ACCOUNTS) if stand.short else ACCOUNTS
    with tempfile.TemporaryDirectory(prefix="hnchain-bench-", dir=stand.folder) as folder:
        borne = carry(Path(folder), counts, 2 if stand.short else ROUNDS, stand.say)
    tally.add("accounts", borne.share)
    rates = ", ".join(f"{one.accounts:,}: {one.rate:,.0f} tx/s" for one in borne.carried)
    tally.note(f"execution and ledger of one node on one core; {rates}", f"单节点单核的执行与账本；{rates}")
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
