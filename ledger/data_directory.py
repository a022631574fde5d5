"""One node's directory: who owns it, of which chain it is, and that all its parts are there.

    chain      format, chain id; written last by `initialise`, so its presence means that the rest is complete
    LOCK       locked while a process uses the directory; holds that process's pid
    ledger/    LevelDB
    segments/  raw batches, receipts and ids, in files that only grow; LevelDB says where in them
    head       the head anchor
    journal    the promises of consensus
    snapshots/ what others fetch to catch up quickly; may be missing
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.anchor import HeadAnchor
from ledger.chain import Chain
from ledger.disk import DiskDirectory, JournalDirectory
from ledger.failures import DirectoryRefused, LedgerDamaged, storage_failure
from ledger.genesis_block import genesis_block
from ledger.journal import Journal
from ledger.leveldb import MAPPED_MIB, LevelDbStore
from ledger.schema import ABSTAIN_KEY, Head, pack_height, unpack_height
from ledger.snapshot_folder import SnapshotFolder
from ledger.state_tree import StateTree
from ledger.store import MemoryStore, Store
from primitives.block import header_digest
from primitives.genesis import Genesis, chain_id

CHAIN_FILE: Final = "chain"
LOCK_FILE: Final = "LOCK"
LEDGER_DIRECTORY: Final = "ledger"
SEGMENT_DIRECTORY: Final = "segments"
JOURNAL_FILE: Final = "journal"
SNAPSHOT_DIRECTORY: Final = "snapshots"
_FORMAT: Final = "hnchain-data 1"


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """All parts open, checked against each other, and locked until `close`."""

    path: Path
    chain: Chain
    tree: StateTree  # at the chain's head
    journal: Journal
    journal_records: list[bytes]  # as found at open, in order
    store: LevelDbStore
    anchor: HeadAnchor
    lock: int  # descriptor
    abstains_in: int | None = None  # up to this epoch it signs nothing: of its votes there it has no memory (S9)

    @property
    def snapshots(self) -> SnapshotFolder:
        """Where this node's snapshots are."""
        return SnapshotFolder(self.path / SNAPSHOT_DIRECTORY)

    def close(self) -> None:
        """Release everything, the lock last."""
        self.journal.close()
        self.anchor.close()
        self.chain.segments.close()
        self.store.close()
        os.close(self.lock)


def initialise(
    path: Path, genesis: Genesis, changes: Mapping[bytes, bytes], abstains_in: int | None = None
) -> None:
    """Make a directory for a node of this chain at height 0; `changes` is the whole genesis state. `abstains_in`: the
    epoch up to which the node signs nothing, where its key may have voted before (S9).

    Raises: DirectoryRefused if anything but an empty directory is there; FatalError. After a crash in between it is
    refused by `open_data_directory` and may be deleted.
    """
    with _new_place(path, chain_id(genesis), "a new data directory is only made"):
        _fill(path, genesis, changes, abstains_in)


def restore(path: Path, genesis: Genesis, fill: Callable[[Store, JournalDirectory], Head]) -> Head:
    """Make a directory whose ledger and segments `fill` loads from a snapshot; its journal is empty, so it has promised
    nothing.

    Returns: the head. Raises: DirectoryRefused as `initialise`; what `fill` raises, FatalError: nothing is left then.
    """
    chain = chain_id(genesis)
    with _new_place(path, chain, "a snapshot is only restored"):
        try:
            return _fill_from(path, chain, fill)
        except BaseException:
            shutil.rmtree(path, ignore_errors=True)
            raise


def open_data_directory(path: Path, genesis: Genesis, mapped_mib: int = MAPPED_MIB) -> DataDirectory:
    """Lock and open the directory of this chain, with so much of its database mapped at most.

    Raises: DirectoryRefused, nothing written, if it is missing, unfinished, of another chain (both ids named) or in
    use (pid and chain of the holder named); LedgerDamaged, JournalDamaged, DiskFull, StorageFailed.
    """
    chain = chain_id(genesis)
    _check_chain_file(path, chain)
    try:
        lock = _lock(path, chain, create=False)
    except OSError as error:
        raise storage_failure(f"data directory {path}", error) from error
    try:
        return _open_parts(path, chain, lock, mapped_mib)
    except BaseException:
        os.close(lock)
        raise


def lock_holder(path: Path) -> str | None:
    """Who uses the directory now ("pid 12, chain ..."), or None; for a check before anything else. Writes nothing."""
    try:
        descriptor = os.open(path / LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "an unknown process"
    finally:
        os.close(descriptor)
    return None


@contextmanager
def _new_place(path: Path, chain: bytes, deed: str) -> Iterator[None]:
    """An empty directory, locked while the caller fills it. Raises: DirectoryRefused, FatalError."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise DirectoryRefused(f"{path} is not empty; {deed} in an empty place")
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = _lock(path, chain, create=True)
        try:
            yield
        finally:
            os.close(lock)
    except OSError as error:
        raise storage_failure(f"data directory {path}", error) from error


def _fill(path: Path, genesis: Genesis, changes: Mapping[bytes, bytes], abstains_in: int | None) -> None:
    chain, directory = chain_id(genesis), DiskDirectory(path)
    tree = StateTree(MemoryStore()).update(changes)
    block = genesis_block(genesis, tree.root)
    segments = _make_folders(path)
    anchor = HeadAnchor.create(directory, chain, header_digest(block.header))
    store = LevelDbStore.create(path / LEDGER_DIRECTORY)
    Chain.create(store, segments, anchor, chain, block, changes, tree)
    if abstains_in is not None:
        store.write([(ABSTAIN_KEY, pack_height(abstains_in))])
    store.close()
    anchor.close()
    _complete(directory, chain)


def _make_folders(path: Path) -> DiskDirectory:
    """Those of database and segments; the latter to use."""
    for name in (LEDGER_DIRECTORY, SEGMENT_DIRECTORY):
        (path / name).mkdir(mode=0o700)
    return DiskDirectory(path / SEGMENT_DIRECTORY)


def _fill_from(path: Path, chain: bytes, fill: Callable[[Store, JournalDirectory], Head]) -> Head:
    segments = _make_folders(path)
    store = LevelDbStore.create(path / LEDGER_DIRECTORY)
    try:
        head = fill(store, segments)
    finally:
        store.close()
    directory = DiskDirectory(path)
    HeadAnchor.create(directory, chain, head.block_hash, head.height).close()
    _complete(directory, chain)
    return head


def _complete(directory: DiskDirectory, chain: bytes) -> None:
    """The journal, and at last the file that says that all is there."""
    Journal.create(directory, JOURNAL_FILE, chain).close()
    temporary = directory.create(CHAIN_FILE + ".tmp")
    temporary.write_at(0, _chain_text(chain))
    temporary.sync()
    temporary.close()
    directory.rename(CHAIN_FILE + ".tmp", CHAIN_FILE)
    directory.sync()


def _open_parts(path: Path, chain: bytes, lock: int, mapped_mib: int) -> DataDirectory:
    directory = DiskDirectory(path)
    if not (path / LEDGER_DIRECTORY).is_dir() or not any((path / LEDGER_DIRECTORY).iterdir()):
        raise LedgerDamaged(f"{path} has lost its ledger; fetch the chain from the other validators")
    with ExitStack() as opened:  # released again if a later part is refused
        anchor = HeadAnchor.open(directory, chain)
        opened.callback(anchor.close)
        journal, records = Journal.open(directory, JOURNAL_FILE, chain)
        opened.callback(journal.close)
        store = LevelDbStore.open(path / LEDGER_DIRECTORY, mapped_mib)
        opened.callback(store.close)
        ledger = Chain.open(store, DiskDirectory(path / SEGMENT_DIRECTORY), anchor, chain)
        opened.callback(ledger.segments.close)
        tree = StateTree(store, ledger.head.state_root)
        unstored = tree.flush()
        if unstored:
            store.write(unstored)  # else every proof would play the log back until a block stores the nodes
        abstain = store.get(ABSTAIN_KEY)
        opened.pop_all()
    abstains_in = None if abstain is None else unpack_height(abstain)
    return DataDirectory(path, ledger, tree, journal, records, store, anchor, lock, abstains_in)


def _chain_text(chain: bytes) -> bytes:
    return f"{_FORMAT}\n{chain.hex()}\n".encode()


def _check_chain_file(path: Path, chain: bytes) -> None:
    if not path.is_dir():
        raise DirectoryRefused(f"there is no data directory at {path}; make one with `hnchain node init`")
    try:
        text = (path / CHAIN_FILE).read_bytes()
    except FileNotFoundError as error:
        raise DirectoryRefused(f"{path} is not a data directory, or its making was interrupted") from error
    except OSError as error:
        raise storage_failure(f"data directory {path}", error) from error
    lines = text.decode(errors="replace").split("\n")
    if len(lines) != 3 or lines[0] != _FORMAT:
        raise DirectoryRefused(f"{path / CHAIN_FILE} begins with {lines[0][:60]!r}, this program knows {_FORMAT!r}")
    if lines[1] != chain.hex():
        raise DirectoryRefused(f"{path} is of chain {lines[1][:64]}, the genesis given is of chain {chain.hex()}")


def _lock(path: Path, chain: bytes, create: bool) -> int:
    """The descriptor that holds the lock; the kernel lets go of it when the process ends, however it ends."""
    flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
    try:
        descriptor = os.open(path / LOCK_FILE, flags, 0o600)
    except FileNotFoundError:  # somebody removed it; the lock is the kernel's, the name is only where it hangs
        descriptor = os.open(path / LOCK_FILE, flags | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "an unknown process"
        os.close(descriptor)
        raise DirectoryRefused(f"{path} is in use by {holder}") from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"pid {os.getpid()}, chain {chain.hex()}\n".encode(), 0)
    return descriptor
