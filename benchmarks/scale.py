"""How one node carries a large state and a long chain: payments beside 10,000 to 1,000,000 accounts, the start with
100,000 blocks, a snapshot of it all written and loaded again.

Only executing and storing is measured here: nothing is signed, sent or voted on. States of all sizes take turns, a few
blocks each, so that a slow minute of the machine harms all alike.
"""

import gc
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.crowd import Crowd
from benchmarks.lone_node import LoneNode
from benchmarks.long_chain import PIECE, Copied, Started, Tell, copy, long_chain, quiet, start
from benchmarks.machine import Hardware, folder_bytes, hardware, resident_mib, verifies_per_second
from cli.language import t
from cli.output import table
from ledger.data_directory import SEGMENT_DIRECTORY
from ledger.leveldb import MAPPED_MIB
from ledger.schema import (
    BATCH,
    BLOCK,
    CERTIFICATE,
    LEAF,
    MENTIONS,
    NODE,
    RECEIPTS,
    SEGMENT,
    STATE,
    TRANSACTION,
    TREE_LOG,
)
from ledger.store import Operation

ACCOUNTS: Final = (10_000, 100_000, 1_000_000)
BLOCKS: Final = 100_000
BLOCK_TRANSACTIONS: Final = 100
ROUND_BLOCKS: Final = 10
ROUNDS: Final = 12
KINDS: Final = {
    STATE: "state", LEAF: "tree leaves", NODE: "tree nodes", TREE_LOG: "tree log", TRANSACTION: "index",
    BLOCK: "blocks", CERTIFICATE: "certificates", BATCH: "places of bodies", RECEIPTS: "places of bodies",
    MENTIONS: "places of bodies", SEGMENT: "places of bodies",
}  # fmt: skip

class Carried(msgspec.Struct, frozen=True):
    """Payments beside so many accounts. Times are CPU of the process per transaction: nobody waits for the disk in
    them; `rate` is what one core could do, `wall_rate` what happened. `bytes_written`: given to LevelDB per
    transaction, by kind; `segment_bytes`: to the segments, per transaction."""

    accounts: int
    transactions: int
    rate: float
    wall_rate: float
    execute_us: float
    write_us: float
    operations: float
    bytes_written: dict[str, float]
    segment_bytes: float
    folder_mib: float

    @property
    def bytes_each(self) -> float:
        """Given to LevelDB per transaction."""
        return sum(self.bytes_written.values())


class Borne(msgspec.Struct, frozen=True):
    """What `carry` found. `share`: of the rate beside the fewest accounts, kept beside the most. `resident_mib`: of
    the process with the nodes of all states."""

    carried: list[Carried]
    share: float
    resident_mib: float
    copied: Copied | None


class Scale(msgspec.Struct, frozen=True):
    """The result."""

    hardware: Hardware
    borne: Borne
    started: Started | None
    verify_us: float
    mapped_mib: int = MAPPED_MIB  # of each node's database, at most


class _Meter:
    """Counts what a node gives to its store, and how its segments grow."""

    def __init__(self, node: LoneNode, segments: Path) -> None:
        self.bytes: Final[Counter[str]] = Counter()
        self._segments: Final = segments
        self._before: Final = folder_bytes(segments)
        self.operations = 0
        self._write: Final = node.store.write
        node.store.write = self._counted  # type: ignore[method-assign]

    @property
    def segment_bytes(self) -> int:
        """Since the beginning."""
        return folder_bytes(self._segments) - self._before

    def _counted(self, operations: Sequence[Operation], sync: bool = True) -> None:
        self.operations += len(operations)
        for key, value in operations:
            self.bytes[KINDS.get(key[:1], "other")] += len(key) + (0 if value is None else len(value))
        self._write(operations, sync)


class _Bearer:
    """A node with its crowd, and what its turns took."""

    def __init__(self, path: Path, accounts: int, mapped_mib: int) -> None:
        self.accounts: Final = accounts
        self.crowd: Final = Crowd(accounts)
        self.node: Final = LoneNode(path, self.crowd.genesis, durable=False, mapped_mib=mapped_mib)
        for changes in self.crowd.state(PIECE):
            self.node.fill(changes)
        self.node.store.compact(b"\x00", b"\xff")
        self.node.store.hurried = False
        self._path: Final = path
        self._meter: _Meter | None = None
        self.execute: Final[list[float]] = []
        self.write: Final[list[float]] = []
        self.wall: Final[list[float]] = []

    def turn(self, measured: bool, blocks: int = ROUND_BLOCKS) -> None:
        """Some blocks; without `measured` only to fill caches."""
        if measured and self._meter is None:
            self._meter = _Meter(self.node, self._path / SEGMENT_DIRECTORY)
        execute = write = wall = 0.0
        for _ in range(blocks):
            offered = self.node.offer(self.crowd.block(BLOCK_TRANSACTIONS, self.node.now_s))
            began, at = time.perf_counter(), time.process_time()
            execution = self.node.execute(offered)
            middle = time.process_time()
            self.node.commit(offered, execution)
            execute, write = execute + middle - at, write + time.process_time() - middle
            wall += time.perf_counter() - began
            assert all(r is not None and r.code == 0 for r in execution.receipts), "nothing here is refused"
        if measured:
            each = 1e6 / (blocks * BLOCK_TRANSACTIONS)
            self.execute.append(execute * each)
            self.write.append(write * each)
            self.wall.append(wall * each)

    def result(self) -> Carried:
        """Medians of the turns."""
        assert self._meter is not None, "at least one turn was measured"
        count = len(self.execute) * ROUND_BLOCKS * BLOCK_TRANSACTIONS
        costs = [e + w for e, w in zip(self.execute, self.write, strict=True)]
        return Carried(
            self.accounts, count, round(1e6 / statistics.median(costs), 1),
            round(1e6 / statistics.median(self.wall), 1), round(statistics.median(self.execute), 2),
            round(statistics.median(self.write), 2), round(self._meter.operations / count, 3),
            {kind: round(octets / count, 1) for kind, octets in self._meter.bytes.most_common()},
            round(self._meter.segment_bytes / count, 1), round(folder_bytes(self._path) / 2**20, 1),
        )  # fmt: skip


def carry(
    folder: Path, counts: Sequence[int], rounds: int = ROUNDS, tell: Tell = quiet, snapshot: bool = False,
    mapped_mib: int = MAPPED_MIB,
) -> Borne:  # fmt: skip
    """Payments beside each number of accounts, in turn; `snapshot`: at the end one of the largest state.

    The share is the median over the turns of (cost beside the fewest) / (cost beside the most), turn by turn.
    """
    bearers = []
    for accounts in counts:
        tell(f"{accounts:,}")
        bearers.append(_Bearer(folder / str(accounts), accounts, mapped_mib))
    try:
        for bearer in bearers:
            bearer.turn(measured=False)
        gc.collect()
        gc.freeze()
        for _ in range(rounds):
            for bearer in bearers:
                bearer.turn(measured=True)
        first, last = bearers[0], bearers[-1]
        turns = zip(first.execute, first.write, last.execute, last.write, strict=True)
        share = statistics.median((a + b) / (c + d) for a, b, c, d in turns)
        results, resident = [bearer.result() for bearer in bearers], round(resident_mib(os.getpid()), 1)
        copied = copy(last.node, folder, last.accounts) if snapshot else None
        return Borne(results, round(share, 3), resident, copied)
    finally:
        for bearer in bearers:
            bearer.node.close()


def measure(
    counts: Sequence[int] = ACCOUNTS, blocks: int = BLOCKS, rounds: int = ROUNDS, tell: Tell = quiet,
    folder: Path | None = None, mapped_mib: int = MAPPED_MIB,
) -> Scale:  # fmt: skip
    """All of it; `blocks` 0 leaves the start out. Raises: FatalError of the disk."""
    verify_us = 1e6 / verifies_per_second()
    with tempfile.TemporaryDirectory(prefix="hnchain-scale-", dir=folder) as name:
        place = Path(name)
        borne = carry(place, sorted(counts), rounds, tell, snapshot=True, mapped_mib=mapped_mib)
        started = None
        if blocks:
            long_chain(place / "chain", blocks, tell)
            started = start(place / "chain")
    return Scale(hardware(), borne, started, round(verify_us, 2), mapped_mib)


def text_of(found: Scale) -> str:
    """Tables, and what they are held against."""
    heads = (
        t("accounts", "账户数"), t("tx/s, one core", "笔/秒（单核）"), t("execute, us", "执行，微秒"),
        t("write, us", "写入，微秒"), t("B per tx", "每笔字节"), t("of it tree", "其中状态树"),
        t("in segments", "段文件"), t("folder", "目录"),
    )  # fmt: skip
    rows = []
    for one in found.borne.carried:
        tree = sum(one.bytes_written.get(kind, 0.0) for kind in (KINDS[LEAF], KINDS[NODE], KINDS[TREE_LOG]))
        rows.append((f"{one.accounts:,}", f"{one.rate:,.0f}", f"{one.execute_us:.1f}", f"{one.write_us:.1f}",
                     f"{one.bytes_each:,.0f}", f"{tree:,.0f}", f"{one.segment_bytes:,.0f}",
                     f"{one.folder_mib:,.0f} MiB"))  # fmt: skip
    lines = [table(heads, rows)]
    share, resident = found.borne.share, found.borne.resident_mib
    lines.append(t(f"the largest state keeps {share:.0%} of the rate of the smallest; resident {resident:,.0f} MiB, "
                   "all states together",
                   f"最大状态保持最小状态速率的 {share:.0%}；全部状态合计常驻内存 {resident:,.0f} MiB"))  # fmt: skip
    copied, begun = found.borne.copied, found.started
    if copied is not None:
        lines.append(t(f"a snapshot of {copied.accounts:,} accounts: {copied.octets / 2**20:,.0f} MiB, written in "
                       f"{copied.write_s:.1f} s, loaded with every check in {copied.load_s:.1f} s",
                       f"{copied.accounts:,} 个账户的快照：{copied.octets / 2**20:,.0f} MiB，"
                       f"写出 {copied.write_s:.1f} 秒，逐项校验载入 {copied.load_s:.1f} 秒"))  # fmt: skip
    if begun is not None:
        total, opened, stood = (statistics.median(each) for each in (begun.total_s, begun.open_s, begun.executor_s))
        lines.append(t(f"a process starts with {begun.blocks:,} blocks in {total:.2f} s: ledger {opened:.2f} s, "
                       f"executor {stood:.2f} s; {begun.resident_mib:,.0f} MiB resident",
                       f"含 {begun.blocks:,} 个区块的进程启动 {total:.2f} 秒：账本 {opened:.2f} 秒，"
                       f"执行器 {stood:.2f} 秒；常驻 {begun.resident_mib:,.0f} MiB"))  # fmt: skip
    return "\n".join(lines)
