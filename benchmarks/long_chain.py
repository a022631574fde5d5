"""A long chain and what is made of it: the start of a process on its folder, a snapshot written and loaded again."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.crowd import Crowd
from benchmarks.lone_node import LoneNode
from benchmarks.machine import folder_bytes
from chainnode.play_instant import genesis_bytes
from ledger.chain import Chain
from ledger.data_directory import restore
from ledger.snapshot_folder import SnapshotFolder
from ledger.snapshot_format import decode_manifest
from ledger.snapshot_loader import load
from ledger.snapshot_moments import Moments, Proven, newest_named
from ledger.snapshot_proof import check_manifest
from ledger.snapshot_writer import SnapshotWriter

PIECE: Final = 10_000  # accounts that are filled in with one block
STARTS: Final = 3
CHAIN_STEP_MS: Final = 20  # between the blocks of the long chain: 50 a second, a busy network
NAMED_WITHIN: Final = 8  # blocks until a certified header names a state

Tell = Callable[[str], None]


def quiet(_: str) -> None:
    """Tells nobody."""


class Started(msgspec.Struct, frozen=True):
    """A process from its beginning until ledger, recent ids and executor stand. Seconds, of some starts each."""

    blocks: int
    total_s: list[float]
    open_s: list[float]
    executor_s: list[float]
    resident_mib: float
    folder_mib: float


class Copied(msgspec.Struct, frozen=True):
    """A snapshot of the largest state: its writing, and its loading into an empty ledger with every check."""

    accounts: int
    octets: int
    write_s: float
    load_s: float


def long_chain(path: Path, blocks: int, tell: Tell = quiet) -> None:
    """A data directory with so many blocks of one payment each, `CHAIN_STEP_MS` apart, complete for a node to start."""
    crowd = Crowd(1_000)
    node = LoneNode(path, crowd.genesis, CHAIN_STEP_MS, durable=False)
    try:
        for changes in crowd.state(PIECE):
            node.fill(changes)
        while node.chain.head.height < blocks:
            offered = node.offer(crowd.block(1, node.now_s))
            node.commit(offered, node.execute(offered))
            if node.chain.head.height % 10_000 == 0:
                tell(f"{node.chain.head.height:,}")
    finally:
        node.close()


def start(path: Path, starts: int = STARTS) -> Started:
    """Begin a process on that directory some times. Raises: subprocess.CalledProcessError with what it said."""
    found: list[tuple[float, float, float, float, int]] = []
    for _ in range(starts):
        began = time.perf_counter()
        done = subprocess.run(  # noqa: S603  (this program)
            [sys.executable, "-m", "benchmarks.start_probe", str(path)], check=True, capture_output=True, text=True
        )
        opened, stood, resident, height = done.stdout.split()
        found.append((time.perf_counter() - began, float(opened), float(stood), float(resident), int(height)))
    total, opened_s, executor_s = ([round(one[column], 3) for one in found] for column in range(3))
    resident_mib = round(statistics.median(one[3] for one in found), 1)
    return Started(
        found[0][4], total, opened_s, executor_s, resident_mib, round(folder_bytes(path) / 2**20, 1)
    )  # fmt: skip


def copy(node: LoneNode, folder: Path, accounts: int) -> Copied:
    """A snapshot of the node's state into `folder`, and a ledger beside it that is loaded from it.

    Certificates here are of zeros, so that any signature passes; everything else is checked as a node checks it.
    """
    proven = _proven(node)
    began = time.perf_counter()
    shelf = SnapshotFolder(folder / "snapshots")
    writer = SnapshotWriter(node.chain_id, (), proven, shelf)
    while writer.piece():
        pass
    written = time.perf_counter()
    raw = shelf.manifest(writer.height)
    assert raw is not None, "the snapshot is finished"
    manifest = decode_manifest(raw)
    proof = check_manifest(manifest, node.genesis, lambda *_: True)

    def chunk(index: int) -> bytes:
        found = shelf.chunk(manifest.height, index)
        assert found is not None, "every chunk was written"
        return found

    restore(folder / "loaded", node.genesis,
            lambda store, files: load(store, files, node.genesis, genesis_bytes(node.genesis), manifest, proof, chunk)
            )  # fmt: skip
    loaded = time.perf_counter()
    return Copied(accounts, manifest.octets, round(written - began, 2), round(loaded - written, 2))


def _proven(node: LoneNode) -> Proven:
    """The next state that a header names."""
    chain: Chain = node.chain
    moments = Moments(chain, newest_named(chain))
    for _ in range(NAMED_WITHIN):
        proven = moments.advance()
        if proven is not None:
            return proven
        offered = node.offer(())
        node.commit(offered, node.execute(offered))
    raise AssertionError("every block names the state before it")
